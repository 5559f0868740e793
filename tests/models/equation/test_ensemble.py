"""Ensembles of climate sensitivities: published moments, files in four units, and what is wrong with a bad file."""

import re

import jax.numpy as jnp
import numpy as np
import pytest

from abatax.models import Ensemble, load_ensemble

# Six decimals are published; members are shifted and stretched to them, which is exact.
MOMENTS = 1e-12
# The tails are discretised: a member at the midpoint of its share, and stretched (models.md section 6).
QUANTILES = 0.03


def test_published_moments():
    values = np.asarray(Ensemble.published().values)
    assert values.shape == (144,)
    np.testing.assert_allclose(values.mean(), 1.861949e-3, rtol=MOMENTS)
    np.testing.assert_allclose(values.std(ddof=1), 0.418247e-3, rtol=MOMENTS)


@pytest.mark.parametrize(
    "probability, quantile", [(0.05, 1.1976), (0.25, 1.5233), (0.5, 1.8696), (0.75, 2.1089), (0.95, 2.5824)]
)
def test_published_quantiles(probability, quantile):
    values = 1e3 * np.asarray(Ensemble.published().values)
    np.testing.assert_allclose(np.quantile(values, probability), quantile, rtol=QUANTILES)


def test_assessed_likely_range():
    # 17 and 83 % at 1.0 and 2.3 degC per 1000 GtC; quantiles of 100 members are half a per cent coarse
    values = 1e3 * np.asarray(Ensemble.assessed().values)
    np.testing.assert_allclose(np.quantile(values, [0.17, 0.83]), [1.0, 2.3], rtol=0.01)
    np.testing.assert_allclose(values.mean(), 1.65, rtol=MOMENTS)


@pytest.mark.parametrize("ensemble", [Ensemble.published(), Ensemble.assessed(), Ensemble.assessed(1000)])
def test_emissions_warm_in_every_member(ensemble):
    # a file with a sensitivity below 1e-4 degC/GtC is refused as a unit mistake: ours have none either
    assert np.all(np.asarray(ensemble.values) > 1e-4)


@pytest.mark.parametrize("ensemble", [Ensemble.published(), Ensemble.assessed(), Ensemble([1.0, 2.0], [0.25, 0.75])])
def test_mean_and_standard_deviation_are_those_of_the_prior(ensemble):
    values, weights = np.asarray(ensemble.values), np.asarray(ensemble.weights)
    np.testing.assert_allclose(weights.sum(), 1.0, rtol=1e-14)
    np.testing.assert_allclose(ensemble.mean, weights @ values, rtol=1e-14)
    variance = weights @ (values - weights @ values) ** 2
    np.testing.assert_allclose(ensemble.standard_deviation, np.sqrt(variance), rtol=1e-12)  # cancellation


def test_certain_ensemble_has_one_member():
    ensemble = Ensemble.certain(1.7e-3)
    assert ensemble.values.shape == (1,)
    assert float(ensemble.mean) == 1.7e-3


@pytest.mark.parametrize("members", [10, 144, 1001])
def test_a_normal_distribution_is_discretised_with_its_quantiles(members):
    # linear in the normal score: interior midpoints are exact
    from scipy.stats import norm

    probabilities = [0.001, 0.2, 0.5, 0.9, 0.999]
    ensemble = Ensemble.from_quantiles(probabilities, norm.ppf(probabilities, 5.0, 0.5).tolist(), members)
    middle = norm.ppf((np.arange(members) + 0.5) / members, 5.0, 0.5)
    inside = (middle > norm.ppf(0.2, 5.0, 0.5)) & (middle < norm.ppf(0.9, 5.0, 0.5))
    np.testing.assert_allclose(np.asarray(ensemble.values)[inside], middle[inside], rtol=1e-13)


def test_family_of_ensembles_has_one_mean_each():
    ensemble = Ensemble(jnp.array([[1.0, 3.0], [2.0, 6.0]]), jnp.array([[0.5, 0.5], [0.25, 0.75]]))
    np.testing.assert_allclose(ensemble.mean, [2.0, 5.0])


