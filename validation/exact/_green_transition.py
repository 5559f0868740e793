"""The two-capital model without emissions: an ordinary differential equation in the ratio of the capitals."""

import dataclasses
import functools as ft

import jax
import jax.numpy as jnp
import numpy as np
import scipy.integrate
from jaxtyping import Float

from ...models import TwoCapital


@dataclasses.dataclass(frozen=True)
class GreenTransition:
    r"""The exact value function of two capitals without emissions and noise, during the transition to the more productive capital.

    $V = k + v(w)$ with $\delta v = \max\{\delta\log c + a\phi_d(i_d) + b\phi_g(i_g)\}$, $a = 1-s-v'$, $b = s+v'$. Differentiated, with
    $\mu = \phi_g-\phi_d$ the drift of $w$,

    $$\mu v'' = \delta v' - H_w$$

    is integrated against the drift, from the end at which only one capital remains and $v' \propto e^{\mp w}$. In this direction
    errors decay.

    **Arguments:**

    - `model`: a model with equal $\Gamma$ and $\theta$ of both capitals; its emissions, noise, jumps and damages have no effect.
    - `far`: $|w|$ at the start of the integration.

    !!! example

        ```python
        import numpy as np

        import abatax as ab

        value, slope = ab.validation.GreenTransition(ab.models.TwoCapital(phase="before")).at_share(np.array([0.7]))
        assert abs(value[0] + 1.4248771) < 1e-6 and abs(slope[0] + 0.661573) < 1e-5
        ```
    """

    model: TwoCapital
    far: float = 25.0

    @property
    def _ends(self) -> tuple[float, float]:
        economy = self.model.economy
        greener = float(economy.green.productivity) >= float(economy.dirty.productivity)
        return (self.far, -self.far) if greener else (-self.far, self.far)

    @ft.cached_property
    def _parts(self):
        economy, delta = self.model.economy, self.model.preferences.discount_rate
        dirty, green = economy.dirty, economy.green

        def rates(w, p):
            down, up = economy.shares(w)
            # prices add up to one, so that consumption does not depend on them
            spending = economy.productivity(w) + down / dirty.adjustment_curvature + up / green.adjustment_curvature
            c = spending / (1.0 + dirty.adjustment_scale / delta)
            phi = [
                k.growth + k.adjustment_scale * jnp.log(k.adjustment_scale * k.adjustment_curvature * c * q)
                for k, q in ((dirty, (1.0 - p / down) / delta), (green, (1.0 + p / up) / delta))
            ]
            return phi[1] - phi[0], delta * jnp.log(c) + (down - p) * phi[0] + (up + p) * phi[1]

        def parts(w, p):
            drift, flow = rates(w, p)
            return drift, flow, jax.grad(lambda w: rates(w, p)[1])(w)

        return jax.jit(parts)

    @ft.cached_property
    def _path(self):
        delta, economy = float(self.model.preferences.discount_rate), self.model.economy
        if float(economy.green.productivity) == float(economy.dirty.productivity):
            return lambda w: np.zeros((1, len(w)))  # equal productivities: there is no transition
        start, end = self._ends

        def slope(w, p):
            drift, _, bend = map(float, self._parts(w, p[0]))
            return [(delta * p[0] - bend) / drift]

        p = 0.0
        for _ in range(50):  # p' = -+ p at the start
            drift, _, bend = map(float, self._parts(start, p))
            p = bend / (delta + abs(drift))
        return scipy.integrate.solve_ivp(
            slope, (start, 0.3 * end), [p], method="DOP853", rtol=1e-12, atol=1e-16, dense_output=True
        ).sol

    def at_share(self, share: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        r"""$v$ and $dv/dZ = v'/(Z(1-Z))$ at green shares between 0 and 1, ends excluded."""
        share = np.asarray(share, dtype=float)
        w = np.log(share / (1.0 - share))
        p = self._path(w)[0]
        flow = np.array([float(self._parts(a, b)[1]) for a, b in zip(w, p, strict=True)])
        return flow / float(self.model.preferences.discount_rate), p / (share * (1.0 - share))

    def corner(self) -> float:
        """$v$ if all capital is green and remains green."""
        green = self.model.economy.green
        delta = self.model.preferences.discount_rate
        c = (green.productivity + 1.0 / green.adjustment_curvature) / (1.0 + green.adjustment_scale / delta)
        growth = green.growth_rate(green.adjustment_scale * c / delta - 1.0 / green.adjustment_curvature)
        return float(jnp.log(c) + growth / delta)
