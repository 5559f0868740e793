"""Constants that only shift the value function do not cost digits."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import abatax as ab
from abatax.models import AKEconomy, Ambiguity, Derivatives, HJBProblem

TIME = jnp.zeros(())


def hamiltonian(model, emissions, worst=False):
    """At one state before the jump, for emissions, with derivatives that are about those of a solution."""
    problem, x = HJBProblem(model), model.initial_state()
    u = type(model.controls)(jnp.asarray(emissions))
    size = len(x)
    after = (jnp.linspace(0.2, -0.2, 20),)
    point = TIME, x, u, Derivatives(jnp.array(0.3), -0.05 * jnp.ones(size), -0.1 * jnp.eye(size), after)
    return problem.hamiltonian(*point, problem.worst_case(*point) if worst else None)


CLASSES = (ab.models.UncertainDamages, ab.models.TwoLayerClimate)


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize(
    "change", [{"growth": 1e300}, {"growth": -1e10}, {"volatility": 1e8}, {"initial_capital": 1e200}]
)
def test_parameters_of_capital_alone_do_not_change_the_equation(kind, change):
    penalties = {} if kind is ab.models.TwoLayerClimate else {"shocks": 1.0, "jumps": 1.0, "climate": 0.01}
    ambiguity = Ambiguity.from_penalties(**penalties)
    usual, changed = (kind(ambiguity=ambiguity, economy=AKEconomy(**options)) for options in ({}, change))
    evaluate = eqx.filter_jit(lambda model: jnp.stack([hamiltonian(model, e) for e in (0.5, 8.0)]))
    assert np.array_equal(evaluate(usual), evaluate(changed))


def test_the_worst_case_of_the_capital_shock_is_reported_without_its_constant_cost():
    # the Hamiltonian at the worst case, capital shock included, is the minimised Hamiltonian
    ambiguity = Ambiguity.from_penalties(shocks=1.0, jumps=1.0, climate=0.01)
    model = ab.models.UncertainDamages(ambiguity=ambiguity)
    problem, x = HJBProblem(model), model.initial_state()
    derivatives = Derivatives(TIME, jnp.ones(1), jnp.zeros((1, 1)))
    reply = jax.jit(lambda: problem.worst_case(TIME, x, type(model.controls)(jnp.array(8.0)), derivatives))()
    price = (1.0 - float(model.emissions_share)) / float(model.preferences.discount_rate)
    assert float(reply.shocks[0]) == pytest.approx(-price * float(model.economy.volatility), rel=1e-12)
    minimised, replied = (eqx.filter_jit(hamiltonian)(model, 8.0, worst) for worst in (False, True))
    assert float(replied) == pytest.approx(float(minimised), rel=1e-9)


@pytest.mark.parametrize(
    "name", ["ak_climate", "multi_region", "knowledge_capital", "abatement_technology", "fossil_reserves"]
)
@pytest.mark.parametrize("change", [{"growth": 1e10}, {"growth": float("nan")}, {"volatility": 1e6}])
def test_drift_and_noise_of_capital_are_bounded_if_capital_is_a_state(name, change):
    (field, value), economy = next(iter(change.items())), ab.models.default_model(name).economy
    if np.isnan(value):
        pattern = rf"`economy\.{field}` is nan"
    else:
        pattern = rf"`economy\.{field}` is .* must lie between .* digits"
    with pytest.raises(ValueError, match=pattern):
        ab.models.model_class(name)(economy=type(economy)(**change))
