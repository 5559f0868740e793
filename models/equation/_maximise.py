from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..base import Scalar
from ._scan import best_of, scan

# The gain of a step below this share of the objective is lost in rounding and cannot be measured by the objective.
_ROUNDING = 1e-14
# Number of further steps after the first such step: each step of Newton's method doubles the digits of the maximiser.
_POLISH = 2
# So many variables have fewer pairs of directions than reverse mode costs.
_FORWARD = 3


def maximise(
    objective: Callable[[Float[Array, " control"]], Scalar],
    low: Float[Array, " control"],
    high: Float[Array, " control"],
    *,
    fineness: int = 1,
    max_steps: int = 60,
) -> Float[Array, " control"]:
    r"""Maximise a function over a box by a scan for the basins of its maxima and projected Newton steps with Levenberg damping.

    The objective is evaluated on the diagonal of the box, then twice along each variable through the best point so far: at
    `49 fineness` evenly spread points and at points ever closer to the bounds. Several variables are also scanned jointly, on a tensor
    grid of about 500 points. Newton steps start from the best point, then from every other local maximum of the scan that may be
    higher. Values of minus infinity on part of the box (a logarithm of consumption) are allowed. Every accepted step
    increases the objective; variables at a bound with an outward gradient are held there.

    **What is not guaranteed.** A maximum in a basin narrower than the spacing of the scan may be missed. The spacing is
    `1 / (49 fineness)` of the range for one variable, or for a variable that can be improved alone. For a basin that requires a
    joint change it is `1 / (22 fineness)` of each range with two variables, 1/8 with three, and 1/4 with four. An infinite range is
    scanned at distances that grow geometrically from $10^{-10}$ to $10^{10}$, in steps of a factor of two from one
    finite bound and of five from zero. At a solution, finite differences repeat the scan sixteen times finer
    (`missed_maximum`).

    **Arguments:**

    - `objective`: pointwise; twice differentiable near its maximum. Non-finite values count as minus infinity.
    - `low`, `high`: bounds; infinite ones are allowed.
    - `fineness`: density of the scan; 0 leaves out the joint scan.
    - `max_steps`: most Newton steps.

    **Returns:** the maximiser, to about 1e-10 relative.

    !!! example

        ```python
        import jax.numpy as jnp
        import abatax as ab

        best = ab.models.maximise(lambda u: -jnp.sum((u - 2.0) ** 2), jnp.zeros(1), jnp.ones(1))
        assert best[0] == 1.0
        ```
    """

    def safe(u):
        value = objective(u)
        return jnp.where(jnp.isfinite(value), value, -jnp.inf)

    basins = scan(safe, low, high, fineness)

    def may_be_higher(level, tried):
        return (basins.hope >= level) & ~tried

    def cond(carry):
        _, level, tried, first = carry
        return first | jnp.any(may_be_higher(level, tried))

    def body(carry):
        best, level, tried, first = carry
        n = jnp.argmax(jnp.where(may_be_higher(level, tried), basins.level, -jnp.inf))
        other = ~first & may_be_higher(level, tried)[n]
        start = jnp.where(other & basins.moved[n], basins.place[n], best)
        floor = jnp.where(other & basins.moved[n], basins.low[n], low)
        ceiling = jnp.where(other & basins.moved[n], basins.high[n], high)
        end, value = _climb(objective, safe, start, floor, ceiling, max_steps)
        better = first | (value > level)
        tried = tried | (other & (jnp.arange(len(tried)) == n))
        return jnp.where(better, end, best), jnp.where(better, value, level), tried, jnp.array(False)

    init = basins.best, jnp.array(-jnp.inf), jnp.zeros(basins.level.shape, dtype=bool), jnp.array(True)
    return jax.lax.while_loop(cond, body, init)[0]


