"""Climate-economic control problems under uncertainty: model, HJB equation, solution, paths, scenario.

Importing abatax switches JAX to double precision (float64) and stores compiled programs in the user's cache folder
(`use_compilation_cache`). The sub-packages are imported when they are first used.
"""

import importlib as _importlib
import os as _os
import sys as _sys
from typing import TYPE_CHECKING

from ._compilation_cache import (
    use_compilation_cache as use_compilation_cache,
    use_default_compilation_cache as _use_default_compilation_cache,
)

# Single precision is not sufficient for a value function discounted at 1 % per year. If JAX has not been imported yet, its
# environment variable has the same effect without the time of the import.
if "jax" in _sys.modules:
    _sys.modules["jax"].config.update("jax_enable_x64", True)
else:
    _os.environ["JAX_ENABLE_X64"] = "1"

# Compiled programs are kept for the next process; a switch turns that off (see the module).
_use_default_compilation_cache()

if TYPE_CHECKING:
    from . import (
        models as models,
        neural_operators as neural_operators,
        scenarios as scenarios,
        solvers as solvers,
        validation as validation,
    )
    from .models import DiscreteProblem as DiscreteProblem, HJBProblem as HJBProblem, ProblemFamily as ProblemFamily
    from .scenarios import compare as compare, load as load, save as save
    from .solvers import (
        Solution as Solution,
        sensitivities as sensitivities,
        simulate as simulate,
        solve as solve,
        solve_family as solve_family,
    )
    from .validation import validate as validate

    __version__: str

_FOLDERS = ("models", "neural_operators", "scenarios", "solvers", "validation")
_VERBS = {
    "DiscreteProblem": "models",
    "HJBProblem": "models",
    "ProblemFamily": "models",
    "Solution": "solvers",
    "compare": "scenarios",
    "load": "scenarios",
    "save": "scenarios",
    "sensitivities": "solvers",
    "simulate": "solvers",
    "solve": "solvers",
    "solve_family": "solvers",
    "validate": "validation",
}
__all__ = [
    "DiscreteProblem",
    "HJBProblem",
    "ProblemFamily",
    "Solution",
    "compare",
    "load",
    "models",
    "neural_operators",
    "save",
    "scenarios",
    "sensitivities",
    "simulate",
    "solve",
    "solve_family",
    "solvers",
    "use_compilation_cache",
    "validate",
    "validation",
]


def __getattr__(name: str):
    if name in _FOLDERS:
        return _importlib.import_module(f".{name}", __name__)
    if name in _VERBS:
        return getattr(_importlib.import_module(f".{_VERBS[name]}", __name__), name)
    if name == "__version__":
        return _importlib.import_module("importlib.metadata").version("abatax")
    raise AttributeError(f"module `abatax` has no attribute `{name}`")


def __dir__():
    return sorted([*globals(), *__all__])
