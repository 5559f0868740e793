"""Numbers for readers: units on screen, rounding, words."""

import math

import numpy as np
import xarray as xr
from jaxtyping import Float

from ..labels import convert, split_price_year, temperature_baseline

SCREEN_PRICE_YEAR = 2020  # US dollars of this year on figures and pages


def significant(number: float, digits: int = 2) -> str:
    """A number with some significant digits, with separated thousands and without an exponent; a dash if it is not finite.

    **Arguments:**

    - `number`: the number.
    - `digits`: number of significant digits.

    **Returns:** the text.

    !!! example

        ```python
        from abatax import scenarios

        assert scenarios.significant(1234.0) == "1,200" and scenarios.significant(0.0123) == "0.012"
        ```
    """
    if not math.isfinite(number):
        return "–"
    if number == 0.0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(number)))
    rounded = round(number, places)
    if abs(rounded) >= 10.0 ** (digits - 1 - places + 1):  # 9.96 is rounded to 10.0: one decimal less
        places -= 1
    return _minus(f"{rounded:,.{max(places, 0)}f}")


def fixed(number: float, places: int = 1) -> str:
    """A number with a fixed number of decimals; a dash if it is not finite."""
    if not math.isfinite(number):
        return "–"
    text = f"{number:,.{places}f}"
    return _minus(text.lstrip("-") if float(text.replace(",", "")) == 0.0 else text)


def _minus(text: str) -> str:
    return text.replace("-", "−")


def percent(share: float) -> str:
    """A share in words: whole percent, but `less than 1 %` for small positive shares.

    **Arguments:**

    - `share`: a share, 0 to 1.

    **Returns:** the text.

    !!! example

        ```python
        from abatax import scenarios

        assert scenarios.percent(0.234) == "23 %" and scenarios.percent(0.004) == "less than 1 %"
        ```
    """
    if not math.isfinite(share):
        return "–"
    if share in (0.0, 1.0):
        return f"{100 * share:.0f} %"
    if share < 0.01:
        return "less than 1 %"
    return "more than 99 %" if share > 0.99 else f"{100 * share:.0f} %"


def general(number: float) -> str:
    """A number of a table: four digits, with a power of ten if it is very large or small."""
    if not math.isfinite(number):
        return "not a number" if math.isnan(number) else ("∞" if number > 0 else "−∞")
    if number != 0.0 and not 1e-3 <= abs(number) < 1e6:
        mantissa, exponent = f"{number:.2e}".split("e")
        return _minus(f"{mantissa} × 10") + _superscript(int(exponent))
    return _minus(f"{number:,.4g}" if abs(number) < 1e4 else f"{number:,.0f}")


def _superscript(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def screen_unit(unit: str) -> tuple[str, str]:
    """The unit of a quantity on screen, in the spelling of [`convert`][] and in words.

    **Arguments:**

    - `unit`: the unit of the model.

    **Returns:** the two texts.

    !!! example

        ```python
        from abatax import scenarios

        assert scenarios.screen_unit("GtC/yr") == ("GtCO2/yr", "GtCO₂ per year")
        ```
    """
    dated = f"USD_{SCREEN_PRICE_YEAR}"
    screen_units = {
        "GtC/yr": ("GtCO2/yr", "GtCO₂ per year"),
        "GtC": ("GtCO2", "GtCO₂"),
        "degC": ("degC", "°C above 1850–1900"),
        "US$/tCO2": (f"{dated}/tCO2", f"{SCREEN_PRICE_YEAR} US$ per tonne CO₂"),
        "trillion US$/yr": (f"trillion {dated}/yr", f"trillion {SCREEN_PRICE_YEAR} US$ per year"),
        "trillion US$": (f"trillion {dated}", f"trillion {SCREEN_PRICE_YEAR} US$"),
        "1/yr": ("%/yr", "% per year"),
        "1": ("1", ""),
    }
    return screen_units.get(split_price_year(unit)[0], (unit, unit))


def warming_unit(temperature: xr.DataArray) -> str:
    """The unit of a temperature in words, with its base period."""
    return f"°C above {temperature_baseline(str(temperature.attrs.get('long_name', ''))).replace('-', '–')}"


def on_screen(data: xr.Dataset, name: str) -> tuple[Float[np.ndarray, "..."], str]:
    """Values of a variable in its unit on screen, and this unit in words."""
    variable = data[name]
    unit = str(variable.attrs.get("units", "1"))
    target, words = screen_unit(unit)
    words = warming_unit(variable) if unit == "degC" else words
    values = np.asarray(variable.values, dtype=float)
    return convert(values, unit, target, data.attrs.get("price_year", SCREEN_PRICE_YEAR)), words


def at_year(data: xr.Dataset, name: str, year: int, quantile: float | None = None) -> float:
    """One number of a summary in screen units; NaN if the variable or the year is absent."""
    if name not in data or year not in data["year"].values:
        return math.nan
    values, _ = on_screen(data, name)
    where: dict[str, int] = {"year": int(np.argmax(data["year"].values == year))}
    if "quantile" in data[name].dims:
        level = 0.5 if quantile is None else quantile
        levels = data["quantile"].values
        if not np.any(np.isclose(levels, level)):
            return math.nan
        where["quantile"] = int(np.argmin(np.abs(levels - level)))
    return float(values[tuple(where[str(dim)] for dim in data[name].dims)])
