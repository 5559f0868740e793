"""Hashes of problems: parameters by their bytes, functions and classes by their code."""

import dataclasses
import functools as ft
import hashlib
import inspect
import types
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np

from ._checks import is_traced
from ._reads import is_packaged, package_of, reads


def fingerprint(tree: Any) -> str:
    """A hash of a tree of modules, containers, arrays, numbers, functions and classes.

    Arrays enter with shape, type and bytes; modules with their class and all fields, static ones included; functions and classes
    with module, qualified name and compiled code. Functions also enter with their closures and, outside this package, with all
    values that they read from modules; classes outside this package also enter with their constants.

    **Returns:** 64 hexadecimal digits: the same in every process with the same Python.

    !!! example

        ```python
        from abatax.models.base import fingerprint

        assert fingerprint(lambda x: x + 1) != fingerprint(lambda x: x + 2)
        assert fingerprint({"a": 1.0, "b": 2.0}) == fingerprint({"b": 2.0, "a": 1.0})
        ```
    """
    digest = hashlib.sha256()
    _Feeder(digest).feed(tree)
    return digest.hexdigest()


class _Feeder:
    """Adds objects to a digest, each tagged and delimited, so that different trees give different bytes."""

    def __init__(self, digest):
        self.digest = digest
        self.fed: set[int] = set()  # functions and classes
        self.open: list[Any] = []  # objects in progress, which end the recursion of an object that contains itself

    def text(self, *parts: Any) -> None:
        for part in parts:
            raw = part if isinstance(part, bytes) else str(part).encode()
            self.digest.update(f"{len(raw)}:".encode() + raw)

    def feed(self, thing: Any) -> None:
        if any(thing is other for other in self.open):
            self.text("again", _name(type(thing)))
            return
        self.open.append(thing)
        self._feed(thing)
        self.open.pop()

    def _feed(self, thing: Any) -> None:
        if thing is None or isinstance(thing, (bool, int, float, complex, str, bytes)):
            self.text("plain", type(thing).__name__, repr(thing))
        elif is_traced(thing):
            self.text("traced", id(thing))
        elif isinstance(thing, jax.Array) and jax.numpy.issubdtype(thing.dtype, jax.dtypes.prng_key):
            self._array(np.asarray(jax.random.key_data(thing)))
        elif eqx.is_array(thing) or isinstance(thing, np.generic):
            self._array(np.asarray(thing))
        elif isinstance(thing, Mapping):
            pairs = sorted(((fingerprint(key), key) for key in thing), key=lambda pair: pair[0])
            self.text("dict", len(pairs))
            for mark, key in pairs:
                self.text(mark)
                self.feed(thing[key])
        elif isinstance(thing, (list, tuple)):
            self.text("sequence", _name(type(thing)), len(thing))
            for item in thing:
                self.feed(item)
        elif isinstance(thing, (set, frozenset)):
            self.text("set", *sorted(fingerprint(item) for item in thing))
        elif isinstance(thing, type):
            self.text("class")
            self._class(thing)
        elif isinstance(thing, types.CodeType):
            self._code(thing)
        else:
            self._object(thing)

    def _array(self, array: np.ndarray) -> None:
        if array.dtype.hasobject:
            self.text("objects", array.shape)
            self.feed(array.ravel().tolist())
        else:
            self.text("array", array.shape, array.dtype, array.tobytes())

    def _class(self, cls: type) -> None:
        """A class: its name, its bases, and their code and constants unless they belong to a library."""
        self.text(_name(cls))
        if id(cls) in self.fed:
            return
        self.fed.add(id(cls))
        if is_packaged(cls):
            self.text(_packaged_mark(cls))
        else:
            self.members(cls)

    def members(self, cls: type) -> None:
        self.fed.add(id(cls))  # its methods may refer to it
        for base in cls.__mro__:
            self.text(_name(base))
            if is_library(base):
                continue
            for name, member in sorted(vars(base).items()):
                functions = functions_of(member)
                for function in functions:
                    self.text(name)
                    self.feed(function)
                if not functions and name in constants_of(base):
                    self.text(name)
                    self.feed(member)

    def _object(self, thing: Any) -> None:
        if isinstance(thing, types.FunctionType):
            self._function(inspect.unwrap(thing))
        elif callable(thing) and is_library(thing) and hasattr(thing, "__wrapped__"):
            self.text("library", thing.__module__, getattr(thing, "__qualname__", ""))
        elif isinstance(thing, types.MethodType):
            self.text("method")
            self.feed(thing.__func__)
            self.feed(thing.__self__)
        elif isinstance(thing, ft.partial):
            self.text("partial")
            self.feed((thing.func, thing.args, thing.keywords))
        elif dataclasses.is_dataclass(thing):
            self.text("module")
            self._class(type(thing))
            for field in dataclasses.fields(thing):
                self.text(field.name)
                self.feed(getattr(thing, field.name, None))
        elif hasattr(thing, "__wrapped__"):  # jitted functions and the like
            self.text("wrapped", _name(type(thing)))
            self.feed(thing.__wrapped__)
        elif isinstance(thing, types.ModuleType):
            self.text("package", thing.__name__)
        elif isinstance(thing, (types.BuiltinFunctionType, np.ufunc)):
            self.text("builtin", getattr(thing, "__module__", ""), getattr(thing, "__qualname__", thing.__name__))
        elif hasattr(thing, "__array__"):  # tables of other libraries, which have an abbreviated text
            self.text("table", _name(type(thing)))
            self._array(np.asarray(thing))
        elif " at 0x" not in (text := repr(thing)):
            self.text("other", _name(type(thing)), text)
        else:
            self.text("instance")
            self._class(type(thing))
            slots = [name for cls in type(thing).__mro__ for name in _slots(cls) if hasattr(thing, name)]
            self.feed({name: getattr(thing, name) for name in slots} | getattr(thing, "__dict__", {}))

    def _function(self, function: types.FunctionType) -> None:
        self.text("function", home_module(function.__module__), function.__qualname__)
        if id(function) in self.fed:
            return
        self.fed.add(id(function))
        if not is_library(function):
            self._code(function.__code__)
        self.feed((function.__defaults__, function.__kwdefaults__))
        enclosed = function.__code__.co_freevars
        for name, thing in reads(function):
            sibling = isinstance(thing, types.FunctionType) and thing.__module__ == function.__module__
            constant = sibling or isinstance(thing, (int, float, str, tuple))
            if name in enclosed or not is_packaged(function) or (constant and not is_library(function)):
                self.text(name)
                self.feed(thing)

    def _code(self, code: types.CodeType) -> None:
        self.text("code", code.co_code, code.co_names, code.co_varnames, code.co_freevars)
        for constant in code.co_consts:
            self.feed(constant)


