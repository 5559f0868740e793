from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ..layers import AbstractNetwork, OutSize, PositiveLinear, at_least, first, last

# Initial sums of the weights into a unit; weights of one sign compute averages, so that larger sums are needed for nonlinearity.
_FIRST, _HIDDEN = 2.0, 4.0


class Monotone(AbstractNetwork):
    r"""A function that is increasing or decreasing in chosen inputs for all parameters.

    $$z_k = \tanh(U_kz_{k-1} + W_kf + b_k),\quad z_0 = m,\qquad N = a\cdot z_n + c\cdot m + w\cdot f + b,\qquad U_k, a, c > 0$$

    $m_i = \pm x_i$ are the inputs with a sign, and $f$ are the free inputs. With as many hidden layers as $m$ has entries, the network
    approximates every monotone function.

    **Arguments:**

    - `in_size`, `out_size`: of the input vector and the output, `"scalar"` for one number.
    - `width`: units per layer.
    - `depth`: hidden layers, $n$.
    - `signs`: one per input: 1 (increasing), -1 (decreasing), 0 (free); by default all are increasing.
    - `dtype`: floating-point type of the parameters; float64 by default.
    - `key`: random key of the initialisation.

    **Parameters:** (inputs + 1) width + (depth - 1)(width + free inputs + 1) width + (width + inputs + 1) outputs.

    **Raises:** `ValueError` for signs that are not one of -1, 0, 1 per input, or a size below one.

    **Good values:** depth 2 or 3; 1 for capital, -1 for temperature.

    **References:** Daniels and Velikova 2010, doi:10.1109/TNN.2010.2044803; Sill 1998, *Monotonic networks*.

    !!! example

        ```python
        import jax
        import jax.numpy as jnp
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.Monotone(3, width=12, signs=(1, -1, 0), key=jr.key(0))
        slopes = jax.grad(net)(jnp.array([0.1, -0.5, 1.0]))
        assert slopes[0] > 0 > slopes[1]
        ```
    """

    name: ClassVar[str] = "monotone"

    in_size: int = eqx.field(static=True)
    out_size: OutSize = eqx.field(static=True)
    signs: tuple[int, ...] = eqx.field(static=True)
    rising: tuple[PositiveLinear, ...]
    free: tuple[eqx.nn.Linear, ...]
    gain: PositiveLinear
    direct: PositiveLinear
    linear: eqx.nn.Linear

    def __init__(
        self,
        in_size: int,
        out_size: OutSize = "scalar",
        *,
        width: int = 20,
        depth: int = 2,
        signs: tuple[int, ...] | None = None,
        dtype: Any = jnp.float64,
        key: PRNGKeyArray,
    ):
        at_least(1, in_size=in_size, width=width, depth=depth)
        signs = (1,) * in_size if signs is None else tuple(signs)
        if len(signs) != in_size or not set(signs) <= {-1, 0, 1}:
            raise ValueError(
                f"`signs` is {signs}; give 1 (increasing), -1 (decreasing) or 0 (free) for each of {in_size} inputs."
            )
        outputs = 1 if out_size == "scalar" else out_size
        gain_key, direct_key, linear_key, *keys = jr.split(key, 3 + 2 * depth)
        self.in_size, self.out_size, self.signs = in_size, out_size, signs
        count = sum(s != 0 for s in signs)
        self.rising = tuple(
            PositiveLinear(inputs, width, total=total, dtype=dtype, key=k)
            for inputs, total, k in zip(
                [count, *[width] * (depth - 1)], [_FIRST, *[_HIDDEN] * (depth - 1)], keys[:depth], strict=True
            )
        )
        self.free = tuple(first(in_size - count, width, dtype=dtype, key=k) for k in keys[depth:])
        self.gain = PositiveLinear(width, outputs, total=1.0, dtype=dtype, key=gain_key)
        self.direct = PositiveLinear(count, outputs, total=0.3, dtype=dtype, key=direct_key)
        self.linear = last(in_size - count, outputs, dtype=dtype, key=linear_key)

    def forward(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        signs = np.array(self.signs)
        chosen = np.flatnonzero(signs)
        m, f = x[chosen] * jnp.asarray(signs[chosen], x.dtype), x[np.flatnonzero(signs == 0)]
        z = m
        for rising, free in zip(self.rising, self.free, strict=True):
            z = jnp.tanh(rising(z) + free(f))
        value = self.gain(z) + self.direct(m) + self.linear(f)
        return value[0] if self.out_size == "scalar" else value
