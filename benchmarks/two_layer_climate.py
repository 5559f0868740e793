"""A temperature that responds with a lag: grid convergence, a second method, the limit without a lag, time, a figure.

Why: the model without a lag is its limit for a quick response, which nothing in the solver knows; and as the published figures
are not at hand as numbers, a spectral solution stands in for the truth. Usage:

    python benchmarks/two_layer_climate.py [--figure FOLDER]

Penalties are the published ones: 1 for the jump, 0.01 for the climate. Five damage functions instead of twenty, between the same
ends, so that it runs in minutes.
"""

import argparse
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

import abatax as ab
from abatax.solvers import FiniteDifference, Spectral, fields_at
from abatax.validation import quantities, relative_errors

DOUBT = ab.models.Ambiguity.from_penalties(jumps=1.0, climate=0.01)
FEW = ab.models.DamageJump(np.linspace(0.0, 1.0 / 3.0, 5))
SPEEDS = {"ln2/6": np.log(2.0) / 6.0, "1": 1.0, "2": 2.0, "5": 5.0, "50": 50.0}
GRIDS = [(31, 13), (61, 25), (91, 37)]
SPECTRAL = Spectral(points=(13, 15), refinement=1)  # without noise there is no layer at the kink to refine for
START = 1.1  # degC
CARBON = 44.0 / 12.0  # US$ per tonne of CO2 to US$ per tonne of carbon


def make(speed):
    return ab.models.TwoLayerClimate(adjustment=speed, ambiguity=DOUBT, damage_jump=FEW)


def one_layer():
    still = ab.models.TCREClimate(relative_volatility=0.0)
    return ab.models.UncertainDamages(climate=still, ambiguity=DOUBT, damage_jump=FEW)


def timed(model, solver, runs=2):
    """Solve twice: the first compiles."""
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        solution = ab.solve(ab.HJBProblem(model), solver)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return solution, wall, cpu


def sample(problem):
    """States at which errors are measured: below 2.4 degC, up to 0.04 degC/yr."""
    y, w = np.meshgrid(np.linspace(0.2, 2.4, 12), np.linspace(0.0, 0.04, 9), indexing="ij")
    return jnp.asarray(np.stack([y.ravel(), w.ravel()], axis=-1))


def at(solution, temperature, rate):
    """Emissions and the social cost in US$/tC."""
    point = jnp.asarray([[temperature, rate]] if rate is not None else [[temperature]])
    fields = fields_at(solution.problem, solution.value, point)
    return float(fields["emissions"][0]), float(fields["scc"][0]) * CARBON


def convergence():
    print(
        f"\nlambda = ln2/6: largest relative difference from {SPECTRAL.points} spectral nodes per element; order of emissions"
    )
    names = ("value", "slope_temperature", "slope_warming_rate", "emissions", "scc")
    print(
        f"{'points':>10} {'seconds':>8} {'CPU s':>6} "
        + " ".join(f"{n:>18}" for n in names)
        + f" {'order':>6} {'SCC':>8}"
    )
    truth_solution, wall, cpu = timed(make(SPEEDS["ln2/6"]), SPECTRAL)
    points = sample(truth_solution.problem)
    truth = quantities(truth_solution.problem, truth_solution.value, points)
    start = START, float(truth_solution.problem.model.ensemble.mean)
    print(f"{'spectral':>10} {wall:>8.2f} {cpu:>6.2f} {'':>94} {'':>6} {at(truth_solution, *start)[1]:>8.3f}")
    before = None
    for grid in GRIDS:
        solution, wall, cpu = timed(make(SPEEDS["ln2/6"]), FiniteDifference(points=grid, levels=2))
        errors = relative_errors(quantities(solution.problem, solution.value, points), truth)
        error = errors["emissions"][1]
        order = np.log(before[0] / error) / np.log((grid[0] - 1) / (before[1] - 1)) if before else np.nan
        before = error, grid[0]
        text = " ".join(f"{errors[n][1]:>18.1e}" for n in names)
        print(f"{grid!s:>10} {wall:>8.2f} {cpu:>6.2f} {text} {order:>6.1f} {at(solution, *start)[1]:>8.3f}", flush=True)


def speeds():
    limit, *_ = timed(one_layer(), FiniteDifference(points=161))
    e, scc = at(limit, START, None)
    rate = float(limit.problem.model.ensemble.mean)
    print(
        "\nAt 1.1 degC: emissions in GtC/yr, SCC in US$/tC; at the published start (1 GtC/yr warms) and at the rate of the model"
    )
    print("without a lag, with its difference from it; and the difference of 61 x 25 points from the spectral solution")
    header = ("lambda", "e start", "SCC start", "e", "SCC", "e / limit - 1", "FD, e")
    print(" ".join(f"{h:>14}" for h in header))
    solutions = {}
    for name, speed in SPEEDS.items():
        solution, *_ = timed(make(speed), SPECTRAL, runs=1)
        grid, *_ = timed(make(speed), FiniteDifference(points=GRIDS[1], levels=2), runs=1)
        start, level, found = at(solution, START, rate), at(solution, START, rate * e), at(grid, START, rate * e)
        row = [*start, *level]
        print(
            f"{name:>14} "
            + " ".join(f"{v:>14.4f}" for v in row)
            + f" {level[0] / e - 1.0:>14.1e} {found[0] / level[0] - 1.0:>14.1e}",
            flush=True,
        )
        solutions[name] = solution
    print(f"{'no lag':>14} {'':>14} {'':>14} {e:>14.4f} {scc:>14.4f}")
    return solutions, limit


def draw(solutions, limit, folder):
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "abatax"  # the same file for the same figures
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(10.0, 3.2), layout="constrained")
    for n, (name, solution) in enumerate({**solutions, "no lag": limit}.items()):
        paths = ab.simulate(solution, years=50, shocks=False, steps_per_year=200)  # short for a lag of 1/50 yr
        style = {"color": "k", "linestyle": ":"} if name == "no lag" else {"color": f"C{n}"}
        label = name if name == "no lag" else f"$\\lambda$ = {name.replace('ln2/6', 'ln 2/6')}"
        drawn = paths.controls.emissions, paths.scc * CARBON, paths.states.temperature
        for ax, values in zip(axes, drawn, strict=True):
            values = np.asarray(values[0])
            ax.plot(np.linspace(0.0, 50.0, len(values)), values, label=label, **style)
    for ax, label in zip(axes, ("emissions, GtC/yr", "SCC, US\\$/tC", "temperature, degC"), strict=True):
        ax.set(xlabel="years", ylabel=label)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].legend(fontsize=7, frameon=False)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "two_layer_climate.svg", metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--figure", type=Path, help="folder for two_layer_climate.svg")
    folder = parser.parse_args().figure
    print(f"device: {jax.devices()[0].device_kind}; seconds after compilation, all 6 problems")
    convergence()
    solutions, limit = speeds()
    if folder is not None:
        draw(solutions, limit, folder)


if __name__ == "__main__":
    main()
