"""Bounds of states: the policy does not leave through them, simulated paths do not cross them, error estimates do not move them."""

import dataclasses
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from helpers import TIME, on_points

import abatax as ab
from abatax.models import Ambiguity, ClosedFormControl, Inflow, StateConstraint, TimeAdditive, Variable
from abatax.solvers import FiniteDifference, fields_at, result_name
from abatax.validation import enlarged, quantities, region_points, relative_errors, validate

DELTA = 0.05
SOLVER = FiniteDifference(points=81)


class Stock(NamedTuple):
    stock: Any


class Extraction(NamedTuple):
    extraction: Any


class Mine(ClosedFormControl):
    r"""Extract $q$ from a stock that cannot be negative, for $q - q^2/2$ a year (`side` -1: the bound is above, signs turned).

    With $T$ years left until the stock is exhausted the price grows at the rate of discount to 1 (Hotelling):
    $q = 1 - e^{-\delta T}$ and $S = T - (1 - e^{-\delta T})/\delta$. Nothing but the bound keeps $q$ at zero once $S$ is.
    """

    noise: float = 0.0
    side: int = 1
    preferences: TimeAdditive = eqx.field(default_factory=lambda: TimeAdditive(DELTA))
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)

    name: ClassVar[str] = "mine"

    @property
    def states(self):
        ends = (0.0, 20.0) if self.side > 0 else (-20.0, 0.0)
        return Stock(Variable("stock", "Gt", *ends))

    @property
    def controls(self):
        return Extraction(Variable("extraction", "Gt/yr", -1.0, 2.0))

    def drift(self, t, x, u, climate):
        return Stock(-self.side * u.extraction)

    def diffusion(self, t, x, u):
        return Stock(jnp.array([self.noise]))

    def utility(self, t, x, u):
        return u.extraction - 0.5 * u.extraction**2

    def best_control(self, t, x, value, costate, hessian):
        return Extraction(jnp.clip(1.0 - self.side * costate.stock, -1.0, 2.0))

    def closures(self):
        faces = StateConstraint(), Inflow()
        return Stock(faces if self.side > 0 else faces[::-1])

    def initial_state(self):
        return Stock(jnp.asarray(5.0 * self.side))


def extracted(stock):
    """The exact policy."""

    def years(s):
        return scipy.optimize.brentq(lambda T: T + np.expm1(-DELTA * T) / DELTA - s, 0.0, 1e3, xtol=1e-13)

    return np.array([-np.expm1(-DELTA * years(s)) for s in stock])


@pytest.fixture(scope="module", params=[1, pytest.param(-1, marks=pytest.mark.slow)], ids=["below", "above"])
def mine(request):
    return ab.solve(ab.HJBProblem(Mine(side=request.param)), SOLVER)


def policy(solution, stock):
    side = solution.problem.model.side
    return on_points(lambda s: solution.policy(TIME, Stock(side * s)).extraction, jnp.asarray(stock))


def test_at_a_bound_the_drift_does_not_leave(mine):
    assert abs(policy(mine, np.zeros(1))[0]) < 1e-8
    at_face = fields_at(mine.problem, mine.value, jnp.zeros((1, 1)))["extraction"]
    assert abs(at_face[0]) < 1e-8


def test_beside_a_bound_the_policy_is_right_between_the_nodes(mine):
    # q grows with the root of the stock: to 0.156 at the first node, 0.25 Gt
    stock = np.geomspace(1e-4, 20.0, 40)
    np.testing.assert_allclose(policy(mine, stock), extracted(stock), atol=4e-3)


@pytest.mark.parametrize("steps", [1, pytest.param(12, marks=pytest.mark.slow)])
def test_no_step_extracts_more_than_is_left(mine, steps):
    paths = ab.simulate(mine, years=60, shocks=False, steps_per_year=steps)
    stock, q = (np.asarray(z) for z in (paths.states.stock[0], paths.controls.extraction[0]))
    stock = mine.problem.model.side * stock
    assert np.min(stock) == 0.0 and stock[-1] == 0.0 and q[-1] == pytest.approx(0.0, abs=1e-8)
    assert not paths.outside[0]
    if steps == 1:
        assert np.sum(q) == pytest.approx(5.0, abs=1e-8)


def test_noise_does_not_carry_paths_over_a_bound():
    solution = ab.solve(ab.HJBProblem(Mine(noise=0.3)), SOLVER, throw=False)
    stock = np.asarray(ab.simulate(solution, years=40, num_paths=50, steps_per_year=1).states.stock)
    assert np.min(stock) == 0.0 < np.max(stock[:, -1])


def test_a_truncation_is_not_a_bound():
    # the regulator's box is a truncation: noise may carry paths over its face, where they start and nothing holds them
    problem = ab.HJBProblem(ab.models.LinearQuadratic(), box={"state": (-1.0, 1.0)})
    paths = ab.simulate(ab.solve(problem, FiniteDifference(points=41)), years=1, num_paths=20, steps_per_year=12)
    assert np.any(np.asarray(paths.outside))
    assert enlarged(problem).region == ((-1.2, 1.2),)


def test_error_estimates_leave_a_bound_where_it_is(mine):
    problem, side = mine.problem, mine.problem.model.side
    assert sorted(side * z for z in enlarged(problem).domain[0]) == [0.0, 22.0]
    points = region_points(problem, 128)
    truth = extracted(np.abs(np.asarray(points)[:, 0]))
    error = relative_errors({"q": quantities(problem, mine.value, points)["extraction"]}, {"q": truth})["q"][0]
    paths = ab.simulate(mine, years=60, shocks=False, steps_per_year=1)
    report = validate(mine, solver=SOLVER, paths=paths)
    # moved to -2 Gt the stock would last ten years longer: a change of a third
    assert report["domain_change_extraction"] < 1e-3
    assert error < 2.5 * (report["grid_error_extraction"] + report["domain_change_extraction"]) < 0.05


@pytest.mark.slow
def test_a_box_of_bounds_truncates_nothing():
    class Tank(Mine):
        def closures(self):
            return Stock((StateConstraint(), StateConstraint()))

    solution = ab.solve(ab.HJBProblem(Tank()), dataclasses.replace(SOLVER, points=41))
    report = validate(solution, solver=dataclasses.replace(SOLVER, points=41), paths=ab.simulate(solution, years=1))
    assert result_name(solution.result) == "successful"
    assert enlarged(solution.problem).domain == solution.problem.domain
    assert report["domain_change_extraction"] == 0.0


def test_a_margin_makes_a_constraint_a_truncation():
    assert StateConstraint().is_bound
    assert not StateConstraint(extension=0.1).is_bound and not StateConstraint(truncation=True).is_bound
