"""Run-time checks of annotations at a fraction of the cost of `jaxtyping.jaxtyped`.

`jaxtyped` compiles two checking functions for every function and binds the arguments to the signature at every call, of functions
without annotations too; a sixth of the CPU time of the suite goes there. Here one function checks arguments and result, functions
without annotations stay as they are, and axis sizes are compared as before, within each call.
"""

import dataclasses
import functools as ft
import inspect
import typing
from typing import Any

import jaxtyping

_jaxtyped = jaxtyping.jaxtyped


def install() -> None:
    """Let the import hook of `--jaxtyping-packages` use the quick checks."""
    jaxtyping.jaxtyped = _quickly_jaxtyped


def _quickly_jaxtyped(thing: Any = None, *, typechecker: Any = None) -> Any:
    if thing is None:
        return ft.partial(_quickly_jaxtyped, typechecker=typechecker)
    if inspect.isclass(thing):
        if dataclasses.is_dataclass(thing) and not hasattr(thing.__init__, "_annotations_checked"):
            setattr(thing, "__init__", _checked(thing.__init__, typechecker))  # noqa: B010
        return thing
    if not inspect.isfunction(thing) or inspect.isgeneratorfunction(thing):
        return _jaxtyped(thing, typechecker=typechecker)
    return _checked(thing, typechecker)


def _checked(function: Any, typechecker: Any) -> Any:
    """The function with its arguments and result checked; names of axes hold within one call."""
    annotations = getattr(function, "__annotations__", {})
    if not annotations or all(annotation is None for annotation in annotations.values()):
        return function
    resolved = {name: _resolved(annotation, function.__globals__) for name, annotation in annotations.items()}
    function.__annotations__ = resolved
    try:
        checking = typechecker(function)
    finally:
        function.__annotations__ = annotations

    @ft.wraps(function)
    def wrapper(*arguments, **keywords):
        __tracebackhide__ = True
        with _jaxtyped("context"):
            return checking(*arguments, **keywords)

    wrapper._annotations_checked = True  # type: ignore[attr-defined]
    return wrapper


def _resolved(annotation: Any, namespace: dict[str, Any]) -> Any:
    """An annotation without strings; `Any` where a string names what does not exist at run time."""
    if isinstance(annotation, type):
        return annotation

    def annotated(value):
        pass

    annotated.__annotations__ = {"value": annotation}
    try:
        return typing.get_type_hints(annotated, namespace, include_extras=True)["value"]
    except Exception:
        return Any
