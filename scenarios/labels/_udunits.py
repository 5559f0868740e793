"""Units of the models in the spelling of UDUNITS, which the CF conventions require in NetCDF files."""

import re

import xarray as xr

NATIVE = "unit_native"  # the unit of the model
_CONVENTION = "unit_convention"  # global attribute of files with translated units
_EXPLANATION = (
    f"`units` follows UDUNITS, which has no currency, no CO2 and no logarithm; `{NATIVE}` is the unit of the numbers."
)

# UDUNITS has no species: the unit of a gigatonne of carbon is a gigatonne, and the species is part of the long name.
_BASES: dict[str, tuple[str, str]] = {
    "1": ("1", ""),
    "%": ("percent", ""),
    "GtC": ("Gt", "of carbon"),
    "GtCO2": ("Gt", "of CO2"),
    "MtCO2": ("Mt", "of CO2"),
    "tCO2": ("t", "of CO2"),
    "TtC": ("Tt", "of carbon"),
    "degC": ("K", ""),
    "K": ("K", ""),
    "yr": ("year", ""),
    "year": ("year", ""),
    "years": ("year", ""),
    "day": ("day", ""),
    "s": ("s", ""),
    "m": ("m", ""),
    "km": ("km", ""),
    "kg": ("kg", ""),
    "t": ("t", ""),
    "W": ("W", ""),
    "J": ("J", ""),
    "EJ": ("EJ", ""),
    "ppm": ("1e-6", ""),
    "ppb": ("1e-9", ""),
}
_PART = re.compile(r"([A-Za-z%]+[A-Za-z0-9]*?|1)(?:\^?(-?\d))?")


def udunits(unit: str) -> tuple[str | None, str]:
    """The UDUNITS spelling of a unit (None if UDUNITS cannot express it) and the species in the unit.

    !!! example

        ```python
        from abatax.scenarios.labels._udunits import udunits

        assert udunits("GtC/yr") == ("Gt year-1", "of carbon")
        assert udunits("degC/GtC") == ("K Gt-1", "per mass of carbon") and udunits("US$/tCO2") == (None, "")
        ```
    """
    parts: list[str] = []
    species = ""
    if unit == "flow utility times years":
        return "year", ""
    for number, factor in enumerate(unit.split("/")):
        for text in factor.split():
            base, power = _split(text)
            if base not in _BASES:
                return None, ""
            name, of = _BASES[base]
            exponent = power if number == 0 else -power
            if name != "1":
                parts.append(name if exponent == 1 else f"{name}{exponent}")
            if of:
                species = of if number == 0 else f"per mass {of}"
    return " ".join(parts) or "1", species


def _split(text: str) -> tuple[str, int]:
    """A base and its power: `m2` is the second power of `m`, but the digit of CO2 is part of its name."""
    if text in _BASES:
        return text, 1
    match = _PART.fullmatch(text)
    return (match[1], int(match[2] or 1)) if match else (text, 1)


def with_udunits(data: xr.Dataset) -> xr.Dataset:
    """A copy with `units` that follow UDUNITS (`1` if UDUNITS has no such unit) and the unit of the model in `unit_native`."""
    data, translated = data.copy(), False
    for variable in data.variables.values():
        unit = variable.attrs.get("units")
        if not isinstance(unit, str) or NATIVE in variable.attrs or unit == "degC":
            continue
        spelling = udunits(unit)[0] or "1"
        if spelling != unit:
            variable.attrs = variable.attrs | {"units": spelling, NATIVE: unit}
            translated = True
    return data.assign_attrs({_CONVENTION: _EXPLANATION}) if translated else data


def with_native_units(data: xr.Dataset) -> xr.Dataset:
    """The dataset before [`with_udunits`][] translated its units."""
    if _CONVENTION not in data.attrs:
        return data
    data = data.copy()
    data.attrs = {name: value for name, value in data.attrs.items() if name != _CONVENTION}
    for variable in data.variables.values():
        if NATIVE in variable.attrs:
            kept = {name: value for name, value in variable.attrs.items() if name != NATIVE}
            variable.attrs = kept | {"units": variable.attrs[NATIVE]}
    return data
