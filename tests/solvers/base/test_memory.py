"""Memory of a grid before it is taken: against measured solves, and the message that refuses it."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from abatax import HJBProblem, solve, solvers
from abatax.models import LinearQuadratic
from abatax.solvers.base import _memory, check_memory, memory_needed, memory_there, release_programs

# Growth of peak resident memory in MiB, one process per solve, `resource.getrusage`, after a small solve of the same
# model (linear_quadratic with one and four states, ak_climate with two and three).
MEASURED = [
    ((9, 4001), 4, 1585),
    ((9, 1501), 4, 284),
    ((3001,), 4, 876),
    ((81, 81), 4, 272),
    ((25, 25, 21), 4, 61),
    ((25, 25, 21), 6, 80),
    ((31, 33, 31), 2, 99),
    ((41, 41, 33), 4, 230),
    ((11, 11, 11, 11), 4, 43),
]


@pytest.mark.parametrize("counts, order, measured", MEASURED)
def test_the_estimate_is_above_what_was_measured_but_not_far(counts, order, measured):
    assert measured <= memory_needed(counts, 1, order) / 2**20 <= 4.0 * measured


@pytest.mark.parametrize("states", [1, 2, 3, 4])
@pytest.mark.parametrize("family", [1, 20])
def test_more_of_anything_takes_more(states, family):
    counts = (21,) * states
    base = memory_needed(counts, family, 4)
    assert memory_needed((22, *counts[1:]), family, 4) > base
    assert memory_needed(counts, family + 1, 4) > base
    assert memory_needed(counts, family, 6) > base


def test_what_fits_passes_and_what_does_not_is_refused_with_a_grid_that_fits(monkeypatch):
    monkeypatch.setattr(_memory, "memory_there", lambda: 2**30)
    check_memory((41, 21), 1, 4)
    with pytest.raises(ValueError, match=r"`solver.points` is 201,201,201: .* GiB") as caught:
        check_memory((201, 201, 201), 1, 4)
    (advice,) = re.findall(r"try ([\d,]+)", str(caught.value))
    smaller = tuple(map(int, advice.split(",")))
    check_memory(smaller, 1, 4)
    assert all(n % 2 == 1 and 7 <= n < 201 for n in smaller) and min(smaller) > 31
    with pytest.raises(ValueError, match="GiB"):
        check_memory(tuple(2 * n for n in smaller), 1, 4)
    assert "\n" not in str(caught.value)


def test_a_grid_that_fits_no_machine_says_so(monkeypatch):
    monkeypatch.setattr(_memory, "memory_there", lambda: 2**20)
    with pytest.raises(ValueError, match="fewer states or members"):
        check_memory((13,) * 6, 20, 4)


def test_a_short_axis_is_not_made_too_short_for_the_scheme(monkeypatch):
    monkeypatch.setattr(_memory, "memory_there", lambda: 2**30)
    with pytest.raises(ValueError, match=r"try 7,\d+\."):
        check_memory((7, 100_001), 1, 4)


def test_the_memory_of_the_machine_is_known_and_plausible():
    there = memory_there()
    assert there is None or 2**27 < there < 2**50


def test_an_unknown_machine_refuses_nothing(monkeypatch):
    monkeypatch.setattr(_memory, "memory_there", lambda: None)
    check_memory((10_001,) * 4, 1, 4)


def test_the_limit_of_a_container_counts(monkeypatch):
    monkeypatch.setattr(_memory.Path, "read_text", lambda path: "1073741824\n" if path.name == "memory.max" else "max")
    there = memory_there()
    assert there is not None and there <= 2**30


def test_compiled_programs_are_let_go_when_they_hold_too_many_maps():
    double = jax.jit(lambda x: 2.0 * x)
    assert double(jnp.asarray(2.0)) == 4.0 and double._cache_size() == 1
    assert not release_programs(many=10**9)
    assert double._cache_size() == 1
    assert release_programs(many=0) is Path("/proc/self/maps").exists()
    assert double._cache_size() == (0 if Path("/proc/self/maps").exists() else 1)
    assert double(jnp.asarray(2.0)) == 4.0


@pytest.mark.parametrize(
    "solver, words",
    [
        (lambda: solvers.Spectral(points=1_000_000), "`solver.points` is 1000000: that takes about"),
        (lambda: solvers.Features(degree=7000, oversampling=1000.0), "features at"),
        (lambda: solvers.GaussNewton(parameters=100_000), "`solver.parameters` 100000: that takes about"),
    ],
)
def test_dense_matrices_that_would_not_fit_are_refused(solver, words):
    with pytest.raises(ValueError, match="GiB") as caught:
        solve(HJBProblem(LinearQuadratic()), solver())
    assert words in str(caught.value)
