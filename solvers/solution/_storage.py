"""A solution and all solutions after its jumps as plain data and arrays, exact to the last bit."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np

from ...models import HJBProblem
from ..base import RESULTS, result_name
from ._closed_form import closed_form
from ._coupled import BESIDE, Stored, rebuilt, stored_beside
from ._encoding import Arrays, decode, encode
from ._solution import Return, Solution, reshape_family, reshape_leading


def describe(solution: Solution, arrays: Arrays) -> dict[str, Any]:
    """The data from which [`restore`][] rebuilds a solution for a given problem; arrays are added to `arrays`.

    **Raises:** `ValueError` if a value function or a policy holds an object that cannot be written to a file.
    """
    return _describe(reshape_family(solution, (1,), 0), arrays)


def _describe(part: Solution, arrays: Arrays) -> dict[str, Any]:
    has_closed_form = eqx.filter_vmap(closed_form)(part.problem.model) is not None
    about: dict[str, Any] = {
        "result": result_name(part.result),
        "stats": _plain(part.stats),
        "nodes": encode(tuple(np.asarray(nodes) for nodes in part.nodes), arrays),
        "faces": encode(part.problem.faces, arrays),
        # a closed-form value function is not written, because it follows from the model
        "value": None if has_closed_form else encode(part.value, arrays),
        "rule": encode(part.rule, arrays),
    }
    beside = stored_beside(part)
    if beside is not None:
        return about | {"beside": _describe(beside, arrays)}
    after = []
    for destination in part.destinations:
        if isinstance(destination, Return):
            after.append(None)
            continue
        size, outcomes = destination.family
        after.append(_describe(reshape_family(destination, (size * outcomes,), 2), arrays))
    return about | {"destinations": after}


def restore(problem: HJBProblem, about: dict[str, Any], arrays: Arrays) -> Solution:
    """The solution of a problem from the data of [`describe`][].

    **Raises:** `KeyError`, `ValueError`, `TypeError`, `IndexError` or `AttributeError` if the data have another form.
    """
    return rebuilt(reshape_leading(problem, (1,), 0), 1, _reader(about, arrays)).member(0)


def _reader(root: dict[str, Any], arrays: Arrays) -> Callable[[tuple, HJBProblem, int], Stored]:
    def read(path: tuple, problem: HJBProblem, size: int) -> Stored:
        del size
        about = root
        for number, _ in path:
            about = about["beside"] if number == BESIDE else about["destinations"][number]
        faces = decode(about["faces"], arrays, problem)
        if about["value"] is None:
            value = eqx.filter_vmap(closed_form)(problem.model)
            if value is None:
                raise ValueError(f"the regime `{problem.model.regime}` has no value function")
        else:
            value = decode(about["value"], arrays, problem)
        nodes = decode(about["nodes"], arrays, problem)
        rule = decode(about["rule"], arrays, problem)
        return Stored(value, nodes, getattr(RESULTS, about["result"]), about["stats"], faces, rule)

    return read


def _plain(stats: Any) -> Any:
    """Statistics as data that JSON can represent."""
    if isinstance(stats, dict):
        return {str(name): _plain(entry) for name, entry in stats.items()}
    if isinstance(stats, (list, tuple)):
        return [_plain(entry) for entry in stats]
    if isinstance(stats, (np.generic, np.ndarray)) or hasattr(stats, "__array__"):
        return np.asarray(stats).tolist()
    return stats
