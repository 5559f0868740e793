"""What collocation solvers share: a basis, its points, and the equation evaluated at them."""

import abc
import functools
from collections.abc import Callable
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from ...models import AbstractValue, Growth, HJBProblem, Reflecting, StateConstraint
from ..base import chunks, compiled
from ..equation import Local, after_jumps, evaluate_nodes, face_slope, with_faces_only
from ..solution import Landing, is_coupled, landings

# Points per call of the compiled kernel: few shapes, so few compilations. Up to so many points any others are asked in the same shape.
_SMALLEST, _LARGEST, _SHARED = 256, 4096, 1024
# Slopes are one number if they differ by no more than this share of it.
_SAME = 1e-9


class AbstractBasis(abc.ABC):
    """Functions whose combination the value function is, and the points at which the equation is asked of it.

    Lives on the host. `unknowns` are the coefficients of a family, one row per member.
    """

    points: Float[np.ndarray, "point state"]
    size: int  # unknowns per member
    landings: tuple[Landing, ...] = ()  # of jumps that lead back, from the points
    overdetermined: ClassVar[bool] = False  # whether there are more conditions than unknowns
    linear: ClassVar[bool] = True  # whether the value function is linear in the unknowns

    @property
    def rows(self) -> int:
        """The number of conditions: the equation at every point, then others."""
        return len(self.points)

    @abc.abstractmethod
    def on_face(self, axis: int, side: int) -> Bool[np.ndarray, " point"]:
        """Which points lie on a face."""

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
        """Unknowns from values at the points."""

    @abc.abstractmethod
    def residuals(
        self,
        local: Local,
        unknowns: Float[np.ndarray, "family unknown"],
        scale: Float[np.ndarray, " family"],
        known: dict[tuple[int, int], Float[np.ndarray, "family point"]],
    ) -> Float[np.ndarray, "family row"]:
        """What must vanish: the equation, and conditions that join pieces or faces, times `scale` (1/yr).

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
        """The value functions of the family, leaves stacked."""

    @abc.abstractmethod
    def shown(self) -> tuple[np.ndarray, ...]:
        """The nodes of a grid that shows the solution well."""

    @abc.abstractmethod
    def unresolved(self, workspace: "CollocationWorkspace", unknowns: Float[np.ndarray, "family unknown"]) -> float:
        """An estimate of the relative error that more points or functions would remove."""

    @abc.abstractmethod
    def landed_rows(
        self,
        unknowns: Float[np.ndarray, "family unknown"],
        member: int,
        weight: Float[np.ndarray, " point"],
        inside: Float[np.ndarray, "point state"],
        distance: Float[np.ndarray, "point state"],
    ) -> Float[np.ndarray, "point unknown"]:
        """Derivative, in the unknowns of a member, of a weight times its value at points, extended as a parabola by a distance."""

    def landed(
        self,
        unknowns: Float[np.ndarray, "family unknown"],
        member: int,
        inside: Float[np.ndarray, "point state"],
        distance: Float[np.ndarray, "point state"],
    ) -> Float[np.ndarray, " point"]:
        """The value of a member at points, extended as a parabola by a distance."""
        return self.landed_rows(unknowns, member, np.ones(len(inside)), inside, distance) @ unknowns[member]

    def coupling(
        self, unknowns: Float[np.ndarray, "family unknown"], local: Local, member: int
    ) -> dict[int, Float[np.ndarray, "point unknown"]]:
        """How the equation of a member answers through jumps that lead back to the unknowns of each member they lead to."""
        found: dict[int, np.ndarray] = {}
        for landing in self.landings:
            weights = local.after[landing.jump][member]
            for m, target in enumerate(landing.members[member]):
                rows = self.landed_rows(
                    unknowns, int(target), weights[:, m], landing.inside[member, m], landing.distance[member, m]
                )
                found[int(target)] = found[int(target)] + rows if int(target) in found else rows
        return found

    @abc.abstractmethod
    def answers(
        self,
        workspace: "CollocationWorkspace",
        unknowns: Float[np.ndarray, "family unknown"],
        local: Local,
        sources: Callable[[Local], Float[np.ndarray, "family source point"]],
    ) -> tuple[Float[np.ndarray, "point state"], Float[np.ndarray, "family source point"]]:
        """Points, and the values there that solve the linearised equation for some right-hand sides.

        `local` is the equation at the points of the basis; `sources` makes right-hand sides (utility per year) of it.
        """

    def following(
        self, workspace: "CollocationWorkspace", unknowns: Float[np.ndarray, "family unknown"], local: Local
    ) -> tuple["AbstractBasis", Local]:
        """A linear basis that shows the shape of layers at faces, and the equation of the solution at its points."""
        del workspace, unknowns  # unless it is another basis
        return self, local

    def respond(
        self, unknowns: Float[np.ndarray, "family unknown"], move: Float[np.ndarray, "family unknown"]
    ) -> Float[np.ndarray, "family point state"]:
        """The change of the slopes at the points that a small move of the unknowns makes."""
        del unknowns  # unless the basis is not linear
        return self.differentiate(move)[1]

    def judged(
        self, workspace: "CollocationWorkspace", unknowns: Float[np.ndarray, "family unknown"]
    ) -> tuple[Float[np.ndarray, "point state"], Local]:
        """Points, some of them in the region, and the equation there: by these a solution is believed."""
        return self.points, workspace.evaluate(unknowns)


class Known(NamedTuple):
    """What models know of their value functions at points."""

    value: Float[np.ndarray, "family point"]
    slope: Float[np.ndarray, "family point state"]
    left: Float[np.ndarray, "family point"]  # how large what that leaves out is


Basis = TypeVar("Basis", bound=AbstractBasis)


def residual_unit(delta: Any, slope: Any, xp: Any = np) -> Any:
    r"""$\sqrt{\delta\rho}$, per year, from the discount rate and $-\rho = \partial H/\partial V$: see `levelled`."""
    return xp.sqrt(delta * xp.maximum(-slope, delta))


class CollocationWorkspace(Generic[Basis]):
    """The equation at the points of a basis. Nothing in it changes the result; it is rebuilt on resume."""

    def __init__(self, problem: HJBProblem, family: int, basis: Basis, start: Any = None):
        self.problem, self.family, self.basis = problem, family, basis
        self.start = start  # workspace of the monotone start
        # the kernel must not be compiled anew when only the box moves
        self.bare = HJBProblem(problem.model)
        self.followed = HJBProblem(problem.model, continuations=problem.continuations)
        self.discount_rate = np.broadcast_to(np.asarray(problem.model.preferences.discount_rate), (family,))
        self.closures = problem.closures()
        self.slopes, self.bends = self.face_slopes(basis.points, basis.on_face)
        self.coupled = is_coupled(problem)
        basis.landings = self.landings_from(basis.points)
        self.known_after = self.known_after_at(basis.points)

    def face_slopes(self, points, on_face) -> tuple[dict, dict]:
        """Known normal slopes at the faces and their normal derivatives, at all points, by state and side."""
        slopes, bends, faced = {}, {}, with_faces_only(self.problem)
        for a, sides in enumerate(self.closures):
            for side, closure in enumerate(sides):
                here = on_face(a, side)
                if isinstance(closure, Growth):
                    # elsewhere the slope may mean nothing: only points on the face are asked
                    asked = np.where(here[:, None], points, points[np.argmax(here)])
                    pieces = [face_slope(faced, a, side, jnp.asarray(asked[i])) for i, _ in self._chunks(len(points))]
                    both = (
                        np.concatenate([np.asarray(p[n]) for p in pieces], axis=1)[:, : len(points)] for n in (0, 1)
                    )
                    slopes[a, side], bends[a, side] = both
                elif isinstance(closure, Reflecting):
                    slopes[a, side] = bends[a, side] = np.zeros((self.family, len(points)))
        return slopes, bends

    @functools.cached_property
    def known(self) -> Known:
        """What the model knows of its value function at the points."""
        pieces = [
            tuple(np.asarray(leaf)[:, :keep] for leaf in _known(self.followed, jnp.asarray(self.basis.points[index])))
            for index, keep in self._chunks(len(self.basis.points))
        ]
        return Known(*(np.concatenate(leaves, axis=1) for leaves in zip(*pieces, strict=True)))

    def asymptote(self) -> Float[np.ndarray, "family point"]:
        """What the model knows of its value function, and the slopes that are known at faces: where to start from.

        Marginal values have the right sign. From a flat guess controls begin at their bounds, and polynomials may stay on the
        branch on which they are.
        """
        return self.known.value + self.known.left * self._sloping()

    def remainder(self, values: Float[np.ndarray, "family point"]) -> Float[np.ndarray, "family point"]:
        """What the asymptote and the known slopes leave out of values at the points, over how large the model says it is."""
        return (values - self.known.value) / self.known.left - self._sloping()

    def _sloping(self) -> Float[np.ndarray, "family point"]:
        middle = np.mean(self.problem.region, axis=1)
        return np.einsum("fa,pa->fp", self.known_slopes(), self.basis.points - middle)

    def known_slopes(self) -> Float[np.ndarray, "family state"]:
        """Slopes known at faces beyond those of the model's asymptote, averaged over each; 0 for states of which none is."""
        slopes = np.zeros((self.family, len(self.closures)))
        for a, sides in enumerate(self.closures):
            known = []
            for side, closure in enumerate(sides):
                if isinstance(closure, Growth):
                    on = self.basis.on_face(a, side)
                    known.append(np.mean(self.slopes[a, side][:, on] - self.known.slope[:, on, a], axis=1))
            if known:
                slopes[:, a] = np.mean(known, axis=0)
        return slopes

    @functools.cached_property
    def growth(self) -> Float[np.ndarray, "family state"]:
        """Slopes that both faces of a state know to be the same number, as of log capital; 0 for the other states."""
        slopes = np.zeros((self.family, len(self.closures)))
        for a in range(slopes.shape[1]):
            if {(a, 0), (a, 1)} <= set(self.slopes):
                known = np.concatenate(
                    [self.slopes[a, side][:, self.basis.on_face(a, side)] for side in (0, 1)], axis=1
                )
                if np.all(np.ptp(known, axis=1) <= _SAME * np.max(np.abs(known), axis=1)):
                    slopes[:, a] = known[:, 0]
        return slopes

    def _chunks(self, size: int):
        """Indices of equally many points, the last repeated, and how many of them are new."""
        own = self._chunk(len(self.basis.points))
        chunk = own if own <= _SHARED else self._chunk(size if size == len(self.basis.points) else _SMALLEST)
        return chunks(size, chunk)

    def _chunk(self, size: int) -> int:
        return min(max(_SMALLEST, 1 << (size - 1).bit_length()), max(_LARGEST // self.family, _SMALLEST))

    def landings_from(self, points) -> tuple[Landing, ...]:
        """Of the jumps that lead back."""
        return landings(self.problem, points) if self.coupled else ()

    def after_at(self, points, unknowns) -> tuple[Float[np.ndarray, "family point outcome"], ...]:
        """Values after each jump: known beforehand, or the unknown itself where it lands."""
        here = points is self.basis.points
        known = self.known_after if here else self.known_after_at(points)
        return self._with_landings(known, self.basis.landings if here else self.landings_from(points), unknowns)

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
        """Values after each jump that does not lead back."""
        pieces = []
        for index, keep in self._chunks(len(points)):
            after = after_jumps(self.followed, jnp.asarray(points[index]))
            pieces.append(tuple(np.asarray(leaf)[:, :keep] for leaf in after))
        return tuple(np.concatenate(leaves, axis=1) for leaves in zip(*pieces, strict=True))

    def evaluate(self, unknowns: Float[np.ndarray, "family unknown"]) -> Local:
        """The equation at the points, the known slopes of faces put in."""
        with np.errstate(invalid="ignore", over="ignore"):
            values, slopes, hessians = self.basis.differentiate(unknowns)
        for (a, side), slope in self.slopes.items():
            on = self.basis.on_face(a, side)
            slopes[:, on, a], hessians[:, on, a, a] = slope[:, on], self.bends[a, side][:, on]
        after = self.after_at(self.basis.points, unknowns)
        local = self.equation(self.basis.points, (values, slopes, hessians), after)
        return self.without_known(local, self.basis.on_face)

    def without_known(self, local: Local, on_face: Callable[[int, int], np.ndarray]) -> Local:
        """A linearisation in which known slopes are not unknowns."""
        drift, variance = local.drift.copy(), local.variance.copy()
        for a, side in self.slopes:
            on = on_face(a, side)
            drift[:, on, a] = 0.0
            variance[:, on, a, a] = 0.0
        return local._replace(drift=drift, variance=variance)

    def equation(self, points, derivatives, after) -> Local:
        """Policies, residuals and linearisations at any points."""
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
        r"""The equation times $\sqrt{\delta/\rho}$, $\rho = -\partial H/\partial V$: discounting and the intensities of jumps.

        In a false transient it is less `pace` (1/yr) times how far values have `moved`.

        By the comparison principle a residual $r$ leaves the value wrong by $r/\rho$ at most: where a jump is sure to come soon a
        residual is large and means little, and over $\delta$ alone little else would be learnt. Over $\rho$ the slopes there would
        count for nothing. `uncertain_damages` before its jump, four seeds: over $\delta$, $\sqrt{\delta\rho}$ and $\rho$ the social
        cost was off by 3 to 6e-3, .6 to 1.5e-3 and .8 to 2.8e-3, emissions by 1.5 to 2.5e-3, .4 to 1.4e-3 and .9 to 6.3e-3.
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
        """Whether the optimal drift points out at any state constraint."""
        for a, sides in enumerate(self.closures):
            low, high = self.problem.domain[a]
            for side, sign in ((0, -1.0), (1, 1.0)):
                if isinstance(sides[side], StateConstraint):
                    speed = sign * local.drift[:, self.basis.on_face(a, side), a]
                    # rounding may leave a drift of zero on either side
                    if np.any(speed > 1e-9 * (high - low)):
                        return True
        return False


@compiled
def _known(problem: HJBProblem, points) -> Known:
    """What models know of their value functions: over the family, points first."""
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
    """A family of value functions, leaves stacked, at the same points."""
    return np.asarray(_family_at(HJBProblem(problem.model), values, jnp.asarray(points)))
