"""What the commands share: options, where results go, errors in one line."""

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
Out = Annotated[Path | None, typer.Option(help="Folder to write; runs/MODEL-TIMESTAMP if left out.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]
Seed = Annotated[int | None, typer.Option(help="Seed of all randomness.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder written by solve or run.")]


_UsageError: Any = typer.BadParameter.mro()[1]


class OneLineErrors(TyperGroup):
    """Commands whose misuse is told in one line, as every other error is."""

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
    """The folder asked for, or one named by the model and the time."""
    return out if out is not None else Path("runs") / f"{model}-{datetime.now():%Y%m%d-%H%M%S}"


def finish(folder: Path, converged: bool, advice: str, name: str = "") -> None:
    """Say where the files are; end with exit code 3 if a solve did not converge."""
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
    """Errors in one line: exit code 2 for a request that is wrong, 1 where the machine fails; others keep their traceback."""
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


# Errors of the machine and not of the request.
_FULL = errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO
_NO_MEMORY = "RESOURCE_EXHAUSTED", "Out of memory"


class _MachineError(Exception):
    """The machine lacks what a command needs; the message is one line."""


def _exit_code(error: BaseException) -> int | None:
    """The exit code of an error that one line explains; None if it needs its traceback."""
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
        return f"memory ran out; take fewer points, members or paths. {text}".rstrip()
    if isinstance(error, OSError) and error.errno in _FULL:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; nothing half-written is kept. Free some space, or choose another folder."
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}."
    return text


def _shortened(text: str, most: int = 1500) -> str:
    """A value of any length may have been given; what to do stands at the end."""
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 2 :]}"


def _says(error: BaseException, *texts: str) -> bool:
    return any(text in str(error) for text in texts)


def _withdraw() -> None:
    """Leave no trace of a command that was refused after it had begun to write."""
    if "abatax._writing" in sys.modules:
        sys.modules["abatax._writing"].discard_incomplete()


def check_device() -> None:
    """Raise, before anything else is done, if the device that the environment asks for is not there."""
    import jax

    try:
        jax.devices()
    except Exception:  # of a kind that depends on what is missing
        asked = os.environ.get("JAX_PLATFORMS", "")
        raise _MachineError(
            f"JAX_PLATFORMS is {asked!r}, and there is no such device here; unset it, or set it to cpu."
        ) from None


def live_progress():
    """What a terminal shows while solvers work."""
    from .solvers import RichProgress

    return RichProgress()
