"""The settings of a run, from a TOML file or the command line."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import equinox as eqx
import jax
import jax.numpy as jnp
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from ...common import nearest, shortened
from ...models import DiscreteProblem, HJBProblem, configure, model_class
from ...solvers import SOLVERS, AbstractPathSolver, AbstractSolver, check_kind, default_solver, make_solver, pose
from ..labels import flatten


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


# The values true, 1.0 and "1" are not accepted as whole numbers.
Whole = Annotated[int, Field(strict=True)]
Seed = Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)]
Bound = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class SimulationSettings(_Strict):
    """Settings of the simulation."""

    years: Whole = Field(default=80, ge=1, le=500)
    paths: Whole = Field(default=1000, ge=2, le=100_000)


class RunSettings(_Strict):
    """All settings of `abatax run`; the TOML file has the same names.

    **Arguments:**

    - `model`: name of the model, a key of `MODELS`.
    - `seed`: seed of all random numbers, a whole number.
    - `parameters`: fields of the model that differ from their defaults, as tables or with dotted names.
    - `box`: for some states a pair (low, high) that replaces the region of interest, in the unit of the state.
    - `solver`: `name` and options of the solver; the default solver of the problem without a name.
    - `simulation`: `years` and `paths` of the simulation.

    **Raises:** `pydantic.ValidationError`, a `ValueError`, naming a field that is unknown or out of range.

    !!! example

        ```toml
        model = "uncertain_damages"
        seed = 1

        [parameters]
        ambiguity.shocks = 1.0
        ambiguity.jumps = 1.0

        [solver]
        name = "finite_difference"
        points = 161

        [simulation]
        years = 80
        paths = 1000
        ```

    !!! example

        ```python
        import abatax as ab

        settings = ab.scenarios.RunSettings(model="uncertain_damages", parameters={"ambiguity.shocks": 1.0}, solver={"points": 161})
        assert settings.simulation.years == 80 and float(settings.problem().model.ambiguity.shocks) == 1.0
        ```
    """

    model: str
    seed: Seed = 0
    parameters: dict[str, Any] = {}
    box: dict[str, tuple[Bound, Bound]] = {}
    solver: dict[str, Any] = {}
    simulation: SimulationSettings = SimulationSettings()

    def problem(self, *, neutral: bool = False) -> HJBProblem | DiscreteProblem:
        """The problem of these settings, without ambiguity if `neutral` is true.

        **Raises:** `ValueError` naming the field.
        """
        problem: Any = self.posed()
        if neutral:
            ambiguity = problem.model.ambiguity
            problem = eqx.tree_at(lambda p: p.model.ambiguity, problem, jax.tree.map(jnp.zeros_like, ambiguity))
        check_kind(problem, self._solver_for(problem))
        if isinstance(problem, HJBProblem):
            problem.check_start()
        return problem

    def make_solver(self) -> AbstractSolver | AbstractPathSolver:
        """The solver of these settings."""
        return self._solver_for(self.posed())

    def posed(self) -> HJBProblem | DiscreteProblem:
        """The problem of the model and the box, before it is checked."""
        return pose(configure(self.model, self.dotted()), self.box)

    def _solver_for(self, problem: HJBProblem | DiscreteProblem) -> AbstractSolver | AbstractPathSolver:
        options = dict(self.solver)
        default = next(name for name, kind in SOLVERS.items() if kind is type(default_solver(problem)))
        return make_solver(str(options.pop("name", default)), options)

    def with_solver(self, name: str) -> "RunSettings":
        """The same settings with a solver of another name."""
        return self.model_copy(update={"solver": self.solver | {"name": name}})

    def dotted(self) -> dict[str, Any]:
        """The parameters with dotted names."""
        return dict(flatten(self.parameters))


# The scenario of `abatax run` without a file. Penalties and the five damage functions are those of Barnett, Brock, Hansen, Hu and
# Huang 2023, doi:10.48550/arXiv.2310.13200, without ambiguity about the technology. Since noise is weak, one-sided differences
# from the start (`leaning`) save time.
BUILT_IN = RunSettings(
    model="net_zero",
    parameters={
        "ambiguity": {"shocks": 0.1, "jumps": 0.1},
        "damage_jump": {"curvatures": [n / 12.0 for n in range(5)]},
    },
    solver={"points": (15, 17, 25), "leaning": True, "tolerance": 1e-7},
)
"""Settings of `abatax run` without a file: `net_zero` with penalties of 0.1 on shocks and jumps."""


def read_settings(path: str | Path) -> RunSettings:
    r"""Read a TOML file, or the run.json of a run that will be repeated.

    **Arguments:**

    - `path`: the file.

    **Returns:** the settings.

    **Raises:** `ValueError`: one line with the file, the field, the value and the admissible values.

    !!! example

        ```python
        import tempfile
        from pathlib import Path

        import abatax as ab

        path = Path(tempfile.mkdtemp(), "mine.toml")
        path.write_text('model = "linear_quadratic"\n[solver]\npoints = 41\n')
        assert ab.scenarios.read_settings(path).solver == {"points": 41}
        ```
    """
    from ._rerun import is_run_json, settings_of_run  # needs the classes above

    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        content = {} if is_run_json(text) else tomllib.loads(text)
        check_tables(content)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; give a TOML file or a run.json.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid TOML: {error}.") from None
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply; a table contains the fields of one block.") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if is_run_json(text):
        return settings_of_run(path, text)
    try:
        settings = RunSettings.model_validate(content)
    except ValidationError as error:
        raise ValueError(f"{path}: {_first(error)}") from None
    model_class(settings.model)
    return settings


def check_tables(content: dict[str, Any]) -> None:
    """Raise if parameters, box or options contain an empty table, a repeated field, or too many nested tables."""
    for name in ("parameters", "box", "solver"):
        tables = [(name, content.get(name), 1)]
        fields: set[str] = set()
        while tables:
            where, table, depth = tables.pop()
            if not isinstance(table, dict):
                if where in fields:
                    raise ValueError(f"`{where}` is given twice; leave one out.")
                fields.add(where)
            elif not table and depth > 1:
                raise ValueError(f"`{where}` is an empty table; give it a value, or leave it out.")
            elif depth > _DEEPEST:
                raise ValueError(
                    f"`{shortened(where)}` is nested too deeply; a table contains the fields of one block."
                )
            else:
                tables += [(f"{where}.{key}", value, depth + 1) for key, value in table.items()]


_DEEPEST = 10  # nested tables; models have three


def check_seed(seed: Any, name: str = "--seed") -> int:
    """The seed. **Raises:** `ValueError` if it is not a valid seed."""
    return _checked(Seed, name, seed)


def check_simulation(years: int, paths: int) -> None:
    """Raise if options violate the bounds of the settings; a single path is accepted here."""
    for name, value in (("years", years), ("paths", max(paths, 2) if paths == 1 else paths)):
        _checked(Annotated[Whole, SimulationSettings.model_fields[name]], f"--{name}", value)


def _checked(kind: Any, name: str, value: Any) -> Any:
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ValueError(f"`{name}` is {shortened(str(value))}: {error.errors()[0]['msg'].lower()}.") from None


def _first(error: ValidationError) -> str:
    """The first error in one line."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = SimulationSettings.model_fields if field.startswith("simulation.") else RunSettings.model_fields
        return f"unknown field `{shortened(field)}`: {nearest(field.split('.')[-1], known)}"
    value = "" if first["type"] == "missing" else f" is {shortened(repr(first['input']))}"
    return f"`{field}`{value}: {first['msg'].lower()}."


def apply(settings: RunSettings, assignments: list[str]) -> RunSettings:
    """Settings changed by `FIELD=VALUE` texts: model fields, `box.STATE=LOW,HIGH` and `solver.OPTION=VALUE`.

    **Raises:** `ValueError` if a text is not an assignment.
    """
    parameters, box, solver = dict(settings.dotted()), dict(settings.box), dict(settings.solver)
    for text in assignments:
        field, equals, value = text.partition("=")
        field, value = field.strip(), value.strip()
        if not equals or not field or not value:
            raise ValueError(f"--set {text!r}: write FIELD=VALUE, for example ambiguity.shocks=1.")
        head, _, rest = field.partition(".")
        if head == "box":
            box[rest] = _bounds(field, value)
        elif head == "solver":
            solver[rest] = value
        else:
            parameters[field] = value
    return settings.model_copy(update={"parameters": parameters, "box": box, "solver": solver})


def _bounds(field: str, value: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in value.split(","))
    except ValueError:
        raise ValueError(f"`{field}` is {value!r}; write LOW,HIGH, for example box.temperature=0,3.") from None
    return low, high
