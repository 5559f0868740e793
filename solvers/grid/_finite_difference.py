import dataclasses
from typing import ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ..base import (
    CODES,
    CONVERGED,
    INFINITE,
    MISSED,
    NONFINITE,
    OPEN,
    OSCILLATING,
    ROUGH,
    RUNNING,
    STALLED,
    UNSETTLED,
    Finish,
    check_memory,
    check_real,
    check_tolerance,
    check_whole,
    flat,
    value_ranges,
)
from ..equation import SAFETY, UNRESOLVED, false_branch, in_region, lowest_after, on_nodes
from ..solution import Near, splines_through
from ._finite_difference_state import FiniteDifferenceState as FiniteDifferenceState
from ._gridded import AbstractGridded, check_nodes
from ._linear import AbstractLinearSolver, one_thread
from ._workspace import Workspace
from ._zigzag import zigzags

# The high-order solution may be this much rougher than the monotone one, which damps what it cannot resolve.
_TOO_ROUGH = 2.0
# Newton steps take 3 to 8; where they wander, a face that is declared inflow lets the worst-case drift out, or the like.
_MOST_NEWTON = 40

# Newton steps that have blown up the range of the value so many times do not come back.
_BLOWN_UP = 10.0

# Where noise is too faint for the cells centred differences wander: after this many steps none of which came much nearer they
# lean to the side of the drift.
_PATIENCE = 5

# Policy iteration that ends in a cycle of this size, relative to the range of V, is near enough for Newton steps to begin.
_TO_AND_FRO = 1e-2
_MOST_LEVELS = 20  # half the cells on each: no grid is finer than that many times
_STEEPEST = 1e4  # cells at one end of a region over those at the other
# A residual over delta of less than this share of the range of V may rise: it is rounding.
_ROUNDING = 1e-9
# Solutions of up to so many states are refused where a kink leaves too large an error.
_JUDGED = 2
# After so many steps of policy iteration none of which came much nearer, none will.
_ENDLESS = 40


