"""The store of references: to the last bit, several writers, damage, and keys that tell problems apart."""

import dataclasses
import subprocess
import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import small_model

import abatax as ab
from abatax.scenarios import ReferenceStore
from abatax.scenarios.store import _reference_store

PROBLEM = ab.HJBProblem(ab.models.LinearQuadratic())
SOLVER = ab.solvers.FiniteDifference(points=21, levels=2)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A store with one reference, and the reference as it was made."""
    store = ReferenceStore(tmp_path_factory.mktemp("references"))
    return store, store.reference(PROBLEM, SOLVER)


@pytest.fixture
def copy(filled, tmp_path):
    """A store of one's own with the same reference, and its file."""
    store = ReferenceStore(tmp_path)
    file = store.path(PROBLEM, SOLVER)
    file.write_bytes(filled[0].path(PROBLEM, SOLVER).read_bytes())
    return store, file


def never():
    raise AssertionError("solved again")


def identical(one, other):
    """Whether two trees are the same to the last bit, types and structure included."""
    if jax.tree.structure(one) != jax.tree.structure(other):
        return False
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        if type(a) is not type(b) or np.asarray(a).dtype != np.asarray(b).dtype:
            return False
        if np.asarray(a).tobytes() != np.asarray(b).tobytes():
            return False
    return True


def test_what_is_read_is_what_was_made_to_the_last_bit(filled):
    store, made = filled
    read = store.reference(PROBLEM, SOLVER, solution=never)
    assert identical(read.solution, made.solution) and read.errors == made.errors
    assert str(read) == str(made)


@pytest.mark.slow
def test_a_family_of_regimes_comes_back_to_the_last_bit(tmp_path):
    # errors cost five solves: they are put beside the solution by hand
    problem, solver = ab.HJBProblem(small_model("uncertain_damages")), ab.solvers.FiniteDifference(points=21, levels=2)
    solution = ab.solve(problem, solver, throw=False)
    errors = {"value": ab.validation.Estimate(1e-3, 2e-3)}
    made = ab.validation.Reference(solution, errors, {"grid": errors})
    file = tmp_path / "key.reference"
    _reference_store.keep_reference(file, made)
    read = ReferenceStore(tmp_path)._read(file, problem)
    assert read is not None and len(read.solution.destinations) == 1 and identical(read.solution, made.solution)


@pytest.mark.parametrize("how", ["empty", "cut in the first line", "cut in half", "last byte gone"])
def test_a_file_that_was_cut_off_is_made_anew_and_said(copy, filled, how):
    store, file = copy
    whole = file.read_bytes()
    kept = {"empty": 0, "cut in the first line": 7, "cut in half": len(whole) // 2, "last byte gone": len(whole) - 1}
    file.write_bytes(whole[: kept[how]])
    with pytest.warns(UserWarning, match="computed again"):
        again = store.reference(PROBLEM, SOLVER, solution=lambda: filled[1].solution)
    assert again.errors == filled[1].errors and store.reference(PROBLEM, SOLVER, solution=never).errors == again.errors


def test_every_flipped_byte_is_noticed(copy):
    store, file = copy
    whole = file.read_bytes()
    start = whole.index(b"\n") + 1  # after the line that says what the file is
    for place in [*range(start, start + 65, 7), *np.linspace(start + 66, len(whole) - 1, 40).astype(int)]:
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with pytest.warns(UserWarning, match="checksum"):
            assert store._read(file, PROBLEM) is None
    file.write_bytes(b"b" + whole[1:])
    with pytest.raises(ValueError, match="not written by abatax"):
        store._read(file, PROBLEM)


def test_a_foreign_file_is_refused_and_left_alone(copy):
    store, file = copy
    file.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(ValueError, match="not written by abatax; remove it"):
        store.reference(PROBLEM, SOLVER, solution=never)
    assert file.read_bytes().startswith(b"PK")


def test_a_reference_under_another_name_is_noticed(copy):
    store, file = copy
    other = store.path(PROBLEM, SOLVER, count=128)
    file.rename(other)
    with pytest.warns(UserWarning, match="another reference"):
        assert store._read(other, PROBLEM) is None


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="choose another folder"):
        ReferenceStore(tmp_path / "file").reference(PROBLEM, SOLVER, solution=never)


