"""References: the estimated error against the true one on problems with exact solutions, and when there is no reference."""

import dataclasses
import importlib.util
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import abatax as ab
from abatax.validation import SAFETY, NoReferenceError, Reference, reference, validate
from abatax.validation.errors import measured_order

_FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "reference_calibration.py"
_SPEC = importlib.util.spec_from_file_location("reference_calibration", _FILE)
assert _SPEC is not None and _SPEC.loader is not None
calibration = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(calibration)

PROBLEM = ab.HJBProblem(ab.models.LinearQuadratic())
SOLVER = ab.solvers.FiniteDifference(points=41, levels=2, order=1)


@pytest.fixture(scope="module")
def ratios():
    """Estimated over true errors of the cases seen so far."""
    return {}


def test_there_are_thirty_different_cases():
    assert len({(str(c), c.points, c.order) for c in calibration.CASES}) == 30


# compiling the kernels of three states takes most of the time
NUMBERED = [
    pytest.param(n, id=f"{n}-{case.model}", marks=[pytest.mark.slow] if len(case.points) == 3 else [])
    for n, case in enumerate(calibration.CASES)
]


@pytest.mark.parametrize("number", NUMBERED)
@pytest.mark.representative("0-linear_quadratic")
def test_no_estimate_is_below_the_true_error(number, ratios):
    case = calibration.CASES[number]
    ratios[number] = calibration.ratios(case)
    for quantity, (l2, largest, _) in ratios[number].items():
        assert l2 >= 1.0 and largest >= 1.0, f"{case}: {quantity} {l2:.2f} {largest:.2f}"


def test_the_median_estimate_is_within_ten_times_the_true_error(ratios):
    if not ratios:
        pytest.skip("the cases were not selected")
    every = [r for case in ratios.values() for l2, largest, _ in case.values() for r in (l2, largest)]
    assert np.median(every) <= 10.0


@pytest.fixture(scope="module")
def first_order():
    return reference(PROBLEM, SOLVER)


def test_errors_are_given_for_every_quantity_from_every_part(first_order):
    assert set(first_order.errors) == {"value", "slope_state", "control"}
    # a scheme of first order is compared with the second-order one, which is exact here: the parts are true errors
    assert set(first_order.parts) == {"grid", "domain", "method", "rounding"}
    table, plain = str(first_order), first_order.to_dict()
    assert "slope_state" in table and "rounding" in table
    assert plain["errors"]["control"]["l2"] == first_order.errors["control"].l2 > 0.0


def test_the_measured_order_is_one_for_the_upwind_scheme(first_order):
    assert 0.8 < first_order.errors["control"].order < 1.3


def test_a_second_method_that_disagrees_is_heard(first_order):
    exact = ab.validation.riccati(ab.models.LinearQuadratic())
    wrong = dataclasses.replace(exact, matrix=1.5 * exact.matrix)
    fine = dataclasses.replace(SOLVER, order=4)
    good = reference(PROBLEM, fine, method=exact)
    assert good.errors["control"].l2 < 1e-12
    bad = reference(PROBLEM, fine, method=wrong, solution=good.solution)
    assert bad.errors["control"].l2 == pytest.approx(SAFETY * 0.5, rel=1e-6)
    assert reference(PROBLEM, fine, method=first_order.solution, solution=good.solution).errors["control"].l2 > 1e-2


@pytest.mark.parametrize("ratio, before, order", [(2.0, 2.0, 4.0), (2.0, 4 / 3, 2.0), (1.5, 1.25, 3.0)])
def test_the_order_is_found_from_three_unequal_grids(ratio, before, order):
    # errors C h^p on spacings 1, ratio, ratio * before
    errors = [h**order for h in (1.0, ratio, ratio * before)]
    assert measured_order(errors[1] - errors[0], errors[2] - errors[1], ratio, before) == pytest.approx(order)


def test_a_solve_that_did_not_converge_is_no_reference():
    with pytest.raises(NoReferenceError, match="did not converge"):
        reference(PROBLEM, SOLVER, max_steps=2)


def test_a_companion_that_did_not_converge_is_no_reference():
    # the control reaches 50 per year: enough to hold the state at 3, where 43.5 is needed, not at 3.6 (52.2)
    problem, solver = ab.HJBProblem(ab.models.LinearQuadratic(feedback=14.5)), dataclasses.replace(SOLVER, order=4)
    with pytest.raises(NoReferenceError, match="larger box"):
        reference(problem, solver)


def test_nan_is_no_reference(first_order):
    with pytest.raises(NoReferenceError, match="finite"):
        reference(PROBLEM, SOLVER, method=lambda t, x: jnp.nan * x[0], solution=first_order.solution)


def test_a_solution_of_another_grid_or_problem_is_refused(first_order):
    with pytest.raises(ValueError, match="solver.points"):
        reference(PROBLEM, dataclasses.replace(SOLVER, points=45), solution=first_order.solution)
    other = PROBLEM.replace(box={"state": (-2.0, 3.0)})
    with pytest.raises(ValueError, match="another problem"):
        reference(other, SOLVER, solution=first_order.solution)


@pytest.mark.slow
def test_validate_tells_the_errors_of_its_reference(first_order):
    solution = ab.solve(PROBLEM, dataclasses.replace(SOLVER, order=4))
    report = validate(solution, first_order, paths=ab.simulate(solution, years=2, num_paths=4))
    assert isinstance(first_order, Reference)
    assert report["error_control"] <= report["reference_error_control"] == first_order.errors["control"].l2
