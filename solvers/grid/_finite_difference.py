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

# Largest roughness of the high-order solution relative to the monotone solution, which damps unresolved scales.
_TOO_ROUGH = 2.0
# Newton's method usually converges in 3 to 8 steps. It diverges, for example, if the worst-case drift points outward at a face that is
# declared inflow.
_MOST_NEWTON = 40

# If Newton steps increase the range of the value by this factor, the iteration has diverged.
_BLOWN_UP = 10.0

# If the correction has not halved for this many Newton steps and noise is too faint for the cells, the differences are biased to the
# side of the drift.
_PATIENCE = 5

# A cycle of policy iteration of this size, relative to the range of V, is close enough to the solution for Newton's method to start.
_TO_AND_FRO = 1e-2
_MOST_LEVELS = 20  # each level has half the cells of the next; no grid can be halved more often
_STEEPEST = 1e4  # largest ratio of the cells at one end of a region to those at the other
# A residual over delta below this share of the range of V may increase, because it is rounding.
_ROUNDING = 1e-9
# Largest number of states for which a solution with too large an error at a kink is returned as `unresolved`.
_JUDGED = 2
# If the correction of policy iteration has not halved for this many steps, the iteration is stopped.
_ENDLESS = 40


class FiniteDifference(AbstractGridded):
    r"""Nested policy iteration on a monotone scheme, then Newton steps on a high-order residual.

    1. From the coarsest to the finest grid: Howard's policy iteration on the upwind scheme. The control maximises the
       *discrete* Hamiltonian (Godunov: over both one-sided derivatives and the derivative between them at which the drift
       vanishes), so that each step is a Newton step and a flat guess is sufficient.
    2. On the finest grid: Newton steps on a centred residual of order `order` with the policy frozen (by the envelope
       theorem the derivative of the policy is not needed).

    If noise is too faint for the size of the cells, centred differences may oscillate. The second stage is then repeated with
    differences that are biased to the side of the drift (`stats["leaning"]`).

    If this does not converge either, the problem is first solved at high order with half the cells and the solution is refined
    (`stats["refined"]`).

    If the guess is a `Solution` of a nearby problem (`solve(..., guess=solution)`), only the last stage is run; if it fails, the
    problem is solved from the beginning.

    The equation holds at the nodes. The residuals between the nodes, accumulated along the optimal paths, estimate the error of
    the value relative to its range (`stats["unresolved"]`). If cells over which a control jumps contribute more than 1e-3, the
    solution is returned as `unresolved`: the cells are too coarse for a kink of the value function.

    The closures of the problem determine the treatment of the faces. Kinks that the model declares are nodes that no stencil
    crosses. Time-like states (no noise, a drift of one sign) are detected and solved by marching. If shocks correlate two states,
    the first stage is not monotone (`stats["monotone_start"]`).

    **Arguments:**

    - `points`: nodes per state, including margins; one number for all states or one per state. The default is the model's
      `grid_points`; for states that it does not name, 161 with one state, 49 with two, 21 with three, 13 with more.
    - `grading`: ratio of the cell size at the upper end of the region to that at its lower end; one number for all states or one
      per state. Use a ratio below 1 if the policy is steep at the upper end.
    - `levels`: number of nested grids, each with half the cells of the next.
    - `order`: 2, 4 or 6 for the Newton stage; 1 stops at the monotone scheme.
    - `leaning`: start the Newton stage with biased differences in states with faint noise. This saves Newton steps where centred
      differences would fail; otherwise centred differences are more accurate.
    - `tolerance`: largest correction, relative to the range of $V$, at which a stage has converged.
    - `linear_solver`: the solver of the sparse linear systems.

    **Raises:** `ValueError` if there are fewer points than the stencil needs, or if `grading` is not positive.

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
        """The same scheme on half the cells: Newton's method may converge on few nodes although it diverges on many."""
        counts = self.counts(problem)
        half = tuple(self.fewer(n, 2, least) for n, least in zip(counts, self.fewest(problem), strict=True))
        return None if self.order == 1 or half == counts else dataclasses.replace(self, points=half)

    def check(self, problem, family, coupled):
        """Coupled regimes are accepted: the value after such a jump is interpolated on the grid within the Newton system."""
        del coupled
        check_memory(self.counts(problem), family, self.order)

    def init(self, problem, family, key, guess):
        del key
        check_memory(self.counts(problem), family, self.order)
        workspace = Workspace(self, problem, family)
        # a solution of a nearby problem lies on the right branch and is refined directly on the finest grid
        is_near = isinstance(guess, Near)
        first = self.levels - 1 if is_near else 0
        grid = workspace.grid(first)
        if is_near:
            values = guess.on_grid(grid.nodes)
        else:
            without_guess, shape = guess is None, (family, grid.size)
            values = (
                lowest_after(problem, workspace.known_after(first), shape)
                if without_guess
                else on_nodes(problem, guess, grid.points)
            )
        return FiniteDifferenceState(
            level=np.array(first),
            # beyond its box a solution is extrapolated, so that a different box needs policy iteration first
            high_order=np.array(is_near and guess.domain == problem.domain and self.order > 1),
            leaning=np.array(0),
            values=values,
            move=np.zeros_like(values),
            norm=np.full(family, np.inf),
            fraction=np.ones(family),
            change=np.array(np.inf),
            nearest=np.array(np.inf),
            steps_without_progress=np.array(0),
            monotone=values,
            estimated_error=np.array(np.inf),
            status=np.array(RUNNING),
            steps=np.zeros((self.levels, 2), dtype=int),
        ), workspace

    def step(self, problem, state, workspace, key):
        del key
        # the worst case of a jump is exponential in V; overflow gives infinite values, which are handled as such
        with one_thread(), np.errstate(over="ignore"):
            return self._step(workspace.leant if self.leaning or bool(state.leaning) else workspace, state)

    def _step(self, workspace, state):
        level, high = int(state.level), bool(state.high_order)
        local = workspace.evaluate(level, high, state.values)
        delta = workspace.discount_rate[:, None]
        norm = np.sqrt(np.mean((local.residual / delta) ** 2, axis=1))
        # a correction is halved if it made a finite residual infinite, or if a Newton correction increased the residual
        worse = ~np.isfinite(norm)
        if high:
            worse |= norm > np.maximum(10.0 * state.norm, _ROUNDING * value_ranges(state.values))
        worse &= np.isfinite(state.norm)
        if not np.all(np.isfinite(norm) | worse):
            return state._replace(status=np.array(NONFINITE))
        if worse.any():
            if (state.fraction[worse] < 1e-3).any():
                status = STALLED if np.all(np.isfinite(norm)) else NONFINITE
                previous_values = state.values - state.move * state.fraction[:, None]
                return self._lean(
                    workspace, state._replace(values=np.where(worse[:, None], previous_values, state.values)), status
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
            steps_without_progress=np.where(change < 0.5 * state.nearest, 0, state.steps_without_progress + 1),
            steps=steps,
        )
        diverges = self._may_lean(workspace, state) and int(new.steps_without_progress) >= _PATIENCE
        diverges |= high and bool(np.any(np.ptp(new.values, axis=1) > _BLOWN_UP * value_ranges(state.monotone)))
        if high and (diverges or steps[level, 1] >= _MOST_NEWTON):
            return self._lean(workspace, new, STALLED)
        if not high and int(new.steps_without_progress) >= _ENDLESS:
            return self._stall(workspace, new)
        return self._advance(workspace, new, previous=float(state.change))

    def _advance(self, workspace, state, previous):
        """Move on to the next grid or stage once this one has converged."""
        level, high, change = int(state.level), bool(state.high_order), float(state.change)
        last = level == self.levels - 1
        # the discretisation error of the first-order scheme is larger than this
        loose = self.tolerance if last and self.order == 1 else 1e-3
        # corrections stop shrinking at the rounding error of the linear solve
        floor = change < 1e-8 and change > 0.3 * previous
        # before the Newton stage a few nodes may alternate between two policies
        coarse = not high and (self.order > 1 or not last)
        enough = coarse and change < _TO_AND_FRO and int(state.steps_without_progress) >= _PATIENCE
        if change > (self.tolerance if high else loose) and not floor and not enough:
            return state
        if not last:
            values = workspace.transfer(level, state.values)
            zero_move, norm = np.zeros_like(values), np.full(len(values), np.inf)
            return state._replace(
                level=np.array(level + 1),
                values=values,
                move=zero_move,
                norm=norm,
                monotone=values,
                change=np.array(np.inf),
                nearest=np.array(np.inf),
                steps_without_progress=np.array(0),
            )
        if not high and self.order > 1:
            infinity = np.array(np.inf)
            return state._replace(
                high_order=np.array(True),
                norm=np.full(len(state.values), np.inf),
                monotone=state.values,
                change=infinity,
                nearest=infinity,
                steps_without_progress=np.array(0),
            )
        status, path_error = self._judge(workspace, state)
        return self._lean(workspace, state._replace(estimated_error=np.asarray(path_error)), status)

    def _may_lean(self, workspace, state) -> bool:
        """Whether the differences are centred and biased differences are available."""
        centred = not self.leaning and not bool(state.leaning)
        return bool(state.high_order) and centred and self.order > 2 and any(workspace.faint)

    def _lean(self, workspace, state, status: int):
        """End with a status, or restart the Newton stage with biased differences if centred differences failed."""
        failed = status in (STALLED, NONFINITE, OSCILLATING) and bool(state.high_order)
        if not failed or not self._may_lean(workspace, state):
            # if biased differences fail as well, the status of the centred differences is more informative
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
            steps_without_progress=np.array(0),
        )

    def _stall(self, workspace, state):
        """End with the monotone iterate, and with the status of a false branch if there is one, since more points would not help."""
        high, level = bool(state.high_order), int(state.level)  # in the first stage the iterate itself is kept
        kept = state.monotone if high else state.values
        local = workspace.evaluate(level, False, kept)
        false = self._false_branch(workspace, level, False, local)
        if false is None and workspace.flow(level, False, local).grows():
            false = INFINITE
        return state._replace(values=kept, monotone=kept, status=np.array(false or (STALLED if high else UNSETTLED)))

    def _false_branch(self, workspace, level, high, local) -> int | None:
        """The status of a false branch; None without any indicator of one."""
        if workspace.flow(level, high, local).contradicts():
            return INFINITE
        leaves = bool(np.any(workspace.leaves(level, local)))
        return false_branch(workspace.problem, workspace.grid(level).points, local, leaves)

    def _judge(self, workspace, state) -> tuple[int, float]:
        """The status of a converged iterate, and the relative error of the value that its residuals allow.

        The iterate is checked for false branches, missed maxima, oscillations, open faces and unresolved kinks. The error is infinite
        where it is not estimated: for the monotone scheme, and if one of the checks fails before.
        """
        level, high = int(state.level), bool(state.high_order)
        local = workspace.evaluate(level, high, state.values)
        if false := self._false_branch(workspace, level, high, local):
            return false, np.inf
        if workspace.missed(level, high, state.values, local):
            return MISSED, np.inf
        if not high:
            return CONVERGED, np.inf
        varies = ~flat(state.values)
        rough = workspace.roughness(level, state.values), workspace.roughness(level, state.monotone)
        grid = workspace.grid(level)
        inside = in_region(workspace.problem, grid.points)
        if np.any((rough[0] > _TOO_ROUGH * rough[1])[varies]) or zigzags(
            grid, inside, state.values[varies], state.monotone[varies]
        ):
            return OSCILLATING, np.inf
        if varies.any() and workspace.left_open(level, local, state.values):
            return OPEN, np.inf
        path_error, at_kinks = workspace.path_errors(level, state.values, local.control)
        # with more states the Markov chain has too few nodes for a reliable error estimate
        judged = len(workspace.problem.region) <= _JUDGED
        return ROUGH if judged and at_kinks > UNRESOLVED else CONVERGED, path_error

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
        """The final values at the nodes; zero where they are not finite."""
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
            # relative error estimated from the residuals between the nodes; infinite if it was not estimated
            "unresolved": SAFETY * float(state.estimated_error),
            # with correlated shocks the centred mixed differences of the first stage are not monotone
            "monotone_start": not workspace.has_mixed,
        }
        return Finish(stacked, CODES[status], stats, grid.nodes)
