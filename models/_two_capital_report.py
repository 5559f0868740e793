"""What the two-capital model reports: flows, and what capital is worth."""

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp

from ._model import AbstractModel
from ._two_capital_names import KNOWLEDGE, OBSERVABLES, RESEARCH_FLOW
from ._types import Point, Scalar, ScalarLike, parameter
from ._variable import Variable


class TwoCapitalReport(AbstractModel):
    """Observables and valuations; see `TwoCapital`."""

    if TYPE_CHECKING:
        economy: Any
        damages: Any
        has_knowledge: bool

    def total_capital(self, x: Point) -> Scalar:
        """$K = K_d + K_g$, trillion US$."""
        return jnp.exp(self.economy.log_capital(x.log_dirty_capital, x.log_capital_ratio))

    def spent_on_research(self, u: Point) -> Scalar:
        """$x_r$, per unit of total capital and year; none without knowledge."""
        return u.research if self.has_knowledge else jnp.zeros_like(u.dirty_investment)

    def invested(self, x: Point, u: Point) -> Scalar:
        """Investment in both capitals, per unit of total capital and year."""
        down, up = self.economy.shares(x.log_capital_ratio)
        return down * u.dirty_investment + up * u.green_investment

    def consumption_share(self, x: Point, u: Point) -> Scalar:
        """$C/K$, before damages, per year."""
        return self.economy.productivity(x.log_capital_ratio) - self.invested(x, u) - self.spent_on_research(u)

    def marginal_utility(self, t: Scalar, x: Point, u: Point, additive: Point) -> Scalar:
        return self.preferences.discount_rate / (self.consumption_share(x, u) * self.total_capital(x))

    def observables(self, t: Scalar, x: Point, u: Point, additive: Point) -> dict[str, Scalar]:
        capital = self.total_capital(x)
        consumption = self.consumption_share(x, u) * capital
        found = {
            "emissions": self.economy.emissions(x.log_dirty_capital),
            "output": self.economy.productivity(x.log_capital_ratio) * capital,
            "investment_flow": self.invested(x, u) * capital,
            "consumption": consumption,
            "damages": -consumption * jnp.expm1(-self.damages.log_damages(x.temperature)),
            "capital": capital,
            "green_share": self.economy.shares(x.log_capital_ratio)[1],
        }
        if self.has_knowledge:
            found |= {"research_flow": u.research * capital, "knowledge": jnp.exp(x.log_knowledge)}
        return found

    @property
    def observable_variables(self) -> dict[str, Variable]:
        extra = {"research_flow": RESEARCH_FLOW, "knowledge": KNOWLEDGE} if self.has_knowledge else {}
        return OBSERVABLES | extra

    # -- the published coordinates ----------------------------------------------------------------------

    def state_at(
        self, capital: ScalarLike, green_share: ScalarLike, temperature: ScalarLike, *knowledge: ScalarLike
    ) -> Point:
        """The state at total capital, green share, temperature and, if it is a state, knowledge (trillion US$, 1, degC)."""
        stock, share, warming, *rest = map(parameter, (capital, green_share, temperature, *knowledge))
        ratio = jnp.log(share) - jnp.log1p(-share)
        return type(self.states)(jnp.log(stock * (1.0 - share)), ratio, warming, *map(jnp.log, rest))

    def total_value(self, x: Point, value: Scalar) -> Scalar:
        """$V = k + f$."""
        return self.economy.log_capital(x.log_dirty_capital, x.log_capital_ratio) + value

    def prices(self, x: Point, costate: Point) -> tuple[Scalar, Scalar]:
        r"""Marginal values of $\log K_d$ and $\log K_g$: $a = 1-s+f_q-f_w$ and $b = s+f_w$; their sum is $V_k = 1+f_q$."""
        down, up = self.economy.shares(x.log_capital_ratio)
        change = costate.log_capital_ratio
        return down + costate.log_dirty_capital - change, up + change

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
