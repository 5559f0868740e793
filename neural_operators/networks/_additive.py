import itertools
import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..layers import AbstractNetwork, OutSize, at_least
from ._mlp import MLP


class Additive(AbstractNetwork):
    r"""Sum of functions of few inputs: one function of every input, one of every pair, and so on.

    $$N(x) = \sum_{k=1}^m n_k^{-1/2}\sum_{i_1<\dots<i_k}f_{i_1\dots i_k}(x_{i_1}, \dots, x_{i_k})$$

    Every $f$ is an `MLP`; $n_k$ is the number of groups of $k$ inputs.

    **Arguments:**

    - `in_size`, `out_size`: of the input vector and the output, `"scalar"` for one number.
    - `width`: units per layer of each $f$.
    - `depth`: hidden layers of each.
    - `interactions`: $m$, the largest number of inputs of a term.
    - `activation`: as of `MLP`.
    - `dtype`: floating-point type of the parameters; float64 by default.
    - `key`: random key of the initialisation.

    **Parameters:** the sum over all groups of the parameters of an `MLP` of $k$ inputs.

    **Raises:** `ValueError` for an unknown activation, a size below one, or more interactions than inputs.

    **Good values:** `interactions` 1 if the value is known to be additive, and otherwise 2; depth 1 or 2; width 4 to 12.

    **References:** Hastie and Tibshirani 1986, doi:10.1214/ss/1177013604; Agarwal et al. 2021, arXiv:2004.13912; Rabitz and Aliş 1999,
    doi:10.1023/A:1019188517934 (high-dimensional model representation).

    !!! example

        ```python
        import jax.numpy as jnp
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.Additive(3, width=6, interactions=1, key=jr.key(0))
        assert net(jnp.array([0.1, -0.5, 1.0])).shape == ()
        ```
    """

    name: ClassVar[str] = "additive"

    in_size: int = eqx.field(static=True)
    terms: tuple[MLP, ...]  # of one input, of two, ...; all groups of as many inputs are stacked

    def __init__(
        self,
        in_size: int,
        out_size: OutSize = "scalar",
        *,
        width: int = 16,
        depth: int = 1,
        interactions: int | None = None,
        activation: str = "tanh",
        dtype: Any = jnp.float64,
        key: PRNGKeyArray,
    ):
        at_least(1, in_size=in_size, width=width, depth=depth)
        interactions = min(2, in_size) if interactions is None else interactions
        if not 1 <= interactions <= in_size:
            raise ValueError(f"`interactions` is {interactions}; it must be from 1 to the number of inputs, {in_size}.")
        self.in_size = in_size
        self.terms = tuple(
            jax.vmap(
                lambda one, k=k: MLP(k, out_size, width=width, depth=depth, activation=activation, dtype=dtype, key=one)
            )(jr.split(jr.fold_in(key, k), math.comb(in_size, k)))
            for k in range(1, interactions + 1)
        )

    def forward(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        total = jnp.zeros((), x.dtype)
        for k, terms in enumerate(self.terms, 1):
            groups = np.array(list(itertools.combinations(range(self.in_size), k)))
            values = jax.vmap(lambda term, some: term(some))(terms, x[groups])
            total = jnp.sum(values, axis=0) / math.sqrt(len(groups)) + (total if k > 1 else 0.0)
        return total
