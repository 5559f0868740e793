"""What the knowledge-capital model reports: flows, and what knowledge, warming and carbon are worth."""

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from ..base import Point, Scalar, Variable
from ..equation import AbstractModel, TimeAdditive
from ._knowledge_names import OBSERVABLES


class KnowledgeReport(AbstractModel):
    """Observables and valuations; see `KnowledgeCapital`."""

    if TYPE_CHECKING:
        economy: Any
        abatement: Any
        abatement_cost: Any

    def consumption_share(self, x: Point, u: Point) -> Scalar:
        """What is left to consume, per unit of capital and year."""
        output = self.economy.productivity * jnp.exp(x.log_capital)
        share = self.abatement.cost_share(u.emissions, output) / self.abatement.cost
        return self.economy.productivity - u.investment - u.research - self.abatement_cost * share

    def marginal_utility(self, t: Scalar, x: Point, u: Point, additive: Point) -> Scalar:
        flow = self.preferences.discount_rate if isinstance(self.preferences, TimeAdditive) else 1.0
        return flow / (self.consumption_share(x, u) * jnp.exp(x.log_capital))

    def observables(self, t: Scalar, x: Point, u: Point, additive: Point) -> dict[str, Scalar]:
        capital = jnp.exp(x.log_capital)
        output = self.economy.productivity * capital
        consumption = self.consumption_share(x, u) * capital
        needed = self.abatement_cost / (self.economy.productivity * self.abatement.cost)
        return {
            "output": output,
            "investment_flow": u.investment * capital,
            "research_flow": u.research * capital,
            "abatement_cost": needed * self.abatement.cost_share(u.emissions, output) * output,
            "consumption": consumption,
            "damages": -consumption * jnp.expm1(-additive.log_damages),
            "capital": capital,
            "knowledge": jnp.exp(x.log_knowledge),
        }

    @property
    def observable_variables(self) -> dict[str, Variable]:
        return OBSERVABLES

    # -- what things are worth, given the derivatives of the value function ------------------------------

    def _per_utility(self, x: Point, u: Point) -> Scalar:
        r"""$C/\delta$, trillion US$: what a unit of log-consumption value is worth, before damages, as published for any $\rho$."""
        return self.consumption_share(x, u) * jnp.exp(x.log_capital) / self.preferences.discount_rate

    def social_value_of_research(self, x: Point, u: Point, costate: Point) -> Scalar:
        r"""$Rv_rC/\delta$ with $v_r = \partial v/\partial\log R$, as published (the stock itself is worth $v_rC/\delta$)."""
        return jnp.exp(x.log_knowledge) * costate.log_knowledge * self._per_utility(x, u)

    def social_cost_of_warming(self, x: Point, u: Point, costate: Point) -> Scalar:
        r"""What a degree costs through all that it changes later, trillion US$: $-v_yC/\delta$, without the damage it does now."""
        return -costate.temperature * self._per_utility(x, u)

    def social_cost_from_emissions(self, emissions: Scalar, log_capital: Scalar) -> Scalar:
        r"""The first-order condition for emissions: the marginal cost of abatement, trillion US$ per GtC."""
        return self.abatement.marginal_cost(emissions, self.economy.productivity * jnp.exp(log_capital))
