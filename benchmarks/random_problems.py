"""Random linear-quadratic problems against their Riccati solutions: wrong answers called successful, right answers refused.

Why: a solver is believed because it says when not to believe it. Every draw has one to four states, random matrices (shared
shocks, cross costs and linear terms in some), a penalty far from, near or beyond the breakdown of robustness, and a box from
large to small for its noise. In every draw with a finite value the optimal drift keeps the state in the box, also in the
worst case, so that the quadratic value function is right there. Draws take turns among four solvers. Usage:

    python benchmarks/random_problems.py                     300 draws
    python benchmarks/random_problems.py --draws 60:80       some of them; every draw depends on its number alone
    python benchmarks/random_problems.py --solver spectral --list
"""

import argparse
import itertools
import time
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

import abatax as ab
from abatax.models import Ambiguity, QuadraticRegulator, TimeAdditive
from abatax.models.exact import QuadraticForm
from abatax.validation import region_points, riccati

# An answer is wrong if it is off by more than the first share (of value, slopes or controls), right if by less than the second.
WRONG, RIGHT = 1e-2, 1e-3
STATES, SHARES = (1, 2, 3, 4), (0.45, 0.33, 0.15, 0.07)
PENALTIES = {"neutral": 0.2, "far": 0.3, "near": 0.25, "beyond": 0.25}
# Factors on the aversion at which robustness breaks down.
FACTORS = {"far": (0.02, 0.3), "near": (0.7, 0.98), "beyond": (1.02, 3.0)}
# Half-width of the box in standard deviations of the optimally controlled state.
BOXES = {"large": (3.0, 10.0), "small": (1.0, 3.0)}


def solvers() -> dict[str, dict[int, Any]]:
    """For every solver its options by number of states: what follows a quadratic, and little more."""
    s = ab.solvers
    grids = {1: 41, 2: 15, 3: 9, 4: 7}
    networks = {1: (80, 100, 100), 2: (100, 200, 100), 3: (120, 300, 100)}
    return {
        "finite_difference": {n: s.FiniteDifference(points=p, levels=2) for n, p in grids.items()},
        "spectral": {n: s.Spectral(points=p) for n, p in {1: 9, 2: 9, 3: 7, 4: 5}.items()},
        "features": {n: s.Features(degree=d) for n, d in {1: 8, 2: 6, 3: 4, 4: 3}.items()},
        "gauss_newton": {n: s.GaussNewton(parameters=p, points=k, steps=m) for n, (p, k, m) in networks.items()},
    }


class Draw(NamedTuple):
    """One problem: how it was drawn, and its exact value function if it is finite."""

    number: int
    penalty: str
    box: str
    states: int
    model: QuadraticRegulator
    exact: Any


def draw(number: int) -> Draw:
    """The problem of a number."""
    rng = np.random.default_rng([24, number])
    n = int(rng.choice(STATES, p=SHARES))
    penalty = str(rng.choice(list(PENALTIES), p=list(PENALTIES.values())))
    box = str(rng.choice(list(BOXES), p=(0.6, 0.4)))
    for _ in range(10000):
        form = _random_form(rng, n)
        least = form.breakdown()
        if not 0.0 < least < np.inf:
            continue
        factor = 0.0 if penalty == "neutral" else least * np.exp(rng.uniform(*np.log(FACTORS[penalty])))
        form = form.with_aversion(factor)
        shown = form if penalty != "beyond" else form.with_aversion(0.5 * form.breakdown())
        width = np.exp(rng.uniform(*np.log(BOXES[box])))
        scaled = _in_box(form, shown, width)
        if scaled is None:
            continue
        model = _model(scaled)
        return Draw(number, penalty, box, n, model, None if penalty == "beyond" else riccati(model))
    raise RuntimeError(f"draw {number}: no problem of this kind")


def _random_form(rng: np.random.Generator, n: int) -> QuadraticForm:
    """A neutral problem whose noise has yet to be scaled, with an aversion of one to every shock."""
    some = lambda share: float(rng.random() < share)  # noqa: E731
    a = np.diag(rng.uniform(-1.0, 0.4, n)) + some(0.7) * 0.2 * rng.normal(size=(n, n))
    b = np.eye(n) * np.exp(rng.uniform(-0.7, 0.7, n)) + some(0.5) * 0.2 * rng.normal(size=(n, n))
    q, r = np.exp(rng.uniform(-3.0, 2.0, n)), np.exp(rng.uniform(-2.0, 2.0, n))
    half = rng.normal(size=(n, n))
    cost = np.diag(q) + some(0.3) * 0.3 * np.sqrt(np.outer(q, q)) * (half @ half.T) / n
    cross = some(0.3) * 0.5 * np.diag(rng.uniform(-1.0, 1.0, n)) * np.sqrt(np.outer(q, r))
    correlation = some(0.3) * 0.4 * rng.normal(size=(n, n))
    shifted = some(0.3)
    return QuadraticForm(
        transition=a,
        loading=b,
        intercept=shifted * 0.05 * rng.normal(size=n),
        volatility=np.diag(np.exp(rng.uniform(-1.0, 1.0, n))) + np.tril(correlation, -1),
        state_cost=cost,
        control_cost=np.diag(r),
        cross_cost=cross,
        state_reward=shifted * 0.1 * q * rng.normal(size=n),
        control_reward=shifted * 0.1 * r * rng.normal(size=n),
        constant=shifted * rng.normal(),
        aversion=np.ones(n),
        discount_rate=float(np.exp(rng.uniform(np.log(0.01), np.log(0.4)))),
    )._replace(aversion=np.ones(n))


