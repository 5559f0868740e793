"""The command `abatax compare`."""

from pathlib import Path
from typing import Annotated

import typer

from ._cli_parts import Force, Out, Set, check_device, default_folder, finish, live_progress, reporting, say
from ._interrupt import after_an_interrupt


def compare(
    model: Annotated[str, typer.Argument(help="A name of `abatax models`.")],
    solvers: Annotated[str, typer.Option(metavar="A,B", help="Names of solvers.")] = "gauss_newton,features",
    architectures: Annotated[str, typer.Option(metavar="A,B|all", help="Names of networks, or all.")] = "mlp,gated_mlp",
    seeds: Annotated[int, typer.Option(metavar="N", help="Number of runs of every network.")] = 3,
    budget: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Seconds of every run per regime, without compilation (default 20)."),
    ] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", help="Number of training steps instead of seconds.")] = None,
    parameters: Annotated[
        int, typer.Option(metavar="N", help="Approximate number of parameters of every network.")
    ] = 1000,
    set_: Set = None,
    tune: Annotated[
        int,
        typer.Option(metavar="TRIALS", help="Random search over each architecture's options, outside the budget."),
    ] = 0,
    out: Out = None,
    force: Force = False,
) -> None:
    """Compare solvers and architectures on an equal budget; writes comparison.csv, .nc, .html and figures."""
    with reporting():
        check_device()
        from .scenarios import compare as run_comparison
        from .scenarios.run import RunSettings, apply, hjb_only, outlook
        from .scenarios.words import sentences

        settings = apply(RunSettings(model=model), set_ or [])
        options, settings = settings.solver, settings.model_copy(update={"solver": {}})
        folder: Path = default_folder(out, model)
        after_an_interrupt(lambda: outlook(folder))
        with live_progress() as progress:
            comparison = run_comparison(
                hjb_only(settings.problem(), "compare"),
                solvers=_names(solvers),
                architectures=_names(architectures),
                seeds=seeds,
                budget=budget,
                steps=steps,
                parameters=parameters,
                tuning=tune,
                options=options,
                progress=progress,
                folder=folder,
                force=force,
            )
        say(*sentences(comparison))
        failed = bool((comparison.table["failure"] != "").all())
        finish(folder, not failed, "every run failed; the reasons are in comparison.csv.", "comparison.html")


def _names(text: str) -> list[str]:
    """Names separated by commas."""
    return [part.strip() for part in text.split(",") if part.strip()]
