"""Policies as a network with bounded outputs."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ._registry import make_network
from ._unit_box import UnitBox
from .layers import Frozen

# Distance of controls from their bounds as a share of their range; in floating point the sigmoid function attains its bounds.
_MARGIN = 1e-6


class PolicyNetwork(eqx.Module):
    r"""A policy whose controls are strictly within their bounds for all parameters.

    $$u_j(x) = l_j + (h_j - l_j)\,\mathrm{sigmoid}\big(N_j(s) + o_j\big),\qquad s = 2\tfrac{x - x_{\min}}{x_{\max} - x_{\min}} - 1$$

    Controls that share a budget $B$ (for example investments that together cannot exceed output) divide the budget above their
    lower bounds,

    $$u_j(x) = l_j + \Big(B - \sum_kl_k\Big)\frac{e^{N_j + o_j}}{1 + \sum_ke^{N_k + o_k}},$$

    so that their sum is below $B$; the 1 in the denominator represents the unused share. The offsets $o$ place an untrained
    policy near `start`.

    **Arguments:**

    - `network`: a function from a vector of states in [-1, 1] to a vector with one entry per control.
    - `box`: (low, high) for each state.
    - `low`, `high`: finite bounds of the controls.
    - `sharing`: indices of the controls that share the budget; their `high` must allow one control to use the whole budget.
    - `budget`: $B$, in the unit of these controls.
    - `start`: controls strictly within bounds (and budget); by default the middle, and equal parts of a budget.
    - `dtype`: floating-point type of the bounds.

    **Returns:** called as `policy(t, x)`, the controls. The policy does not depend on time.

    **Raises:** `ValueError` for bounds that are not finite or not ordered, or for a budget, sharing or start that violates them.

    **Good values:** a `start` on the right branch, such as the best constant policy.

    !!! example

        ```python
        import jax.numpy as jnp
        import jax.random as jr

        import abatax as ab

        policy = ab.neural_operators.PolicyNetwork.make(
            "mlp", ((0.0, 1.0), (4.0, 9.0)), low=jnp.zeros(3), high=jnp.array([1.0, 1.0, 10.0]), sharing=(0, 1), budget=0.9,
            parameters=300, key=jr.key(0),
        )
        invest, research, emit = policy(jnp.zeros(()), (jnp.array(0.5), jnp.array(6.0)))
        assert 0.0 < invest and 0.0 < research and invest + research < 0.9 and 0.0 < emit < 10.0
        ```
    """

    network: Callable[[Float[Array, " state"]], Float[Array, " control"]]
    unit: UnitBox
    bounds: Frozen  # low, range and offset of every control
    sharing: tuple[int, ...] = eqx.field(static=True)

    def __init__(
        self,
        network: Any,
        box: tuple[tuple[float, float], ...],
        low: Any,
        high: Any,
        sharing: tuple[int, ...] = (),
        budget: float = math.inf,
        start: Any = None,
        dtype: Any = jnp.float64,
    ):
        low, high = np.array(low, dtype=np.float64), np.array(high, dtype=np.float64)
        if not (low.shape == high.shape and low.ndim == 1 and np.all(np.isfinite([low, high])) and np.all(low < high)):
            raise ValueError(f"`low` is {low} and `high` is {high}; give finite vectors, every low below its high.")
        size = high - low
        if sharing or budget < math.inf:
            size = _shared(low, size, sharing, budget)
        offset = _offset(low, size, sharing, start)
        self.network, self.unit, self.sharing = network, UnitBox(box, dtype), sharing
        self.bounds = Frozen(tuple(jnp.asarray(a, dtype) for a in (low, size, offset)))

    @classmethod
    def make(
        cls,
        architecture: str,
        box: tuple[tuple[float, float], ...],
        *,
        low: Any,
        high: Any,
        sharing: tuple[int, ...] = (),
        budget: float = math.inf,
        start: Any = None,
        key: PRNGKeyArray,
        dtype: Any = jnp.float64,
        **options: Any,
    ) -> "PolicyNetwork":
        """A policy with a network by its name; `options` are options of `make_network`, such as `parameters`."""
        network = make_network(architecture, len(box), len(np.array(low)), key=key, dtype=dtype, **options)
        return cls(network, box, low, high, sharing, budget, start, dtype)

    def __call__(self, t: Any, x: Any) -> Float[Array, " control"]:
        del t
        low, size, offset = self.bounds.value
        score = self.network(self.unit(x)) + offset
        part = _MARGIN + (1.0 - 2.0 * _MARGIN) * jax.nn.sigmoid(score)
        if self.sharing:
            which = np.array(self.sharing)
            slack = jnp.zeros((1,), score.dtype)
            shares = jax.nn.softmax(jnp.concatenate([score[which], slack]))[:-1]
            # Equal margins for all sharing controls and the unused share: no share is zero, and their sum is below one.
            part = part.at[which].set(_MARGIN + (1.0 - (len(which) + 1) * _MARGIN) * shares)
        return low + size * part


def _shared(low: np.ndarray, size: np.ndarray, sharing: tuple[int, ...], budget: float) -> np.ndarray:
    """Ranges of the controls; a sharing control may use the whole budget above the lower bounds."""
    if not sharing or not math.isfinite(budget):
        raise ValueError(f"`sharing` is {sharing} and `budget` is {budget}; give both or neither.")
    if len(set(sharing)) < len(sharing) or not set(sharing) <= set(range(len(low))):
        raise ValueError(f"`sharing` is {sharing}; give different indices from 0 to {len(low) - 1}.")
    which = np.array(sharing)
    disposable = budget - low[which].sum()
    if not disposable > 0.0:
        raise ValueError(f"`budget` is {budget}; it must be above the sum of the shared lows, {low[which].sum()}.")
    if np.any(size[which] < disposable * (1.0 - 1e-12)):
        raise ValueError(
            f"`high` of shared controls is {(low + size)[which]}; raise it to {low[which] + disposable}, or lower `budget`."
        )
    size = size.copy()
    size[which] = disposable
    return size


def _offset(low: np.ndarray, size: np.ndarray, sharing: tuple[int, ...], start: Any) -> np.ndarray:
    """The offset of a network with output near zero such that the controls are near `start`."""
    if start is None:
        return np.zeros(len(low))
    part = (np.array(start, dtype=np.float64) - low) / size
    unused = 1.0 - part
    if sharing:
        unused[np.array(sharing)] = 1.0 - part[np.array(sharing)].sum()
    if not (np.all(part > 0.0) and np.all(unused > 0.0)):
        raise ValueError(f"`start` is {start}; every control must be strictly within its bounds and the budget.")
    return np.log(part / unused)
