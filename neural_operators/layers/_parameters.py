"""The trainable parameters of a network."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree


def trainable(network: PyTree[Any]) -> PyTree[bool]:
    """A mask of the parameters of a network, which are its floating-point arrays except `Frozen` arrays.

    **Arguments:**

    - `network`: any tree that contains networks.

    **Returns:** a tree of booleans with the structure of the network, for `eqx.partition`, `eqx.filter` and masks of optimisers.

    !!! example

        ```python
        import equinox as eqx
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.RandomFeatures(2, width=50, key=jr.key(0))
        parameters, rest = eqx.partition(net, ab.neural_operators.trainable(net))
        assert ab.neural_operators.count_parameters(parameters) == 51
        ```
    """
    return jax.tree.map(_is_parameter, network)


def count_parameters(network: PyTree[Any]) -> int:
    """The number of trainable parameters of a network, or of the shapes of a network (`eqx.filter_eval_shape`).

    **Arguments:**

    - `network`: a network, or a tree of the shapes of one.

    **Returns:** the number of floating-point entries that are not `Frozen`.

    !!! example

        ```python
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.MLP(2, width=10, depth=1, key=jr.key(0))
        assert ab.neural_operators.count_parameters(net) == 3 * 10 + 11
        ```
    """
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(network) if _is_parameter(leaf))


def _is_parameter(leaf: Any) -> bool:
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return bool(jnp.issubdtype(leaf.dtype, jnp.inexact))
    return eqx.is_inexact_array(leaf)
