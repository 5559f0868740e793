"""Fingerprints of a problem and its solution, by which files are assigned to a solution."""

import functools
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ...models import portable_parameters
from ...models.base import fingerprint
from ..base import result_name
from ._solution import Solution
from ._trajectory import Trajectory

MARK = "solution_fingerprint"  # in run.json, in the attributes of NetCDF files and in the columns of CSV files
_READ_BACK = "read_back"  # in `stats` of a solution read from a file: its content, and the fingerprint in the file
_QUESTION = ("model", "model_class", "parameters", "box", "extension", "results")
_DIGITS = 32
PATH = "path"  # the result of a path in discrete time, which has no regimes


def solution_fingerprint(solution: Solution | Trajectory) -> str:
    """The fingerprint of a solution, unchanged by `save` and `load`; all data derived from the solution carry it.

    **Arguments:**

    - `solution`: a solution of any kind.

    **Returns:** two hexadecimal numbers joined by a hyphen. The first is a hash of the problem (model, parameters, box, results),
    the second a hash of the solution (nodes and value function of every regime, or the controls of a path).

    !!! example

        ```python
        import abatax as ab

        solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), ab.solvers.FiniteDifference(points=21))
        paths = ab.simulate(solution, years=2, shocks=False).to_dataset()
        assert paths.attrs["solution_fingerprint"] == ab.solvers.solution_fingerprint(solution)
        ```
    """
    content = f"{question_hash(question_of(solution))}-{_hash(_answer(solution))}"
    read_content, read_mark = solution.stats.get(_READ_BACK, (None, ""))
    return read_mark if read_content == content else content


def read_back_as(solution: Any, mark: str) -> Any:
    """The solution, marked as the one described by a file with this fingerprint.

    Its own fingerprint may differ, because a path is read from decimal numbers and a class given by the user may have a new label.
    """
    content = solution_fingerprint(solution)
    if content != mark:
        solution.stats[_READ_BACK] = content, mark
    return solution


@functools.singledispatch
def question_of(solution: Any) -> dict[str, Any]:
    """The entries of run.json that describe the problem and the result."""
    raise TypeError(f"{type(solution).__name__} is no solution.")


@question_of.register
def _(solution: Solution) -> dict[str, Any]:
    problem = solution.problem
    box = dict(zip(problem.model.states._fields, map(list, problem.region), strict=True))
    return _model(problem.model) | {"box": box, "extension": problem.extension, "results": _results(solution)}


@question_of.register
def _(solution: Trajectory) -> dict[str, Any]:
    return _model(solution.problem.model) | {"results": {PATH: result_name(solution.result)}}


def question_hash(run: Mapping[str, Any]) -> str:
    """A hash of the entries of a run.json that describe the problem and the result."""
    return _hash(json.dumps({name: run[name] for name in _QUESTION if name in run}, sort_keys=True))


def _model(model: Any) -> dict[str, Any]:
    try:
        described = portable_parameters(model)
    except ValueError:  # a model that no file can describe is identified by its code and its fields
        described = {"parameters": fingerprint(model)}
    return {"model": model.name} | described


def _results(solution: Solution) -> dict[str, str]:
    results = {solution.problem.model.regime: result_name(solution.result)}
    for destination in solution.later:
        results |= _results(destination)
    return results


def _answer(solution: Solution | Trajectory) -> str:
    if isinstance(solution, Trajectory):
        return fingerprint((solution.controls, solution.multipliers))
    after = [_answer(destination) for destination in solution.later]
    beside = None if solution.coupled is None else (_answer(solution.coupled), solution.place)
    return fingerprint((solution.problem.model.regime, solution.nodes, solution.value, after, beside))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
