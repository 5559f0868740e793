"""The base of the collocation solvers: a basis, its collocation points, and the equation evaluated there."""

import abc
import functools
from collections.abc import Callable
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from ...models import AbstractValue, Equation, HJBProblem
from ..base import chunks, compiled
from ..equation import Local, after_jumps, evaluate_nodes, face_slope, with_faces_only
from ..solution import Landing, is_coupled, landings

# Smallest and largest number of points per call of the compiled kernel. Few different shapes require few compilations. A basis of up
# to `_SHARED` points determines the shape of all other calls too.
_SMALLEST, _LARGEST, _SHARED = 256, 4096, 1024
# Slopes count as equal if they differ by no more than this fraction of their magnitude.
_SAME = 1e-9


class AbstractBasis(abc.ABC):
    """Basis functions of the value function, and the collocation points at which the equation is imposed.

    All arrays are on the host. `unknowns` are the coefficients of a family, one row per member.
    """

    points: Float[np.ndarray, "point state"]
    size: int  # unknowns per member
    landings: tuple[Landing, ...] = ()  # landings of jumps within the family, from the points
    overdetermined: ClassVar[bool] = False  # true with more conditions than unknowns
    linear: ClassVar[bool] = True  # whether the value function is linear in the unknowns

    @property
    def rows(self) -> int:
        """The number of conditions: the equation at every point, then further conditions."""
        return len(self.points)

    @abc.abstractmethod
    def on_face(self, axis: int, side: int) -> Bool[np.ndarray, " point"]:
        """Whether each point lies on a face."""

    @abc.abstractmethod
    def differentiate(self, unknowns: Float[np.ndarray, "family unknown"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values, slopes and hessians at the points: family point, family point state, family point state state."""

    @abc.abstractmethod
    def differentiate_at(
        self, unknowns: Float[np.ndarray, "family unknown"], points: Float[np.ndarray, "point state"]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values, slopes and hessians at any points."""

    @abc.abstractmethod
    def fit(self, values: Float[np.ndarray, "family point"]) -> Float[np.ndarray, "family unknown"]:
        """The unknowns that fit values at the points."""

    @abc.abstractmethod
    def residuals(
        self,
        local: Local,
        unknowns: Float[np.ndarray, "family unknown"],
        scale: Float[np.ndarray, " family"],
        known: dict[tuple[int, int], Float[np.ndarray, "family point"]],
    ) -> Float[np.ndarray, "family row"]:
        """Residuals of the equation, and of the conditions at joints and faces times `scale` (1/yr).

        `known` are the slopes at closed faces, by state and side.
        """

    @abc.abstractmethod
    def correct(
        self,
        local: Local,
        unknowns: Float[np.ndarray, "family unknown"],
        residuals: Float[np.ndarray, "family row"],
        scale: Float[np.ndarray, " family"],
        shift: Float[np.ndarray, " family"],
    ) -> Float[np.ndarray, "family unknown"]:
        """The Newton correction; `shift` (1/yr) is added to the discounting of the equation."""

    @abc.abstractmethod
    def value(self, unknowns: Float[np.ndarray, "family unknown"]) -> AbstractValue:
        """The value functions of the family, with stacked leaves."""

    @abc.abstractmethod
    def shown(self) -> tuple[np.ndarray, ...]:
        """The nodes of a grid for the display of the solution."""

    @abc.abstractmethod
    def unresolved(self, workspace: "CollocationWorkspace", unknowns: Float[np.ndarray, "family unknown"]) -> float:
        """An estimate of the relative discretisation error of the basis."""

    @abc.abstractmethod
    def landed_rows(
        self,
        unknowns: Float[np.ndarray, "family unknown"],
        member: int,
        weight: Float[np.ndarray, " point"],
        inside: Float[np.ndarray, "point state"],
        distance: Float[np.ndarray, "point state"],
    ) -> Float[np.ndarray, "point unknown"]:
        """Derivative of a weight times the second-order Taylor value (see `landed`) with respect to the unknowns of a member."""

    def landed(
        self,
        unknowns: Float[np.ndarray, "family unknown"],
        member: int,
        inside: Float[np.ndarray, "point state"],
        distance: Float[np.ndarray, "point state"],
    ) -> Float[np.ndarray, " point"]:
        """The second-order Taylor value of a member at a distance from points."""
        return self.landed_rows(unknowns, member, np.ones(len(inside)), inside, distance) @ unknowns[member]

    def coupling(
        self, unknowns: Float[np.ndarray, "family unknown"], local: Local, member: int
    ) -> dict[int, Float[np.ndarray, "point unknown"]]:
        """Derivative of the equation of a member with respect to the unknowns of the members that its jumps lead to, by member."""
        derivatives: dict[int, np.ndarray] = {}
        for landing in self.landings:
            weights = local.after[landing.jump][member]
            for m, target in enumerate(landing.members[member]):
                rows = self.landed_rows(
                    unknowns, int(target), weights[:, m], landing.inside[member, m], landing.distance[member, m]
                )
                derivatives[int(target)] = derivatives[int(target)] + rows if int(target) in derivatives else rows
        return derivatives

    @abc.abstractmethod
    def answers(
        self,
        workspace: "CollocationWorkspace",
        unknowns: Float[np.ndarray, "family unknown"],
        local: Local,
        sources: Callable[[Local], Float[np.ndarray, "family source point"]],
    ) -> tuple[Float[np.ndarray, "point state"], Float[np.ndarray, "family source point"]]:
        """Points, and the solutions of the linearised equation there for several right-hand sides.

        `local` is the equation at the points of the basis; `sources` computes right-hand sides (utility per year) from it.
        """

    def following(
        self, workspace: "CollocationWorkspace", unknowns: Float[np.ndarray, "family unknown"], local: Local
    ) -> tuple["AbstractBasis", Local]:
        """A linear basis that resolves boundary layers at faces, and the equation of the solution at its points."""
        del workspace, unknowns  # used by other bases
        return self, local

    def respond(
        self, unknowns: Float[np.ndarray, "family unknown"], move: Float[np.ndarray, "family unknown"]
    ) -> Float[np.ndarray, "family point state"]:
        """The change of the slopes at the points due to a small move of the unknowns."""
        del unknowns  # used by nonlinear bases
        return self.differentiate(move)[1]

    def judged(
        self, workspace: "CollocationWorkspace", unknowns: Float[np.ndarray, "family unknown"]
    ) -> tuple[Float[np.ndarray, "point state"], Local]:
        """Test points, some of them in the region, and the equation there. They decide whether the solution is accepted."""
        return self.points, workspace.evaluate(unknowns)


class Known(NamedTuple):
    """The asymptote of the model at points."""

    value: Float[np.ndarray, "family point"]
    slope: Float[np.ndarray, "family point state"]
    remainder_scale: Float[np.ndarray, "family point"]  # relative magnitude of the remainder V − asymptote


Basis = TypeVar("Basis", bound=AbstractBasis)


def residual_unit(delta: Any, slope: Any, xp: Any = np) -> Any:
    r"""The unit $\sqrt{\delta\rho}$ of residuals (1/yr), where `slope` is $-\rho = \partial H/\partial V$; see `levelled`."""
    return xp.sqrt(delta * xp.maximum(-slope, delta))


class CollocationWorkspace(Generic[Basis]):
    """The equation at the points of a basis. It contains no state of the iteration and is rebuilt on resume."""

    def __init__(self, problem: HJBProblem, family: int, basis: Basis, start: Any = None):
        self.problem, self.family, self.basis = problem, family, basis
        self.start = start  # workspace of the monotone start, if there is one
        # without the box, so that a change of the box alone does not recompile the kernel
        self.bare = Equation(problem.model)
        self.followed = problem.equation
        self.discount_rate = np.broadcast_to(np.asarray(problem.model.preferences.discount_rate), (family,))
        self.closures = problem.closures()
        self.slopes, self.bends = self.face_slopes(basis.points, basis.on_face)
        self.coupled = is_coupled(problem)
        basis.landings = self.landings_from(basis.points)
        self.known_after = self.known_after_at(basis.points)

    def face_slopes(self, points, on_face) -> tuple[dict, dict]:
        """Known normal slopes of the faces and their normal derivatives, at all points, by state and side."""
        slopes, bends, faced = {}, {}, with_faces_only(self.problem)
        for a, sides in enumerate(self.closures):
            for side, closure in enumerate(sides):
                on_this_face = on_face(a, side)
                if closure.has_known_slope:
                    # the slope may be undefined elsewhere: it is evaluated only at points on the face
                    evaluated = np.where(on_this_face[:, None], points, points[np.argmax(on_this_face)])
                    pieces = [
                        face_slope(faced, a, side, jnp.asarray(evaluated[i])) for i, _ in self._chunks(len(points))
                    ]
                    slope_and_bend = (
                        np.concatenate([np.asarray(p[n]) for p in pieces], axis=1)[:, : len(points)] for n in (0, 1)
                    )
                    slopes[a, side], bends[a, side] = slope_and_bend
        return slopes, bends

    @functools.cached_property
    def known(self) -> Known:
        """The asymptote of the model at the points."""
        pieces = [
            tuple(np.asarray(leaf)[:, :keep] for leaf in _known(self.followed, jnp.asarray(self.basis.points[index])))
            for index, keep in self._chunks(len(self.basis.points))
        ]
        return Known(*(np.concatenate(leaves, axis=1) for leaves in zip(*pieces, strict=True)))

    def asymptote(self) -> Float[np.ndarray, "family point"]:
        """Initial values: the asymptote of the model plus the known slopes at faces.

        Its marginal values have the right sign. From a flat guess, controls start at their bounds, and polynomials may stay on the
        wrong branch.
        """
        return self.known.value + self.known.remainder_scale * self._sloping()

    def remainder(self, values: Float[np.ndarray, "family point"]) -> Float[np.ndarray, "family point"]:
        """Remainder of values at the points after the asymptote and the known slopes, divided by its declared magnitude."""
        return (values - self.known.value) / self.known.remainder_scale - self._sloping()

    def _sloping(self) -> Float[np.ndarray, "family point"]:
        middle = np.mean(self.problem.region, axis=1)
        return np.einsum("fa,pa->fp", self.known_slopes(), self.basis.points - middle)

    def known_slopes(self) -> Float[np.ndarray, "family state"]:
        """Known slopes at faces in excess of the slopes of the asymptote, averaged over each face; 0 for states without one."""
        slopes = np.zeros((self.family, len(self.closures)))
        for a, sides in enumerate(self.closures):
            face_means = []
            for side, closure in enumerate(sides):
                if closure.has_asymptote:
                    on = self.basis.on_face(a, side)
                    face_means.append(np.mean(self.slopes[a, side][:, on] - self.known.slope[:, on, a], axis=1))
            if face_means:
                slopes[:, a] = np.mean(face_means, axis=0)
        return slopes

    @functools.cached_property
    def growth(self) -> Float[np.ndarray, "family state"]:
        """Slopes that are known and equal at both faces of a state, as for log capital; 0 for the other states."""
        slopes = np.zeros((self.family, len(self.closures)))
        for a in range(slopes.shape[1]):
            if {(a, 0), (a, 1)} <= set(self.slopes):
                face_slopes = np.concatenate(
                    [self.slopes[a, side][:, self.basis.on_face(a, side)] for side in (0, 1)], axis=1
                )
                if np.all(np.ptp(face_slopes, axis=1) <= _SAME * np.max(np.abs(face_slopes), axis=1)):
                    slopes[:, a] = face_slopes[:, 0]
        return slopes

    def _chunks(self, size: int):
        """Index chunks of equal size, padded with the last point, and the number of new points in each."""
        basis_chunk = self._chunk(len(self.basis.points))
        if basis_chunk <= _SHARED:
            return chunks(size, basis_chunk)
        return chunks(size, self._chunk(size if size == len(self.basis.points) else _SMALLEST))

    def _chunk(self, size: int) -> int:
        return min(max(_SMALLEST, 1 << (size - 1).bit_length()), max(_LARGEST // self.family, _SMALLEST))

    def landings_from(self, points) -> tuple[Landing, ...]:
        """Landings of the jumps within the family."""
        return landings(self.problem, points) if self.coupled else ()

    def after_at(self, points, unknowns) -> tuple[Float[np.ndarray, "family point outcome"], ...]:
        """Values after each jump: known values, or the current solution at the landing points."""
        at_basis_points = points is self.basis.points
        known = self.known_after if at_basis_points else self.known_after_at(points)
        return self._with_landings(
            known, self.basis.landings if at_basis_points else self.landings_from(points), unknowns
        )

    def _with_landings(self, known, landed: tuple[Landing, ...], unknowns):
        after = list(known)
        for landing in landed:
            values = np.empty_like(landing.known)
            for f, m in np.ndindex(*landing.members.shape):
                target = int(landing.members[f, m])
                values[f, m] = self.basis.landed(unknowns, target, landing.inside[f, m], landing.distance[f, m])
            after[landing.jump] = np.swapaxes(values + landing.known, 1, 2)
        return tuple(after)

    def known_after_at(self, points) -> tuple[Float[np.ndarray, "family point outcome"], ...]:
        """The known values after each jump, from the continuations."""
        pieces = []
        for index, keep in self._chunks(len(points)):
            after = after_jumps(self.followed, jnp.asarray(points[index]))
            pieces.append(tuple(np.asarray(leaf)[:, :keep] for leaf in after))
        return tuple(np.concatenate(leaves, axis=1) for leaves in zip(*pieces, strict=True))

    def evaluate(self, unknowns: Float[np.ndarray, "family unknown"]) -> Local:
        """The equation at the points, with the known slopes inserted at faces."""
        with np.errstate(invalid="ignore", over="ignore"):
            values, slopes, hessians = self.basis.differentiate(unknowns)
        for (a, side), slope in self.slopes.items():
            on = self.basis.on_face(a, side)
            slopes[:, on, a], hessians[:, on, a, a] = slope[:, on], self.bends[a, side][:, on]
        after = self.after_at(self.basis.points, unknowns)
        local = self.equation(self.basis.points, (values, slopes, hessians), after)
        return self.without_known(local, self.basis.on_face)

    def without_known(self, local: Local, on_face: Callable[[int, int], np.ndarray]) -> Local:
        """The linearisation with the coefficients of known slopes set to zero."""
        drift, variance = local.drift.copy(), local.variance.copy()
        for a, side in self.slopes:
            on = on_face(a, side)
            drift[:, on, a] = 0.0
            variance[:, on, a, a] = 0.0
        return local._replace(drift=drift, variance=variance)

    def equation(self, points, derivatives, after) -> Local:
        """Policies, residuals and linearisations at arbitrary points."""
        values, slopes, hessians = derivatives
        free, pieces = np.zeros((len(points), points.shape[1], 2), dtype=bool), []
        for index, keep in self._chunks(len(points)):
            out = evaluate_nodes(
                self.bare,
                (jnp.asarray(points[index]), jnp.asarray(free[index])),
                tuple(jnp.asarray(a[:, index]) for a in (values, slopes, slopes, hessians)),
                tuple(jnp.asarray(a[:, index]) for a in after),
                None,
                self.coupled,
            )
            pieces.append(jax.tree.map(lambda leaf, keep=keep: np.asarray(leaf)[:, :keep], out))
        return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *pieces)

    def levelled(self, local: Local, pace: float = 0.0, moved: Any = 0.0) -> Local:
        r"""The equation times $\sqrt{\delta/\rho}$ with $\rho = -\partial H/\partial V$ (discount rate plus jump intensities).

        In a false transient, `pace` (1/yr) times the change `moved` of the values is subtracted.

        By the comparison principle a residual $r$ implies an error of the value function of at most $r/\rho$. Where a jump is
        imminent, residuals are large although errors are small: these states would dominate the loss in the unit $\delta$, and their
        slopes would have no weight in the unit $\rho$. Errors of `uncertain_damages` before its jump, four seeds, with the units
        $\delta$, $\sqrt{\delta\rho}$ and $\rho$: social cost 3 to 6e-3, .6 to 1.5e-3 and .8 to 2.8e-3; emissions 1.5 to 2.5e-3,
        .4 to 1.4e-3 and .9 to 6.3e-3.
        """
        delta = self.discount_rate[:, None]
        share = delta / residual_unit(delta, local.discount)
        return local._replace(
            residual=(local.residual - pace * moved) * share,
            discount=(local.discount - pace) * share,
            drift=local.drift * share[..., None],
            variance=local.variance * share[..., None, None],
            after=tuple(weights * share[..., None] for weights in local.after),
        )

    def leaves(self, local: Local) -> bool:
        """Whether the optimal drift points outward at any state constraint."""
        for a, sides in enumerate(self.closures):
            low, high = self.problem.domain[a]
            for side, sign in ((0, -1.0), (1, 1.0)):
                if sides[side].keeps_inside:
                    speed = sign * local.drift[:, self.basis.on_face(a, side), a]
                    # a drift of zero may have either sign by rounding
                    if np.any(speed > 1e-9 * (high - low)):
                        return True
        return False


@compiled
def _known(problem: Equation, points) -> Known:
    """The asymptotes of a family at points: leading axis family."""
    t = jnp.zeros(())

    def of_member(p):
        value, slope = jax.vmap(jax.value_and_grad(lambda z: p.asymptote(t, p.state(z))))(points)
        return Known(value, slope, jax.vmap(lambda z: p.remainder_scale(t, p.state(z)))(points))

    return eqx.filter_vmap(of_member)(problem)


@compiled
def _family_at(problem, values, points):
    def of_member(p, v):
        return jax.vmap(lambda x: v(jnp.zeros(()), p.state(x)))(points)

    return eqx.filter_vmap(of_member)(problem, values)


def family_at(problem: HJBProblem, values: Any, points: Float[np.ndarray, "point state"]) -> np.ndarray:
    """The values of a family of value functions (stacked leaves) at common points."""
    return np.asarray(_family_at(Equation(problem.model), values, jnp.asarray(points)))
