"""Summaries of simulated paths, against numbers that are known beforehand."""

import numpy as np
import pytest
import xarray as xr
from scenario_cases import synthetic_paths

from abatax import scenarios


def test_quantiles_of_a_linear_spread():
    summary = scenarios.summarise(synthetic_paths())
    # with 101 equally spaced paths each quantile in whole percent is one of them
    factors = np.array([0.91, 0.934, 1.0, 1.066, 1.09])
    np.testing.assert_allclose(summary["emissions"], factors[:, None] * (10.0 - np.arange(5.0)), rtol=1e-14)
    np.testing.assert_allclose(summary["emissions_mean"], 10.0 - np.arange(5.0), rtol=1e-14)
    assert summary["emissions"].dims == ("quantile", "year")
    assert summary["emissions"].attrs["units"] == "GtC/yr"
    assert "regime" not in summary and summary.attrs["seed"] == 1


def test_order_of_dimensions_does_not_matter():
    paths = synthetic_paths()
    xr.testing.assert_identical(scenarios.summarise(paths.transpose("year", "realization")), scenarios.summarise(paths))


def test_jump_counts_from_the_first_year_that_starts_after_it():
    summary = scenarios.summarise(synthetic_paths(num_paths=100))
    np.testing.assert_array_equal(summary["probability_damage"], [0.0, 0.0, 0.25, 0.25, 0.5])
    expected = np.sqrt(0.25 * 0.75 / 100)  # of a share estimated from 100 independent paths
    assert float(summary["probability_damage_error"].sel(year=2022)) == pytest.approx(expected, rel=1e-14)


def test_monte_carlo_errors_of_a_normal_sample():
    count, rng = 10_000, np.random.default_rng(5)
    paths = xr.Dataset({"x": (("realization", "year"), rng.normal(size=(count, 200)))}, {"year": np.arange(200)})
    summary = scenarios.summarise(paths)
    # standard errors: 1/sqrt(n) of the mean, sqrt(pi/2)/sqrt(n) of the median; averaged over 200 independent years
    assert float(summary["x_mean_error"].mean()) == pytest.approx(0.01, rel=0.01)
    assert float(summary["x_median_error"].mean()) == pytest.approx(0.01 * np.sqrt(np.pi / 2), rel=0.05)


def test_one_path_has_no_sampling_error():
    summary = scenarios.summarise(synthetic_paths(num_paths=1))
    assert float(np.abs(summary["scc_mean_error"]).max()) == 0.0
    np.testing.assert_array_equal(summary["scc"].min("quantile"), summary["scc"].max("quantile"))


def test_what_is_not_a_number_is_not_hidden():
    paths = synthetic_paths()
    paths["scc"][3, 2] = np.nan
    summary = scenarios.summarise(paths)
    assert np.isnan(summary["scc"].sel(year=2022)).all()
    assert np.isfinite(summary["scc"].sel(year=2021)).all()


def test_share_of_paths_outside():
    assert scenarios.summarise(synthetic_paths(num_paths=100)).attrs["share_outside"] == pytest.approx(0.1)


@pytest.mark.parametrize(("quantiles", "words"), [((0.5, 0.1), "increase"), ((), "increase"), ((0.5, 1.2), "0 to 1")])
def test_quantiles_are_checked(quantiles, words):
    with pytest.raises(ValueError, match=words):
        scenarios.summarise(synthetic_paths(), quantiles)


def test_paths_are_needed():
    with pytest.raises(ValueError, match="no dimension realization"):
        scenarios.summarise(synthetic_paths().isel(realization=0))
