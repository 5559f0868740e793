"""What the states, controls and observables of the knowledge-capital model are called."""

from typing import Generic, NamedTuple, TypeVar

from ..base import Point, Variable
from ..climate import TEMPERATURE
from ..economy import CAPITAL, CONSUMPTION, DAMAGES, FLOW, INVESTMENT

T = TypeVar("T")


class CapitalTemperatureKnowledge(NamedTuple, Generic[T]):
    log_capital: T
    temperature: T
    log_knowledge: T


class InvestmentResearchEmissions(NamedTuple, Generic[T]):
    investment: T
    research: T
    emissions: T


class LogDamages(NamedTuple, Generic[T]):
    log_damages: T


def state_variables(warming: tuple[float, float]) -> Point:
    """The three states, with a region of interest in temperature."""
    return CapitalTemperatureKnowledge(
        Variable("log of capital", "log trillion US$", 6.0, 8.5, symbol="k"),
        TEMPERATURE._replace(low=warming[0], high=warming[1]),
        Variable("log of knowledge", "log trillion US$", 2.0, 5.5, symbol="r"),
    )


# Investment is irreversible and, above 1/kappa, wasteful; emissions never exceed their baseline, which is 58 GtC/yr
# at the upper end of the region in capital.
CONTROLS = InvestmentResearchEmissions(
    Variable("investment per unit of capital", "1/yr", 0.0, 0.5, symbol="i"),
    Variable("research per unit of capital", "1/yr", 1e-10, 0.1, symbol="x_r"),
    Variable("carbon emissions", "GtC/yr", 0.0, 1e3, "Emissions|CO2", "e"),
)

OBSERVABLES = {
    "output": Variable("output before abatement and damages", FLOW, iamc="GDP|MER"),
    "investment_flow": INVESTMENT,
    "research_flow": Variable("research and development", FLOW),
    "abatement_cost": Variable("cost of abatement", FLOW, iamc="Policy Cost|Additional Total Energy System Cost"),
    "consumption": CONSUMPTION,
    "damages": DAMAGES,
    "capital": CAPITAL,
    "knowledge": Variable("knowledge capital", "trillion US$"),
}
