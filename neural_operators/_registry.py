"""Names of architectures on the command line, and networks with a given number of parameters."""

import functools
import inspect
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import PRNGKeyArray

from ..common import choose, nearest
from . import networks
from .layers import AbstractNetwork, OutSize, count_parameters

# Architectures exported by `networks`, by name.
ARCHITECTURES: dict[str, type[AbstractNetwork]] = {
    network.name: network
    for network in vars(networks).values()
    if isinstance(network, type) and issubclass(network, AbstractNetwork)
}
"""Classes of the architectures by their name in files and on the command line."""

# Arguments that are common to all architectures.
_COMMON = ("in_size", "out_size", "dtype", "key")
# Largest admissible ratio of the parameters of the narrowest network to the requested number.
_TOO_MANY = 1.2


def architecture(name: str) -> type[AbstractNetwork]:
    """The architecture class with a given name.

    **Arguments:**

    - `name`: one of `ARCHITECTURES`.

    **Returns:** the class.

    **Raises:** `ValueError` with the nearest known name.

    !!! example

        ```python
        import abatax as ab

        assert ab.neural_operators.architecture("gated_mlp") is ab.neural_operators.GatedMLP
        ```
    """
    return choose("architecture", name, ARCHITECTURES)


def architecture_options(name: str) -> dict[str, Any]:
    """The options of an architecture with their default values, `width` and `depth` among them.

    **Arguments:**

    - `name`: one of `ARCHITECTURES`.

    **Returns:** default values by the name of the option.

    **Raises:** `ValueError` with the nearest known name.

    !!! example

        ```python
        import abatax as ab

        assert ab.neural_operators.architecture_options("siren") == {"width": 24, "depth": 3, "frequency": 2.5}
        ```
    """
    signature = inspect.signature(architecture(name).__init__).parameters
    return {k: p.default for k, p in list(signature.items())[1:] if k not in _COMMON}


def make_network(
    name: str,
    in_size: int,
    out_size: OutSize = "scalar",
    *,
    parameters: int | None = None,
    key: PRNGKeyArray,
    dtype: Any = jnp.float64,
    **options: Any,
) -> AbstractNetwork:
    """Make a network from its name on the command line.

    **Arguments:**

    - `name`: one of `ARCHITECTURES`.
    - `in_size`, `out_size`: sizes of the input and output vectors; `"scalar"` for a scalar output.
    - `parameters`: requested number of parameters; the width is chosen to match it as closely as possible.
    - `key`, `dtype`: random key of the initialisation, floating-point type.
    - `options`: options of the architecture, such as `depth`.

    **Returns:** the network.

    **Raises:** `ValueError` for an unknown name or option (with the nearest known one), if both `parameters` and `width` are given,
    and if the narrowest network has many more parameters than requested.

    !!! example

        ```python
        import jax.random as jr

        import abatax as ab

        net = ab.neural_operators.make_network("gated_mlp", 3, parameters=1000, key=jr.key(0), depth=1)
        assert abs(ab.neural_operators.count_parameters(net) - 1000) < 50
        ```
    """
    cls, defaults = architecture(name), architecture_options(name)
    for option in options:
        if option not in defaults:
            raise ValueError(f"unknown option `{option}` of architecture `{name}`: {nearest(option, defaults)}")
    if parameters is not None:
        if "width" in options:
            raise ValueError(f"`width` is {options['width']} and `parameters` is {parameters}; give one of them.")
        options["width"] = _width(cls, name, in_size, out_size, parameters, tuple(sorted(options.items())))
    return cls(in_size, out_size, dtype=dtype, key=key, **options)  # pyright: ignore[reportCallIssue]


@functools.lru_cache(maxsize=256)
def _width(cls: Any, name: str, in_size: int, out_size: OutSize, parameters: int, options: tuple) -> int:
    """The width whose number of parameters is nearest to the requested number; the number increases with the width."""

    @functools.cache
    def count(width: int) -> int:
        shapes = eqx.filter_eval_shape(cls, in_size, out_size, width=width, key=jr.key(0), **dict(options))
        return count_parameters(shapes)

    if count(1) > _TOO_MANY * parameters:
        raise ValueError(
            f"`parameters` is {parameters}; the narrowest `{name}` of {in_size} inputs has {count(1)}: ask for more."
        )
    low, high = 1, 2
    while count(high) < parameters:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < parameters else (low, middle)
    return min(low, high, key=lambda width: abs(count(width) - parameters))
