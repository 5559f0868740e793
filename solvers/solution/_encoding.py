"""Value functions, policies and closures as plain data and arrays, from which exactly the same objects are built again."""

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ...models import HJBProblem

Arrays = dict[str, np.ndarray]


def encode(thing: Any, arrays: Arrays) -> Any:
    """Plain data for a tree of modules, tuples, lists, dictionaries, numbers, texts and functions; its arrays go to `arrays`.

    A problem inside the tree (a network may stand on what the model knows of its value) is described by its box, faces and
    whether its continuations are set: whoever decodes it has the model.

    **Raises:** `ValueError` if something cannot be named, such as a function defined inside another.
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
    """The tree that [`encode`][] described. `family`: the problems that it belongs to, their continuations set.

    Objects are put together from their fields; no constructor and no other code of theirs runs.

    **Raises:** `ValueError`, `KeyError` or `TypeError` if these are not plain data of that kind.
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
        "module": lambda name: _assembled(
            _class(name, eqx.Module), {field: part(inner) for field, inner in plain["fields"].items()}
        ),
        "function": _resolved,
        "problem": lambda about: _problem(about, part(about["faces"]), family),
    }
    tag = next(iter(plain))
    return makers[tag](plain[tag])


def _problem(about: dict[str, Any], faces: Any, family: HJBProblem) -> HJBProblem:
    names = family.model.states._fields
    box = {name: (float(low), float(high)) for name, (low, high) in zip(names, about["region"], strict=True)}
    continuations = family.continuations if about["continued"] else ()
    return family.replace(box=box, extension=about["extension"], continuations=continuations, faces=faces)


def _assembled(cls: type, fields: dict[str, Any]) -> Any:
    module = object.__new__(cls)
    for name, value in fields.items():
        object.__setattr__(module, name, value)
    return module


def label(thing: Any) -> str:
    """`module:name` of a class or function; of those of the package only the layer, so that files outlive a move inside it."""
    module = getattr(thing, "__module__", None) or ""
    layers = module.split(".")
    home = ".".join(layers[:2]) if layers[0] == "abatax" else module
    return f"{home}:{getattr(thing, '__qualname__', '')}"


def _class(name: str, kind: type) -> type:
    found = _resolved(name)
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise ValueError(f"`{name}` is not a class that has been imported")
    return found


def _resolved(name: str) -> Any:
    """What a label names, among what has been imported: a file from somebody else may not choose code to run."""
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
