"""The fossil-reserve model against its converged limit and its published figures, and the time it takes.

Why: published paths come from a first-order scheme on three million nodes and hours of iterations, and are up to 0.8 % off their
own limit. This prints how far the package is from that limit on a few thousand nodes, how its own error falls with the grid, and
what it costs, compilation apart. An independent check beside it is `abatax.validation.FossilLimit`, an ordinary differential
equation for the case in which reserves are plentiful. Usage:

    python benchmarks/fossil_reserves.py [--figure docs/figures]
"""

import argparse
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import abatax as ab

YEARS = (0, 25, 50, 75, 99)
AVERSE, NEUTRAL = 1.0 / 4000.0, float("inf")
WEIGHTS = {"low": 1.0, "weighted": 0.5, "high": 0.0}
# Converged limit (good to 2e-4) and published figures: SCC in US$/tC, emissions in GtC/yr one quarter before the
# date (at the date for year 0), cumulative emissions in GtC. Barnett, Brock and Hansen 2020, doi:10.1093/rfs/hhz144.
LIMIT = {
    ("weighted", AVERSE): (
        (55.453, 112.571, 227.633, 477.668, 946.455),
        (10.3676, 8.4372, 6.8808, 5.4070, 4.4077),
        (290.00, 523.90, 714.85, 867.73, 984.46),
    ),
    ("weighted", NEUTRAL): (
        (48.467, 97.333, 192.648, 375.926, 699.786),
        (11.8620, 9.7569, 8.1265, 6.8649, 5.9585),
        (290.00, 558.96, 781.47, 967.97, 1121.22),
    ),
}
PUBLISHED = {
    ("weighted", AVERSE): (
        (55.514, 112.146, 227.219, 479.544, 950.761),
        (10.3872, 8.4736, 6.9129, 5.4032, 4.3975),
        (290.00, 524.60, 716.55, 869.77, 986.33),
    ),
    ("weighted", NEUTRAL): (
        (48.577, 97.075, 192.412, 377.002, 702.302),
        (11.8700, 9.7899, 8.1600, 6.8652, 5.9477),
        (290.00, 559.48, 782.89, 969.88, 1123.08),
    ),
}
GRIDS = ((25, 21, 7), (25, 41, 7), (33, 61, 7), (41, 81, 9))


def make(case, penalty):
    return ab.models.configure(
        "fossil_reserves", {"ambiguity.climate": penalty, "damages.nordhaus_weight": WEIGHTS[case]}
    )


def deterministic_path(solution, years=100, steps_per_year=4):
    """The published kind of path: growth rates without shocks and without their Ito terms, exponential steps.

    Returns arrays over steps: states, controls, the social cost in US$/tC and the part of it that is scarcity of reserves.
    """
    # what varies from solve to solve (seconds, nodes) would be compiled in: leave it out
    bare = eqx.tree_at(lambda s: (s.stats, s.nodes, s.destinations), solution, ({}, (), ()))
    return jax.tree.map(np.asarray, _path(bare, years * steps_per_year, 1.0 / steps_per_year))


@eqx.filter_jit
def _path(solution, steps, dt):
    model, policy, t = solution.problem.model, solution.policy, jnp.zeros(())

    def step(x, _):
        u = policy(t, x)
        price = ab.models.derivatives(t, x, solution.value)[1][0]
        costs = 1000.0 * model.social_cost_from_emissions(x, u), 1000.0 * model.scarcity_rent(x, u, price)
        r = model.exploration.growth_rate(u.emissions, u.exploration, x.log_reserves, x.log_capital)
        k = model.economy.growth_rate(u.investment)
        new = type(x)(x.log_reserves + r * dt, x.cumulative_emissions + u.emissions * dt, x.log_capital + k * dt)
        return new, (x, u, *costs)

    return jax.lax.scan(step, model.initial_state(), None, length=steps)[1]


def at_years(scc, emissions, carbon, steps_per_year=4):
    """The three rows of the table: emissions are those of the step before."""
    now = steps_per_year * np.array(YEARS)
    return scc[now], emissions[np.maximum(now - 1, 0)], carbon[now]


def timed(model, points, runs=2):
    """Solve twice: the first compiles."""
    problem, solver = ab.HJBProblem(model), ab.solvers.FiniteDifference(points=points)
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        solution = ab.solve(problem, solver)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return solution, wall, cpu


def show(name, rows):
    print(
        f"  {name:<9} " + " | ".join(" ".join(f"{v:9.{d}f}" for v in r) for r, d in zip(rows, (3, 4, 2), strict=True))
    )


