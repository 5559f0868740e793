"""How solves end: result codes with advice, errors that carry the solution, checkpoints, and wrong arguments."""

import re
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import at_states, quadratic_guess, tree_allclose
from one_state_cases import Cliff

from abatax import HJBProblem, solve
from abatax.models import Ambiguity, LinearQuadratic
from abatax.solvers import (
    RESULTS,
    AbstractProgress,
    FiniteDifference,
    SolverError,
    make_solver,
    result_advice,
    result_name,
)
from abatax.solvers._driver import SolveOptions, _answer
from abatax.solvers.base import read_archive, write_archive

SOLVER = FiniteDifference(points=41)
PROBLEM = HJBProblem(LinearQuadratic())
INSIDE = np.linspace(-2.5, 2.5, 11)[:, None]


_NAMES = (
    "successful max_steps_reached max_seconds_reached nonfinite outward_drift stalled unsettled oscillating unresolved untrained"
).split()


# -- how it ended -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", _NAMES)
def test_every_result_has_a_name_and_advice(name):
    result = getattr(RESULTS, name)
    assert result_name(result) == name
    assert len(result_advice(result)) > 20


@pytest.mark.parametrize("max_steps", [1, 5, 14])
def test_too_few_steps(max_steps):
    solution = solve(PROBLEM, SOLVER, max_steps=max_steps, throw=False)
    assert result_name(solution.result) == "max_steps_reached"
    assert "Increase `max_steps`" in solution.advice
    assert solution.stats["steps"] == max_steps
    assert not solution.converged
    assert np.all(np.isfinite(at_states(solution, INSIDE)[0]))


def test_an_error_carries_the_solution():
    with pytest.raises(SolverError, match="Increase `max_steps`") as caught:
        solve(PROBLEM, SOLVER, max_steps=5)
    kept = solve(PROBLEM, SOLVER, max_steps=5, throw=False)
    np.testing.assert_array_equal(at_states(caught.value.solution, INSIDE)[0], at_states(kept, INSIDE)[0])


def test_more_steps_change_nothing_after_convergence():
    few, many = (solve(PROBLEM, SOLVER, max_steps=n) for n in (50, 500))
    assert few.stats["steps"] == many.stats["steps"] < 50
    assert tree_allclose(few.value, many.value)


def test_utility_that_is_not_a_number_is_a_result():
    solver = FiniteDifference(points=21)
    guess = quadratic_guess([[1.5]])
    solution = solve(HJBProblem(Cliff(jnp.asarray(0.7))), solver, guess=guess, throw=False)
    assert result_name(solution.result) == "nonfinite"
    assert "not a number" in solution.advice
    # what was computed so far is kept: the guess itself, here
    nodes = solution.nodes[0][:, None]
    np.testing.assert_allclose(at_states(solution, nodes)[0], -0.75 * nodes[:, 0] ** 2, atol=1e-12)
    whole = solve(HJBProblem(Cliff(jnp.asarray(2.0))), solver, guess=guess)
    assert whole.converged


def test_no_value_is_claimed_where_none_exists():
    # penalty below volatility^2 * control_cost = 0.09: the adversary pushes faster than the planner can steer, and
    # the Riccati equation has no real root; high-order Newton steps may still find some oscillating fixed point
    try:
        hopeless = LinearQuadratic(ambiguity=Ambiguity.from_penalties(shocks=0.02))
    except ValueError as error:
        assert "`ambiguity.shocks`" in str(error)
        return
    solution = solve(HJBProblem(hopeless), SOLVER, throw=False, max_steps=100)
    assert not solution.converged
    assert solution.advice != result_advice(RESULTS.successful)


