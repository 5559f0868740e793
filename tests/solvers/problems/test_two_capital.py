"""The two-capital model in four states: research brings the technology on."""

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import TIME

import abatax as ab
from abatax.models import KnowledgeHazard, TwoCapital, derivatives


@pytest.mark.slow
def test_research_brings_the_technology_on():
    model = TwoCapital(technology=KnowledgeHazard(parity=None), damage_jump=None)
    problem = ab.HJBProblem(model, box={"log_knowledge": (2.3, 4.0)})
    # raises unless every regime converges at order 4
    solution = ab.solve(problem, ab.solvers.FiniteDifference(points=(7, 13, 7, 7), leaning=True))
    x = model.initial_state()
    value, costate, _ = derivatives(TIME, x, solution.value)
    slopes, u = model.published_slopes(x, type(x)(*costate)), solution.policy(TIME, x)
    price = solution.policy.social_cost_of_carbon(TIME, x, model.initial_additive())
    # of 9 x 17 x 9 x 9 nodes, docs/models/two_capital.md; twice the capital buys twice the research: V_k > 1
    np.testing.assert_allclose(slopes["capital"], 1.0458, atol=3e-4)
    np.testing.assert_allclose(slopes["temperature"], -0.01041, rtol=5e-3)
    np.testing.assert_allclose([u.dirty_investment, u.green_investment], [0.0608, 0.0910], rtol=2e-2)
    np.testing.assert_allclose(u.research, 0.0105, rtol=5e-2)
    np.testing.assert_allclose(price, 10.61, rtol=5e-3)
    # the technology is worth waiting for, and knowledge what it brings nearer
    after = solution.destinations[0].member(0).value(TIME, x)
    assert bool(jnp.all(after > value)) and 0.0 < float(costate[-1]) < float(after - value)
