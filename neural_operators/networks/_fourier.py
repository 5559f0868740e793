from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ..layers import AbstractNetwork, Frozen, OutSize, at_least, random_waves, waves
from ._mlp import MLP


class FourierMLP(AbstractNetwork):
    r"""Multilayer perceptron of random waves of the input.

    $$N(x) = M\big(\cos(Bx + c)\big),\qquad B_{ij}\sim\mathcal N(0, \sigma^2),\quad c_i\sim U(0, 2\pi)$$

    $B$ and $c$ are fixed; $M$ is an `MLP`.

    **Arguments:**

    - `in_size`, `out_size`: of the input vector and the output, `"scalar"` for one number.
    - `width`: waves, and units per layer.
    - `depth`: hidden layers of the perceptron.
    - `activation`: as of `MLP`.
    - `frequency`: $\sigma$, in radians per unit of [-1, 1].
    - `dtype`: floating-point type of the parameters; float64 by default.
    - `key`: random key of the initialisation.

    **Parameters:** depth (width + 1) width + (width + 1) outputs; the waves are not counted.

    **Raises:** `ValueError` for an unknown activation or a size below one.

    **Good values:** `frequency` 1 to 2 for smooth functions, more for fine structure; depth 2.

    **References:** Tancik et al. 2020, arXiv:2006.10739; Rahimi and Recht 2007, *Random features for large-scale kernel machines*.

    !!! example

        ```python
        import jax.numpy as jnp
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.FourierMLP(3, width=20, frequency=2.0, key=jr.key(0))
        assert net(jnp.array([0.1, -0.5, 1.0])).shape == ()
        ```
    """

    name: ClassVar[str] = "fourier"

    in_size: int = eqx.field(static=True)
    embedding: Frozen
    network: MLP

    def __init__(
        self,
        in_size: int,
        out_size: OutSize = "scalar",
        *,
        width: int = 24,
        depth: int = 2,
        activation: str = "tanh",
        frequency: float = 1.0,
        dtype: Any = jnp.float64,
        key: PRNGKeyArray,
    ):
        at_least(1, in_size=in_size, width=width, depth=depth)
        wave_key, network_key = jr.split(key)
        self.in_size = in_size
        self.embedding = random_waves(in_size, width, frequency, dtype=dtype, key=wave_key)
        self.network = MLP(
            width, out_size, width=width, depth=depth, activation=activation, dtype=dtype, key=network_key
        )

    def forward(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        return self.network(waves(self.embedding, x))
