"""Faces that a model leaves open are closed by `solve`, or it says on which face the answer hangs: closed forms and larger boxes."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import TIME, on_points

import abatax as ab
from abatax.models import Ambiguity, ClosedFormControl, StateConstraint, TimeAdditive, Variable
from abatax.solvers import FiniteDifference, result_name
from abatax.solvers.grid import finite_reach, is_open, is_shut
from abatax.validation import enlarged


class X(NamedTuple):
    x: Any


class Rate(NamedTuple):
    rate: Any


class Open(ClosedFormControl):
    """One state and one control from functions of both; nothing is said about the faces."""

    change: Callable = eqx.field(static=True)
    noise: Callable = eqx.field(static=True)
    flow: Callable = eqx.field(static=True)
    best: Callable = eqx.field(static=True)  # of state and slope
    region: tuple[float, float] = eqx.field(static=True)
    bounds: tuple[float, float] = eqx.field(static=True)
    preferences: TimeAdditive
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)

    name: ClassVar[str] = "open"

    @property
    def states(self):
        return X(Variable("x", "1", *self.region))

    @property
    def controls(self):
        return Rate(Variable("rate", "1/yr", *self.bounds))

    def drift(self, t, x, u, climate):
        return X(self.change(x.x, u.rate))

    def diffusion(self, t, x, u):
        return X(jnp.stack([self.noise(x.x)]))

    def utility(self, t, x, u):
        return self.flow(x.x, u.rate)

    def best_control(self, t, x, value, costate, hessian):
        return Rate(jnp.clip(self.best(x.x, costate.x), *self.bounds))

    def initial_state(self):
        return X(jnp.asarray(0.5 * sum(self.region)))


def positive(p):
    return jnp.maximum(p, 1e-12)


def investor(discount_rate):
    """Log utility of what is consumed of wealth that grows at 4 %: a share, the discount rate. The state is log wealth."""
    return Open(
        lambda x, c: 0.04 - c,
        lambda x: 0.1 + 0.0 * x,
        lambda x, c: x + jnp.log(c),
        lambda x, p: 1.0 / positive(p),
        (0.0, 2.0),
        (1e-3, 1.0),
        TimeAdditive(discount_rate),
    )


SAVER = Open(
    lambda x, c: 0.03 * x + 1.0 - c,
    lambda x: 0.0 * x,
    lambda x, c: -1.0 / c,
    lambda x, p: positive(p) ** -0.5,
    (0.0, 10.0),
    (0.05, 5.0),
    TimeAdditive(0.06),
)

WARMING = Open(
    lambda x, e: 0.02 * e,
    lambda x: 0.02 + 0.0 * x,
    lambda x, e: jnp.log(e) - 0.05 * x**2,
    lambda x, p: 1.0 / positive(-0.02 * p),
    (0.0, 4.0),
    (1e-2, 50.0),
    TimeAdditive(0.02),
)

RAMSEY = Open(
    lambda k, c: 0.3 * jnp.sqrt(k) - 0.05 * k - c,
    lambda k: 0.0 * k,
    lambda k, c: jnp.log(c),
    lambda k, p: 1.0 / positive(p),
    (0.5, 8.0),
    (1e-2, 3.0),
    TimeAdditive(0.03),
)


def policy(solution, points):
    return on_points(lambda x: solution.policy(TIME, X(x)).rate, jnp.asarray(points))


@pytest.mark.parametrize("discount_rate, side", [(0.02, 1), pytest.param(0.06, 0, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_an_investor_whose_wealth_leaves_the_box_consumes_the_discount_rate(discount_rate, side):
    # the value is linear in log wealth; without margins the solve used to stall
    solution = ab.solve(investor(discount_rate))
    report = solution.stats["faces"]
    error = np.max(np.abs(policy(solution, np.linspace(0.0, 2.0, 21)) / discount_rate - 1.0))
    assert error < min(report["change"], 3e-5)  # what the margins leave, below what the search for them reports
    assert report["chosen"]["x"][side].startswith("growth") and report["chosen"]["x"][1 - side].startswith("inflow")
    assert report["change"] <= 1e-3 and report["open"] == ""
    # what was chosen is part of the problem that is handed back
    assert is_open(ab.HJBProblem(investor(discount_rate))) and not is_open(solution.problem)
    (low, high), (bottom, top) = solution.problem.region[0], solution.problem.domain[0]
    assert bottom < low and top > high
    assert enlarged(solution.problem).domain[0][1] - high == pytest.approx(1.5 * (top - high))
    again = ab.solve(solution.problem, FiniteDifference(points=81))
    assert "faces" not in again.stats
    np.testing.assert_allclose(policy(again, np.linspace(0.0, 2.0, 21)), discount_rate, rtol=1e-4)


@pytest.mark.slow
def test_whether_debt_is_allowed_decides_and_must_be_said():
    solution = ab.solve(SAVER, throw=False)
    assert result_name(solution.result) == "open_face"
    assert solution.stats["faces"]["open"] == "x low"
    assert "low face of `x`" in solution.advice and "StateConstraint()" in solution.advice
    with pytest.raises(ab.solvers.SolverError, match="low face of `x`"):
        ab.solve(SAVER)


def test_a_regulator_needs_no_closures():
    root = 0.5 * (0.05 + np.sqrt(0.05**2 + 4.0))  # of P^2 - (2 A - delta) P - 1, A = 0.05

    class Regulator(ab.models.LinearQuadratic):
        def closures(self):
            return ab.models.AbstractModel.closures(self)

    solution = ab.solve(Regulator(), FiniteDifference(points=61))
    points = np.linspace(-3.0, 3.0, 21)
    found = on_points(lambda x: solution.policy(TIME, solution.problem.state(x[None])).control, jnp.asarray(points))
    np.testing.assert_allclose(found, -root * points, atol=1e-6)


def test_where_the_drift_holds_the_state_inside_no_margin_is_needed():
    solution = ab.solve(RAMSEY)
    assert solution.stats["faces"]["chosen"]["x"] == ["inflow", "inflow"]
    assert solution.problem.domain == solution.problem.region
    # at the steady state, where the marginal product is 8 %, output less depreciation is consumed
    k = (0.15 / 0.08) ** 2
    assert policy(solution, [k])[0] == pytest.approx(0.3 * np.sqrt(k) - 0.05 * k, rel=1e-4)


@pytest.mark.slow
def test_warming_that_leaves_above_is_as_in_a_box_three_times_as_large():
    points = np.linspace(0.0, 4.0, 21)
    solution, large = ab.solve(WARMING), ab.solve(ab.HJBProblem(WARMING, box={"x": (0.0, 12.0)}))
    assert solution.stats["faces"]["chosen"]["x"][1].startswith("growth")
    np.testing.assert_allclose(policy(solution, points), policy(large, points), rtol=1e-3)


class Clocked(NamedTuple):
    clock: Any
    wealth: Any


class Retirement(Open):
    """The investor with a calendar: what wealth is worth at its end is nowhere said."""

    @property
    def states(self):
        return Clocked(Variable("clock", "yr", 0.0, 20.0), Variable("wealth", "1", 1.0, 10.0))

    def drift(self, t, x, u, climate):
        return Clocked(jnp.ones_like(x.clock), self.change(x.wealth, u.rate))

    def diffusion(self, t, x, u):
        return Clocked(jnp.zeros(1), jnp.zeros(1))

    def utility(self, t, x, u):
        return self.flow(x.wealth, u.rate)

    def best_control(self, t, x, value, costate, hessian):
        return Rate(jnp.clip(self.best(x.wealth, costate.wealth), *self.bounds))

    def initial_state(self):
        return Clocked(jnp.asarray(0.0), jnp.asarray(5.0))


def test_a_clock_without_a_terminal_value_is_refused():
    saver = SAVER
    model = Retirement(
        *(getattr(saver, f) for f in ("change", "noise", "flow", "best", "region", "bounds", "preferences"))
    )
    with pytest.raises(ValueError, match="`clock` runs on at 1 a year and leaves its box at 20.*Growth"):
        ab.solve(model)


def test_margins_end_where_the_functions_of_the_model_end():
    model = eqx.tree_at(lambda m: m.preferences, SAVER, SAVER.preferences)
    model = Open(
        model.change,
        model.noise,
        lambda x, c: jnp.log(c) + jnp.log(x),
        model.best,
        (1.0, 10.0),
        model.bounds,
        TimeAdditive(),
    )
    problem = ab.solvers.solution.reshape_leading(ab.HJBProblem(model), (1,), 0)
    assert 0.8 < finite_reach(problem, (0, 0), 50.0) < 1.0
    assert finite_reach(problem, (0, 1), 50.0) == 50.0


def test_a_face_through_which_nothing_moves_is_shut():
    fishery = Open(
        lambda x, h: 0.3 * x * (1.0 - x) - h * x,
        lambda x: 0.2 * x,
        lambda x, h: jnp.log(h * x + 1e-9),
        lambda x, p: 1.0 / positive(p * x),
        (0.0, 1.0),
        (1e-3, 1.0),
        TimeAdditive(),
    )
    problem = ab.solvers.solution.reshape_leading(ab.HJBProblem(fishery), (1,), 0)
    assert is_shut(problem, (0, 0)) and not is_shut(problem, (0, 1))


def test_bounds_that_a_model_declares_are_kept_beside_open_faces():
    class Bounded(Open):
        def closures(self):
            return X((StateConstraint(), ab.models.Automatic()))

    model = Bounded(
        *(getattr(SAVER, f) for f in ("change", "noise", "flow", "best", "region", "bounds", "preferences"))
    )
    solution = ab.solve(model, FiniteDifference(points=81))
    assert solution.stats["faces"]["chosen"]["x"] == ["StateConstraint", "inflow"]
    assert policy(solution, [0.0])[0] == pytest.approx(1.0, abs=1e-6)
