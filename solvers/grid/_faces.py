"""What closes the faces that a model leaves open: found out on coarse grids before the solve (`abatax.models.Automatic`)."""

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

from ...models import AbstractClosure, Automatic, Growth, HJBProblem, StateConstraint
from ...models.base import Point, Scalar
from ..base import RESULTS, Finish, compiled, result_name
from ..equation import after_jumps, evaluate_nodes, sample_motion
from ..solution import Near, Solution, TensorSpline, derivatives_on_axes, on_host
from ._finite_difference import _TO_AND_FRO, FiniteDifference
from ._stencils import STEEPEST, STRETCH
from ._workspace import Workspace

Face = tuple[int, int]  # state and side (0 low, 1 high)

# Margins in widths of the region: the first that is tried, where the drift leaves or noise crosses, and the widest.
_LEAST, _WIDEST = 0.25, 32.0
# How often a margin that leads nowhere is drawn in.
_TRIES = 6
# Shares of the margin that lie between the region and where the slope at its end is taken from.
_INSIDE = (0.75, 0.9, 0.97)
# While the answer moves by more than this with the box, nothing else is looked at.
_FAR = 0.1
# Slopes and controls in the region may change by so much with what closes the faces: what is aimed at, and what is accepted.
AIM, ACCEPTED = 1e-3, 1e-2
# Nodes of the region on the coarse grids, and of all grids together.
_NODES = {1: 65, 2: 17, 3: 9, 4: 7}
_MOST_NODES = 4000
# Nodes per state of the region at which two answers are compared.
_COMPARED = {1: 65, 2: 11, 3: 6, 4: 4}
_MOST_STEPS = 150
# A drift of less than this share of the largest does not hold a state inside.
_SLOW = 1e-4


class Closed(NamedTuple):
    """A problem whose faces are closed, a solution on a coarse grid, and what was found out."""

    problem: HJBProblem
    start: Near | None
    report: dict[str, Any]

    def judge(self, result: RESULTS) -> RESULTS:
        """The result of a solve with these faces."""
        return RESULTS.open_face if result_name(result) == "successful" and self.report["open"] else result


def is_open(problem: HJBProblem) -> bool:
    """Whether the model leaves a face to the solver."""
    return any(isinstance(face, Automatic) for sides in problem.closures() for face in sides)


def close_faces(problem: HJBProblem, family: int, progress: Callable[..., None]) -> Closed:
    """Choose closures and margins of the faces that the model leaves open.

    **Arguments:** `problem`: of a family, leaves stacked, continuations filled in; `progress`: told what is tried.

    **Raises:** `ValueError` if a state runs through an open face like a clock, or there are more than four states.
    """
    model, dimension = problem.model, len(problem.region)
    if dimension > max(_NODES):
        raise ValueError(
            f"`closures` of `{model.name}` are left to the solver, which tries them on grids of up to four states; it has"
            f" {dimension}: give `closures`."
        )
    faces = [(a, s) for a, sides in enumerate(problem.closures()) for s in (0, 1) if isinstance(sides[s], Automatic)]
    _refuse_clocks(problem, faces)
    return _Chooser(problem, family, faces, progress).choose()


def _refuse_clocks(problem: HJBProblem, faces: list[Face]):
    """A state that moves at one speed whatever happens leaves its box for good: what it is worth there must be said."""
    for a, (drift, noise) in enumerate(zip(*sample_motion(problem), strict=True)):
        speed = float(np.ravel(drift)[0])
        constant = np.all(drift == speed) and not np.any(noise)
        side = int(speed > 0.0)
        if constant and speed != 0.0 and (a, side) in faces:
            name, end = problem.model.states._fields[a], problem.region[a][side]
            raise ValueError(
                f"`{name}` runs on at {speed:g} a year and leaves its box at {end:g}: the value there is missing. Close that"
                f" face with `Growth` (the slope of the terminal value in `{name}`) or, if the world goes on beyond,"
                " `Outflow` with a margin of many years, in `closures`."
            )


class SlopeInside(eqx.Module):
    """The slope of a value function at one coordinate of a state, wherever that state is."""

    value: TensorSpline
    axis: int = eqx.field(static=True)
    coordinate: Float[Array, "..."]

    def __call__(self, t: Scalar, x: Point) -> Scalar:
        field = x._fields[self.axis]
        at = x._replace(**{field: self.coordinate + 0.0 * getattr(x, field)})
        return self.value.derivatives(t, at)[1][self.axis]


class _Trial(NamedTuple):
    """An answer on a coarse grid."""

    converged: bool
    solution: Solution  # of a family
    leaves: Bool[np.ndarray, "state side"]  # whether the optimal drift does not hold the state inside
    stuck: Bool[np.ndarray, "state side"]  # whether no control could hold it there
    noisy: Bool[np.ndarray, "state side"]
    fields: Float[np.ndarray, "quantity family point"]  # slopes and controls in the region
    scales: Float[np.ndarray, " quantity"]


