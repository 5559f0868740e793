"""Work in a second thread, and its progress."""

import threading
from collections.abc import Callable
from typing import Any

from ...solvers import AbstractProgress


class Beside:
    """A call that runs in a second thread; the thread ends with the process, so that a stopped run stops at once."""

    def __init__(self, call: Callable[[], Any]):
        self._call, self._error = call, None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            self._call()
        except BaseException as error:  # raised again by `wait`
            self._error = error

    def wait(self) -> None:
        """Wait until the call has ended. **Raises:** the exception of the call."""
        self._thread.join()
        if self._error is not None:
            raise self._error


class NamedProgress(AbstractProgress):
    """The progress of one of several jobs; the names of its tasks begin with the name of the job."""

    def __init__(self, name: str, progress: AbstractProgress):
        self._name, self._progress = name, progress

    def update(self, task, stage, step, numbers):
        self._progress.update(f"{self._name} {task}", stage, step, numbers)

    def done(self, task, outcome):
        self._progress.done(f"{self._name} {task}", outcome)
