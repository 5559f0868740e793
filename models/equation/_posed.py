"""Checks that a model defines a stationary problem: shapes, bounds, numbers, and independence of time.

The checks trace the model once, without compiling it. Every error is one line that names the method.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..base import Variable, dependent_outputs, is_packaged, is_traced
from ._closures import AbstractClosure
from ._model import AbstractModel, ClosedFormControl, Jump
from ._value import AbstractValue

_SUM = 1e-6  # tolerance of the sum of probabilities


def check_descriptions(model: AbstractModel) -> None:
    """Raise `ValueError` unless states and controls are NamedTuples of `Variable`s and the bounds of controls are in order."""
    name = type(model).__name__
    for kind, variables in (("states", model.states), ("controls", model.controls)):
        fields = getattr(variables, "_fields", None)
        if not isinstance(variables, tuple) or fields is None:
            raise ValueError(f"`{name}.{kind}` is {type(variables).__name__}; it must be a NamedTuple of `Variable`s.")
        if not variables:
            raise ValueError(f"`{name}.{kind}` is empty; a model needs at least one {kind[:-1]}.")
        for field, variable in zip(fields, variables, strict=True):
            if not isinstance(variable, Variable):
                raise ValueError(f"`{name}.{kind}.{field}` is {type(variable).__name__}; it must be a `Variable`.")
    for field, variable in model.controls._asdict().items():
        if not (variable.low <= variable.high and variable.low < math.inf and variable.high > -math.inf):
            raise ValueError(
                f"control `{field}`: low {variable.low:g} must not be above high {variable.high:g}; change its bounds in"
                " `controls`."
            )


def _check_parameters(model: AbstractModel) -> None:
    """Raise `ValueError` if a parameter of a model, or of any member of a family, is not a number."""
    for path, leaf in jax.tree_util.tree_flatten_with_path(model)[0]:
        if not isinstance(leaf, (jax.Array, np.ndarray)):
            continue
        if jnp.issubdtype(leaf.dtype, jnp.inexact) and np.any(np.isnan(np.asarray(leaf))):
            name = jax.tree_util.keystr(path).lstrip(".")
            raise ValueError(f"`{name}` of {type(model).__name__} is nan; give a number.")


def check_jump(model: AbstractModel, jump: Jump) -> None:
    """Raise `ValueError` unless the probabilities of a jump are valid and every outcome has a destination.

    `jump` belongs to a family, with one leading axis.
    """
    if is_traced(jump.probabilities):
        return
    where, probabilities = f"jump `{jump.name}` of {type(model).__name__}", np.asarray(jump.probabilities)
    bad = probabilities[~(probabilities >= 0.0)]
    if bad.size:
        raise ValueError(f"{where}: a probability is {bad.flat[0]:g}; each must be >= 0.")
    total = np.sum(probabilities, axis=-1)
    wrong = total[~(np.abs(total - 1.0) <= _SUM)]
    if wrong.size:
        raise ValueError(f"{where}: the probabilities sum to {wrong.flat[0]:.6g}; they must sum to 1.")
    lead = probabilities.shape
    if len(lead) != 2:
        raise ValueError(f"{where}: the probabilities have shape {lead[1:]}; give a vector, one entry per outcome.")
    for path, leaf in jax.tree_util.tree_flatten_with_path(jump.destination)[0]:
        if isinstance(leaf, jax.Array) and leaf.shape[: len(lead)] != lead:
            name = jax.tree_util.keystr(path).lstrip(".")
            raise ValueError(
                f"{where}: there are {lead[-1]} probabilities, but `{name}` of the destination has shape"
                f" {leaf.shape[len(lead) - 1 :]}; stack the destination over the outcomes (`eqx.filter_vmap` of its constructor)."
            )


def check_posed(problem: Any, *, family: bool = False) -> None:
    """Raise `ValueError` unless a user's model defines a stationary problem in the box of an `HJBProblem`.

    For a family, with arrays that have a leading axis, the parameters of every member and the methods of the first are checked.

    **Raises:** `ValueError`, one line with the method, its result and the expected result, or the methods that depend on time.
    """
    model = problem.model
    if any(is_traced(leaf) for leaf in jax.tree.leaves(model)):
        return
    _check_parameters(model)
    if not problem.constants:
        return  # the shapes of the models of this package do not depend on their parameters
    if family:
        problem, model = jax.tree.map(lambda leaf: leaf[0] if isinstance(leaf, jax.Array) else leaf, (problem, model))
    _check_initial(model)
    _check_closures(model)
    _check_names(problem)
    time_dependent = list(_Tracing(model).check())
    if time_dependent:
        methods = " and ".join(f"`{name}`" for name in time_dependent)
        raise ValueError(
            f"{type(model).__name__}: {methods} depend{'s' * (len(time_dependent) == 1)} on the time t, but the problem is"
            " stationary; leave t out, or make time a state whose drift is 1."
        )


def _check_initial(model: AbstractModel) -> None:
    name, initial = type(model).__name__, model.initial_state()
    _check_point(f"{name}.initial_state", initial, type(model.states), ())
    for field, value in zip(initial._fields, initial, strict=True):
        if not np.isfinite(np.asarray(value)):
            raise ValueError(f"`{name}.initial_state` starts `{field}` at {float(value):g}; give a finite number.")


def _check_closures(model: AbstractModel) -> None:
    name, closures = type(model).__name__, model.closures()
    states = model.states._fields
    if not isinstance(closures, tuple) or len(closures) != len(states):
        raise ValueError(f"`{name}.closures` must return one pair of closures for each state: {', '.join(states)}.")
    for field, pair in zip(states, closures, strict=True):
        if not (isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(c, AbstractClosure) for c in pair)):
            raise ValueError(f"`{name}.closures`: `{field}` must be a pair of closures, of its low and its high face.")


# Names of further variables and dimensions in the datasets of solutions and paths.
_RESERVED = ("value", "residual", "scc", "year", "realization", "regime", "outcome", "outside")


def _check_names(problem: Any) -> None:
    """Check the names of states and controls in the declarations of a model, and that the kinks of a user's model are in the box."""
    model = problem.model
    name, states, controls = type(model).__name__, model.states._fields, model.controls._fields
    taken: dict[str, str] = dict.fromkeys(_RESERVED, "something else in every dataset")
    for kind, fields in (("a state", states), ("a control", controls), ("an additive state", model.additive._fields)):
        for field in fields:
            if field in taken:
                raise ValueError(f"{name}: `{field}` is the name of {kind} and of {taken[field]}; rename one.")
            taken[field] = kind
    declared = (
        ("breakpoints", model.breakpoints(), "state", states),
        ("costate_signs", model.costate_signs(), "state", states),
        ("grid_points", model.grid_points(), "state", states),
        ("idle_controls", model.idle_controls(), "control", controls),
        ("interior_controls", model.interior_controls(), "control", controls),
        ("separated", model.separated(), "additive state", model.additive._fields),
    )
    for method, names, kind, fields in declared:
        for field in names:
            if field not in fields:
                raise ValueError(f"`{name}.{method}`: unknown {kind} `{field}`; the {kind}s are {', '.join(fields)}.")
    for field, kinks in model.breakpoints().items():
        # Kinks may lie in the box of the model or of the problem; those outside a smaller box of the problem have no effect.
        boxes = (
            dict(zip(states, box, strict=True))[field]
            for box in (problem.domain, problem.replace(box=_box(model)).domain)
        )
        lows, highs = zip(*boxes, strict=True)
        low, high = min(lows), max(highs)
        if not isinstance(kinks, (tuple, list)):
            raise ValueError(f"`{name}.breakpoints`: `{field}` has {kinks}; give a tuple of numbers.")
        for kink in kinks:
            # The kinks of the models of this package follow from their parameters and may lie anywhere.
            if not (low <= kink <= high or is_packaged(type(model))):
                raise ValueError(
                    f"`{name}.breakpoints`: {float(kink):g} is outside the box of `{field}`, {low:g} to {high:g}; leave it out or"
                    " enlarge the box."
                )