# -- wrong arguments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields, words",
    [
        ({"order": 3}, "`solver.order` is 3; it must be 1, 2, 4 or 6"),
        ({"levels": 0}, "`solver.levels` is 0; it must be a whole number >= 1"),
        ({"grading": 0.0}, "`solver.grading` is 0.0; it must be between 0.0001 and 10000"),
        ({"grading": (1.0, -2.0)}, "`solver.grading` is -2.0; it must be between"),
        ({"tolerance": 0.0}, "`solver.tolerance` is 0.0; it must be > 0"),
        ({"tolerance": float("inf")}, "`solver.tolerance` is inf; it must be > 0 and below 1"),
        ({"levels": 1000}, "`solver.levels` is 1000; it must be a whole number between 1 and 20"),
        ({"points": 10**400}, "it must be a whole number between"),
        ({"points": 5}, "`solver.points` is 5; a scheme of order 4 needs at least 7 per state"),
        ({"points": -3}, "`solver.points` is -3"),
        ({"points": (41, 8), "order": 6}, "`solver.points` is 8; a scheme of order 6 needs at least 9"),
    ],
)
def test_wrong_solvers_are_named(fields, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        FiniteDifference(**fields)


def test_wrong_number_of_counts_is_named():
    with pytest.raises(ValueError, match=r"`solver\.grading` has 2 entries; the problem has 1 states"):
        solve(PROBLEM, FiniteDifference(points=21, grading=(1.0, 0.5)))
    with pytest.raises(ValueError, match=r"`solver\.points` has 2 entries; the problem has 1 states"):
        solve(PROBLEM, FiniteDifference(points=(41, 41)))


def test_a_kind_of_problem_that_nothing_answers_is_named():
    options = SolveOptions(jax.random.key(0), None, 1, Recorder(), None, None, None)
    with pytest.raises(TypeError, match="`problem` is LinearQuadratic; what can be solved is an HJBProblem or a Disc"):
        _answer(PROBLEM.model, SOLVER, options)


@pytest.mark.parametrize("points, order, levels", [(7, 4, 3), (9, 6, 1), (5, 2, 2), (5, 1, 1), (12, 4, 2)])
def test_smallest_grids_work(points, order, levels):
    solution = solve(PROBLEM, FiniteDifference(points=points, order=order, levels=levels))
    assert solution.nodes[0].shape == (points,)
    if order > 1:  # stencils and splines are exact on the quadratic
        np.testing.assert_allclose(at_states(solution, INSIDE)[1][:, 0], -1.025312 * INSIDE[:, 0], atol=3e-6)


def test_one_count_per_state():
    problem = HJBProblem(LinearQuadratic(dimension=2))
    solution = solve(problem, FiniteDifference(points=(9, 12), levels=1))
    assert tuple(len(n) for n in solution.nodes) == (9, 12)


# -- progress --------------------------------------------------------------------------------------------------------------


class Recorder(AbstractProgress):
    def __init__(self):
        self.lines = []

    def update(self, task, stage, step, numbers):
        self.lines.append((task, stage, step, dict(numbers)))

    def done(self, task, outcome):
        self.lines.append((task, outcome))


def test_progress_sees_every_step():
    recorder = Recorder()
    solution = solve(PROBLEM, SOLVER, progress=recorder)
    *updates, (task, outcome) = recorder.lines
    assert [line[2] for line in updates] == list(range(1, solution.stats["steps"] + 1))
    assert {line[1] for line in updates} == {"upwind", "high order"}
    assert task == "initial" and "converged" in outcome
    assert all({"residual/delta", "change"} <= line[3].keys() for line in updates)


@pytest.fixture(scope="module")
def whole():
    return solve(PROBLEM, SOLVER)


# -- checkpoints ---------------------------------------------------------------------------------------------------------------


def checkpoint_file(folder):
    (path,) = folder.glob("*.checkpoint")
    return path


@pytest.mark.parametrize("stops", [(1,), (4, 9, 16), (18,)])
def test_interrupted_and_resumed_is_the_same_to_the_last_bit(tmp_path, stops):
    guess = quadratic_guess([[-0.7]])
    whole = solve(PROBLEM, SOLVER, guess=guess)
    assert whole.stats["steps"] > max(stops)
    for stop in stops:
        part = solve(PROBLEM, SOLVER, guess=guess, max_steps=stop, throw=False, checkpoint=tmp_path)
        assert not part.converged
    resumed = solve(PROBLEM, SOLVER, guess=guess, checkpoint=tmp_path)
    assert tree_allclose(resumed.value, whole.value)
    assert resumed.stats["steps"] == whole.stats["steps"]


def test_finished_checkpoint_needs_no_more_steps(tmp_path):
    recorder = Recorder()
    whole = solve(PROBLEM, SOLVER, checkpoint=tmp_path)
    again = solve(PROBLEM, SOLVER, checkpoint=tmp_path, progress=recorder)
    assert len(recorder.lines) == 1  # only `done`
    assert again.converged and tree_allclose(again.value, whole.value)


@pytest.mark.parametrize(
    "problem, solver",
    [
        (HJBProblem(LinearQuadratic(volatility=0.31)), SOLVER),
        (HJBProblem(LinearQuadratic(), box={"state": (-3.0, 3.1)}), SOLVER),
        (PROBLEM, FiniteDifference(points=41, tolerance=1e-9)),
        (PROBLEM, FiniteDifference(points=43)),
    ],
)
def test_checkpoint_of_another_problem_or_solver_is_not_used(tmp_path, problem, solver):
    solve(PROBLEM, SOLVER, checkpoint=tmp_path)
    fresh, beside = solve(problem, solver), solve(problem, solver, checkpoint=tmp_path)
    assert beside.stats["steps"] == fresh.stats["steps"] > 0
    assert tree_allclose(beside.value, fresh.value)


def damage(path, how):
    whole = path.read_bytes()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "text":
        path.write_text("not an archive")
    elif how == "flipped":
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :])
    elif how == "array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif how == "other":
        np.savez(path, mark=np.asarray("x"))
    elif how == "fewer leaves":
        about, arrays = read_archive(path)
        write_archive(path, about, {name: array for name, array in arrays.items() if name in ("0", "1")})


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory):
    """A folder with the checkpoint of an interrupted solve."""
    folder = tmp_path_factory.mktemp("interrupted")
    solve(PROBLEM, SOLVER, max_steps=9, throw=False, checkpoint=folder)
    return folder


