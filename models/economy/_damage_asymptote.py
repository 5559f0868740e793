"""Value of a constant temperature before the damage function is revealed."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Scalar
from ._damages import DamageJump, ThresholdDamages

# Bisections of an interval, after which Newton's method converges to rounding.
_HALVINGS = 32
_STEPS = 2


def damage_asymptote(
    damages: ThresholdDamages,
    jump: DamageJump,
    y: Scalar,
    *,
    resets: bool,
    discount_rate: Scalar,
    worth: Callable[[Float[Array, " outcome"]], Scalar],
) -> Scalar:
    r"""$f(y)$ before damages are revealed, for a temperature that hardly moves before the future is discounted.

    The flow of damages and the gain from the revelation balance,
    $$0 = \delta\big(-\Lambda(y) - f\big) + J(y)\,\mathrm{worth}\big(-\Lambda_m(y^+) - f\big).$$
    If the event is immediate, $f = -\sum_m\pi_m\Lambda_m$ for a neutral planner, which differs much from $-\Lambda$.

    **Arguments:**

    - `damages`: $\Lambda$, known so far. `jump`: the event. `y`: temperature, degC.
    - `resets`: whether the event sets temperature to the threshold, $y^+ = \bar y$.
    - `discount_rate`: per year. `worth`: certainty-equivalent gain from the gains of each outcome, see `Ambiguity.jump_term`.

    **Returns:** in units of the value function, with exact derivatives.
    """

    def after(y):
        temperature = damages.threshold if resets else y
        revealed = eqx.filter_vmap(lambda c: eqx.tree_at(lambda d: d.curvature, damages, c).log_damages(temperature))
        return -revealed(jump.curvatures)

    def balance(f, y):
        return discount_rate * (-damages.log_damages(y) - f) + jump.intensity(y) * worth(after(y) - f)

    outcomes = jax.lax.stop_gradient(jnp.append(after(y), -damages.log_damages(y)))

    def solve(excess, ends):
        def halve(_, ends):
            low, high = ends
            middle = 0.5 * (low + high)
            up = excess(middle) > 0.0
            return jnp.where(up, middle, low), jnp.where(up, high, middle)

        low, high = jax.lax.fori_loop(0, _HALVINGS, halve, (jnp.min(ends), jnp.max(ends)))
        f = 0.5 * (low + high)
        for _ in range(_STEPS):
            f = f - excess(f) / jax.grad(excess)(f)
        return f

    # The implicit function theorem gives all derivatives of the root, also with respect to the parameters.
    return jax.lax.custom_root(
        lambda f: balance(f, y),
        0.5 * (jnp.min(outcomes) + jnp.max(outcomes)),
        lambda excess, _: solve(excess, outcomes),
        lambda slope, target: target / slope(jnp.ones_like(target)),
    )