def _climb(objective, safe, start, low, high, max_steps: int):
    """The maximum of the basin of a point by Newton steps, and its value."""

    def cond(carry):
        _, _, damping, step, polished, moved = carry
        return (step < max_steps) & (polished <= _POLISH) & moved & (damping < 1e18)

    def body(carry):
        u, value, damping, step, polished, _ = carry
        at_u, g, h = _expansion(objective, u)
        value = jnp.where(jnp.isfinite(at_u), at_u, value)
        held = ((u <= low) & (g < 0)) | ((u >= high) & (g > 0))
        free = ~held
        scale = jnp.maximum(jnp.abs(jnp.diagonal(h)), 1e-12)
        both = free[:, None] & free[None, :]
        # The curvature of a function that is not concave is replaced, which makes the step a gradient step.
        curvature = jnp.where(both, -h, 0.0) + jnp.diag(jnp.where(free, damping * scale, 1.0))
        convex = jnp.any((jnp.diagonal(h) > 0) & free)
        curvature = jnp.where(convex, jnp.diag(jnp.where(free, scale * (1.0 + damping), 1.0)), curvature)
        move = _solve(curvature, jnp.where(free, g, 0.0))
        new = jnp.clip(u + jnp.where(jnp.isfinite(move), move, 0.0), low, high)
        # At a bound the slope may be infinite (a power of a control); nine tenths of the step may then be better.
        short = jnp.where(new <= low, low + 0.1 * (u - low), jnp.where(new >= high, high - 0.1 * (high - u), new))
        new, new_value = best_of(safe, jnp.stack([new, jnp.where(jnp.isfinite(short), short, new)]))
        # If the change of the value is below rounding, the Newton step of a concave function is accepted without it.
        gain = jnp.sum(jnp.where(new == u, 0.0, jnp.abs(g * (new - u))))
        blind = ~convex & (gain <= _ROUNDING * jnp.abs(value)) & jnp.isfinite(new_value)
        better = (new_value >= value) | blind
        damping = jnp.where(better, damping * 0.05, jnp.maximum(damping, 1e-4) * 10.0)
        damping = jnp.where((damping < 1e-9) | blind, 0.0, damping)
        moved = ~better | jnp.any(jnp.abs(new - u) > 1e-13 * jnp.abs(u))
        return (
            jnp.where(better, new, u),
            jnp.where(better, new_value, value),
            damping,
            step + 1,
            jnp.where(blind, polished + 1, polished),
            moved,
        )

    # the value at the start comes with its derivatives
    init = (start, jnp.array(-jnp.inf), jnp.array(1e-3), jnp.array(0), jnp.array(0), jnp.array(True))
    u, value, *_ = jax.lax.while_loop(cond, body, init)
    return u, value


def _expansion(
    objective: Callable[[Float[Array, " control"]], Scalar], u: Float[Array, " control"]
) -> tuple[Scalar, Float[Array, " control"], Float[Array, "control control"]]:
    """Value, gradient and second derivatives at a point, in one pass.

    Of few variables by forward mode along every pair of directions: without the transposed program of reverse mode, which is
    most of what would be compiled.
    """
    n = len(u)
    if n > _FORWARD:

        def twice(u):
            value, slope = jax.value_and_grad(objective)(u)
            return slope, (value, slope)

        h, (value, g) = jax.jacfwd(twice, has_aux=True)(u)
        return value, g, h

    def along(first, second):
        (value, slope), (_, bend) = jax.jvp(lambda v: jax.jvp(objective, (v,), (first,)), (u,), (second,))
        return value, slope, bend

    directions, rows, columns = np.eye(n), *np.triu_indices(n)
    if n == 1:
        value, slope, bend = along(jnp.ones(1), jnp.ones(1))
        return value, slope[None], bend[None, None]
    value, slopes, bends = jax.vmap(along, out_axes=(None, 0, 0))(
        jnp.asarray(directions[rows]), jnp.asarray(directions[columns])
    )
    pair = np.zeros((n, n), dtype=int)
    pair[rows, columns] = pair[columns, rows] = np.arange(len(rows))
    return value, slopes[np.diagonal(pair)], bends[pair]


def _solve(matrix: Float[Array, "n n"], right: Float[Array, " n"]) -> Float[Array, " n"]:
    """Solve a small linear system; written out for up to three unknowns, for which a library call costs more."""
    n = len(right)
    if n > 3:
        return jnp.linalg.solve(matrix, right)
    rows = [[matrix[i, j] for j in range(n)] + [right[i]] for i in range(n)]
    for i in range(n):
        for k in range(i + 1, n):
            factor = rows[k][i] / rows[i][i]
            rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i], strict=True)]
    solution: list = [None] * n
    for i in reversed(range(n)):
        known_part = sum((rows[i][j] * solution[j] for j in range(i + 1, n)), jnp.zeros(()))
        solution[i] = (rows[i][n] - known_part) / rows[i][i]
    return jnp.stack(solution)
