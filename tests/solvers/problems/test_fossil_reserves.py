"""The fossil-reserve model solved and simulated, against its published limit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fossil_cases import PENALTY, benchmark, make

import abatax as ab
from abatax import HJBProblem
from abatax.solvers.equation import time_like_states

# The published limit is good to 2e-4; what is solved here is a few times coarser than the benchmark.
COARSE = 4e-3


@pytest.fixture(scope="module")
def solution():
    solver = ab.solvers.FiniteDifference(points=(25, 29, 7), levels=2)
    return ab.solve(HJBProblem(make()), solver)


def test_cumulative_emissions_are_time_like():
    problem = HJBProblem(make())
    stacked = problem.replace(model=jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], problem.model))
    assert time_like_states(stacked).signs == (0, 1, 0)


@pytest.mark.slow
def test_solution_is_the_published_limit(solution):
    assert solution.converged
    script = benchmark()
    x, u, scc, scarcity = script.deterministic_path(solution)
    rows = script.at_years(scc, u.emissions, x.cumulative_emissions)
    for found, expected in zip(rows, script.LIMIT["weighted", PENALTY], strict=True):
        np.testing.assert_allclose(found, expected, rtol=COARSE)
    np.testing.assert_allclose(u.investment, 0.09, rtol=1e-3)
    assert np.all(scarcity < 0.05 * scc)  # with weighted damages carbon, not reserves, is scarce


@pytest.mark.slow
def test_the_right_branch_is_found(solution):
    # V_r = 0 everywhere also solves the equation; the true value makes the drift of reserves point inward at R -> 0
    slope, drift = benchmark().slopes_at_the_last_tonne(solution)
    assert 0.01 < slope < 0.02
    assert drift > 0.02


@pytest.mark.slow
def test_simulation_carries_reserves_and_damages(solution):
    paths = ab.simulate(solution, years=25, shocks=False)
    carbon, emissions = np.asarray(paths.states.cumulative_emissions[0]), np.asarray(paths.controls.emissions[0])
    np.testing.assert_allclose(carbon[[0, -1]], [290.0, 523.9], rtol=COARSE)
    np.testing.assert_allclose(np.diff(carbon), 0.5 * (emissions[1:] + emissions[:-1]), rtol=2e-3)
    np.testing.assert_allclose(paths.scc[0][-1] * 44.0 / 12.0, 112.57, rtol=2 * COARSE)  # growth minus sigma^2 / 2
    assert np.all(np.diff(np.asarray(paths.additive.log_damages[0])) > 0.0)
    found = np.asarray(paths.observables["temperature"][0])
    np.testing.assert_allclose(found, 1.7316689431e-3 * carbon, rtol=1e-12)
