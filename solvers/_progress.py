import abc

import equinox as eqx


class AbstractProgress(eqx.Module):
    """What the user sees while a solver works."""

    @abc.abstractmethod
    def update(self, task: str, stage: str, step: int, numbers: dict[str, float]) -> None:
        """One iteration was done."""

    @abc.abstractmethod
    def done(self, task: str, outcome: str) -> None:
        """A task has ended."""


class NoProgress(AbstractProgress):
    """Silent."""

    def update(self, task, stage, step, numbers):
        del task, stage, step, numbers

    def done(self, task, outcome):
        del task, outcome


class TextProgress(AbstractProgress):
    """One line per iteration, named numbers, on standard error."""

    def update(self, task, stage, step, numbers):
        import sys

        shown = "  ".join(f"{name} {value:.3g}" for name, value in numbers.items())
        print(f"{task:>16} {step:4d} {stage:>10}  {shown}", file=sys.stderr)

    def done(self, task, outcome):
        import sys

        print(f"{task:>16} {outcome}", file=sys.stderr)
