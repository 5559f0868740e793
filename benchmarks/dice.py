"""DICE-2016R and DICE-2023 against their published tables.

Why: the programs are public and deterministic, so every digit can be checked; what differs is a convention, and named. Usage:

    python benchmarks/dice.py [FOLDER]

FOLDER holds the published tables (../shared/data if left out); they are not part of the repository.
"""

import csv
import dataclasses
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import abatax as ab

YEARS_2016 = (2015, 2020, 2025, 2030, 2035, 2040, 2045, 2050, 2060, 2070, 2080, 2090, 2100, 2110)
# name in the published table: our name, factor, digits
COLUMNS = {
    "scc": ("scc_published", 1.0, 0),
    "ECO2": ("emissions_co2", 1.0, 1),
    "ppm": ("concentration", 1.0, 1),
    "TATM": ("temperature", 1.0, 2),
    "MIU": ("abatement", 100.0, 0),
}


def published_2016(folder):
    with open(folder / "dice2016r_opttax.csv", newline="") as file:
        return {int(row["year"]): row for row in csv.DictReader(file)}


def published_2023(folder):
    with open(folder / "dice2023_manual_tables_dicemodel-jl.csv", newline="") as file:
        return [row for row in csv.DictReader(file)]


def cost(path, again):
    stats = again.stats
    return (
        f"{stats['steps']} steps, {stats['seconds']:.2f} s after {path.stats['compile_seconds']:.1f} s of compilation"
    )


def dice2016(folder):
    first, path = ab.solve(ab.models.Dice2016()), ab.solve(ab.models.Dice2016())
    data, sheet = path.to_dataset(), published_2016(folder)
    print(f"dice2016: welfare {path.welfare:.9f}, {cost(first, path)}\n")
    print("| year | SCC | published | by its convention | abatement | published | T | published | E | published |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for year in YEARS_2016:
        ours, row = data.sel(year=year), sheet[year]
        print(
            f"| {year} | {ours.scc:.3f} | {float(row['scc_row_usd_tCO2']):.3f} | {ours.scc_published:.3f}"
            f" | {ours.abatement:.5f} | {float(row['mu_control_rate']):.5f}"
            f" | {ours.temperature:.4f} | {float(row['T_atm_C']):.4f}"
            f" | {ours.emissions_co2:.3f} | {float(row['E_total_GtCO2']):.3f} |"
        )
    near = slice(1, 60)
    theirs = np.array([float(sheet[year]["scc_row_usd_tCO2"]) for year in path.years[near]])
    error = np.max(np.abs(path.scc_published[near] / theirs - 1.0))
    print(f"\nlargest relative difference of the SCC by the published convention, 2020 to 2310: {error:.1e}\n")


def continuous(generator):
    """The best path in continuous time, at the nodes: from the optimum in periods, which is near."""
    model = ab.models.Dice2016Continuous()
    climate = dataclasses.replace(model.climate, generator=generator)
    model = dataclasses.replace(model, climate=climate)
    loop = ab.validation.OpenLoop(model, horizon=500.0, nodes=101, steps=400, spread=1.0, tail=False)
    near = ab.solve(ab.models.Dice2016()).controls
    path = loop.path(model.initial_state(), guess=type(near)(*(np.append(z, z[-1]) for z in near)), tolerance=1e-9)

    def at(x, u, costate):
        worth = model.marginal_utility(x.time, x, u, model.initial_additive())
        scc = -1000.0 * costate.carbon_air / 3.666 / worth  # the program's tonnes of CO2 per tonne of carbon
        return scc, model.abated(x, u), x.temperature, model.emissions_co2(x, u), jnp.exp(x.log_capital)

    return np.array(jax.vmap(at)(path.states, path.controls, path.costates))


def dice2016_continuous():
    data = ab.solve(ab.models.Dice2016()).to_dataset()
    euler, logarithm = continuous("euler"), continuous("logarithm")
    names = "scc", "abatement", "temperature", "emissions_co2", "capital"
    print("| year | SCC: periods / A / D | abatement | T | E | K |\n|---|---|---|---|---|---|")
    for year in (2015, 2020, 2030, 2050, 2100):
        node, digits = (year - 2015) // 5, (2, 4, 3, 2, 1)
        cells = [
            " / ".join(f"{v:.{d}f}" for v in (float(data[name].sel(year=year)), euler[k, node], logarithm[k, node]))
            for k, (name, d) in enumerate(zip(names, digits, strict=True))
        ]
        print(f"| {year} | {' | '.join(cells)} |")
    print()


def dice2023(folder):
    rows = published_2023(folder)
    counts = {}
    print(
        "| scenario | steps | seconds | welfare | SCC 2025 | 2050 | 2100 | E 2050 | E 2100 | T 2050 | 2100 | 2150 | equal |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name in ab.models.DICE2023_SCENARIOS:
        path = ab.solve(ab.models.Dice2023(scenario=name))
        data, wrong, mine = path.to_dataset(), [], [row for row in rows if row["scenario"] == name]
        for row in mine:
            column, factor, digits = COLUMNS[row["variable"]]
            ours = factor * float(data[column].sel(year=int(row["year"])))
            if round(abs(ours - float(row["value"])), 9) > 0.5 * 10**-digits:
                wrong.append(f"{row['variable']} {row['year']}: {ours:.2f} for {row['value']}")
        cells = [f"{data.scc.sel(year=y):.2f}" for y in (2025, 2050, 2100)]
        cells += [f"{data.emissions_co2.sel(year=y):.2f}" for y in (2050, 2100)]
        cells += [f"{data.temperature.sel(year=y):.4f}" for y in (2050, 2100, 2150)]
        stats = path.stats
        print(
            f"| `{name}` | {stats['steps']} | {stats['seconds']:.2f} | {path.welfare:.6f} | {' | '.join(cells)}"
            f" | {len(mine) - len(wrong)} of {len(mine)} |"
        )
        counts[name] = (len(mine), wrong)
    total = sum(n for n, _ in counts.values())
    different = [f"{name} {words}" for name, (_, wrong) in counts.items() for words in wrong]
    print(
        f"\n{total - len(different)} of {total} published numbers equal after rounding; different: {'; '.join(different)}"
    )


def main():
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    if not folder.is_dir():
        print(f"no published tables in {folder}: give their folder.")
        return
    dice2016(folder)
    dice2016_continuous()
    dice2023(folder)


if __name__ == "__main__":
    main()
