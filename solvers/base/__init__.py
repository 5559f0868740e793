"""The parts that all solvers share: the protocol, result codes, progress, checkpoints, compiled functions, memory."""

from ._archive import (
    DamagedArchiveError as DamagedArchiveError,
    ForeignArchiveError as ForeignArchiveError,
    read_archive as read_archive,
    write_archive as write_archive,
)
from ._checkpoint import Checkpoint as Checkpoint
from ._chunks import chunks as chunks
from ._compiled import release_programs as release_programs
from ._jit import compiled as compiled
from ._memory import (
    check_bytes as check_bytes,
    check_dense as check_dense,
    check_memory as check_memory,
    memory_needed as memory_needed,
    memory_there as memory_there,
)
from ._options import check_real as check_real, check_tolerance as check_tolerance, check_whole as check_whole
from ._progress import (
    AbstractProgress as AbstractProgress,
    NoProgress as NoProgress,
    RichProgress as RichProgress,
    TextProgress as TextProgress,
)
from ._ranges import flat as flat, value_ranges as value_ranges
from ._result import RESULTS as RESULTS, result_advice as result_advice, result_name as result_name
from ._solver import (
    MOST_STEPS as MOST_STEPS,
    AbstractSolver as AbstractSolver,
    AbstractTrainedSolver as AbstractTrainedSolver,
    Finish as Finish,
)
from ._status import (
    CODES as CODES,
    CONVERGED as CONVERGED,
    INFINITE as INFINITE,
    MISSED as MISSED,
    NONFINITE as NONFINITE,
    OPEN as OPEN,
    OSCILLATING as OSCILLATING,
    OUTWARD as OUTWARD,
    PINNED as PINNED,
    ROUGH as ROUGH,
    RUNNING as RUNNING,
    STALLED as STALLED,
    UNSETTLED as UNSETTLED,
    WRONG_SIGN as WRONG_SIGN,
)
from ._timing import compile_clock as compile_clock
