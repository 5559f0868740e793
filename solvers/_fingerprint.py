"""A hash of what was asked: parameters by their bytes, functions and classes by their code."""

import dataclasses
import functools as ft
import hashlib
import inspect
import types
from typing import Any

import equinox as eqx
import jax
import numpy as np

# Their code belongs to their version, not to what was asked.
_LIBRARIES = ("abc", "builtins", "collections", "enum", "equinox", "functools", "jax", "jaxlib", "numpy", "typing")


def fingerprint(tree: Any) -> str:
    """A hash of everything in a tree of modules, containers, arrays, numbers, functions and classes.

    Arrays count with shape, type and bytes; modules with their class and every field, static ones included; functions
    and classes with module, qualified name and compiled code, functions also with what they enclose and the functions
    and constants of their own module that they name.

    **Returns:** 64 hexadecimal digits: the same in every process with the same Python.

    !!! example

        ```python
        from abatax.solvers._fingerprint import fingerprint

        assert fingerprint(lambda x: x + 1) != fingerprint(lambda x: x + 2)
        assert fingerprint({"a": 1.0, "b": 2.0}) == fingerprint({"b": 2.0, "a": 1.0})
        ```
    """
    digest = hashlib.sha256()
    _Feeder(digest).feed(tree)
    return digest.hexdigest()


class _Feeder:
    """Feeds things to a digest, each tagged and delimited, so that different trees give different bytes."""

    def __init__(self, digest, classes_by_name: bool = False):
        self.digest = digest
        self.classes_by_name = classes_by_name  # inside a class, whose methods may name it again
        self.functions: set[int] = set()  # already fed
        self.open: list[Any] = []  # what is being fed: something that contains itself ends there

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
        elif eqx.is_array(thing) or isinstance(thing, np.generic):
            if isinstance(thing, jax.Array) and jax.numpy.issubdtype(thing.dtype, jax.dtypes.prng_key):
                thing = jax.random.key_data(thing)
            array = np.asarray(thing)
            self.text("array", array.shape, array.dtype, array.tobytes())
        elif isinstance(thing, dict):
            pairs = sorted((fingerprint(key), key) for key in thing)
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
            self.text("class", self._class(thing))
        elif isinstance(thing, types.CodeType):
            self._code(thing)
        else:
            self._object(thing)

    def _class(self, cls: type) -> str:
        return _name(cls) if self.classes_by_name else _class_mark(cls)

    def _object(self, thing: Any) -> None:
        if isinstance(thing, types.FunctionType):
            self._function(inspect.unwrap(thing))
        elif isinstance(thing, types.MethodType):
            self.text("method")
            self.feed(thing.__func__)
            self.feed(thing.__self__)
        elif isinstance(thing, ft.partial):
            self.text("partial")
            self.feed((thing.func, thing.args, thing.keywords))
        elif dataclasses.is_dataclass(thing):
            self.text("module", self._class(type(thing)))
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
        elif " at 0x" not in repr(thing):
            self.text("other", _name(type(thing)), repr(thing))
        else:
            self.text("instance", self._class(type(thing)))
            self.feed(vars(thing) if hasattr(thing, "__dict__") else None)

    def _function(self, function: types.FunctionType) -> None:
        self.text("function", function.__module__, function.__qualname__)
        if id(function) in self.functions:
            return
        self.functions.add(id(function))
        self._code(function.__code__)
        self.feed((function.__defaults__, function.__kwdefaults__))
        for cell in function.__closure__ or ():
            try:
                self.feed(cell.cell_contents)
            except ValueError:  # not yet filled
                self.text("empty")
        for name in sorted(_names(function.__code__)):
            there = function.__globals__.get(name)
            own = getattr(there, "__module__", None) == function.__module__
            if (isinstance(there, types.FunctionType) and own) or isinstance(there, (int, float, str, tuple)):
                self.text(name)
                self.feed(there)

    def _code(self, code: types.CodeType) -> None:
        self.text("code", code.co_code, code.co_names, code.co_varnames, code.co_freevars)
        for constant in code.co_consts:
            self.feed(constant)


def _names(code: types.CodeType) -> set[str]:
    """The names that a function and those inside it look up."""
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)]
    return set(code.co_names).union(*inner)


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


@ft.lru_cache(maxsize=1024)
def _class_mark(cls: type) -> str:
    """A hash of a class: its name, its bases, and the code of its methods."""
    digest = hashlib.sha256()
    feeder = _Feeder(digest, classes_by_name=True)
    for base in cls.__mro__:
        feeder.text(_name(base))
        if base.__module__.partition(".")[0] in _LIBRARIES:
            continue
        for name, member in sorted(vars(base).items()):
            for function in _functions(member):
                feeder.text(name)
                feeder.feed(function)
    return digest.hexdigest()


def _functions(member: Any) -> list[types.FunctionType]:
    """The functions behind a class's attribute."""
    if isinstance(member, property):
        found = [member.fget, member.fset]
    elif isinstance(member, (classmethod, staticmethod)):
        found = [member.__func__]
    else:
        found = [getattr(member, "__wrapped__", getattr(member, "func", member))]
    return [function for function in found if isinstance(function, types.FunctionType)]
