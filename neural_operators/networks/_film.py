from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ..layers import AbstractNetwork, OutSize, activation_function, at_least, first, hidden, last, linear

_MODULATION = 0.5  # initial gain of the modulation of the layers


class FiLM(AbstractNetwork):
    r"""Perceptron whose layers are scaled and shifted by a condition: parameters, regimes, or the input itself.

    $$h_{k+1} = \phi\big((1 + \gamma_k(c))\circ(W_kh_k + b_k) + \beta_k(c)\big),\qquad (\gamma, \beta)(c) = A\tanh(Cc + d) + a$$

    **Arguments:**

    - `in_size`, `out_size`: of the input vector and the output, `"scalar"` for one number.
    - `width`: units per layer.
    - `depth`: hidden layers.
    - `condition`: number of trailing inputs that are the condition $c$; the others enter the perceptron. With 0 all inputs are both.
    - `conditioner`: units of the conditioner.
    - `activation`: $\phi$: `tanh`, `silu`, `gelu`, `sine`, `softplus`.
    - `dtype`: floating-point type of the parameters; float64 by default.
    - `key`: random key of the initialisation.

    **Parameters:** parameters of an `MLP` of its inputs, plus (conditions + 1) conditioner + 2 depth width (conditioner + 1).

    **Raises:** `ValueError` for an unknown activation, a size below one, or a condition that leaves no inputs.

    **Good values:** depth 2, conditioner 4 to 8; `condition` = the number of parameters in a family of problems.

    **References:** Perez, Strub, de Vries, Dumoulin and Courville 2018, arXiv:1709.07871.

    !!! example

        ```python
        import jax.numpy as jnp
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.FiLM(5, width=16, condition=2, key=jr.key(0))  # three states, two parameters
        assert net(jnp.array([0.1, -0.5, 1.0, 0.3, 0.7])).shape == ()
        ```
    """

    name: ClassVar[str] = "film"

    in_size: int = eqx.field(static=True)
    condition: int = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    conditioner: eqx.nn.Linear
    modulation: eqx.nn.Linear
    layers: tuple[eqx.nn.Linear, ...]
    head: eqx.nn.Linear

    def __init__(
        self,
        in_size: int,
        out_size: OutSize = "scalar",
        *,
        width: int = 20,
        depth: int = 2,
        condition: int = 0,
        conditioner: int = 6,
        activation: str = "tanh",
        dtype: Any = jnp.float64,
        key: PRNGKeyArray,
    ):
        at_least(1, in_size=in_size, width=width, depth=depth, conditioner=conditioner)
        activation_function(activation)
        if not 0 <= condition < in_size:
            raise ValueError(f"`condition` is {condition}; it must be at least 0 and below the {in_size} inputs.")
        given_key, modulation_key, first_key, last_key, *keys = jr.split(key, depth + 3)
        self.in_size, self.condition, self.activation = in_size, condition, activation
        self.conditioner = first(condition or in_size, conditioner, dtype=dtype, key=given_key)
        self.modulation = linear(conditioner, 2 * depth * width, gain=_MODULATION, dtype=dtype, key=modulation_key)
        self.layers = (
            first(in_size - condition, width, dtype=dtype, key=first_key),
            *(hidden(width, dtype=dtype, key=k) for k in keys),
        )
        self.head = last(width, out_size, dtype=dtype, key=last_key)

    def forward(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        phi = activation_function(self.activation)
        h, c = x[: self.in_size - self.condition], x[-self.condition :]  # both are the whole input if `condition` is 0
        modulation = self.modulation(jnp.tanh(self.conditioner(c))).reshape(len(self.layers), 2, -1)
        for layer, (gamma, beta) in zip(self.layers, modulation, strict=True):
            h = phi((1.0 + gamma) * layer(h) + beta)
        return self.head(h)
