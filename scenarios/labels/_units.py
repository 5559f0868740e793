"""Conversion between the internal units and the units of IAMC tools and policy documents."""

import re
from typing import NamedTuple, TypeVar

import numpy as np
from jaxtyping import Float

from ...common import nearest
from ...models.base import CO2_PER_CARBON

# Price level of US dollars of a year, 2015 = 1: the GDP deflator of the package iam_units (definitions.txt, 2026.8.5),
# which IAMC tools use for USD_2010, USD_2015 and similar units. It does not define years after 2022.
PRICE_LEVEL: dict[int, float] = {
    2000: 0.7453,
    2001: 0.7621,
    2002: 0.7740,
    2003: 0.7892,
    2004: 0.8104,
    2005: 0.8358,
    2006: 0.8616,
    2007: 0.8849,
    2008: 0.9019,
    2009: 0.9077,
    2010: 0.9186,
    2011: 0.9377,
    2012: 0.9552,
    2013: 0.9719,
    2014: 0.9901,
    2015: 1.0,
    2016: 1.0100,
    2017: 1.0292,
    2018: 1.0540,
    2019: 1.0729,
    2020: 1.0869,
    2021: 1.1357,
    2022: 1.2152,
}


class _Unit(NamedTuple):
    """A unit as a multiple of the base unit of its kind; `money` is the power of the currency in it."""

    kind: str
    factor: float
    money: int = 0


# CO2 is a species, and its mass is a separate kind: carbon converts to CO2, but CO2 does not convert to tonnes.
# Temperatures are differences, for which a degree Celsius equals a kelvin.
_UNITS: dict[str, _Unit] = {
    "GtC/yr": _Unit("emissions", 1000.0 * CO2_PER_CARBON),
    "GtCO2/yr": _Unit("emissions", 1000.0),
    "MtCO2/yr": _Unit("emissions", 1.0),
    "GtC": _Unit("carbon", CO2_PER_CARBON),
    "GtCO2": _Unit("carbon", 1.0),
    "MtCO2": _Unit("carbon", 1e-3),
    "trillion US$/yr": _Unit("money per year", 1000.0, 1),
    "billion US$/yr": _Unit("money per year", 1.0, 1),
    "trillion US$": _Unit("money", 1000.0, 1),
    "billion US$": _Unit("money", 1.0, 1),
    "US$/tCO2": _Unit("price of carbon", 1.0, 1),
    "US$/tC": _Unit("price of carbon", 1.0 / CO2_PER_CARBON, 1),
    "trillion US$/GtC": _Unit("price of carbon", 1000.0 / CO2_PER_CARBON, 1),
    "kgCO2/US$": _Unit("carbon intensity", 1.0, -1),
    "GtC/trillion US$": _Unit("carbon intensity", CO2_PER_CARBON, -1),
    "K": _Unit("temperature difference", 1.0),
    "degC": _Unit("temperature difference", 1.0),
    "K/1000 GtCO2": _Unit("warming per carbon", 1.0),
    "K/1000 GtC": _Unit("warming per carbon", 1.0 / CO2_PER_CARBON),
    "degC/GtC": _Unit("warming per carbon", 1000.0 / CO2_PER_CARBON),
    "1": _Unit("share", 1.0),
    "%": _Unit("share", 0.01),
    "1/yr": _Unit("rate", 1.0),
    "%/yr": _Unit("rate", 0.01),
}

_DATED = re.compile(r"(?:USD_|US\$)(\d{4})")

V = TypeVar("V", float, Float[np.ndarray, "..."])


def split_price_year(unit: str) -> tuple[str, int | None]:
    """A unit in plain spelling, and the price year in its name: `USD_2010/t CO2` is `US$/tCO2` of 2010."""
    match = _DATED.search(unit)
    plain = _DATED.sub("US$", unit).replace(" CO2", "CO2")
    return plain, int(match.group(1)) if match else None


def deflator(year_from: int, year_to: int) -> float:
    """Dollars of `year_to` per dollar of `year_from`, according to the deflator of IAMC tools.

    **Arguments:**

    - `year_from`, `year_to`: price years, 2000 to 2022.

    **Returns:** the ratio of the price levels, 1 for equal years.

    **Raises:** `ValueError` naming a year that is not in the table.

    !!! example

        ```python
        from abatax import scenarios

        assert round(scenarios.deflator(2020, 2010), 4) == 0.8452
        ```
    """
    for year in (year_from, year_to):
        if year not in PRICE_LEVEL and year_from != year_to:
            low, high = min(PRICE_LEVEL), max(PRICE_LEVEL)
            raise ValueError(f"price year {year}: the deflator is defined for {low} to {high} only.")
    return 1.0 if year_from == year_to else PRICE_LEVEL[year_to] / PRICE_LEVEL[year_from]


