"""Arrays that are part of a network and are not trained."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

_BITS = {2: jnp.uint16, 4: jnp.uint32, 8: jnp.uint64}


class Frozen(eqx.Module):
    """Floating-point arrays that optimisers ignore: random frequencies, random weights, bounds.

    They are stored as integers with the same bits. `eqx.partition(net, eqx.is_inexact_array)` therefore excludes them, while
    they are arrays in all other respects: they are saved with the network, stacked over an ensemble, and not compiled
    into programs as constants. (`eqx.is_inexact_array` selects both JAX and NumPy arrays of floating-point numbers.)

    **Arguments:**

    - `tree`: a tree, such as a layer, whose floating-point arrays are frozen.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        frozen = ab.neural_operators.Frozen(jnp.array([1.5, -0.1]))
        assert ab.neural_operators.count_parameters(frozen) == 0
        assert jnp.array_equal(frozen.value, jnp.array([1.5, -0.1]))
        ```
    """

    bits: PyTree[Any]
    dtypes: tuple[Any, ...] = eqx.field(static=True)  # None for leaves that are not frozen

    def __init__(self, tree: PyTree[Any]):
        leaves, structure = jax.tree.flatten(tree)
        self.dtypes = tuple(jnp.result_type(leaf) if eqx.is_inexact_array(leaf) else None for leaf in leaves)
        bits = [
            leaf if dtype is None else jax.lax.bitcast_convert_type(jnp.asarray(leaf), _BITS[dtype.itemsize])
            for leaf, dtype in zip(leaves, self.dtypes, strict=True)
        ]
        self.bits = jax.tree.unflatten(structure, bits)

    @property
    def value(self) -> PyTree[Any]:
        """The original tree."""
        leaves, structure = jax.tree.flatten(self.bits)
        values = [
            leaf if dtype is None else jax.lax.bitcast_convert_type(leaf, dtype)
            for leaf, dtype in zip(leaves, self.dtypes, strict=True)
        ]
        return jax.tree.unflatten(structure, values)
