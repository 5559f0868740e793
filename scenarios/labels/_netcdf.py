"""NetCDF files with plain attributes and groups for further regimes; a file is either complete or absent."""

import errno
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ...common import complete_file
from ._group_dims import aligned, with_own_dims
from ._udunits import with_native_units, with_udunits

# The NetCDF library is not thread-safe: two threads in it end the process.
_ONE_THREAD = threading.RLock()

MARK = "abatax_version"  # the global attribute that identifies files of abatax


def plain_attributes(attributes: Mapping[Any, Any]) -> dict[str, str | int | float]:
    """Attributes that every file format accepts: text and numbers are kept, all other values become JSON text.

    **Arguments:**

    - `attributes`: attributes of any type, by name.

    **Returns:** text and numbers by name.

    !!! example

        ```python
        from abatax import scenarios

        assert scenarios.plain_attributes({"region": [0.0, 2.5], "on": True}) == {"region": "[0.0, 2.5]", "on": "true"}
        ```
    """
    return {str(key): _plain(value) for key, value in attributes.items()}


def _plain(value: Any) -> str | int | float:
    if isinstance(value, np.generic) or (hasattr(value, "ndim") and value.ndim == 0):
        value = np.asarray(value).item()
    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
        return value
    if hasattr(value, "__array__"):
        value = np.asarray(value).tolist()
    return json.dumps(value, default=str)


def write_netcdf(data: xr.Dataset | Mapping[str, xr.Dataset], path: str | os.PathLike[str]) -> None:
    """Write one dataset, or several as groups, to a NetCDF-4 file.

    The file appears under its name when it is complete. Attributes become plain ([`plain_attributes`][]); data are
    compressed without loss; JAX arrays become numpy arrays. The attribute `abatax_version` is added if it is missing.

    `units` in the file follow UDUNITS, as the CF conventions require; if the model's unit differs (money, tonnes of
    carbon), it is in `unit_native`. If the nodes of a group differ from the group above, the name of the group is appended to the
    dimension (`temperature_after_damage`), so that `xarray.open_datatree` aligns them. [`open_netcdf`][] reverses both changes.

    **Arguments:**

    - `data`: a dataset, or datasets by group name. The name `""` is the root, `a/b` a group in a group.
    - `path`: the file.

    **Raises:** `ValueError` if a variable has a name that NetCDF does not accept; `OSError` if the file cannot be written.

    !!! example

        ```python
        import tempfile
        from pathlib import Path

        import xarray as xr

        from abatax import scenarios

        path = Path(tempfile.mkdtemp(), "solution.nc")
        scenarios.write_netcdf({"": xr.Dataset({"value": ("temperature", [1.0, 2.0])}), "after": xr.Dataset()}, path)
        assert scenarios.open_netcdf(path).value.sum() == 3.0
        ```
    """
    groups = {"": data} if isinstance(data, xr.Dataset) else dict(data)
    root = groups.pop("", xr.Dataset())
    root = root.assign_attrs({MARK: root.attrs.get(MARK, version("abatax"))})
    for group in (root, *groups.values()):
        for name in group.variables:
            if "/" in str(name):
                raise ValueError(f"variable `{name}`: a name in a NetCDF file may not contain `/`.")
    with _ONE_THREAD, complete_file(path) as beside:
        try:
            for name, group in aligned({"": root} | groups).items():
                _write(group, beside, name or None)
        except RuntimeError as error:  # the library does not state the reason; the usual one is a full disk
            reason = " ".join(str(error).split())
            raise OSError(errno.EIO, f"the NetCDF library cannot write it ({reason})", str(path)) from None


def _write(data: xr.Dataset, path: Path, group: str | None) -> None:
    data = with_udunits(plain_dataset(data))
    encoding: dict[Any, dict[str, Any]] = {}
    for name, variable in data.variables.items():
        encoding[name] = {"_FillValue": None}
        if name in data.data_vars and variable.dtype.kind in "fiu" and variable.ndim:
            encoding[name] |= {"zlib": True, "complevel": 4}
        if name in data.data_vars and variable.dtype.kind == "f":
            encoding[name]["_FillValue"] = np.nan
    mode = "w" if group is None else "a"
    data.to_netcdf(path, mode=mode, group=group, format="NETCDF4", engine="netcdf4", encoding=encoding)


