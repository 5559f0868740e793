"""Recursive utility: Merton's problem in closed form, and jump terms with risk aversion."""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from wealth_cases import AbstractConsumer, LogWealth, Mood

import abatax as ab
from abatax.models import AbstractModel, Ambiguity, Derivatives, EpsteinZin, Inflow, Jump, TimeAdditive, Variable

T = jnp.zeros(())
SAFE, PREMIUM, RISK = 0.02, 0.05, 0.2  # the safe rate and the equity premium per year, the volatility of equity


class Portfolio(NamedTuple):
    share: Any  # consumption over wealth, per year
    equity: Any


class Merton(AbstractConsumer):
    """Consumption and equity with a constant opportunity set."""

    controls = property(
        lambda self: Portfolio(Variable("share", "1/yr", 1e-4, 1.0), Variable("equity", "1", -1.0, 5.0))
    )

    def additive_drift(self, t, x, u, climate):
        return LogWealth(SAFE + PREMIUM * u.equity - u.share - 0.5 * (RISK * u.equity) ** 2)

    def additive_diffusion(self, t, x, u):
        return LogWealth(jnp.stack([RISK * u.equity, jnp.zeros(())]))


@pytest.mark.parametrize(
    "rho, gamma, penalty",
    [(1.5, 5.0, np.inf), (0.6, 2.0, np.inf), (2.0, 0.8, np.inf), (0.5, 0.8, 2.0), (1.5, 0.9, 0.5), (3.0, 10.0, 0.2)],
)
def test_consumption_and_portfolio_of_mertons_problem(rho, gamma, penalty):
    # aversion to ambiguity about the shocks adds to risk aversion: Maenhout 2004, doi:10.1093/rfs/hhh003
    feared = gamma + 1.0 / penalty
    equity = PREMIUM / (feared * RISK**2)
    share = (0.04 - (1.0 - rho) * (SAFE + 0.5 * PREMIUM * equity)) / rho
    # V - log W from the first-order condition of consumption, share^rho = delta exp((rho - 1) V)
    level = (rho * np.log(share) - np.log(0.04)) / (rho - 1.0)
    model = Merton(EpsteinZin(0.04, rho, gamma), Ambiguity.from_penalties(shocks=penalty))
    residual, policy = solved_by(ab.HJBProblem(model), jnp.asarray(level))
    assert abs(float(residual)) < 1e-10
    assert float(policy.equity) == pytest.approx(equity, rel=1e-8)
    assert float(policy.share) == pytest.approx(share, rel=1e-8)


@eqx.filter_jit
def solved_by(problem, level):
    """The residual of a value that is constant but for wealth, and the best policy."""
    x, flat = problem.model.initial_state(), Derivatives(level, jnp.zeros(1), jnp.zeros((1, 1)))
    u = problem.best_control(T, x, flat)
    return problem.hamiltonian(T, x, u, flat), u


def test_risk_aversion_at_unit_elasticity_is_an_aversion_to_shocks():
    averse = ab.HJBProblem(Merton(EpsteinZin(0.04, 1.0, 5.0)))
    doubtful = ab.HJBProblem(Merton(EpsteinZin(0.04), Ambiguity(shocks=4.0)))
    u = Portfolio(jnp.array(0.03), jnp.array(0.7))
    derivatives = Derivatives(jnp.array(-1.0), jnp.array([0.3]), jnp.array([[-0.2]]))
    point = T, averse.model.initial_state(), u, derivatives
    np.testing.assert_allclose(averse.hamiltonian(*point), doubtful.hamiltonian(*point), rtol=1e-13)
    # risk aversion is not ambiguity: the worst case is the baseline, at no cost
    worst = averse.worst_case(*point)
    assert not np.any(worst.shocks)
    np.testing.assert_allclose(averse.hamiltonian(*point, worst=worst), averse.hamiltonian(*point), rtol=1e-13)


class Shift(NamedTuple):
    effort: Any


