"""Network specification: options of an architecture as one object, from which networks are made."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray

from ..common import nearest
from ._registry import architecture_options, make_network
from .layers import AbstractNetwork, OutSize

SCALE = "initial_scale"  # an option of every architecture: a factor on all initial weight matrices
"""Name of the option of every architecture that multiplies all initial weight matrices."""


class NetworkOptions(eqx.Module):
    """Options of an architecture beyond its name and number of parameters, such as `depth`, `activation` or `initial_scale`.

    **Arguments:**

    - `options`: the options by name. `initial_scale` multiplies every initial weight matrix. If `width` is given, it determines the
      number of parameters.

    !!! example

        ```python
        import jax.random as jr

        import abatax as ab

        options = ab.neural_operators.NetworkOptions(depth=1, activation="silu")
        net = options.make("mlp", 2, parameters=41, key=jr.key(0))
        assert ab.neural_operators.count_parameters(net) == 41
        ```
    """

    items: tuple[tuple[str, Any], ...] = eqx.field(static=True)

    def __init__(self, **options: Any):
        self.items = tuple(sorted(options.items()))

    def to_dict(self) -> dict[str, Any]:
        """The options by name."""
        return dict(self.items)

    def with_options(self, options: Mapping[str, Any]) -> "NetworkOptions":
        """A copy of these options, updated with the given options."""
        return NetworkOptions(**{**self.to_dict(), **options})

    def check(self, name: str) -> None:
        """Check the options against an architecture.

        **Raises:** `ValueError` if the architecture does not have an option, or if the value of an option has the wrong type.
        """
        defaults = architecture_options(name) | {SCALE: 1.0}
        for option, value in self.items:
            if option not in defaults:
                raise ValueError(
                    f"unknown option `solver.network.{option}` of architecture `{name}`: {nearest(option, defaults)}"
                )
            default = defaults[option]
            is_number = isinstance(value, (int, float)) and isinstance(default, float) and not isinstance(value, bool)
            if not (is_number or type(value) is type(default)):
                raise ValueError(
                    f"`solver.network.{option}` is {value!r}; it must be like its default {default!r} in `{name}`."
                )

    def make(
        self, name: str, in_size: int, out_size: OutSize = "scalar", *, parameters: int, key: PRNGKeyArray
    ) -> AbstractNetwork:
        """Make a network of an architecture with these options and approximately the given number of parameters."""
        options = self.to_dict()
        scale = float(options.pop(SCALE, 1.0))
        count = None if "width" in options else parameters
        network = make_network(name, in_size, out_size, parameters=count, key=key, **options)
        return jax.tree.map(lambda leaf: leaf * scale if scale != 1.0 and _is_matrix(leaf) else leaf, network)


def _is_matrix(leaf: Any) -> bool:
    return eqx.is_inexact_array(leaf) and jnp.ndim(leaf) >= 2
