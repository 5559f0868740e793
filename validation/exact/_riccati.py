"""The value function and the policy of linear-quadratic problems."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ...models import AbstractModel
from ...models.base import Point, Scalar, parameter
from ...models.exact import InfiniteValueError, quadratic_form, why_infinite


class QuadraticValue(eqx.Module):
    r"""$V(x) = -\tfrac12x^\top Px + p^\top x - c$, with the policy $u(x) = k_0 - Kx$.

    **Fields:** `matrix` $P$, `constant` $c$, `linear` $p$, `gain` $K$, `offset` $k_0$.
    """

    matrix: Float[Array, "state state"]
    constant: Float[Array, ""]
    linear: Float[Array, "..."] = eqx.field(default=0.0, converter=parameter)
    gain: Float[Array, "..."] = eqx.field(default=0.0, converter=parameter)
    offset: Float[Array, "..."] = eqx.field(default=0.0, converter=parameter)

    def __call__(self, t: Scalar, x: Point) -> Scalar:
        z = jnp.stack(x)
        return jnp.sum(self.linear * z) - 0.5 * z @ self.matrix @ z - self.constant

    def control(self, x: Point) -> Float[Array, " control"]:
        """The optimal controls at a state, in the order of the model's controls."""
        return self.offset - self.gain @ jnp.stack(x)


def riccati(model: AbstractModel) -> QuadraticValue:
    r"""The exact value function and policy of a linear-quadratic problem, from the stabilising root of its Riccati equation.

    The function applies to any model with affine drift, quadratic utility and constant diffusion, such as [`LinearQuadratic`][],
    [`QuadraticRegulator`][] or a user-defined model (its coefficients are derived from its functions and checked):

    $$dx = (m + Ax + Bu)\,dt + S\,dW,\qquad U = k + q^\top x + r^\top u - \tfrac12x^\top Qx - x^\top Nu - \tfrac12u^\top Ru$$

    With discount rate $\delta$ and aversions $a$ to the shocks, $V = -\tfrac12x^\top Px + p^\top x - c$ and
    $K = R^{-1}(B^\top P + N^\top)$:

    $$A^\top P + PA - K^\top RK + P\,S\,\mathrm{diag}(a)\,S^\top P + Q - \delta P = 0$$

    The value function belongs to the root that is the limit of finite horizons: for this root, the drift under policy and
    worst case, $A - BK + S\,\mathrm{diag}(a)S^\top P$, grows slower than $\delta/2$ in every direction that affects the cost. It is
    computed from the stable invariant subspace of the Hamiltonian matrix (Laub 1979, doi:10.1109/TAC.1979.1102178).
    The state space is unbounded: bounds of states and controls are ignored.

    **Arguments:**

    - `model`: the linear-quadratic model.

    **Returns:** the value function, a callable of time and state, with `matrix` ($P$), `linear` ($p$), `constant` ($c$),
    `gain` ($K$), `offset`, and `control(x)`, the optimal controls at a state.

    **Raises:** `ValueError` if the model is not linear-quadratic, or if no finite value exists because the state cannot be
    stabilised at half the discount rate or the ambiguity aversion is beyond the breakdown of robustness (Hansen and Sargent 2008,
    *Robustness*, chapter 8); the message states which.

    !!! example

        ```python
        import abatax as ab

        assert abs(float(ab.validation.riccati(ab.models.LinearQuadratic()).matrix[0, 0]) - 1.025312) < 1e-6
        ```
    """
    form = quadratic_form(model)
    try:
        solution = form.solve()
    except InfiniteValueError:
        raise ValueError(why_infinite(model)) from None
    return QuadraticValue(
        jnp.asarray(solution.matrix),
        jnp.asarray(-solution.constant),
        jnp.asarray(solution.linear),
        jnp.asarray(solution.gain),
        jnp.asarray(solution.offset),
    )
