"""Constants and code outside the fields of a problem that the user's classes and functions read.

A method may read a number from its module (`COST`), from a closure or from the body of its class. This number is part of every
program that is compiled from the method. It is therefore part of the key of compiled programs, and a problem that was made with
another value is refused.
"""

import functools as ft
import inspect
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax

from ._fingerprint import constants_of, fingerprint, functions_of
from ._reads import is_packaged, names_of, reads

# Pairs of a description of what is read and a fingerprint of its value: `("Regulator.utility reads COST", "3f…")`.
Constants = tuple[tuple[str, str], ...]


def constants_read(tree: Any, apart: Callable[[Any], bool] | None = None) -> Constants:
    """The constants and the code that user's classes and functions in a tree of modules depend on, each with a fingerprint.

    Array fields are excluded, as they are arguments of compiled programs, and so are nodes for which `apart` is true. The result is
    empty if all classes belong to this package.
    """
    leaves, structure = jax.tree.flatten(tree, is_leaf=apart)
    functions = [leaf for leaf in leaves if callable(leaf) and not eqx.is_array(leaf)]
    try:
        roots = _roots_of_structure(structure)
    except (TypeError, ValueError):  # a value in a static field has no hash or cannot be compared
        roots = _roots_of_structure.__wrapped__(structure)
    if not roots and not functions:
        return ()
    collector = _Collector()
    for root in (*roots, *functions):
        collector.collect(root)
    if collector.changed and collector.traced_once:
        jax.clear_caches()
    return tuple(sorted(collector.pairs.items()))


def changed_constant(before: Constants, now: Constants) -> str | None:
    """Description of the first constant that has changed; None if none has."""
    changed = sorted(
        {label for label, _ in set(now) ^ set(before)}, key=lambda label: (not label.startswith("`"), label)
    )
    return changed[0] if changed else None


@ft.lru_cache(maxsize=4096)
def _roots_of_structure(structure: Any) -> tuple[Any, ...]:
    """The user's classes, and the functions and other objects in static fields, of every tree with this structure."""
    roots: dict[int, Any] = {}
    for thing in _parts(structure):
        if not isinstance(thing, type) or not is_packaged(thing):
            roots[id(thing)] = thing
    return tuple(roots.values())


def _parts(structure: Any) -> Iterator[Any]:
    """Types of the nodes of a tree, and everything in their static fields."""
    data = structure.node_data()
    if data is not None:
        yield data[0]
        yield from _static(data[1])
    for child in structure.children():
        yield from _parts(child)


def _static(thing: Any) -> Iterator[Any]:
    if isinstance(thing, (tuple, list, set, frozenset)):
        for item in thing:
            yield from _static(item)
    elif isinstance(thing, dict):
        yield from _static(tuple(thing.values()))
    elif isinstance(thing, eqx.Module):
        yield from _parts(jax.tree.structure(thing))
    elif callable(thing) or isinstance(thing, types.SimpleNamespace) or not is_packaged(type(thing)):
        yield thing


@ft.lru_cache(maxsize=4096)
def _code_mark(code: types.CodeType) -> str:
    return fingerprint(code)


# JAX caches the traces of functions that are passed to these, by the identity of the function: the constants that the functions
# read are not looked up again, not even while another program is traced.
_TRACED_ONCE = frozenset(
    "associative_scan checkpoint cond eval_shape filter_checkpoint filter_jit fori_loop jit map pjit pmap remat scan switch"
    " while_loop".split()
)

# Fingerprints of the constants that every user's function read at its last inspection.
_LAST_READ: weakref.WeakKeyDictionary[types.FunctionType, tuple[str, ...]] = weakref.WeakKeyDictionary()


class _Collector:
    """Collects the constants that functions read, following functions that they call; `pairs` contains them.

    `changed`: whether a function reads other values than at its last inspection. `traced_once`: whether a function is passed, or
    passes functions, to a transformation with cached traces.
    """

    def __init__(self):
        self.pairs: dict[str, str] = {}
        self.changed = self.traced_once = False
        self._visited: set[int] = set()

    def _add(self, label: str, mark: str) -> None:
        """Add a mark; marks of different classes with the same name are joined."""
        self.pairs[label] = self.pairs.get(label, "") + mark

    def collect(self, thing: Any) -> None:
        """Add the dependences of a class, function or other object; functions of libraries count with their closures."""
        if id(thing) in self._visited:
            return
        self._visited.add(id(thing))
        if isinstance(thing, type):
            for base in thing.__mro__:
                if not is_packaged(base):
                    self._members(base)
        elif isinstance(thing, ft.partial):
            for part in (thing.func, *thing.args, *thing.keywords.values()):
                self.collect(part)
        elif isinstance(thing, types.FunctionType):
            self._function(inspect.unwrap(thing))
        elif isinstance(thing, types.MethodType) and isinstance(thing.__self__, type):
            self.collect(thing.__func__)
        elif callable(wrapped := getattr(thing, "__wrapped__", None)):
            self.traced_once |= not is_packaged(wrapped)
            self.collect(wrapped)
        elif not isinstance(thing, (types.BuiltinFunctionType, types.ModuleType)):
            label = getattr(thing, "__qualname__", type(thing).__qualname__)
            if not is_packaged(type(thing)) or isinstance(thing, (types.MethodType, types.SimpleNamespace)):
                self._add(f"`{label}`", fingerprint(thing))

    def _members(self, cls: type) -> None:
        for name, member in vars(cls).items():
            for function in functions_of(member):
                self.collect(function)
            del name
        for name in constants_of(cls):
            member = vars(cls)[name]
            if not functions_of(member) and not hasattr(type(member), "__get__"):
                self._add(f"`{cls.__qualname__}.{name}`", fingerprint(member))

    def _function(self, function: types.FunctionType) -> None:
        packaged = is_packaged(function)
        if packaged and not function.__closure__:
            return
        if not packaged:
            mark = _code_mark(function.__code__)
            if function.__defaults__ or function.__kwdefaults__:
                mark += fingerprint((function.__defaults__, function.__kwdefaults__))
            self._add(f"the code of `{function.__qualname__}`", mark)
            names = names_of(function.__code__)
            self.traced_once |= not _TRACED_ONCE.isdisjoint(names.attributes.union(names.globals))
        marks = []
        for name, value in reads(function):
            if packaged and name not in function.__code__.co_freevars:
                continue
            if isinstance(value, _FOLLOWED) or hasattr(value, "__wrapped__"):
                self.collect(value)
            elif not packaged and not isinstance(value, types.ModuleType):
                marks.append(fingerprint(value))
                self._add(f"`{name}`, which `{function.__qualname__}` reads,", marks[-1])
        if _LAST_READ.get(function, tuple(marks)) != tuple(marks):
            self.changed = True
        _LAST_READ[function] = tuple(marks)


_FOLLOWED = (type, types.FunctionType, types.MethodType, types.BuiltinFunctionType, ft.partial)
