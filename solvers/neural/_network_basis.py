"""A basis of neural networks: the equation at scattered points, linearised in the parameters."""

import copy
import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg as sla
from jaxtyping import Float

from ...models import HJBProblem
from ..base import chunks, compiled
from ..collocation import AbstractScattered, follow_layers, plain_features
from ._levenberg_marquardt import MINIMAL_DAMPING
from ._network_parameters import fit, network_row
from ._network_value import AbstractBase, CoarseSolution, NetworkValue, three

# Points per call of the compiled kernels. Few different shapes require few compilations.
_CHUNK = 512
# Distance from the region of interest, in units of its length, at which the weight of the equation is one half. Optimal paths leave
# the region, and the value function outside determines the values inside: with half a length the errors of `net_zero` were up to
# four times the errors with one length.
_HALF_WEIGHT = 1.0
# Relative error at which a fit to values stops.
FITTED = 1e-4


class NetworkBasis(AbstractScattered):
    """One network per member of the family, or one joint network with the label of the member as an input.

    `unknowns` are the network parameters: one row per network.

    **Arguments:**

    - `value`: the value functions of the family, with stacked leaves; its parameters are the initial guess of a fit.
    - `joint`: whether all members share one network.
    - `count`, `focus`, `draw`: number and distribution of the points, see `AbstractScattered`.
    """

    linear = False

    def __init__(self, problem: HJBProblem, value: NetworkValue, joint: bool, count: int, focus: float, draw: int):
        one = jax.tree.map(lambda leaf: leaf[0], eqx.filter(value.network, eqx.is_inexact_array))
        leaves, self.structure = jax.tree.flatten(one)
        self.shapes = [leaf.shape for leaf in leaves]
        self.template, self.joint, self.size = value, joint, sum(leaf.size for leaf in leaves)
        self.family = len(value.level)
        self.count, self.focus = count, focus
        box = jax.tree.map(lambda leaf: np.asarray(leaf[0]), value.inputs.box)
        kinks = tuple(zip(value.inputs.kinked, np.asarray(value.inputs.kinks[0]), strict=True))
        super().__init__(problem, box, count, focus, kinks, draw)

    def redrawn(
        self, draw: int, interior: Float[np.ndarray, "point state"] | None = None, base: AbstractBase | None = None
    ) -> "NetworkBasis":
        """The same networks at fresh points. `interior` replaces the points inside the box, `base` the base of the value function."""
        template = self.template if base is None else dataclasses.replace(self.template, base=base)
        fresh = NetworkBasis(self.problem, template, self.joint, self.count, self.focus, draw)
        if interior is not None:
            fresh.points[: self.count] = interior
        return fresh

    @property
    def interior(self) -> Float[np.ndarray, "point state"]:
        """The points that do not lie on faces of the box."""
        return self.points[: self.count]

    def scaled(self, level: np.ndarray, scale: np.ndarray, slope: np.ndarray) -> "NetworkBasis":
        """The same networks at the same points, with a known level, range and slopes of the value function of each member."""
        basis = copy.copy(self)
        basis.template = dataclasses.replace(
            self.template, level=jnp.asarray(level), scale=jnp.asarray(scale), slope=jnp.asarray(slope)
        )
        return basis

    @property
    def corrects(self) -> bool:
        """Whether the networks learn a correction to a coarse solution."""
        return isinstance(self.template.base, CoarseSolution)

    def value(self, unknowns) -> NetworkValue:
        parameters = self.trees(np.broadcast_to(unknowns, (self.family, self.size)))
        static = eqx.filter(self.template.network, eqx.is_inexact_array, inverse=True)
        return dataclasses.replace(self.template, network=eqx.combine(parameters, static))

    def trees(self, unknowns: Float[np.ndarray, "network unknown"]) -> Any:
        """The parameters as pytrees, with leaves stacked over the networks."""
        ends = np.cumsum([math.prod(shape) for shape in self.shapes])[:-1]
        parts = zip(np.split(unknowns, ends, axis=1), self.shapes, strict=True)
        return jax.tree.unflatten(self.structure, [jnp.asarray(p.reshape(len(p), *shape)) for p, shape in parts])

    def rows(self, trees: Any) -> Float[np.ndarray, "network unknown"]:
        """The parameters as one row per network, the inverse of `trees`."""
        return np.concatenate([np.asarray(leaf).reshape(len(leaf), -1) for leaf in jax.tree.leaves(trees)], axis=1)

    def differentiate(self, unknowns):
        return self.differentiate_at(unknowns, self.points)

    def differentiate_at(self, unknowns, points):
        learnt = self._over(_learnt, self.value(unknowns), points)
        return tuple(a + b for a, b in zip(self.base_at(points), learnt, strict=True))

    def values_at(self, unknowns, points):
        value = self.value(unknowns)
        if points is self.points:
            return self._base[0] + self._over(_learnt_values, value, points)[0]
        return self._over(_values, value, points)[0]

    def base_at(self, points: Float[np.ndarray, "point state"]) -> tuple[np.ndarray, ...]:
        """Values, slopes and hessians of the base at points. Training does not change them."""
        return self._base if points is self.points else self._over(_known, self.template, points)

    @functools.cached_property
    def _base(self) -> tuple[np.ndarray, ...]:
        return self._over(_known, self.template, self.points)

    def _over(self, function: Callable, value: NetworkValue, points: np.ndarray) -> tuple[np.ndarray, ...]:
        """Evaluate a compiled function of all members at points, chunk by chunk."""
        pieces = [function(value, points[index]) for index, _ in chunks(len(points), _CHUNK)]
        return tuple(np.concatenate(leaves, axis=1)[:, : len(points)] for leaves in zip(*pieces, strict=True))

    def respond(self, unknowns, move):
        """The first-order response, by central differences with a move in which the networks are almost linear."""
        step = 1e-4 * np.linalg.norm(unknowns) / max(np.linalg.norm(move), 1e-300)
        ahead, behind = (self.differentiate(unknowns + side * step * move)[1] for side in (1.0, -1.0))
        return (ahead - behind) / (2.0 * step)

    def answers(self, workspace, unknowns, local, sources):
        """The solutions on a feature basis, since the number of solutions of the equation does not depend on the basis."""
        del local
        features = plain_features(self.problem)
        return features.answers(workspace, unknowns, features.equation_of(workspace, unknowns), sources)

    def following(self, workspace, unknowns, local):
        del local
        return follow_layers(workspace, unknowns)

    def judged(self, workspace, unknowns):
        """Fresh points and the equation there, measured in the training loss."""
        points, local = super().judged(workspace, unknowns)
        return points, workspace.levelled(local)

    # -- least squares ----------------------------------------------------------------------------------------

    def jacobian(self, value: NetworkValue, member: int, discount, drift, variance, points) -> np.ndarray:
        """Jacobian of the linearised equation of one member with respect to the network parameters: point, unknown."""
        member_index, arrays = np.array(member), (points, discount, drift, variance)
        parts = (tuple(a[index] for a in arrays) for index, _ in chunks(len(points), _CHUNK))
        return np.concatenate([np.asarray(_rows(value, member_index, *part)) for part in parts])[: len(points)]

    def landed_rows(self, unknowns, member, weight, inside, distance):
        parabola = 0.5 * weight[:, None, None] * distance[:, :, None] * distance[:, None, :]
        return self.jacobian(self.value(unknowns), member, weight, weight[:, None] * distance, parabola, inside)

    def landed(self, unknowns, member, inside, distance):
        value, slope, hessian = (part[member] for part in self.differentiate_at(unknowns, inside))
        return (
            value
            + np.einsum("na,na->n", slope, distance)
            + 0.5 * np.einsum("na,nab,nb->n", distance, hessian, distance)
        )

    @property
    def weights(self) -> Float[np.ndarray, " point"]:
        """Weight of the equation at each point: 1 in the region of interest, smaller outside."""
        low, high = np.array(self.problem.region).T
        beyond = np.maximum(np.maximum(low - self.points, self.points - high), 0.0) / (high - low)
        return 1.0 / (1.0 + np.sum((beyond / _HALF_WEIGHT) ** 2, axis=1))

    def _units(self, scale) -> Float[np.ndarray, "family row"]:
        weights = self.weights
        rows = np.concatenate([weights, *(weights[self.on_face(a, side)] for a, side in self.closed)])
        return rows / np.linalg.norm(rows) / (scale * np.asarray(self.template.scale))[:, None]

    def correct(self, local, unknowns, residuals, scale, shift):
        """The Gauss-Newton correction of every network from the conditions of all members that share it."""
        value, units, joint_rows, joint_right = self.value(unknowns), self._units(scale), [], []
        for f in range(self.family):
            discount = local.discount[f] - shift[f]
            rows = self.jacobian(value, f, discount, local.drift[f], local.variance[f], self.points)
            for derivative in self.coupling(unknowns, local, f).values():  # coupled members share their parameters
                rows = rows + derivative
            blocks = [rows]
            for a, side in self.closed:
                points, length = self.points[self.on_face(a, side)], np.ptp(self.problem.domain[a])
                drift = np.zeros_like(points)
                drift[:, a] = scale[f] * length
                blocks.append(
                    self.jacobian(
                        value, f, np.zeros(len(points)), drift, np.zeros((*drift.shape, len(drift.T))), points
                    )
                )
            joint_rows.append(np.concatenate(blocks) * units[f, :, None])
            joint_right.append(residuals[f] * units[f])
        if self.joint:
            joint_rows, joint_right = [np.concatenate(joint_rows)], [np.concatenate(joint_right)]
        return np.stack([_least_squares_move(*pair) for pair in zip(joint_rows, joint_right, strict=True)])

    def fit(self, values, tolerance: float = FITTED, damping: float = 1e-2):
        """Fit the networks to values at the points, starting from the parameters of the template.

        The fit stops at the relative error `tolerance`; `damping` is the damping of the first step.
        """
        targets = jnp.asarray(values - self.base_at(self.points)[0])
        start = jnp.asarray(self.start())
        return np.asarray(fit(self.template, start, jnp.asarray(self.points), targets, tolerance, damping))

    def start(self) -> Float[np.ndarray, "network unknown"]:
        """The parameters of the template."""
        return self.rows(eqx.filter(self.template.network, eqx.is_inexact_array))[: 1 if self.joint else None]