class FiniteDifference(AbstractGridded):
    r"""Nested policy iteration on a monotone scheme, then Newton steps on a high-order residual.

    1. From a coarse to the finest grid: Howard's policy iteration on the upwind scheme. The control maximises the
       *discrete* Hamiltonian (Godunov: of both one-sided derivatives, or the one between them at which the drift vanishes),
       so each step is a Newton step and a flat guess is enough.
    2. On the finest grid: Newton steps on a centred residual of order `order` with the policy frozen (envelope
       theorem: the policy needs no derivative).

    Where noise is too faint for the cells centred differences may oscillate; the second stage is then repeated with differences
    that lean to the side of the drift (`stats["leaning"]`).

    Where that does not converge either, half the cells are tried at high order, and what they give is refined (`stats["refined"]`).

    From a `Solution` of a nearby problem (`solve(..., guess=solution)`) only the last stage is left; if that fails, all is done.

    The equation holds at the nodes. What its residuals between the nodes are worth along the optimal paths estimates the error of the
    value, relative to its range (`stats["unresolved"]`). If more than 1e-3 comes from cells over which a control jumps, the solution
    is returned as `unresolved`: the cells are too coarse for a kink of the value function.

    Faces are closed by the problem's closures. Kinks the model declares are nodes that no stencil crosses. Time-like states
    (no noise, a drift of one sign) are recognised and marched. Where shocks correlate two states the first stage is not
    monotone (`stats["monotone_start"]`).

    **Arguments:**

    - `points`: nodes per state, margins included; one number for all states or one per state. Left out: the model's
      `grid_points`, and for states that it does not name 161 with one state, 49 with two, 21 with three, 13 with more.
    - `grading`: size of the cells at the upper end of the region over that at its lower end; one number for all states or one per
      state. Below 1 where the policy is steep at the upper end.
    - `levels`: number of nested grids, each with half the cells of the next.
    - `order`: 2, 4 or 6 for the Newton stage; 1 stops at the monotone scheme.
    - `leaning`: begin the Newton stage with differences that lean, where noise is faint. Saves the steps in which centred differences
      wander; where they would not, they are the more accurate.
    - `tolerance`: largest correction, relative to the range of $V$, at which a stage has converged.
    - `linear_solver`: how the sparse systems are solved.

    **Raises:** `ValueError` if there are fewer points than the stencil needs, or `grading` is not positive.

    **Good values:** 161 points for one state, 41 per state for two, 17 to 33 for three; order 4.

    **References:** Barles and Souganidis 1991, doi:10.3233/ASY-1991-4305 (monotone schemes converge); Bokanowski, Maroso and
    Zidani 2009, doi:10.1137/08073041X (Howard's iteration is Newton's method).

    !!! example

        ```python
        import abatax as ab

        solver = ab.solvers.FiniteDifference(points=41)
        solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), solver)
        assert ab.solvers.result_name(solution.result) == "successful"
        ```
    """

    name: ClassVar[str] = "finite_difference"

    points: int | tuple[int, ...] = eqx.field(static=True, default=0)
    grading: float | tuple[float, ...] = eqx.field(static=True, default=1.0)
    levels: int = eqx.field(static=True, default=3)
    order: int = eqx.field(static=True, default=4)
    leaning: bool = eqx.field(static=True, default=False)
    tolerance: float = eqx.field(static=True, default=1e-10)
    linear_solver: AbstractLinearSolver | None = None

    def __check_init__(self):
        if self.order not in (1, 2, 4, 6):
            raise ValueError(f"`solver.order` is {self.order}; it must be 1, 2, 4 or 6.")
        check_whole("levels", self.levels, 1, _MOST_LEVELS)
        check_tolerance(self.tolerance)
        for grading in self.grading if isinstance(self.grading, tuple) else (self.grading,):
            check_real("grading", grading, 1.0 / _STEEPEST, _STEEPEST)
        for count in self.points if isinstance(self.points, tuple) else (self.points,):
            if count != 0:
                check_nodes("points", count, self.order)

    # -- the driver's protocol --------------------------------------------------------------------------

    def coarser(self, problem):
        """The same scheme on half the cells: on few nodes Newton steps find what on many they wander away from."""
        counts = self.counts(problem)
        half = tuple(self.fewer(n, 2, least) for n, least in zip(counts, self.fewest(problem), strict=True))
        return None if self.order == 1 or half == counts else dataclasses.replace(self, points=half)

    def check_coupled(self, problem, family):
        """Any: the value after such a jump is interpolated on the grid, and part of the Newton system."""

    def init(self, problem, family, key, guess):
        del key
        check_memory(self.counts(problem), family, self.order)
        workspace = Workspace(self, problem, family)
        # a solution of a nearby problem has decided on the branch: refined where it is
        known = isinstance(guess, Near)
        first = self.levels - 1 if known else 0
        grid = workspace.grid(first)
        if known:
            values = guess.on_grid(grid.nodes)
        else:
            flat, shape = guess is None, (family, grid.size)
            values = (
                lowest_after(problem, workspace.known_after(first), shape)
                if flat
                else on_nodes(problem, guess, grid.points)
            )
        return FiniteDifferenceState(
            level=np.array(first),
            # beyond its box a solution is only guessed, which takes policy iteration to mend
            high_order=np.array(known and guess.domain == problem.domain and self.order > 1),
            leaning=np.array(0),
            values=values,
            move=np.zeros_like(values),
            norm=np.full(family, np.inf),
            fraction=np.ones(family),
            change=np.array(np.inf),
            nearest=np.array(np.inf),
            astray=np.array(0),
            monotone=values,
            left=np.array(np.inf),
            status=np.array(RUNNING),
            steps=np.zeros((self.levels, 2), dtype=int),
        ), workspace

    def step(self, problem, state, workspace, key):
        del key
        with (
            one_thread(),
            np.errstate(over="ignore"),
        ):  # a feared jump is exponential in V: what overflows is not finite
            return self._step(workspace.leant if self.leaning or bool(state.leaning) else workspace, state)

    def _step(self, workspace, state):
        level, high = int(state.level), bool(state.high_order)
        local = workspace.evaluate(level, high, state.values)
        delta = workspace.discount_rate[:, None]
        norm = np.sqrt(np.mean((local.residual / delta) ** 2, axis=1))
        # A correction that made a finite residual not finite, or a Newton correction that raised it, is halved.
        worse = ~np.isfinite(norm)
        if high:
            worse |= norm > np.maximum(10.0 * state.norm, _ROUNDING * value_ranges(state.values))
        worse &= np.isfinite(state.norm)
        if not np.all(np.isfinite(norm) | worse):
            return state._replace(status=np.array(NONFINITE))
        if worse.any():
            if (state.fraction[worse] < 1e-3).any():
                status = STALLED if np.all(np.isfinite(norm)) else NONFINITE
                back = state.values - state.move * state.fraction[:, None]
                return self._lean(
                    workspace, state._replace(values=np.where(worse[:, None], back, state.values)), status
                )
            half = np.where(worse, 0.5, 0.0)[:, None] * state.move * state.fraction[:, None]
            fraction = np.where(worse, 0.5 * state.fraction, state.fraction)
            return state._replace(values=state.values - half, fraction=fraction)
        move = workspace.correct(level, high, workspace.lengthened(local))
        if not np.all(np.isfinite(move)):
            return state._replace(status=np.array(NONFINITE))
        spread = value_ranges(state.values) + np.max(np.abs(move), axis=1) * 1e-3
        change = np.max(np.max(np.abs(move), axis=1) / spread)
        steps = state.steps.copy()
        steps[level, int(high)] += 1
        new = state._replace(
            values=state.values + move,
            move=move,
            norm=norm,
            fraction=np.ones_like(norm),
            change=np.asarray(change),
            nearest=np.minimum(change, state.nearest),
            astray=np.where(change < 0.5 * state.nearest, 0, state.astray + 1),
            steps=steps,
        )
        wanders = self._may_lean(workspace, state) and int(new.astray) >= _PATIENCE
        wanders |= high and bool(np.any(np.ptp(new.values, axis=1) > _BLOWN_UP * value_ranges(state.monotone)))
        if high and (wanders or steps[level, 1] >= _MOST_NEWTON):
            return self._lean(workspace, new, STALLED)
        if not high and int(new.astray) >= _ENDLESS:
            return self._stall(workspace, new)
        return self._advance(workspace, new, previous=float(state.change))

    def _advance(self, workspace, state, previous):
        """Move on to the next grid or stage once this one has converged."""
        level, high, change = int(state.level), bool(state.high_order), float(state.change)
        last = level == self.levels - 1
        # first order is far from the truth by more than this
        loose = self.tolerance if last and self.order == 1 else 1e-3
        # corrections stop shrinking at the rounding error of the linear solve
        floor = change < 1e-8 and change > 0.3 * previous
        # before the Newton stage a few nodes that go to and fro between two policies do no harm
        coarse = not high and (self.order > 1 or not last)
        enough = coarse and change < _TO_AND_FRO and int(state.astray) >= _PATIENCE
        if change > (self.tolerance if high else loose) and not floor and not enough:
            return state
        if not last:
            values = workspace.transfer(level, state.values)
            nothing, norm = np.zeros_like(values), np.full(len(values), np.inf)
            return state._replace(
                level=np.array(level + 1),
                values=values,
                move=nothing,
                norm=norm,
                monotone=values,
                change=np.array(np.inf),
                nearest=np.array(np.inf),
                astray=np.array(0),
            )
        if not high and self.order > 1:
            endless = np.array(np.inf)
            return state._replace(
                high_order=np.array(True),
                norm=np.full(len(state.values), np.inf),
                monotone=state.values,
                change=endless,
                nearest=endless,
                astray=np.array(0),
            )
        status = self._judge(workspace, state)
        if high and status == CONVERGED:
            control = workspace.evaluate(level, True, state.values).control
            left, at_kinks = workspace.path_errors(level, state.values, control)
            state = state._replace(left=np.asarray(left))
            # with more states the chain has too few nodes to refuse a solution by it
            judged = len(workspace.problem.region) <= _JUDGED
            status = ROUGH if judged and at_kinks > UNRESOLVED else CONVERGED
        return self._lean(workspace, state, status)

    def _may_lean(self, workspace, state) -> bool:
        """Whether differences are centred and could lean."""
        centred = not self.leaning and not bool(state.leaning)
        return bool(state.high_order) and centred and self.order > 2 and any(workspace.faint)

    def _lean(self, workspace, state, status: int):
        """End with a status; but if centred differences failed, begin the Newton stage again with differences that lean."""
        failed = status in (STALLED, NONFINITE, OSCILLATING) and bool(state.high_order)
        if not failed or not self._may_lean(workspace, state):
            # if leaning does not help either, what was wrong with centred differences says more
            code = int(state.leaning) if failed and bool(state.leaning) else status
            return self._stall(workspace, state) if code == STALLED else state._replace(status=np.array(code))
        return state._replace(
            leaning=np.array(status),
            values=state.monotone,
            move=np.zeros_like(state.move),
            norm=np.full_like(state.norm, np.inf),
            fraction=np.ones_like(state.fraction),
            change=np.array(np.inf),
            nearest=np.array(np.inf),
            astray=np.array(0),
        )

    def _stall(self, workspace, state):
        """The monotone iterate is kept; on a false branch that is what is said, for more points would not help."""
        high, level = bool(state.high_order), int(state.level)  # before it there is no monotone solution either
        kept = state.monotone if high else state.values
        local = workspace.evaluate(level, False, kept)
        false = self._false_branch(workspace, level, False, local)
        if false is None and workspace.flow(level, False, local).grows():
            false = INFINITE
        return state._replace(values=kept, monotone=kept, status=np.array(false or (STALLED if high else UNSETTLED)))

    def _false_branch(self, workspace, level, high, local) -> int | None:
        """The status of a false branch; None if there is no mark of one."""
        if workspace.flow(level, high, local).contradicts():
            return INFINITE
        leaves = bool(np.any(workspace.leaves(level, local)))
        return false_branch(workspace.problem, workspace.grid(level).points, local, leaves)

    def _judge(self, workspace, state) -> int:
        """The result code of a solution whose corrections have ended: whether it may be believed."""
        level, high = int(state.level), bool(state.high_order)
        local = workspace.evaluate(level, high, state.values)
        if false := self._false_branch(workspace, level, high, local):
            return false
        if workspace.missed(level, high, state.values, local):
            return MISSED
        if not high:
            return CONVERGED
        varies = ~flat(state.values)
        rough = workspace.roughness(level, state.values), workspace.roughness(level, state.monotone)
        grid = workspace.grid(level)
        inside = in_region(workspace.problem, grid.points)
        if np.any((rough[0] > _TOO_ROUGH * rough[1])[varies]) or zigzags(
            grid, inside, state.values[varies], state.monotone[varies]
        ):
            return OSCILLATING
        return OPEN if varies.any() and workspace.left_open(level, local, state.values) else CONVERGED

    def terminate(self, state):
        return int(state.status) != RUNNING

    def progress(self, state):
        stage = "high order" if bool(state.high_order) else "upwind"
        return {
            "grid": float(state.level) + 1.0,
            "residual/delta": float(np.max(state.norm)),
            "change": float(state.change),
        }, stage

    def values_of(self, state) -> Float[np.ndarray, "family node"]:
        """The values at the nodes that an iteration has ended with; zero where they are not finite."""
        values = state.monotone if int(state.status) in (STALLED, OSCILLATING) else state.values
        return np.where(np.isfinite(values), values, 0.0)

    def finish(self, problem, state, workspace):
        status = int(state.status)
        level = int(state.level)
        grid = workspace.grid(level)
        values = self.values_of(state)
        stacked = splines_through(problem, grid.nodes, values.reshape(-1, *grid.shape))
        stats = {
            "steps_first_order": int(state.steps[:, 0].sum()),
            "steps_high_order": int(state.steps[:, 1].sum()),
            "leaning": self.leaning or bool(state.leaning),
            "grading": list(self._each("grading", problem)),
            "change": float(state.change),
            "unknowns": int(grid.size * values.shape[0]),
            "order": self.order if status in (CONVERGED, ROUGH) else 1,
            # relative error that the residuals between the nodes allow; infinite where the solution ended before it was estimated
            "unresolved": SAFETY * float(state.left),
            # correlated shocks: the centred mixed differences of the first stage are not monotone
            "monotone_start": not workspace.has_mixed,
        }
        return Finish(stacked, CODES[status], stats, grid.nodes)
