"""References on disk, so that nobody solves the same problem twice; what is damaged is noticed."""

import functools as ft
import hashlib
import io
import json
import os
import warnings
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ..._writing import check_writable, complete_file, remove_leftovers
from ...models import HJBProblem
from ...models.base import fingerprint
from ...solvers import RESULTS, AbstractProgress, FiniteDifference, Solution, TensorSpline, result_name
from ...solvers.solution import (
    BESIDE,
    Return,
    Stored,
    closed_form,
    rebuilt,
    reshape_family,
    reshape_leading,
    stored_beside,
)
from ...validation import Estimate, Reference, reference

VERSION = version("abatax")
_MAGIC = b"abatax reference 1\n"  # the number is raised when a reader of an older file would go wrong


def default_folder() -> Path:
    """Where references are kept: `abatax/references` in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "abatax" / "references"


class ReferenceStore:
    """A folder of references, one file each, named by what was asked.

    The name is a hash of the model (class, code and every parameter), the box and its margins, the solver with its grid,
    the number of points, and the version and source of the package. Files take their name when they are complete, so
    processes may share a folder; each carries a checksum.

    **Arguments:**

    - `folder`: made when first written to; `abatax/references` in the user's cache folder (`XDG_CACHE_HOME`) if left out.

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
        """The file of a reference, whether it exists or not."""
        asked = problem.replace(continuations=())
        return self.folder / f"{fingerprint((VERSION, source_hash(), asked, solver, method, count))}.reference"

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
        """The stored reference, or a new one that is then stored.

        **Arguments:** as `abatax.validation.reference`; `solution` is a function that solves, called only if needed.

        **Raises:** `NoReferenceError` as there; `ValueError` if the file of this reference was written by something else, or
        the folder cannot be written.
        """
        solver = FiniteDifference() if solver is None else solver
        path = self.path(problem, solver, method=method, count=count)
        found = self._read(path, problem)
        if found is not None:
            if progress is not None:
                progress.done("reference", f"found in {self.folder}")
            return found
        self._check()  # before anything is solved
        solved = None if solution is None else solution()
        made = reference(problem, solver, method=method, count=count, solution=solved, progress=progress)
        with complete_file(path) as beside:
            beside.write_bytes(_sealed(path.stem, made))
        return made

    def _check(self) -> None:
        try:
            check_writable(self.folder)
        except OSError as error:
            raise self._unusable(error) from None
        remove_leftovers(self.folder)

    def _unusable(self, error: OSError) -> ValueError:
        return ValueError(
            f"references are kept in {self.folder}: {error.strerror}; choose another folder, or set XDG_CACHE_HOME to one"
            " that can be written."
        )

    def _read(self, path: Path, problem: HJBProblem) -> Reference | None:
        """What a file holds; None, with a warning unless it is absent, if it must be made anew."""
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from None
        try:
            return _opened(path.stem, raw, problem)
        except _Damaged as error:
            warnings.warn(f"{path}: {error}; it is computed again.", stacklevel=3)
            return None
        except _Foreign:
            raise ValueError(f"{path} was not written by abatax; remove it or choose another folder.") from None


class _Damaged(Exception):
    """A file of ours that cannot be believed."""


class _Foreign(Exception):
    """A file of somebody else."""


@ft.cache
def source_hash() -> str:
    """A hash of the package's own source: a version that is being worked on changes without a new number."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[2]
    for folder in ("models", "solvers", "validation"):
        for file in sorted((root / folder).rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _sealed(key: str, made: Reference) -> bytes:
    """A line that says whose it is, a checksum, and the arrays."""
    arrays: dict[str, np.ndarray] = {}
    about = {"key": key, "version": VERSION, "reference": made.to_dict()}
    about["solution"] = _describe(reshape_family(made.solution, (1,), 0), arrays, "solution")
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, about=np.asarray(json.dumps(about)), **arrays)
    body = file.getvalue()
    return _MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _opened(key: str, raw: bytes, problem: HJBProblem) -> Reference:
    if not raw.startswith(_MAGIC):
        if _MAGIC.startswith(raw):
            raise _Damaged("the file is cut off")
        raise _Foreign
    checksum, _, body = raw[len(_MAGIC) :].partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != checksum:
        raise _Damaged("the file is damaged (its checksum is wrong)")
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays["about"]))
        if about["key"] != key:
            raise _Damaged("the file holds another reference")
        solution = rebuilt(reshape_leading(problem, (1,), 0), 1, _reader(about["solution"], arrays)).member(0)
        plain = about["reference"]
        parts = {part: _estimates(estimates) for part, estimates in plain["parts"].items()}
        return Reference(solution, _estimates(plain["errors"]), parts)
    except (KeyError, ValueError, TypeError, IndexError, zipfile.BadZipFile) as error:
        raise _Damaged(f"the file does not hold a reference of this problem ({type(error).__name__})") from None


def _estimates(plain: dict[str, dict[str, float]]) -> dict[str, Estimate]:
    return {name: Estimate(**estimate) for name, estimate in plain.items()}


def _describe(part: Solution, arrays: dict[str, np.ndarray], where: str) -> dict[str, Any]:
    """What rebuilds a family of solutions besides its problem: splines to the last bit, or that the value is exact."""
    about: dict[str, Any] = {"result": result_name(part.result), "stats": part.stats, "exact": True}
    if isinstance(part.value, TensorSpline):
        about |= {"exact": False, "degree": part.value.degree}
        arrays[f"{where}.coefficients"] = np.asarray(part.value.coefficients)
        for n, knots in enumerate(part.value.knots):
            arrays[f"{where}.knots.{n}"] = np.asarray(knots)
    for n, nodes in enumerate(part.nodes):
        arrays[f"{where}.nodes.{n}"] = np.asarray(nodes)
    beside = stored_beside(part)
    if beside is not None:
        return about | {"beside": _describe(beside, arrays, f"{where}.{BESIDE}")}
    after = []
    for n, destination in enumerate(part.destinations):
        if isinstance(destination, Return):
            after.append(None)
            continue
        size, outcomes = np.asarray(destination.problem.model.preferences.discount_rate).shape[:2]
        flat = reshape_family(destination, (size * outcomes,), 2)
        after.append(_describe(flat, arrays, f"{where}.{n}"))
    return about | {"destinations": after}


def _reader(root: dict[str, Any], arrays):
    """What a file holds of one family."""

    def read(way: tuple, problem: HJBProblem, size: int) -> Stored:
        del size
        about, where = root, "solution"
        for number, _ in way:
            about = about["beside"] if number == BESIDE else about["destinations"][number]
            where = f"{where}.{number}"
        states = range(len(problem.region))
        if about["exact"]:
            value = eqx.filter_vmap(closed_form)(problem.model)
        else:
            knots = tuple(jnp.asarray(arrays[f"{where}.knots.{n}"]) for n in states)
            value = TensorSpline(jnp.asarray(arrays[f"{where}.coefficients"]), knots, tuple(about["degree"]))
        nodes = tuple(arrays[f"{where}.nodes.{n}"] for n in states)
        return Stored(value, nodes, getattr(RESULTS, about["result"]), about["stats"])

    return read
