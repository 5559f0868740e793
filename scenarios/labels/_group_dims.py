"""Dimensions of groups in one file: `xarray.open_datatree` wants those of one name to be the same down the tree."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

_OWN = "dimension"  # attribute of a renamed coordinate: its name in the dataset


def aligned(groups: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """The same groups; a dimension that differs from that of a group above has the name of its own group appended."""
    made: dict[str, xr.Dataset] = {}
    for name in sorted(groups, key=lambda path: path.count("/") + bool(path)):
        data = groups[name]
        above = [made[other] for other in made if other == "" or name.startswith(f"{other}/")]
        differ = {
            dim: f"{dim}_{name.rpartition('/')[2]}"
            for dim in data.dims
            if any(_differs(data, other, dim) for other in above)
        }
        data = data.rename(differ)
        for dim, renamed in differ.items():
            if renamed in data.coords:
                data[renamed].attrs = data[renamed].attrs | {_OWN: str(dim)}
        made[name] = data
    return {name: made[name] for name in groups}


def with_own_dims(data: xr.Dataset) -> xr.Dataset:
    """A group as it was given to [`aligned`][]."""
    own = {name: variable.attrs[_OWN] for name, variable in data.coords.items() if _OWN in variable.attrs}
    data = data.rename(own)
    for name in own.values():
        data[name].attrs = {key: value for key, value in data[name].attrs.items() if key != _OWN}
    return data


def _differs(data: xr.Dataset, above: xr.Dataset, dim) -> bool:
    if dim not in above.dims:
        return False
    if data.sizes[dim] != above.sizes[dim]:
        return True
    return dim in data.coords and dim in above.coords and not np.array_equal(data[dim].values, above[dim].values)
