"""References on disk, so that a problem is solved once; damaged files are detected."""

import functools as ft
import hashlib
import os
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ...common import check_writable, remove_leftovers
from ...models import HJBProblem
from ...models.base import fingerprint
from ...solvers import AbstractProgress, FiniteDifference, Solution
from ...solvers.base import DamagedArchiveError, ForeignArchiveError, read_archive, write_archive
from ...solvers.solution import describe, restore
from ...validation import Estimate, Reference, reference

VERSION = version("abatax")


def default_folder() -> Path:
    """The default folder of references: `abatax/references` in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "abatax" / "references"


class ReferenceStore:
    """A folder of references, one file each, whose name is a hash of the problem and the solver.

    The hash covers the model (class, code and every parameter), the box and its margins, the solver with its grid,
    the number of points, and the version and source of the package. Files appear under their name when they are complete, so that
    processes may share a folder; each file contains a checksum.

    **Arguments:**

    - `folder`: the folder, which is created when a reference is written; by default `abatax/references` in the user's cache folder
      (`XDG_CACHE_HOME`).

    !!! example

        ```python
        import tempfile

        import abatax as ab

        problem = ab.HJBProblem(ab.models.LinearQuadratic())
        solver = ab.solvers.FiniteDifference(points=21, levels=2)
        with tempfile.TemporaryDirectory() as folder:
            store = ab.scenarios.ReferenceStore(folder)
            reference = store.reference(problem, solver)  # solved
            again = store.reference(problem, solver)  # read
        assert again.errors == reference.errors
        ```
    """

    def __init__(self, folder: str | Path | None = None):
        self.folder = default_folder() if folder is None else Path(folder)

    def path(self, problem: HJBProblem, solver: FiniteDifference, *, method: Any = None, count: int = 256) -> Path:
        """The file of a reference, which need not exist."""
        alone = problem.replace(continuations=())
        return self.folder / f"{fingerprint((VERSION, source_hash(), alone, solver, method, count))}.reference"

    def reference(
        self,
        problem: HJBProblem,
        solver: FiniteDifference | None = None,
        *,
        method: Any = None,
        count: int = 256,
        solution: Callable[[], Solution] | None = None,
        progress: AbstractProgress | None = None,
    ) -> Reference:
        """The stored reference, or a new reference, which is stored.

        **Arguments:** as in `abatax.validation.reference`; `solution` is a function that solves the problem, which is called
        if needed.

        **Raises:** `NoReferenceError` as in `abatax.validation.reference`; `ValueError` if the file was written by another program, or
        the folder is not writable.
        """
        solver = FiniteDifference() if solver is None else solver
        path = self.path(problem, solver, method=method, count=count)
        stored = self._read(path, problem)
        if stored is not None:
            if progress is not None:
                progress.done("reference", f"found in {self.folder}")
            return stored
        self._check()  # before the solve
        solved = None if solution is None else solution()
        computed = reference(problem, solver, method=method, count=count, solution=solved, progress=progress)
        keep_reference(path, computed)
        return computed

    def _check(self) -> None:
        try:
            check_writable(self.folder)
        except OSError as error:
            raise self._unusable(error) from None
        remove_leftovers(self.folder)

    def _unusable(self, error: OSError) -> ValueError:
        return ValueError(
            f"the folder of references is {self.folder}: {error.strerror}; choose another folder, or set XDG_CACHE_HOME to a"
            " writable one."
        )

    def _read(self, path: Path, problem: HJBProblem) -> Reference | None:
        """The reference in a file; None if the file is absent, or (with a warning) damaged."""
        try:
            return _reference_of(problem, path.stem, *read_archive(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from None
        except DamagedArchiveError as error:
            warnings.warn(f"{path}: {error}; the reference is computed again.", stacklevel=3)
            return None
        except ForeignArchiveError:
            raise ValueError(f"{path} was not written by abatax; remove it or choose another folder.") from None


@ft.cache
def source_hash() -> str:
    """A hash of the source of the package, since a development version changes without a new version number."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[2]
    for folder in ("models", "solvers", "validation"):
        for file in sorted((root / folder).rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def keep_reference(path: Path, computed: Reference) -> None:
    """Write a reference to a file that also contains the name of the file."""
    arrays: dict[str, np.ndarray] = {}
    about = {"key": path.stem, "version": VERSION, "reference": computed.to_dict()}
    write_archive(path, about | {"solution": describe(computed.solution, arrays)}, arrays)


def _reference_of(problem: HJBProblem, key: str, about: Any, arrays: dict[str, np.ndarray]) -> Reference:
    try:
        if about["key"] != key:
            raise DamagedArchiveError("the file contains another reference")
        plain = about["reference"]
        parts = {part: _estimates(estimates) for part, estimates in plain["parts"].items()}
        solution = restore(problem, about["solution"], arrays)
        return Reference(solution, _estimates(plain["errors"]), parts)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
        reason = f"the file does not contain a reference of this problem ({type(error).__name__})"
        raise DamagedArchiveError(reason) from None


def _estimates(plain: dict[str, dict[str, float]]) -> dict[str, Estimate]:
    return {name: Estimate(**estimate) for name, estimate in plain.items()}
