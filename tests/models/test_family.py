"""Families of problems posed by a user, and their joint solution."""

import numpy as np
import pytest

import abatax as ab

RANGES = {"volatility": (0.1, 0.4), "control_cost": (0.5, 2.0, "log")}


@pytest.fixture(scope="module")
def family():
    return ab.ProblemFamily(ab.models.LinearQuadratic(), RANGES)


def test_a_member_has_its_parameters_and_all_others_of_the_model(family):
    problem = family.at({"volatility": 0.2, "control_cost": 1.5})
    assert float(problem.model.volatility) == 0.2 and float(problem.model.control_cost) == 1.5
    assert float(problem.model.state_cost) == float(family.model.state_cost)
    same = family.at(np.array([0.2, 1.5]))
    assert float(same.model.volatility) == 0.2


def test_ambiguity_varies_by_its_penalties():
    averse = ab.ProblemFamily(ab.models.LinearQuadratic(), {"ambiguity.shocks": (2.0, 8.0, "log")}).at(
        {"ambiguity.shocks": 4.0}
    )
    assert float(averse.model.ambiguity.shocks) == 0.25


@pytest.mark.parametrize("method", ["sobol", "latin_hypercube"])
def test_samples_fill_the_ranges_on_their_scales(family, method):
    theta = family.sample(64, method=method, seed=3)
    assert np.all(family.contains(theta)) and np.array_equal(theta, family.sample(64, method=method, seed=3))
    np.testing.assert_allclose(family.from_unit(family.to_unit(theta)), theta, rtol=1e-13)
    # a quarter of the members lies in each quarter of a range: exactly for Sobol points, and up to the strata of the hypercube
    quarters = np.sum(np.floor(4.0 * family.to_unit(theta)) == 1.0, axis=0)
    np.testing.assert_array_equal(quarters, [16, 16])
    # the middle of a logarithmic range is the geometric mean of its ends
    np.testing.assert_allclose(family.from_unit(np.full((1, 2), 0.5)), [[0.25, 1.0]])


@pytest.mark.parametrize(
    ("vary", "words"),
    [
        ({}, "`vary` is empty"),
        ({"volatillity": (0.1, 0.2)}, "unknown field `volatillity`.*volatility"),
        ({"volatility": (0.3, 0.1)}, r"`vary.volatility` is \(0.3, 0.1\); low must be below high"),
        ({"volatility": (0.0, 0.1, "log")}, "starts at 0; a range with the scale `log` must be positive"),
        ({"volatility": (0.1, 0.2, "loga")}, "scale 'loga'"),
        ({"control_cost": (-1.0, 1.0)}, "control_cost"),
    ],
)
def test_wrong_ranges_are_refused_in_one_line(vary, words):
    with pytest.raises(ValueError, match=words) as error:
        ab.ProblemFamily(ab.models.LinearQuadratic(), vary)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("theta", "words"),
    [({"volatility": 0.2}, "lacks `control_cost`"), (np.array([0.2]), "give 2 numbers: volatility, control_cost")],
)
def test_incomplete_parameters_are_refused(family, theta, words):
    with pytest.raises(ValueError, match=words):
        family.at(theta)


def test_members_solved_together_equal_members_solved_alone(family):
    solver, theta = ab.solvers.FiniteDifference(points=21), family.sample(3, seed=1)
    solved = ab.solve_family(family, theta, solver)
    x = family.model.initial_state()
    for row in theta:
        alone = ab.solve(family.at(row), solver)
        together = solved.at(dict(zip(family.names, row, strict=True)))
        assert together.problem.region == alone.problem.region
        np.testing.assert_allclose(together.at(0.0, x).controls, alone.at(0.0, x).controls, rtol=1e-9)
    with pytest.raises(ValueError, match="no member with volatility = 0.15, control_cost = 1 was solved"):
        solved.at(np.array([0.15, 1.0]))


def test_members_that_differ_in_more_than_numbers_are_refused():
    class Wider(ab.models.LinearQuadratic):
        @property
        def states(self):
            variable = super().states[0]
            return type(super().states)(variable._replace(high=1.0 + float(self.control_cost)))

    family = ab.ProblemFamily(Wider(), {"control_cost": (1.0, 2.0)})
    with pytest.raises(ValueError, match="members differ in regimes, boxes or sizes"):
        ab.solve_family(family, np.array([[1.0], [2.0]]), ab.solvers.FiniteDifference(points=21))


def test_a_missing_parameter_of_a_solved_member_is_named(family):
    solved = ab.solve_family(family, family.sample(2), ab.solvers.FiniteDifference(points=21))
    with pytest.raises(ValueError, match="lacks `control_cost`"):
        solved.at({"volatility": 0.2})
