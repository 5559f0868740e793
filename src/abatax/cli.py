"""The command line. Commands import the package inside their functions, so that `--help` is quick."""

import io
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ._cli_parts import (
    Folder,
    Force,
    OneLineErrors,
    Out,
    Seed,
    Set,
    check_device,
    default_folder,
    finish,
    live_progress,
    reporting,
    say,
)
from ._compare_command import compare
from ._interrupt import after_an_interrupt, watch_for_interrupts

app = typer.Typer(
    cls=OneLineErrors,
    help="Climate-economic control problems under uncertainty: solve, validate, simulate, export.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@app.command(epilog="Example: abatax models")
def models() -> None:
    """List the models: dimension, states, controls, jumps, exact or closed-form solutions, source."""
    with reporting():
        check_device()
        from rich.console import Console
        from rich.table import Table

        from .models import MODELS, AbstractDiscreteModel, ClosedFormControl, default_model
        from .validation import has_exact_value

        def value_of(model) -> str:
            """Whether the value function is exact; models in discrete time are optimised over paths instead."""
            if isinstance(model, AbstractDiscreteModel):
                return "best path"
            return "exact" if has_exact_value(model) else "-"

        table = Table()
        for column in ("model", "dimension", "states", "controls", "jumps", "control", "value"):
            table.add_column(column, no_wrap=True)
        table.add_column("source", overflow="fold")
        for name in MODELS:
            model = default_model(name)
            table.add_row(
                name,
                str(len(model.states)),
                "\n".join(model.states._fields),
                "\n".join(model.controls._fields),
                "\n".join(jump.name for jump in model.jumps()) or "-",
                "closed form" if isinstance(model, ClosedFormControl) else "numerical",
                value_of(model),
                model.source,
            )
        # a pipe has no width; this width is sufficient for all names
        console = Console() if Console().is_terminal else Console(width=180)
        console.print(table)


@app.command(
    epilog="Example: abatax solve uncertain_damages --set ambiguity.shocks=1 --set ambiguity.jumps=1"
    " --set ambiguity.climate=0.01 --out runs/averse"
)
def solve(
    model: Annotated[str | None, typer.Argument(help="A name of `abatax models`.")] = None,
    solver: Annotated[str | None, typer.Option(help="The name of a solver.")] = None,
    set_: Set = None,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file with the same fields, or the run.json of an earlier run.")
    ] = None,
    seed: Seed = None,
    out: Out = None,
    force: Force = False,
    reference: Annotated[
        bool,
        typer.Option(
            "--reference", help="Estimate the error of every quantity, and store the solution as a reference."
        ),
    ] = False,
    sensitivities: Annotated[
        bool,
        typer.Option(
            "--sensitivities",
            help="Write derivatives with respect to every parameter: sensitivities.csv, .png and .svg.",
        ),
    ] = False,
) -> None:
    """Solve a model; writes solution.nc and run.json."""
    with reporting():
        check_device()
        from .scenarios.run import (
            RunSettings,
            apply,
            check_asked,
            check_seed,
            hjb_only,
            outlook,
            prepare_folder,
            read_settings,
            reference_run,
            sensitivity_run,
            solve_run,
        )
        from .validation.errors import check_solver

        if config is not None:
            settings = read_settings(config)
            settings = settings.model_copy(update={"model": model or settings.model})
        elif model is None:
            raise ValueError("give the name of a model, or --config FILE.toml; `abatax models` lists the names.")
        else:
            settings = RunSettings(model=model)
        settings = settings if solver is None else settings.with_solver(solver)
        changed: dict[str, Any] = {} if seed is None else {"seed": check_seed(seed)}
        settings = apply(settings.model_copy(update=changed), set_ or [])
        problem = settings.problem()  # raises errors before anything is written
        if reference:
            check_solver(hjb_only(problem, "--reference"), settings.make_solver())
        written = "solution.nc", "solution.abatax", "run.json"
        if sensitivities:
            check_asked(problem, settings.make_solver(), reference)
            written += "sensitivities.csv", "sensitivities.png", "sensitivities.svg"
        folder = prepare_folder(default_folder(out, settings.model), written, force, settings)
        after_an_interrupt(lambda: outlook(folder))
        with live_progress() as progress:
            if reference:
                solved = reference_run(settings, folder, progress=progress)
            else:
                solved = solve_run(settings, folder, progress=progress)
            if sensitivities and solved["converged"]:
                sensitivity_run(solved["solution"], folder, progress=progress)
        if solved.get("table"):
            print(solved["table"])
        finish(folder, solved["converged"], solved["advice"])


