"""The net-zero model: how far its reference is from the truth, and two methods that share nothing with it.

Why: with a 1.5 % hazard the social cost of carbon of first-order grids spans 38 to 78 US$/tCO2. This prints, for 2025, value,
slopes, controls and social cost on several grids and on a larger box; after the technology collocation and, without noise, the
best path; before it, with a fifth of the noise, the best path until something jumps. With knowledge there are five states: after
the technology they are compared with three, before it grid with grid. Usage:

    python benchmarks/net_zero.py [--outcomes 20] [--only after|neutral|path|averse|reference|five]
"""

import argparse
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import abatax as ab
from abatax.validation.errors import measured_order

AFTER = ((13, 17, 13), (17, 25, 13), (17, 33, 13), (25, 49, 17))
GRIDS = ((15, 17, 19), (15, 17, 25), (21, 23, 31))
FIVE = ((7, 13, 7, 7, 7), (9, 17, 9, 7, 7), (7, 13, 7, 11, 9))
REFERENCE = ((15, 17, 19), (15, 17, 25), (21, 29, 25), (27, 37, 31), (33, 47, 37))
RUN = (15, 17, 25)  # of `abatax run`
AVERSE = {"shocks": 0.1, "jumps": 0.1}
ARRIVAL = 746.67  # knowledge at which the technology comes once a year
SUCCESS = 0.1567  # productivity of green capital after the technology, per year


def settled(noise=1.0):
    """After the technology, damages known: nothing left to come. `noise` scales all of it."""
    economy = economy_of(noise, SUCCESS)
    return ab.models.NetZero(economy=economy, technology=None, damage_jump=None, phase="mature", **physics(noise))


def knowing(phase="before", idle=False):
    """Five states, damages known. `idle`: research finds nothing, so that the technology keeps the rate that knowledge gave it."""
    technology = ab.models.NetZero.knowledge()
    if idle:
        still = {"efficiency": 0.0, "depreciation": 0.0, "volatility": 0.0}
        technology = ab.models.KnowledgeHazard(ab.models.Research(arrival_scale=ARRIVAL, **still), parity=None)
    economy = economy_of(1.0, SUCCESS) if phase == "mature" else economy_of(1.0)
    return ab.models.NetZero(economy=economy, technology=technology, damage_jump=None, phase=phase, **physics(1.0))


class Reduced(eqx.Module):
    """The value function of five states after the technology, where three are the truth: V = k + f(epsilon, w, y)."""

    solution: ab.Solution

    def __call__(self, t, x):
        three = type(self.solution.problem.model.states)
        return x.log_capital + self.solution.value(t, three(*x[:3]))


def hazardous(rate):
    """What five states are with idle research, at one rate of the technology per year: three states."""
    technology = ab.models.FixedHazard(rate=rate)
    return ab.models.NetZero(economy=economy_of(1.0), technology=technology, damage_jump=None, **physics(1.0))


def unsettled(noise=1.0, outcomes=20, **fields):
    """Before the technology and the revelation of damages. `noise` scales all of it."""
    jump = ab.models.DamageJump(jnp.linspace(0.0, 1.0 / 3.0, outcomes), highest_rate=4.0)
    return ab.models.NetZero(economy=economy_of(noise), damage_jump=jump, **physics(noise), **fields)


def economy_of(noise, green=None):
    """Two capitals; `green` is another productivity of green capital, per year."""
    volatility, economy = jnp.asarray(0.01 * noise), ab.models.TwoCapitals()
    if green is not None:
        economy = eqx.tree_at(lambda e: e.green.productivity, economy, jnp.asarray(green))
    return eqx.tree_at(lambda e: (e.green.volatility, e.dirty.volatility), economy, (volatility, volatility))


def physics(noise):
    climate = ab.models.TCREClimate(ab.models.Ensemble.certain(1.86e-3), 1.2 * noise, 1.2)
    return {"climate": climate, "intensity": ab.models.CarbonIntensity(volatility=0.01 * noise)}


def row(name, model, value, costate, u, price=np.nan, seconds=""):
    x = model.initial_state()
    slopes = model.published_slopes(x, type(x)(*costate))
    total = model.total_value(x, value, model.initial_additive())
    numbers = total, slopes["capital"], slopes["ratio"], slopes["temperature"], *u, price
    cells = [f"{float(v):.{p}f}" for v, p in zip(numbers, (4, 5, 5, 5, 5, 5, 5, 2), strict=True)]
    print(f"| {name} | " + " | ".join(cells) + f" | {seconds} |", flush=True)


def show(name, problem, solver):
    wall, cpu = time.perf_counter(), time.process_time()
    solution = ab.solve(problem, solver, throw=False)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    if not solution.converged:
        print(f"  {name}: {solution.advice}")
    model, t = problem.model, jnp.zeros(())
    x = model.initial_state()
    value, costate, _ = ab.models.derivatives(t, x, solution.value)
    price = solution.policy.social_cost_of_carbon(t, x, model.initial_additive())
    row(
        name,
        model,
        value,
        costate,
        solution.policy(t, x),
        price,
        f"{cpu:.0f} CPU, {wall:.0f} wall, compilation included",
    )
    return solution


