"""Value function and policy along one state."""

import json
import math
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from ..words import on_screen, warming_unit
from ._charts import sentence
from ._style import AVERSE, HEIGHT, LINES, NEUTRAL, Panel, dress, new_panel

_CONSTANT = 1e-3  # relative range of a quantity that is drawn as constant
_COLUMNS, _LETTERS = 3, 34  # axes side by side if there are more than this number, and characters in a title


def region_of(solution: xr.Dataset, state: str) -> tuple[float, float]:
    """The region of interest of a state; its whole grid if it has no attribute `region`.

    The attribute may be a pair or, as in files, the JSON text of a pair.
    """
    region = solution[state].attrs.get("region")
    region = json.loads(region) if isinstance(region, str) else region
    if region is None:
        region = solution[state].values[[0, -1]]
    low, high = (float(bound) for bound in region)
    return low, high


def states_of(solution: xr.Dataset) -> list[str]:
    """Names of the states: the dimensions of the value function."""
    return [str(dim) for dim in solution["value"].dims]


def slice_along(solution: xr.Dataset, state: str, at: Mapping[str, float] | None = None) -> xr.Dataset:
    """Controls, social cost of carbon and value along one state within its region of interest.

    **Arguments:**

    - `solution`: a Dataset with the states as dimensions.
    - `state`: the state that varies.
    - `at`: values of the other states; by default the middle of their region.

    **Returns:** a Dataset with `state` as its only dimension.

    **Raises:** `ValueError` if there is no such state.

    !!! example

        ```python
        import xarray as xr

        from abatax import scenarios

        solution = xr.Dataset({"value": (("x", "y"), [[0.0, 2.0], [1.0, 3.0]])}, {"x": [0.0, 1.0], "y": [0.0, 1.0]})
        assert list(scenarios.slice_along(solution, "x", {"y": 0.5}).value) == [1.0, 2.0]
        ```
    """
    states = states_of(solution)
    if state not in states:
        raise ValueError(f"`state` is {state!r}; the states are {', '.join(states)}.")
    names = [str(name) for name, v in solution.data_vars.items() if set(v.dims) == set(states) and name != "residual"]
    line = solution[sorted(names, key=lambda name: {"scc": 1, "value": 2}.get(name, 0))]
    for other in states:
        if other != state:
            low, high = region_of(solution, other)
            place = 0.5 * (low + high) if at is None or not math.isfinite(at.get(other, math.nan)) else at[other]
            nodes = solution[other].values
            if nodes.size == 1:  # solutions of more than four states are shown at one value of the others
                line = line.isel({other: 0}, drop=True)
            else:
                line = line.interp({other: min(max(place, nodes[0]), nodes[-1])}).drop_vars(other)
    low, high = region_of(solution, state)
    nodes = line[state].values
    low, high = max(low, nodes[0]), min(high, nodes[-1])
    inside = nodes[(nodes > low) & (nodes < high)]
    attributes = line[state].attrs
    line = line.interp({state: np.array([low, *inside, high])})
    line[state].attrs.update(attributes)
    return line


def value_and_policy(
    solution: xr.Dataset,
    neutral: xr.Dataset | None = None,
    *,
    state: str | None = None,
    at: Mapping[str, float] | None = None,
    shown: bool = False,
) -> Panel:
    """Value function, controls and social cost of carbon along one state, with ambiguity aversion and without.

    Margins of the grid, which lie outside the region of interest, are not drawn, nor are worst-case drifts that are zero.

    **Arguments:**

    - `solution`, `neutral`: solutions on their grids.
    - `state`: the state on the horizontal axis; by default the first.
    - `at`: values of the other states; by default the middle of their region.
    - `shown`: as in [`new_panel`][].

    **Returns:** a figure; save it with [`save_panel`][].

    !!! example

        ```python
        import xarray as xr

        from abatax import scenarios

        solution = xr.Dataset({"value": ("temperature", [0.0, -1.0])}, {"temperature": [1.0, 2.0]})
        panel = scenarios.value_and_policy(solution)
        assert len(panel.axes) == 1
        ```
    """
    state = states_of(solution)[0] if state is None else state
    line = slice_along(solution, state, at)
    other = None if neutral is None else slice_along(neutral, state, at)
    names = [str(name) for name in line.data_vars if not _neutral_shock(line[name])]
    columns = 1 if len(names) <= _COLUMNS else _COLUMNS
    panel = new_panel(len(names), 0.68 * HEIGHT, columns, shown=shown)
    for name, ax in zip(names, panel.axes, strict=True):
        _line(ax, line, name, state, AVERSE)
        if other is not None and name in other:
            _line(ax, other, name, state, NEUTRAL)
        _widen(ax)
        dress(ax, f"{textwrap.fill(sentence(line, name), _LETTERS)}\n{on_screen(line, name)[1]}", whole=False)
    for ax in panel.axes[-columns:]:
        ax.set_xlabel(axis_name(line, state))
    if other is not None:
        panel.axes[0].legend(panel.axes[0].lines, ["averse", "neutral"], frameon=False, fontsize=7.5, handlelength=2.6)
    return panel


def _widen(ax: Any) -> None:
    """Draw a quantity that is constant up to small errors as a straight line, instead of magnifying the errors."""
    values = np.concatenate([np.asarray(line.get_ydata()) for line in ax.lines])
    size = float(np.max(np.abs(values)))
    if 0.0 < np.ptp(values) < _CONSTANT * size:
        middle = 0.5 * float(np.min(values) + np.max(values))
        ax.set_ylim(middle - 0.05 * size, middle + 0.05 * size)


def _neutral_shock(line: xr.DataArray) -> bool:
    """Whether this is the worst-case drift of a shock about which the planner has no ambiguity."""
    return str(line.name).startswith("worst_case_shock_") and not line.values.any()


def axis_name(solution: xr.Dataset, state: str) -> str:
    """The name of a state with its unit, for an axis or a column."""
    words, unit = sentence(solution, state), str(solution[state].attrs.get("units", ""))
    unit = {"degC": warming_unit(solution[state]), "1": ""}.get(unit, unit)
    return f"{words} ({unit})" if unit else words


def _line(ax: Any, line: xr.Dataset, name: str, state: str, colour: str) -> None:
    ax.plot(line[state].values, on_screen(line, name)[0], color=colour, linestyle=LINES[colour])
