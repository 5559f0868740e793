from typing import Generic, NamedTuple, TypeVar

from ..base import Point, Variable
from ..economy import FLOW

T = TypeVar("T")


class Policy(NamedTuple, Generic[T]):
    """The two controls of DICE."""

    abatement: T
    savings: T


def policy_variables(abated: str, most: float) -> Point:
    """The two controls; `abated` names the emissions that can be abated, `most` is the upper bound of their abated share."""
    return Policy(
        Variable(f"share of {abated} abated", "1", 0.0, most, symbol="mu"),
        Variable("share of net output saved", "1", 0.0, 1.0, symbol="s"),
    )


def economy_variables(baseline: str) -> dict[str, Variable]:
    """Observables of both versions of DICE; `baseline` names the reference of temperatures."""
    return {
        # emissions in carbon, as in every other model, and in CO2, as published
        "emissions": Variable("emissions of carbon, industry and land", "GtC/yr", iamc="Emissions|CO2"),
        "emissions_co2": Variable("emissions of CO2, industry and land", "GtCO2/yr", symbol="E"),
        "industrial_emissions": Variable("emissions of CO2 from industry", "GtCO2/yr", symbol="EIND"),
        "output": Variable("output before damages and abatement", FLOW, symbol="YGROSS"),
        "damages": Variable("output lost to warming", FLOW, iamc="Damage Cost"),
        "abatement_cost": Variable("cost of abatement", FLOW, iamc="Policy Cost"),
        "investment": Variable("investment", FLOW, iamc="Investment", symbol="I"),
        "consumption": Variable("consumption", FLOW, iamc="Consumption", symbol="C"),
        "temperature": Variable(f"temperature {baseline}", "degC", iamc="Surface Temperature (GSAT)", symbol="T"),
        "forcing": Variable("radiative forcing", "W/m2", symbol="F"),
        "carbon_price": Variable("price of carbon at which the abatement pays", "US$/tCO2", iamc="Price|Carbon"),
    }


class WorldOfDice(NamedTuple, Generic[T]):
    """The states of DICE-2016R in continuous time."""

    log_capital: T
    carbon_air: T
    carbon_upper: T
    carbon_deep: T
    temperature: T
    temperature_ocean: T
    time: T


TIME = Variable("years since 2015", "yr", 0.0, 285.0, symbol="t")
LOG_CAPITAL = Variable("log of capital", "log trillion US$", 5.0, 10.0, symbol="k")
