"""The two-capital model against two independent checks, and the branch on which a published neural solution lies.

Why: a neural value function with a small residual was published with V_k of 0.32 to 0.45 where returns to scale and finite
differences say nearly 1. This prints, at the published state (880 trillion US$, 70 % green, 1.2 degC), the solution on several
grids beside the best deterministic path, which has no grid and no value function, and the exact table without emissions.
Usage:

    python benchmarks/two_capital.py [--breakthrough | --knowledge]

The options also solve the model before a breakthrough, at a fixed rate (three states) or brought on by research (four); minutes.
"""

import argparse
import dataclasses
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import abatax as ab

GRIDS = ((13, 17, 13), (17, 25, 17), (17, 33, 21))
STATES = ((0.7, 1.2), (0.4, 1.2), (0.95, 1.2), (0.7, 2.5))  # green share, degC
# Of four states, where research brings the technology on
RESEARCH_GRIDS, RESEARCH_BOX = ((7, 13, 7, 7), (9, 17, 9, 9), (11, 23, 9, 13)), {"log_knowledge": (2.3, 4.0)}
KNOWLEDGE = 11.2  # trillion US$, where knowledge is a state
# Values published by the authors at K = 880, Z = 0.7, Y = 1.2, R = 11.2, by penalty 0.05, 0.1, infinity
NEURAL_V_K = (0.43136, 0.43487, 0.44581)
NEURAL_V_Z = (0.1187, 0.1182, 0.1193)
NEURAL_V_Y = (-0.00869, -0.00862, -0.00828)


def economy(green, volatility=0.01):
    return eqx.tree_at(
        lambda e: (e.green.productivity, e.green.volatility, e.dirty.volatility),
        ab.models.TwoCapitals(),
        tuple(map(jnp.asarray, (green, volatility, volatility))),
    )


def settled(green=0.1567, noise=1.0):
    """After the technology, damages known: three states, no jump. `noise` scales all of it."""
    climate = ab.models.TCREClimate(ab.models.Ensemble.certain(1.86e-3), 1.2 * noise, 1.2)
    return ab.models.TwoCapital(
        economy=economy(green, 0.01 * noise), climate=climate, technology=None, damage_jump=None, phase="mature"
    )


def row(solution, share, temperature, *knowledge):
    model, t = solution.problem.model, jnp.zeros(())
    x = model.state_at(880.0, share, temperature, *knowledge)
    value, costate, _ = ab.models.derivatives(t, x, solution.value)
    own, u = type(x)(*costate), solution.policy(t, x)
    slopes = own._asdict() | model.published_slopes(x, own)
    price = solution.policy.social_cost_of_carbon(t, x, model.initial_additive())
    return model.total_value(x, value, model.initial_additive()), slopes, u, price


