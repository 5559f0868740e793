"""The status of an iteration as a number in its state: 0 while it runs, then the index of its result code in `CODES`."""

from ._result import RESULTS

_results: list[RESULTS] = []


def _status(result: RESULTS) -> int:
    _results.append(result)
    return len(_results) - 1


RUNNING = _status(RESULTS.max_steps_reached)
CONVERGED = _status(RESULTS.successful)
STALLED = _status(RESULTS.stalled)
NONFINITE = _status(RESULTS.nonfinite)
OUTWARD = _status(RESULTS.outward_drift)
OSCILLATING = _status(RESULTS.oscillating)
PINNED = _status(RESULTS.pinned)
WRONG_SIGN = _status(RESULTS.wrong_sign)
OPEN = _status(RESULTS.undetermined)
ROUGH = _status(RESULTS.unresolved)
UNSETTLED = _status(RESULTS.unsettled)
INFINITE = _status(RESULTS.infinite_value)
MISSED = _status(RESULTS.missed_maximum)

CODES = tuple(_results)