def home_module(module: str) -> str:
    """The module of a class or function; in this package only the layer, so that moving a file keeps the fingerprint."""
    return ".".join(module.split(".")[:2]) if module.split(".")[0] == "abatax" else module


def _name(cls: type) -> str:
    return f"{home_module(cls.__module__)}.{cls.__qualname__}"


def _slots(cls: type) -> tuple[str, ...]:
    slots = vars(cls).get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


@ft.lru_cache(maxsize=1024)
def _packaged_mark(cls: type) -> str:
    """A hash of a class of this package or a library, which is constant during a process."""
    digest = hashlib.sha256()
    _Feeder(digest).members(cls)
    return digest.hexdigest()


def is_library(thing: Any) -> bool:
    """Whether a class or function belongs to a library, whose version identifies its code."""
    return is_packaged(thing) and package_of(thing) != "abatax"


def functions_of(member: Any) -> list[types.FunctionType]:
    """The functions behind an attribute of a class."""
    if isinstance(member, property):
        candidates = [member.fget, member.fset]
    elif isinstance(member, (classmethod, staticmethod)):
        candidates = [member.__func__]
    else:
        candidates = [getattr(member, "__wrapped__", getattr(member, "func", member))]
    return [function for function in candidates if isinstance(function, types.FunctionType)]


def constants_of(cls: type) -> list[str]:
    """Names of the constants in the body of a user's class, without the defaults of its fields."""
    if is_packaged(cls):
        return []
    fields = vars(cls).get("__dataclass_fields__", {})
    return [name for name in vars(cls) if name not in fields and not name.startswith("__") and name != "_abc_impl"]
