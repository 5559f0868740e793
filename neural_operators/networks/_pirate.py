from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ..layers import AbstractNetwork, Frozen, OutSize, activation_function, at_least, hidden, last, random_waves, waves


class PirateNet(AbstractNetwork):
    r"""Adaptive residual network, which is initially nearly linear in random waves of the input.

    $$\begin{aligned}f &= \phi(W_1h + b_1),\quad z = f\circ U + (1 - f)\circ V,\quad g = \phi(W_2z + b_2),\\
    y &= g\circ U + (1 - g)\circ V,\quad h \leftarrow \alpha\,\phi(W_3y + b_3) + (1 - \alpha)h\end{aligned}$$

    in every block, with $h_1 = \Phi(x) = \cos(Bx + c)$ (fixed random $B$, $c$), $U = \phi(W_u\Phi + b_u)$, $V = \phi(W_v\Phi + b_v)$.

    **Arguments:**

    - `in_size`, `out_size`: of the input vector and the output, `"scalar"` for one number.
    - `width`: units per layer, and waves.
    - `depth`: blocks of three layers each.
    - `activation`: $\phi$: `tanh`, `silu`, `gelu`, `sine`, `softplus`.
    - `frequency`: standard deviation of $B$, in radians per unit of [-1, 1].
    - `mixing`: initial $\alpha$, which is trained. In the paper it is 0, for which the gradient with respect to the blocks vanishes.
    - `dtype`: floating-point type of the parameters; float64 by default.
    - `key`: random key of the initialisation.

    **Parameters:** (2 + 3 depth)(width + 1) width + depth + (width + 1) outputs; the waves are not counted.

    **Raises:** `ValueError` for an unknown activation or a size below one.

    **Good values:** depth 1 or 2, `frequency` near 1 for smooth functions (with 2 errors are twenty times as large).

    **References:** Wang, Li, Chen and Perdikaris 2024, arXiv:2402.00326.

    !!! example

        ```python
        import jax.numpy as jnp
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.PirateNet(3, width=12, depth=2, key=jr.key(0))
        assert net(jnp.array([0.1, -0.5, 1.0])).shape == ()
        ```
    """

    name: ClassVar[str] = "pirate"

    in_size: int = eqx.field(static=True)
    activation: str = eqx.field(static=True)
    embedding: Frozen
    views: tuple[eqx.nn.Linear, eqx.nn.Linear]
    blocks: tuple[tuple[eqx.nn.Linear, eqx.nn.Linear, eqx.nn.Linear], ...]
    mixing: Float[Array, " block"]
    head: eqx.nn.Linear

    def __init__(
        self,
        in_size: int,
        out_size: OutSize = "scalar",
        *,
        width: int = 16,
        depth: int = 1,
        activation: str = "tanh",
        frequency: float = 1.0,
        mixing: float = 0.5,
        dtype: Any = jnp.float64,
        key: PRNGKeyArray,
    ):
        at_least(1, in_size=in_size, width=width, depth=depth)
        activation_function(activation)
        wave_key, u_key, v_key, head_key, *keys = jr.split(key, 4 + 3 * depth)
        self.in_size, self.activation = in_size, activation
        self.embedding = random_waves(in_size, width, frequency, dtype=dtype, key=wave_key)
        self.views = (hidden(width, dtype=dtype, key=u_key), hidden(width, dtype=dtype, key=v_key))
        layers = [hidden(width, dtype=dtype, key=k) for k in keys]
        self.blocks = tuple(zip(layers[::3], layers[1::3], layers[2::3], strict=True))
        self.mixing = jnp.full((depth,), mixing, dtype)
        self.head = last(width, out_size, dtype=dtype, key=head_key)

    def forward(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        phi = activation_function(self.activation)
        h = waves(self.embedding, x)
        u, v = (phi(view(h)) for view in self.views)
        for alpha, (one, two, three) in zip(self.mixing, self.blocks, strict=True):
            f = phi(one(h))
            g = phi(two(f * u + (1.0 - f) * v))
            h = alpha * phi(three(g * u + (1.0 - g) * v)) + (1.0 - alpha) * h
        return self.head(h)
