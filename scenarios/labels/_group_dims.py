"""Names of dimensions in nested groups: `xarray.open_datatree` requires equal dimensions in a group and its subgroups."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

_ORIGINAL_NAME = "dimension"  # attribute of a renamed coordinate: its name in the dataset


def aligned(groups: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """The same groups; if a dimension differs from a group above, the name of its group is appended to its name."""
    renamed_groups: dict[str, xr.Dataset] = {}
    for name in sorted(groups, key=lambda path: path.count("/") + bool(path)):
        data = groups[name]
        above = [group for other, group in renamed_groups.items() if other == "" or name.startswith(f"{other}/")]
        differ = {
            dim: f"{dim}_{name.rpartition('/')[2]}"
            for dim in data.dims
            if any(_differs(data, other, dim) for other in above)
        }
        data = data.rename(differ)
        for dim, renamed in differ.items():
            if renamed in data.coords:
                data[renamed].attrs = data[renamed].attrs | {_ORIGINAL_NAME: str(dim)}
        renamed_groups[name] = data
    return {name: renamed_groups[name] for name in groups}


def with_own_dims(data: xr.Dataset) -> xr.Dataset:
    """The group before [`aligned`][] renamed its dimensions."""
    original = {
        name: variable.attrs[_ORIGINAL_NAME]
        for name, variable in data.coords.items()
        if _ORIGINAL_NAME in variable.attrs
    }
    data = data.rename(original)
    for name in original.values():
        data[name].attrs = {key: value for key, value in data[name].attrs.items() if key != _ORIGINAL_NAME}
    return data


def _differs(data: xr.Dataset, above: xr.Dataset, dim) -> bool:
    if dim not in above.dims:
        return False
    if data.sizes[dim] != above.sizes[dim]:
        return True
    return dim in data.coords and dim in above.coords and not np.array_equal(data[dim].values, above[dim].values)
