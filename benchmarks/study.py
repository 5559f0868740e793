"""Every architecture on every model of the study, at equal parameters and steps, against the references.

Why: which network to take is the first question of whoever trains one, and a table for one easy problem does not answer it.
Each model is one call of `ab.compare`, so that what was interrupted goes on; the tables and the figure of docs/study.md come from
the folders it leaves. Usage:

    python benchmarks/study.py FOLDER [--models ak_climate,two_capital] [--solvers gauss_newton,features] [--architectures all]
        [--seeds 3] [--steps 40 | --budget SECONDS] [--parameters 300] [--tune TRIALS] [--options optimizer=soap,learning_rate=3e-3]
        [--tables-only] [--data docs/data]
"""

import argparse
import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd
from net_zero import Reduced, knowing, settled as net_zero_settled
from two_capital import settled as two_capital_settled

import abatax as ab
from abatax.neural_operators import ARCHITECTURES

MODELS = {
    "ak_climate": ab.models.AKClimate,
    "uncertain_damages": ab.models.UncertainDamages,
    "two_capital": two_capital_settled,  # after the technology, damages known: three states
    "net_zero": net_zero_settled,  # the same
    # the same with capital and knowledge as states, nothing declared
    "net_zero_five_states": functools.partial(knowing, "mature"),
}
# Nodes of the finite-difference reference, with errors in docs/models/two_capital.md and net_zero.md; the others have an exact
# solution, or a reference with errors from the store.
REFERENCE = {"two_capital": (17, 25, 17), "net_zero": (17, 33, 13)}


def reference_of(name, problem):
    """None for what `ab.compare` finds itself."""
    if name == "net_zero_five_states":  # three are the truth
        three = ab.HJBProblem(MODELS["net_zero"]())
        return Reduced(reference_of("net_zero", three))
    if name not in REFERENCE:
        return None
    return ab.solve(problem, ab.solvers.FiniteDifference(points=REFERENCE[name], leaning=True))


def run(name, asked, folder):
    problem = ab.HJBProblem(MODELS[name]())
    return ab.scenarios.compare(
        problem,
        reference=reference_of(name, problem),
        solvers=asked.solvers.split(","),
        architectures=asked.architectures,
        seeds=asked.seeds,
        steps=asked.steps if asked.budget is None else None,
        budget=asked.budget,
        parameters=asked.parameters,
        tuning=asked.tune,
        options=asked.options,
        folder=folder / name,
        force=True,
    )


def medians(table: pd.DataFrame) -> pd.DataFrame:
    """One row per solver and architecture, best first; spread is the largest over the smallest error of the seeds."""
    rows, tuned = [], bool((table["tuning_trials"] > 0).any())
    for (solver, architecture), part in table.groupby(["solver", "architecture"], sort=False):
        good = part[part["failure"] == ""]
        if good.empty:
            rows.append({"solver": solver, "architecture": architecture, "failed": part["failure"].iloc[0]})
            continue
        error = good["policy_error"]
        rows.append(
            {
                "solver": solver,
                "architecture": architecture,
                "parameters": int(good["parameters"].median()),
                "policy": error.median(),
                "spread": error.max() / error.min(),
                "gradient": good["gradient_error"].median(),
                "value": good["value_error"].median(),
                "residual": good["residual_rms"].median(),
                "CPU s": good["seconds"].median(),
                "believed": f"{int(good['converged'].sum())} of {len(good)}",
            }
            | (
                {"search s": good["tuning_seconds"].iloc[0], "chosen": _chosen(good["options"].iloc[0])}
                if tuned
                else {}
            )
        )
    return pd.DataFrame(rows).sort_values("policy", na_position="last")


def _chosen(options: str) -> str:
    """What a search chose, in words: its trials begin with the defaults."""
    chosen = {k: v for part in json.loads(options).values() for k, v in part.items()} if options else {}
    return ", ".join(f"{k} {v}" for k, v in chosen.items()) or "defaults"


def markdown(table: pd.DataFrame) -> str:
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    for row in table.itertuples(index=False):
        lines.append("| " + " | ".join(_cell(v) for v in row) + " |")
    return "\n".join(lines)


def write_csv(table: pd.DataFrame, path: Path):
    """The table with the digits that are printed, as the pages of docs/data."""
    table.map(_cell).to_csv(path, index=False)


def _cell(value) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.1e}" if abs(value) < 0.1 else f"{value:.3g}"
    return str(value)


def figure(tables: dict[str, pd.DataFrame], path: Path):
    """Median policy error of every architecture on every model, smallest to largest, with the constant policy as a line."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown, axes = plt.subplots(1, len(tables), figsize=(3.4 * len(tables), 4.6), layout="constrained", squeeze=False)
    for ax, (name, table) in zip(axes[0], tables.items(), strict=True):
        networks = table[(table["failure"] == "") & (table["architecture"] != "")]
        order = networks.groupby("architecture")["policy_error"].median().sort_values(ascending=False).index
        for k, architecture in enumerate(order):
            errors = networks.loc[networks["architecture"] == architecture, "policy_error"]
            ax.plot(errors, np.full(len(errors), k), "o", color="#1f77b4", ms=4, alpha=0.6)
            ax.plot(errors.median(), k, "|", color="black", ms=10)
        rest = table[(table["solver"] == "features") & (table["failure"] == "")]["policy_error"]
        for error in rest:
            ax.axvline(error, color="#2ca02c", lw=1, ls="--", label="features")
        ax.axvline(constant(table), color="#d62728", lw=1, label="constant policy")
        ax.set(xscale="log", title=name, yticks=range(len(order)), xlabel="policy error, relative")
        ax.set_yticklabels(order, fontsize=7)
    shown.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8)
    shown.savefig(path, dpi=130)
    plt.close(shown)


def constant(table: pd.DataFrame) -> float:
    """The error of the best constant policy, root mean square over the controls in use."""
    return float(table["constant_policy_error"].iloc[0])


def _options(text: str) -> dict:
    return {name: _value(value) for name, _, value in (part.partition("=") for part in text.split(","))}


def _value(text: str):
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--solvers", default="gauss_newton,features")
    parser.add_argument("--architectures", default="all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--budget", type=float, help="seconds of every run, instead of steps")
    parser.add_argument("--parameters", type=int, default=300)
    parser.add_argument("--tune", type=int, default=0, help="trials of a search for each architecture")
    parser.add_argument("--options", type=_options, default={}, help="of the neural solvers: NAME=VALUE,...")
    parser.add_argument("--data", type=Path, help="folder for study_MODEL.csv, such as docs/data")
    parser.add_argument("--tables-only", action="store_true", help="of what is there, without running anything")
    asked = parser.parse_args()
    asked.architectures = (
        tuple(ARCHITECTURES) if asked.architectures == "all" else tuple(asked.architectures.split(","))
    )
    tables = {}
    for name in asked.models.split(","):
        kept = asked.folder / name / "comparison.csv"
        if not asked.tables_only:
            run(name, asked, asked.folder)
        if not kept.is_file():
            continue
        words = {"architecture": str, "failure": str, "options": str}
        tables[name] = pd.read_csv(kept, dtype=words).fillna(dict.fromkeys(words, ""))
        print(
            f"\n{name}: constant policy {constant(tables[name]):.1e}\n\n{markdown(medians(tables[name]))}", flush=True
        )
        if asked.data is not None:
            write_csv(medians(tables[name]), asked.data / f"study_{'tuned_' if asked.tune else ''}{name}.csv")
    if tables:
        figure(tables, asked.folder / "study.png")


if __name__ == "__main__":
    main()
