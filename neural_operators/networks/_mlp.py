from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ..layers import FIRST, HIDDEN, LAST, AbstractNetwork, OutSize, activation_function, at_least, first, hidden, last

# Activations that are nearly quadratic around zero reduce the scale of their input; larger weights compensate for it.
_STRENGTH = {"silu": 1.5, "gelu": 1.5, "swish_softplus": 1.5}


class MLP(AbstractNetwork):
    r"""Multilayer perceptron.

    $$h_1 = \phi(W_1x + b_1),\qquad h_{k+1} = \phi(W_{k+1}h_k + b_{k+1}),\qquad N(x) = w\cdot h_n + b$$

    **Arguments:**

    - `in_size`, `out_size`: of the input vector and the output, `"scalar"` for one number.
    - `width`: units per layer.
    - `depth`: hidden layers, $n$.
    - `activation`: $\phi$: `tanh`, `silu`, `gelu`, `sine`, `softplus`, or `swish_softplus`: swish, and softplus in the last layer.
    - `dtype`: floating-point type of the parameters; float64 by default.
    - `key`: random key of the initialisation.

    **Parameters:** (inputs + 1) width + (depth - 1)(width + 1) width + (width + 1) outputs.

    **Raises:** `ValueError` for an unknown activation or a size below one.

    **Good values:** tanh with depth 2 or 3; width 20 to 60 for two to four inputs.

    **References:** Hornik, Stinchcombe and White 1990, doi:10.1016/0893-6080(90)90005-6 (a function and its derivatives).

    !!! example

        ```python
        import jax.numpy as jnp
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.MLP(3, width=20, depth=2, activation="silu", key=jr.key(0))
        assert net(jnp.array([0.1, -0.5, 1.0])).shape == ()
        ```
    """

    name: ClassVar[str] = "mlp"

    in_size: int = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    layers: tuple[eqx.nn.Linear, ...]
    head: eqx.nn.Linear

    def __init__(
        self,
        in_size: int,
        out_size: OutSize = "scalar",
        *,
        width: int = 24,
        depth: int = 3,
        activation: str = "tanh",
        dtype: Any = jnp.float64,
        key: PRNGKeyArray,
    ):
        at_least(1, in_size=in_size, width=width, depth=depth)
        _functions(activation)
        first_key, last_key, *keys = jr.split(key, depth + 1)
        self.in_size, self.activation = in_size, activation
        strength = _STRENGTH.get(activation, 1.0)
        self.layers = (
            first(in_size, width, gain=strength * FIRST, dtype=dtype, key=first_key),
            *(hidden(width, gain=strength * HIDDEN, dtype=dtype, key=k) for k in keys),
        )
        self.head = last(width, out_size, gain=strength * LAST, dtype=dtype, key=last_key)

    def forward(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        inner, outer = _functions(self.activation)
        for layer in self.layers[:-1]:
            x = inner(layer(x))
        return self.head(outer(self.layers[-1](x)))


def _functions(activation: str):
    """The activation of the layers before the last one, and of the last one."""
    if activation == "swish_softplus":
        return activation_function("silu"), activation_function("softplus")
    return activation_function(activation), activation_function(activation)
