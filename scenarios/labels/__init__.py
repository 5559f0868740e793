"""Labelled data: datasets with units, quantiles, CF and IAMC conventions, and NetCDF and CSV files."""

from ._belongs import check_mark as check_mark, check_same as check_same
from ._cf import (
    command_line as command_line,
    scenario_dataset as scenario_dataset,
    with_global_attributes as with_global_attributes,
)
from ._csv import write_csv as write_csv
from ._datasets import (
    grid_dataset as grid_dataset,
    group_name as group_name,
    paths_dataset as paths_dataset,
    regime_datasets as regime_datasets,
)
from ._iamc import (
    INDEX as INDEX,
    scenario_names as scenario_names,
    to_iamc as to_iamc,
    write_iamc_csv as write_iamc_csv,
    write_iamc_xlsx as write_iamc_xlsx,
)
from ._meta import flatten as flatten, meta as meta
from ._netcdf import (
    open_attributes as open_attributes,
    open_netcdf as open_netcdf,
    open_netcdf_groups as open_netcdf_groups,
    plain_attributes as plain_attributes,
    write_netcdf as write_netcdf,
)
from ._quantiles import QUANTILES as QUANTILES, summarise as summarise
from ._trajectory_dataset import trajectory_dataset as trajectory_dataset
from ._udunits import udunits as udunits
from ._units import (
    conversion_factor as conversion_factor,
    convert as convert,
    deflator as deflator,
    iamc_unit as iamc_unit,
    split_price_year as split_price_year,
    temperature_baseline as temperature_baseline,
)
