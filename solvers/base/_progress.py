import abc
import sys


class AbstractProgress(abc.ABC):
    """Display of the progress of a solver.

    !!! example

        ```python
        import abatax as ab

        class Count(ab.solvers.AbstractProgress):
            steps = 0

            def update(self, task, stage, step, numbers):
                self.steps += 1

            def done(self, task, outcome):
                pass

        count = Count()
        ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21), progress=count)
        assert count.steps > 0
        ```
    """

    @abc.abstractmethod
    def update(self, task: str, stage: str, step: int, numbers: dict[str, float]) -> None:
        """Report a finished iteration."""

    @abc.abstractmethod
    def done(self, task: str, outcome: str) -> None:
        """Report the end of a task."""


class NoProgress(AbstractProgress):
    """No display.

    !!! example

        ```python
        import abatax as ab

        progress = ab.solvers.NoProgress()
        ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21), progress=progress)
        ```
    """

    def update(self, task, stage, step, numbers):
        del task, stage, step, numbers

    def done(self, task, outcome):
        del task, outcome


class TextProgress(AbstractProgress):
    """One line with named numbers per iteration, on standard error.

    !!! example

        ```python
        import abatax as ab

        progress = ab.solvers.TextProgress()
        ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21), progress=progress)
        ```
    """

    def update(self, task, stage, step, numbers):
        shown = "  ".join(f"{name} {value:.3g}" for name, value in numbers.items())
        print(f"{task:>16} {step:4d} {stage:>10}  {shown}", file=sys.stderr)

    def done(self, task, outcome):
        print(f"{task:>16} {outcome}", file=sys.stderr)


class RichProgress(AbstractProgress):
    """A live line per task on a terminal; otherwise one plain line per finished task.

    Use it as a context manager, so that the terminal is restored.

    !!! example

        ```python
        import abatax as ab

        with ab.solvers.RichProgress() as progress:
            ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21), progress=progress)
        ```
    """

    def __init__(self):
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._console = Console(stderr=True)
        self._live = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<23}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[shown]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict = {}

    def __enter__(self):
        self._live.start()
        return self

    def __exit__(self, *error):
        self._live.stop()

    def update(self, task, stage, step, numbers):
        shown = f"{stage} {step}  " + "  ".join(f"{name} {value:.2g}" for name, value in numbers.items())
        if task not in self._tasks:
            self._tasks[task] = self._live.add_task(task, total=None, shown=shown)
        self._live.update(self._tasks[task], shown=shown)

    def done(self, task, outcome):
        if task in self._tasks:
            self._live.update(self._tasks.pop(task), shown=outcome, total=1, completed=1)
        if not self._console.is_terminal:
            self._console.print(f"{task:<23} {outcome}", highlight=False)
