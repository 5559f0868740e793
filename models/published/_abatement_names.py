"""What the states, controls and observables of the abatement-technology model are called."""

from typing import Generic, NamedTuple, TypeVar

from ..base import Point, Variable

T = TypeVar("T")


class CapitalTemperature(NamedTuple, Generic[T]):
    log_capital: T
    temperature: T


class InvestmentEmissions(NamedTuple, Generic[T]):
    investment: T
    emissions: T


class LogDamages(NamedTuple, Generic[T]):
    log_damages: T


def state_variables(warming: tuple[float, float]) -> Point:
    """The two states, with a region of interest in temperature."""
    return CapitalTemperature(
        Variable("log of capital", "log trillion US$", 6.0, 8.5, symbol="k"),
        Variable("temperature anomaly above 1850-1900", "degC", *warming, "Surface Temperature (GSAT)", "y"),
    )


# Investment is irreversible and, above 1/kappa, wasteful; emissions never exceed their baseline.
CONTROLS = InvestmentEmissions(
    Variable("investment per unit of capital", "1/yr", 0.0, 0.5, symbol="i"),
    Variable("carbon emissions", "GtC/yr", 0.0, 1e3, "Emissions|CO2", "e"),
)

_FLOW = "trillion US$/yr"
OBSERVABLES = {
    "output": Variable("output before abatement and damages", _FLOW, iamc="GDP|MER"),
    "investment_flow": Variable("investment", _FLOW, iamc="Investment"),
    "abatement_cost": Variable("cost of abatement", _FLOW, iamc="Policy Cost|Additional Total Energy System Cost"),
    "consumption": Variable("consumption before damages", _FLOW, iamc="Consumption"),
    "damages": Variable("consumption lost to damages", _FLOW, iamc="Damage Cost"),
    "capital": Variable("capital", "trillion US$", iamc="Capital Stock"),
}
