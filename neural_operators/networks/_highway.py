from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ..layers import AbstractNetwork, OutSize, activation_function, at_least, first, hidden, last


class Highway(AbstractNetwork):
    r"""Highway network: gates mix the output of a layer with its input.

    $$h_{k+1} = g_k\circ\phi(W_kh_k + b_k) + (1 - g_k)\circ h_k,\qquad g_k = \mathrm{sigmoid}(U_kh_k + c_k)$$

    with $h_1 = \phi(W_0x + b_0)$ and $N(x) = w\cdot h_{n+1} + b$. The gates start half open, $c_k = 0$; with much
    smaller biases the layers of a shallow network have little effect.

    **Arguments:**

    - `in_size`, `out_size`: of the input vector and the output, `"scalar"` for one number.
    - `width`: units per layer.
    - `depth`: gated layers after the first one.
    - `activation`: $\phi$: `tanh`, `silu`, `gelu`, `sine`, `softplus`.
    - `dtype`: floating-point type of the parameters; float64 by default.
    - `key`: random key of the initialisation.

    **Parameters:** (inputs + 1) width + 2 depth (width + 1) width + (width + 1) outputs.

    **Raises:** `ValueError` for an unknown activation or a size below one.

    **Good values:** depth 2.

    **References:** Srivastava, Greff and Schmidhuber 2015, arXiv:1505.00387.

    !!! example

        ```python
        import jax.numpy as jnp
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.Highway(3, width=20, depth=2, key=jr.key(0))
        assert net(jnp.array([0.1, -0.5, 1.0])).shape == ()
        ```
    """

    name: ClassVar[str] = "highway"

    in_size: int = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    stem: eqx.nn.Linear
    layers: tuple[eqx.nn.Linear, ...]
    gates: tuple[eqx.nn.Linear, ...]
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
        self.layers = tuple(hidden(width, dtype=dtype, key=k) for k in keys[:depth])
        self.gates = tuple(hidden(width, dtype=dtype, key=k) for k in keys[depth:])
        self.head = last(width, out_size, dtype=dtype, key=head_key)

    def forward(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        phi = activation_function(self.activation)
        h = phi(self.stem(x))
        for layer, gate in zip(self.layers, self.gates, strict=True):
            open_ = jax.nn.sigmoid(gate(h))
            h = open_ * phi(layer(h)) + (1.0 - open_) * h
        return self.head(h)