def show(name, value, slopes, u, price=None):
    parts = [f"{float(value):8.4f}", *(f"{float(slopes[k]):9.5f}" for k in ("capital", "ratio", "temperature"))]
    parts += [f"{float(v):8.5f}" for v in u[:2]]
    parts.append("" if price is None else f"{float(price):7.3f}")
    print(f"| {name:<38} | " + " | ".join(parts) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--breakthrough", action="store_true")
    parser.add_argument("--knowledge", action="store_true")
    asked = parser.parse_args()
    print(f"device: {jax.devices()[0].device_kind}")
    print("\nWithout emissions: v and dv/dZ at shares 0.5, 0.7; v at 1")
    for green in (0.1085, 0.1303, 0.1567):
        transition = ab.validation.GreenTransition(settled(green))
        value, slope = transition.at_share(np.array([0.5, 0.7]))
        cells = [f"{v:.7f} / {p:.6f}" for v, p in zip(value, slope, strict=True)]
        print(f"| {green} | " + " | ".join(cells) + f" | {transition.corner():.7f} |")
    print("\nAfter the technology: V | V_k | V_w (fixed k) | V_y | i_d | i_g | SCC, US$/tCO2")
    for points in GRIDS:
        solution, wall, cpu = timed(settled(), points, runs=1)
        for share, warming in STATES if points == GRIDS[-1] else STATES[:1]:
            show(f"{points}, Z {share}, y {warming}", *row(solution, share, warming))
        print(f"  {wall:.1f} s, {cpu:.1f} CPU s with compilation")
    still = settled(noise=0.0)
    path = ab.validation.OpenLoop(still)
    for share, warming in STATES:
        x = still.state_at(880.0, share, warming)
        value, costate, u = path.solve(x)
        total = still.total_value(x, value, still.initial_additive())
        show(f"open loop, Z {share}, y {warming}", total, still.published_slopes(x, costate), u)
    print(f"published neural solution: V_k {NEURAL_V_K}, V_Z {NEURAL_V_Z}, V_y {NEURAL_V_Y}")
    if asked.breakthrough:
        before_the_breakthrough()
    if asked.knowledge:
        by_research()


def by_research():
    """Four states, the published technology, damages known: each grid starts from the one before."""
    one, two = ab.models.KnowledgeHazard(parity=None), ab.models.KnowledgeHazard()
    for steps, technology in (("one step", one), ("two steps", two)):
        problem = ab.HJBProblem(ab.models.TwoCapital(technology=technology, damage_jump=None), box=RESEARCH_BOX)
        solution = None
        for points in RESEARCH_GRIDS:
            cpu, solver = time.process_time(), ab.solvers.FiniteDifference(points=points, leaning=True)
            solution = ab.solve(problem, solver, guess=solution, throw=False)
            at_start(f"{steps}, {points}, {time.process_time() - cpu:.0f} CPU s", solution)


def at_start(name, solution):
    found = row(solution, *STATES[0], KNOWLEDGE)
    show(name, *found)
    own, u = found[1], found[2]
    outcome = ab.solvers.result_name(solution.result)
    print(f"  research {float(u.research):.5f}, V_r {float(own['log_knowledge']):.5f}, {outcome}")


def before_the_breakthrough(fifth=0.2):
    """Waiting at a fixed 1.5 % a year; where one step is all there is to wait for, beside the best path until it comes."""
    one, two = ab.models.FixedHazard(), ab.models.FixedHazard(parity=0.1303, direct=0.04)
    published = ab.models.TwoCapital().damage_jump
    capped = dataclasses.replace(published, highest_rate=4.0)
    for name, noise, technology, jump, points in (
        ("one step, a fifth of the noise", fifth, one, None, (15, 21, 15)),
        ("one step", 1.0, one, None, GRIDS[1]),
        ("one step, damage jump, a fifth of the noise", fifth, one, published, (15, 21, 17)),
        ("one step, damage jump", 1.0, one, published, (15, 21, 17)),
        ("two steps, damage jump, a fifth of the noise", fifth, two, capped, (15, 17, 19)),
    ):
        solution, _, cpu = timed(awaiting(noise, technology, jump), points, runs=1, leaning=True)
        show(f"{name}, {cpu:.0f} CPU s", *row(solution, 0.7, 1.2))
        if name == "one step, a fifth of the noise":
            still = awaiting(0.0, technology, jump)
            box = solution.destinations[0].problem.domain
            loop = ab.validation.OpenLoop(still, solution.problem.continuations, box, nodes=41, steps=240)
            x = still.state_at(880.0, 0.7, 1.2)
            best = loop.path(x, guess=type(still.controls)(0.07, 0.1), tolerance=1e-8)
            costate, u = (type(p)(*(leaf[0] for leaf in p)) for p in (best.costates, best.controls))
            total = still.total_value(x, best.value, still.initial_additive())
            show("best path without noise", total, still.published_slopes(x, costate), u)


def awaiting(noise, technology, jump):
    climate = ab.models.TCREClimate(ab.models.Ensemble.certain(1.86e-3), 1.2 * noise, 1.2)
    return ab.models.TwoCapital(
        economy=economy(0.1085, 0.01 * noise), climate=climate, technology=technology, damage_jump=jump
    )


def timed(model, points, runs=2, leaning=False):
    """Solve `runs` times and time the last."""
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        solution = ab.solve(
            ab.HJBProblem(model), ab.solvers.FiniteDifference(points=points, leaning=leaning), throw=False
        )
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if not solution.converged:
        print(f"  not converged: {solution.advice}")
    return solution, wall, cpu


if __name__ == "__main__":
    main()
