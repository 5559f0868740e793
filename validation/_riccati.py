"""The value function of the linear-quadratic model."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from ..models import LinearQuadratic
from ..models._types import Point, Scalar


class QuadraticValue(eqx.Module):
    """$V(x) = -\\tfrac12x^\\top Px - c$."""

    matrix: Float[Array, "state state"]
    constant: Float[Array, ""]

    def __call__(self, t: Scalar, x: Point) -> Scalar:
        z = jnp.stack(x)
        return -0.5 * z @ self.matrix @ z - self.constant


def riccati(model: LinearQuadratic) -> QuadraticValue:
    r"""The value function of the linear-quadratic model, from the stabilising root of its Riccati equation.

    $$A^\top P + PA - P\big(BR^{-1}B^\top - SS^\top/\xi\big)P + Q - \delta P = 0$$

    solved through the stable invariant subspace of the Hamiltonian matrix (Laub 1979, doi:10.1109/TAC.1979.1102178);
    $c = \mathrm{tr}(SS^\top P)/(2\delta)$.

    **Raises:** `ValueError` if ambiguity is so strong that no finite value exists.

    !!! example

        ```python
        import abatax as ab

        assert abs(float(ab.validation.riccati(ab.models.LinearQuadratic()).matrix[0, 0]) - 1.025312) < 1e-6
        ```
    """
    n = model.dimension
    delta = float(model.preferences.discount_rate)
    shocks = np.broadcast_to(np.asarray(model.ambiguity.shocks), (n,))
    variance = float(model.volatility) ** 2
    a = np.asarray(model.matrix) - 0.5 * delta * np.eye(n)
    gain = np.eye(n) / float(model.control_cost) - variance * np.diag(shocks)
    cost = float(model.state_cost) * np.eye(n)
    hamiltonian = np.block([[a, -gain], [-cost, -a.T]])
    ordered: tuple[Any, ...] = scipy.linalg.schur(hamiltonian, sort="lhp")
    _, vectors, stable = ordered
    if stable != n or np.any(np.linalg.eigvalsh(gain) <= 0):
        raise ValueError(
            f"`ambiguity.shocks` is {model.ambiguity.penalties['shocks']}; the penalty must exceed"
            f" {variance * float(model.control_cost):g} for the value to be finite."
        )
    root = np.linalg.solve(vectors[:n, :n].T, vectors[n:, :n].T).T
    root = 0.5 * (root + root.T)
    return QuadraticValue(jnp.asarray(root), jnp.asarray(0.5 * variance * np.trace(root) / delta))
