"""Files appear under their name only when they are complete; what a stopped process leaves behind is removed later."""

import os
import re
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_INCOMPLETE: set[Path] = set()  # what this process is writing now
_MADE: list[Path] = []  # folders that this process has made, parents first
_DAY = 86_400.0  # seconds; no single file takes as long to write
_NAME = re.compile(r"\..+-(?P<host>[0-9a-f]{8})-(?P<process>[0-9]+)\.partial(\..*)?")


@contextmanager
def complete_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the name `path` when the block ends without an error.

    !!! example

        ```python
        import tempfile
        from pathlib import Path

        from abatax.scenarios import complete_file

        path = Path(tempfile.mkdtemp(), "note.txt")
        with complete_file(path) as beside:
            beside.write_text("done")
        assert path.read_text() == "done" and not beside.exists()
        ```
    """
    path = Path(path)
    make_folder(path.parent)
    # The suffix stays last: writers choose the format by it.
    beside = path.with_name(f".{path.stem}-{_host()}-{os.getpid()}.partial{path.suffix}")
    _INCOMPLETE.add(beside)
    try:
        yield beside
        if beside.is_dir() and path.is_dir():
            shutil.rmtree(path)
        os.replace(beside, path)
    finally:
        _remove(beside)
        _INCOMPLETE.discard(beside)


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, and remember those that did not exist."""
    for parent in reversed((folder, *folder.parents)):
        if not parent.exists():
            parent.mkdir(exist_ok=True)
            _MADE.append(parent)
    folder.mkdir(exist_ok=True)  # raises if it is a file


def check_writable(folder: Path) -> None:
    """Try whether files can be written to a folder, which need not exist; nothing is left behind.

    **Raises:** `OSError` if they cannot.
    """
    already = len(_MADE)
    try:
        make_folder(folder)
        probe = folder / f".writable-{_host()}-{os.getpid()}.partial"
        probe.touch()
        probe.unlink()
    finally:
        for made in reversed(_MADE[already:]):
            with suppress(OSError):
                made.rmdir()
        del _MADE[already:]


def discard_incomplete() -> None:
    """Remove what this process has not finished to write, and the folders that it has made if they are empty."""
    for path in tuple(_INCOMPLETE):
        with suppress(OSError):
            _remove(path)
    for folder in reversed(_MADE):
        with suppress(OSError):  # not empty
            folder.rmdir()


def remove_leftovers(*folders: Path) -> None:
    """Remove incomplete files of processes that have ended."""
    for folder in folders:
        with suppress(OSError):
            for path in list(folder.iterdir()) if folder.is_dir() else ():
                name = _NAME.fullmatch(path.name)
                if name is not None and path not in _INCOMPLETE and _is_abandoned(path, name):
                    _remove(path)


def _is_abandoned(path: Path, name: re.Match[str]) -> bool:
    """Whether nobody writes a file any more. A number of a process may have been given to another one since."""
    if time.time() - path.stat().st_mtime > _DAY:
        return True
    return name["host"] == _host() and (int(name["process"]) == os.getpid() or not _runs(int(name["process"])))


def _runs(process: int) -> bool:
    if os.name == "nt":  # there the call below would end the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's, or no answer
        return True
    return True


def _host() -> str:
    """Processes are told apart by number on one machine only, and folders may be shared between machines."""
    import platform

    return f"{zlib.crc32(platform.node().encode()):08x}"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
