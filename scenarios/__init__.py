"""From solutions to what analysts and readers use: quantiles, IAMC tables, NetCDF files, figures, the result page."""

from .._writing import complete_file as complete_file
from ._cf import scenario_dataset as scenario_dataset
from ._charts import (
    DICE_2023 as DICE_2023,
    EPA_2023 as EPA_2023,
    fan as fan,
    jump_dates as jump_dates,
    scc_path as scc_path,
)
from ._comparison_run import compare as compare
from ._figures import SavedFigure as SavedFigure, save_figures as save_figures
from ._headlines import Headline as Headline, headlines as headlines, plausibility as plausibility
from ._iamc import (
    INDEX as INDEX,
    scenario_names as scenario_names,
    to_iamc as to_iamc,
    write_iamc_csv as write_iamc_csv,
    write_iamc_xlsx as write_iamc_xlsx,
)
from ._meta import flatten as flatten, meta as meta
from ._netcdf import (
    open_netcdf as open_netcdf,
    open_netcdf_groups as open_netcdf_groups,
    plain_attributes as plain_attributes,
    write_netcdf as write_netcdf,
)
from ._path_storage import path_dataset as path_dataset
from ._pipeline import (
    export_run as export_run,
    full_run as full_run,
    simulate_run as simulate_run,
    solve_run as solve_run,
)
from ._policy_chart import slice_along as slice_along, value_and_policy as value_and_policy
from ._quantiles import QUANTILES as QUANTILES, summarise as summarise
from ._reference_store import ReferenceStore as ReferenceStore
from ._report import write_report as write_report
from ._screen import percent as percent, screen_unit as screen_unit, significant as significant
from ._settings import BUILT_IN as BUILT_IN, RunSettings as RunSettings, read_settings as read_settings
from ._storage import load as load, read_run as read_run, save as save
from ._style import Panel as Panel, new_panel as new_panel, save_panel as save_panel
from ._tornado import save_tornado as save_tornado, sensitivity_table as sensitivity_table
from ._units import (
    conversion_factor as conversion_factor,
    convert as convert,
    deflator as deflator,
    iamc_unit as iamc_unit,
)
