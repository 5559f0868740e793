"""Names, units and bounds of the states, controls and capitals of any number of regions."""

import functools as ft
from collections import namedtuple
from typing import Any

from ..base import Point, Variable
from ..climate import TEMPERATURE

_TEMPERATURE = (0.1, 4.0)  # degC, region of interest
_PRODUCTIVITY = (-0.1, 0.1)  # 1/yr, three standard deviations of the stationary law
_FIELDS = {
    "RegionStates": ("temperature", "productivity"),
    "RotatedStates": ("", "coordinate"),
    "RegionEmissions": ("", "emissions"),
    "RegionCapital": ("", "log_capital"),
}


@ft.cache
def _point(kind: str, count: int) -> type:
    """The NamedTuple class of a kind with `count` numbered scalars; one class per count, so that pytrees agree."""
    first, numbered = _FIELDS[kind]
    point = namedtuple(f"{kind}{count}", [*filter(None, [first]), *(f"{numbered}_{n + 1}" for n in range(count))])
    point.__module__, point.__qualname__ = __name__, point.__name__
    return point


def __getattr__(name: str) -> Any:
    """Classes such as `RegionStates5` are made on access, also by pickle in a new process."""
    kind = name.rstrip("0123456789")
    if kind in _FIELDS and kind != name:
        return _point(kind, int(name[len(kind) :]))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def physical_variables(regions: int) -> Point:
    """Temperature and the productivities."""
    warming = TEMPERATURE._replace(low=_TEMPERATURE[0], high=_TEMPERATURE[1])
    growth = (
        Variable(f"deviation of the growth rate, region {n + 1}", "1/yr", *_PRODUCTIVITY, symbol=f"z{n + 1}")
        for n in range(regions)
    )
    return _point("RegionStates", regions)(warming, *growth)


def rotated_variables(regions: int) -> Point:
    """The rotated coordinates, in a cube with corners on the unit sphere."""
    d = regions + 1
    high = d**-0.5
    names = (Variable(f"rotated coordinate {j + 1}", "1", -high, high, symbol=f"c{j + 1}") for j in range(d))
    return _point("RotatedStates", d)(*names)


def emission_variables(regions: int) -> Point:
    """The emissions of every region."""
    names = (
        Variable(f"carbon emissions, region {n + 1}", "GtC/yr", 1e-6, 1e3, symbol=f"e{n + 1}") for n in range(regions)
    )
    return _point("RegionEmissions", regions)(*names)


def capital_variables(regions: int) -> Point:
    """The log capital of every region."""
    names = (
        Variable(f"log of capital, region {n + 1}", "log trillion US$", symbol=f"k{n + 1}") for n in range(regions)
    )
    return _point("RegionCapital", regions)(*names)