def _least_squares_move(rows: Float[np.ndarray, "row unknown"], residuals: Float[np.ndarray, " row"]) -> np.ndarray:
    """The move $-(J^TJ + \\lambda cI)^{-1}J^Tr$ with the mean curvature $c$ and the minimal damping; NaN if it is singular."""
    curvature, size = rows.T @ rows, rows.shape[1]
    curvature[np.diag_indices(size)] += MINIMAL_DAMPING * np.trace(curvature) / size
    try:
        factor = sla.cho_factor(curvature, overwrite_a=True, check_finite=False)
    except sla.LinAlgError:
        return np.full(size, np.nan)
    return -sla.cho_solve(factor, rows.T @ residuals, check_finite=False)


@compiled
def _values(value, points):
    return (eqx.filter_vmap(lambda v: jax.vmap(v.at)(points))(value),)


@compiled
def _learnt_values(value, points):
    return (eqx.filter_vmap(lambda v: jax.vmap(v.learnt)(points))(value),)


@compiled
def _learnt(value, points):
    return eqx.filter_vmap(lambda v: jax.vmap(lambda z: three(v.learnt, z))(points))(value)


@compiled
def _known(value, points):
    return eqx.filter_vmap(lambda v: jax.vmap(lambda z: three(v.base.at, z))(points))(value)


@compiled
def _rows(values, member, points, discount, drift, variance):
    # the member is selected inside the compiled function: selecting it leaf by leaf took a third of the time of a step
    value = jax.tree.map(lambda leaf: leaf[member] if eqx.is_array(leaf) else leaf, values)
    return jax.vmap(lambda *at: network_row(value, *at))(points, discount, drift, variance)