@pytest.mark.parametrize("weights", [[0.5, 0.6], [1.5, -0.5], [0.0, 0.0], [np.nan, 1.0]])
def test_weights_are_probabilities(weights):
    with pytest.raises(ValueError, match="`weights` sum to .* must be >= 0 and sum to 1"):
        Ensemble([1e-3, 2e-3], weights)


def test_weights_match_the_values():
    with pytest.raises(ValueError, match=re.escape("`weights` has shape (3,); it must be that of the values, (2,)")):
        Ensemble([1e-3, 2e-3], [0.2, 0.3, 0.5])


# -- files ----------------------------------------------------------------------------------------------------


def test_file_of_the_published_members(shared_data):
    # models.md section 6: UTF-8 with a byte-order mark, CRLF, degC per TtC
    ensemble = load_ensemble(shared_data / "model144.csv")
    values = 1e3 * np.asarray(ensemble.values)
    assert values.shape == (144,)
    statistics = [values.mean(), values.std(ddof=1), values.min(), np.median(values), values.max()]
    np.testing.assert_allclose(statistics, [1.861949, 0.418247, 1.0154, 1.8696, 2.80927], atol=6e-5)
    quantiles = np.quantile(values, [0.05, 0.25, 0.75, 0.95])
    np.testing.assert_allclose(quantiles, [1.1976, 1.5233, 2.1089, 2.5824], atol=6e-5)
    assert ensemble.source == "model144.csv [degC/TtC]"
    # what the package ships in place of the members
    ours = 1e3 * np.asarray(Ensemble.published().values)
    np.testing.assert_allclose(np.sort(values), ours, atol=0.15)


def test_file_of_observed_responses(shared_data):
    values = 1e3 * np.asarray(load_ensemble(shared_data / "TCRE_MacDougallEtAl2017_update.csv").values)
    assert values.shape == (150,)
    np.testing.assert_allclose([values.mean(), values.std(ddof=1)], [1.731669, 0.492984], atol=1e-6)
    np.testing.assert_allclose([values.min(), values.max()], [0.4963, 3.1236], atol=6e-5)


UNITS = [("degC/TtC", 1.0), ("degC/GtC", 1e-3), ("degC/TtCO2", 12.0 / 44.0), ("degC/GtCO2", 12.0 / 44.0 * 1e-3)]


def write(tmp_path, text):
    path = tmp_path / "mine.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("unit, factor", UNITS)
@pytest.mark.parametrize("how", ["header", "argument"])
def test_units(tmp_path, unit, factor, how):
    # the same two sensitivities of 1.5 and 2.0 degC per TtC; one GtC is 44/12 GtCO2
    rows = f"{1.5 * factor!r}\n{2.0 * factor!r}\n"
    text = f"sensitivity [{unit}]\n{rows}" if how == "header" else rows
    ensemble = load_ensemble(write(tmp_path, text), unit if how == "argument" else None)
    np.testing.assert_allclose(ensemble.values, [1.5e-3, 2.0e-3], rtol=1e-14)


@pytest.mark.parametrize("rows", ["1.5\n2.0\n", "0.0015\n0.0020\n"])
def test_unit_is_guessed_from_the_magnitude(tmp_path, rows):
    np.testing.assert_allclose(load_ensemble(write(tmp_path, rows)).values, [1.5e-3, 2.0e-3], rtol=1e-14)


def test_weights_are_a_second_column(tmp_path):
    ensemble = load_ensemble(write(tmp_path, "slope [degC/TtC],weight\n1.5,1\n\n2.0, 3\n"))
    np.testing.assert_allclose(ensemble.weights, [0.25, 0.75], rtol=1e-15)
    np.testing.assert_allclose(ensemble.mean, 1.875e-3, rtol=1e-14)


