"""Write the generated pages of the site: models, tables of measured results, the dictionary of variables, settings, commands.

    python docs/generate.py            # write the pages
    python docs/generate.py --check    # exit with 1 if a page differs from what would be written

Everything is read from declarations (states, controls, units, defaults, docstrings) and from docs/data; nothing is solved.
"""

import csv
import dataclasses
import functools
import inspect
import re
import sys
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import typer
import xarray as xr

from abatax import _cli_parts as cli_parts, cli, models, neural_operators, scenarios, solvers, validation
from abatax.models import AbstractBlock, AbstractDiscreteModel, AbstractModel, AbstractPhysicalClimate, Variable
from abatax.scenarios.labels._datasets import SCC, variable_attributes

DOCS = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py from the declarations in the sources; do not edit. -->\n"

# -- text -----------------------------------------------------------------------------------------------------


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; bars outside code are escaped."""
    lines = [heads, ["---"] * len(heads), *([_escaped(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _escaped(cell: str) -> str:
    parts = cell.split("`")  # code is at odd places
    return "`".join(part if place % 2 else part.replace("|", "&#124;") for place, part in enumerate(parts))


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def number(value: float) -> str:
    return "" if not np.isfinite(value) else f"{value:.6g}"


def first_sentence(thing: Any) -> str:
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


_ITEM = re.compile(r"^- ((?:`\w+`(?:, | and )?)+)(?: \([^)]*\))?: (.*)$", re.DOTALL)


_ELSEWHERE = re.compile(r"^(?:as in|see) \[?`(\w+)`(?:\]\[\S*\])?(?:[.;] .*)?$")


def described_arguments(cls: type) -> dict[str, str]:
    """The meaning of each argument by the lists in the docstrings of a class and of its bases; references are followed."""
    meanings = _listed_arguments(cls)
    for name, meaning in meanings.items():
        if match := _ELSEWHERE.match(meaning):
            other = getattr(models, match[1], None) or getattr(solvers, match[1])
            meanings[name] = described_arguments(other).get(name, meaning)
    return meanings


def _listed_arguments(cls: type) -> dict[str, str]:
    meanings: dict[str, str] = {}
    for ancestor in reversed(cls.__mro__):
        text = inspect.cleandoc(ancestor.__dict__.get("__doc__") or "")
        for item in re.split(r"\n(?=- |\n|\S)", text):
            for part in re.split(r"(?:(?<=[.;])|(?<=[^`],)) (?=`\w+`(?:, `\w+`)*: )", " ".join(item.split())):
                part = part if part.startswith("- ") else f"- {part}"
                if match := _ITEM.match(part):
                    meanings |= {name: match[2].rstrip(".;,") for name in re.findall(r"`(\w+)`", match[1])}
    return meanings


# -- models at a glance ---------------------------------------------------------------------------------------


def named_variables(model: Any) -> dict[str, Variable]:
    """States, additive states, controls and observables of a model by name."""
    groups = [model.states._asdict(), model.controls._asdict(), model.observable_variables]
    if isinstance(model, AbstractModel):
        groups.insert(1, model.additive._asdict())
    named: dict[str, Variable] = {}
    for group in groups:
        named |= {name: variable for name, variable in group.items() if name not in named}
    return named


def kinds(model: Any) -> dict[str, dict[str, Variable]]:
    found = {"state": model.states._asdict()}
    if isinstance(model, AbstractModel):
        found["additive state"] = model.additive._asdict()
    return found | {"control": model.controls._asdict()}


def parameter_rows(module: Any, prefix: str = "") -> Iterator[list[str]]:
    """Dotted name, default, unit and meaning of every field."""
    meanings = described_arguments(type(module))
    plain = models.parameters_of(module)
    if isinstance(module, models.Ambiguity):
        for name, meaning in PENALTIES.items():
            yield [code(prefix + name), short(plain[name]), "", meaning]
        return
    for field in dataclasses.fields(module):
        value, meaning = getattr(module, field.name), meanings.get(field.name, "")
        if isinstance(value, models.Ensemble):
            sizes = np.asarray(value.values)
            yield [code(prefix + field.name), f"{sizes.size} members", "`degC/GtC`", meaning or "climate ensemble"]
        elif isinstance(value, (AbstractBlock, models.Ambiguity, models.AbstractPreferences)):
            yield [code(prefix + field.name), code(type(value).__name__), "", meaning or first_sentence(type(value))]
            yield from parameter_rows(value, f"{prefix}{field.name}.")
        else:
            yield [code(prefix + field.name), short(plain[field.name]), code(field.metadata.get("unit", "")), meaning]


PENALTIES = {
    "shocks": "penalty on misspecified Brownian shocks, one number or one per shock; inf: no aversion",
    "climate": "penalty on other weights of the climate ensemble; inf: no aversion",
    "jumps": "penalty on misspecified jumps, one number or one per jump; inf: no aversion",
}


def short(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        if len(value) > 4:
            return f"{len(value)} numbers"
        return ", ".join(short(v) for v in value)
    return str(value)


MODEL_PAGES = {"dice2016": "dice.md", "dice2016_continuous": "dice.md", "dice2023": "dice.md"}
"""Pages of models that share one; every other model has a page of its own name."""


def model_page(name: str) -> str:
    return MODEL_PAGES.get(name, f"{name}.md")


def models_page() -> str:
    """The gallery: a picture of each policy and a line on each model."""
    cards, rows = [], []
    for name in models.MODELS:
        model = models.default_model(name)
        discrete = isinstance(model, AbstractDiscreteModel)
        purpose = first_sentence(type(model))
        figure = f"figures/models/{name}.svg"
        picture = f"    [![Policy of {name}](../{figure})]({model_page(name)})\n\n" if (DOCS / figure).exists() else ""
        cards.append(f"-   **[{name}]({model_page(name)})**\n\n{picture}    {purpose}\n")
        rows.append(
            [
                f"[`{name}`]({model_page(name)})",
                ", ".join(code(s) for s in model.states._fields),
                ", ".join(code(c) for c in model.controls._fields),
                "path in discrete time" if discrete else "HJB equation",
                "yes" if not discrete and validation.has_exact_value(model) else "",
            ]
        )
    parts = [
        NOTE,
        "# Models\n",
        f"The {words(len(models.MODELS))} models of the package; each page has the equation, the parameters with units and"
        " the measured accuracy. Figures show the optimal policy over one state, or over time, with its error where stated.\n",
        '<div class="grid cards" markdown>\n',
        "\n".join(cards),
        "</div>\n",
        "## States and controls\n",
        "Additive states enter the value additively, so that solvers need no grid for them; the pages list them. `--set`, scenario"
        " files and `run.json` use the dotted names of the parameters on these pages.\n",
        table(["model", "states", "controls", "kind", "exact value"], rows),
    ]
    return "\n".join(parts)


def declarations(name: str) -> str:
    """Equation, variables and parameters of a model, from its docstring and its fields: a part of its page."""
    model = models.default_model(name)
    rows = [
        [code(key), kind, v.name, code(v.unit), number(v.low), number(v.high)]
        for kind, group in kinds(model).items()
        for key, v in group.items()
    ]
    parts = [
        equation(type(model)),
        "## Variables and parameters\n",
        "Names in exported files: [variables](../scenarios/variables.md).\n",
        table(["variable", "kind", "meaning", "unit", "low", "high"], rows),
    ]
    if rows := list(parameter_rows(model)):
        parts.append('??? note "Parameters, defaults and units"\n')
        parts.append(textwrap.indent(table(["parameter", "default", "unit", "meaning"], rows), "    "))
    text = "\n".join(parts)
    return text.replace("\n## ", "\n### ") if name in MODEL_PAGES else text  # the page has a section for each model


def equation(cls: type) -> str:
    """The docstring of a model up to its arguments, with its units and references."""
    _, text = (inspect.getdoc(cls) or "").split("\n\n", 1)
    sections = re.split(r"\n\n(?=\*\*[A-Z][a-z ]+:\*\*)", text.split("\n\n!!! example")[0])
    kept = [sections[0], *(part for part in sections[1:] if part.startswith(("**Units", "**Good", "**References")))]
    heading = f"## Equation\n\nArguments and example: [`{cls.__name__}`][].\n"
    return "\n\n".join([NOTE, heading, *kept]).replace("\n\n\n", "\n\n") + "\n"


def words(count: int) -> str:
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
    )
    return small[count] if count < len(small) else str(count)


# -- dictionary of variables ----------------------------------------------------------------------------------


def specimen(model: Any) -> xr.Dataset:
    """Simulated paths of a model with its names and units, without its numbers."""
    described = named_variables(model)
    if isinstance(model, (models.CarbonModel, AbstractDiscreteModel)):
        described["scc"] = SCC
    return xr.Dataset(
        {
            name: (("realization", "year"), np.ones((3, 2)), variable_attributes(variable))
            for name, variable in described.items()
        },
        coords={"realization": np.arange(3), "year": [2020, 2021]},
        attrs={"model": model.name, "price_year": getattr(model, "price_year", 2020), "abatax_version": "0"},
    )


def variables_page() -> str:
    rows: dict[tuple[str, ...], list[str]] = {}
    iamc: dict[tuple[str, str], list[str]] = {}
    for name in models.MODELS:
        paths = specimen(models.default_model(name))
        filed = scenarios.scenario_dataset(paths)
        exported = scenarios.to_iamc(paths)
        for variable in paths.data_vars:
            attributes = filed[variable].attrs
            stem = attributes.get("variable_iamc", "")
            key = (
                code(str(variable)),
                paths[variable].attrs["long_name"],
                code(attributes["unit_native"]),
                code(attributes.get("units", ""))
                or code(re.sub(r"USD_\d{4}", "USD_YEAR", attributes.get("unit_iamc", ""))),
                code(stem),
            )
            rows.setdefault(key, []).append(name)
        for _, row in exported.iterrows():
            iamc.setdefault((str(row["Variable"]), str(row["Unit"])), []).append(name)
    parts = [
        NOTE,
        "# Variables\n",
        "The names, units and meanings of everything that `paths.nc`, scenario files, `solution.nc` and IAMC tables contain."
        " Temperatures are differences from 1850-1900 unless the meaning states another base. Flows are annual rates at the start"
        " of the year, stocks are values at the start of the year.\n",
        "## Paths and scenario files\n",
        "`paths.nc` has the dimensions `realization` and `year`; a scenario file has `quantile` and `year`. The attribute"
        " `unit_native` of a scenario file is the unit of the numbers (second column of units in the table: the attribute `units`"
        " in the spelling of UDUNITS; UDUNITS has no currency, so money has `unit_iamc` with the price year instead).\n",
        table(
            ["variable", "meaning", "unit", "in NetCDF", "IAMC name", "models"],
            [[*key, ", ".join(code(n) for n in names)] for key, names in sorted(rows.items())],
        ),
        "Paths contain in addition:\n",
        table(["variable", "meaning", "unit"], PATH_VARIABLES),
        "Summaries contain for each variable `x` (quantile, year):\n",
        table(["variable", "meaning", "unit"], SUMMARY_VARIABLES),
        "## Solution files\n",
        "`solution.nc` is a view of the solution on a grid, with one group per regime after a jump. Its dimensions are the states.\n",
        table(["variable", "meaning", "unit"], SOLUTION_VARIABLES),
        "Discrete-time paths (`dice2016`, `dice2023`) have the dimension `year`, the first year of each period, and in addition:\n",
        table(["variable", "meaning", "unit"], TRAJECTORY_VARIABLES),
        "## IAMC tables\n",
        "The row with the plain name is the median of the simulated paths. `|Mean` is their mean, and"
        f" {', '.join(code(f'|{100 * q:.1f}th Percentile') for q in scenarios.QUANTILES)} are quantiles, pointwise in time. Names of"
        " climate variables contain the climate model (by default `TCRE`) and have no plain row. Money is converted to US$ of 2010"
        " (`price_year_out`).\n",
        table(
            ["IAMC variable", "unit", "models"],
            [
                [code(stem), code(unit), ", ".join(code(n) for n in names)]
                for (stem, unit), names in sorted(iamc.items())
                if not stem.endswith("Percentile") and (not stem.endswith("|Mean") or "|TCRE|" in stem)
            ],
        ),
        "Each jump has the row `Jump Probability|<jump>`: the share of paths on which it has happened by the start of the year.\n",
        "## Unit conversion\n",
        "Exported units of internal units, by [`iamc_unit`][] and [`convert`][]:\n",
        table(
            ["unit of the model", "IAMC unit", "factor"],
            [
                [code(unit), code(exported), f"{scenarios.conversion_factor(unit, exported, 2010):.6g}"]
                for unit in INTERNAL_UNITS
                if (exported := scenarios.iamc_unit(unit))
            ],
        ),
        "Factors of money are for equal price years; [`deflator`][] converts between the years 2000 to 2022.\n",
    ]
    return "\n".join(parts)


INTERNAL_UNITS = (
    "GtC/yr", "GtCO2/yr", "GtC", "GtCO2", "trillion US$/yr", "trillion US$", "US$/tCO2", "US$/tC", "trillion US$/GtC",
    "kgCO2/US$", "GtC/trillion US$", "degC", "degC/GtC", "1", "1/yr",
)  # fmt: skip
PATH_VARIABLES = [
    ["`realization`", "number of the simulated path", "1"],
    ["`year`", "calendar year", "1"],
    ["`regime`", "regime (0 before any jump)", "1"],
    ["`outcome`", "outcome of the last jump", "1"],
    ["`jump_year_<jump>`", "date of the jump on each path; NaN if it does not occur", "calendar year"],
    ["`outside`", "whether the path ever left the computational box", "1"],
]
SUMMARY_VARIABLES = [
    ["`x_mean`", "mean of the paths", "that of `x`"],
    ["`x_mean_error`", "Monte Carlo standard error of the mean", "that of `x`"],
    ["`x_median_error`", "Monte Carlo standard error of the median", "that of `x`"],
    ["`probability_<jump>`", "share of paths on which the jump has happened by the start of the year", "1"],
    ["`probability_<jump>_error`", "Monte Carlo standard error of that share", "1"],
]
SOLUTION_VARIABLES = [
    ["states", "coordinates of the nodes; the attribute `region` is the region of interest", "that of the state"],
    ["controls", "the policy at the nodes", "that of the control"],
    ["`value`", "value function", "flow utility times years"],
    ["`scc`", SCC.name, SCC.unit],
    ["`residual`", "residual of the HJB equation over the discount rate", "flow utility times years"],
    ["`worst_case_sensitivity`", "mean climate sensitivity under the worst case", "degC/GtC"],
    ["`worst_case_shock_<shock>`", "worst-case drift of the shock", "1/sqrt(yr)"],
    ["`worst_case_factor_<jump>`", "worst-case factor on the rate of the jump", "1"],
    ["`probability`", "prior probability of the outcome (in the groups after a jump)", "1"],
]
TRAJECTORY_VARIABLES = [
    ["`scc_published`", "social cost of carbon by the convention of the source", "US$/tCO2"],
    ["`multiplier_<control>`", "marginal welfare cost of the limit on the control", "1 over the unit of the control"],
]

# -- settings -------------------------------------------------------------------------------------------------


def setting_rows(cls: Any, meanings: dict[str, str], prefix: str = "") -> list[list[str]]:
    rows = []
    for name, field in cls.model_fields.items():
        bounds = ", ".join(
            f"{sign} {getattr(part, key)}"
            for part in field.metadata
            for key, sign in (("ge", "≥"), ("le", "≤"), ("gt", ">"), ("lt", "<"))
            if getattr(part, key, None) is not None
        ).replace(str(2**63 - 1), "2^63 - 1")
        default = (
            "required"
            if field.is_required()
            else short(field.default)
            if not isinstance(field.default, (dict,))
            else "empty"
        )
        if isinstance(field.default, scenarios.RunSettings.__bases__[0]):
            default = "see below"
        rows.append([code(prefix + name), default, bounds, meanings.get(name, "")])
    return rows


def solver_rows(cls: type) -> list[list[str]]:
    """Options of a solver that a file or `--set` can change."""
    meanings = described_arguments(cls)
    rows = []
    for field in dataclasses.fields(cls):
        if isinstance(field.default, (int, float, str)):
            per_state = any(typing.get_origin(t) is tuple for t in typing.get_args(field.type))
            kind = "true or false" if isinstance(field.default, bool) else type(field.default).__name__
            kind = {"int": "whole number", "float": "number", "str": "word"}.get(kind, kind)
            rows.append(
                [
                    code(field.name),
                    short(field.default) or "empty",
                    kind + (", or one per state" if per_state else ""),
                    meanings.get(field.name, ""),
                ]
            )
    return rows


def settings_page() -> str:
    run, simulation = scenarios.RunSettings, type(scenarios.RunSettings.model_fields["simulation"].default)
    fitting = [
        [code(name), code(dotted), ", ".join(code(block) for block in blocks)]
        for name in models.MODELS
        for dotted, blocks in exchangeable(models.default_model(name))
    ]
    parts = [
        NOTE,
        "# Settings\n",
        "A scenario file (TOML), `--set` on the command line and `run.json` have the same fields. `abatax run mine.toml` reads a file;"
        " `abatax solve MODEL --set FIELD=VALUE` changes single fields of the defaults.\n",
        f"```toml\n{textwrap.dedent(EXAMPLE.findall(inspect.getdoc(run) or '')[0])}```\n",
        "## Scenario file\n",
        table(["field", "default", "bounds", "meaning"], setting_rows(run, described_arguments(run))),
        "### Simulation\n",
        table(["field", "default", "bounds", "meaning"], setting_rows(simulation, SIMULATION, "simulation.")),
        "## Command line\n",
        table(
            ["in the file", "on the command line"],
            [
                ["`[parameters]` `ambiguity.shocks = 1.0`", "`--set ambiguity.shocks=1`"],
                ['`[parameters]` `climate = "LaggedClimate"`', "`--set climate=LaggedClimate`"],
                ["`[box]` `temperature = [0.0, 3.0]`", "`--set box.temperature=0,3`"],
                ['`[solver]` `name = "spectral"`', "`--solver spectral`"],
                ["`[solver]` `points = 41`", "`--set solver.points=41`"],
                ["`[solver.network]` `depth = 2`", "`--set solver.network.depth=2`"],
                ["`seed = 1`", "`--seed 1`"],
            ],
        ),
        "Lists are written `1,2,3`; `none` leaves an optional block out. A climate ensemble is a CSV file, `published` or"
        " `assessed`. The entries of `ambiguity` are penalties, and `inf` is a planner without ambiguity aversion.\n",
        "The parameters of each model, with defaults and units, are on the page of the model: [models](../models/index.md).\n",
        "## Exchangeable blocks\n",
        "The name of a block replaces a block by another with its default values. These fields accept several blocks:\n",
        table(["model", "field", "blocks"], fitting),
        "## Solver options\n",
    ]
    for name, cls in solvers.SOLVERS.items():
        parts += [f"### {name}\n", f"{first_sentence(cls)} See [`{cls.__name__}`][].\n"]
        rows = solver_rows(cls)
        if rows:
            parts.append(table(["option", "default", "kind", "meaning"], rows))
    parts += [
        "## Network options\n",
        "`solver.network.OPTION`, with the defaults of each architecture (`solver.architecture`):\n",
        table(
            ["architecture", "class", "options and defaults"],
            [
                [
                    code(name),
                    f"[`{cls.__name__}`][]",
                    ", ".join(f"`{o}` = {short(v)}" for o, v in neural_operators.architecture_options(name).items()),
                ]
                for name, cls in neural_operators.ARCHITECTURES.items()
            ],
        ),
    ]
    return "\n".join(parts)


EXAMPLE = re.compile(r"```toml\n(.*?) *```", re.DOTALL)


def command_page() -> str:
    """The commands and their options, from the declarations of the command line."""
    group: Any = typer.main.get_command(cli.app)
    commands = group.commands
    parts = [
        NOTE,
        "# Command line\n",
        "`abatax COMMAND`, or `python -m abatax COMMAND`. Names of fields and options: [settings](settings.md).\n",
        table(["command", "purpose"], [[f"[`{name}`](#{name})", command.help] for name, command in commands.items()]),
    ]
    for name, command in commands.items():
        parts += [f"## {name}\n", f"{command.help}\n"]
        rows = [
            [
                code(", ".join(p.opts) if p.opts[0].startswith("-") else str(p.metavar or p.name).upper()),
                "required" if p.required else "" if p.default in (None, (), []) else short(p.default),
                getattr(p, "help", None) or "",
            ]
            for p in command.params
        ]
        if rows:
            parts.append(table(["option", "default", "meaning"], rows))
    parts += ["## Exit codes\n", table(["code", "meaning"], EXIT_CODES)]
    return "\n".join(parts)


EXIT_CODES = [
    ["0", "success"],
    [str(cli_parts.FAILED), "a failure of the machine: a missing device, a full disk, too little memory"],
    [str(cli_parts.REFUSED), "a wrong input; one line states the problem and the remedy"],
    [str(cli_parts.NOT_CONVERGED), "a solve did not converge; results are written and marked"],
    ["130", "the command was interrupted by Ctrl-C"],
]

SIMULATION = {
    "years": "length of the simulated paths, years",
    "paths": "number of simulated paths",
}


def exchangeable(model: Any) -> Iterator[tuple[str, list[str]]]:
    """Fields of a model that accept several blocks by name, with their names."""
    for field in dataclasses.fields(model):
        allowed = tuple(t for t in typing.get_args(field.type) or (field.type,) if isinstance(t, type))
        if field.type is Any:
            allowed = (AbstractPhysicalClimate,)
        candidates = [
            name
            for name, cls in models.BLOCKS.items()
            if allowed and issubclass(cls, allowed) and issubclass(cls, AbstractBlock)
        ]
        # a model may refuse a block of the right class
        blocks = [name for name in candidates if _accepts(model.name, field.name, name)] if len(candidates) > 1 else []
        if len(blocks) > 1:
            yield field.name, blocks


def _accepts(model: str, field: str, block: str) -> bool:
    try:
        models.configure(model, {field: block})
    except ValueError:
        return False
    return True


# -- tables of measured results -------------------------------------------------------------------------------


def measured(name: str) -> list[dict[str, str]]:
    """The rows of docs/data/<name>.csv."""
    with (DOCS / f"data/{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def data_table(name: str) -> str:
    """A table of docs/data as it is; names of solvers, architectures and models are code."""
    rows = measured(name)
    words = {"solver", "architecture", "model"}
    cells = [[code(v) if k in words and re.fullmatch(r"\w+", v) else v for k, v in row.items()] for row in rows]
    return "\n".join([NOTE, table(list(rows[0]), cells)])


def solvers_table() -> str:
    """Measured errors and times by problem, smallest errors first; the script of each row links to the page with its table."""
    groups: dict[str, list[dict[str, str]]] = {}
    for row in measured("solvers"):
        groups.setdefault(row["problem"], []).append(row)
    cells = [
        [
            "" if place else problem,
            code(row["solver"]),
            row["settings"],
            f"{_unbroken(row['error'])} ({row['of']})",
            row["seconds"],
            f"[{row['command'].split()[1].removeprefix('benchmarks/')}]({_from_solvers(row['source'])})",
        ]
        for problem, rows in groups.items()
        for place, row in enumerate(sorted(rows, key=lambda row: float(row["error"])))
    ]
    heads = ["problem", "solver", "settings", "error of the policy", "CPU s", "script, table"]
    best = [
        [problem, *_cells_of(min(rows, key=lambda row: float(row["error"]))), *_cells_of(_fastest(rows))]
        for problem, rows in groups.items()
    ]
    names = ["problem", "most accurate", "error", "CPU s", "fastest with an error below 1 %", "error", "CPU s"]
    return "\n".join([NOTE, table(names, best), "All rows, smallest errors of a problem first:\n", table(heads, cells)])


def _fastest(rows: list[dict[str, str]]) -> dict[str, str]:
    timed = [row for row in rows if row["seconds"] and float(row["error"]) < 0.01]
    return min(timed, key=lambda row: float(row["seconds"])) if timed else dict.fromkeys(rows[0], "")


def _cells_of(row: dict[str, str]) -> list[str]:
    return [code(row["solver"]), _unbroken(row["error"]), row["seconds"]]


def _unbroken(number: str) -> str:
    """A number whose exponent stays on its line."""
    return number.replace("-", "\u2011")


def _from_solvers(page: str) -> str:
    return page.removeprefix("solvers/") if page.startswith("solvers/") else f"../{page}"


def published_table() -> str:
    """Published tables reproduced and published errors found, each with a link to the numbers."""
    cells = [
        [
            row["source"],
            f"[{code(row['model']) if row['model'].isidentifier() else row['model']}]({row['section']})",
            row["what was reproduced"],
            row["agreement"],
            row["error found in the publication"],
        ]
        for row in measured("published")
    ]
    heads = ["publication", "model and numbers", "reproduced", "agreement", "error found in the publication"]
    return "\n".join([NOTE, table(heads, cells)])


STUDY = sorted(path.stem for path in (DOCS / "data").glob("study_*.csv"))

PAGES = {
    DOCS / "data/solvers.md": solvers_table,
    DOCS / "data/published.md": published_table,
    **{DOCS / f"data/{name}.md": functools.partial(data_table, name) for name in STUDY},
    DOCS / "models/index.md": models_page,
    **{DOCS / f"models/declarations/{name}.md": functools.partial(declarations, name) for name in models.MODELS},
    DOCS / "models/declarations/quadratic_regulator.md": functools.partial(equation, models.QuadraticRegulator),
    DOCS / "scenarios/variables.md": variables_page,
    DOCS / "scenarios/settings.md": settings_page,
    DOCS / "scenarios/command_line.md": command_page,
}


def main() -> int:
    stale = []
    for path, write in PAGES.items():
        text = write().rstrip() + "\n"
        if "--check" in sys.argv[1:]:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(path.relative_to(DOCS.parent))
        else:
            path.write_text(text, encoding="utf-8")
    if stale:
        print(f"{', '.join(map(str, stale))} differs from the sources; run `python docs/generate.py`.", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
