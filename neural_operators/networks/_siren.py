import math
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ..layers import AbstractNetwork, OutSize, at_least, last, linear


class Siren(AbstractNetwork):
    r"""Network of sines with an initialisation that preserves the distribution of activations through the layers.

    $$h_1 = \sin\big(\omega(W_1x + b_1)\big),\qquad h_{k+1} = \sin\big(\omega(W_{k+1}h_k + b_{k+1})\big),\qquad N(x) = w\cdot h_n + b$$

    The entries of $W_1$ start uniform in $\pm 1/\sqrt{\mathrm{inputs}}$, of the others in $\pm\sqrt{6/\mathrm{width}}/\omega$, the
    phases $\omega b$ in $\pm\pi$.

    **Arguments:**

    - `in_size`, `out_size`: of the input vector and the output, `"scalar"` for one number.
    - `width`: units per layer.
    - `depth`: hidden layers, $n$.
    - `frequency`: $\omega$, radians per unit of [-1, 1].
    - `dtype`: floating-point type of the parameters; float64 by default.
    - `key`: random key of the initialisation.

    **Parameters:** (inputs + 1) width + (depth - 1)(width + 1) width + (width + 1) outputs.

    **Raises:** `ValueError` if a size is below one or the frequency is not positive.

    **Good values:** `frequency` 2 to 4 for value functions; the value 30 of the paper is for images.

    **References:** Sitzmann, Martel, Bergman, Lindell and Wetzstein 2020, arXiv:2006.09661.

    !!! example

        ```python
        import jax.numpy as jnp
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.Siren(3, width=20, depth=2, frequency=3.0, key=jr.key(0))
        assert net(jnp.array([0.1, -0.5, 1.0])).shape == ()
        ```
    """

    name: ClassVar[str] = "siren"

    in_size: int = eqx.field(static=True)
    frequency: float = eqx.field(static=True)
    layers: tuple[eqx.nn.Linear, ...]
    head: eqx.nn.Linear

    def __init__(
        self,
        in_size: int,
        out_size: OutSize = "scalar",
        *,
        width: int = 24,
        depth: int = 3,
        frequency: float = 2.5,
        dtype: Any = jnp.float64,
        key: PRNGKeyArray,
    ):
        at_least(1, in_size=in_size, width=width, depth=depth)
        if not frequency > 0.0:
            raise ValueError(f"`frequency` is {frequency}; it must be > 0.")
        first_key, last_key, *keys = jr.split(key, depth + 1)
        self.in_size, self.frequency = in_size, frequency
        phase = math.pi / frequency
        # Uniform in +-a has variance a^2 / 3, and a gain of one stands for variance 1 / inputs.
        self.layers = (
            linear(in_size, width, gain=math.sqrt(1.0 / 3.0), bias=phase, dtype=dtype, key=first_key),
            *(linear(width, width, gain=math.sqrt(2.0) / frequency, bias=phase, dtype=dtype, key=k) for k in keys),
        )
        self.head = last(width, out_size, dtype=dtype, key=last_key)

    def forward(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        for layer in self.layers:
            x = jnp.sin(self.frequency * layer(x))
        return self.head(x)
