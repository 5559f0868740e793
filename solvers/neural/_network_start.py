"""The initial networks and their first points."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ...models import HJBProblem
from ..solution import BoxMap, box_map
from ._network_basis import NetworkBasis
from ._network_value import Asymptote, NetworkInputs, NetworkValue

# Default number of points inside the box by number of states, and `_MANY` for more states. A joint network approximates more
# functions: its number of points is `_JOINT` times as large, divided by the number of members, and at least `_PER_MEMBER`.
_POINTS = {1: 128, 2: 512, 3: 1280}
_MANY, _PER_MEMBER, _JOINT = 2048, 192, 3


def first_basis(
    problem: HJBProblem,
    labels: Float[np.ndarray, "family label"],
    make: Callable[[int, int], Any],
    points: int,
    focus: float,
) -> NetworkBasis:
    """The initial networks of a family, with the points of the first draw.

    **Arguments:**

    - `labels`: labels of the members, which then share one network; with an empty label each member has its own network.
    - `make`: a function that makes a network from its index and its number of inputs.
    - `points`: number of points inside the box; 0 for a default by number of states. `focus`: fraction of the points in the region of
      interest.
    """
    family, dimension, joint = len(labels), len(problem.region), labels.shape[1] > 0
    network_count, box = 1 if joint else family, box_map(problem.region, problem.domain)
    kinked, kinks = kinks_of(problem, box)
    inputs = dimension + 2 * len(kinked) + labels.shape[1]
    networks = [make(number, inputs) for number in range(network_count)]
    arrays = [eqx.filter(net, eqx.is_array) for net in networks]
    stacked = jax.tree.map(lambda *leaves: jnp.stack([*leaves] * (family // network_count)), *arrays)
    network = eqx.combine(stacked, eqx.filter(networks[0], eqx.is_array, inverse=True))

    def repeated(a):
        return jnp.asarray(np.broadcast_to(a, (family, *np.shape(a))))

    value = NetworkValue(
        network=network,
        base=Asymptote(problem.equation),
        inputs=NetworkInputs(jax.tree.map(repeated, box), jnp.asarray(labels), repeated(kinks), kinked),
        level=jnp.zeros(family),
        scale=jnp.ones(family),
        slope=jnp.zeros((family, dimension)),
        middle=repeated(np.mean(problem.region, axis=1)),
    )
    default_count = _POINTS.get(dimension, _MANY)
    count = points or (max(_PER_MEMBER, _JOINT * default_count // family) if joint else default_count)
    return NetworkBasis(problem, value, joint, count, focus, 0)


def kinks_of(problem: HJBProblem, box: BoxMap) -> tuple[tuple[int, ...], Float[np.ndarray, " kink"]]:
    """State index and position on the unit box of every kink inside the box."""
    fields, positions, axes = problem.model.states._fields, [], []
    for field, breakpoints in problem.model.breakpoints().items():
        a = fields.index(field)
        for k in breakpoints:
            x = np.array([low for low, _ in problem.domain])
            x[a] = k
            if problem.domain[a][0] < k < problem.domain[a][1]:
                positions.append(box.parts(x)[0][a])
                axes.append(a)
    return tuple(axes), np.array(positions)
