"""The abatement-technology model: emissions and the social cost of carbon in each regime, for planners of growing caution.

Why: the published figures of this model come from a first-order scheme whose hardest regime was stopped at an error of 5e-3. Here
planners are compared at order 4, and with three damage curvatures instead of twenty every figure is given on a finer grid and
in a larger box. Without noise the last regime that is solved is the choice of one path, found without any value function
(`tests/test_solvers_abatement_technology.py`). Usage:

    python benchmarks/abatement_technology.py [--only planners|errors] [--figure docs/figures]
"""

import argparse
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import abatax as ab

NEUTRAL = float("inf")
CLIMATE = 0.02  # penalty of the climate ensemble for all who are averse
# each starts from the one before: from a flat guess twenty curvatures do not settle together under caution
PENALTIES = (NEUTRAL, 20.0, 10.0, 7.5, 5.0)
ALONE = 2.5  # the most cautious with three curvatures
USUAL, FINER = (25, 61), (37, 81)
LARGER = {"log_capital": (5.5, 9.0)}
EXTENSION = 1.5
WORDS = ("mild", "middle", "steep")  # the first, the tenth and the last of the damage curvatures


def make(penalty, **fields):
    doubts = {"shocks": penalty, "jumps": penalty, "climate": CLIMATE if np.isfinite(penalty) else NEUTRAL}
    return ab.models.AbatementTechnology(ambiguity=ab.models.Ambiguity.from_penalties(**doubts), **fields)


def timed(model, points, order=4, guess=None, **options):
    clock = time.perf_counter()
    solver = ab.solvers.FiniteDifference(points=points, order=order)
    solution = ab.solve(ab.HJBProblem(model, **options), solver, guess=guess, throw=False)
    return solution, time.perf_counter() - clock


def compiling(solution):
    # the family after both jumps is reached on two ways and compiled once
    found = {}

    def walk(at):
        found[at.problem.model.regime] = at.stats["compile_seconds"]
        for destination in at.destinations:
            walk(destination)

    walk(solution)
    return sum(found.values())


