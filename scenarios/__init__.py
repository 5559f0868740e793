"""From solutions to what analysts and readers use: quantiles, IAMC tables, NetCDF files, figures, the result page."""

from ..common import complete_file as complete_file
from .figures import (
    DICE_2023 as DICE_2023,
    EPA_2023 as EPA_2023,
    Panel as Panel,
    SavedFigure as SavedFigure,
    fan as fan,
    jump_dates as jump_dates,
    new_panel as new_panel,
    save_figures as save_figures,
    save_panel as save_panel,
    save_tornado as save_tornado,
    scc_path as scc_path,
    sensitivity_table as sensitivity_table,
    slice_along as slice_along,
    value_and_policy as value_and_policy,
)
from .labels import (
    INDEX as INDEX,
    QUANTILES as QUANTILES,
    conversion_factor as conversion_factor,
    convert as convert,
    deflator as deflator,
    flatten as flatten,
    iamc_unit as iamc_unit,
    meta as meta,
    open_netcdf as open_netcdf,
    open_netcdf_groups as open_netcdf_groups,
    plain_attributes as plain_attributes,
    scenario_dataset as scenario_dataset,
    scenario_names as scenario_names,
    summarise as summarise,
    to_iamc as to_iamc,
    write_iamc_csv as write_iamc_csv,
    write_iamc_xlsx as write_iamc_xlsx,
    write_netcdf as write_netcdf,
)
from .report import write_report as write_report
from .run import (
    BUILT_IN as BUILT_IN,
    RunSettings as RunSettings,
    compare as compare,
    export_run as export_run,
    full_run as full_run,
    read_settings as read_settings,
    simulate_run as simulate_run,
    solve_run as solve_run,
)
from .store import (
    ReferenceStore as ReferenceStore,
    load as load,
    path_dataset as path_dataset,
    read_run as read_run,
    save as save,
)
from .words import (
    Headline as Headline,
    headlines as headlines,
    percent as percent,
    plausibility as plausibility,
    screen_unit as screen_unit,
    significant as significant,
)
