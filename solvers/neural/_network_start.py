"""The networks with which training begins, and their points."""

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

# Points inside the box by number of states, if none are asked for. A joint network has more to fit: so many times as many points
# are shared by its members, each of which sees this many at least.
_POINTS = {1: 128, 2: 512, 3: 1280}
_MANY, _PER_MEMBER, _JOINT = 2048, 192, 3


def first_basis(
    problem: HJBProblem,
    labels: Float[np.ndarray, "family label"],
    make: Callable[[int, int], Any],
    points: int,
    focus: float,
) -> NetworkBasis:
    """The networks of a family at the points of the first draw.

    **Arguments:**

    - `labels`: what tells the members apart: one network for all; without labels each has its own.
    - `make`: a network, from its number and its number of inputs.
    - `points`: inside the box; 0 for a number that suits the states. `focus`: share of them in the region of interest.
    """
    family, dimension, joint = len(labels), len(problem.region), labels.shape[1] > 0
    nets, box = 1 if joint else family, box_map(problem.region, problem.domain)
    kinked, kinks = kinks_of(problem, box)
    inputs = dimension + 2 * len(kinked) + labels.shape[1]
    networks = [make(number, inputs) for number in range(nets)]
    arrays = [eqx.filter(net, eqx.is_array) for net in networks]
    stacked = jax.tree.map(lambda *leaves: jnp.stack([*leaves] * (family // nets)), *arrays)
    network = eqx.combine(stacked, eqx.filter(networks[0], eqx.is_array, inverse=True))

    def repeated(a):
        return jnp.asarray(np.broadcast_to(a, (family, *np.shape(a))))

    value = NetworkValue(
        network=network,
        base=Asymptote(HJBProblem(problem.model, continuations=problem.continuations)),
        inputs=NetworkInputs(jax.tree.map(repeated, box), jnp.asarray(labels), repeated(kinks), kinked),
        level=jnp.zeros(family),
        scale=jnp.ones(family),
        slope=jnp.zeros((family, dimension)),
        middle=repeated(np.mean(problem.region, axis=1)),
    )
    alone = _POINTS.get(dimension, _MANY)
    count = points or (max(_PER_MEMBER, _JOINT * alone // family) if joint else alone)
    return NetworkBasis(problem, value, joint, count, focus, 0)


def kinks_of(problem: HJBProblem, box: BoxMap) -> tuple[tuple[int, ...], Float[np.ndarray, " kink"]]:
    """The states that have kinks, one entry for each kink inside the box, and where they lie on the unit box."""
    fields, places, axes = problem.model.states._fields, [], []
    for field, found in problem.model.breakpoints().items():
        a = fields.index(field)
        for k in found:
            x = np.array([low for low, _ in problem.domain])
            x[a] = k
            if problem.domain[a][0] < k < problem.domain[a][1]:
                places.append(box.parts(x)[0][a])
                axes.append(a)
    return tuple(axes), np.array(places)