def _box(model: AbstractModel) -> dict[str, tuple[float, float]]:
    return {field: (variable.low, variable.high) for field, variable in model.states._asdict().items()}


def _check_point(method: str, value: Any, kind: type, shape: tuple[int | None, ...]) -> None:
    """Raise unless `value` is a `kind` of real arrays of a shape; None stands for any size."""
    word = "scalar" if not shape else "vector, one entry per Brownian shock"
    fields = ", ".join(kind._fields)
    if type(value) is not kind:
        what = f"shape {jnp.shape(value)}" if isinstance(value, jax.Array) else type(value).__name__
        raise ValueError(f"`{method}` returns {what}; it must return {kind.__name__}({fields}), each a {word}.")
    for field, entry in zip(kind._fields, value, strict=True):
        got = _shape(entry)
        if got is None or len(got) != len(shape) or not _is_real(entry):
            what = type(entry).__name__ if got is None else f"{jnp.result_type(entry)}{list(got)}"
            raise ValueError(f"`{method}`: `{field}` is {what}; it must be a real {word}.")


def _shape(entry: Any) -> tuple[int, ...] | None:
    return (
        tuple(jnp.shape(entry)) if isinstance(entry, (jax.Array, np.ndarray, np.generic, int, float, complex)) else None
    )


