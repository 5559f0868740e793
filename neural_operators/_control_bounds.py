"""Controls within their bounds and a common budget, as a function of unbounded scores."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

# Distance of controls from their bounds as a share of their range; in floating point the sigmoid function attains its bounds.
_MARGIN = 1e-6


class ControlBounds(eqx.Module):
    r"""A map from scores $s$, which may be any numbers, to controls strictly within their bounds.

    $$u_j = l_j + (h_j - l_j)\,\mathrm{sigmoid}(s_j)$$

    Controls that share a budget $B$ (for example investments that together cannot exceed output) divide the budget above their
    lower bounds,

    $$u_j = l_j + \Big(B - \sum_kl_k\Big)\frac{e^{s_j}}{1 + \sum_ke^{s_k}},$$

    so that their sum is below $B$; the 1 in the denominator represents the unused share.

    **Arguments:**

    - `low`, `high`: finite bounds of the controls, in their units.
    - `sharing`: indices of the controls that share the budget; their `high` must allow one control to use the whole budget.
    - `budget`: $B$, in the unit of these controls.

    **Raises:** `ValueError` for bounds that are not finite or not ordered, or for a budget or sharing that violates them.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        bounds = ab.neural_operators.ControlBounds([0.0, 0.0, 0.0], [1.0, 1.0, 10.0], sharing=(0, 1), budget=0.9)
        invest, research, emit = bounds(jnp.array([3.0, 2.0, -4.0]))
        assert 0.0 < invest and 0.0 < research and invest + research < 0.9 and 0.0 < emit < 10.0
        ```
    """

    low: Float[Array, "*family control"]
    size: Float[Array, "*family control"]  # the range of every control, or the budget above the lower bounds
    sharing: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, low: Any, high: Any, sharing: tuple[int, ...] = (), budget: float = math.inf):
        low, high = np.array(low, dtype=np.float64), np.array(high, dtype=np.float64)
        if not (low.shape == high.shape and low.ndim == 1 and np.all(np.isfinite([low, high])) and np.all(low < high)):
            raise ValueError(f"`low` is {low} and `high` is {high}; give finite vectors, every low below its high.")
        size = high - low
        if sharing or budget < math.inf:
            size = _shared(low, size, sharing, budget)
        self.low, self.size, self.sharing = jnp.asarray(low), jnp.asarray(size), sharing

    def __call__(self, score: Float[Array, " control"]) -> Float[Array, " control"]:
        """The controls at a vector of scores."""
        part = _MARGIN + (1.0 - 2.0 * _MARGIN) * jax.nn.sigmoid(score)
        if self.sharing:
            shared = np.array(self.sharing)
            unused = jnp.zeros((1,), score.dtype)
            shares = jax.nn.softmax(jnp.concatenate([score[shared], unused]))[:-1]
            # Equal margins for all sharing controls and the unused share: no share is zero, and their sum is below one.
            part = part.at[shared].set(_MARGIN + (1.0 - (len(shared) + 1) * _MARGIN) * shares)
        return self.low + self.size * part

    def scores(self, controls: Float[np.ndarray, "*point control"], edge: float = 1e-3) -> np.ndarray:
        """The scores that lead to given controls, on the host.

        Controls closer to a bound than the fraction `edge` of their range are moved away from it.
        """
        part = np.clip((controls - np.asarray(self.low)) / np.asarray(self.size), edge, 1.0 - edge)
        unused = 1.0 - part
        if self.sharing:
            shared = list(self.sharing)
            unused[..., shared] = np.maximum(1.0 - np.sum(part[..., shared], axis=-1, keepdims=True), edge)
        return np.log(part / unused)


def _shared(low: np.ndarray, size: np.ndarray, sharing: tuple[int, ...], budget: float) -> np.ndarray:
    """Ranges of the controls; a sharing control may use the whole budget above the lower bounds."""
    if not sharing or not math.isfinite(budget):
        raise ValueError(f"`sharing` is {sharing} and `budget` is {budget}; give both or neither.")
    if len(set(sharing)) < len(sharing) or not set(sharing) <= set(range(len(low))):
        raise ValueError(f"`sharing` is {sharing}; give different indices from 0 to {len(low) - 1}.")
    shared = np.array(sharing)
    disposable = budget - low[shared].sum()
    if not disposable > 0.0:
        raise ValueError(f"`budget` is {budget}; it must be above the sum of the shared lows, {low[shared].sum()}.")
    if np.any(size[shared] < disposable * (1.0 - 1e-12)):
        raise ValueError(
            f"`high` of shared controls is {(low + size)[shared]}; raise it to {low[shared] + disposable}, or lower `budget`."
        )
    size = size.copy()
    size[shared] = disposable
    return size
