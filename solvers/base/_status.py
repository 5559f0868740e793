"""Where an iteration stands, as a number in its state: 0 while it runs, then an index of its result."""

from ._result import RESULTS

(
    RUNNING,
    CONVERGED,
    STALLED,
    NONFINITE,
    OUTWARD,
    OSCILLATING,
    PINNED,
    WRONG_SIGN,
    OPEN,
    ROUGH,
    UNSETTLED,
    INFINITE,
    MISSED,
) = range(13)

CODES = (
    RESULTS.max_steps_reached,
    RESULTS.successful,
    RESULTS.stalled,
    RESULTS.nonfinite,
    RESULTS.outward_drift,
    RESULTS.oscillating,
    RESULTS.pinned,
    RESULTS.wrong_sign,
    RESULTS.undetermined,
    RESULTS.unresolved,
    RESULTS.unsettled,
    RESULTS.infinite_value,
    RESULTS.missed_maximum,
)