def grids(label, model, counts, wider):
    """Every grid, then the finest in a larger box; distances over the region of interest are those to the finest."""
    problem = ab.HJBProblem(model)
    names = [f"{label}, {' x '.join(map(str, points))}" for points in counts]
    cases = [(name, problem, points) for name, points in zip(names, counts, strict=True)]
    cases.append((f"{names[-1]}, margins {wider} times", problem.replace(extension=wider), counts[-1]))
    made = {name: show(name, asked, ab.solvers.FiniteDifference(points=n, leaning=True)) for name, asked, n in cases}
    spread(made, names[-1])
    return made[names[-1]]


def spread(made, finest):
    """Relative L2 distances over the region of interest to the finest grid."""
    best = made[finest]
    points = ab.validation.region_points(best.problem, 512)
    found = ab.validation.quantities(best.problem, best.value, points)
    for name, solution in made.items():
        if name == finest:
            continue
        other = ab.validation.quantities(solution.problem, solution.value, points)
        errors = {k: e[0] for k, e in ab.validation.relative_errors(other, found).items() if not k.startswith("slope")}
        print(f"| {name} | " + " | ".join(f"{k} {100 * e:.2f} %" for k, e in errors.items()) + " |", flush=True)


def reference(counts=REFERENCE, wider=1.2, widest=1.32):
    """The scenario of `abatax run` on grids that refine each other: distances to the finest, and what the box does.

    Distances are taken over the box of the region and over the states that optimal paths go through before anything jumps: the
    corners of the box, hot and with much dirty capital to scrap, are hardly ever seen. What is left of the finest itself is
    Richardson's estimate at the order that the last three show, at most that of the scheme.
    """
    ambiguity = ab.models.Ambiguity.from_penalties(**AVERSE)
    problem, solution, made = ab.HJBProblem(unsettled(outcomes=5, ambiguity=ambiguity)), None, {}
    for nodes in counts:
        solution = made[nodes] = _refined(problem, nodes, solution)
    wide = {nodes: _refined(problem.replace(extension=wider), nodes, made[nodes]) for nodes in (RUN, counts[-2])}
    # in steps: from margins of once to 1.44 times a regime stalls
    more = tuple(n + 1 for n in counts[-2])
    beyond = _refined(problem.replace(extension=widest), more, wide[counts[-2]])
    first, middle, last = counts[-3:]
    early, late = (
        np.mean([(n - 1) / (m - 1) for m, n in zip(*pair, strict=True)]) for pair in ((first, middle), (middle, last))
    )
    everywhere = ab.validation.region_points(problem, 512)
    visited = ab.validation.visited_points(ab.simulate(made[RUN], num_paths=200), 512)
    for place, points in (("box", everywhere), ("paths", visited)):
        found = {nodes: ab.validation.quantities(s.problem, s.value, points) for nodes, s in made.items()}
        for nodes in counts[:-1]:
            _distances(f"{place}: {' x '.join(map(str, nodes))}", found[nodes], found[last])
        changes = [ab.validation.relative_errors(found[a], found[b]) for a, b in ((first, middle), (middle, last))]
        cells = []
        for name, (change, *_) in changes[1].items():
            order = measured_order(change, changes[0][name][0], late, early)
            cells.append(f"{name} {change / (late ** min(order, 4.0) - 1.0):.1e} (order {order:.1f})")
        print(f"| {place}: {' x '.join(map(str, last))}, estimated | " + " | ".join(cells) + " |", flush=True)
        moved = {nodes: ab.validation.quantities(s.problem, s.value, points) for nodes, s in wide.items()}
        for nodes, fields in moved.items():
            label = f"{place}: margins {wider} times, to the same {' x '.join(map(str, nodes))}"
            _distances(label, fields, found[nodes])
        further = ab.validation.quantities(beyond.problem, beyond.value, points)
        label = f"{place}: margins {widest} times, {' x '.join(map(str, more))}, to {wider} times"
        _distances(label, further, moved[counts[-2]])


def _refined(problem, nodes, coarser):
    wall, cpu = time.perf_counter(), time.process_time()
    solution = ab.solve(problem, ab.solvers.FiniteDifference(points=nodes, leaning=True), guess=coarser)
    print(f"{nodes}: {time.process_time() - cpu:.0f} CPU s, {time.perf_counter() - wall:.0f} s", flush=True)
    return solution


def _distances(name, fields, best):
    errors = {k: e[0] for k, e in ab.validation.relative_errors(fields, best).items()}
    print(f"| {name} | " + " | ".join(f"{k} {e:.1e}" for k, e in errors.items()) + " |", flush=True)


