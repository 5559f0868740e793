"""What a checkpoint of a run belongs to: only the same question may go on in a folder that already holds an answer."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..._writing import complete_file
from ._settings import RunSettings

CHECKPOINT = ".checkpoint"
_ASKED = "asked.json"  # in the checkpoint's folder


def question(settings: RunSettings) -> str:
    """A hash of everything in the settings that changes a solution: all but how it is simulated."""
    plain = settings.model_dump(mode="json", exclude={"simulation"})
    # `a.b = 1` and `[a] b = 1` ask the same
    plain["parameters"] = {name: _typed(value) for name, value in settings.dotted().items()}
    plain["solver"] = {name: _typed(value) for name, value in settings.solver.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def _typed(value: Any) -> Any:
    """The command line gives numbers as text, files as numbers."""
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
        asked = json.loads((folder / CHECKPOINT / _ASKED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(asked, dict) and asked.get("question") == question(settings)


def record_question(folder: Path, settings: RunSettings) -> None:
    """State in the checkpoint's folder which settings it belongs to."""
    text = json.dumps({"model": settings.model, "question": question(settings)}) + "\n"
    with complete_file(folder / CHECKPOINT / _ASKED) as beside:
        beside.write_text(text, encoding="utf-8")


@contextmanager
def resumable(folder: Path, settings: RunSettings) -> Iterator[None]:
    """State in the checkpoint's folder to which settings it belongs; what is refused before a first step leaves none."""
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
