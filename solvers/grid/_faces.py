"""Closures and margins for faces that a model leaves open (`abatax.models.Automatic`), chosen on coarse grids before the solve."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy.stats import qmc

from ...models import AbstractClosure, Growth, HJBProblem, StateConstraint
from ...models.base import Point, Scalar
from ..base import RESULTS, Finish, compiled, result_name
from ..equation import after_jumps, evaluate_nodes, sample_motion
from ..solution import Near, Solution, TensorSpline, derivatives_on_axes, on_host
from ._finite_difference import _TO_AND_FRO, FiniteDifference
from ._stencils import STEEPEST, STRETCH
from ._workspace import Workspace

Face = tuple[int, int]  # state and side (0 low, 1 high)

# The first and the widest margin, in widths of the region, where the drift points out of the box or noise crosses the face.
_LEAST, _WIDEST = 0.25, 32.0
# A margin for which no solution is found is reduced at most this many times.
_TRIES = 6
# Positions in the margin, as shares of its width, from which the slope at the face may be taken.
_INSIDE = (0.75, 0.9, 0.97)
# While the solution changes by more than this with the box, the margins are only widened.
_FAR = 0.1
# Target and tolerated relative change of slopes and controls in the region when the closures or margins change.
AIM, ACCEPTED = 1e-3, 1e-2
# Nodes per state of the region on the coarse grids by number of states, and the largest number of nodes of one grid.
_NODES = {1: 65, 2: 17, 3: 9, 4: 7}
_MOST_NODES = 4000
# Nodes per state of the region at which two solutions are compared.
_COMPARED = {1: 65, 2: 11, 3: 6, 4: 4}
_MOST_STEPS = 150
# An inward drift below this share of the largest drift is not counted as holding the state inside.
_SLOW = 1e-4


class Closed(NamedTuple):
    """A problem with closed faces, a solution on a coarse grid as a start, and a report of the choice."""

    problem: HJBProblem
    start: Near | None
    report: dict[str, Any]

    def judge(self, result: RESULTS) -> RESULTS:
        """The result code of a solve with these faces: `open_face` instead of success if a face still decides the solution."""
        return RESULTS.open_face if result_name(result) == "successful" and self.report["open"] else result


def is_open(problem: HJBProblem) -> bool:
    """Whether the model leaves the closure of any face to the solver."""
    return any(face.is_open for sides in problem.closures() for face in sides)


def close_faces(problem: HJBProblem, family: int, progress: Callable[..., None]) -> Closed:
    """Choose closures and margins of the faces that the model leaves open.

    **Arguments:** `problem`: a family of problems with stacked leaves and known continuations. `progress`: a callback that receives
    the task, the number of the trial and the widest margin.

    **Raises:** `ValueError` if a state with a constant drift reaches an open face, or if there are more than four states.
    """
    model, dimension = problem.model, len(problem.region)
    if dimension > max(_NODES):
        raise ValueError(
            f"`{model.name}` leaves `closures` to the solver, which can choose them for up to four states; it has {dimension}"
            " states: give `closures`."
        )
    faces = [(a, s) for a, sides in enumerate(problem.closures()) for s in (0, 1) if sides[s].is_open]
    _refuse_clocks(problem, faces)
    return _Chooser(problem, family, faces, progress).choose()


def _refuse_clocks(problem: HJBProblem, faces: list[Face]):
    """Refuse an open face at which a state with a constant drift and no noise leaves the box: the value there must be given."""
    for a, (drift, noise) in enumerate(zip(*sample_motion(problem), strict=True)):
        speed = float(np.ravel(drift)[0])
        constant = np.all(drift == speed) and not np.any(noise)
        side = int(speed > 0.0)
        if constant and speed != 0.0 and (a, side) in faces:
            name, end = problem.model.states._fields[a], problem.region[a][side]
            raise ValueError(
                f"`{name}` runs on at {speed:g} a year and leaves its box at {end:g}: the value there is missing. In `closures`,"
                f" close that face with `Growth` (the slope of the terminal value in `{name}`) or, if the dynamics continue"
                " beyond the face, with `Outflow` and a margin of many years."
            )


class SlopeInside(eqx.Module):
    """The slope of a value function in one state, evaluated at a fixed coordinate of that state."""

    value: TensorSpline
    axis: int = eqx.field(static=True)
    coordinate: Float[Array, "..."]

    def __call__(self, t: Scalar, x: Point) -> Scalar:
        field = x._fields[self.axis]
        inside = x._replace(**{field: self.coordinate + 0.0 * getattr(x, field)})
        return self.value.derivatives(t, inside)[1][self.axis]


class _Trial(NamedTuple):
    """A solution on a coarse grid for one choice of closures and margins."""

    converged: bool
    solution: Solution  # for the whole family
    leaves: Bool[np.ndarray, "state side"]  # whether the optimal drift fails to hold the state inside
    stuck: Bool[np.ndarray, "state side"]  # whether no control can hold the state inside
    noisy: Bool[np.ndarray, "state side"]  # whether noise crosses the face
    fields: Float[np.ndarray, "quantity family point"]  # slopes and controls in the region
    scales: Float[np.ndarray, " quantity"]  # typical magnitudes of the fields


class _Chooser:
    """Solve on coarse grids in increasingly large boxes until the solution in the region no longer depends on the faces.

    With state constraints at all faces the problem always has a solution, which the monotone scheme finds. With sufficiently wide
    margins that solution approximates the solution on the whole space. At faces where the optimal drift points outward, the slope
    of this solution at a point of the margin is then prescribed at the face (`Growth`), which removes most of the remaining effect
    of the face. The reported error is the change between the two closures.
    """

    def __init__(self, problem: HJBProblem, family: int, faces: list[Face], progress: Callable[..., None]):
        self.problem, self.family, self.faces, self.progress = problem, family, faces, progress
        self.widths = np.array([high - low for low, high in problem.region])
        self.margins = dict.fromkeys(faces, 0.0)
        self.leaving: set[Face] = set()
        self.limited: set[Face] = set()
        self.barriers: dict[Face, float] = {}  # margins at which no solution exists
        self.inside = _INSIDE[0]
        self.tried = 0

    def choose(self) -> Closed:
        # a state never crosses a face where neither a control nor noise moves it outward
        movable = [face for face in self.faces if not is_shut(self.problem, face)]
        monotone = self.solve(None, order=1)
        self.leaving = {face for face in movable if monotone.leaves[face]}
        self.growing = [face for face in movable if face in self.leaving or monotone.noisy[face]]
        answer, change = self.finish(monotone), math.inf if self.growing else 0.0
        best, margins, leaving = (answer, monotone), dict(self.margins), set(self.leaving)
        while self.growing and change > AIM and monotone.converged:
            wider = self.grow(monotone)
            if wider is None:
                break
            box_change = self.change(wider, monotone)
            monotone = wider
            newly_leaving = {face for face in movable if monotone.leaves[face]} - self.leaving
            self.leaving |= newly_leaving
            self.growing += [face for face in newly_leaving if face not in self.growing]
            if box_change > _FAR or newly_leaving:
                continue
            trial = self.finish(monotone)
            # on few nodes the high-order scheme may fail; the monotone scheme is then used for the comparison
            closure_change = self.change(trial, answer) if trial.converged and answer.converged else box_change
            if self.leaving and closure_change <= ACCEPTED:
                loose = self.solve(trial if trial.converged else monotone, order=1, inside=monotone)
                closure_change = max(closure_change, self.change(loose, monotone))
            answer = trial
            if closure_change < change:
                best, change, margins, leaving = (
                    (trial, monotone),
                    closure_change,
                    dict(self.margins),
                    set(self.leaving),
                )
        self.margins, self.leaving, (answer, monotone) = margins, leaving, best
        problem = self.problem.replace(faces=self.closures(monotone))
        start = answer if answer.converged else monotone
        return Closed(problem, Near(start.solution) if start.converged else None, self.report(monotone, change))

    def finish(self, monotone: _Trial) -> _Trial:
        """The high-order solution in the same box with the final closures."""
        while True:
            trial = self.solve(monotone, order=4, inside=monotone)
            closer_shares = [share for share in _INSIDE if share > self.inside]
            if trial.converged or not self.leaving or not closer_shares:
                return trial
            # without convergence the slope varies strongly in the margin: take it from a point nearer to the face
            self.inside = closer_shares[0]

    def grow(self, before: _Trial) -> _Trial | None:
        """The solution with margins twice as wide, or halfway to a barrier; None if no margin can be widened."""
        accepted_margins = dict(self.margins)
        for _ in range(_TRIES):
            wider_margins = {}
            for face in self.growing:
                width, barrier = self.widths[face[0]], self.barriers.get(face, math.inf)
                if face not in self.barriers:
                    barrier = finite_reach(self.problem, face, _WIDEST * width)
                    barrier = self.barriers[face] = barrier if barrier < _WIDEST * width else math.inf
                margin = min(max(2.0 * accepted_margins[face], _LEAST * width), _WIDEST * width)
                if margin >= barrier:
                    self.limited.add(face)
                    margin = 0.5 * (accepted_margins[face] + barrier)
                wider_margins[face] = margin
            wider_margins = {
                f: m
                for f, m in wider_margins.items()
                if m - accepted_margins[f] > 0.02 * max(accepted_margins[f], _LEAST * self.widths[f[0]])
            }
            if not wider_margins:
                break
            self.margins = accepted_margins | wider_margins
            trial = self.solve(before, order=1)
            # no solution exists where a state that could be held inside before no longer can (debt that cannot be repaid)
            failed_faces = {f for f in wider_margins if not trial.converged or (trial.stuck[f] and not before.stuck[f])}
            if not failed_faces:
                self.growing = list(wider_margins)
                return trial
            for face in failed_faces:
                self.barriers[face] = wider_margins[face]
        self.margins = accepted_margins
        return None

    def closures(self, inside: _Trial | None = None):
        """The closures for the current margins.

        At faces where the drift points outward, the slope is taken from the trial `inside`; without it, and at the other faces,
        the closure is a state constraint.
        """
        chosen = []
        for a, sides in enumerate(self.problem.closures()):
            pair: list[AbstractClosure] = list(sides)
            for side in (0, 1):
                if (a, side) not in self.margins:
                    continue
                margin = float(self.margins[a, side])
                if inside is not None and (a, side) in self.leaving:
                    low, high = inside.solution.problem.domain[a]
                    region = self.problem.region[a][side]
                    coordinate = np.full(self.family, region + self.inside * ((low, high)[side] - region))
                    value = inside.solution.value
                    assert isinstance(value, TensorSpline)
                    pair[side] = Growth(slope=SlopeInside(value, a, jnp.asarray(coordinate)), extension=margin)
                else:
                    pair[side] = StateConstraint(margin, truncation=True)
            chosen.append(tuple(pair))
        return type(self.problem.model.states)(*chosen)

    def solve(self, guess: _Trial | None, *, order: int, inside: _Trial | None = None) -> _Trial:
        problem = self.problem.replace(faces=self.closures(inside))
        solver = FiniteDifference(points=self.counts(problem), order=order, tolerance=1e-10 if order > 1 else 1e-6)
        near = Near(guess.solution) if guess is not None and guess.converged else None
        self.tried += 1
        self.progress("closing the faces", self.tried, {"widest margin": max(self.margins.values())})
        finish, values, workspace = _run(solver, problem, self.family, near)
        if near is not None and not _ended(finish, order):
            finish, values, workspace = _run(solver, problem, self.family, None)
        solution = Solution(problem, finish.value, finish.nodes, finish.result, {})
        if values.shape[1] != workspace.grid(solver.levels - 1).size:  # the iteration failed on a coarser grid
            unknown_faces = np.ones((len(problem.region), 2), dtype=bool)
            return _Trial(False, solution, unknown_faces, unknown_faces, unknown_faces, np.zeros(0), np.zeros(0))
        return _Trial(_ended(finish, order), solution, *self.motion(workspace, values), *self.look(workspace, finish))

    def counts(self, problem: HJBProblem) -> tuple[int, ...]:
        """Nodes per state; a wider margin adds nodes and leaves those of the region unchanged, up to the limit of all nodes."""
        base = _NODES[len(problem.region)]
        growth, counts = min(STRETCH / (base - 1), STEEPEST), []
        for (low, high), (bottom, top) in zip(problem.region, problem.domain, strict=True):
            cells = sum(math.log1p(growth * (base - 1) * m / (high - low)) / growth for m in (low - bottom, top - high))
            counts.append(base + math.ceil(cells))
        shrink = min(1.0, (_MOST_NODES / np.prod(counts)) ** (1.0 / len(counts)))
        fewest = FiniteDifference().fewest(problem)
        return tuple(max(_NODES[4], least, int(shrink * n)) for n, least in zip(counts, fewest, strict=True))

    def motion(self, workspace: Workspace, values: Float[np.ndarray, "family node"]):
        """For each face: whether the drift fails to hold the state inside, whether no control can, and whether noise crosses it."""
        level = workspace.solver.levels - 1
        grid = workspace.grid(level)
        local = workspace.evaluate(level, False, values)
        low, high = np.array(self.problem.region).T
        within = (grid.points >= low - 1e-9 * (high - low)) & (grid.points <= high + 1e-9 * (high - low))
        leaves, stuck, noisy = (np.zeros((grid.dimension, 2), dtype=bool) for _ in range(3))
        for a in range(grid.dimension):
            others = np.all(np.delete(within, a, axis=1), axis=1)
            size = np.max(np.abs(local.drift[:, :, a]), initial=0.0)
            for side, sign in ((0, -1.0), (1, 1.0)):
                on = grid.on_face(a, side)
                on = on & others if np.any(on & others) else on
                leaves[a, side] = bool(np.any(~(sign * local.drift[:, on, a] < -_SLOW * size)))
                stuck[a, side] = bool(np.any(local.outward[:, on]))
                noisy[a, side] = bool(np.any(local.variance[:, on, a, a] > 0.0))
        return leaves, stuck, noisy

    def look(self, workspace: Workspace, finish: Finish):
        """Slopes and controls in the region and their typical magnitudes."""
        count, dimension = _COMPARED[len(self.problem.region)], len(self.problem.region)
        axes = tuple(np.linspace(low, high, count) for low, high in self.problem.region)
        points = np.stack([m.ravel() for m in np.meshgrid(*axes, indexing="ij")], axis=-1)
        members = [on_host(lambda leaf, n=n: leaf[n], finish.value) for n in range(self.family)]
        values, slopes, hessians = (
            np.stack(z) for z in zip(*(derivatives_on_axes(m, axes) for m in members), strict=True)
        )
        controls = np.zeros((0, self.family, len(points)))
        if not workspace.coupled:  # otherwise the values after jumps are unknowns of the solve
            controls = self.controls_at(workspace, points, (values, slopes, slopes, hessians))
        # slopes times the width of the region have the unit of the value; the largest sets the scale for all of them
        costates = np.moveaxis(slopes * self.widths, -1, 0)
        size = np.sqrt(np.mean(costates**2, axis=(1, 2))).max()
        floor = max(size, 1e-9 * np.max(np.abs(values)), 1e-300)
        scales = np.concatenate([np.full(dimension, floor), np.sqrt(np.mean(controls**2, axis=(1, 2)))])
        return np.concatenate([costates, controls]), np.where(scales > 0.0, scales, 1.0)

    def controls_at(self, workspace: Workspace, points, member_arrays) -> Float[np.ndarray, "control family point"]:
        """The optimal controls for given values and derivatives, from the kernel that is compiled for the solve."""
        pieces = []
        for index, keep in workspace.chunks(len(points)):
            states = jnp.asarray(points[index])
            local = evaluate_nodes(
                workspace.bare,
                (states, jnp.zeros((len(index), points.shape[1], 2), dtype=bool)),
                tuple(jnp.asarray(z[:, index]) for z in member_arrays),
                after_jumps(workspace.followed, states),
                None,
                False,
            )
            pieces.append(np.stack([np.asarray(u)[:, :keep] for u in local.control]))
        return np.concatenate(pieces, axis=-1)

    def change(self, trial: _Trial, other: _Trial) -> float:
        """The relative root-mean-square difference of slopes and controls in the region; infinite unless both trials converged."""
        if not (trial.converged and other.converged):
            return math.inf
        gap = np.sqrt(np.mean((trial.fields - other.fields) ** 2, axis=(1, 2)))
        return float(np.max(gap / trial.scales))

    def report(self, monotone: _Trial, change: float) -> dict[str, Any]:
        """The closures chosen for every face as text, the remaining change, and the face that still decides the solution, if any."""
        fields, closure_words = self.problem.model.states._fields, {}
        for a, (name, sides) in enumerate(zip(fields, self.problem.closures(), strict=True)):
            closure_words[name] = [self._words((a, side), face) for side, face in enumerate(sides)]
        finite_change = change if math.isfinite(change) else None
        report: dict[str, Any] = {"chosen": closure_words, "change": finite_change, "open": "", "advice": ""}
        if not change <= ACCEPTED:
            a, side = self._culprit(monotone)
            report |= {"open": f"{fields[a]} {('low', 'high')[side]}", "advice": self._advice((a, side), change)}
        return report

    def _words(self, face: Face, given: AbstractClosure) -> str:
        if face not in self.margins:
            return type(given).__name__
        kind, margin = "growth" if face in self.leaving else "inflow", self.margins[face]
        ends = ", beyond which no solution exists" if face in self.limited else ""
        return f"{kind}, margin {margin:.3g}{ends}" if margin else kind

    def _culprit(self, monotone: _Trial) -> Face:
        """The face with the largest influence of its closure on the solution."""
        suspects = sorted(self.leaving) or sorted(self.margins)
        if len(suspects) == 1 or not monotone.converged:
            return suspects[-1]
        all_leaving, changes = self.leaving, {}
        for face in suspects:
            self.leaving = {face}
            changes[face] = self.change(self.solve(monotone, order=1, inside=monotone), monotone)
        self.leaving = all_leaving
        return max(changes, key=lambda face: changes[face])

    def _advice(self, face: Face, change: float) -> str:
        name, side = self.problem.model.states._fields[face[0]], ("low", "high")[face[1]]
        effect = (
            f"changes the solution in the region by {change:.1%}" if math.isfinite(change) else "leaves no solution"
        )
        return (
            f"The {side} face of `{name}`: the choice of its closure {effect}, {self.margins[face]:.3g} beyond the region. Give the"
            f" closure in `closures`: `StateConstraint()` if `{name}` cannot go beyond, `Growth` if the slope of the value is known."
        )


def _run(
    solver: FiniteDifference, problem: HJBProblem, family: int, guess: Any
) -> tuple[Finish, np.ndarray, Workspace]:
    key = jr.key(0)  # finite differences use no random numbers
    state, workspace = solver.init(problem, family, key, guess)
    for _ in range(_MOST_STEPS):
        if solver.terminate(state):
            break
        state = solver.step(problem, state, workspace, key)
    finish = solver.finish(problem, state, workspace)
    return finish, np.asarray(solver.values_of(state)), workspace


# Result codes of an iteration that did not end at a solution of its scheme (false branches are solutions of the scheme).
_UNFINISHED = ("max_steps_reached", "stalled", "unsettled", "nonfinite", "infinite_value")


def _ended(finish: Finish, order: int) -> bool:
    """Whether the iteration ended at a solution of its scheme.

    On the few nodes of these grids the solution may be `unresolved`, and the solution of the monotone scheme may resemble a false
    branch.
    """
    name = result_name(finish.result)
    near = finish.stats["change"] < _TO_AND_FRO
    return name in ("successful", "unresolved") or (
        order == 1 and (name not in _UNFINISHED or (name == "unsettled" and near))
    )


# ---------------------------------------------------------------------------------------------------------

_STATES, _CONTROLS, _BISECTIONS = 16, 32, 20


def _beside(problem: HJBProblem, face: Face) -> tuple[np.ndarray, np.ndarray]:
    """Sobol points on a face of the region, each combined with Sobol points of the controls within their bounds."""
    axis, side = face
    bounds = [*problem.region, *((v.low, v.high) for v in problem.model.controls)]
    low = np.array([b if np.isfinite(b) else (t - 2.0 if np.isfinite(t) else -1.0) for b, t in bounds])
    high = np.array([t if np.isfinite(t) else (b + 2.0 if np.isfinite(b) else 1.0) for b, t in bounds])
    sample = low + (high - low) * qmc.Sobol(len(bounds), scramble=False).random(_CONTROLS)
    d = len(problem.region)
    sample[:, axis] = problem.region[axis][side]
    return np.repeat(sample[:_STATES, :d], _CONTROLS, axis=0), np.tile(sample[:, d:], (_STATES, 1))


def is_shut(problem: HJBProblem, face: Face) -> bool:
    """Whether neither a control nor noise can move the state outward through a face of the region."""
    axis, side = face
    states, controls = _beside(problem, face)
    drift, noise = sample_motion(problem, states, controls)
    return bool(np.all((-1.0, 1.0)[side] * drift[axis] <= 0.0) and not np.any(noise[axis]))


def finite_reach(problem: HJBProblem, face: Face, most: float) -> float:
    """The distance beyond a face of the region up to which the model's functions are finite for some control, at most `most`.

    The functions are evaluated over the region of the other states and the bounds of the controls.
    """
    axis, side = face
    model, sign = problem.model, (-1.0, 1.0)[side]
    states, controls = _beside(problem, face)

    def fine(distance: float) -> np.ndarray:
        moved = states.copy()
        moved[:, axis] = problem.region[axis][side] + sign * distance
        finite = np.asarray(_finite(model, jnp.asarray(moved), jnp.asarray(controls)))
        return np.asarray(finite.reshape(-1, _STATES, _CONTROLS).any(axis=2))

    finite_on_face = fine(0.0)

    def bears(distance: float) -> bool:
        return bool(np.all(fine(distance) | ~finite_on_face))

    steps = most * np.geomspace(1e-3, 1.0, 24)
    bad = next((n for n, step in enumerate(steps) if not bears(step)), None)
    if bad is None:
        return most
    good, limit = (steps[bad - 1] if bad else 0.0), steps[bad]
    for _ in range(_BISECTIONS):
        middle = 0.5 * (good + limit)
        good, limit = (middle, limit) if bears(middle) else (good, middle)
    # at the limit the functions are infinite, and close to it they are steep
    return 0.9 * good


@compiled
def _finite(model, states, controls):
    t = jnp.zeros(())

    def of_member(m):
        def at(z, c):
            x, u = type(m.states)(*z), type(m.controls)(*c)
            climate = eqx.filter_vmap(lambda q: jnp.stack((*m.drift(t, x, u, q), *m.additive_drift(t, x, u, q))))(
                m.climates
            )
            loads = jnp.stack((*m.diffusion(t, x, u), *m.additive_diffusion(t, x, u)))
            rates = [j.intensity(t, x, u) for j in m.jumps()]
            parts = [climate, loads, m.utility(t, x, u), *rates]
            return jnp.all(jnp.stack([jnp.all(jnp.isfinite(p)) for p in parts]))

        return jax.vmap(at)(states, controls)

    return eqx.filter_vmap(of_member)(model)