WRITER = """
import sys, time
from pathlib import Path
import abatax as ab
from abatax.scenarios.store import keep_reference
problem, source, path = ab.HJBProblem(ab.models.LinearQuadratic()), Path(sys.argv[1]), Path(sys.argv[2])
store, count = ab.scenarios.ReferenceStore(path.parent), 0
made, end = store._read(source, problem), time.time() + 0.5
while time.time() < end or count < 4:
    keep_reference(path, made)
    assert store._read(path, problem) is not None
    count += 1
print(count)
"""


def test_two_processes_write_at_once_and_every_reader_sees_a_whole_file(filled, tmp_path):
    file = tmp_path / "shared.reference"
    source = filled[0].path(PROBLEM, SOLVER)
    command = [sys.executable, "-W", "error", "-c", WRITER, str(source), str(file)]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outcomes = [writer.communicate(timeout=120) for writer in writers]
    for writer, (out, error) in zip(writers, outcomes, strict=True):
        assert writer.returncode == 0, error
        assert int(out) > 3
    assert list(tmp_path.iterdir()) == [file]  # and nothing half-written beside it
    read = filled[0]._read(file, PROBLEM)
    assert read is not None and read.errors == filled[1].errors


class Other(ab.models.LinearQuadratic):
    """The same parameters, another class."""


OTHERS = {
    "parameter": (ab.HJBProblem(ab.models.LinearQuadratic(volatility=np.nextafter(0.3, 1.0))), SOLVER),
    "penalty": (ab.HJBProblem(small_model("linear_quadratic", ab.models.Ambiguity.from_penalties(shocks=1.0))), SOLVER),
    "class": (ab.HJBProblem(Other()), SOLVER),
    "dimension": (ab.HJBProblem(ab.models.LinearQuadratic(dimension=2)), SOLVER),
    "box": (ab.HJBProblem(ab.models.LinearQuadratic(), box={"state": (-3.0, 3.1)}), SOLVER),
    "extension": (ab.HJBProblem(ab.models.LinearQuadratic(), extension=1.1), SOLVER),
    "points": (PROBLEM, dataclasses.replace(SOLVER, points=23)),
    "order": (PROBLEM, dataclasses.replace(SOLVER, order=2)),
    "tolerance": (PROBLEM, dataclasses.replace(SOLVER, tolerance=1e-9)),
    "linear solver": (PROBLEM, dataclasses.replace(SOLVER, linear_solver=ab.solvers.Direct())),
}


@pytest.mark.parametrize("what", OTHERS)
def test_another_problem_or_solver_has_another_key(what, tmp_path):
    store = ReferenceStore(tmp_path)
    assert store.path(*OTHERS[what]) != store.path(PROBLEM, SOLVER)


def test_the_key_does_not_depend_on_what_was_solved_before(filled):
    store, made = filled
    assert store.path(made.solution.problem, SOLVER) == store.path(PROBLEM, SOLVER)
    assert store.path(PROBLEM, SOLVER, method=lambda t, x: x[0]) != store.path(PROBLEM, SOLVER)


@pytest.mark.parametrize("what", ["VERSION", "source_hash"])
def test_another_version_or_source_has_another_key(tmp_path, monkeypatch, what):
    store = ReferenceStore(tmp_path)
    before = store.path(PROBLEM, SOLVER)
    monkeypatch.setattr(_reference_store, what, "0.0.0" if what == "VERSION" else lambda: "edited")
    assert store.path(PROBLEM, SOLVER) != before


def test_the_folder_is_in_the_cache_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert ReferenceStore().folder == tmp_path / "abatax" / "references"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert ReferenceStore().folder.parts[-3:] == (".cache", "abatax", "references")


def test_jax_arrays_come_back_as_jax_arrays(filled):
    read = filled[0].reference(PROBLEM, SOLVER, solution=never)
    value = eqx.filter_jit(read.solution.value)(jnp.zeros(()), PROBLEM.model.initial_state())
    assert jnp.isfinite(value)
