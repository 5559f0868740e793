"""A linear step of several years as a flow in continuous time: the step's inverse, Euler's or the exact one."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Scalar, log1p_ratio

GENERATORS = ("logarithm", "euler")


class AnnualRates(NamedTuple):
    """$dx = (Ax + bF)\\,dt$: `matrix` $A$ and `input` $b$, per year."""

    matrix: Float[Array, "state state"]
    input: Float[Array, " state"]


def annual_rates(
    change: Float[Array, "state state"],
    step_input: Float[Array, " state"],
    eigenvalues: tuple[Scalar, ...],
    years: float,
    generator: str,
) -> AnnualRates:
    r"""The flow of which $x' = x + Zx + cF$ is a step of some years.

    `euler`: $A = Z/h$, $b = c/h$, the limit of steps that become shorter. `logarithm`: the flow that reaches $x'$ after the step if
    $F$ stays as it is, $A = \log(I+Z)/h = \phi(Z)Z/h$ and $b = \phi(Z)c/h$ with $\phi(z) = \log(1+z)/z$.

    **Arguments:** `change` is $Z$, `step_input` $c$, `eigenvalues` those of $Z$, distinct and in (-1, 0], `years` $h$.
    """
    if generator == "logarithm":
        slower = _interpolated([log1p_ratio(z) for z in eigenvalues], eigenvalues, change)
        change, step_input = slower @ change, slower @ step_input
    return AnnualRates(change / years, step_input / years)


def pair(total: Scalar, product: Scalar) -> tuple[Scalar, Scalar]:
    """Two negative numbers from their sum and product, the nearer to zero without cancellation."""
    far = 0.5 * (total - jnp.sqrt(total**2 - 4.0 * product))
    return product / far, far


def _interpolated(values: list[Scalar], nodes: tuple[Scalar, ...], matrix: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """The function of a matrix that has these values at its eigenvalues: Newton's divided differences."""
    identity = jnp.eye(matrix.shape[-1])
    product, total, differences = identity, values[0] * identity, values
    for order in range(1, len(nodes)):
        differences = [
            (differences[i + 1] - differences[i]) / (nodes[i + order] - nodes[i]) for i in range(len(differences) - 1)
        ]
        product = product @ (matrix - nodes[order - 1] * identity)
        total = total + differences[0] * product
    return total
