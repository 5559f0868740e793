"""Complete files: a file appears under its name when it is complete; incomplete files of stopped processes are removed later."""

import os
import re
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_INCOMPLETE: set[Path] = set()  # files that this process is writing
_MADE: list[Path] = []  # folders that this process has created, parents first
_DAY = 86_400.0  # seconds; no file takes this long to write
_NAME = re.compile(r"\..+-(?P<host>[0-9a-f]{8})-(?P<process>[0-9]+)\.partial(\..*)?")


@contextmanager
def complete_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path in the folder of `path`, which is renamed to `path` when the block ends without an error.

    **Returns:** a context manager with the path of the temporary file beside `path`.

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
    # The suffix remains at the end, since writers choose the format by it.
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
    """Create a folder and its parents, and record the folders that did not exist."""
    for parent in reversed((folder, *folder.parents)):
        if not parent.exists():
            parent.mkdir(exist_ok=True)
            _MADE.append(parent)
    folder.mkdir(exist_ok=True)  # raises if it is a file


def check_writable(folder: Path) -> None:
    """Check that files can be written to a folder, which need not exist; no file remains.

    **Raises:** `OSError` if the folder is not writable.
    """
    already = len(_MADE)
    try:
        make_folder(folder)
        probe = folder / f".writable-{_host()}-{os.getpid()}.partial"
        probe.touch()
        probe.unlink()
    finally:
        for created in reversed(_MADE[already:]):
            with suppress(OSError):
                created.rmdir()
        del _MADE[already:]


def discard_incomplete() -> None:
    """Remove incomplete files of this process, and the folders that it has created if they are empty."""
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
    """Whether no process writes a file any more; the number of a process may belong to a later process."""
    if time.time() - path.stat().st_mtime > _DAY:
        return True
    return name["host"] == _host() and (int(name["process"]) == os.getpid() or not _runs(int(name["process"])))


def _runs(process: int) -> bool:
    if os.name == "nt":  # on Windows the call below would end the process
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # a process of another user, or no answer
        return True
    return True


def _host() -> str:
    """A hash of the machine's name: numbers of processes are unique on one machine only, and machines may share folders."""
    import platform

    return f"{zlib.crc32(platform.node().encode()):08x}"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
