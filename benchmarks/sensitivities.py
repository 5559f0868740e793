"""Derivatives in every parameter by the adjoint: against solving again, and in what time.

Why: a derivative by differences costs two solves a parameter and is noisy where a parameter moves the grid. The adjoint costs one
transposed linear solve per regime and functional. This prints, for each model, the seconds of a solve and of all sensitivities after
compilation (and the seconds of compilation apart), and the largest relative difference from central differences of two solves.
Usage:

    python benchmarks/sensitivities.py [MODEL ...] [--check] [--figure FOLDER]

`--check` solves again for every field (minutes); `--figure` writes the table and the figure of uncertain_damages.
"""

import argparse
import time
from pathlib import Path

import equinox as eqx
import jax
import numpy as np

import abatax as ab
from abatax.scenarios import save_tornado, sensitivity_table
from abatax.solvers.base import compile_clock
from abatax.solvers.sensitivity import default_functionals
from abatax.solvers.sensitivity._sensitivities import _parameters, _with_leaf

STEP = 2e-4  # of the central differences, as a share of the parameter
# below this share of the functional over the parameter a derivative is rounding
NOTHING, TOLERANCE = 1e-7, 1e-4


def cases():
    """Models and grids; ambiguity in the units of each model's value function."""
    penalties, fd = ab.models.Ambiguity.from_penalties, ab.solvers.FiniteDifference
    return {
        "linear_quadratic": (ab.models.LinearQuadratic(ambiguity=penalties(shocks=0.5)), fd(points=41)),
        "ak_climate": (ab.models.AKClimate(), fd(points=(7, 21, 13))),
        "uncertain_damages": (
            ab.models.UncertainDamages(ambiguity=penalties(shocks=1.0, climate=0.01, jumps=1.0)),
            fd(points=161),
        ),
        # five damage functions, as in `abatax run`
        "net_zero": (
            ab.models.NetZero(
                damage_jump=ab.models.DamageJump(np.linspace(0.0, 1.0 / 3.0, 5), highest_rate=4.0),
                ambiguity=penalties(shocks=0.1, jumps=0.1),
            ),
            fd(points=(13, 15, 19), leaning=True),
        ),
    }


def regimes(solution):
    """The solution and all that can follow it; a regime that two others lead to comes twice, with the same statistics."""
    return [solution, *(part for destination in solution.destinations for part in regimes(destination))]


def timed(verb):
    """The result of the second of two calls, its seconds without compilation, and those of compilation in the first."""
    clock = compile_clock()
    verb()
    compiling, start, clock = compile_clock() - clock, time.perf_counter(), compile_clock()
    result = verb()
    return result, time.perf_counter() - start - (compile_clock() - clock), compiling


def solved_again(model, solver, parameter, near):
    """Central differences of the default functionals from two solves, each begun at the solution in between."""
    leaf = np.array(jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))[parameter.leaf])
    step, found = STEP * abs(parameter.value), []
    for sign in (1.0, -1.0):
        other = leaf.copy()
        other[parameter.index] += sign * step
        solution = ab.solve(_with_leaf(model, parameter.leaf, other), solver, guess=near)
        read = ab.solvers.Reader(solution.problem, solution.value)
        found.append(np.array([float(f(read)) for f in default_functionals(model).values()]))
    return (found[0] - found[1]) / (2.0 * step)


def check(model, solver, found, solution):
    """The largest relative difference, over the first entry of every field that is not zero."""
    worst, seen = (0.0, ""), set()
    for parameter in _parameters(model):
        if parameter.leaf in seen or parameter.value == 0.0:
            continue
        seen.add(parameter.leaf)
        expected = solved_again(model, solver, parameter, solution)
        difference = np.abs(found.derivative.sel(parameter=parameter.name).values - expected)
        size = np.maximum(np.abs(expected), NOTHING / TOLERANCE * np.abs(found.functional_value / parameter.value))
        worst = max(worst, (float(np.max(difference / size)), parameter.name))
    return f"{worst[0]:.1e} ({worst[1]})"


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("models", nargs="*", help="all if left out")
    asked.add_argument("--check", action="store_true")
    asked.add_argument("--figure", type=Path)
    given = asked.parse_args()
    print(
        "| model | unknowns | parameters | solve, s | all sensitivities, s | ratio | compilation, s | against solving again |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, (model, solver) in cases().items():
        if given.models and name not in given.models:
            continue
        solution, solving, _ = timed(lambda m=model, s=solver: ab.solve(m, s))
        found, differentiating, compiling = timed(lambda s=solution: ab.sensitivities(s))
        compared = check(model, solver, found, solution) if given.check else ""
        unknowns = sum({id(part.stats): part.stats.get("unknowns", 0) for part in regimes(solution)}.values())
        numbers = f"{unknowns} | {found.sizes['parameter']} | {solving:.2f} | {differentiating:.2f}"
        print(f"| `{name}` | {numbers} | {differentiating / solving:.2f} | {compiling:.0f} | {compared} |", flush=True)
        if given.figure is not None and name == "uncertain_damages":
            save_tornado(given.figure, sensitivity_table(found))


if __name__ == "__main__":
    main()
