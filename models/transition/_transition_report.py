"""What the models with dirty and green capital report: flows, and what capital is worth."""

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from ..base import Point, Scalar, Variable
from ..equation import AbstractModel
from ._transition_names import INTENSITY_OBSERVABLES, OBSERVABLES, RESEARCH_OBSERVABLES


class TransitionReport(AbstractModel):
    """Observables and valuations; see `TwoCapital` and `NetZero`."""

    if TYPE_CHECKING:
        economy: Any
        damages: Any
        has_knowledge: bool
        abates: bool

    # -- of one unit of total capital -------------------------------------------------------------------

    def spent_on_research(self, u: Point) -> Scalar:
        """$x_r$, per unit of total capital and year; none without knowledge."""
        return u.research if self.has_knowledge else jnp.zeros_like(u.dirty_investment)

    def spent_on_intensity(self, x: Point, u: Point) -> Scalar:
        """What dirty output is spent on lower carbon intensity, per unit of total capital and year."""
        if not self.abates:
            return jnp.zeros_like(u.dirty_investment)
        return self.economy.dirty_output(x.log_capital_ratio) * u.intensity_reduction

    def invested(self, x: Point, u: Point) -> Scalar:
        """Investment in both capitals, per unit of total capital and year."""
        down, up = self.economy.shares(x.log_capital_ratio)
        return down * u.dirty_investment + up * u.green_investment

    def consumption_share(self, x: Point, u: Point) -> Scalar:
        """$C/K$, before damages, per year."""
        spent = self.invested(x, u) + self.spent_on_intensity(x, u) + self.spent_on_research(u)
        return self.economy.productivity(x.log_capital_ratio) - spent

    # -- of the world -----------------------------------------------------------------------------------

    def total_capital(self, x: Point, additive: Point) -> Scalar:
        """$K = K_d + K_g$, trillion US$."""
        return jnp.exp(x.log_capital if "log_capital" in x._fields else additive.log_capital)

    def total_value(self, x: Point, value: Scalar, additive: Point) -> Scalar:
        """$V$: of what is gridded, $f$, and log capital, unless that is gridded too."""
        return value if "log_capital" in x._fields else additive.log_capital + value

    def marginal_utility(self, t: Scalar, x: Point, u: Point, additive: Point) -> Scalar:
        return self.preferences.discount_rate / (self.consumption_share(x, u) * self.total_capital(x, additive))

    def observables(self, t: Scalar, x: Point, u: Point, additive: Point) -> dict[str, Scalar]:
        capital = self.total_capital(x, additive)
        consumption = self.consumption_share(x, u) * capital
        found = {
            "emissions": self.economy.emissions(x[0]),
            "output": self.economy.productivity(x.log_capital_ratio) * capital,
            "investment_flow": self.invested(x, u) * capital,
            "consumption": consumption,
            "damages": -consumption * jnp.expm1(-self.damages.log_damages(x.temperature)),
            "capital": capital,
            "green_share": self.economy.shares(x.log_capital_ratio)[1],
        }
        if self.abates:
            found["carbon_intensity"] = jnp.exp(additive.log_carbon_intensity)
            found["abatement_flow"] = self.spent_on_intensity(x, u) * capital
        if self.has_knowledge:
            found |= {"research_flow": u.research * capital, "knowledge": jnp.exp(x.log_knowledge)}
        return found

    @property
    def observable_variables(self) -> dict[str, Variable]:
        reduction = INTENSITY_OBSERVABLES if self.abates else {}
        return OBSERVABLES | reduction | (RESEARCH_OBSERVABLES if self.has_knowledge else {})

    # -- the published coordinates ----------------------------------------------------------------------

    def prices(self, x: Point, costate: Point) -> tuple[Scalar, Scalar]:
        r"""Marginal values of $\log K_d$ and $\log K_g$: $a = (1-s)p+f_q-f_w$ and $b = sp+f_w$, with $p$ the costate of log capital.

        Their sum is $V_k = p+f_q$; $p = 1$ where log capital is additive.
        """
        down, up = self.economy.shares(x.log_capital_ratio)
        change = costate.log_capital_ratio
        level = costate.log_capital if "log_capital" in x._fields else 1.0
        return down * level + costate[0] - change, up * level + change

    def published_slopes(self, x: Point, costate: Point) -> dict[str, Scalar]:
        """$V_k$ and $V_w$ (at fixed $k$), $V_Z$, $V_y$, as the published tables give them."""
        dirty, green = self.prices(x, costate)
        down, up = self.economy.shares(x.log_capital_ratio)
        at_fixed_capital = green - up * (dirty + green)
        return {
            "capital": dirty + green,
            "ratio": at_fixed_capital,
            "green_share": at_fixed_capital / (down * up),
            "temperature": costate.temperature,
        }
