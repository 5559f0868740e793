import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ..layers import AbstractNetwork, OutSize, at_least, last
from ._mlp import MLP


class Separable(AbstractNetwork):
    r"""Sum of products of functions of one input: a tensor of low rank.

    $$N(x) = \sum_{r=1}^R w_r\prod_i\big(1 + n^{-1/2}f_{ir}(x_i)\big) + b$$

    $f_i$ is an `MLP` from input $i$ to the $R$ factors, and $n$ is the number of inputs; initially the products are near one.

    **Arguments:**

    - `in_size`, `out_size`: of the input vector and the output, `"scalar"` for one number.
    - `width`: units per layer of each $f_i$.
    - `depth`: hidden layers of each.
    - `rank`: $R$; 0 stands for the value of `width`.
    - `activation`: as of `MLP`.
    - `dtype`: floating-point type of the parameters; float64 by default.
    - `key`: random key of the initialisation.

    **Parameters:** inputs (2 width + (depth - 1)(width + 1) width + (width + 1) rank) + (rank + 1) outputs.

    **Raises:** `ValueError` for an unknown activation or a size below one.

    **Good values:** depth 1, rank 8 to 16.

    **References:** Beylkin and Mohlenkamp 2005, doi:10.1137/040604959; for equations Cho et al. 2023, arXiv:2306.15969.

    !!! example

        ```python
        import jax.numpy as jnp
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.Separable(3, width=8, rank=6, key=jr.key(0))
        assert net(jnp.array([0.1, -0.5, 1.0])).shape == ()
        ```
    """

    name: ClassVar[str] = "separable"

    in_size: int = eqx.field(static=True)
    factors: MLP  # one per input, stacked
    head: eqx.nn.Linear

    def __init__(
        self,
        in_size: int,
        out_size: OutSize = "scalar",
        *,
        width: int = 12,
        depth: int = 1,
        rank: int = 0,
        activation: str = "tanh",
        dtype: Any = jnp.float64,
        key: PRNGKeyArray,
    ):
        at_least(1, in_size=in_size, width=width, depth=depth)
        at_least(0, rank=rank)
        rank = rank or width
        head_key, *keys = jr.split(key, in_size + 1)
        self.in_size = in_size
        self.factors = jax.vmap(
            lambda k: MLP(1, rank, width=width, depth=depth, activation=activation, dtype=dtype, key=k)
        )(jnp.stack(keys))
        self.head = last(rank, out_size, dtype=dtype, key=head_key)

    def forward(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        f = jax.vmap(lambda factor, one: factor(one[None]))(self.factors, x)
        return self.head(jnp.prod(1.0 + f / math.sqrt(self.in_size), axis=0))
