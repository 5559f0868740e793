"""NetCDF files come back identical, and broken ones are refused in one line."""

import json
from concurrent.futures import ThreadPoolExecutor

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scenario_cases import synthetic_paths

import abatax as ab
from abatax import scenarios
from abatax.scenarios.labels import udunits, with_global_attributes


def regimes():
    grid = {"temperature": ("temperature", np.linspace(0.0, 2.0, 5), {"units": "degC", "region": "[0.0, 1.5]"})}
    attributes = {"abatax_version": "0.1.0", "converged": 1, "residual": 1e-9}
    before = xr.Dataset({"value": ("temperature", np.array([0.0, -0.1, np.nan, -0.3, -0.4]))}, grid, attributes)
    after = xr.Dataset({"value": (("outcome", "temperature"), np.ones((3, 5)))}, grid, attributes)
    return {"": before, "after_damage": after, "after_damage/after_technology": after}


def test_paths_come_back_identical(tmp_path):
    paths = synthetic_paths()
    scenarios.write_netcdf(paths, tmp_path / "paths.nc")
    xr.testing.assert_identical(scenarios.open_netcdf(tmp_path / "paths.nc"), paths)
    assert [path.name for path in tmp_path.iterdir()] == ["paths.nc"]


def test_a_second_round_changes_nothing(tmp_path):
    scenarios.write_netcdf(synthetic_paths(), tmp_path / "one.nc")
    scenarios.write_netcdf(scenarios.open_netcdf(tmp_path / "one.nc"), tmp_path / "two.nc")
    xr.testing.assert_identical(scenarios.open_netcdf(tmp_path / "two.nc"), synthetic_paths())


def test_groups_come_back_identical(tmp_path):
    scenarios.write_netcdf(regimes(), tmp_path / "solution.nc")
    again = scenarios.open_netcdf_groups(tmp_path / "solution.nc")
    assert again.keys() == regimes().keys()
    for name, dataset in regimes().items():
        xr.testing.assert_identical(again[name], dataset)
    xr.testing.assert_identical(scenarios.open_netcdf(tmp_path / "solution.nc", "after_damage"), again["after_damage"])
    with pytest.raises(ValueError, match="no group `before`; there is: after_damage"):
        scenarios.open_netcdf(tmp_path / "solution.nc", "before")


def test_jax_arrays_and_odd_attributes(tmp_path):
    attributes = {"region": [0.0, 2.5], "on": True, "none": None, "one": jnp.asarray(1.5), "n": np.int64(3)}
    data = xr.Dataset({"value": ("x", np.asarray(jnp.arange(3.0)), attributes)}, attrs={"parameters": {"a": 1}})
    scenarios.write_netcdf(data, tmp_path / "odd.nc")
    again = scenarios.open_netcdf(tmp_path / "odd.nc")
    assert json.loads(again["value"].attrs["region"]) == [0.0, 2.5]
    assert again["value"].attrs["on"] == "true" and again["value"].attrs["none"] == "null"
    assert again["value"].attrs["one"] == 1.5 and again["value"].attrs["n"] == 3
    assert json.loads(again.attrs["parameters"]) == {"a": 1}
    assert again["value"].dtype == np.float64 and "abatax_version" in again.attrs


