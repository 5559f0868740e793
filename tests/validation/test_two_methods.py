"""Two methods that share nothing but the equation agree to the smaller of the errors that each reports of itself."""

import numpy as np
import pytest
from helpers import small_model

from abatax import HJBProblem, solve
from abatax.models import AKClimate, Ambiguity, ThresholdDamages
from abatax.solvers import FiniteDifference, Spectral
from abatax.validation import SAFETY, enlarged, quantities, reference, region_points, relative_errors

ROUNDING = 1e-11  # of quantities that both know exactly


def after_damage():
    """A kink at the threshold, doubt about shocks and the climate."""
    ambiguity = Ambiguity.from_penalties(shocks=1.0, climate=0.01)
    return small_model("uncertain_damages", ambiguity, phase="after_damage", damages=ThresholdDamages(curvature=0.1))


CASES = {
    "ak_climate": (
        AKClimate(productivity=None),
        FiniteDifference(points=(7, 41), levels=2),
        [Spectral(points=(4, 15)), Spectral(points=(4, 21))],
    ),
    "uncertain_damages": (after_damage(), FiniteDifference(points=121), [Spectral(points=9), Spectral(points=13)]),
}


# compiling two states takes most of the time
NAMES = [pytest.param("ak_climate", marks=pytest.mark.slow), "uncertain_damages"]


@pytest.fixture(scope="module", params=NAMES)
def case(request):
    """A reference by finite differences with spectral collocation as second method, and the spectral solutions."""
    model, finite, (coarse, fine) = CASES[request.param]
    problem = HJBProblem(model)
    spectral = [solve(problem, coarse), solve(problem, fine), solve(enlarged(problem), fine)]
    return problem, reference(problem, finite, method=fine), spectral


@pytest.mark.slow
def test_finite_differences_and_collocation_agree_to_the_smaller_of_their_reported_errors(case):
    problem, known, solutions = case
    points = region_points(problem)
    coarse, fine, moved = (quantities(s.problem, s.value, points) for s in solutions)
    found = quantities(problem, known.solution.value, points)
    gaps, by_nodes, by_box = (relative_errors(other, fine) for other in (found, coarse, moved))
    for name, gap in gaps.items():
        # what each says without having heard of the other
        parts = [np.array(known.parts[part][name][:2]) for part in ("grid", "domain", "rounding")]
        finite = SAFETY * sum(parts)
        spectral = SAFETY * (np.array(by_nodes[name][:2]) + np.array(by_box[name][:2]))
        assert np.all(np.array(gap[:2]) <= np.maximum(np.minimum(finite, spectral), ROUNDING)), name
        assert gap[1] < 1e-4


@pytest.mark.slow
def test_a_solver_is_a_second_method_of_a_reference(case):
    problem, known, solutions = case
    points = region_points(problem)
    own, other = (quantities(problem, s.value, points) for s in (known.solution, solutions[1]))
    for name, (l2, largest, _) in relative_errors(other, own).items():
        assert known.parts["method"][name][:2] == pytest.approx((l2, largest), rel=1e-6, abs=ROUNDING)
        assert known.errors[name].l2 >= SAFETY * l2
