"""The one-dimensional limit of the fossil-reserve model: its equation, the published paths, and the far end of the model."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fossil_cases import CASES, PENALTY, benchmark, certainty_equivalent, make
from helpers import TIME

from abatax.validation import FossilLimit


@pytest.mark.parametrize("penalty", [PENALTY, np.inf])
def test_plentiful_reserves_reproduce_the_weighted_limit(penalty):
    # the source gives 0.2 % as the distance of this limit from the whole model
    limit, script = FossilLimit(make(0.5, penalty)), benchmark()
    np.testing.assert_allclose([limit.investment, limit.growth], [0.09, 0.02], rtol=1e-12)
    path = limit.path()
    rows = script.at_years(path["scc"], path["emissions"], path["cumulative_emissions"])
    for found, expected in zip(rows, script.LIMIT["weighted", penalty], strict=True):
        np.testing.assert_allclose(found, expected, rtol=2e-3)


@pytest.mark.parametrize("weight, penalty", CASES)
def test_limit_solves_its_equation(weight, penalty):
    # the value's derivative, by central differences, is the slope; emissions maximise; both from the other formula
    limit = FossilLimit(make(weight, penalty))
    for carbon in (300.0, 1000.0, 3000.0):
        slope = (limit.carbon_value(carbon + 0.5) - limit.carbon_value(carbon - 0.5)) / 1.0
        np.testing.assert_allclose(slope, limit.slope(carbon), rtol=1e-4)
        e = float(limit.emissions(carbon)) * np.array([0.98, 1.0, 1.02])
        worst = [certainty_equivalent(v, carbon, weight, penalty) for v in e]
        right = 0.00032 * np.log(e) + e * limit.slope(carbon) + worst
        np.testing.assert_allclose(right[1], 0.01 * limit.carbon_value(carbon), rtol=1e-8)
        assert right[1] > right[0] and right[1] > right[2]


def test_limit_does_not_depend_on_where_it_starts():
    model = make()
    near, far = FossilLimit(model, top=5000.0), FossilLimit(model, top=12000.0)
    at = np.array([290.0, 1500.0])
    np.testing.assert_allclose(near.emissions(at), far.emissions(at), rtol=1e-7)


@eqx.filter_jit
def far_slope(model, carbon):
    closure = model.closures().cumulative_emissions[1]

    def slope(carbon):
        return closure.slope(TIME, type(model.states)(jnp.array(5.0), carbon, jnp.array(7.0)))

    return jax.value_and_grad(slope)(carbon)


@pytest.mark.parametrize("weight, penalty", CASES)
@pytest.mark.representative("0.5-inf")
def test_slope_at_the_far_end_is_that_of_the_limit(weight, penalty):
    model = make(weight, penalty)
    limit = FossilLimit(model)
    # what is left out is a share E / (delta F) of the slope: tens of per cent of it for low damages, yet the slope itself
    # is a small part of what a tonne costs there
    for carbon in (5000.0, 8000.0):
        cost = 0.00032 / float(limit.emissions(carbon))
        assert abs(float(far_slope(model, jnp.array(carbon))[0]) - limit.slope(carbon)) < 0.03 * cost
    (above, _), (below, _), (_, bend) = (far_slope(model, jnp.array(f)) for f in (4321.5, 4320.5, 4321.0))
    np.testing.assert_allclose(bend, above - below, rtol=1e-5)