def _in_box(form: QuadraticForm, shown: QuadraticForm, width: float) -> QuadraticForm | None:
    """The form with noise for which the box [-1, 1] is so many standard deviations wide; None if drift leads out of the box.

    Noise and aversion change together, so that what nature does to the drift stays.
    """
    if not shown.has_value():
        return None
    solution = shown.solve()
    closed = solution.closed_loop
    if np.max(np.linalg.eigvals(closed).real) >= 0.0:
        return None
    loading = shown.volatility
    variances = np.diag(scipy.linalg.solve_continuous_lyapunov(closed, -loading @ loading.T))
    factor = 1.0 / (width * np.sqrt(np.max(variances)))
    smaller = form._replace(volatility=factor * form.volatility, aversion=form.aversion / factor**2)
    shown = shown._replace(volatility=factor * shown.volatility, aversion=shown.aversion / factor**2)
    solution = shown.solve()
    drift = shown.intercept + shown.loading @ solution.offset - shown.doubt @ solution.linear
    for corner in itertools.product((-1.0, 1.0), repeat=len(closed)):
        at = np.array(corner)
        if np.any(at * (closed @ at + drift) >= 0.0):
            return None
    return smaller


def _model(form: QuadraticForm) -> QuadraticRegulator:
    return QuadraticRegulator(
        transition=form.transition,
        loading=form.loading,
        state_cost=form.state_cost,
        control_cost=form.control_cost,
        volatility=form.volatility,
        cross_cost=form.cross_cost,
        intercept=form.intercept,
        target=np.zeros(len(form.transition)),
        state_reward=form.state_reward,
        control_reward=form.control_reward,
        constant=form.constant,
        half_width=1.0,
        preferences=TimeAdditive(form.discount_rate),
        ambiguity=Ambiguity(shocks=form.aversion),
    )


def error(problem: ab.HJBProblem, value: Any, exact: Any) -> float:
    """The largest relative root mean square error of value, slopes and controls."""
    points = region_points(problem, 64)
    given, truth = (ab.solvers.fields_at(problem, v, points) for v in (value, exact))
    groups: dict[str, tuple[str, ...]] = {
        "value": ("value",),
        "slope": tuple(f"slope_{name}" for name in problem.model.states._fields),
        "control": tuple(problem.model.controls._fields),
    }
    errors = []
    for name, fields in groups.items():
        gap, size = (np.stack([f[k] for k in fields]) for f in ({k: given[k] - truth[k] for k in fields}, truth))
        if name == "value":
            size = size - size.mean()
        errors.append(np.sqrt(np.mean(gap**2)) / max(np.sqrt(np.mean(size**2)), 1e-12))
    return float(np.max(np.where(np.isfinite(errors), errors, np.inf)))


class Outcome(NamedTuple):
    """What a solver said of a draw, and how far its answer is from the right one."""

    draw: Draw
    solver: str
    result: str
    error: float
    seconds: float

    @property
    def verdict(self) -> str:
        """WRONG: successful and off, or no finite value. REFUSED: right and not successful.

        LOST, in a large box, and lost, in one that noise leaves, so that the solution inside is open: neither right nor successful.
        """
        if self.result == "successful":
            return "right" if self.error <= WRONG else "WRONG"
        if self.draw.exact is None:
            return "right"
        if self.error <= RIGHT:
            return "REFUSED"
        return "LOST" if self.draw.box == "large" else "lost"

    def __str__(self):
        d = self.draw
        return (
            f"{d.number:4d} {self.solver:17s} {d.states} states, {d.penalty:7s} {d.box:5s} {self.result:17s}"
            f" error {self.error:8.1e} {self.seconds:6.1f} s  {self.verdict}"
        )


def attempt(number: int, name: str, options: dict[int, Any]) -> Outcome:
    """Solve one draw by one solver."""
    problem = draw(number)
    solver, start = options[problem.states], time.perf_counter()
    asked = ab.HJBProblem(problem.model)
    solution = ab.solve(asked, solver, throw=False)
    off = np.inf if problem.exact is None else error(asked, solution.value, problem.exact)
    return Outcome(problem, name, ab.solvers.result_name(solution.result), off, time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description="Random linear-quadratic problems against their Riccati solutions.")
    parser.add_argument("--draws", default="0:300", help="A:B, numbers from A up to and without B")
    parser.add_argument("--solver", help="this one for every draw, instead of each in turn")
    parser.add_argument("--list", action="store_true", help="print every draw, not only those that failed")
    given = parser.parse_args()
    first, last = map(int, given.draws.split(":"))
    table, outcomes = solvers(), []
    for number in range(first, last):
        name = given.solver or list(table)[number % len(table)]
        if draw(number).states not in table[name]:
            name = "finite_difference"
        outcome = attempt(number, name, table[name])
        outcomes.append(outcome)
        if given.list or outcome.verdict != "right":
            print(outcome, flush=True)
    print(
        f"{'solver':17s} {'draws':>6s} {'wrong':>6s} {'refused':>8s} {'lost, large box':>16s} {'small box':>10s} {'seconds':>8s}"
    )
    for name in (*table, "all"):
        own = [o for o in outcomes if name in (o.solver, "all")]
        if own:
            counts = [sum(o.verdict == v for o in own) for v in ("WRONG", "REFUSED", "LOST", "lost")]
            middle = float(np.median([o.seconds for o in own]))
            print(
                f"{name:17s} {len(own):6d} {counts[0]:6d} {counts[1]:8d} {counts[2]:16d} {counts[3]:10d} {middle:8.1f}"
            )


if __name__ == "__main__":
    main()
