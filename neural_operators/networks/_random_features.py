from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ..layers import AbstractNetwork, Frozen, OutSize, activation_function, at_least, first, hidden, last


class RandomFeatures(AbstractNetwork):
    r"""Network with a trained last layer and random hidden layers, so that its parameters enter linearly.

    $$N(x) = w\cdot\phi(Wx + b) + c$$

    $W$ and $b$ are random and fixed (in all hidden layers if `depth` > 1), so that a fit is a linear least-squares problem.

    **Arguments:**

    - `in_size`, `out_size`: of the input vector and the output, `"scalar"` for one number.
    - `width`: features.
    - `depth`: hidden layers.
    - `activation`: $\phi$: `tanh`, `silu`, `gelu`, `sine`, `softplus`.
    - `gain`: size of $W$: entries have variance gain² / inputs.
    - `dtype`: floating-point type of the parameters; float64 by default.
    - `key`: random key of the initialisation.

    **Parameters:** (width + 1) outputs; $W$ and $b$ are not counted.

    **Raises:** `ValueError` for an unknown activation or a size below one.

    **Good values:** 300 to 600 features for two or three inputs, tanh; `gain` 0.6 to 1 for high accuracy on smooth functions, 2 for
    functions with large curvature.

    **References:** Huang, Zhu and Siew 2006, doi:10.1016/j.neucom.2005.12.126; for equations Chen, Chi, E and Yang 2022,
    arXiv:2207.13380.

    !!! example

        ```python
        import jax.numpy as jnp
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.RandomFeatures(3, width=300, key=jr.key(0))
        assert net(jnp.array([0.1, -0.5, 1.0])).shape == ()
        assert ab.neural_operators.count_parameters(net) == 301
        ```
    """

    name: ClassVar[str] = "random_features"

    in_size: int = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    layers: Frozen
    head: eqx.nn.Linear

    def __init__(
        self,
        in_size: int,
        out_size: OutSize = "scalar",
        *,
        width: int = 300,
        depth: int = 1,
        activation: str = "tanh",
        gain: float = 1.0,
        dtype: Any = jnp.float64,
        key: PRNGKeyArray,
    ):
        at_least(1, in_size=in_size, width=width, depth=depth)
        activation_function(activation)
        first_key, last_key, *keys = jr.split(key, depth + 1)
        self.in_size, self.activation = in_size, activation
        self.layers = Frozen(
            (
                first(in_size, width, gain=gain, dtype=dtype, key=first_key),
                *(hidden(width, dtype=dtype, key=k) for k in keys),
            )
        )
        self.head = last(width, out_size, dtype=dtype, key=last_key)

    def forward(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        phi = activation_function(self.activation)
        for layer in self.layers.value:
            x = phi(layer(x))
        return self.head(x)
