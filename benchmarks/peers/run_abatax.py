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


class BudgetUsedError(Exception):
    """Ends a training that has used its processor seconds, with its value function."""


def value_of(watched):
    with clock.stopped():
        return on_host(lambda leaf: leaf[0], watched.finish().value)  # the one member of the family


def watch(watched):
    if clock.over():
        raise BudgetUsedError(value_of(watched))
    if clock.due():
        clock.note(value_of(watched))


def fields(value):
    found = ab.solvers.fields_at(problem, value, points)
    return found["value"], found["slope_temperature"], found["emissions"]


def solve(**options):
    return ab.solve(problem, solver, key=jr.key(p.seed), max_steps=ENDLESS, throw=False, **options).value


solve(max_seconds=min(p.budget, 5.0))
clock.start()
try:
    answer = solve(watch=watch)
except BudgetUsedError as over:
    (answer,) = over.args
clock.finish(answer, fields, "abatax", "jax")
