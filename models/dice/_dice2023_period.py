"""One period of DICE-2023."""

from typing import Generic, NamedTuple, TypeVar

import jax.numpy as jnp
from jaxtyping import Array

from ..base import Point, Scalar
from ..climate import FairClimate, FairState
from ..equation import AbstractPeriod, PeriodOutcome
from ._dice_economy import DiceEconomy, period_outcome

T = TypeVar("T")

_SCALE = 0.00891061  # of welfare, as published; it does not affect the path
_PPM = 2.13  # GtC per ppm


class FairBoxes(NamedTuple, Generic[T]):
    capital: T
    cumulative_emissions: T
    other_forcing: T
    carbon_geological: T
    carbon_deep_ocean: T
    carbon_biosphere: T
    carbon_mixed_layer: T
    temperature_deep: T
    temperature_fast: T
    log_timescale: T


class Given2023(NamedTuple):
    """Exogenous quantities of a period."""

    first: Array  # 1 in the first period, which has a prescribed climate
    population: Array  # million
    productivity: Array
    intensity: Array  # GtCO2 per trillion US$
    cost: Array  # cost of full abatement as a share of output, other gases included
    backstop: Array  # US$/tCO2
    land: Array  # GtCO2/yr
    forcing: Array  # W/m2, of agents that cannot be abated
    other: Array  # abatable emissions of other gases, GtCO2e/yr
    weight: Array  # weight in welfare of the annual utility of a million people


class Period2023(AbstractPeriod):
    """One period of DICE-2023: output and emissions, the climate of the same period, and its damages."""

    economy: DiceEconomy
    climate: FairClimate
    other_memory: Array
    other_response: Array

    def __call__(self, given: Point, x: Point, u: Point, pulse: Scalar) -> PeriodOutcome:
        economy, climate = self.economy, self.climate
        gross = economy.gross_output(given.productivity, given.population, x.capital)
        unabated = 1.0 - u.abatement
        industrial = given.intensity * gross * unabated
        emissions = industrial + given.land * unabated + pulse
        exogenous = given.forcing + x.other_forcing
        old = FairState(x.cumulative_emissions, jnp.stack(x[3:7]), jnp.stack(x[7:9]), x.log_timescale)
        new = climate.advance(old, emissions, exogenous)
        # The climate of the first period is prescribed: its emissions only enter cumulative emissions, as published.
        keep = given.first > 0.0
        new = FairState(*(jnp.where(keep, a, b) for a, b in zip(old, new, strict=True)))
        total = jnp.where(keep, climate.initial_total, climate.total(new))
        warming = jnp.where(keep, climate.initial_warming, climate.warming(new))
        output = economy.produce(gross, given.cost, warming, u.abatement, u.savings)
        boxes = (*new.carbon, *new.temperature, new.log_timescale)
        state = FairBoxes(
            economy.next_capital(x.capital, output.investment),
            climate.cumulate(new, emissions).cumulative,
            self.other_memory * x.other_forcing + self.other_response * given.other * unabated,
            *boxes,
        )
        seen = {
            "emissions_co2": emissions,
            "industrial_emissions": industrial,
            "temperature": warming,
            "forcing": climate.forcing(total, exogenous),
            "concentration": total / _PPM,
            **dict(zip(FairBoxes._fields[3:], boxes, strict=True)),
        }
        return period_outcome(economy, given, output, u.abatement, state, _SCALE, seen)
