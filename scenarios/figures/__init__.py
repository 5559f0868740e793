"""Figures of scenarios, policies, comparisons and sensitivities."""

from ._charts import (
    DICE_2023 as DICE_2023,
    EPA_2023 as EPA_2023,
    fan as fan,
    jump_dates as jump_dates,
    scc_path as scc_path,
)
from ._comparison_figures import save_comparison_figures as save_comparison_figures
from ._figures import SavedFigure as SavedFigure, save_figures as save_figures
from ._plots import (
    plot_comparison as plot_comparison,
    plot_paths as plot_paths,
    plot_report as plot_report,
    plot_solution as plot_solution,
)
from ._policy_chart import slice_along as slice_along, value_and_policy as value_and_policy
from ._style import Panel as Panel, new_panel as new_panel, save_panel as save_panel
from ._tornado import save_tornado as save_tornado, sensitivity_table as sensitivity_table