def _is_real(entry: Any) -> bool:
    return not jnp.issubdtype(jnp.result_type(entry), jnp.complexfloating)


class _Tracing:
    """The methods of a model, traced once each at an abstract time, state and control."""

    def __init__(self, model: AbstractModel):
        self.model, self.name = model, type(model).__name__
        scalar = jax.ShapeDtypeStruct((), jnp.float64)
        self.t = scalar
        self.x = type(model.states)(*(scalar for _ in model.states))
        self.u = type(model.controls)(*(scalar for _ in model.controls))
        self.climate = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), model.climates)

    def check(self) -> Iterator[str]:
        """Check every method and yield the names of the methods that depend on time."""
        model, states = self.model, type(self.model.states)
        shocks: dict[str, int] = {}

        def point(method: str, kind: type, shape: tuple[int | None, ...]) -> Callable[[Any], None]:
            def check(value: Any) -> None:
                _check_point(f"{self.name}.{method}", value, kind, shape)
                if shape:
                    shocks.update(
                        {f"{method}`: `{f}": int(jnp.shape(v)[0]) for f, v in zip(kind._fields, value, strict=True)}
                    )

            return check

        drift, noise = (self.t, self.x, self.u, self.climate), (self.t, self.x, self.u)
        yield from self._of("drift", model.drift, drift, point("drift", states, ()))
        yield from self._of("diffusion", model.diffusion, noise, point("diffusion", states, (None,)))
        yield from self._of("utility", model.utility, noise, self._scalar("utility"))
        aggregate, name = model.preferences.aggregate, "preferences.aggregate"
        yield from self._of(name, lambda t, u, v: aggregate(u, v), (self.t, self.t, self.t), self._scalar(name))
        kind = type(model.additive)
        _check_point(f"{self.name}.additive_costates", model.additive_costates(), type(model.additive_costates()), ())
        if len(kind._fields):
            _check_point(f"{self.name}.additive_costates", model.additive_costates(), kind, ())
            _check_point(f"{self.name}.initial_additive", model.initial_additive(), kind, ())
            yield from self._of("additive_drift", model.additive_drift, drift, point("additive_drift", kind, ()))
            yield from self._of(
                "additive_diffusion", model.additive_diffusion, noise, point("additive_diffusion", kind, (None,))
            )
        if len(set(shocks.values())) > 1:
            sizes = ", ".join(f"`{self.name}.{where}` has {size}" for where, size in shocks.items())
            raise ValueError(f"loadings must have one entry per Brownian shock, the same number everywhere: {sizes}.")
        exact = model.exact_value()
        if exact is not None:
            if not isinstance(exact, AbstractValue):
                raise ValueError(
                    f"`{self.name}.exact_value` returns {type(exact).__name__}; it must return an `AbstractValue`"
                    " whose parameters are its fields, or None."
                )
            yield from self._of("exact_value", exact, (self.t, self.x), self._scalar("exact_value"))
        if isinstance(model, ClosedFormControl) and exact is None:
            yield from self._of_control(model)
        yield from self._of_closures()
        yield from self._of_jumps()
        self._observables()

    def _of_control(self, model: ClosedFormControl) -> Iterator[str]:
        size = len(self.x)
        costate = type(self.x)(*(self.t for _ in self.x))
        hessian = jax.ShapeDtypeStruct((size, size), jnp.float64)
        kind = type(model.controls)

        def check(value: Any) -> None:
            _check_point(f"{self.name}.best_control", value, kind, ())

        yield from self._of("best_control", model.best_control, (self.t, self.x, self.t, costate, hessian), check)

    def _of_closures(self) -> Iterator[str]:
        for field, pair in zip(self.x._fields, self.model.closures(), strict=True):
            for side, closure in zip(("low", "high"), pair, strict=True):
                if closure.has_known_slope:
                    name = f"closures (slope of the {side} face of {field})"
                    yield from self._of(name, closure.known_slope, (self.t, self.x), self._scalar(name))

    def _of_jumps(self) -> Iterator[str]:
        jumps = self.model.jumps()
        if not isinstance(jumps, tuple) or not all(isinstance(jump, Jump) for jump in jumps):
            raise ValueError(f"`{self.name}.jumps` must return a tuple of `Jump`s.")
        for jump in jumps:
            name = f"jumps (intensity of {jump.name})"
            yield from self._of(name, jump.intensity, (self.t, self.x, self.u), self._scalar(name))
            after = self.model if jump.destination is None else jump.destination
            landings = (("land", jump.land, after.states), ("land_additive", jump.land_additive, self.model.additive))
            for what, land, states in landings:
                if land is None:
                    continue
                name, kind = f"jumps ({what} of {jump.name})", type(states)
                outcomes = jump.probabilities.shape[-1:]

                def check(value: Any, kind: type = kind, name: str = name, outcomes: tuple = outcomes) -> None:
                    if getattr(value, "_fields", ()) != kind._fields:
                        _check_point(f"{self.name}.{name}", value, kind, ())
                    # a state is one number for all outcomes, or one entry per outcome
                    entries = (z[0] if outcomes and _shape(z) == outcomes else z for z in value)
                    _check_point(f"{self.name}.{name}", type(value)(*entries), type(value), ())

                yield from self._of(name, lambda t, x, land=land: land(x), (self.t, self.x), check)

    def _observables(self) -> None:
        """Observables: scalars, which may depend on time, each with a description."""
        model = self.model
        additive = type(model.additive)(*(self.t for _ in model.additive))

        def check(values: Any) -> None:
            if not isinstance(values, dict):
                raise ValueError(
                    f"`{self.name}.observables` returns {type(values).__name__}; it must return scalars by name."
                )
            for field, value in values.items():
                if field not in model.observable_variables:
                    raise ValueError(
                        f"`{self.name}.observables` returns `{field}`; describe it by a `Variable` in `observable_variables`."
                    )
                self._scalar(f"observables, {field}")(value)

        for _ in self._of("observables", model.observables, (self.t, self.x, self.u, additive), check):
            pass

    def _scalar(self, method: str) -> Callable[[Any], None]:
        def check(value: Any) -> None:
            shape = _shape(value)
            if shape != () or not _is_real(value):
                what = type(value).__name__ if shape is None else f"{jnp.result_type(value)}{list(shape)}"
                raise ValueError(f"`{self.name}.{method}` returns {what}; it must return a real scalar.")

        return check

    def _of(self, name: str, method: Callable, inputs: tuple, check: Callable[[Any], None]) -> Iterator[str]:
        """Trace a method, check its result, and yield its name if the result depends on time, the first input."""

        def traced(*inputs):
            value = method(*inputs)
            check(value)
            return jax.tree.map(jnp.asarray, value)

        try:
            program = jax.make_jaxpr(traced)(*inputs)
        except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError) as error:
            raise ValueError(
                f"`{self.name}.{name}` takes a Python decision on, or a Python number from, what JAX traces; use `jnp.where` and"
                " functions of `jax.numpy`."
            ) from error
        sizes = [len(jax.tree.leaves(value)) for value in inputs]
        marks = [True] * sizes[0] + [False] * sum(sizes[1:])
        if any(dependent_outputs(program, marks)):
            yield name