class Calm(AbstractModel):
    """A level of log consumption that a jump changes; nothing else happens."""

    preferences: Any
    ambiguity: Ambiguity
    level: Any
    outcomes: Any
    shaken: bool = eqx.field(static=True, default=False)
    states = property(lambda self: Mood(Variable("mood", "1", -1.0, 1.0)))
    controls = property(lambda self: Shift(Variable("effort", "1", -1.0, 1.0)))

    @property
    def regime(self):
        return "shaken" if self.shaken else "calm"

    def drift(self, t, x, u, climate):
        return Mood(-0.1 * x.mood)

    def diffusion(self, t, x, u):
        return Mood(jnp.array([0.1]))

    def utility(self, t, x, u):
        return self.level - 0.5 * u.effort**2

    def initial_state(self):
        return Mood(jnp.array(0.0))

    def closures(self):
        return Mood((Inflow(), Inflow()))

    def jumps(self):
        if self.shaken:
            return ()
        after = eqx.filter_vmap(lambda level: Calm(self.preferences, self.ambiguity, level, self.outcomes, True))
        return (
            Jump(
                intensity=lambda t, x, u: jnp.array(0.1),
                land=lambda x: x,
                probabilities=jnp.array([0.3, 0.7]),
                destination=after(self.outcomes),
                name="shock",
            ),
        )


@pytest.mark.parametrize("rho, gamma, aversion", [(1.0, 4.0, 0.0), (1.0, 0.4, 0.0), (1.5, 3.0, 0.5), (0.5, 0.5, 2.0)])
def test_jump_terms_with_risk_aversion_and_ambiguity(rho, gamma, aversion):
    outcomes, prior, delta = np.array([-1.0, 0.3]), np.array([0.3, 0.7]), 0.05

    def equation(v):
        flow = -delta * v if rho == 1.0 else delta / (1.0 - rho) * np.expm1(-(1.0 - rho) * v)
        worth = -np.expm1(-(gamma - 1.0) * (outcomes - v)) / (gamma - 1.0)
        robust = worth if aversion == 0.0 else -np.expm1(-aversion * worth) / aversion
        return flow + 0.1 * prior @ robust

    exact = scipy.optimize.brentq(equation, -1.0, 0.3, xtol=1e-14)
    model = Calm(EpsteinZin(delta, rho, gamma), Ambiguity(jumps=aversion), jnp.zeros(()), jnp.asarray(outcomes))
    x, u, after = model.initial_state(), Shift(jnp.zeros(())), (jnp.asarray(outcomes),)
    point = T, x, u, Derivatives(jnp.asarray(exact), jnp.zeros(1), jnp.zeros((1, 1)), after)
    problem = ab.HJBProblem(model)
    assert abs(float(problem.hamiltonian(*point))) < 1e-14
    worst = problem.worst_case(*point)
    np.testing.assert_allclose(
        worst.jumps[0], np.exp(-aversion * np.asarray(model.preferences.jump_gain(after[0] - exact)))
    )
    assert abs(float(problem.hamiltonian(*point, worst=worst))) < 1e-14


def test_unit_risk_aversion_is_expected_utility():
    # exactly, with the derivative of the general case
    outcomes = jnp.array([-0.4, 0.2])
    np.testing.assert_array_equal(EpsteinZin().jump_gain(outcomes), outcomes)
    assert float(EpsteinZin().risk_term(outcomes)) == 0.0 == float(TimeAdditive().risk_term(outcomes))
    slope = eqx.filter_grad(lambda p: jnp.sum(p.jump_gain(outcomes)))(EpsteinZin()).risk_aversion
    np.testing.assert_allclose(slope, -0.5 * np.sum(np.asarray(outcomes) ** 2), rtol=1e-12)


def test_risk_aversion_must_be_positive():
    with pytest.raises(ValueError, match="`risk_aversion` is 0.0; it must be finite and > 0"):
        EpsteinZin(risk_aversion=0.0)


def test_knowledge_capital_with_risk_aversion_solves_its_equation():
    model = ab.models.KnowledgeCapital(preferences=EpsteinZin(0.01, 0.66, 5.0))
    doubtful = ab.models.KnowledgeCapital(preferences=EpsteinZin(0.01, 0.66), ambiguity=Ambiguity(shocks=4.0))
    np.testing.assert_allclose(model.clean_value(), doubtful.clean_value(), rtol=1e-13)
