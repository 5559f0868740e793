"""The two-state problem with abatax, timed as its peers are. Variants: `gauss_newton`, `features`, `finite_difference`,
`spectral`.

Everything is compiled before the clock starts, by a solve of its own.
"""

import jax.numpy as jnp
import jax.random as jr
from exchange import Clock

import abatax as ab
from abatax.solvers.solution import on_host

clock = Clock()
p = clock.asked
ENDLESS = 10**9  # the clock ends it
SOLVERS = {
    # its tolerance is lowered so that it uses the budget, as peers do
    "gauss_newton": ab.solvers.GaussNewton(parameters=400, steps=ENDLESS, patience=ENDLESS, tolerance=1e-14),
    "features": ab.solvers.Features(),
    "finite_difference": ab.solvers.FiniteDifference(points=(7, 41)),
    "spectral": ab.solvers.Spectral(),
}
problem = ab.HJBProblem(ab.models.AKClimate(productivity=None))
solver, points = SOLVERS[p.variant], jnp.asarray(p.points)


def watch(seen):
    if clock.due():
        with clock.stopped():
            value = on_host(lambda leaf: leaf[0], seen.finish().value)  # the one member of the family
        clock.note(value)


def solve(seconds, watch=None):
    return ab.solve(
        problem, solver, key=jr.key(p.seed), max_steps=ENDLESS, max_seconds=seconds, throw=False, watch=watch
    )


def fields(value):
    found = ab.solvers.fields_at(problem, value, points)
    return found["value"], found["slope_temperature"], found["emissions"]


solve(min(p.budget, 5.0))
clock.start()
solution = solve(p.budget, watch)
clock.finish(solution.value, fields, "abatax", "jax")
