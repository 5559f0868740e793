"""Labelled data of solutions and of simulated paths."""

from importlib.metadata import version
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import xarray as xr

from ...models import Variable
from ...models.base import Point
from ...solvers.paths import Paths
from ...solvers.solution import (
    BESIDE,
    MARK,
    Return,
    Solution,
    reshape_family,
    solution_fingerprint,
    stored_beside,
)

SCC = Variable("social cost of carbon", "US$/tCO2", iamc="Social Cost of Carbon")
_REALIZATION = {"standard_name": "realization", "long_name": "number of the simulated path", "units": "1"}
_YEAR = {"long_name": "calendar year", "units": "1"}
PRICE_YEAR = 2020  # of the models' trillion US$, unless a model says otherwise


_WORST_CASE = {
    "worst_case_sensitivity": ("mean climate sensitivity under the worst case", "degC/GtC"),
    "worst_case_shock_": ("worst-case drift of shock ", "1/sqrt(yr)"),
    "worst_case_factor_": ("worst-case factor on the rate of the ", "1"),
}


def variable_attributes(variable: Variable) -> dict[str, Any]:
    """The attributes of a labelled array: name, unit, IAMC name and symbol."""
    described = {"long_name": variable.name, "units": variable.unit, "iamc": variable.iamc, "symbol": variable.symbol}
    return {key: text for key, text in described.items() if text}


def _described(model) -> dict[str, Variable]:
    """Every variable of a model by name."""
    named: dict[str, Variable] = {}
    for group in (model.states, model.additive, model.controls):
        named |= group._asdict()
    return named | model.observable_variables


def _common(solution: Solution) -> dict[str, Any]:
    model = solution.problem.model
    return {
        "model": model.name,
        "regime": model.regime,
        "abatax_version": version("abatax"),
        "converged": int(solution.converged),
        "price_year": PRICE_YEAR,
    }


def grid_dataset(solution: Solution, nodes: tuple[np.ndarray, ...] | None = None) -> xr.Dataset:
    """Value, controls, social cost of carbon and residual over delta of a single solution on a grid.

    **Arguments:**

    - `solution`: a single solution, not a family (`Solution.member` selects one of a family).
    - `nodes`: the nodes of each state; by default the nodes of the solution.

    **Returns:** a Dataset with the names of the states as dimensions and units as attributes.

    !!! example

        ```python
        import abatax as ab

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21))
        data = ab.solvers.grid_dataset(solution)
        assert data.value.dims == ("state",) and data.control.attrs["units"] == "1/yr"
        ```
    """
    nodes = solution.nodes if nodes is None else nodes
    shape = tuple(len(n) for n in nodes)
    fields = _evaluate(solution, nodes)
    return _label(solution, nodes, {name: v.reshape(shape) for name, v in fields.items()}, ())


def regime_datasets(solution: Solution) -> dict[str, xr.Dataset]:
    """For each regime after a jump a Dataset with a leading dimension `outcome`, by the path of regimes that leads there.

    A second jump adds a dimension `outcome_2`, and so on.

    **Arguments:**

    - `solution`: a single solution, not a family.

    **Returns:** datasets by the names of the regimes that lead there, joined by `/`; none for a model without jumps.

    !!! example

        ```python
        import abatax as ab

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21))
        assert ab.solvers.regime_datasets(solution) == {}  # the model has no jumps
        ```
    """
    lifted = reshape_family(solution, (1,), 0)
    datasets: dict[str, xr.Dataset] = {}
    _collect(lifted, (), (), datasets)
    return datasets


def group_name(path_to_family: tuple) -> str:
    """The NetCDF group of a family: the names of the regimes that lead to it."""
    return "/".join(BESIDE if number == BESIDE else regime for number, regime in path_to_family)


def _collect(stacked: Solution, lead: tuple[int, ...], path: tuple, datasets: dict[str, xr.Dataset]) -> None:
    """Add the regimes after `stacked`, a family with one leading axis, and the coupled regimes that lead back to it."""
    size = int(np.prod(lead, dtype=int))
    if (beside := stored_beside(stacked)) is not None:
        (members,) = beside.family
        fields = _evaluate(beside, beside.nodes, stacked=True)
        arrays = {name: v.reshape(members, *(len(n) for n in beside.nodes)) for name, v in fields.items()}
        path_to_family = (*path, (BESIDE, beside.problem.model.regime))
        datasets[group_name(path_to_family)] = _label(beside, beside.nodes, arrays, ("regime",))
        _collect(beside, (members,), path_to_family, datasets)
        return
    jumps = eqx.filter_vmap(lambda model: model.jumps())(stacked.problem.model)
    for number, (jump, destination) in enumerate(zip(jumps, stacked.destinations, strict=True)):
        if isinstance(destination, Return):
            continue
        outcomes = jump.probabilities.shape[1]
        flat = reshape_family(destination, (size * outcomes,), 2)
        shape = (*lead, outcomes)
        arrays = {
            name: v.reshape(*shape, *(len(n) for n in flat.nodes))
            for name, v in _evaluate(flat, flat.nodes, stacked=True).items()
        }
        dims = tuple("outcome" if n == 0 else f"outcome_{n + 1}" for n in range(len(shape)))
        dataset = _label(flat, flat.nodes, arrays, dims)
        dataset["probability"] = (dims, np.asarray(jump.probabilities).reshape(shape))
        dataset["probability"].attrs.update(long_name="prior probability of the outcome", units="1")
        dataset.attrs["jump"] = jump.name
        regime = (*path, (number, flat.problem.model.regime))
        datasets[group_name(regime)] = dataset
        _collect(flat, shape, regime, datasets)