class _Chooser:
    """Solves on coarse grids in larger and larger boxes until nothing in the region depends on their faces.

    The state held inside at every face is a problem that always has an answer, which the monotone scheme finds; behind margins
    wide enough it is that of the whole space. Where the drift would leave, the slope it has inside is put at the face, which
    takes away most of what is left of the face; what changes between both is the error that is reported.
    """

    def __init__(self, problem: HJBProblem, family: int, faces: list[Face], progress: Callable[..., None]):
        self.problem, self.family, self.faces, self.progress = problem, family, faces, progress
        self.widths = np.array([high - low for low, high in problem.region])
        self.margins = dict.fromkeys(faces, 0.0)
        self.leaving: set[Face] = set()
        self.limited: set[Face] = set()
        self.barriers: dict[Face, float] = {}  # margins that lead into states without an answer
        self.inside = _INSIDE[0]
        self.tried = 0

    def choose(self) -> Closed:
        # through a face where no control moves the state out, and no noise, it never leaves
        movable = [face for face in self.faces if not is_shut(self.problem, face)]
        held = self.solve(None, order=1)
        self.leaving = {face for face in movable if held.leaves[face]}
        self.growing = [face for face in movable if face in self.leaving or held.noisy[face]]
        answer, change = self.finish(held), math.inf if self.growing else 0.0
        best, margins, leaving = (answer, held), dict(self.margins), set(self.leaving)
        while self.growing and change > AIM and held.converged:
            wider = self.grow(held)
            if wider is None:
                break
            moved = self.change(wider, held)
            held = wider
            turned = {face for face in movable if held.leaves[face]} - self.leaving
            self.leaving |= turned
            self.growing += [face for face in turned if face not in self.growing]
            if moved > _FAR or turned:
                continue
            trial = self.finish(held)
            # where few nodes do not bear high order the monotone scheme must do
            here = self.change(trial, answer) if trial.converged and answer.converged else moved
            if self.leaving and here <= ACCEPTED:
                loose = self.solve(trial if trial.converged else held, order=1, inside=held)
                here = max(here, self.change(loose, held))
            answer = trial
            if here < change:
                best, change, margins, leaving = (trial, held), here, dict(self.margins), set(self.leaving)
        self.margins, self.leaving, (answer, held) = margins, leaving, best
        problem = self.problem.replace(faces=self.closures(held))
        start = answer if answer.converged else held
        return Closed(problem, Near(start.solution) if start.converged else None, self.report(held, change))

    def finish(self, held: _Trial) -> _Trial:
        """The answer of high order in the same box, the faces closed as they will be."""
        while True:
            trial = self.solve(held, order=4, inside=held)
            nearer = [share for share in _INSIDE if share > self.inside]
            if trial.converged or not self.leaving or not nearer:
                return trial
            # a slope that does not settle is steeper at the face: taken from nearer to it
            self.inside = nearer[0]

    def grow(self, before: _Trial) -> _Trial | None:
        """The answer with margins twice as wide, or halfway to where there is none; None if none can be wider."""
        good = dict(self.margins)
        for _ in range(_TRIES):
            wanted = {}
            for face in self.growing:
                width, barrier = self.widths[face[0]], self.barriers.get(face, math.inf)
                if face not in self.barriers:
                    barrier = finite_reach(self.problem, face, _WIDEST * width)
                    barrier = self.barriers[face] = barrier if barrier < _WIDEST * width else math.inf
                margin = min(max(2.0 * good[face], _LEAST * width), _WIDEST * width)
                if margin >= barrier:
                    self.limited.add(face)
                    margin = 0.5 * (good[face] + barrier)
                wanted[face] = margin
            wanted = {f: m for f, m in wanted.items() if m - good[f] > 0.02 * max(good[f], _LEAST * self.widths[f[0]])}
            if not wanted:
                break
            self.margins = good | wanted
            trial = self.solve(before, order=1)
            # where a planner who could stay cannot stay any longer, there is no answer: debt beyond all means
            bad = {f for f in wanted if not trial.converged or (trial.stuck[f] and not before.stuck[f])}
            if not bad:
                self.growing = list(wanted)
                return trial
            for face in bad:
                self.barriers[face] = wanted[face]
        self.margins = good
        return None

    def closures(self, inside: _Trial | None = None):
        """The closures for the margins of now; `inside` has the slopes at the faces where states leave, which else are held."""
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
                    at = np.full(self.family, region + self.inside * ((low, high)[side] - region))
                    value = inside.solution.value
                    assert isinstance(value, TensorSpline)
                    pair[side] = Growth(slope=SlopeInside(value, a, jnp.asarray(at)), extension=margin)
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
        if values.shape[1] != workspace.grid(solver.levels - 1).size:  # given up on a coarser grid
            every = np.ones((len(problem.region), 2), dtype=bool)
            return _Trial(False, solution, every, every, every, np.zeros(0), np.zeros(0))
        return _Trial(_ended(finish, order), solution, *self.motion(workspace, values), *self.look(workspace, finish))

    def counts(self, problem: HJBProblem) -> tuple[int, ...]:
        """Nodes per state: those of the region do not grow fewer with the margins."""
        base = _NODES[len(problem.region)]
        growth, counts = min(STRETCH / (base - 1), STEEPEST), []
        for (low, high), (bottom, top) in zip(problem.region, problem.domain, strict=True):
            cells = sum(math.log1p(growth * (base - 1) * m / (high - low)) / growth for m in (low - bottom, top - high))
            counts.append(base + math.ceil(cells))
        shrink = min(1.0, (_MOST_NODES / np.prod(counts)) ** (1.0 / len(counts)))
        fewest = FiniteDifference().fewest(problem)
        return tuple(max(_NODES[4], least, int(shrink * n)) for n, least in zip(counts, fewest, strict=True))

    def motion(self, workspace: Workspace, values: Float[np.ndarray, "family node"]):
        """Whether the drift at each face fails to hold the state inside, and whether noise crosses it."""
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
        """Slopes and controls in the region, and how large each of them is."""
        count, dimension = _COMPARED[len(self.problem.region)], len(self.problem.region)
        axes = tuple(np.linspace(low, high, count) for low, high in self.problem.region)
        points = np.stack([m.ravel() for m in np.meshgrid(*axes, indexing="ij")], axis=-1)
        members = [on_host(lambda leaf, n=n: leaf[n], finish.value) for n in range(self.family)]
        values, slopes, hessians = (
            np.stack(z) for z in zip(*(derivatives_on_axes(m, axes) for m in members), strict=True)
        )
        controls = np.zeros((0, self.family, len(points)))
        if not workspace.coupled:  # else what comes after a jump is not known but solved for
            controls = self.controls_at(workspace, points, (values, slopes, slopes, hessians))
        # slopes in units of the value over the region: those that hardly matter are measured by those that do
        costates = np.moveaxis(slopes * self.widths, -1, 0)
        size = np.sqrt(np.mean(costates**2, axis=(1, 2))).max()
        floor = max(size, 1e-9 * np.max(np.abs(values)), 1e-300)
        scales = np.concatenate([np.full(dimension, floor), np.sqrt(np.mean(controls**2, axis=(1, 2)))])
        return np.concatenate([costates, controls]), np.where(scales > 0.0, scales, 1.0)

    def controls_at(self, workspace: Workspace, points, own) -> Float[np.ndarray, "control family point"]:
        """The best controls for given values and derivatives, by the kernel that is compiled for the solve."""
        pieces = []
        for index, keep in workspace.chunks(len(points)):
            at = jnp.asarray(points[index])
            local = evaluate_nodes(
                workspace.bare,
                (at, jnp.zeros((len(index), points.shape[1], 2), dtype=bool)),
                tuple(jnp.asarray(z[:, index]) for z in own),
                after_jumps(workspace.followed, at),
                None,
                False,
            )
            pieces.append(np.stack([np.asarray(u)[:, :keep] for u in local.control]))
        return np.concatenate(pieces, axis=-1)

    def change(self, trial: _Trial, other: _Trial) -> float:
        """How much slopes and controls in the region differ, root mean square; infinite without two answers."""
        if not (trial.converged and other.converged):
            return math.inf
        gap = np.sqrt(np.mean((trial.fields - other.fields) ** 2, axis=(1, 2)))
        return float(np.max(gap / trial.scales))

    def report(self, held: _Trial, change: float) -> dict[str, Any]:
        """What was chosen for every face, in words, and the face on which the answer hangs."""
        fields, said = self.problem.model.states._fields, {}
        for a, (name, sides) in enumerate(zip(fields, self.problem.closures(), strict=True)):
            said[name] = [self._words((a, side), face) for side, face in enumerate(sides)]
        known = change if math.isfinite(change) else None
        report: dict[str, Any] = {"chosen": said, "change": known, "open": "", "advice": ""}
        if not change <= ACCEPTED:
            a, side = self._culprit(held)
            report |= {"open": f"{fields[a]} {('low', 'high')[side]}", "advice": self._advice((a, side), change)}
        return report

    def _words(self, face: Face, given: AbstractClosure) -> str:
        if face not in self.margins:
            return type(given).__name__
        kind, margin = "growth" if face in self.leaving else "inflow", self.margins[face]
        ends = ", beyond which there is no answer" if face in self.limited else ""
        return f"{kind}, margin {margin:.3g}{ends}" if margin else kind

    def _culprit(self, held: _Trial) -> Face:
        """The face whose closure matters most."""
        suspects = sorted(self.leaving) or sorted(self.margins)
        if len(suspects) == 1 or not held.converged:
            return suspects[-1]
        everything, found = self.leaving, {}
        for face in suspects:
            self.leaving = {face}
            found[face] = self.change(self.solve(held, order=1, inside=held), held)
        self.leaving = everything
        return max(found, key=lambda face: found[face])

    def _advice(self, face: Face, change: float) -> str:
        name, side = self.problem.model.states._fields[face[0]], ("low", "high")[face[1]]
        moved = f"changes what is found in the region by {change:.1%}" if math.isfinite(change) else "leaves no answer"
        return (
            f"The {side} face of `{name}`: what closes it {moved}, {self.margins[face]:.3g} beyond the region. Say in `closures` what"
            f" holds there: `StateConstraint()` if `{name}` cannot go beyond, `Growth` where the slope of the value is known."
        )


