"""An architecture with options of its own under a name of its own, for solvers that know architectures by name."""

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ... import neural_operators
from ...neural_operators import ARCHITECTURES, AbstractNetwork

SCALE = "initial_scale"  # of all weight matrices, besides the options that an architecture has


@contextmanager
def variant(name: str, options: Mapping[str, Any]) -> Iterator[str]:
    """A name under which `make_network` makes an architecture with these options, as long as the block lasts.

    **Arguments:**

    - `name`: of an architecture.
    - `options`: its own, without `width`; `initial_scale` multiplies every weight matrix at the start.

    **Returns:** the name; `name` itself if there are no options.

    **Raises:** `ValueError` with the nearest known name.

    !!! example

        ```python
        import jax.random as jr

        import abatax as ab
        from abatax.validation.comparison._variant import variant

        with variant("mlp", {"depth": 1}) as name:
            net = ab.neural_operators.make_network(name, 2, parameters=41, key=jr.key(0))
        assert ab.neural_operators.count_parameters(net) == 41
        ```
    """
    known = neural_operators.architecture_options(name)
    for option in options:
        if option not in known and option != SCALE:
            raise ValueError(f"`{option}` is no option of architecture `{name}`; it has {', '.join(known)}.")
    if not options:
        yield name
        return
    items = tuple(sorted(options.items()))
    own = f"{name} with " + ", ".join(f"{key}={value}" for key, value in items)
    ARCHITECTURES[own] = _with_options(name, items)
    try:
        yield own
    finally:
        del ARCHITECTURES[own]


@functools.lru_cache(maxsize=256)  # one class for the same options: its programs are compiled once for all seeds
def _with_options(name: str, items: tuple[tuple[str, Any], ...]) -> type[AbstractNetwork]:
    architecture, options = neural_operators.architecture(name), dict(items)
    scale = float(options.pop(SCALE, 1.0))

    class Variant(AbstractNetwork):
        in_size: int = eqx.field(static=True)
        network: AbstractNetwork

        def __init__(self, in_size, out_size="scalar", *, width=16, dtype=jnp.float64, key):
            made = architecture(in_size, out_size, width=width, dtype=dtype, key=key, **options)  # pyright: ignore[reportCallIssue]
            self.in_size = in_size
            self.network = jax.tree.map(lambda leaf: leaf * scale if _is_matrix(leaf) else leaf, made)

        def forward(self, x):
            return self.network.forward(x)

    return Variant


def _is_matrix(leaf: Any) -> bool:
    return eqx.is_inexact_array(leaf) and leaf.ndim >= 2