def plain_dataset(data: xr.Dataset) -> xr.Dataset:
    """A copy with numpy arrays and plain attributes, without the encoding of a file."""

    def plain(variable: xr.DataArray) -> xr.Variable:
        return xr.Variable(variable.dims, np.asarray(variable.values), plain_attributes(variable.attrs))

    coordinates = {name: plain(variable) for name, variable in data.coords.items()}
    variables = {name: plain(variable) for name, variable in data.data_vars.items()}
    return xr.Dataset(variables, coordinates, plain_attributes(data.attrs))


def open_netcdf(path: str | os.PathLike[str], group: str = "") -> xr.Dataset:
    """Read a dataset that [`write_netcdf`][] wrote, into memory; the file is closed again.

    **Arguments:**

    - `path`: the file.
    - `group`: name of the group; the root by default.

    **Returns:** the dataset; attributes other than text and numbers are returned as JSON text.

    **Raises:** `ValueError` in one line if the file is absent, damaged or not written by abatax, or if it has no such group.

    !!! example

        ```python
        from abatax import scenarios

        try:
            scenarios.open_netcdf("absent.nc")
        except ValueError as error:
            assert "absent.nc" in str(error)
        ```
    """
    groups = open_netcdf_groups(path)
    if group not in groups:
        known = ", ".join(name for name in groups if name) or "none"
        raise ValueError(f"{path}: no group `{group}`; there is: {known}.")
    return groups[group]


def open_netcdf_groups(path: str | os.PathLike[str]) -> dict[str, xr.Dataset]:
    """Read every group of a file that [`write_netcdf`][] wrote, by name; the root is `""`.

    **Arguments:**

    - `path`: the file.

    **Returns:** datasets by the name of the group, with the units of the model.

    **Raises:** `ValueError` as [`open_netcdf`][].

    !!! example

        ```python
        import tempfile
        from pathlib import Path

        import abatax as ab

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21))
        folder = Path(tempfile.mkdtemp(), "run")
        ab.save(solution, folder)
        assert "value" in ab.scenarios.open_netcdf_groups(folder / "solution.nc")[""]
        ```
    """
    import netCDF4

    path = Path(path)
    with _readable(path), _ONE_THREAD:
        with netCDF4.Dataset(path) as file:
            names = list(_group_names(file))
            of_abatax = MARK in file.ncattrs()
        if of_abatax:
            return {name: _read(path, name) for name in names}
    raise ValueError(f"{path}: not written by abatax (it has no attribute `{MARK}`).")


def open_attributes(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The global attributes of a file that [`write_netcdf`][] wrote; its data are not read.

    **Raises:** `ValueError` as [`open_netcdf`][].
    """
    import netCDF4

    path = Path(path)
    with _readable(path), _ONE_THREAD, netCDF4.Dataset(path) as file:
        attributes = {name: file.getncattr(name) for name in file.ncattrs()}
    if MARK not in attributes:
        raise ValueError(f"{path}: not written by abatax (it has no attribute `{MARK}`).")
    return attributes


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Errors of the library about a file that it cannot read become one line."""
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file.")
    try:
        yield
    except (OSError, RuntimeError, AttributeError, KeyError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: not a readable NetCDF file, or damaged ({reason}); write it again.") from None


def _group_names(file: Any, prefix: str = ""):
    yield prefix
    for name, group in file.groups.items():
        yield from _group_names(group, f"{prefix}/{name}" if prefix else name)


def _read(path: Path, group: str) -> xr.Dataset:
    # Times remain numbers: `year` is a calendar year, and units such as "yr" do not describe dates to be decoded.
    with xr.open_dataset(
        path, group=group or None, engine="netcdf4", decode_times=False, decode_timedelta=False, cache=False
    ) as data:
        data = data.load().drop_encoding()
    for holder in (data, *data.variables.values()):
        # NetCDF returns numbers as numpy scalars
        holder.attrs = {k: v.item() if isinstance(v, np.generic) else v for k, v in holder.attrs.items()}
    return with_native_units(with_own_dims(data))