@app.command(epilog="Example: abatax simulate runs/averse --years 100 --paths 2000 --seed 1")
def simulate(
    folder: Folder,
    years: Annotated[int, typer.Option(help="Horizon, at most 500.")] = 80,
    paths: Annotated[int, typer.Option(help="Number of paths, at most 100000.")] = 1000,
    seed: Seed = None,
    measure: Annotated[str, typer.Option(help="baseline or worst-case.")] = "baseline",
    no_shocks: Annotated[bool, typer.Option("--no-shocks", help="One path without Brownian shocks and jumps.")] = False,
    force: Force = False,
) -> None:
    """Simulate a solution; writes paths.nc, or paths_worst_case.nc under the worst-case measure."""
    with reporting():
        check_device()
        from .scenarios.run import check_absent, check_seed, check_simulation, paths_name, simulate_run, tidy
        from .scenarios.store import load

        check_simulation(years, paths)
        check_seed(0 if seed is None else seed)
        name = paths_name(measure)
        solution, run = load(folder)
        check_absent(folder, (name,), force)
        tidy(folder)
        seed = check_seed(run.get("seed", 0), f"seed in {folder / 'run.json'}") if seed is None else seed
        simulate_run(solution, folder, years=years, paths=paths, seed=seed, measure=measure, shocks=not no_shocks)
        finish(folder, run["converged"], run["advice"], name)


@app.command(epilog="Example: abatax export runs/averse --format html")
def export(
    folder: Folder,
    format: Annotated[str, typer.Option(help="netcdf, zarr, iamc-csv, iamc-xlsx, html or all.")] = "all",
    force: Force = False,
) -> None:
    """Write scenario files and the report from simulated paths."""
    with reporting():
        check_device()
        from .scenarios.run import export_run, tidy

        tidy(folder)
        after_an_interrupt(lambda: f"existing files are complete; `abatax export {folder} --force` writes all files.")
        written = export_run(folder, format, force=force)
        say(*(str(path) for path in written))


@app.command(epilog="Example: abatax run --out runs/first      (without a file: the built-in scenario)")
def run(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A TOML file, or the run.json of an earlier run.")
    ] = None,
    set_: Set = None,
    out: Out = None,
    force: Force = False,
) -> None:
    """Solve (averse and neutral planner), validate, simulate and export: the main job."""
    with reporting():
        check_device()
        from .scenarios.run import BUILT_IN, apply, full_run, hjb_only, outlook, prepare_folder, read_settings

        settings = apply(BUILT_IN if file is None else read_settings(file), set_ or [])
        hjb_only(settings.problem(), "run")
        written = "solution.nc", "solution.abatax", "run.json", "report.html"
        folder = prepare_folder(default_folder(out, settings.model), written, force, settings)
        after_an_interrupt(lambda: outlook(folder))
        with live_progress() as progress:
            outcome = full_run(settings, folder, progress=progress)
        print(outcome["table"])
        finish(folder, outcome["converged"], outcome["advice"], "report.html")


app.command(
    epilog="Example: abatax compare ak_climate --architectures mlp,gated_mlp,kan --seeds 6 --budget 20 --out runs/networks"
)(compare)


def main() -> None:
    """The command `abatax`, whose entry point is `abatax.__main__`."""
    watch_for_interrupts()
    # characters that the encoding of the terminal lacks are escaped
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()


if __name__ == "__main__":
    main()
