import math
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ..layers import AbstractNetwork, OutSize, activation_function, at_least, first, hidden, last


class Attention(AbstractNetwork):
    r"""Attention over the states, each of which is a token.

    $$e_i = \phi(a_ix_i + b_i),\qquad e\leftarrow e + \mathrm{softmax}\Big(\tfrac{QK^\top}{\sqrt d}\Big)V\,O,\qquad
    e_i\leftarrow e_i + C\phi(We_i + b) + c,\qquad N(x) = w\cdot\tfrac{1}{\sqrt n}\sum_ie_i + b$$

    with $Q, K, V$ linear in $e$. Tokens are not normalised, because normalisation is strongly nonlinear at nearly equal tokens;
    blocks start with small weights instead.

    **Arguments:**

    - `in_size`, `out_size`: of the input vector and the output, `"scalar"` for one number.
    - `width`: numbers per token.
    - `depth`: blocks of attention and perceptron.
    - `heads`: attention heads, of width / heads numbers each, rounded down.
    - `activation`: $\phi$: `tanh`, `silu`, `gelu`, `sine`, `softplus`.
    - `dtype`: floating-point type of the parameters; float64 by default.
    - `key`: random key of the initialisation.

    **Parameters:** 2 inputs width + depth (4 width heads floor(width / heads) + 2 (width + 1) width) + (width + 1) outputs.

    **Raises:** `ValueError` for an unknown activation or a size below one.

    **Good values:** depth 1 or 2, two heads. Attention suits many states; with two or three states a perceptron takes less time.

    **References:** Vaswani et al. 2017, arXiv:1706.03762; on states of a table Gorishniy et al. 2021, arXiv:2106.11959.

    !!! example

        ```python
        import jax.numpy as jnp
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.Attention(3, width=12, heads=2, key=jr.key(0))
        assert net(jnp.array([0.1, -0.5, 1.0])).shape == ()
        ```
    """

    name: ClassVar[str] = "attention"

    in_size: int = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    tokens: eqx.nn.Linear  # one per input, stacked
    attention: tuple[eqx.nn.MultiheadAttention, ...]
    blocks: tuple[tuple[eqx.nn.Linear, eqx.nn.Linear], ...]
    head: eqx.nn.Linear

    def __init__(
        self,
        in_size: int,
        out_size: OutSize = "scalar",
        *,
        width: int = 16,
        depth: int = 1,
        heads: int = 2,
        activation: str = "tanh",
        dtype: Any = jnp.float64,
        key: PRNGKeyArray,
    ):
        at_least(1, in_size=in_size, width=width, depth=depth, heads=heads)
        activation_function(activation)
        token_key, head_key, *keys = jr.split(key, 2 + 3 * depth)
        self.in_size, self.activation = in_size, activation
        self.tokens = jax.vmap(lambda k: first(1, width, dtype=dtype, key=k))(jr.split(token_key, in_size))
        size, small = max(1, width // heads), 1.0 / math.sqrt(depth)
        self.attention = tuple(
            _stronger(eqx.nn.MultiheadAttention(heads, width, qk_size=size, vo_size=size, dtype=dtype, key=k), small)
            for k in keys[::3]
        )
        self.blocks = tuple(
            (hidden(width, dtype=dtype, key=a), hidden(width, gain=small, dtype=dtype, key=b))
            for a, b in zip(keys[1::3], keys[2::3], strict=True)
        )
        self.head = last(width, out_size, dtype=dtype, key=head_key)

    def forward(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        phi = activation_function(self.activation)
        e = phi(jax.vmap(lambda token, one: token(one[None]))(self.tokens, x))
        for attention, (inner, outer) in zip(self.attention, self.blocks, strict=True):
            e = e + attention(e, e, e)
            e = e + jax.vmap(lambda one, inner=inner, outer=outer: outer(phi(inner(one))))(e)
        return self.head(jnp.sum(e, axis=0) / math.sqrt(self.in_size))


def _stronger(attention: eqx.nn.MultiheadAttention, small: float) -> eqx.nn.MultiheadAttention:
    """Attention with larger queries and keys, and values with the weight `small`; the gain of Equinox is 1/sqrt(3) for all."""
    gains = (2.5, 2.5, math.sqrt(3.0), math.sqrt(3.0) * small)
    return eqx.tree_at(_weights, attention, [w * g for w, g in zip(_weights(attention), gains, strict=True)])


def _weights(attention: Any) -> list[Any]:
    parts = (attention.query_proj, attention.key_proj, attention.value_proj, attention.output_proj)
    return [part.weight for part in parts]
