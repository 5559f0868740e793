"""Entries of run.json of another kind are named, whichever entry it is."""

from pathlib import Path

import pytest

from abatax.scenarios.store import check_kinds

PATH = Path("runs/first/run.json")
RUN = {
    "format": 1,
    "model": "linear_quadratic",
    "parameters": {},
    "converged": True,
    "advice": "The solution converged.",
    "results": {"initial": "successful"},
    "box": {"state": [-3.0, 3.0]},
    "extension": 1.0,
    "seed": 0,
    "iterations": 21,
    "residual_max": float("inf"),
}


def test_a_run_as_it_was_written_passes():
    check_kinds(RUN, PATH)


@pytest.mark.parametrize("name", ["converged", "advice"])
def test_what_is_missing_is_named(name):
    with pytest.raises(ValueError, match=f"`{name}` is missing"):
        check_kinds({key: value for key, value in RUN.items() if key != name}, PATH)


@pytest.mark.parametrize(
    "name, value",
    [
        ("converged", 1),
        ("advice", []),
        ("parameters", []),
        ("results", {"initial": 3}),
        ("results", 3),
        ("box", {"state": []}),
        ("box", {"state": [3.0, -3.0]}),
        ("box", {"state": [float("nan"), 3.0]}),
        ("box", {"state": {"a": 1}}),
        ("extension", "1"),
        ("seed", -1),
        ("seed", True),
        ("seed", 10**30),
        ("iterations", [1]),
        ("versions", {"jax": None}),
        ("solver", "finite_difference"),
    ],
)
def test_an_entry_of_another_kind_is_named(name, value):
    with pytest.raises(ValueError) as caught:
        check_kinds(RUN | {name: value}, PATH)
    assert f"`{name}` is" in str(caught.value) and str(PATH) in str(caught.value) and "\n" not in str(caught.value)


def test_a_list_is_no_run():
    with pytest.raises(ValueError, match="not a table"):
        check_kinds([], PATH)
