"""Solutions of the abatement-technology model: complete abatement, the best path, moved boxes, orders, a second method."""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import TIME

import abatax as ab
from abatax.models import (
    AbatementTechnology,
    AbstractModel,
    AKEconomy,
    Ambiguity,
    Ensemble,
    TCREClimate,
    TimeAdditive,
    Variable,
    derivatives,
)
from abatax.solvers import FiniteDifference, Spectral

CURVATURE = 0.1


def last_stage(curvature=CURVATURE, **fields):
    """After the first breakthrough, damages known: what comes next is known in closed form."""
    model = AbatementTechnology(**fields)
    damages = dataclasses.replace(model.damages, curvature=curvature)
    better = model.progress.improve(model.abatement)
    return dataclasses.replace(model, damages=damages, abatement=better, phase="improved_revealed")


def solve(model, points=(17, 61), order=4, **options):
    return ab.solve(ab.HJBProblem(model, **options), FiniteDifference(points=points, order=order))


def at(solution, temperature=None, log_capital=None):
    """Value, costate, investment, emissions and social cost at the start or beside it."""
    model, policy = solution.problem.model, solution.policy
    x = model.initial_state()
    if temperature is not None:
        x = x._replace(temperature=jnp.asarray(temperature))
    if log_capital is not None:
        x = x._replace(log_capital=jnp.asarray(log_capital))
    value, costate, _ = derivatives(TIME, x, solution.value)
    u = policy(TIME, x)
    cost = policy.social_cost_of_carbon(TIME, x, model.initial_additive())
    return np.asarray(jnp.stack([value, *costate, u.investment, u.emissions, cost]))


@pytest.fixture(scope="module")
def usual():
    return solve(last_stage())


# -- complete abatement ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("penalty", [np.inf, 5.0])
def test_where_abatement_is_complete_the_value_is_the_closed_form(penalty):
    model = last_stage(1.0 / 3.0, ambiguity=Ambiguity.from_penalties(shocks=penalty, jumps=penalty))
    solution = solve(model)
    value, slope, warming, investment, emissions, _ = at(solution, 3.0, 8.0)
    clean = model.clean_value()
    assert emissions == 0.0 and abs(warming) < 1e-2  # the slope at the start is -4.9: what is left of the front's kink
    assert value == pytest.approx(800.0 + float(clean.constant), abs=1e-3)
    assert slope == pytest.approx(100.0, abs=1e-3)
    # investment of an economy whose productivity is lower by the cost of abatement; as exact as the slope in capital
    poorer = AKEconomy(productivity=0.115 * (1.0 - 0.0453 / 2.0))
    assert investment == pytest.approx(float(poorer.best_investment(jnp.asarray(0.01))), rel=1e-5)


@pytest.mark.slow
def test_never_to_emit_is_worth_less(usual):
    model = usual.problem.model
    value = at(usual)[0]
    clean = float(model.clean_value()(TIME, model.initial_state()))
    assert (
        clean < value < float(dataclasses.replace(model, phase="complete").clean_value()(TIME, model.initial_state()))
    )


@pytest.mark.slow
def test_log_capital_is_not_additive(usual):
    # capital brings emissions: its log is worth less than 1/delta where emissions still rise with it
    assert at(usual)[1] < 99.8
    assert at(usual, 3.0, 8.0)[1] > at(usual)[1]


# -- without noise: the best path -----------------------------------------------------------------------------------


class Shares(NamedTuple):
    investment: Any
    abated: Any


class Path(AbstractModel):
    """A regime without noise until the next breakthrough, whose value counts as a flow; controls of comparable size."""

    model: AbatementTechnology
    preferences: TimeAdditive
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)

    @property
    def states(self):
        return self.model.states

    @property
    def controls(self):
        return Shares(Variable("investment", "1/yr", 0.0, 0.1), Variable("share abated", "1", 0.0, 1.0))

    @property
    def ensemble(self):
        return self.model.ensemble

    def of(self, x, u):
        baseline = self.model.abatement.baseline(self.model.economy.productivity * jnp.exp(x.log_capital))
        return type(self.model.controls)(u.investment, baseline * (1.0 - u.abated))

    def drift(self, t, x, u, climate):
        return self.model.drift(t, x, self.of(x, u), climate)

    def diffusion(self, t, x, u):
        return self.model.diffusion(t, x, self.of(x, u))

    @property
    def additive(self):
        return self.model.additive

    def additive_costates(self):
        return self.model.additive_costates()

    def additive_drift(self, t, x, u, climate):
        return self.model.additive_drift(t, x, self.of(x, u), climate)

    def utility(self, t, x, u):
        after = dataclasses.replace(self.model, phase="complete").clean_value()
        return self.model.utility(t, x, self.of(x, u)) + self.model.progress.rate * after(t, x)

    def initial_state(self):
        return self.model.initial_state()


@pytest.mark.slow
def test_without_noise_the_solution_is_the_best_path():
    climate = TCREClimate(Ensemble.certain(1.86e-3), relative_volatility=0.0)
    model = last_stage(economy=AKEconomy(volatility=0.0), climate=climate)
    x = model.initial_state()._replace(temperature=jnp.asarray(2.2))
    path = Path(model, TimeAdditive(0.01 + 0.05))
    value, costate, _ = ab.validation.OpenLoop(path, horizon=160.0, nodes=41, steps=200).solve(x)
    found = at(solve(model, points=(25, 61)), 2.2)
    # a path of 41 nodes is a feasible policy; what comes after 160 years, at 6 % a year, weighs 7e-5 of a unit
    assert 0.0 < found[0] - float(value) < 3e-3
    assert found[1] == pytest.approx(float(costate.log_capital), rel=2e-5)
    assert found[2] == pytest.approx(float(costate.temperature), rel=5e-4)
    u = model.best_control(TIME, x, value, costate, jnp.zeros((2, 2)))
    assert found[4] == pytest.approx(float(u.emissions), rel=1e-4)


# -- grids, boxes, methods --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_larger_box_and_a_finer_grid_change_nothing(usual):
    here = at(usual)
    larger = at(solve(last_stage(), (21, 71), box={"log_capital": (5.5, 9.0)}, extension=1.5))
    finer = at(solve(last_stage(), (33, 81)))
    for other in (larger, finer):
        np.testing.assert_allclose(other[:2], here[:2], rtol=2e-5)
        np.testing.assert_allclose(other[3:5], here[3:5], rtol=5e-4)
        np.testing.assert_allclose(other[5], here[5], rtol=2e-3)


@pytest.mark.slow
def test_first_order_approaches_fourth(usual):
    here = at(usual)
    coarse, fine = (np.abs(at(solve(last_stage(), points, order=1)) / here - 1.0) for points in ((13, 41), (49, 161)))
    assert coarse[4] < 0.01 and fine[4] < 0.5 * coarse[4] and fine[5] < 0.5 * coarse[5]


@pytest.mark.slow
def test_collocation_agrees_while_abatement_is_partial():
    # no kink of damages and a box without complete abatement: smooth, as polynomials need it
    model = last_stage(0.0)
    problem = ab.HJBProblem(model, box={"log_capital": (6.0, 7.5)})
    second = ab.solve(problem, Spectral(points=13))
    first = ab.solve(problem, FiniteDifference(points=(25, 41)))
    np.testing.assert_allclose(at(second), at(first), rtol=1e-3)
