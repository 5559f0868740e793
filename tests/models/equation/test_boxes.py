"""The box of a problem: regions, margins, and refused input."""

import re

import pytest

from abatax import HJBProblem
from abatax.models import MODELS, AbstractModel, AKClimate, LinearQuadratic, default_model
from abatax.solvers import FiniteDifference


def test_box_replaces_the_region_of_interest():
    problem = HJBProblem(LinearQuadratic(dimension=2), box={"state_2": (-1.0, 2.0)})
    assert problem.region == ((-3.0, 3.0), (-1.0, 2.0))
    assert problem.domain == problem.region  # state constraints have no margin


@pytest.mark.parametrize("extension", [0.5, 1.0, 2.0])
def test_margins_are_scaled_by_the_extension(extension):
    problem = HJBProblem(AKClimate(productivity=None), extension=extension)
    assert problem.region == ((4.0, 9.0), (0.1, 4.0))
    assert problem.domain == ((4.0, 9.0), (0.1, 4.0 + 8.0 * extension))
    assert problem.replace(extension=3.0).domain[1] == (0.1, 28.0)


def test_replacing_the_model_keeps_the_box():
    problem = HJBProblem(LinearQuadratic(), box={"state": (-1.0, 1.0)}, extension=2.0)
    moved = problem.replace(model=LinearQuadratic(volatility=0.1))
    assert (moved.region, moved.extension, float(moved.model.volatility)) == (((-1.0, 1.0),), 2.0, 0.1)


@pytest.mark.parametrize(
    "box, words",
    [
        ({"state": (1.0, -1.0)}, "box `state`: low 1 must be below high -1"),
        ({"state": (1.0, 1.0)}, "box `state`: low 1 must be below high 1"),
        ({"state": (float("nan"), 1.0)}, "box `state`: low nan must be below high 1"),
        ({"sate": (0.0, 1.0)}, "box: unknown state `sate`; the states are state"),
        ({"state": (float("-inf"), 1.0)}, "box `state`"),
    ],
)
def test_wrong_boxes_are_named(box, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        HJBProblem(LinearQuadratic(), box=box)


@pytest.mark.parametrize("extension", [0.0, -1.0, float("nan")])
def test_extension_must_be_positive(extension):
    with pytest.raises(ValueError, match="`extension` is .*; it must be > 0"):
        HJBProblem(LinearQuadratic(), extension=extension)


def test_a_start_outside_the_box_is_named():
    problem = HJBProblem(LinearQuadratic(), box={"state": (5.0, 6.0)})
    with pytest.raises(ValueError, match="`state` starts at 1, outside its box of"):
        problem.check_start()


@pytest.mark.parametrize("name", MODELS)
def test_suggested_nodes_are_for_states_and_resolve_the_kinks(name):
    model = default_model(name)
    if not isinstance(model, AbstractModel):
        return  # a path in discrete time has no grid
    problem, suggested = HJBProblem(model), model.grid_points()
    assert set(suggested) <= set(model.states._fields)
    counts, least = FiniteDifference().counts(problem), FiniteDifference().fewest(problem)
    for state, count, fewest in zip(model.states._fields, counts, least, strict=True):
        assert count == max(suggested.get(state, count), fewest)
    asked = tuple(count + 2 for count in counts)
    assert FiniteDifference(points=asked).counts(problem) == asked


def test_default_nodes_of_models_with_several_states_are_those_of_the_documentation():
    assert FiniteDifference().counts(HJBProblem(default_model("fossil_reserves"))) == (33, 61, 7)
    assert FiniteDifference().counts(HJBProblem(default_model("knowledge_capital"))) == (7, 31, 9)
    assert FiniteDifference().counts(HJBProblem(default_model("net_zero"))) == (15, 17, 25)
