"""The knowledge-capital model: first-order figures on their way to the limit, averse planners, and the time it takes.

Why: the published figures come from a first-order scheme; in the social cost of carbon they are 5 % and in research 3 % from
their own limit. This prints how first-order grids approach the limit, where high-order ones stand, what 21 equations cost, and the
same model under distrust and other elasticities. `knowledge_open_loop.py` is the independent check. Usage:

    python benchmarks/knowledge_capital.py [--quick] [--figure docs/figures]
"""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import abatax as ab

NEUTRAL = float("inf")
# Barnett, Brock, Hansen and Zhang 2024: figures of the first year of the neutral planner.
PUBLISHED = {"emissions": 9.130, "research": 0.971, "investment": 77.0, "scc": 148.7, "damage_first": 0.58}
FIRST_ORDER = ((7, 11, 9), (7, 21, 17), (7, 41, 25))
HIGH_ORDER = ((7, 13, 7), (7, 31, 9), (7, 31, 13))
USUAL = (7, 31, 9)
CASES = (
    ("neutral", NEUTRAL, 1.0),
    ("less averse", 0.15, 1.0),
    ("more averse", 0.075, 1.0),
    ("neutral, rho .66", NEUTRAL, 0.66),
    ("neutral, rho 1.5", NEUTRAL, 1.5),
    ("less averse, rho .66", 0.15, 0.66),
    ("less averse, rho 1.5", 0.15, 1.5),
)
# One channel at a time, at the penalty of the more averse planner.
CHANNELS = {
    "capital": {"ambiguity.shocks": (0.075, NEUTRAL, NEUTRAL)},
    "climate": {"ambiguity.shocks": (NEUTRAL, 0.075, NEUTRAL)},
    "knowledge": {"ambiguity.shocks": (NEUTRAL, NEUTRAL, 0.075)},
    "technology": {"ambiguity.jumps": (0.075, NEUTRAL)},
    "damages": {"ambiguity.jumps": (NEUTRAL, 0.075)},
}
LEANING = 1.0 / 0.1  # aversion from which all equations lean
TCRE = 1.861949e-3  # degC per GtC, the mean of the published ensemble
MONTHS = 12


class Figures(NamedTuple):
    """What is compared: the first year and which jump comes first."""

    value: float  # log consumption
    emissions: float  # GtC/yr
    research: float  # % of output
    investment: float  # % of output
    scc: float  # US$/tC
    warming: (
        float  # social cost of a degree of warming, thousand US$ per tC-equivalent as published, without the slope s
    )
    damage_first: float  # probability that the damage jump comes before the technology, as the planner believes


def make(shocks=NEUTRAL, jumps=NEUTRAL, rho=1.0):
    return ab.models.KnowledgeCapital(
        climate=ab.models.TCREClimate(ab.models.Ensemble.certain(TCRE)),
        preferences=ab.models.EpsteinZin(0.01, rho),
        ambiguity=ab.models.Ambiguity.from_penalties(shocks=shocks, jumps=jumps),
    )


def timed(model, points, order=4):
    # at the published penalty differences lean in the end: from the start that takes half the time
    leaning = float(jnp.max(model.ambiguity.shocks)) >= LEANING
    solver = ab.solvers.FiniteDifference(points=points, order=order, leaning=leaning)
    wall, cpu = time.perf_counter(), time.process_time()
    solution = ab.solve(ab.HJBProblem(model), solver, throw=False)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return solution, wall, cpu, compiling(solution)


def compiling(solution):
    return solution.stats["compile_seconds"] + sum(compiling(d) for d in solution.destinations)


def converged(solution):
    return solution.converged and all(converged(d) for d in solution.destinations)


def figures(solution):
    # what varies from solve to solve would be compiled in: leave it out
    bare = eqx.tree_at(lambda s: (s.stats, s.nodes, s.destinations), solution, ({}, (), ()))
    return Figures(*map(float, _first_year(bare)), float(_first_jump(bare, 120)))


@eqx.filter_jit
def _first_year(solution):
    model, policy, t = solution.problem.model, solution.policy, jnp.zeros(())
    x, additive = model.initial_state(), model.initial_additive()
    value, costate, _ = ab.models.derivatives(t, x, solution.value)
    u = policy(t, x)
    seen = model.observables(t, x, u, additive)
    scc = 44.0 / 12.0 * policy.social_cost_of_carbon(t, x, additive)
    shares = 100.0 * seen["research_flow"] / seen["output"], 100.0 * seen["investment_flow"] / seen["output"]
    warming = -costate[1] * model.consumption_share(x, u) * jnp.exp(x.log_capital) / 0.01
    return value, u.emissions, *shares, scc, warming


