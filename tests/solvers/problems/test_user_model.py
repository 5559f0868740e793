"""A model written by a user in ten plain lines, without a closed form: the numerical maximiser finds the same answer."""

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import TIME, at_states, stabilising_root

from abatax import HJBProblem, simulate, solve
from abatax.models import AbstractModel, Ambiguity, LinearQuadratic, StateConstraint, TimeAdditive, Variable
from abatax.solvers import FiniteDifference, result_name

# maximise() stops at 1e-13 in the control; the residual is flat there, so that values agree to rounding / delta.
AGREEMENT = 1e-8

SOLVER = FiniteDifference(points=41)
INSIDE = np.linspace(-2.5, 2.5, 101)[:, None]


class Gap(NamedTuple):
    gap: jax.Array


class Effort(NamedTuple):
    effort: jax.Array


class Thermostat(AbstractModel):
    """Keep a temperature near its target: the one-dimensional regulator, with parameters that are plain floats."""

    inertia: float = 0.05
    noise: float = 0.3
    preferences: TimeAdditive = eqx.field(default_factory=lambda: TimeAdditive(0.05))
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)

    name: ClassVar[str] = "thermostat"

    @property
    def states(self):
        return Gap(Variable("gap", "degC", -3.0, 3.0))

    @property
    def controls(self):
        return Effort(Variable("effort", "degC/yr", -50.0, 50.0))

    def drift(self, t, x, u, climate):
        return Gap(self.inertia * x.gap + u.effort)

    def diffusion(self, t, x, u):
        return Gap(jnp.array([self.noise]))

    def utility(self, t, x, u):
        return -0.5 * x.gap**2 - 0.5 * u.effort**2

    def closures(self):
        return Gap((StateConstraint(), StateConstraint()))

    def initial_state(self):
        return Gap(jnp.array(1.0))


@pytest.fixture(scope="module", params=[pytest.param(np.inf, marks=pytest.mark.slow), 0.5])
def both(request):
    """The user's model and the package's, solved."""
    ambiguity = Ambiguity(shocks=1.0 / request.param)
    models = Thermostat(ambiguity=ambiguity), LinearQuadratic(ambiguity=ambiguity)
    return [solve(HJBProblem(model), SOLVER) for model in models]


def test_numerical_maximiser_finds_the_closed_form(both):
    assert [result_name(s.result) for s in both] == ["successful", "successful"]
    mine, theirs = (at_states(s, INSIDE) for s in both)
    for found, expected in zip(mine[:3], theirs[:3], strict=True):
        np.testing.assert_allclose(found, expected, atol=100 * AGREEMENT)  # second derivatives: divided by h^2
    np.testing.assert_allclose(mine[0], theirs[0], atol=AGREEMENT)
    np.testing.assert_allclose(mine[3].effort, theirs[3].control, atol=AGREEMENT)


def test_steps_are_those_of_the_closed_form(both):
    # an inexact maximiser would cost Newton's method its quadratic convergence
    assert both[0].stats["steps"] <= both[1].stats["steps"] + 2


def test_it_is_the_exact_solution(both):
    root, constant = stabilising_root(both[1].problem.model)
    value = at_states(both[0], INSIDE)[0]
    np.testing.assert_allclose(value, -0.5 * root[0, 0] * INSIDE[:, 0] ** 2 - constant, atol=AGREEMENT)


def test_it_can_be_simulated(both):
    # e^{(A - P) t} is what a linear feedback does without shocks; Euler steps of a quarter of a year exactly
    paths = simulate(both[0], years=3, shocks=False)
    root, _ = stabilising_root(both[1].problem.model)
    steps = 1.0 + 0.25 * (0.05 - root[0, 0])
    np.testing.assert_allclose(paths.states.gap[0], steps ** (4.0 * np.arange(4)), atol=1e-8)
    np.testing.assert_allclose(paths.controls.effort, -root[0, 0] * paths.states.gap, atol=1e-8)


def test_it_has_neutral_defaults():
    model = Thermostat()
    assert model.jumps() == () and model.additive == () and model.regime == "initial"
    assert model.observables(TIME, model.initial_state(), Effort(jnp.array(0.0)), model.initial_additive()) == {}
    assert model.ensemble.values.shape == (1,)


def test_incomplete_models_cannot_be_made():
    class Half(AbstractModel):
        preferences: TimeAdditive
        ambiguity: Ambiguity

    with pytest.raises(TypeError, match="abstract"):
        Half(TimeAdditive(), Ambiguity())
