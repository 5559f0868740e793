"""The jobs of the command line: the main job, its settings and folders, and how runs are continued and repeated."""

from ._comparison_run import compare as compare
from ._pipeline import (
    check_absent as check_absent,
    export_run as export_run,
    full_run as full_run,
    hjb_only as hjb_only,
    outlook as outlook,
    prepare_folder as prepare_folder,
    simulate_run as simulate_run,
    solve_run as solve_run,
    tidy as tidy,
)
from ._reference_run import reference_run as reference_run
from ._rerun import settings_of_run as settings_of_run
from ._resume import may_resume as may_resume, question as question, record_question as record_question
from ._run_folder import discard_others as discard_others, paths_name as paths_name, read_table as read_table
from ._sensitivity_run import check_asked as check_asked, sensitivity_run as sensitivity_run
from ._settings import (
    BUILT_IN as BUILT_IN,
    RunSettings as RunSettings,
    apply as apply,
    check_seed as check_seed,
    check_simulation as check_simulation,
    read_settings as read_settings,
)
