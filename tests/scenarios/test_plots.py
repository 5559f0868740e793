"""The figures that solutions, paths and validations draw of themselves."""

import matplotlib
import numpy as np
import pytest
import xarray as xr

import abatax as ab
from abatax.validation import Row, ValidationReport

matplotlib.use("Agg")


@pytest.fixture(scope="module")
def solution():
    return ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), ab.solvers.FiniteDifference(points=41))


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def test_a_solution_draws_its_policy_along_a_state(solution):
    axes = solution.plot("state")
    x, y = axes[0].lines[0].get_data()
    data = solution.to_dataset()
    # dimensionless controls are drawn in per cent
    np.testing.assert_allclose(y, 100.0 * np.interp(x, data.state.values, data.control.values), rtol=1e-12)
    assert axes[-1].get_xlabel()
    with pytest.raises(ValueError, match="`state` is 'warmth'; the states are state"):
        solution.plot("warmth")


def test_drifts_of_the_worst_case_are_drawn_if_there_is_ambiguity(solution):
    averse = ab.models.LinearQuadratic(ambiguity=ab.models.Ambiguity.from_penalties(shocks=1.0))
    other = ab.solve(ab.HJBProblem(averse), ab.solvers.FiniteDifference(points=41))
    titles = [[ax.get_title(loc="left").lower() for ax in s.plot("state")] for s in (solution, other)]
    assert [sum("worst-case" in title for title in each) for each in titles] == [0, 1]


def test_errors_of_a_constant_policy_are_not_magnified():
    x = np.linspace(0.0, 1.0, 21)
    for deviation, least in ((1e-6, 0.5), (0.1, 0.1)):
        control = "x", 5.0 + 0.5 * deviation * np.cos(9.0 * x), {"units": "GtC/yr"}
        data = xr.Dataset({"control": control, "value": ("x", x)}, {"x": x})
        low, high = ab.scenarios.value_and_policy(data).axes[0].get_ylim()
        assert least <= (high - low) / (44.0 / 12.0) < 1.5 * least


def test_a_backend_that_turns_interactive_mode_on_keeps_it(monkeypatch):
    from matplotlib import pyplot

    def loading(*args, original=pyplot.figure, **kwargs):
        matplotlib.interactive(True)  # as the backend of notebooks, which the first figure loads
        return original(*args, **kwargs)

    monkeypatch.setattr(pyplot, "figure", loading)
    try:
        ab.scenarios.new_panel(shown=True)
        assert matplotlib.is_interactive()
    finally:
        matplotlib.interactive(False)


def test_paths_draw_the_median_of_their_realizations(solution):
    paths = ab.simulate(solution, years=5, num_paths=50)
    (ax,) = paths.plot(["state"])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.median(np.asarray(paths.states.state), axis=0))
    with pytest.raises(ValueError, match="`names` contains `warmth`"):
        paths.plot(["warmth"])
    with pytest.raises(ValueError, match="`names` is empty; name one or more of state"):
        paths.plot([])


def test_a_validation_draws_what_it_exceeds_to_the_right_of_the_line():
    rows = Row("small", 1e-6, "1", 1e-3, ""), Row("large", 2e-2, "1", 1e-2, ""), Row("other", 1.0, "1", None, "")
    (ax,) = ValidationReport(rows).plot()
    places = [line.get_xdata()[0] for line in ax.lines[:2]]
    np.testing.assert_allclose(places, [1e-3, 2.0])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["small", "large"]