def five(counts):
    """Relative L2 distances over the region of interest: after the technology to three states, before it to the last grid."""
    truth = ab.solve(ab.HJBProblem(settled()), ab.solvers.FiniteDifference(points=AFTER[-1], leaning=True))
    problem, solution, found = ab.HJBProblem(knowing()), None, {}
    points = ab.validation.region_points(problem, 512)
    best = ab.validation.quantities(ab.HJBProblem(knowing("mature")), Reduced(truth), points)
    for nodes in counts:
        solution = _five(problem, nodes, solution)
        for phase, part in (("before", solution), ("mature", solution.destinations[0].member(0))):
            found[phase, nodes] = ab.validation.quantities(part.problem, part.value, points)
            _at_start(phase, nodes, part)
    for (phase, nodes), fields in found.items():
        against = best if phase == "mature" else found[phase, counts[-1]]
        if fields is not against:
            _distances(f"{phase}, {nodes}", fields, against)


def _five(problem, nodes, coarser):
    start, guess = time.perf_counter(), coarser if coarser is not None and coarser.converged else None
    solution = ab.solve(problem, ab.solvers.FiniteDifference(points=nodes, leaning=True), guess=guess, throw=False)
    print(f"{nodes}: {time.perf_counter() - start:.0f} s", flush=True)
    return solution


def _at_start(phase, nodes, solution):
    t, x = jnp.zeros(()), solution.problem.model.initial_state()
    value, costate, _ = ab.models.derivatives(t, x, solution.value)
    slopes = {f"slope {name}": p for name, p in zip(x._fields, costate, strict=True)}
    numbers = {"value": value} | slopes | solution.policy(t, x)._asdict()
    numbers["scc"] = solution.policy.social_cost_of_carbon(t, x, solution.problem.model.initial_additive())
    print(
        f"{phase}, {nodes}: " + ", ".join(f"{k} {float(v):.5f}" for k, v in numbers.items()),
        f"{ab.solvers.result_name(solution.result)}, {solution.stats['steps']} steps, {solution.stats['seconds']:.0f} s",
        flush=True,
    )


def path(outcomes, points=(15, 17, 25), noise=0.2, years=(0.0, 10.0, 20.0, 30.0, 40.0)):
    """Before anything has jumped: finite differences with little noise, and the best path without any.

    What the jumps lead to is that of the finite differences, which the best path after the technology checks. The two methods
    share it, and neither grid nor value function before the jumps.
    """
    name = f"neutral, noise {noise:g} times, {' x '.join(map(str, points))}"
    problem = ab.HJBProblem(unsettled(noise, outcomes))
    solution = show(name, problem, ab.solvers.FiniteDifference(points=points, leaning=True))
    still = unsettled(0.0, outcomes)
    box = solution.destinations[0].problem.domain
    loop = ab.validation.OpenLoop(still, solution.problem.continuations, box)
    best = loop.path(still.initial_state(), guess=type(still.controls)(0.07, 0.1, 0.007))
    row("best path without noise", still, best.value, [p[0] for p in best.costates], [u[0] for u in best.controls])
    print("| year | method | V_eps | V_w at fixed eps | V_y | i_d | i_g | x_z |")
    beside(solution, best, years)


def beside(solution, best, years, name="finite differences"):
    """Slopes and controls of a solution and of the best path, at years of the path."""
    t = jnp.zeros(())
    for year in years:
        k = int(np.argmin(np.abs(best.times - year)))
        x = type(best.states)(*(jnp.asarray(leaf[k]) for leaf in best.states))
        _, costate, _ = ab.models.derivatives(t, x, solution.value)
        found = (*costate, *solution.policy(t, x))
        other = (*(p[k] for p in best.costates), *(u[k] for u in best.controls))
        for method, numbers in ((name, found), ("best path", other)):
            print(
                f"| {best.times[k]:.0f} | {method} | " + " | ".join(f"{float(v):.5f}" for v in numbers) + " |",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--outcomes", type=int, default=20, help="damage functions that may be revealed")
    parser.add_argument("--only", choices=("after", "neutral", "path", "averse", "reference", "five"))
    asked = parser.parse_args()
    print(f"device: {jax.devices()[0].device_kind}")
    print("| 2025 | V | V_k | V_w (fixed k) | V_y | i_d | i_g | x_z | SCC, US$/tCO2 | seconds |")
    if asked.only in (None, "after"):
        finest = grids("after the technology", settled(), AFTER, 1.5)
        other = show("the same, collocation", ab.HJBProblem(settled()), ab.solvers.Features(degree=14))
        spread({"finite differences": finest, "collocation": other}, "finite differences")
        still = settled(noise=0.0)
        value, costate, u = ab.validation.OpenLoop(still).solve(still.initial_state())
        row("best path without noise", still, value, costate, u)
    if asked.only in (None, "neutral"):
        grids("neutral", unsettled(outcomes=asked.outcomes), GRIDS, 1.2)
    if asked.only in (None, "path"):
        path(asked.outcomes)
    if asked.only in (None, "averse"):
        ambiguity = ab.models.Ambiguity.from_penalties(**AVERSE)
        grids("averse", unsettled(outcomes=asked.outcomes, ambiguity=ambiguity), GRIDS, 1.2)
    if asked.only in (None, "reference"):
        reference()
    if asked.only in (None, "five"):
        five(FIVE)


if __name__ == "__main__":
    main()