def temperature_baseline(words: str) -> str:
    """The base period of a temperature according to the name of its variable; 1850-1900 if the name states none.

    !!! example

        ```python
        from abatax.scenarios.labels._units import temperature_baseline

        assert temperature_baseline("temperature of the atmosphere above 1900") == "1900"
        ```
    """
    stated = re.search(r"above (\d{4}(?:-\d{4})?)", words)
    return stated.group(1) if stated else "1850-1900"


def conversion_factor(unit_from: str, unit_to: str, price_year: int | None = None) -> float:
    """The factor that converts a value in one unit to another unit.

    **Arguments:**

    - `unit_from`, `unit_to`: units, as in [`convert`][].
    - `price_year`: price year of units without one (`US$`).

    **Returns:** the factor.

    **Raises:** `ValueError` as [`convert`][].

    !!! example

        ```python
        from abatax import scenarios

        assert scenarios.conversion_factor("GtC/yr", "GtCO2/yr") == 44.0 / 12.0
        ```
    """
    if unit_from == unit_to:
        return 1.0
    (plain_from, year_from), (plain_to, year_to) = split_price_year(unit_from), split_price_year(unit_to)
    for given, plain in ((unit_from, plain_from), (unit_to, plain_to)):
        if plain not in _UNITS:
            raise ValueError(f"unknown unit `{given}`: {nearest(plain, _UNITS)}")
    source, target = _UNITS[plain_from], _UNITS[plain_to]
    if source.kind != target.kind:
        same = [name for name, unit in _UNITS.items() if unit.kind == source.kind]
        raise ValueError(
            f"cannot convert `{unit_from}` ({source.kind}) to `{unit_to}` ({target.kind}): {nearest(plain_to, same)}"
        )
    factor = source.factor / target.factor
    if not source.money:
        return factor
    year_from = price_year if year_from is None else year_from
    year_to = price_year if year_to is None else year_to
    if year_from == year_to:
        return factor
    if year_from is None or year_to is None:
        raise ValueError(f"cannot convert `{unit_from}` to `{unit_to}` without `price_year`, the year of the prices.")
    return factor * deflator(year_from, year_to) ** source.money


def convert(value: V, unit_from: str, unit_to: str, price_year: int | None = None) -> V:
    """A value converted to another unit.

    Internal units are `GtC/yr`, `trillion US$/yr`, `US$/tCO2` and `degC` (above a base period); exported units are
    `Mt CO2/yr`, `billion USD_2010/yr`, `USD_2010/t CO2` and `K`. Money is converted between price years by [`deflator`][].

    **Arguments:**

    - `value`: a number or an array.
    - `unit_from`, `unit_to`: units, which may contain the price year (`USD_2010`, `US$2010`).
    - `price_year`: price year of units without one (`US$`).

    **Returns:** the value in `unit_to`.

    **Raises:** `ValueError` in one line, with the nearest known unit, if a unit is unknown, the two units measure different
    quantities, or a price year is missing.

    !!! example

        ```python
        from abatax import scenarios

        assert round(scenarios.convert(1.0, "GtC/yr", "Mt CO2/yr"), 1) == 3666.7
        assert round(scenarios.convert(100.0, "US$/tCO2", "USD_2010/t CO2", price_year=2020), 1) == 84.5
        ```
    """
    return value * conversion_factor(unit_from, unit_to, price_year)


def is_money(unit: str) -> bool:
    """Whether a unit contains a currency."""
    return "US$" in split_price_year(unit)[0]


def iamc_unit(unit: str, price_year: int = 2010) -> str | None:
    """The IAMC spelling of the unit in which a quantity is exported, or None if it has none.

    **Arguments:**

    - `unit`: the internal unit, such as `GtC/yr`.
    - `price_year`: price year of exported money.

    **Returns:** the unit, or None if the quantity is not exported.

    !!! example

        ```python
        from abatax import scenarios

        assert scenarios.iamc_unit("US$/tCO2") == "USD_2010/t CO2"
        ```
    """
    plain = split_price_year(unit)[0]
    exported = {
        "emissions": "Mt CO2/yr",
        "carbon": "Gt CO2",
        "money per year": f"billion USD_{price_year}/yr",
        "money": f"billion USD_{price_year}",
        "price of carbon": f"USD_{price_year}/t CO2",
        "carbon intensity": f"kg CO2/USD_{price_year}",
        "temperature difference": "K",
        "warming per carbon": "K/1000 Gt CO2",
        "share": "%",
        "rate": "%/yr",
    }
    return exported[_UNITS[plain].kind] if plain in _UNITS else None
