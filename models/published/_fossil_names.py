"""What the states, controls and observables of the fossil-reserve model are called."""

from typing import Generic, NamedTuple, TypeVar

from ..base import Variable
from ..economy import CAPITAL, CONSUMPTION, DAMAGES, FLOW, INVESTMENT, OUTPUT

T = TypeVar("T")


class ReservesCarbonCapital(NamedTuple, Generic[T]):
    log_reserves: T
    cumulative_emissions: T
    log_capital: T


class InvestmentExplorationEmissions(NamedTuple, Generic[T]):
    investment: T
    exploration: T
    emissions: T


class LogDamages(NamedTuple, Generic[T]):
    log_damages: T


STATES = ReservesCarbonCapital(
    Variable("log of fossil reserves", "log GtC", 0.0, 7.0, symbol="r"),
    Variable("cumulative emissions", "GtC", 200.0, 2000.0, symbol="F"),
    Variable("log of capital", "log trillion US$", 5.0, 10.0, symbol="k"),
)
CONTROLS = InvestmentExplorationEmissions(
    # above -1/phi_1, where the adjustment cost is infinite
    Variable("investment per unit of capital", "1/yr", -0.05, 0.5, symbol="i"),
    # at zero the first dollar would be infinitely productive; below 1e-7 $ per 1000 $ nobody looks for reserves
    Variable("exploration per unit of capital", "1/yr", 1e-10, 0.5, symbol="j"),
    Variable("carbon emissions", "GtC/yr", 1e-6, 1e3, "Emissions|CO2", "E"),
)
ADDITIVE = LogDamages(Variable("log of damages", "1", symbol="d"))
OBSERVABLES = {
    "output": OUTPUT,
    "investment_flow": INVESTMENT,
    "exploration_flow": Variable("spending on exploration", FLOW),
    "consumption": CONSUMPTION,
    "damages": DAMAGES,
    "capital": CAPITAL,
    "reserves": Variable("fossil reserves", "GtC"),
    "temperature": Variable(
        "temperature anomaly of the carbon emitted, prior mean", "degC", iamc="Surface Temperature (GSAT)"
    ),
}
