"""The API reference holds every public name, and the docstring of each name is complete."""

import ast
import importlib
import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

import abatax

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs/api").glob("*.md"))
DIRECTIVE = re.compile(r"^::: (abatax\.\S+)$", re.MULTILINE)
FOLDERS = ("models", "neural_operators", "scenarios", "solvers", "validation")

# Calls that raise on behalf of the function that makes them.
CHECK = re.compile(r"^_?(check|refuse|choose)")


def _public() -> dict[str, Any]:
    """Every public name with what it stands for, except modules; `__all__` of the package counts what folders export."""
    names: dict[str, Any] = {f"abatax.{name}": getattr(abatax, name) for name in abatax.__all__}
    for folder in FOLDERS:
        module = importlib.import_module(f"abatax.{folder}")
        tree = ast.parse(Path(str(module.__file__)).read_text())
        exported = {
            alias.asname
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
            if alias.asname is not None and not alias.asname.startswith("_")
        } | {name for name in vars(module) if not name.startswith("_") and name != "TYPE_CHECKING"}
        names |= {f"abatax.{folder}.{name}": getattr(module, name) for name in exported}
    return {name: thing for name, thing in sorted(names.items()) if not inspect.ismodule(thing)}


PUBLIC = _public()
OBJECTS = {name: thing for name, thing in PUBLIC.items() if inspect.isclass(thing) or inspect.isroutine(thing)}
CONSTANTS = [name for name in PUBLIC if name not in OBJECTS]


def _description(name: str) -> str:
    """The string below the definition of a constant."""
    last = name.rpartition(".")[2]
    for path in (ROOT / name.split(".")[1]).rglob("*.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        for node, following in zip(body, body[1:], strict=False):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if last in [getattr(target, "id", None) for target in targets] and isinstance(following, ast.Expr):
                return ast.literal_eval(following.value)
    return ""


def _arguments(thing: Any) -> list[str]:
    """Names of the arguments of a function, or of the constructor of a class that can be made."""
    if inspect.isclass(thing) and (inspect.isabstract(thing) or issubclass(thing, Exception)):
        return []
    return [name for name in inspect.signature(thing).parameters if not name.startswith("_")]


def _called_code(thing: Any) -> list[ast.AST]:
    """The source of what runs when the function is called or the object is made."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(thing)))).body[0]
    if not isinstance(tree, ast.ClassDef):
        return [tree]
    starts = ("__init__", "__check_init__", "__post_init__", "__new__")
    return [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in starts]


def _raises(thing: Any) -> bool:
    for node in (inner for tree in _called_code(thing) for inner in ast.walk(tree)):
        if isinstance(node, ast.Raise):
            return True
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if CHECK.match(called):
                return True
    return False


def missing(name: str) -> list[str]:
    """What the docstring of a public class or function lacks."""
    thing = OBJECTS[name]
    text = inspect.getdoc(thing) if inspect.isroutine(thing) else inspect.cleandoc(vars(thing).get("__doc__") or "")
    if not text:
        return ["docstring"]
    lacks = [f"argument {argument}" for argument in _arguments(thing) if f"`{argument}`" not in text]
    if inspect.isroutine(thing):
        annotation = inspect.signature(thing).return_annotation
        if annotation not in (None, "None", inspect.Signature.empty) and "**Returns:**" not in text:
            lacks.append("returns")
    if _raises(thing) and "**Raises:**" not in text:
        lacks.append("raises")
    if "!!! example" not in text or "```python" not in text:
        lacks.append("example")
    return lacks


def test_the_reference_holds_every_public_name_once():
    listed = [name for page in PAGES for name in DIRECTIVE.findall(page.read_text(encoding="utf-8"))]
    places = {name for name in PUBLIC if name.count(".") > 1} | {"abatax.use_compilation_cache"}
    assert sorted(listed) == sorted(places)


def test_names_at_the_top_are_those_of_a_sub_package():
    top = {name for name in PUBLIC if name.count(".") == 1} - {"abatax.use_compilation_cache"}
    lower = {id(thing) for name, thing in PUBLIC.items() if name.count(".") > 1}
    assert all(id(PUBLIC[name]) in lower for name in top)


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_are_described(name):
    assert _description(name), f"`{name}` needs a docstring below its definition"


def test_docstrings_have_arguments_returns_errors_and_an_example():
    assert {name: lacks for name in OBJECTS if (lacks := missing(name))} == {}
