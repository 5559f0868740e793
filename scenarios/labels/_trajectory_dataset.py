"""Labelled data of a path in discrete time."""

from importlib.metadata import version

import numpy as np
import xarray as xr

from ...models import Variable
from ...solvers.solution import Trajectory
from ._datasets import SCC, variable_attributes

_PUBLISHED = Variable("social cost of carbon by the convention of the source", "US$/tCO2")


def trajectory_dataset(path: Trajectory) -> xr.Dataset:
    """States, controls, observables and the social cost of carbon along a path.

    States are values at the start of a period; a state that the climate module updates within the period has its updated value, as
    in the source.

    **Arguments:**

    - `path`: the result of `solve` or `follow`.

    **Returns:** a Dataset with the dimension `year`, the first year of every period; units and the `price_year` of money are
    attributes.

    !!! example

        ```python
        import abatax as ab

        data = ab.solve(ab.models.Dice2016()).to_dataset()
        assert data.scc.sel(year=2020).round(2) == 36.72 and data.attrs["price_year"] == 2010
        ```
    """
    model = path.problem.model
    described = {**model.states._asdict(), **model.controls._asdict(), **model.observable_variables}
    fields = {**path.states._asdict(), **path.controls._asdict(), **path.observables}
    described |= {"scc": SCC, "scc_published": _PUBLISHED}
    fields |= {"scc": path.scc, "scc_published": path.scc_published}
    for name, price in path.multipliers.items():
        described[f"multiplier_{name}"] = Variable(
            f"marginal welfare cost of the limit on {name}", f"1/{described[name].unit}"
        )
        fields[f"multiplier_{name}"] = price
    dataset = xr.Dataset(
        {name: ("year", np.asarray(array), variable_attributes(described[name])) for name, array in fields.items()},
        coords={"year": ("year", path.years.astype(np.int32), {"long_name": "first year of the period", "units": "1"})},
    )
    dataset.attrs.update(
        model=model.name,
        abatax_version=version("abatax"),
        converged=int(path.converged),
        price_year=model.price_year,
        years_per_period=model.years_per_period,
        welfare=path.welfare,
        source=model.source,
        **model.labels,
    )
    return dataset
