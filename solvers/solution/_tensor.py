"""Functions that are sums of products of functions of one state each."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ...models.base import Scalar


def contract(block: Array, weights: list[Array]) -> Scalar:
    """Contract the axes of `block` with one vector each."""
    for w in weights:
        block = jnp.tensordot(w, block, axes=1)
    return block


def tensor_derivatives(block: Array, bases: list) -> tuple[Scalar, Float[Array, " state"], Float[Array, "state state"]]:
    """Value, slopes and second derivatives; `bases` holds for each state the basis functions and their first two derivatives."""
    d = len(bases)
    # one contraction per state yields all products of up to two derivatives in every state, which compiles quickly
    products = block
    for basis in bases:
        products = jnp.moveaxis(jnp.tensordot(jnp.stack(basis), products, axes=(1, 0)), 0, -1)

    def partial(*axes):
        """The derivative once in each of the given states."""
        return products[tuple(axes.count(a) for a in range(d))]

    costate = jnp.stack([partial(a) for a in range(d)])
    upper = {(a, b): partial(a, b) for a in range(d) for b in range(a, d)}
    hessian = jnp.stack([jnp.stack([upper[min(a, b), max(a, b)] for b in range(d)]) for a in range(d)])
    return partial(), costate, hessian