def _run(
    solver: FiniteDifference, problem: HJBProblem, family: int, guess: Any
) -> tuple[Finish, np.ndarray, Workspace]:
    key = jr.key(0)  # finite differences draw nothing
    state, workspace = solver.init(problem, family, key, guess)
    for _ in range(_MOST_STEPS):
        if solver.terminate(state):
            break
        state = solver.step(problem, state, workspace, key)
    finish = solver.finish(problem, state, workspace)
    return finish, np.asarray(solver.values_of(state)), workspace


# Ends of an iteration that has not ended at a solution of its scheme, false branch or not.
_UNFINISHED = ("max_steps_reached", "stalled", "unsettled", "nonfinite", "infinite_value")


def _ended(finish: Finish, order: int) -> bool:
    """Whether the iteration ended at a solution of its scheme.

    On the few nodes of these grids the solution may be `unresolved`. The monotone scheme may have ended at what looks like a false
    branch of the problem.
    """
    name = result_name(finish.result)
    near = finish.stats["change"] < _TO_AND_FRO
    return name in ("successful", "unresolved") or (
        order == 1 and (name not in _UNFINISHED or (name == "unsettled" and near))
    )


# ---------------------------------------------------------------------------------------------------------

_STATES, _CONTROLS, _BISECTIONS = 16, 32, 20