def regimes(solution):
    """One solution for each regime shown, by name; a family is cut to its members."""
    improved, revealed = solution.destinations
    found = {"before": _plain(solution), "improved": _bare(improved, 0)}
    for name, family in (("before", revealed), ("improved", _bare(improved.destinations[1], 0))):
        last = family.problem.model.damages.curvature.size - 1
        for number, word in zip((0, last // 2, last), WORDS, strict=True):
            found[f"{name}, {word} damages"] = _bare(family, number)
    return found


def _plain(solution):
    """A solution without what varies from solve to solve, which would be compiled in, and without what comes after."""
    return eqx.tree_at(lambda s: (s.stats, s.nodes, s.destinations), solution, ({}, (), ()))


def _bare(family, member):
    plain = _plain(family)
    return jax.tree.map(lambda a: a[member] if eqx.is_array(a) and a.ndim else a, plain)


@eqx.filter_jit
def figures(solution):
    """At the start: value, its slopes in log capital and temperature, investment (% of output), emissions, SCC (US$/tCO2)."""
    model, policy, t = solution.problem.model, solution.policy, jnp.zeros(())
    x, additive = model.initial_state(), model.initial_additive()
    value, costate, _ = ab.models.derivatives(t, x, solution.value)
    u = policy(t, x)
    investment = 100.0 * u.investment / model.economy.productivity
    return jnp.stack([value, *costate, investment, u.emissions, policy.social_cost_of_carbon(t, x, additive)])


def table(solution):
    return {name: np.asarray(figures(found)) for name, found in regimes(solution).items()}


def converged(solution):
    codes = np.atleast_1d(np.asarray(solution.converged))
    return bool(np.all(codes)) and all(converged(d) for d in solution.destinations)


HEADER = f"{'value':>10} {'V_k':>9} {'V_y':>9} {'inv. %':>8} {'emissions':>9} {'SCC':>8}"


def show(rows, others=()):
    """A table; beside it the largest relative change of emissions and social cost in other tables."""
    for name, row in rows.items():
        text = "{:10.4f} {:9.4f} {:9.4f} {:8.4f} {:9.4f} {:8.3f}".format(*row)
        moved = [np.abs(other[name] / row - 1.0)[4:] for other in others]
        tail = "  ".join("{:.0e} {:.0e}".format(*m) for m in moved)
        print(f"{name:>24} {text}  {tail}", flush=True)


def planners():
    """Five planners with all twenty curvatures."""
    kept, solution = {}, None
    for penalty in PENALTIES:
        solution, seconds = timed(make(penalty), USUAL, guess=solution)
        kept[penalty] = solution
        state = "" if converged(solution) else "NOT CONVERGED"
        print(
            f"\npenalty {penalty:g}: {seconds:.0f} s, compilation {compiling(solution):.0f} s {state}\n{'':>24} {HEADER}"
        )
        show(table(solution))
    return kept


def errors():
    """The least and the most cautious planner with three curvatures: another grid, another box, another order."""
    curvatures = make(NEUTRAL).damage_jump.curvatures[jnp.array([0, 9, 19])]
    for penalty in (NEUTRAL, ALONE):
        model = make(penalty, damage_jump=ab.models.DamageJump(curvatures))
        cases = ((USUAL, 4, {}), (FINER, 4, {}), (USUAL, 4, {"box": LARGER, "extension": EXTENSION}), (USUAL, 1, {}))
        rows, *others = (timed(model, points, order, **options)[0] for points, order, options in cases)
        good = all(map(converged, (rows, *others)))
        print(f"\npenalty {penalty:g}, three curvatures {'' if good else 'NOT CONVERGED'}")
        print(f"{'':>24} {HEADER}  relative change of emissions and SCC: finer, larger box, first order")
        show(table(rows), [table(o) for o in others])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=("planners", "errors"), help="one of the two tables")
    parser.add_argument("--figure", type=Path, help="folder for abatement_technology.svg (with the planners)")
    asked = parser.parse_args()
    start = f"device: {jax.devices()[0].device_kind}; K = 739 trillion US$, y = 1.1 degC"
    print(f"{start} (2.0 once damages are known); SCC in US$/tCO2", flush=True)
    if asked.only != "errors":
        kept = planners()
        if asked.figure is not None:
            draw(kept, asked.figure)
    if asked.only != "planners":
        errors()


def draw(kept, folder):
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "abatax"  # the same file for the same figures
    from matplotlib import pyplot as plt

    warming = np.linspace(1.0, 2.0, 81)

    @eqx.filter_jit
    def along(solution):
        model, policy, t = solution.problem.model, solution.policy, jnp.zeros(())

        def at(y):
            x = model.initial_state()._replace(temperature=y)
            cost = policy.social_cost_of_carbon(t, x, model.initial_additive())
            return policy(t, x).emissions, cost

        return jax.vmap(at)(jnp.asarray(warming))

    figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.4), layout="constrained")
    for (penalty, solution), color in zip(kept.items(), ("0.5", "C0", "C2", "C1", "C3"), strict=True):
        for name, style in (("before", "-"), ("improved", "--")):
            label = "neutral" if penalty == NEUTRAL else rf"$\xi$ = {penalty:g}"
            for ax, line in zip(axes, along(regimes(solution)[name]), strict=True):
                ax.plot(warming, line, style, color=color, label=label if name == "before" else None)
    axes[0].set(xlabel="warming, °C", ylabel="emissions, GtC/yr", ylim=(0, None))
    axes[1].set(xlabel="warming, °C", ylabel="social cost of carbon, US\\$/tCO2", ylim=(0, None))
    axes[0].plot([], [], "k-", label="before both breakthroughs")
    axes[0].plot([], [], "k--", label="after the first")
    axes[0].legend(fontsize=7, frameon=False)
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "abatement_technology.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
