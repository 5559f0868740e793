"""Neural solvers against exact solutions and references: what each reaches in how many seconds.

Why: a small residual is not a right answer, so every row shows the error of policies over the region of interest beside that of a
constant policy. Usage:

    python benchmarks/neural_solvers.py [--only ak_climate|...|net_zero|before|five] [--seeds 3] [--budget 60] [--architecture mlp]
        [--sampling trajectories] [--coarse 15,17,19] [--reference 27,37,31]
"""

import argparse
import time

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
from net_zero import ARRIVAL, FIVE, hazardous, knowing, settled as net_zero_settled, unsettled
from two_capital import settled as two_capital_settled

import abatax as ab
from abatax.solvers import DeepGalerkin, Features, GaussNewton, PolicyIteration, result_name

SOLVERS = {
    "gauss_newton": GaussNewton(),
    "deep_galerkin, adam": DeepGalerkin(parameters=600, points=900, steps=400, learning_rate=3e-3),
    "deep_galerkin, lbfgs": DeepGalerkin(parameters=600, points=900, steps=60, inner=20, optimizer="lbfgs"),
    "policy_iteration": PolicyIteration(parameters=600, points=900, steps=200, learning_rate=3e-3),
    "features (random tanh)": Features(),
}


# After the technology, damages known, three states: the model and the nodes of its reference, twice as fine as what is believed
FINE = (25, 49, 17)
TRANSITIONS = {"two_capital": (two_capital_settled, FINE), "net_zero": (net_zero_settled, FINE)}
PARAMETERS = {"two_capital": 600, "net_zero": 900}
RATES = (2.3, 2.8, 3.3, 4.0)  # log of knowledge at which five states with idle research are compared with three
# Networks are worst at the end of their box: where it is also the end of the region, they are given a little more than is measured.
BELOW = {"log_knowledge": (2.0, 4.0)}


def for_five_states(architecture="mlp"):
    return GaussNewton(architecture=architecture, parameters=900, steps=2000, patience=15)


def trained(problem, solver, seed, budget):
    """Seconds end the training, or the solver's own steps; the driver counts those of the start too."""
    return ab.solve(problem, solver, key=jr.key(seed), max_seconds=budget, max_steps=2000, throw=False)


def errors(problem, value, truth_problem, truth, points):
    found = ab.validation.quantities(problem, value, points)
    return {
        k: e[0]
        for k, e in ab.validation.relative_errors(found, ab.validation.quantities(truth_problem, truth, points)).items()
    }


def ak_climate(seeds, budget):
    problem = ab.HJBProblem(ab.models.AKClimate())
    truth, points = ab.validation.exact_value(problem.model), ab.validation.region_points(problem, 512)
    exact = ab.validation.quantities(problem, truth, points)
    constant = {
        name: float(np.std(u) / np.sqrt(np.mean(u**2)))
        for name, u in exact.items()
        if name in ("emissions", "investment")
    }
    print("| solver | seed | emissions | investment | V_y | seconds | compilation | result |")
    print(f"| constant policy | | {constant['emissions']:.1e} | {constant['investment']:.1e} | | | | |")
    for name, solver in SOLVERS.items():
        for seed in range(1 if isinstance(solver, Features) else seeds):
            s = trained(problem, solver, seed, budget)
            e = errors(problem, s.value, problem, truth, points)
            print(
                f"| {name} | {seed} | {e['emissions']:.1e} | {e['investment']:.1e} | {e['slope_temperature']:.1e} "
                f"| {s.stats['seconds']:.0f} | {s.stats['compile_seconds']:.0f} | {result_name(s.result)} |",
                flush=True,
            )


def uncertain_damages(seeds, budget):
    problem = ab.HJBProblem(ab.models.UncertainDamages())
    reference = ab.solve(problem).destinations[0]
    points = ab.validation.region_points(problem, 256)
    print("| one network for 20 damage functions, seed | worst error of emissions | median | seconds |")
    for seed in range(seeds):
        start = time.perf_counter()
        solver = GaussNewton(parameters=300, points=192, steps=100)
        s = trained(problem, solver, seed, budget).destinations[0]
        parts = zip(map(s.member, range(20)), map(reference.member, range(20)), strict=True)
        e = [errors(a.problem, a.value, b.problem, b.value, points)["emissions"] for a, b in parts]
        wall = time.perf_counter() - start
        print(f"| {seed} | {max(e):.1e} | {np.median(e):.1e} | {s.stats['seconds']:.0f} of {wall:.0f} |", flush=True)


def transition(name, seeds, budget, architecture):
    made, nodes = TRANSITIONS[name]
    problem = ab.HJBProblem(made())
    reference = _reference(problem, nodes)
    points, found = ab.validation.region_points(problem, 512), []
    print("| model | seed | errors | seconds | compilation | result |")
    for seed in range(seeds):
        solver = GaussNewton(architecture=architecture, parameters=PARAMETERS[name], steps=1000, patience=8)
        s = trained(problem, solver, seed, budget)
        found.append(errors(problem, s.value, problem, reference.value, points))
        _row(name, seed, found[-1:], s)
    print(f"| {name} | median | {_line({k: float(np.median([e[k] for e in found])) for k in found[0]})} | | | |")


