"""Work that goes on beside the main thread."""

import threading
from collections.abc import Callable
from typing import Any

from ...solvers import AbstractProgress


class Beside:
    """A call that has begun in a thread of its own; it ends with the process, so that a stopped run stops at once."""

    def __init__(self, call: Callable[[], Any]):
        self._call, self._error = call, None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            self._call()
        except BaseException as error:  # raised again where it is waited for
            self._error = error

    def wait(self) -> None:
        """Until it has ended. **Raises:** what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error


class NamedProgress(AbstractProgress):
    """The progress of one of several jobs: its tasks carry its name."""

    def __init__(self, name: str, progress: AbstractProgress):
        self._name, self._progress = name, progress

    def update(self, task, stage, step, numbers):
        self._progress.update(f"{self._name} {task}", stage, step, numbers)

    def done(self, task, outcome):
        self._progress.done(f"{self._name} {task}", outcome)
