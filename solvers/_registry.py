"""Names of solvers on the command line, and construction of solvers from plain options."""

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

# Named solvers exported by these sub-packages, by name.
SOLVERS: dict[str, type[AbstractSolver] | type[AbstractPathSolver]] = {
    solver.name: solver
    for package in (grid, collocation, neural, discrete)
    for solver in vars(package).values()
    if isinstance(solver, type) and issubclass(solver, (AbstractSolver, AbstractPathSolver)) and hasattr(solver, "name")
}
"""Classes of the solvers by their name in files and on the command line."""


def solver_class(name: str) -> type[AbstractSolver] | type[AbstractPathSolver]:
    """The solver class with a given name.

    **Arguments:**

    - `name`: one of `SOLVERS`.

    **Returns:** the class.

    **Raises:** `ValueError` with the nearest known name.

    !!! example

        ```python
        import abatax as ab

        assert ab.solvers.solver_class("spectral") is ab.solvers.Spectral
        ```
    """
    return choose("solver", name, SOLVERS)


_NETWORK = "network."
_TRUTH = {"true": True, "false": False}


def make_solver(name: str, options: dict[str, Any]) -> AbstractSolver | AbstractPathSolver:
    """Make a solver from its name and options as typed by the user: `{"points": "41", "order": 4}`.

    **Arguments:**

    - `name`: one of `SOLVERS`.
    - `options`: values or texts by the name of the option; `network.OPTION` sets an option of the networks.

    **Returns:** the solver.

    **Raises:** `ValueError` if an option is unknown or of the wrong type.

    !!! example

        ```python
        import abatax as ab

        solver = ab.solvers.make_solver("finite_difference", {"points": "41", "order": 2})
        assert solver == ab.solvers.FiniteDifference(points=41, order=2)
        ```
    """
    cls = solver_class(name)
    options = dict(options)
    network = _network_options(cls, options)
    plain = {f.name: f.default for f in dataclasses.fields(cls) if isinstance(f.default, (int, float, str))}
    # options with one value per state
    per_state = {
        f.name for f in dataclasses.fields(cls) if any(typing.get_origin(t) is tuple for t in typing.get_args(f.type))
    }
    values = {}
    for key, value in options.items():
        if key not in plain:
            raise ValueError(f"unknown field `solver.{key}`: {nearest(key, plain)}")
        kind = type(plain[key])
        if kind is str:
            values[key] = str(value)
            continue
        parts = value if isinstance(value, (list, tuple)) else str(value).split(",")
        numbers = tuple(_converted(part, kind, key, value) for part in parts)
        if kind is float and not all(math.isfinite(float(number)) for number in numbers):
            raise ValueError(f"`solver.{key}` is {value!r}; it must be a finite number.")
        if not numbers or (len(numbers) > 1 and key not in per_state):
            requirement = "be one value" if key not in per_state else "have at least one value"
            raise ValueError(f"`solver.{key}` is {shortened(str(value))}; it must {requirement}.")
        values[key] = numbers[0] if len(numbers) == 1 else numbers
    return cls(**values, **network)


def _network_options(cls: type, options: dict[str, Any]) -> dict[str, NetworkOptions]:
    """Remove the network options from `options`: `network.depth` from the command line, or the table `network` of a file."""
    table = options.pop("network", {})
    if not isinstance(table, Mapping):
        raise ValueError(
            f"`solver.network` is {shortened(repr(table))}; set its options, as in `solver.network.depth=2`."
        )
    given_options = dict(table)
    for key in [key for key in options if key.startswith(_NETWORK)]:
        given_options[key.removeprefix(_NETWORK)] = options.pop(key)
    if not given_options:
        return {}
    defaults = {f.name: f.default for f in dataclasses.fields(cls)}
    if "network" not in defaults:
        raise ValueError(
            f"unknown field `solver.{_NETWORK}{next(iter(given_options))}`: this solver trains no network."
        )
    name = str(options.get("architecture", defaults["architecture"]))
    defaults_of_network = architecture_options(name) | {SCALE: 1.0}
    converted = {
        option: _like(defaults_of_network.get(option), option, value) for option, value in given_options.items()
    }
    network = NetworkOptions(**converted)
    network.check(name)
    return {"network": network}


def _like(default: Any, option: str, value: Any) -> Any:
    """Convert an option of a network to the type of its default."""
    if not isinstance(value, str) or isinstance(default, str) or default is None:
        return value
    return _converted(value, type(default), _NETWORK + option, value)


def _converted(part: Any, kind: type, option: str, value: Any) -> Any:
    """A part of the value of an option as a Boolean or a number.

    **Raises:** `ValueError` with the option and its whole value.
    """
    try:
        return _TRUTH[str(part).strip().lower()] if kind is bool else kind(part)
    except (TypeError, ValueError, KeyError, OverflowError):
        description = {int: "a whole number", bool: "true or false"}.get(kind, "a number")
        raise ValueError(f"`solver.{option}` is {shortened(repr(value))}; it must be {description}.") from None


def solver_options(solver: AbstractSolver | AbstractPathSolver) -> dict[str, Any]:
    """The plain options of a solver, as accepted by `make_solver`.

    **Arguments:**

    - `solver`: any solver.

    **Returns:** numbers, texts and lists by the name of the option.

    !!! example

        ```python
        import abatax as ab

        options = ab.solvers.solver_options(ab.solvers.FiniteDifference(points=41))
        assert ab.solvers.make_solver("finite_difference", options) == ab.solvers.FiniteDifference(points=41)
        ```
    """
    values = {f.name: getattr(solver, f.name) for f in dataclasses.fields(solver)}
    plain = {
        k: list(v) if isinstance(v, tuple) else v for k, v in values.items() if isinstance(v, (int, float, str, tuple))
    }
    network = values.get("network")
    return plain | ({"network": network.to_dict()} if isinstance(network, NetworkOptions) and network.items else {})
