from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ..layers import AbstractNetwork, OutSize, PositiveLinear, at_least, first, last

# Initial sum of the weights into a hidden unit; with 1 the layers compute averages, and errors of fits are four times as large.
_TOTAL = 4.0


class Concave(AbstractNetwork):
    r"""A function that is concave in all inputs for all parameters.

    $$z_1 = s(W_1x + b_1),\qquad z_{k+1} = s(U_kz_k + W_{k+1}x + b_{k+1}),\qquad N(x) = w\cdot x + b - a\cdot z_n,\qquad U_k, a > 0$$

    $s$ is softplus, which is convex and increasing, so that every $z_k$ is convex. $N$ is the negative of an input-convex network. A
    concave function of linearly scaled states is concave in the states.

    **Arguments:**

    - `in_size`, `out_size`: of the input vector and the output, `"scalar"` for one number.
    - `width`: units per layer.
    - `depth`: hidden layers, $n$.
    - `dtype`: floating-point type of the parameters; float64 by default.
    - `key`: random key of the initialisation.

    **Parameters:** depth (inputs + 1) width + (depth - 1) width² + (width + inputs + 1) outputs.

    **Raises:** `ValueError` for a size below one.

    **Good values:** depth 2. The network represents concave value functions only, and not models with a damage threshold.

    **References:** Amos, Xu and Kolter 2017, arXiv:1609.07152.

    !!! example

        ```python
        import jax
        import jax.numpy as jnp
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.Concave(3, width=12, key=jr.key(0))
        curvatures = jnp.linalg.eigvalsh(jax.hessian(net)(jnp.array([0.1, -0.5, 1.0])))
        assert float(curvatures.max()) <= 1e-12
        ```
    """

    name: ClassVar[str] = "concave"

    in_size: int = eqx.field(static=True)
    out_size: OutSize = eqx.field(static=True)
    seen: tuple[eqx.nn.Linear, ...]  # W and b of the layers
    layers: tuple[PositiveLinear, ...]
    loss: PositiveLinear
    linear: eqx.nn.Linear

    def __init__(
        self,
        in_size: int,
        out_size: OutSize = "scalar",
        *,
        width: int = 20,
        depth: int = 2,
        dtype: Any = jnp.float64,
        key: PRNGKeyArray,
    ):
        at_least(1, in_size=in_size, width=width, depth=depth)
        outputs = 1 if out_size == "scalar" else out_size
        loss_key, linear_key, *keys = jr.split(key, 1 + 2 * depth)
        self.in_size, self.out_size = in_size, out_size
        self.seen = tuple(first(in_size, width, dtype=dtype, key=k) for k in keys[:depth])
        self.layers = tuple(PositiveLinear(width, width, total=_TOTAL, dtype=dtype, key=k) for k in keys[depth:])
        self.loss = PositiveLinear(width, outputs, total=1.0, dtype=dtype, key=loss_key)
        self.linear = last(in_size, outputs, dtype=dtype, key=linear_key)

    def forward(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        z = jax.nn.softplus(self.seen[0](x))
        for seen, layer in zip(self.seen[1:], self.layers, strict=True):
            z = jax.nn.softplus(layer(z) + seen(x))
        value = self.linear(x) - self.loss(z)
        return value[0] if self.out_size == "scalar" else value
