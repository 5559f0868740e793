"""The structure of the package, read from the import statements of its modules."""

import ast
import graphlib
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "abatax"
LAYERS = ("scenarios", "validation", "solvers", "neural_operators", "models")
# A layer may import from the layers that are listed for it, and every layer from `common`.
BELOW = {
    "scenarios": {"validation", "solvers", "neural_operators", "models"},
    "validation": {"solvers", "neural_operators", "models"},
    "solvers": {"neural_operators", "models"},
    "neural_operators": set(),
    "models": set(),
    "common": set(),
}
LABELS, FIGURES = "abatax.scenarios.labels", "abatax.scenarios.figures"
# Lower layers import these two inside the methods `to_dataset` and `plot`, and nothing else from above.
THIN = {
    "abatax.solvers": {LABELS},
    "abatax.solvers.paths._simulate": {LABELS, FIGURES},
    "abatax.solvers.solution._solution": {LABELS, FIGURES},
    "abatax.solvers.solution._trajectory": {LABELS},
    "abatax.validation.comparison._compare": {FIGURES},
    "abatax.validation.errors._report": {FIGURES},
}
MOST_MODULES = 20  # in one folder, beside `__init__`


def _modules() -> dict[str, Path]:
    """The file of every module by its full name; `src/abatax` holds links to the folders of the layers."""
    modules = {}
    for folder in (PACKAGE, PACKAGE / "common", *(PACKAGE / layer for layer in LAYERS)):
        files = folder.glob("*.py") if folder == PACKAGE else folder.rglob("*.py")
        for path in files:
            parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
            modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


MODULES = _modules()


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _walk(node: ast.AST, lazy: bool = False):
    """Every import statement that is executed, and whether it stands inside a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, lazy
        elif _is_type_checking(child):
            for other in child.orelse:
                yield from _walk(other, lazy)
        else:
            yield from _walk(child, lazy or isinstance(child, (ast.FunctionDef, ast.Lambda)))


def _targets(module: str, path: Path, node: ast.Import | ast.ImportFrom) -> set[str]:
    """The modules of the package that an import statement names."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names if alias.name in MODULES}
    parts = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    prefix = parts[: len(parts) - node.level + 1] if node.level else []
    base = ".".join([*prefix, *([node.module] if node.module else [])])
    inner = {f"{base}.{alias.name}" for alias in node.names} & MODULES.keys()
    return inner | ({base} if base in MODULES and len(inner) < len(node.names) else set())


def _imports() -> dict[str, dict[str, bool]]:
    """For each module the modules that it imports, and whether it does so only inside functions."""
    imports: dict[str, dict[str, bool]] = {name: {} for name in MODULES}
    for name, path in MODULES.items():
        for node, lazy in _walk(ast.parse(path.read_text(encoding="utf-8"))):
            for target in _targets(name, path, node) - {name}:
                imports[name][target] = lazy and imports[name].get(target, True)
    return imports


IMPORTS = _imports()
PAIRS = [(name, target, lazy) for name, targets in IMPORTS.items() for target, lazy in targets.items()]


def _layer(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def _room(module: str) -> str:
    """The sub-package of a module, or the module itself if it lies directly in its layer."""
    return ".".join(module.split(".")[:3])


def test_the_reader_of_imports_sees_the_package():
    assert {"abatax", "abatax.cli", "abatax.models", "abatax.solvers.base._result"} <= MODULES.keys()
    assert len(MODULES) > 200 and len(PAIRS) > 800
    assert ("abatax.solvers._driver", "abatax.models", False) in PAIRS
    assert ("abatax.solvers.paths._simulate", LABELS, True) in PAIRS


def test_layers_point_one_way():
    upward = {
        (name, target)
        for name, target, lazy in PAIRS
        if _layer(name) in BELOW
        and _layer(target) not in {_layer(name), "common", *BELOW[_layer(name)]}
        and not (lazy and target in THIN.get(name, ()))
    }
    assert upward == set()


def test_only_data_sets_and_figures_of_objects_reach_upward():
    lazy = {(name, target) for name, target, _ in PAIRS if target in (LABELS, FIGURES) and _layer(name) != "scenarios"}
    assert {pair for pair in lazy if "." in pair[0] and _layer(pair[0]) in BELOW} == {
        (name, target) for name, targets in THIN.items() for target in targets
    }


@pytest.mark.parametrize("layer", LAYERS)
def test_sub_packages_form_an_acyclic_graph(layer):
    graph: dict[str, set[str]] = defaultdict(set)
    for name, target, _ in PAIRS:
        if _layer(name) == _layer(target) == layer and _room(name) != _room(target):
            graph[_room(name)].add(_room(target))
    assert tuple(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


def test_no_import_circle_when_modules_are_loaded():
    graph = {name: {target for target, lazy in targets.items() if not lazy} for name, targets in IMPORTS.items()}
    assert len(tuple(graphlib.TopologicalSorter(graph).static_order())) == len(MODULES)


def test_private_modules_are_imported_inside_their_own_folder_only():
    outside = {
        (name, target)
        for name, target, _ in PAIRS
        if target.rpartition(".")[2].startswith("_") and not _is_beside(name, target)
    }
    assert outside == set()


def _is_beside(name: str, target: str) -> bool:
    """Whether a module lies in the folder of a private module: as its `__init__` or beside it."""
    folder = target.rpartition(".")[0]
    return name == folder or name.rpartition(".")[0] == folder


@pytest.mark.parametrize("top", [PACKAGE, *(PACKAGE / layer for layer in LAYERS), ROOT / "tests"], ids=lambda p: p.name)
def test_no_folder_holds_more_modules_than_a_reader_can_survey(top):
    counts = {
        folder: sum(path.name != "__init__.py" for path in folder.glob("*.py"))
        for folder in (top, *top.rglob("*/"))
        if folder.is_dir()
    }
    assert {folder: count for folder, count in counts.items() if count > MOST_MODULES} == {}


def test_every_sub_package_says_in_one_sentence_what_it_holds():
    for name, path in MODULES.items():
        if path.name == "__init__.py" and name != "abatax":
            text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
            assert text and text.endswith(".") and "\n" not in text and ". " not in text, name
