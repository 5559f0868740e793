"""The fossil-reserve model with plentiful reserves: one ordinary differential equation."""

from typing import NamedTuple

import numpy as np
import scipy.integrate
import scipy.optimize
from jaxtyping import Float
from scipy.special import softmax

from ...models import FossilReserves


class _Tilted(NamedTuple):
    """Derivatives of the certainty equivalent $I(E,F)$ of $-(1-\\kappa)Em_\\ell(F)$."""

    value: float
    in_emissions: float
    in_carbon: float
    twice_emissions: float
    mixed: float


class FossilLimit:
    r"""The limit of `fossil_reserves` with plentiful reserves, which have no value: $V = (1-\kappa)k + g(F)$ + const.

    $$\delta g = \max_E\{\delta\kappa\log E + Eg' + I(E,F)\}$$

    Investment solves $\phi_0\phi_1(\alpha-i) = \delta(1+\phi_1i)$: by default it is 0.09, and capital grows by 2 % per year. Along
    the optimum $g' = -\delta\kappa/E - I_E$; substitution into the equation and differentiation with respect to $F$ lead to

    $$E'(F) = \frac{EI_{EF} - I_F - \delta(\delta\kappa/E + I_E)}{\delta\kappa/E - EI_{EE}}$$

    which is integrated downwards from `top`, where $EE'$ is negligible (implicit Runge-Kutta; no code is shared with the model's
    control or with any solver).

    **Arguments:**

    - `model`: a model without ambiguity about shocks.
    - `bottom`, `top`: the interval of cumulative emissions in GtC.

    **Raises:** `ValueError` with ambiguity about shocks or exogenous emissions.

    !!! example

        ```python
        import abatax as ab

        limit = ab.validation.FossilLimit(ab.models.FossilReserves())
        assert abs(limit.investment - 0.09) < 1e-12
        ```
    """

    def __init__(self, model: FossilReserves, bottom: float = 100.0, top: float = 9000.0):
        if bool(np.any(np.asarray(model.ambiguity.shocks) > 0)) or float(model.exogenous_emissions) != 0.0:
            raise ValueError(
                "FossilLimit: it is derived without ambiguity about shocks and without exogenous emissions; set both to zero."
            )
        self.bottom, self.top = bottom, top
        self.discount_rate, self.share = float(model.preferences.discount_rate), float(model.emissions_share)
        self.aversion = float(model.ambiguity.climate)
        economy = model.economy
        phi, alpha = float(economy.adjustment_curvature), float(economy.productivity)
        product = float(economy.adjustment_scale) * phi
        self.investment = (product * alpha - self.discount_rate) / (product + self.discount_rate * phi)
        self.growth = float(economy.growth) + float(economy.adjustment_scale) * np.log1p(phi * self.investment)
        self.consumption_share = alpha - self.investment
        self.initial = float(model.initial_carbon), float(economy.initial_capital)
        self._beta, self._prior = np.asarray(model.ensemble.values), np.asarray(model.ensemble.weights)
        self._parts = [
            [float(v) for v in (d.linear, d.quadratic, d.curvature, d.threshold)]
            for d in (model.damages.nordhaus, model.damages.weitzman)
        ]
        self._steep = np.asarray(model.climates.weitzman) > 0.5
        self._solution = self._integrate()

    def _per_carbon(self, carbon: float) -> tuple[np.ndarray, np.ndarray]:
        r"""$m_\ell(F)$ and its derivative."""
        y = self._beta * carbon
        slope, bend = np.zeros_like(y), np.zeros_like(y)
        for steep, (linear, quadratic, curvature, threshold) in zip((False, True), self._parts, strict=True):
            here, beyond = self._steep == steep, y >= threshold
            slope = np.where(here, linear + quadratic * y + curvature * beyond * (y - threshold), slope)
            bend = np.where(here, quadratic + curvature * beyond, bend)
        return self._beta * slope, self._beta**2 * bend

    def _tilted(self, emissions: float, carbon: float) -> _Tilted:
        damage, bend = self._per_carbon(carbon)
        a, u, v = self.aversion, -(1.0 - self.share) * damage, -(1.0 - self.share) * bend
        with np.errstate(divide="ignore"):
            exponents = np.log(self._prior) - a * emissions * u
        omega = softmax(exponents)
        u1, v1 = omega @ u, omega @ v
        mean = self._prior @ u * emissions
        deviation = np.where(self._prior > 0, emissions * u - mean, 0.0)
        shift = float(np.max(-a * deviation))
        log_sum = shift + np.log(self._prior @ np.exp(-a * deviation - shift))
        return _Tilted(
            value=float(mean) - (float(log_sum) / a if a > 0 else 0.0),
            in_emissions=u1,
            in_carbon=emissions * v1,
            twice_emissions=-a * (omega @ (u - u1) ** 2),
            mixed=v1 - a * emissions * (omega @ ((u - u1) * (v - v1))),
        )

    def _integrate(self):
        weight, delta = self.discount_rate * self.share, self.discount_rate

        def slope(carbon, y):
            e = float(np.exp(y[0]))
            i = self._tilted(e, carbon)
            gain = e * i.mixed - i.in_carbon - delta * (weight / e + i.in_emissions)
            return np.array([gain / (weight / e - e * i.twice_emissions) / e])

        def balance(y):  # E E' is neglected: delta g' = I_F
            e = float(np.exp(y))
            i = self._tilted(e, self.top)
            return delta * (weight / e + i.in_emissions) + i.in_carbon

        start = scipy.optimize.brentq(balance, -15.0, 10.0, xtol=1e-13)
        result = scipy.integrate.solve_ivp(
            slope, (self.top, self.bottom), [start], method="Radau", rtol=1e-9, atol=1e-10, dense_output=True
        )
        if not result.success:
            raise ValueError(f"FossilLimit: the differential equation was not integrated: {result.message}")
        return result.sol

    def emissions(self, carbon: Float[np.ndarray, "..."] | float) -> Float[np.ndarray, "..."]:
        """Optimal emissions in GtC/yr as a function of cumulative emissions in GtC."""
        return np.asarray(np.exp(self._solution(np.asarray(carbon, dtype=float))[0]))

    def slope(self, carbon: float) -> float:
        """$g'(F)$, per GtC."""
        e = float(self.emissions(carbon))
        return -self.discount_rate * self.share / e - self._tilted(e, carbon).in_emissions

    def carbon_value(self, carbon: float) -> float:
        """$g(F)$."""
        e = float(self.emissions(carbon))
        i, weight = self._tilted(e, carbon), self.discount_rate * self.share
        return (weight * np.log(e) - weight - e * i.in_emissions + i.value) / self.discount_rate

    def social_cost(self, capital: float, emissions: float) -> float:
        """Social cost of carbon, US$ per tonne of carbon; capital in trillion US$."""
        return 1000.0 * self.share / (1.0 - self.share) * self.consumption_share * capital / emissions

    def path(self, years: int = 100, steps_per_year: int = 4) -> dict[str, Float[np.ndarray, " date"]]:
        """The path without shocks at every step: `cumulative_emissions` (GtC), `emissions` (GtC/yr), `scc` (US$/tC)."""
        carbon, capital = self.initial
        rows, dt = [], 1.0 / steps_per_year
        for _ in range(years * steps_per_year):
            e = float(self.emissions(carbon))
            rows.append((carbon, e, self.social_cost(capital, e)))
            carbon, capital = carbon + e * dt, capital * np.exp(self.growth * dt)
        return dict(zip(("cumulative_emissions", "emissions", "scc"), np.array(rows).T, strict=True))
