"""Shared parts of the commands: options, folders of results, errors in one line."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

FAILED, REFUSED, NOT_CONVERGED = 1, 2, 3

Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Change a field; repeatable. Model fields (ambiguity.shocks=1), box.STATE=LOW,HIGH, solver.OPTION=VALUE.",
    ),
]
Out = Annotated[Path | None, typer.Option(help="Folder for the results; runs/MODEL-TIMESTAMP by default.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite existing files.")]
Seed = Annotated[int | None, typer.Option(help="Seed of all random numbers.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder written by solve or run.")]


_UsageError: Any = typer.BadParameter.mro()[1]


class OneLineErrors(TyperGroup):
    """Commands that report usage errors in one line, like all other errors."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **extra)
        try:
            code = super().main(*args, standalone_mode=False, **extra)
        except _UsageError as error:
            if "NoArgsIsHelp" in type(error).__name__:
                error.show()
            else:
                where = error.ctx.command_path if error.ctx is not None else "abatax"
                text = _shortened(" ".join(error.format_message().split()).rstrip("."))
                print(f"error: {text}; see `{where} --help`.", file=sys.stderr)
            sys.exit(REFUSED)
        except typer.Abort:
            sys.exit(FAILED)
        sys.exit(code if isinstance(code, int) else 0)


def default_folder(out: Path | None, model: str) -> Path:
    """The folder `out`, or by default a folder named after the model and the time."""
    return out if out is not None else Path("runs") / f"{model}-{datetime.now():%Y%m%d-%H%M%S}"


def finish(folder: Path, converged: bool, advice: str, name: str = "") -> None:
    """Print the location of the files; end with exit code 3 if a solve did not converge."""
    say(f"{'Report' if name.endswith('.html') else 'Written'}: {folder / name}")
    if not converged:
        say(f"NOT CONVERGED: {advice}")
        raise typer.Exit(NOT_CONVERGED)


def say(*lines: str) -> None:
    """Print lines."""
    for line in lines:
        print(line)


@contextmanager
def reporting() -> Iterator[None]:
    """Report errors in one line: exit code 2 for wrong inputs, 1 for failures of the machine; other errors have a traceback."""
    try:
        yield
    except (typer.Exit, BrokenPipeError):
        raise
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        _withdraw()
        print(f"error: {_shortened(_one_line(error))}", file=sys.stderr)
        raise typer.Exit(code) from None


# Errors of the machine, not of the input.
_FULL = errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO
_NO_MEMORY = "RESOURCE_EXHAUSTED", "Out of memory"


class _MachineError(Exception):
    """The machine lacks what a command needs; the message is one line."""


def _exit_code(error: BaseException) -> int | None:
    """The exit code of an error that is reported in one line; None for an error with a traceback."""
    if isinstance(error, OSError):
        return FAILED if error.errno in _FULL else REFUSED
    if isinstance(error, (MemoryError, _MachineError)) or (
        isinstance(error, RuntimeError) and _says(error, *_NO_MEMORY)
    ):
        return FAILED
    return REFUSED if isinstance(error, ValueError) else None


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or _says(error, *_NO_MEMORY):
        return f"the memory is exhausted; use fewer points, members or paths. {text}".rstrip()
    if isinstance(error, OSError) and error.errno in _FULL:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; incomplete files are removed. Free some space, or choose another folder."
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}."
    return text


def _shortened(text: str, most: int = 1500) -> str:
    """A message in which the middle of a long text is omitted; the remedy at the end is kept."""
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 2 :]}"


def _says(error: BaseException, *texts: str) -> bool:
    return any(text in str(error) for text in texts)


def _withdraw() -> None:
    """Remove incomplete files of a command that was refused after it had begun to write."""
    if "abatax.common" in sys.modules:
        sys.modules["abatax.common"].discard_incomplete()


def check_device() -> None:
    """Raise, before any other step, if the device that the environment requests is missing."""
    import jax

    try:
        jax.devices()
    except Exception:  # the type depends on the missing part
        platforms = os.environ.get("JAX_PLATFORMS", "")
        raise _MachineError(
            f"JAX_PLATFORMS is {platforms!r}, and this machine has no such device; unset it, or set it to cpu."
        ) from None


def live_progress():
    """The progress display of a terminal."""
    from .solvers import RichProgress

    return RichProgress()