def _evaluate(solution: Solution, nodes, *, stacked: bool = False) -> dict[str, np.ndarray]:
    """Fields without slopes at all nodes of a grid; the index of the last state varies fastest."""
    mesh = np.meshgrid(*(np.asarray(n) for n in nodes), indexing="ij")
    points = jnp.asarray(np.stack([m.ravel() for m in mesh], axis=-1))
    fields = solution.on(points, stacked=stacked)
    return {name: v for name, v in fields.items() if not name.startswith("slope_")}


def _label(solution: Solution, nodes, arrays: dict[str, np.ndarray], leading: tuple[str, ...]) -> xr.Dataset:
    model, region = solution.problem.model, solution.problem.region
    dims = (*leading, *model.states._fields)
    dataset = xr.Dataset(
        {name: (dims, array) for name, array in arrays.items()},
        coords={name: np.asarray(n) for name, n in zip(model.states._fields, nodes, strict=True)},
    )
    described = _described(model) | {
        "value": Variable("value function", "flow utility times years"),
        "scc": SCC,
        "residual": Variable("residual of the HJB equation over the discount rate", "flow utility times years"),
    }
    for name in dataset.variables:
        if name in described:
            dataset[name].attrs.update(variable_attributes(described[str(name)]))
        for prefix, (words, unit) in _WORST_CASE.items():
            if str(name).startswith(prefix):
                dataset[name].attrs.update(
                    long_name=words + str(name).removeprefix(prefix).replace("_", " "), units=unit
                )
    for name, (low, high) in zip(model.states._fields, region, strict=True):
        dataset[name].attrs["region"] = [low, high]
    dataset.attrs.update(_common(solution))
    return dataset


def paths_dataset(paths: Paths) -> xr.Dataset:
    """Simulated paths with the dimensions `realization` and `year`.

    Variables: every state, control, observable, `scc`, `regime`, `outcome`, and `jump_year_<jump>` by realization.

    **Arguments:**

    - `paths`: simulated paths.

    **Returns:** a Dataset with units and IAMC names as attributes.

    !!! example

        ```python
        import abatax as ab

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21))
        data = ab.solvers.paths_dataset(ab.simulate(solution, years=5, num_paths=4))
        assert data.state.dims == ("realization", "year") and data.sizes["year"] == 6
        ```
    """
    solution, model = paths.solution, paths.solution.problem.model
    fields: dict[str, Any] = {}
    groups: tuple[Point, ...] = (paths.states, paths.additive, paths.controls)
    for group in groups:
        fields |= group._asdict()
    fields |= paths.observables
    if paths.scc is not None:
        fields["scc"] = paths.scc
    described = _described(model) | {"scc": SCC}
    dataset = xr.Dataset(
        {
            name: (("realization", "year"), np.asarray(array), variable_attributes(described[name]))
            for name, array in fields.items()
        },
        coords={
            "realization": ("realization", np.arange(paths.regime.shape[0], dtype=np.int32), _REALIZATION),
            "year": ("year", np.asarray(paths.years, dtype=np.int32), _YEAR),
        },
    )
    for name in ("regime", "outcome"):
        text = "regime (0 before any jump)" if name == "regime" else "outcome of the last jump"
        values = np.asarray(getattr(paths, name), dtype=np.int32)
        dataset[name] = (("realization", "year"), values, {"long_name": text, "units": "1"})
    for name, dates in paths.jump_years.items():
        attributes = {"long_name": f"date of the {name.replace('_', ' ')}", "units": "calendar year"}
        dataset[f"jump_year_{name}"] = ("realization", np.asarray(dates), attributes)
    dataset["outside"] = ("realization", np.asarray(paths.outside, dtype=np.int8))
    dataset["outside"].attrs.update(long_name="whether the path ever left the computational box", units="1")
    dataset.attrs.update(_common(solution))
    dataset.attrs.update(
        measure=paths.measure,
        shocks="on" if paths.shocks else "off",
        num_paths=int(paths.regime.shape[0]),
        start_year=int(paths.years[0]),
        ambiguity="neutral" if model.ambiguity.is_neutral() else "averse",
    )
    dataset.attrs[MARK] = solution_fingerprint(solution)
    return dataset
