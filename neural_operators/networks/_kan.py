from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ...common import choose
from ..layers import AbstractNetwork, OutSize, at_least, b_splines, chebyshev, decay, smooth_start

_EDGES = {"chebyshev": chebyshev, "spline": b_splines}
_SMOOTH = 3  # degrees of the random functions at the start


class KAN(AbstractNetwork):
    r"""Kolmogorov-Arnold network: a trained function of one variable on every edge.

    $$y_j = b_j + \sum_i\phi_{ij}(x_i),\qquad \phi_{ij}(x) = \sum_k c_{ijk}B_k(x),\qquad x\leftarrow\tanh y\ \text{between layers}$$

    The $B_k$ are Chebyshev polynomials of degrees 1 to `size`, or the `size` + 3 cubic B-splines on `size` intervals of [-1, 1], which
    vanish outside. Edges start as random cubic polynomials with coefficients that decrease with the square of the degree.

    **Arguments:**

    - `in_size`, `out_size`: of the input vector and the output, `"scalar"` for one number.
    - `width`: hidden units per layer.
    - `depth`: hidden layers; `depth` + 1 layers of edges.
    - `edges`: `chebyshev` or `spline`.
    - `size`: degree of the polynomials, or intervals of the splines.
    - `dtype`: floating-point type of the parameters; float64 by default.
    - `key`: random key of the initialisation.

    **Parameters:** per layer of edges (inputs × functions + 1) outputs, with `size` functions, or `size` + 3.

    **Raises:** `ValueError` for unknown edges or a size below one.

    **Good values:** depth 1 with degree 5 to 8, or 5 intervals.

    **References:** Liu et al. 2024, arXiv:2404.19756; Sidharth et al. 2024, arXiv:2405.07200 (Chebyshev); the initialisation
    is specific to abatax.

    !!! example

        ```python
        import jax.numpy as jnp
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.KAN(3, width=6, edges="spline", size=5, key=jr.key(0))
        assert net(jnp.array([0.1, -0.5, 1.0])).shape == ()
        ```
    """

    name: ClassVar[str] = "kan"

    in_size: int = eqx.field(static=True)
    out_size: OutSize = eqx.field(static=True)
    edges: str = eqx.field(static=True)
    size: int = eqx.field(static=True)
    coefficients: tuple[Float[Array, "unit _ function"], ...]
    biases: tuple[Float[Array, " unit"], ...]

    def __init__(
        self,
        in_size: int,
        out_size: OutSize = "scalar",
        *,
        width: int = 16,
        depth: int = 1,
        edges: str = "chebyshev",
        size: int = 6,
        dtype: Any = jnp.float64,
        key: PRNGKeyArray,
    ):
        at_least(1, in_size=in_size, width=width, depth=depth, size=size)
        choose("edges", edges, _EDGES)
        self.in_size, self.out_size, self.edges, self.size = in_size, out_size, edges, size
        sizes = [in_size, *[width] * depth, 1 if out_size == "scalar" else out_size]
        spread = jnp.asarray(decay(_SMOOTH), dtype)
        coefficients, biases = [], []
        for inputs, units, one in zip(sizes[:-1], sizes[1:], jr.split(key, depth + 1), strict=True):
            smooth = jr.normal(one, (units, inputs, _SMOOTH), dtype) * spread[None, None, :] / inputs**0.5
            coefficients.append(smooth_start(edges, size, smooth))
            biases.append(jnp.zeros(units, dtype))
        self.coefficients, self.biases = tuple(coefficients), tuple(biases)

    def forward(self, x: Float[Array, " input"]) -> Float[Array, "*output"]:
        functions = _EDGES[self.edges]
        for number, (coefficients, bias) in enumerate(zip(self.coefficients, self.biases, strict=True)):
            x = jnp.tanh(x) if number else x
            x = jnp.einsum("jik,ik->j", coefficients, functions(x, self.size)) + bias
        return x[0] if self.out_size == "scalar" else x