@eqx.filter_jit
def _first_jump(solution, years):
    """Along the path without shocks: the damage jump's share of what makes the state leave, under the worst case."""
    model, policy, t, dt = solution.problem.model, solution.policy, jnp.zeros(()), 1.0 / MONTHS

    def step(carry, _):
        x, survival, damage = carry
        u, nature = policy.saddle(t, x)
        rates = [
            jump.intensity(t, x, u) * jnp.sum(jump.probabilities * factor)
            for jump, factor in zip(model.jumps(), nature.jumps, strict=True)
        ]
        total = rates[0] + rates[1]
        leaves = survival * -jnp.expm1(-total * dt)
        drift = model.drift(t, x, u, model.ensemble.mean)
        moved = jax.tree.map(lambda a, b: a + b * dt, x, drift)
        return (moved, survival - leaves, damage + leaves * rates[1] / total), None

    start = model.initial_state(), jnp.ones(()), jnp.zeros(())
    (_, survival, damage), _ = jax.lax.scan(step, start, None, length=years * MONTHS)
    return damage / (1.0 - survival)


HEADER = f"{'v':>9} {'emissions':>9} {'R&D %':>7} {'inv. %':>7} {'SCC':>7} {'degree':>7} {'damage':>6}"


def show(name, found, tail=""):
    f = Figures(*found)
    print(
        f"{name:>24} {f.value:9.5f} {f.emissions:9.4f} {f.research:7.4f} {f.investment:7.3f} {f.scc:7.2f}"
        f" {f.warming:7.1f} {f.damage_first:6.3f} {tail}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="one grid of each kind and the cases with rho = 1")
    parser.add_argument("--figure", type=Path, help="folder for knowledge_capital.svg")
    asked = parser.parse_args()
    print(f"device: {jax.devices()[0].device_kind}; first year; SCC US$/tC; R&D and investment in % of output")
    print(f"\nNeutral planner, 21 equations\n{'scheme, points':>24} {HEADER}  wall / CPU / compilation, s")
    rows = {}
    for order, grids in ((4, HIGH_ORDER), (1, FIRST_ORDER)):
        for points in grids[:1] if asked.quick else grids:
            solution, wall, cpu, compiled = timed(make(), points, order)
            rows[order, points] = found = figures(solution)
            state = "" if converged(solution) else "NOT CONVERGED"
            show(f"{order}, {points}", found, f"{wall:6.1f} {cpu:6.1f} {compiled:6.1f} {state}")
    print(
        f"{'published':>24} {'':>9} {PUBLISHED['emissions']:9.3f} {PUBLISHED['research']:7.3f}"
        f" {PUBLISHED['investment']:7.1f} {PUBLISHED['scc']:7.1f} {'':>7} {PUBLISHED['damage_first']:6.2f}"
    )
    print(f"\nPlanners, order 4, {USUAL}\n{'':>24} {HEADER}  wall / CPU / compilation, s")
    for name, penalty, rho in CASES[:3] if asked.quick else CASES:
        solution, wall, cpu, compiled = timed(make(penalty, penalty, rho), USUAL)
        state = "" if converged(solution) else "NOT CONVERGED"
        show(name, figures(solution), f"{wall:6.1f} {cpu:6.1f} {compiled:6.1f} {state}")
    for name, fields in {} if asked.quick else CHANNELS.items():
        penalties = {key.removeprefix("ambiguity."): value for key, value in fields.items()}
        solution, wall, cpu, compiled = timed(make(**penalties), USUAL)
        state = "" if converged(solution) else "NOT CONVERGED"
        show(f"doubts {name} only", figures(solution), f"{wall:6.1f} {cpu:6.1f} {compiled:6.1f} {state}")
    if asked.figure is not None:
        draw(rows, asked.figure)


def draw(rows, folder):
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "abatax"  # the same file for the same figures
    from matplotlib import pyplot as plt

    limit = rows[4, HIGH_ORDER[-1]]
    panels = (("emissions", "emissions, GtC/yr"), ("research", "R&D, % of output"), ("scc", "SCC, US\\$/tC"))
    figure, axes = plt.subplots(1, 3, figsize=(9.0, 3.0), layout="constrained")
    for ax, (name, label) in zip(axes, panels, strict=True):
        for order, grids, style in ((1, FIRST_ORDER, "o--"), (4, HIGH_ORDER, "s-")):
            sizes = [float(np.prod(points)) for points in grids]
            ax.plot(sizes, [getattr(rows[order, p], name) for p in grids], style, label=f"order {order}", ms=4)
        ax.axhline(PUBLISHED[name], color="0.6", lw=0.8, ls=":", label="published")
        ax.axhline(getattr(limit, name), color="k", lw=0.6)
        ax.set(xlabel="nodes per equation", ylabel=label, xlim=(0, None))
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].legend(fontsize=7, frameon=False)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "knowledge_capital.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
