"""Continuous-time generator of a linear step of several years, by the logarithm or by Euler's approximation."""

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
    r"""The flow for which $x' = x + Zx + cF$ is a step of $h$ years.

    `euler`: $A = Z/h$, $b = c/h$, the limit of ever shorter steps. `logarithm`: the flow that reaches $x'$ after the step under
    constant $F$, $A = \log(I+Z)/h = \phi(Z)Z/h$ and $b = \phi(Z)c/h$ with $\phi(z) = \log(1+z)/z$.

    **Arguments:** `change` is $Z$, `step_input` $c$, `eigenvalues` those of $Z$, distinct and in (-1, 0], `years` $h$.
    """
    if generator == "logarithm":
        slower = _interpolated([log1p_ratio(z) for z in eigenvalues], eigenvalues, change)
        change, step_input = slower @ change, slower @ step_input
    return AnnualRates(change / years, step_input / years)


def pair(total: Scalar, product: Scalar) -> tuple[Scalar, Scalar]:
    """Two negative numbers from their sum and product; the one nearer to zero is computed without cancellation."""
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
