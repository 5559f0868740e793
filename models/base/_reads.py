"""Values that a function reads besides its arguments: globals, closures and imports, found in its bytecode."""

import dis
import functools as ft
import sys
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

# Libraries, whose code is identified by their version.
LIBRARIES = frozenset(
    "abc beartype builtins collections diffrax equinox jax jaxlib jaxtyping lineax numpy optax optimistix pandas scipy typing"
    " typing_extensions xarray".split()
)
# These, the standard library and this package; a script, the module `__main__`, belongs to the user.
PACKAGED = (LIBRARIES | sys.stdlib_module_names | {"abatax"}) - {"__main__"}


def package_of(thing: Any) -> str:
    """The top-level package of a class, function or module; empty if it is not known."""
    name = thing.__name__ if isinstance(thing, types.ModuleType) else getattr(thing, "__module__", None)
    return name.partition(".")[0] if isinstance(name, str) else ""


def is_packaged(thing: Any) -> bool:
    """Whether a class, function or module belongs to this package or to a library, and not to the user."""
    return package_of(thing) in PACKAGED and (not isinstance(thing, type) or not _extends_users(thing))


@ft.lru_cache(maxsize=4096)
def _extends_users(cls: type) -> bool:
    """Whether a class has a base or a method of the user; a class made by `type(...)` may name the module of its metaclass."""
    functions = [member for member in vars(cls).values() if isinstance(member, types.FunctionType)]
    return any(package_of(part) not in PACKAGED for part in (*cls.__mro__, *functions))


class Names(NamedTuple):
    """The names that a function, with its inner functions, looks up."""

    globals: tuple[str, ...]
    attributes: frozenset[str]
    imports: tuple[str, ...]


_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM")


@ft.lru_cache(maxsize=4096)
def names_of(code: types.CodeType) -> Names:
    """The names that a piece of code looks up."""
    global_names, attributes, imports = set(), set(), set()
    for instruction in dis.get_instructions(code):
        if instruction.opname in _GLOBAL:
            global_names.add(instruction.argval)
        elif instruction.opname in _ATTRIBUTE:
            attributes.add(instruction.argval)
        elif instruction.opname == "IMPORT_NAME":
            imports.add(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            inner = names_of(constant)
            global_names.update(inner.globals)
            attributes.update(inner.attributes)
            imports.update(inner.imports)
    return Names(tuple(sorted(global_names)), frozenset(attributes), tuple(sorted(imports)))


def reads(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Name and present value of all objects that a function reads besides its arguments.

    From a module of the user only the attributes that the function names are read (`parameters.COST`). Undefined names and empty
    cells are left out.
    """
    names = names_of(function.__code__)
    for name in names.globals:
        if name in function.__globals__:
            yield from _of_module(name, function.__globals__[name], names.attributes)
    for name in names.imports:
        if name in sys.modules:
            yield from _of_module(name, sys.modules[name], names.attributes)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:
            continue


def _of_module(name: str, value: Any, attributes: frozenset[str], depth: int = 3) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, types.ModuleType) or is_packaged(value):
        yield name, value
        return
    for attribute in sorted(attributes & vars(value).keys()) if depth else ():
        yield from _of_module(f"{name}.{attribute}", vars(value)[attribute], attributes, depth - 1)
