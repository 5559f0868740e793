"""What the states, controls and observables of the two-capital model are called."""

from typing import Generic, NamedTuple, TypeVar

from ._variable import Variable

T = TypeVar("T")

STAGES = ("before", "parity", "mature")
PHASES = (*STAGES, *(f"{stage}_revealed" for stage in STAGES))


class CapitalsTemperature(NamedTuple, Generic[T]):
    log_dirty_capital: T
    log_capital_ratio: T
    temperature: T


class CapitalsTemperatureKnowledge(NamedTuple, Generic[T]):
    log_dirty_capital: T
    log_capital_ratio: T
    temperature: T
    log_knowledge: T


class Investments(NamedTuple, Generic[T]):
    dirty_investment: T
    green_investment: T


class InvestmentsResearch(NamedTuple, Generic[T]):
    dirty_investment: T
    green_investment: T
    research: T


class LogCapital(NamedTuple, Generic[T]):
    log_capital: T


LOG_CAPITAL = LogCapital(Variable("log of total capital", "log trillion US$", symbol="k"))
LOG_KNOWLEDGE = Variable("log of knowledge", "log trillion US$", 1.0, 5.5, symbol="r")


CAPITALS = CapitalsTemperature(
    Variable("log of dirty capital", "log trillion US$", 4.0, 6.5, symbol="q"),
    Variable("log of green over dirty capital", "1", -1.5, 4.0, symbol="w"),
    Variable("temperature anomaly above 1850-1900", "degC", 0.9, 4.0, "Surface Temperature (GSAT)", "y"),
)

_FLOW = "trillion US$/yr"
OBSERVABLES = {
    "emissions": Variable("carbon emissions", "GtC/yr", iamc="Emissions|CO2"),
    "output": Variable("output", _FLOW, iamc="GDP|MER"),
    "investment_flow": Variable("investment in both capitals", _FLOW, iamc="Investment"),
    "consumption": Variable("consumption before damages", _FLOW, iamc="Consumption"),
    "damages": Variable("consumption lost to damages", _FLOW, iamc="Damage Cost"),
    "capital": Variable("total capital", "trillion US$", iamc="Capital Stock"),
    "green_share": Variable("share of green capital", "1"),
}
RESEARCH_FLOW = Variable("research and development", _FLOW)
KNOWLEDGE = Variable("knowledge capital", "trillion US$")