def table_of(solution):
    x, u, scc, rent = deterministic_path(solution)
    return at_years(scc, u.emissions, x.cumulative_emissions), (x, u), rent / scc


def differences(found, reference):
    return [float(np.max(np.abs(np.array(a) / np.array(b) - 1.0))) for a, b in zip(found, reference, strict=True)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--figure", type=Path, help="folder for fossil_reserves.svg")
    folder = parser.parse_args().figure
    device = jax.devices()[0].device_kind
    print(f"device: {device}; years {YEARS}; SCC US$/tC | emissions GtC/yr, a quarter before | cumulative GtC")
    print("\nWeighted damages, averse: largest relative error against the limit, after compilation")
    print(f"{'points':>12} {'nodes':>7} {'seconds':>8} {'CPU s':>6} {'SCC':>9} {'emissions':>9} {'cumulative':>10}")
    for points in GRIDS:
        solution, wall, cpu = timed(make("weighted", AVERSE), points)
        errors = differences(table_of(solution)[0], LIMIT["weighted", AVERSE])
        size = int(np.prod(points))
        print(f"{points!s:>12} {size:>7} {wall:>8.2f} {cpu:>6.2f} " + " ".join(f"{e:9.1e}" for e in errors))
    errors = differences(PUBLISHED["weighted", AVERSE], LIMIT["weighted", AVERSE])
    print(f"{'published':>12} {181 * 161 * 121:>7} {'':>15} " + " ".join(f"{e:9.1e}" for e in errors))
    paths = {}
    for case in WEIGHTS:
        for penalty in (AVERSE, NEUTRAL):
            model = make(case, penalty)
            solution, _, cpu = timed(model, GRIDS[2], runs=1)
            found, (x, u), scarcity = table_of(solution)
            one = ab.validation.FossilLimit(model).path()
            paths[case, penalty] = x, u.emissions, one
            print(f"\n{case}, {'averse' if penalty == AVERSE else 'neutral'} ({solution.stats['steps']} steps)")
            for name, rows in (("limit", LIMIT), ("published", PUBLISHED)):
                if (case, penalty) in rows:
                    show(name, rows[case, penalty])
            show("abatax", found)
            plentiful = at_years(*(one[k] for k in ("scc", "emissions", "cumulative_emissions")))
            show("plentiful", plentiful)
            parts = ", ".join(f"{100 * s:.2f}" for s in scarcity[4 * np.array(YEARS)])
            print(f"  share of scarcity in the SCC, %: {parts}")
            slope = slopes_at_the_last_tonne(solution)
            print(f"  V_r at r = 0, initial F and k: {slope[0]:.4f}; drift of r there: {slope[1]:+.4f} per year")
    if folder is not None:
        draw(paths, folder)


def slopes_at_the_last_tonne(solution):
    """V_r where reserves run out, and the optimal drift there: a positive drift marks the right branch."""
    model, t = solution.problem.model, jnp.zeros(())
    x = model.initial_state()._replace(log_reserves=jnp.zeros(()))
    costate = ab.models.derivatives(t, x, solution.value)[1]
    drift = model.drift(t, x, solution.policy(t, x), None)
    return float(costate[0]), float(drift.log_reserves)


def draw(paths, folder):
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "abatax"  # the same file for the same figures
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8.0, 3.2), layout="constrained")
    years = np.arange(400) / 4.0
    for (case, penalty), (x, emissions, one) in paths.items():
        color = {"low": "C0", "weighted": "C1", "high": "C3"}[case]
        style = "-" if penalty == AVERSE else "--"
        label = f"{case}, {'averse' if penalty == AVERSE else 'neutral'}"
        axes[0].plot(years, emissions, style, color=color, label=label)
        axes[1].plot(years, x.cumulative_emissions, style, color=color)
        if penalty == AVERSE:
            axes[1].plot(years[::20], one["cumulative_emissions"][::20], ".", color=color, markersize=3)
    for rows in LIMIT.values():
        axes[0].plot(YEARS, rows[1], "k+", markersize=6)
        axes[1].plot(YEARS, rows[2], "k+", markersize=6)
    axes[0].set(xlabel="years", ylabel="emissions, GtC/yr", ylim=(0, None))
    axes[1].set(xlabel="years", ylabel="cumulative emissions, GtC", ylim=(0, None))
    axes[0].legend(fontsize=7, frameon=False)
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "fossil_reserves.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
