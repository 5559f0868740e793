"""Four states of two_capital and five of net_zero, a technology brought on by research: finite differences beside the best path.

Why: with so many states grids are coarse, and only a method that shares neither grid nor value function says whether their
limit is right. `OpenLoop` maximises over paths of the controls until the technology comes; what that leads to is worth what
finite differences say, which three states check. A path has no noise, so that finite differences are given a fifth of it. Usage:

    python benchmarks/research_paths.py [--only two_capital|net_zero] [--horizon 300] [--networks 270]

With `--networks` trained networks come beside the path too; they begin with a coarse start of their own, not with these grids.
"""

import argparse
import dataclasses
import time

import jax
import jax.numpy as jnp
from net_zero import beside, economy_of, physics
from neural_solvers import BELOW, for_five_states, trained
from two_capital import RESEARCH_BOX, RESEARCH_GRIDS, awaiting

import abatax as ab

FIFTH = 0.2  # of the noise
YEARS = (0.0, 10.0, 20.0, 40.0)
# Nodes, each grid started from the one before, controls with which the search for the path begins (per year), and the region of
# interest for grids and for networks.
CASES = {
    "two_capital": (RESEARCH_GRIDS, (0.06, 0.08, 0.002), RESEARCH_BOX, RESEARCH_BOX),
    "net_zero": (((7, 13, 7, 7, 7), (7, 13, 7, 11, 9)), (0.06, 0.08, 0.002, 0.001), {}, BELOW),
}


def researching(name, noise):
    """Damages known, one step of the technology. `noise` scales all of it."""
    given = ab.models.KnowledgeHazard(parity=None) if name == "two_capital" else ab.models.NetZero.knowledge()
    research = dataclasses.replace(given.research, volatility=given.research.volatility * noise)
    technology = dataclasses.replace(given, research=research)
    if name == "two_capital":
        return awaiting(noise, technology, None)
    return ab.models.NetZero(economy=economy_of(noise), technology=technology, damage_jump=None, **physics(noise))


def compare(name, horizon, budget):
    grids, guess, box, wider = CASES[name]
    still, solution = researching(name, 0.0), None
    problem = ab.HJBProblem(researching(name, FIFTH), box=box)
    for points in grids:
        start = time.perf_counter()
        solution = ab.solve(problem, ab.solvers.FiniteDifference(points=points, leaning=True), guess=solution)
        value = float(solution.value(jnp.zeros(()), still.initial_state()))
        print(f"finite differences, {points}: value {value:.5f}, {time.perf_counter() - start:.0f} s", flush=True)
    assert solution is not None
    start, end = time.perf_counter(), solution.destinations[0].problem.domain
    loop = ab.validation.OpenLoop(still, solution.problem.continuations, end, horizon, nodes=41, steps=240)
    best = loop.path(still.initial_state(), guess=type(still.controls)(*guess), tolerance=1e-8)
    print(f"best path: value {float(best.value):.5f}, {time.perf_counter() - start:.0f} s")
    columns = ("year", "method", *still.states._fields, *still.controls._fields)
    print("| " + " | ".join(columns) + " |")
    beside(solution, best, YEARS)
    if budget:
        networks = trained(problem.replace(box=wider), for_five_states(), 0, budget)
        for part, s in (("before", networks), ("after", networks.destinations[0])):
            print(f"networks, {part}: {ab.solvers.result_name(s.result)}, {s.stats['seconds']:.0f} s", flush=True)
        beside(networks, best, YEARS, "networks")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=tuple(CASES))
    parser.add_argument("--horizon", type=float, default=300.0, help="years; by then the technology has come")
    parser.add_argument("--networks", type=float, default=0.0, help="seconds of training per regime; 0 for none")
    asked = parser.parse_args()
    print(f"device: {jax.devices()[0].device_kind}")
    for name in CASES if asked.only is None else (asked.only,):
        print(f"\n{name}")
        compare(name, asked.horizon, asked.networks)


if __name__ == "__main__":
    main()
