"""A run.json as the configuration of a run that repeats it."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...models import DiscreteProblem, HJBProblem, configure, imported_class
from ...solvers import pose
from ..store import parse_run
from ._settings import RunSettings, SimulationSettings


class RepeatedSettings(RunSettings):
    """The settings of an earlier run, with all parameters instead of differences from the defaults.

    **Fields:** `complete` contains all parameters in the form of `parameters_of`, and `parameters` contains changes.
    `own_class` is the label of a user-defined model. `extension` and `from_coarse` (whether the solve started from a coarser
    grid) repeat the earlier run.
    """

    solved_model: str
    complete: dict[str, Any]
    own_class: str | None = None
    extension: float = 1.0
    from_coarse: bool = False

    def posed(self) -> HJBProblem | DiscreteProblem:
        """The problem of the earlier run with the changes in `parameters` and `box`."""
        if self.model != self.solved_model:
            raise ValueError(f"`{self.model}`: the run.json belongs to `{self.solved_model}`; give that name, or none.")
        cls = None if self.own_class is None else imported_class(self.own_class)
        problem = pose(configure(self.model, self.dotted(), self.complete, cls), self.box)
        return problem.replace(extension=self.extension) if isinstance(problem, HJBProblem) else problem

    def with_solver(self, name: str) -> "RepeatedSettings":
        """The same settings with a solver of another name, which has its default options."""
        options = self.solver if self.solver.get("name") == name else {"name": name}
        return self.model_copy(update={"solver": options})


def is_run_json(text: str) -> bool:
    """Whether a configuration is JSON; no TOML file begins with a brace."""
    return text.lstrip("\ufeff \t\r\n").startswith("{")


def settings_of_run(path: Path, text: str) -> RepeatedSettings:
    """The settings that repeat the run of a run.json.

    **Raises:** `ValueError`: one line, if the file was changed or lacks a required entry.
    """
    run = parse_run(path, text)
    if "solver" not in run:
        raise ValueError(
            f"{path} does not contain the solver (`save(..., solver=...)`), so that the run cannot be repeated."
        )
    try:
        return RepeatedSettings(
            model=run["model"],
            solved_model=run["model"],
            seed=run.get("seed", 0),
            box=run.get("box", {}),
            solver=run["solver"],
            simulation=SimulationSettings(**run.get("simulation", {})),
            complete=run["parameters"],
            own_class=run.get("model_class"),
            extension=run.get("extension", 1.0),
            from_coarse=run.get("from_coarse", False),
        )
    except (ValidationError, TypeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": ("simulation",), "msg": str(error)}
        field = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{path}: `{field}`: {first['msg'].lower()}; solve again to replace the file.") from None
