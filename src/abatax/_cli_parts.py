"""What the commands share: options, where results go, errors in one line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

NOT_CONVERGED = 3

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
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of all randomness.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder written by solve or run.")]


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
    """What was asked wrongly becomes one line and exit code 2; everything else keeps its traceback."""
    try:
        yield
    except (ValueError, FileExistsError, PermissionError, NotADirectoryError) as error:
        text = " ".join(str(error).split())
        print(f"error: {text}", file=sys.stderr)
        raise typer.Exit(2) from None


def live_progress():
    """What a terminal shows while solvers work."""
    from .solvers import RichProgress

    return RichProgress()
