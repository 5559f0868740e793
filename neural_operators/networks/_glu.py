import math
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ...common import choose
from ..layers import ACTIVATIONS, AbstractNetwork, OutSize, at_least, first, hidden, last, linear

_GATES = {"geglu": ACTIVATIONS["gelu"], "swiglu": ACTIVATIONS["silu"]}

_ADDED = 0.5  # initial weight of the blocks; it is below one since products have heavy tails


class GLU(AbstractNetwork):
    r"""Gated linear units: layers with products of their inputs.

    $$h_{k+1} = h_k + C_k\big(\psi(A_kh_k + a_k)\circ(B_kh_k + b_k)\big) + c_k,\qquad h_1 = W_0x + b_0$$

    and $N(x) = w\cdot h_{n+1} + b$.

    **Arguments:**

    - `in_size`, `out_size`: of the input vector and the output, `"scalar"` for one number.
    - `width`: units per layer.
    - `depth`: gated blocks, $n$.
    - `gate`: $\psi$: `swiglu` (swish) or `geglu` (Gaussian error).
    - `dtype`: floating-point type of the parameters; float64 by default.
    - `key`: random key of the initialisation.

    **Parameters:** (inputs + 1) width + 3 depth (width + 1) width + (width + 1) outputs.

    **Raises:** `ValueError` for an unknown gate or a size below one.

    **Good values:** depth 2; a single block has too little flexibility.

    **References:** Shazeer 2020, arXiv:2002.05202; Dauphin, Fan, Auli and Grangier 2017, arXiv:1612.08083.

    !!! example

        ```python
        import jax.numpy as jnp
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.GLU(3, width=16, gate="geglu", key=jr.key(0))
        assert net(jnp.array([0.1, -0.5, 1.0])).shape == ()
        ```
    """

    name: ClassVar[str] = "glu"

    in_size: int = eqx.field(static=True)
    gate: str = eqx.field(static=True)
    stem: eqx.nn.Linear
    blocks: tuple[tuple[eqx.nn.Linear, eqx.nn.Linear], ...]  # A and B in one, C
    head: eqx.nn.Linear

    def __init__(
        self,
        in_size: int,
        out_size: OutSize = "scalar",
        *,
        width: int = 14,
        depth: int = 2,
        gate: str = "swiglu",
        dtype: Any = jnp.float64,
        key: PRNGKeyArray,
    ):
        at_least(1, in_size=in_size, width=width, depth=depth)
        choose("gate", gate, _GATES)
        stem_key, head_key, *keys = jr.split(key, 2 + 2 * depth)
        self.in_size, self.gate = in_size, gate
        self.stem = first(in_size, width, dtype=dtype, key=stem_key)
        self.blocks = tuple(
            (
                linear(width, 2 * width, gain=1.5, dtype=dtype, key=a),
                hidden(width, gain=_ADDED / math.sqrt(depth), dtype=dtype, key=b),
            )
            for a, b in zip(keys[::2], keys[1::2], strict=True)
        )
        self.head = last(width, out_size, dtype=dtype, key=head_key)

    def forward(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        psi = _GATES[self.gate]
        h = self.stem(x)
        for inner, outer in self.blocks:
            gate, value = inner(h).reshape(2, -1)
            h = h + outer(psi(gate) * value)
        return self.head(h)