def _beside(problem: HJBProblem, face: Face) -> tuple[np.ndarray, np.ndarray]:
    """States spread over a face of the region, each with controls spread over their bounds."""
    axis, side = face
    bounds = [*problem.region, *((v.low, v.high) for v in problem.model.controls)]
    low = np.array([b if np.isfinite(b) else (t - 2.0 if np.isfinite(t) else -1.0) for b, t in bounds])
    high = np.array([t if np.isfinite(t) else (b + 2.0 if np.isfinite(b) else 1.0) for b, t in bounds])
    sample = low + (high - low) * qmc.Sobol(len(bounds), scramble=False).random(_CONTROLS)
    d = len(problem.region)
    sample[:, axis] = problem.region[axis][side]
    return np.repeat(sample[:_STATES, :d], _CONTROLS, axis=0), np.tile(sample[:, d:], (_STATES, 1))


def is_shut(problem: HJBProblem, face: Face) -> bool:
    """Whether neither a control nor noise moves the state out through a face of the region."""
    axis, side = face
    states, controls = _beside(problem, face)
    drift, noise = sample_motion(problem, states, controls)
    return bool(np.all((-1.0, 1.0)[side] * drift[axis] <= 0.0) and not np.any(noise[axis]))


def finite_reach(problem: HJBProblem, face: Face, most: float) -> float:
    """How far beyond a face of the region the model's functions are finite for some control, at most `most`.

    Found by evaluating them over the region of the other states and the bounds of the controls.
    """
    axis, side = face
    model, sign = problem.model, (-1.0, 1.0)[side]
    states, controls = _beside(problem, face)

    def fine(distance: float) -> np.ndarray:
        moved = states.copy()
        moved[:, axis] = problem.region[axis][side] + sign * distance
        found = np.asarray(_finite(model, jnp.asarray(moved), jnp.asarray(controls)))
        return np.asarray(found.reshape(-1, _STATES, _CONTROLS).any(axis=2))

    here = fine(0.0)

    def bears(distance: float) -> bool:
        return bool(np.all(fine(distance) | ~here))

    steps = most * np.geomspace(1e-3, 1.0, 24)
    bad = next((n for n, step in enumerate(steps) if not bears(step)), None)
    if bad is None:
        return most
    good, limit = (steps[bad - 1] if bad else 0.0), steps[bad]
    for _ in range(_BISECTIONS):
        middle = 0.5 * (good + limit)
        good, limit = (middle, limit) if bears(middle) else (good, middle)
    # functions are infinite at the limit itself, and steep beside it
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
