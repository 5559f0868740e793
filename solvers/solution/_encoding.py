"""Encoding of value functions, policies and closures as plain data and arrays, and their exact reconstruction."""

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ...models import Equation, HJBProblem, without_init
from ...models.base import home_module

Arrays = dict[str, np.ndarray]


def encode(thing: Any, arrays: Arrays) -> Any:
    """Plain data for a tree of modules, tuples, lists, dictionaries, numbers, texts and functions; arrays are added to `arrays`.

    An equation inside the tree (for example in a network that adds to the known part of the value) is described by whether its
    continuations are set, because the model is available when it is decoded; a problem also by its box and faces.

    **Raises:** `ValueError` if an object cannot be named, such as a function defined inside another.
    """
    if thing is None or isinstance(thing, (bool, int, float, str)):
        return thing
    if isinstance(thing, (jax.Array, np.ndarray, np.generic)):
        name = str(len(arrays))
        arrays[name] = np.asarray(thing)
        return {"jax" if isinstance(thing, jax.Array) else "numpy": name}
    if isinstance(thing, np.dtype):
        return {"dtype": str(thing)}
    if isinstance(thing, HJBProblem):
        return {
            "problem": {
                "region": [list(bounds) for bounds in thing.region],
                "extension": thing.extension,
                "continued": bool(thing.continuations),
                "faces": encode(thing.faces, arrays),
            }
        }
    if isinstance(thing, Equation):
        return {"equation": bool(thing.continuations)}
    if isinstance(thing, tuple) and hasattr(thing, "_fields"):
        return {"named": label(type(thing)), "parts": [encode(part, arrays) for part in thing]}
    for tag, container in (("tuple", tuple), ("list", list)):
        if type(thing) is container:
            return {tag: [encode(part, arrays) for part in thing]}
    if type(thing) is dict and all(isinstance(key, str) for key in thing):
        return {"dict": {key: encode(part, arrays) for key, part in thing.items()}}
    if isinstance(thing, eqx.Module):
        present = [f.name for f in dataclasses.fields(thing) if hasattr(thing, f.name)]
        return {
            "module": label(type(thing)),
            "fields": {name: encode(getattr(thing, name), arrays) for name in present},
        }
    if callable(thing) and _resolved(label(thing)) is thing:
        return {"function": label(thing)}
    raise ValueError(f"a {type(thing).__name__} cannot be written to a file ({thing!r:.60})")


def decode(plain: Any, arrays: Arrays, family: HJBProblem) -> Any:
    """The tree that was encoded by [`encode`][]. `family`: its family of problems, with known continuations.

    Objects are assembled from their fields; their constructors and other code do not run.

    **Raises:** `ValueError`, `KeyError` or `TypeError` if `plain` was not produced by [`encode`][].
    """
    if not isinstance(plain, dict):
        return plain

    def part(inner: Any) -> Any:
        return decode(inner, arrays, family)

    makers: dict[str, Callable[[Any], Any]] = {
        "jax": lambda name: jnp.asarray(arrays[name]),
        "numpy": lambda name: arrays[name],
        "dtype": np.dtype,
        "tuple": lambda parts: tuple(map(part, parts)),
        "list": lambda parts: list(map(part, parts)),
        "dict": lambda parts: {key: part(inner) for key, inner in parts.items()},
        "named": lambda name: _class(name, tuple)(*map(part, plain["parts"])),
        "module": lambda name: without_init(
            _class(name, eqx.Module), {field: part(inner) for field, inner in plain["fields"].items()}
        ),
        "function": _resolved,
        "equation": lambda continued: Equation(family.model, family.continuations if continued else ()),
        "problem": lambda about: _problem(about, part(about["faces"]), family),
    }
    tag = next(iter(plain))
    return makers[tag](plain[tag])


def _problem(about: dict[str, Any], faces: Any, family: HJBProblem) -> HJBProblem:
    names = family.model.states._fields
    box = {name: (float(low), float(high)) for name, (low, high) in zip(names, about["region"], strict=True)}
    continuations = family.continuations if about["continued"] else ()
    return family.replace(box=box, extension=about["extension"], continuations=continuations, faces=faces)


def label(thing: Any) -> str:
    """`module:name` of a class or function; inside the package only the layer is named, so that modules may move within it."""
    return f"{home_module(getattr(thing, '__module__', None) or '')}:{getattr(thing, '__qualname__', '')}"


def _class(name: str, kind: type) -> type:
    resolved = _resolved(name)
    if not (isinstance(resolved, type) and issubclass(resolved, kind)):
        raise ValueError(f"`{name}` is not a class that has been imported")
    return resolved


def _resolved(name: str) -> Any:
    """The object with a label among the imported modules; a file must not determine which code is imported."""
    module, _, qualified = name.partition(":")
    prefix = module + "."
    homes = [m for m in list(sys.modules) if m == module or (module.startswith("abatax.") and m.startswith(prefix))]
    for home in sorted(homes):
        thing: Any = sys.modules[home]
        for attribute in qualified.split("."):
            thing = getattr(thing, attribute, None)
        if thing is not None and label(thing) == name:
            return thing
    raise ValueError(f"`{name}` is unknown: import its module before the solution is loaded")
