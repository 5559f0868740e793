"""Names on the command line, and solvers from plain options."""

import dataclasses
import math
import typing
from collections.abc import Mapping
from typing import Any

from ..common import choose, nearest, shortened
from ..neural_operators import SCALE, NetworkOptions, architecture_options
from . import collocation, discrete, grid, neural
from .base import AbstractSolver
from .discrete import AbstractPathSolver

# Every solver that these sub-packages export and that has a name, by its name.
SOLVERS: dict[str, type[AbstractSolver] | type[AbstractPathSolver]] = {
    solver.name: solver  # pyright: ignore[reportAttributeAccessIssue]
    for package in (grid, collocation, neural, discrete)
    for solver in vars(package).values()
    if isinstance(solver, type) and issubclass(solver, (AbstractSolver, AbstractPathSolver)) and hasattr(solver, "name")
}


def solver_class(name: str) -> type[AbstractSolver] | type[AbstractPathSolver]:
    """The solver of a name.

    **Raises:** `ValueError` with the nearest known name.
    """
    return choose("solver", name, SOLVERS)


_NETWORK = "network."
_TRUTH = {"true": True, "false": False}


def make_solver(name: str, options: dict[str, Any]) -> AbstractSolver | AbstractPathSolver:
    """A solver from its name and options as typed: `{"points": "41", "order": 4}`.

    **Raises:** `ValueError` naming an option that is unknown or of the wrong kind.
    """
    cls = solver_class(name)
    options = dict(options)
    network = _network_options(cls, options)
    plain = {f.name: f.default for f in dataclasses.fields(cls) if isinstance(f.default, (int, float, str))}
    # one for every state
    several = {
        f.name for f in dataclasses.fields(cls) if any(typing.get_origin(t) is tuple for t in typing.get_args(f.type))
    }
    given = {}
    for key, value in options.items():
        if key not in plain:
            raise ValueError(f"unknown field `solver.{key}`: {nearest(key, plain)}")
        kind = type(plain[key])
        if kind is str:
            given[key] = str(value)
            continue
        parts = value if isinstance(value, (list, tuple)) else str(value).split(",")
        try:
            numbers = tuple(_TRUTH[str(part).strip().lower()] if kind is bool else kind(part) for part in parts)
        except (TypeError, ValueError, KeyError, OverflowError):
            wanted = {int: "a whole number", bool: "true or false"}.get(kind, "a number")
            raise ValueError(f"`solver.{key}` is {shortened(repr(value))}; it must be {wanted}.") from None
        if kind is float and not all(math.isfinite(float(number)) for number in numbers):
            raise ValueError(f"`solver.{key}` is {value!r}; it must be a finite number.")
        if not numbers or (len(numbers) > 1 and key not in several):
            what = "be one value" if key not in several else "have at least one value"
            raise ValueError(f"`solver.{key}` is {shortened(str(value))}; it must {what}.")
        given[key] = numbers[0] if len(numbers) == 1 else numbers
    return cls(**given, **network)


def _network_options(cls: type, options: dict[str, Any]) -> dict[str, NetworkOptions]:
    """The options of the network, which are taken out: `network.depth` of the command line, or the table `network` of a file."""
    table = options.pop("network", {})
    if not isinstance(table, Mapping):
        raise ValueError(
            f"`solver.network` is {shortened(repr(table))}; set its options, as in `solver.network.depth=2`."
        )
    chosen = dict(table)
    for key in [key for key in options if key.startswith(_NETWORK)]:
        chosen[key.removeprefix(_NETWORK)] = options.pop(key)
    if not chosen:
        return {}
    defaults = {f.name: f.default for f in dataclasses.fields(cls)}
    if "network" not in defaults:
        raise ValueError(f"unknown field `solver.{_NETWORK}{next(iter(chosen))}`: this solver trains no network.")
    name = str(options.get("architecture", defaults["architecture"]))
    known = architecture_options(name) | {SCALE: 1.0}
    typed = {option: _like(known.get(option), option, value) for option, value in chosen.items()}
    network = NetworkOptions(**typed)
    network.check(name)
    return {"network": network}


def _like(default: Any, option: str, value: Any) -> Any:
    """An option of a network as a value of the kind of its default."""
    if not isinstance(value, str) or isinstance(default, str) or default is None:
        return value
    try:
        return _TRUTH[value.strip().lower()] if isinstance(default, bool) else type(default)(value)
    except (TypeError, ValueError, KeyError, OverflowError):
        wanted = {int: "a whole number", bool: "true or false"}.get(type(default), "a number")
        raise ValueError(f"`solver.network.{option}` is {shortened(repr(value))}; it must be {wanted}.") from None


def solver_options(solver: AbstractSolver | AbstractPathSolver) -> dict[str, Any]:
    """The plain options of a solver, as `make_solver` takes them."""
    values = {f.name: getattr(solver, f.name) for f in dataclasses.fields(solver)}
    plain = {
        k: list(v) if isinstance(v, tuple) else v for k, v in values.items() if isinstance(v, (int, float, str, tuple))
    }
    network = values.get("network")
    return plain | ({"network": network.to_dict()} if isinstance(network, NetworkOptions) and network.items else {})
