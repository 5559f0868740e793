"""The settings to which a checkpoint belongs: a stopped run is continued only with the same settings."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...common import complete_file
from ._settings import RunSettings

CHECKPOINT = ".checkpoint"
_SETTINGS = "asked.json"  # in the checkpoint's folder


def question(settings: RunSettings) -> str:
    """A hash of all settings that affect a solution, which excludes the settings of the simulation."""
    plain = settings.model_dump(mode="json", exclude={"simulation"})
    # `a.b = 1` and `[a] b = 1` are equivalent
    plain["parameters"] = {name: _typed(value) for name, value in settings.dotted().items()}
    plain["solver"] = {name: _typed(value) for name, value in settings.solver.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _typed(value: Any) -> Any:
    """A value in a form that does not depend on its source: the command line passes numbers as text, files as numbers."""
    if isinstance(value, (list, tuple)):
        return [_typed(part) for part in value]
    if isinstance(value, str) and "," in value:
        return [_typed(part) for part in value.split(",")]
    try:
        return repr(float(value))
    except (TypeError, ValueError):
        return str(value)


def may_resume(folder: Path, settings: RunSettings) -> bool:
    """Whether the folder has a checkpoint of a run with the same settings."""
    try:
        recorded = json.loads((folder / CHECKPOINT / _SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(recorded, dict) and recorded.get("question") == question(settings)


def record_question(folder: Path, settings: RunSettings) -> None:
    """Record in the checkpoint's folder the settings to which it belongs."""
    text = json.dumps({"model": settings.model, "question": question(settings)}) + "\n"
    with complete_file(folder / CHECKPOINT / _SETTINGS) as beside:
        beside.write_text(text, encoding="utf-8")


@contextmanager
def resumable(folder: Path, settings: RunSettings) -> Iterator[None]:
    """Record the settings in the checkpoint's folder; a solve that is refused before its first step leaves no checkpoint."""
    record_question(folder, settings)
    try:
        yield
    except ValueError:
        if not any((folder / CHECKPOINT).rglob("*.checkpoint")):
            discard_checkpoint(folder)
        raise


def discard_checkpoint(folder: Path) -> None:
    """Remove the checkpoint of a run that has ended."""
    shutil.rmtree(folder / CHECKPOINT, ignore_errors=True)