@pytest.mark.parametrize("how", ["empty", "cut", "text", "flipped", "array", "other", "fewer leaves"])
def test_damaged_checkpoint_is_not_used(tmp_path, whole, interrupted, how):
    shutil.copytree(interrupted, tmp_path, dirs_exist_ok=True)
    damage(checkpoint_file(tmp_path), how)
    again = solve(PROBLEM, SOLVER, checkpoint=tmp_path)
    assert again.stats["steps"] == whole.stats["steps"]
    assert tree_allclose(again.value, whole.value)


def test_no_half_written_file_is_left(tmp_path):
    solve(PROBLEM, SOLVER, checkpoint=tmp_path / "new" / "folder")
    assert [p.name for p in (tmp_path / "new" / "folder").iterdir()] == ["initial.checkpoint"]


def test_options_of_the_command_line_are_one_value_or_one_per_state():
    assert make_solver("finite_difference", {"points": "41,21", "grading": [1, 2]}) == FiniteDifference(
        (41, 21), (1.0, 2.0)
    )
    for options, words in (
        ({"tolerance": "1e-8,1e-9"}, "`solver.tolerance` is 1e-8,1e-9; it must be one value"),
        ({"levels": [1, 2]}, "`solver.levels` is [1, 2]; it must be one value"),
        ({"points": []}, "`solver.points` is []"),
        ({"tolerance": "inf"}, "`solver.tolerance` is 'inf'; it must be a finite number"),
        ({"points": True}, "`solver.points` is True; it must be a whole number"),
        ({"tolerance": True}, "`solver.tolerance` is True; it must be a number"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            make_solver("finite_difference", options)
