"""Units: the four identities of carbon, money and temperature, price years, and refusals."""

import numpy as np
import pytest

from abatax import scenarios

# molar masses 12 and 44 g/mol; the decimal numbers are those quoted in the literature, hence the rounding
ROUNDING = 5e-5


@pytest.mark.parametrize(
    ("value", "unit_from", "unit_to", "expected"),
    [
        (1.0, "GtC", "GtCO2", 3.6667),
        (1.0, "US$/tC", "US$/tCO2", 0.27273),
        (1.0, "trillion US$/GtC", "US$/tC", 1000.0),
        (1.0, "trillion US$/GtC", "US$/tCO2", 272.73),
        (1.65, "K/1000 GtC", "K/1000 GtCO2", 0.45),
        (1.65e-3, "degC/GtC", "K/1000 GtCO2", 0.45),
        (10.0, "GtC/yr", "Mt CO2/yr", 36666.7),
        (0.325, "kgCO2/US$", "GtC/trillion US$", 0.0886364),
        (1.2, "degC", "K", 1.2),
        (0.25, "1", "%", 25.0),
    ],
)
def test_identity(value, unit_from, unit_to, expected):
    assert scenarios.convert(value, unit_from, unit_to) == pytest.approx(expected, rel=ROUNDING)


@pytest.mark.parametrize(
    ("unit_from", "unit_to"),
    [("GtC/yr", "Mt CO2/yr"), ("US$/tC", "trillion US$/GtC"), ("kg CO2/USD_2010", "GtC/trillion US$2020")],
)
def test_there_and_back(unit_from, unit_to):
    there = scenarios.convert(np.array([1.0, -2.0]), unit_from, unit_to)
    np.testing.assert_allclose(scenarios.convert(there, unit_to, unit_from), [1.0, -2.0], rtol=1e-15)


@pytest.mark.parametrize(
    ("year", "dollars_of_2010"),
    [(2005, 1.0991), (2010, 1.0), (2017, 0.8925), (2018, 0.8715), (2019, 0.8562), (2020, 0.8452), (2022, 0.7559)],
)
def test_deflator_is_that_of_iamc_tools(year, dollars_of_2010):
    assert scenarios.deflator(year, 2010) == pytest.approx(dollars_of_2010, abs=5e-5)


def test_price_years():
    assert scenarios.convert(1.0, "USD_2010/t CO2", "USD_2020/t CO2") == pytest.approx(1.1832, rel=ROUNDING)
    assert scenarios.convert(1.0, "trillion US$/yr", "billion USD_2010/yr", price_year=2020) == pytest.approx(
        845.156, rel=ROUNDING
    )
    assert scenarios.convert(1.0, "trillion US$/yr", "billion US$2010/yr", price_year=2010) == 1000.0
    # a price in the denominator: the same emissions per fewer dollars
    assert scenarios.convert(1.0, "kg CO2/USD_2020", "kg CO2/USD_2010") == pytest.approx(1.1832, rel=ROUNDING)


def test_carbon_price_per_tonne_needs_no_registry():
    dice_2023 = scenarios.convert(50.0, "USD_2019/tCO2", "USD_2020/tCO2")
    assert dice_2023 == pytest.approx(50.0 * 0.8562 / 0.8452, rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("GtC/yrs", "GtCO2/yr"), "unknown unit `GtC/yrs`: did you mean `GtC/yr`? Known: GtC/yr,"),
        (("GtC/yr", "K"), "(temperature difference): Known: GtC/yr, GtCO2/yr, MtCO2/yr."),
        (("GtCO2", "GtCO2/yr"), "cannot convert"),
        (("US$/tCO2", "USD_2010/t CO2"), "without `price_year`"),
        (("US$/tCO2", "USD_2010/t CO2", 2023), "price year 2023"),
    ],
)
def test_refusal_is_one_line(arguments, words):
    with pytest.raises(ValueError) as caught:
        scenarios.convert(1.0, *arguments)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("unit", "exported"),
    [
        ("GtC/yr", "Mt CO2/yr"),
        ("GtC", "Gt CO2"),
        ("trillion US$/yr", "billion USD_2010/yr"),
        ("US$/tCO2", "USD_2010/t CO2"),
        ("degC", "K"),
        ("flow utility times years", None),
    ],
)
def test_exported_unit(unit, exported):
    assert scenarios.iamc_unit(unit) == exported


@pytest.mark.parametrize(
    ("number", "text"), [(1234.0, "1,200"), (9.96, "10"), (0.0999, "0.10"), (-3.456, "−3.5"), (np.nan, "–"), (0.0, "0")]
)
def test_significant_digits(number, text):
    assert scenarios.significant(number) == text
