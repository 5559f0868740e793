"""The reference of a comparison, and errors relative to it."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ...models import HJBProblem
from ...solvers import Solution, fields_at
from ...solvers.solution import MAXIMISER, AbstractRule
from ..errors import Reference, region_points, relative_errors
from ..exact import exact_value

_SEED = 20  # seed of the points at which errors are measured
_SLICE, _MAP = 61, 25  # points along a state in slices, and along each of two states in maps


@dataclasses.dataclass(frozen=True)
class Target:
    """The reference of a comparison on points of the region of interest.

    **Fields:**

    - `problem`, `value`: the problem with the value functions after its jumps, and the value function.
    - `source`: the origin of the reference in words. `errors`: its own errors by quantity (relative L2), if known.
    - `solver`: the name of the solver of the reference, which is not ranked; empty if there is none.
    - `points`, `truth`: the points at which solutions are compared, and the quantities of the reference at these points.
    """

    problem: HJBProblem
    value: Callable
    source: str
    errors: dict[str, float]
    solver: str
    points: Any
    truth: dict[str, np.ndarray]

    @property
    def controls(self) -> tuple[str, ...]:
        """Names of the controls."""
        return self.problem.model.controls._fields

    @property
    def in_use(self) -> tuple[str, ...]:
        """Names of the controls over which errors are averaged, without controls that have no effect in the regime."""
        return tuple(name for name in self.controls if name not in self.problem.model.idle_controls())

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the states."""
        return self.problem.model.states._fields

    def errors_of(self, problem: HJBProblem, value: Callable, rule: AbstractRule = MAXIMISER) -> dict[str, float]:
        """Residual and relative L2 errors of another solution, by column name.

        The residual is divided by the discount rate and the range of the reference's value. Slopes in the gradient are measured per
        length of the region, so that states in different units have equal weight.
        """
        fields = _fields(problem, value, self.points, rule)
        scaled = fields["residual"] / np.ptp(self.truth["value"])
        errors = relative_errors(fields, self.truth)
        row = {
            "value_error": errors["value"][0],
            "gradient_error": _gradient_error(self.problem, fields, self.truth),
            "residual_rms": _rms(scaled),
            "residual_max": float(np.max(np.abs(scaled))),
        }
        row |= {f"policy_error_{name}": errors[name][0] for name in self.controls}
        row["policy_error"] = _rms(np.array([errors[name][0] for name in self.in_use]))
        if "scc" in errors:
            row["scc_error"] = errors["scc"][0]
        return row

    def constant_errors(self) -> dict[str, float]:
        """The errors of the best constant controls, which are the means of the reference's controls over the region."""
        errors = {name: relative_errors(self.truth, self.truth)[name][2] for name in self.controls}
        row = {f"constant_policy_error_{name}": errors[name] for name in self.controls}
        return row | {"constant_policy_error": _rms(np.array([errors[name] for name in self.in_use]))}

    def slices(
        self, problem: HJBProblem, value: Callable, rule: AbstractRule = MAXIMISER
    ) -> dict[str, dict[str, list[float]]]:
        """Centred value and controls along every state, with the other states in the middle of their region."""
        middle = np.mean(problem.region, axis=1)
        lines = []
        for axis, (low, high) in enumerate(problem.region):
            line = np.tile(middle, (_SLICE, 1))
            line[:, axis] = np.linspace(low, high, _SLICE)
            lines.append(line)
        fields = fields_at(problem, value, jnp.asarray(np.concatenate(lines)), rule=rule)
        mean = float(np.mean(fields_at(problem, value, self.points, rule=rule)["value"]))
        fields["value"] = fields["value"] - mean
        out = {}
        for axis, state in enumerate(self.states):
            part = slice(axis * _SLICE, (axis + 1) * _SLICE)
            columns = {name: fields[name][part].tolist() for name in ("value", *self.controls)}
            out[state] = {"at": lines[axis][:, axis].tolist()} | columns
        return out

    def residual_map(
        self, problem: HJBProblem, value: Callable, rule: AbstractRule = MAXIMISER
    ) -> dict[str, Any] | None:
        """Residual relative to the discount rate and the range of the value over the first two states; None for a single state."""
        if len(problem.region) < 2:
            return None
        first, second = (np.linspace(low, high, _MAP) for low, high in problem.region[:2])
        points = np.tile(np.mean(problem.region, axis=1), (_MAP**2, 1))
        points[:, 0], points[:, 1] = np.repeat(first, _MAP), np.tile(second, _MAP)
        scaled = fields_at(problem, value, jnp.asarray(points), rule=rule)["residual"] / np.ptp(self.truth["value"])
        return {"x": first.tolist(), "y": second.tolist(), "residual": scaled.reshape(_MAP, _MAP).tolist()}


def make_target(
    problem: HJBProblem, reference: Solution | Reference | Callable | None, count: int = 256, source: str = ""
) -> Target:
    """The target of a comparison with a given reference.

    **Arguments:**

    - `reference`: a solution, a [`Reference`][] with estimated errors, or a value function; by default the exact value function.
    - `count`: number of points in the region of interest, a power of two. `source`: the origin of the reference in words.

    **Raises:** `ValueError` if there is no reference, if it belongs to another model, or if it is not finite.
    """
    errors: dict[str, float] = {}
    solver = "finite_difference" if isinstance(reference, Reference) else ""
    if reference is None:
        reference, source = exact_value(problem.model), source or "the exact solution"
        if reference is None:
            raise ValueError(f"`reference` is missing: `{problem.model.name}` has no exact solution; give a solution.")
    if isinstance(reference, Reference):
        errors = {name: estimate.l2 for name, estimate in reference.errors.items()}
        reference, source = reference.solution, source or "finite differences"
    if isinstance(reference, Solution):
        if not eqx.tree_equal(reference.problem.model, problem.model):
            raise ValueError("`reference` belongs to another model or other parameters; give a solution of this model.")
        source = source or "a solution"
        problem, value = reference.problem.replace(box=_box_of(problem)), reference.value
    else:
        value, source = reference, source or "a value function"
    points = region_points(problem, count, _SEED)
    truth = _fields(problem, value, points)
    del truth["residual"]
    for name, field in truth.items():
        if not np.all(np.isfinite(field)):
            raise ValueError(f"`reference`: its {name} is not finite everywhere in the region; give another one.")
    return Target(problem, value, source, errors, solver, points, truth)


def _box_of(problem: HJBProblem) -> dict[str, tuple[float, float]]:
    return dict(zip(problem.model.states._fields, problem.region, strict=True))


def _fields(problem: HJBProblem, value: Callable, points: Any, rule: AbstractRule = MAXIMISER) -> dict[str, np.ndarray]:
    """The quantities of a comparison, and the residual."""
    fields = {
        name: v for name, v in fields_at(problem, value, points, rule=rule).items() if not name.startswith("worst_case")
    }
    fields["value"] = fields["value"] - fields["value"].mean()
    return fields


def _gradient_error(problem: HJBProblem, fields: dict[str, np.ndarray], truth: dict[str, np.ndarray]) -> float:
    gap = size = 0.0
    for state, (low, high) in zip(problem.model.states._fields, problem.region, strict=True):
        name = f"slope_{state}"
        gap += float(np.mean((fields[name] - truth[name]) ** 2)) * (high - low) ** 2
        size += float(np.mean(truth[name] ** 2)) * (high - low) ** 2
    return math.sqrt(gap / size) if size > 0.0 else math.sqrt(gap)


def _rms(numbers: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(numbers))))
