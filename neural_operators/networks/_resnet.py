import math
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ..layers import AbstractNetwork, OutSize, activation_function, at_least, first, hidden, last


class ResNet(AbstractNetwork):
    r"""Residual network: every block adds to its input.

    $$h_1 = \phi(W_0x + b_0),\qquad h_{k+1} = h_k + V_k\,\phi(W_kh_k + b_k) + c_k,\qquad N(x) = w\cdot h_{n+1} + b$$

    The variance of the initial $V_k$ is 1 over the number of blocks, so that the sum of all blocks has the size of the first layer.

    **Arguments:**

    - `in_size`, `out_size`: of the input vector and the output, `"scalar"` for one number.
    - `width`: units per layer.
    - `depth`: blocks, $n$, of two layers each.
    - `activation`: $\phi$: `tanh`, `silu`, `gelu`, `sine`, `softplus`.
    - `dtype`: floating-point type of the parameters; float64 by default.
    - `key`: random key of the initialisation.

    **Parameters:** (inputs + 1) width + 2 depth (width + 1) width + (width + 1) outputs.

    **Raises:** `ValueError` for an unknown activation or a size below one.

    **Good values:** depth 2; more blocks if a plain network of that depth does not train.

    **References:** He, Zhang, Ren and Sun 2016, doi:10.1109/CVPR.2016.90; for equations E and Yu 2018, doi:10.1007/s40304-018-0127-z.

    !!! example

        ```python
        import jax.numpy as jnp
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.ResNet(3, 2, width=20, depth=2, key=jr.key(0))
        assert net(jnp.array([0.1, -0.5, 1.0])).shape == (2,)
        ```
    """

    name: ClassVar[str] = "resnet"

    in_size: int = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    stem: eqx.nn.Linear
    blocks: tuple[tuple[eqx.nn.Linear, eqx.nn.Linear], ...]
    head: eqx.nn.Linear

    def __init__(
        self,
        in_size: int,
        out_size: OutSize = "scalar",
        *,
        width: int = 20,
        depth: int = 2,
        activation: str = "tanh",
        dtype: Any = jnp.float64,
        key: PRNGKeyArray,
    ):
        at_least(1, in_size=in_size, width=width, depth=depth)
        activation_function(activation)
        stem_key, head_key, *keys = jr.split(key, 2 + 2 * depth)
        self.in_size, self.activation = in_size, activation
        self.stem = first(in_size, width, dtype=dtype, key=stem_key)
        self.blocks = tuple(
            (hidden(width, dtype=dtype, key=a), hidden(width, gain=1.0 / math.sqrt(depth), dtype=dtype, key=b))
            for a, b in zip(keys[::2], keys[1::2], strict=True)
        )
        self.head = last(width, out_size, dtype=dtype, key=head_key)

    def forward(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        phi = activation_function(self.activation)
        h = phi(self.stem(x))
        for inner, outer in self.blocks:
            h = h + outer(phi(inner(h)))
        return self.head(h)