@pytest.mark.parametrize(
    "header, rows",
    [
        ("weight,sensitivity [degC/TtC]", "1,1.5\n3,2.0\n"),
        ("Weights , Sensitivity", "1,1.5\n3,2.0\n"),
        ("probability,TCRE", "0.25,1.5\n0.75,2.0\n"),
        ("my model [degC/TtC],prior", "1.5,0.25\n2.0,0.75\n"),
    ],
)
def test_columns_are_read_by_name(tmp_path, header, rows):
    ensemble = load_ensemble(write(tmp_path, f"{header}\n{rows}"))
    np.testing.assert_allclose(ensemble.values, [1.5e-3, 2.0e-3], rtol=1e-14)
    np.testing.assert_allclose(ensemble.weights, [0.25, 0.75], rtol=1e-15)


@pytest.mark.parametrize(
    "header",
    ["weight", "temperature", "weight,probability", "slope,tcre", "model,sensitivity,weight", "a;b", "1st,2nd"],
)
def test_a_header_that_is_not_understood_is_refused(tmp_path, header):
    row = ",".join("1.5" for _ in header.split(","))
    with pytest.raises(ValueError, match="header .* is not understood; name one column"):
        load_ensemble(write(tmp_path, f"{header}\n{row}\n{row}\n"))


@pytest.mark.parametrize("text", ["﻿1.5\r\n2.0\r\n", "1.5\n2.0", "\n1.5\n\n2.0\n\n", "slope\n1.5\n2.0\n"])
def test_harmless_variations_of_a_file(tmp_path, text):
    np.testing.assert_allclose(load_ensemble(write(tmp_path, text)).values, [1.5e-3, 2.0e-3], rtol=1e-14)


@pytest.mark.parametrize(
    "text, row",
    [
        ("1.5\ntwo\n2.0\n", 2),
        ("1.5\n2.0\nnan\n", 3),
        ("1.5\ninf\n", 2),
        ("1.5\n\n\n-2.0\n", 4),
        ("1.5\n0\n", 2),
        ("1.5,1\n2.0\n", 2),
        ("1.5,1\n2.0,\n", 2),
        ("1.5,1,9\n2.0,1,9\n", 1),
        ("1.5,1\n2.0,-1\n", 2),
        ("x [degC/TtC]\n1.5\nx\n", 3),
        ("1.5\n2.0\n1500\n", 3),
        ("1.5\n2.0\n0.0002\n", 3),
        ("x [degC/GtC]\n1.5\n", 2),
    ],
)
def test_bad_row_is_named(tmp_path, text, row):
    path = write(tmp_path, text)
    with pytest.raises(ValueError) as caught:
        load_ensemble(path)
    assert str(path) in str(caught.value)
    assert f"row {row}:" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "has no rows"),
        ("\n  \n", "has no rows"),
        ("slope [degC/TtC]\n", "has no rows"),
        ("slope [K/EgC]\n1.5\n", "unknown unit; use one of degC/TtC"),
        ("1500\n2000\n", "state the unit in a header"),
        ("0.00000015\n", "state the unit in a header"),
        ("1.5,0\n2.0,0\n", "the weights sum to 0"),
        (b"\x89HDF\r\n\x1a\n\x00\xff\xfe\x80", "cannot be read: not a text file"),
        (b"1.5\n\x00\x00\n", "row 2"),
    ],
)
def test_bad_file_is_named(tmp_path, text, words):
    path = write(tmp_path, text)
    with pytest.raises(ValueError) as caught:
        load_ensemble(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"absent\.csv cannot be read: No such file"):
        load_ensemble(tmp_path / "absent.csv")
    with pytest.raises(ValueError, match="cannot be read: Is a directory"):
        load_ensemble(tmp_path)


def test_unknown_unit_argument(tmp_path):
    with pytest.raises(ValueError, match="ensemble unit is 'K'; use one of degC/TtC"):
        load_ensemble(write(tmp_path, "1.5\n"), "K")
