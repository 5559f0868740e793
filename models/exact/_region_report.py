"""What the model of many regions reports: the world's flows, and the physical states where they are rotated."""

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from ..base import Point, Scalar, Variable
from ..economy import CAPITAL, CONSUMPTION, DAMAGES, INVESTMENT, OUTPUT
from ..equation import AbstractModel
from ._region_names import physical_variables


class RegionReport(AbstractModel):
    """Observables and what consumption is worth; see `MultiRegion`."""

    if TYPE_CHECKING:
        regions: Any
        vulnerability: Any
        rotation: Any
        emissions_share: Any
        economy: Any
        damages: Any
        investment: Any
        physical: Any

    def _capital(self, additive: Point) -> Scalar:
        return jnp.sum(jnp.exp(jnp.stack(additive)))

    def marginal_utility(self, t: Scalar, x: Point, u: Point, additive: Point) -> Scalar:
        r"""Of world consumption, shared out in proportion to regions' consumption: $\delta(1-\eta)/C$."""
        weight = self.preferences.discount_rate * (1.0 - self.emissions_share)
        return weight / ((self.economy.productivity - self.investment) * self._capital(additive))

    def observables(self, t: Scalar, x: Point, u: Point, additive: Point) -> dict[str, Scalar]:
        capitals, (y, z) = jnp.exp(jnp.stack(additive)), self.physical(x)
        world, each = jnp.sum(capitals), self.economy.productivity - self.investment
        exposed = jnp.ones(self.regions) if self.vulnerability is None else self.vulnerability
        lost = -each * capitals @ jnp.expm1(-exposed * self.damages.log_damages(y))
        found = {
            "emissions": jnp.sum(jnp.stack(u)),
            "output": self.economy.productivity * world,
            "investment": self.investment * world,
            "consumption": each * world,
            "damages": lost,
            "capital": world,
        }
        physical = dict(zip(physical_variables(self.regions)._fields, (y, *z), strict=True))
        return found | physical if self.rotation else found

    @property
    def observable_variables(self) -> dict[str, Variable]:
        found = {
            "emissions": Variable("carbon emissions", "GtC/yr", iamc="Emissions|CO2"),
            "output": OUTPUT,
            "investment": INVESTMENT,
            "consumption": CONSUMPTION,
            "damages": DAMAGES,
            "capital": CAPITAL,
        }
        return found | physical_variables(self.regions)._asdict() if self.rotation else found
