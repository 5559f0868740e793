from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ..layers import AbstractNetwork, OutSize, activation_function, at_least, first, last, linear

# With small gates and an initially open memory, every layer starts as a layer of a plain network with x as an additional input.
_GATE = 0.5
_OPEN = 1.0


class DGM(AbstractNetwork):
    r"""The gated network of the deep Galerkin method; every layer sees the input again.

    $$\begin{aligned}Z &= \phi(U_zx + W_zS + b_z),\quad G = \phi(U_gx + W_gS + b_g),\quad R = \phi(U_rx + W_rS + b_r),\\
    H &= \phi\big(U_hx + W_h(S\circ R) + b_h\big),\qquad S \leftarrow (1 - G)\circ H + Z\circ S\end{aligned}$$

    in every layer, from $S = \phi(W_1x + b_1)$ to $N(x) = w\cdot S + b$.

    **Arguments:**

    - `in_size`, `out_size`: of the input vector and the output, `"scalar"` for one number.
    - `width`: units per layer.
    - `depth`: gated layers.
    - `activation`: $\phi$: `tanh`, `silu`, `gelu`, `sine`, `softplus`.
    - `dtype`: floating-point type of the parameters; float64 by default.
    - `key`: random key of the initialisation.

    **Parameters:** (inputs + 1) width + 4 depth (inputs + width + 1) width + (width + 1) outputs.

    **Raises:** `ValueError` for an unknown activation or a size below one.

    **Good values:** tanh, or silu for larger networks; depth 1 or 2 with second-order training, 3 with first-order training.

    **References:** Sirignano and Spiliopoulos 2018, doi:10.1016/j.jcp.2018.08.029; the initialisation is specific to abatax.

    !!! example

        ```python
        import jax.numpy as jnp
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.DGM(3, width=12, depth=2, activation="silu", key=jr.key(0))
        assert net(jnp.array([0.1, -0.5, 1.0])).shape == ()
        ```
    """

    name: ClassVar[str] = "dgm"

    in_size: int = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    stem: eqx.nn.Linear
    inputs: tuple[eqx.nn.Linear, ...]  # U and b of Z, G, R, H
    gates: tuple[eqx.nn.Linear, ...]  # W of Z, G, R
    layers: tuple[eqx.nn.Linear, ...]  # W of H
    head: eqx.nn.Linear

    def __init__(
        self,
        in_size: int,
        out_size: OutSize = "scalar",
        *,
        width: int = 14,
        depth: int = 2,
        activation: str = "tanh",
        dtype: Any = jnp.float64,
        key: PRNGKeyArray,
    ):
        at_least(1, in_size=in_size, width=width, depth=depth)
        activation_function(activation)
        stem_key, head_key, *keys = jr.split(key, 2 + 3 * depth)
        self.in_size, self.activation = in_size, activation
        self.stem = first(in_size, width, dtype=dtype, key=stem_key)
        self.inputs = tuple(_input_layer(in_size, width, dtype, k) for k in keys[::3])
        self.gates = tuple(linear(width, 3 * width, gain=_GATE, bias=None, dtype=dtype, key=k) for k in keys[1::3])
        self.layers = tuple(linear(width, width, gain=1.5, bias=None, dtype=dtype, key=k) for k in keys[2::3])
        self.head = last(width, out_size, dtype=dtype, key=head_key)

    def forward(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        phi = activation_function(self.activation)
        s = phi(self.stem(x))
        for seen, gate, layer in zip(self.inputs, self.gates, self.layers, strict=True):
            direct = seen(x).reshape(4, -1)
            z, g, r = phi(direct[:3] + gate(s).reshape(3, -1))
            s = (1.0 - g) * phi(direct[3] + layer(s * r)) + z * s
        return self.head(s)


def _input_layer(in_size: int, width: int, dtype: Any, key: PRNGKeyArray) -> eqx.nn.Linear:
    """U and b of Z, G, R and H, one after the other."""
    layer = linear(in_size, 4 * width, gain=_GATE, dtype=dtype, key=key)
    assert layer.bias is not None
    return eqx.tree_at(lambda one: one.bias, layer, layer.bias.at[2 * width : 3 * width].set(_OPEN))