def before(seeds, budget, architecture, sampling, nodes, fine):
    """net_zero before the technology and the revelation of damages: twelve value functions, five damage functions in one network."""
    problem = ab.HJBProblem(unsettled(outcomes=5))
    coarse = _reference(problem, nodes or (15, 17, 19))
    reference = _reference(problem, fine, coarse)
    points = ab.validation.region_points(problem, 512)
    visited = ab.validation.visited_points(ab.simulate(reference, num_paths=200), 512)  # before anything jumps
    everywhere = {"box": points, "paths": visited}
    print(
        "| net_zero before the technology: seed | regime | largest errors of its members | seconds | compilation | result |"
    )
    for (regime, found), best in zip(_regimes(coarse), _regimes(reference), strict=True):
        for where, at in everywhere.items():
            print(f"| grid | {regime}, {where} | {_line(_largest(found, best[1], at))} | | | |", flush=True)
    for seed in range(seeds):
        solver = GaussNewton(
            architecture=architecture, parameters=600, steps=2000, patience=30, sampling=sampling, coarse=nodes
        )
        cpu = time.process_time()
        s = trained(problem, solver, seed, budget)
        cpu = time.process_time() - cpu
        for (regime, found), best in zip(_regimes(s), _regimes(reference), strict=True):
            stats = found[0].stats
            print(
                f"| {seed} | {regime}, box | {_line(_largest(found, best[1], points))} | {stats['seconds']:.0f} "
                f"| {stats['compile_seconds']:.0f} | {result_name(found[0].result)}, {stats['unresolved']:.1e} left"
                f" of {stats.get('unresolved_coarse', np.nan):.1e} |",
                flush=True,
            )
            print(f"| {seed} | {regime}, paths | {_line(_largest(found, best[1], visited))} | | | |", flush=True)
        print(f"| {seed} | all | {cpu:.0f} CPU s with compilation | | | |", flush=True)


def _regimes(solution):
    """Every regime with its members, each by one of the ways that lead there."""
    found, via = {}, {}

    def visit(part, before):
        regime = part.problem.model.regime
        if via.setdefault(regime, before) == before:
            found.setdefault(regime, []).append(part)
            for later in part.destinations:
                for k in range(len(jax.tree.leaves(eqx.filter(later.value, eqx.is_array))[0])):
                    visit(later.member(k), regime)

    visit(solution, None)
    return list(found.items())


def _largest(found, best, points):
    each = [errors(a.problem, a.value, b.problem, b.value, points) for a, b in zip(found, best, strict=True)]
    return {name: max(e[name] for e in each) for name in each[0]}


def five(seeds, budget, architecture):
    """Five states of net_zero, damages known, nothing declared that would reduce them."""
    three = ab.HJBProblem(net_zero_settled())
    settled = (three, _reference(three, FINE).value, None)
    idle = []
    for r in RATES:
        solution = _reference(ab.HJBProblem(hazardous(float(np.exp(r)) / ARRIVAL)), FINE)
        idle.append((solution.problem, solution.value, r))
    whole = ab.HJBProblem(knowing())
    points = ab.validation.region_points(whole, 512)
    researching = _reference(whole, FIVE[2], _reference(whole, FIVE[0]))
    print("| five states | seed | errors | seconds | compilation | result |", flush=True)
    for seed in range(seeds):
        for name, model in {"idle": knowing(idle=True), "before": knowing()}.items():
            s = trained(ab.HJBProblem(model, box=BELOW), for_five_states(architecture), seed, budget)
            after = s.destinations[0].member(0)
            _row("after", seed, [_errors_of_five(after, points, *settled)], after)
            if name == "idle":
                _row(name, seed, [_errors_of_five(s, points, *case) for case in idle], s)
            else:
                _row(name, seed, [errors(s.problem, s.value, researching.problem, researching.value, points)], s)


def _row(name, seed, found, solution):
    stats = solution.stats
    print(
        f"| {name} | {seed} | {'; '.join(map(_line, found))} | {stats['seconds']:.0f} | {stats['compile_seconds']:.0f} "
        f"| {result_name(solution.result)} |",
        flush=True,
    )


def _errors_of_five(solution, points, problem, value, knowledge):
    """Against three states, to which capital and knowledge (here at one level) do not matter."""
    points = np.array(points)
    if knowledge is not None:
        points[:, 3] = knowledge
    found = ab.validation.quantities(solution.problem, solution.value, points)
    truth = ab.validation.quantities(problem, value, points[:, :3])
    shared = {k: v for k, v in truth.items() if k.startswith("slope") or k in solution.problem.model.controls._fields}
    return {k: e[0] for k, e in ab.validation.relative_errors(found, shared).items()}


def _reference(problem, nodes, coarser=None):
    return ab.solve(problem, ab.solvers.FiniteDifference(points=nodes, leaning=True), guess=coarser)


def _line(e):
    return ", ".join(f"{name} {size:.1e}" for name, size in e.items())


def _nodes(typed):
    found = tuple(map(int, typed.split(",")))
    return found if len(found) > 1 else found[0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=("ak_climate", "uncertain_damages", *TRANSITIONS, "before", "five"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--budget", type=float, default=60.0, help="seconds per regime, compilation apart")
    parser.add_argument("--architecture", default="mlp", help="of the studies of two_capital and net_zero")
    parser.add_argument("--sampling", default="sobol", help="of the study before the technology")
    parser.add_argument(
        "--coarse", type=_nodes, default=0, help="nodes per state of a grid that networks correct, in that study"
    )
    parser.add_argument("--reference", type=_nodes, default=(21, 29, 25), help="nodes per state of its reference")
    asked = parser.parse_args()
    print(f"device: {jax.devices()[0].device_kind}")
    for study in (ak_climate, uncertain_damages):
        if asked.only in (None, study.__name__):
            study(asked.seeds, asked.budget)
    for name in TRANSITIONS:
        if asked.only in (None, name):
            transition(name, asked.seeds, asked.budget, asked.architecture)
    if asked.only in (None, "before"):
        before(asked.seeds, asked.budget, asked.architecture, asked.sampling, asked.coarse, asked.reference)
    if asked.only in (None, "five"):
        five(asked.seeds, asked.budget, asked.architecture)


if __name__ == "__main__":
    main()
