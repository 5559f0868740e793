"""Value functions as a known base plus a network."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ._unit_box import UnitBox
from .layers import Frozen
from .networks import MLP


class ValueNetwork(eqx.Module):
    r"""A value function as the sum of a known base and a scaled network on the unit box.

    $$V(t, x) = V_0(t, x) + s\,N\big(2\tfrac{x - x_{\min}}{x_{\max} - x_{\min}} - 1\big)$$

    The base contains the known behaviour at distant states (growth, the sign of damages), so that training starts on the right branch
    and a model need not be rescaled by hand. Box and scale are not trained.

    **Arguments:**

    - `network`: a twice differentiable function from a vector of states in [-1, 1] to a scalar.
    - `box`: (low, high) for each state.
    - `base`: $V_0$; by default zero.
    - `scale`: $s$, the expected size of the remainder $V - V_0$, in the unit of the value.

    !!! example

        ```python
        import jax.numpy as jnp
        import jax.random as jr
        import abatax as ab

        net = ab.neural_operators.ValueNetwork.mlp(((0.0, 1.0), (4.0, 9.0)), key=jr.key(0))
        assert net(jnp.zeros(()), (jnp.array(0.5), jnp.array(6.0))).shape == ()
        ```
    """

    network: Callable[[Float[Array, " state"]], Float[Array, ""]]
    unit: UnitBox
    size: Frozen
    base: Callable[[Any, Any], Any] | None = None

    def __init__(self, network, box, base=None, scale: float = 1.0):
        self.network, self.base, self.unit = network, base, UnitBox(box)
        self.size = Frozen(jnp.asarray(scale, dtype=jnp.float64))

    @classmethod
    def mlp(
        cls,
        box: tuple[tuple[float, float], ...],
        *,
        key: PRNGKeyArray,
        width: int = 32,
        depth: int = 3,
        base: Callable | None = None,
        scale: float = 1.0,
    ) -> "ValueNetwork":
        """A value function with a multilayer perceptron with tanh and `depth` hidden layers of `width` units."""
        return cls(MLP(len(box), width=width, depth=depth, key=key), box, base, scale)

    def __call__(self, t: Any, x: Any) -> Float[Array, ""]:
        base = 0.0 if self.base is None else self.base(t, x)
        return base + self.size.value * self.network(self.unit(x))