def one_line_error(path):
    with pytest.raises(ValueError) as caught:
        scenarios.open_netcdf(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not a file of this kind", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_foreign_bytes_are_refused(tmp_path, content):
    (tmp_path / "bad.nc").write_bytes(content)
    assert "not a readable NetCDF file" in one_line_error(tmp_path / "bad.nc")


def test_truncated_file_is_refused(tmp_path):
    scenarios.write_netcdf(synthetic_paths(), tmp_path / "bad.nc")
    whole = (tmp_path / "bad.nc").read_bytes()
    (tmp_path / "bad.nc").write_bytes(whole[: len(whole) // 2])
    assert "damaged" in one_line_error(tmp_path / "bad.nc")


def test_absent_and_foreign_files_are_refused(tmp_path):
    assert "no such file" in one_line_error(tmp_path / "absent.nc")
    xr.Dataset({"x": ("y", [1.0])}).to_netcdf(tmp_path / "foreign.nc")
    assert "not written by abatax" in one_line_error(tmp_path / "foreign.nc")


def test_stopped_writing_leaves_the_old_file(tmp_path):
    scenarios.write_netcdf(synthetic_paths(), tmp_path / "paths.nc")
    broken = xr.Dataset({"value": ("x", np.array([object()], dtype=object))})
    with pytest.raises((ValueError, TypeError)):
        scenarios.write_netcdf(broken, tmp_path / "paths.nc")
    assert [path.name for path in tmp_path.iterdir()] == ["paths.nc"]
    xr.testing.assert_identical(scenarios.open_netcdf(tmp_path / "paths.nc"), synthetic_paths())


def test_slash_in_a_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match="may not contain `/`"):
        scenarios.write_netcdf(xr.Dataset({"a/b": 1.0}), tmp_path / "a.nc")


def on(nodes, **more):
    coordinate = ("temperature", np.asarray(nodes, dtype=float), {"units": "degC", "region": "[0.0, 1.5]"})
    dims = (*more, "temperature")
    values = np.arange(float(np.prod([*more.values(), len(nodes)], dtype=int))).reshape(*more.values(), len(nodes))
    return xr.Dataset({"value": (dims, values, {"units": "utility"})}, {"temperature": coordinate})


def test_regimes_on_other_nodes_open_as_a_tree_and_come_back_as_they_were(tmp_path):
    groups = {
        "": on([0, 1, 2]).assign_attrs(abatax_version="0"),
        "same": on([0, 1, 2], outcome=2),
        "fewer": on([0, 2], outcome=2),
        "moved": on([0, 1, 3]),
        "moved/after": on([0, 1, 3], outcome=2),
        "moved/again": on([0, 1, 2], outcome=2),
    }
    scenarios.write_netcdf(groups, tmp_path / "solution.nc")
    with xr.open_datatree(tmp_path / "solution.nc") as tree:
        assert set(tree.groups) == {"/" + name for name in groups}
        assert tree["same"]["value"].dims == ("outcome", "temperature")
        for name, data in groups.items():
            np.testing.assert_array_equal(tree[name or "/"]["value"], data["value"])
        assert tree["fewer"].dataset["value"].dims == ("outcome", "temperature_fewer")
        np.testing.assert_array_equal(tree["fewer"]["temperature_fewer"], [0, 2])
    for name, data in scenarios.open_netcdf_groups(tmp_path / "solution.nc").items():
        xr.testing.assert_identical(data, groups[name])


# Checked with cf-units 3.3, which calls UDUNITS.
_UDUNITS = {"1", "year-1", "Gt", "Gt year-1", "W m-2", "K", "K year-1", "1e-6", "year", "K Gt-1", "percent"}


@pytest.mark.parametrize("name", sorted(ab.models.MODELS))
def test_every_unit_of_a_model_is_one_of_udunits_or_none(name):
    model = ab.models.default_model(name)
    groups = (model.states, model.controls, getattr(model, "additive", ()), model.observable_variables.values())
    units = {variable.unit for group in groups for variable in group}
    for unit in units:
        spelling = udunits(unit)[0]
        assert spelling in _UDUNITS or (spelling is None and ("$" in unit or unit.startswith("log ")))


def test_units_in_files_are_those_of_udunits_and_come_back(tmp_path):
    units = {"a": "GtC/yr", "b": "US$/tCO2", "c": "log trillion US$", "d": "degC", "e": "1/sqrt(yr)", "f": "m^2/s"}
    data = xr.Dataset({name: ("x", [1.0], {"units": unit}) for name, unit in units.items()}, {"x": [0.5]})
    data = data.assign_attrs(abatax_version="0")
    scenarios.write_netcdf(data, tmp_path / "units.nc")
    with xr.open_dataset(tmp_path / "units.nc") as raw:
        spelt = {name: raw[name].attrs["units"] for name in units}
        assert spelt == {"a": "Gt year-1", "b": "1", "c": "1", "d": "degC", "e": "1", "f": "m2 s-1"}
        assert {name: raw[name].attrs.get("unit_native", units[name]) for name in units} == units
    xr.testing.assert_identical(scenarios.open_netcdf(tmp_path / "units.nc"), data)


def test_hand_over_version(tmp_path):
    summary = scenarios.summarise(synthetic_paths())
    dressed = scenarios.scenario_dataset(summary, {"command": "abatax run", "parameters": {"a": 1}})
    assert dressed.attrs["Conventions"] == "CF-1.11" and dressed.attrs["history"].endswith("abatax run")
    assert dressed["temperature"].attrs["units"] == "K"
    assert dressed["temperature"].attrs["units_metadata"] == "temperature: difference"
    assert dressed["emissions"].attrs["units"] == "Gt year-1"
    assert "of carbon" in dressed["emissions"].attrs["long_name"]
    assert dressed["probability_damage"].attrs["units"] == "1"
    assert dressed["scc_mean"].attrs["cell_methods"] == "realization: mean year: point"
    for name in ("output", "scc"):
        assert "units" not in dressed[name].attrs
        assert dressed[name].attrs["currency"] == "USD" and dressed[name].attrs["price_basis_year"] == 2020
    assert dressed["scc"].attrs["unit_iamc"] == "USD_2020/t CO2"
    assert dressed["output"].attrs["unit_iamc"] == "trillion USD_2020/yr"
    assert dressed["emissions"].attrs["variable_iamc"] == "Emissions|CO2"
    for name, variable in summary.data_vars.items():
        assert dressed[name].attrs["unit_native"] == variable.attrs["units"]
        np.testing.assert_array_equal(dressed[name], variable)
    scenarios.write_netcdf(dressed, tmp_path / "scenario.nc")
    xr.testing.assert_identical(scenarios.open_netcdf(tmp_path / "scenario.nc"), dressed)


def test_history_grows_by_a_line_and_the_title_is_that_of_the_file():
    paths = with_global_attributes(synthetic_paths(), "paths", command="abatax simulate", references="doi:1")
    dressed = scenarios.scenario_dataset(paths, {"command": "abatax run"})
    lines = dressed.attrs["history"].splitlines()
    assert [line.partition(" ")[2] for line in lines] == ["abatax simulate", "abatax run"]
    assert dressed.attrs["title"].startswith("Simulated scenario") and dressed.attrs["references"] == "doi:1"
    assert dressed.attrs["source"] == "abatax 0.1.0" and paths.attrs["title"] == "paths"


def test_every_realization_is_numbered():
    dressed = scenarios.scenario_dataset(synthetic_paths())
    assert dressed["realization"].attrs["standard_name"] == "realization" and dressed["realization"].dtype == np.int32


def test_hand_over_file_opens_with_default_settings(tmp_path):
    scenarios.write_netcdf(scenarios.scenario_dataset(synthetic_paths()), tmp_path / "scenario.nc")
    with xr.open_dataset(tmp_path / "scenario.nc") as opened:
        np.testing.assert_array_equal(opened["emissions"], synthetic_paths()["emissions"])


def test_files_may_be_written_and_read_from_several_threads(tmp_path):
    """The neutral planner's files are written beside the averse one's; the NetCDF library itself dies of it."""

    def work(number):
        path = tmp_path / f"{number}.nc"
        data = xr.Dataset({f"v{k}": ("x", np.full(50, float(number))) for k in range(30)})
        for _ in range(5):
            scenarios.write_netcdf({"": data, "after": data}, path)
        return float(scenarios.open_netcdf(path, "after").v3.mean())

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(work, range(8))) == [float(n) for n in range(8)]


def test_a_file_that_the_library_cannot_write_is_an_error_of_the_system(tmp_path, monkeypatch):
    def fails(*arguments):
        raise RuntimeError("NetCDF: HDF error")  # all that it says of a full disk

    monkeypatch.setattr("abatax.scenarios.labels._netcdf._write", fails)
    with pytest.raises(OSError, match="the NetCDF library cannot write it") as caught:
        scenarios.write_netcdf(xr.Dataset(), tmp_path / "paths.nc")
    assert caught.value.filename == str(tmp_path / "paths.nc") and list(tmp_path.iterdir()) == []
