"""Estimated against true errors on 30 problems with exact solutions: is an estimate ever too small, and how generous is it?

Why: a reference is only as good as the error it admits. The factor in `abatax.validation.SAFETY` comes from here, and the table in
docs/accuracy.md is what this prints. Usage:

    python benchmarks/reference_calibration.py
"""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import abatax as ab
from abatax.models import (
    AKClimate,
    Ambiguity,
    HJBProblem,
    LinearQuadratic,
    Productivity,
    ThresholdDamages,
    TimeAdditive,
)
from abatax.solvers import FiniteDifference
from abatax.validation import exact_value, quantities, region_points, relative_errors


class Case(NamedTuple):
    """A problem whose value function is known, and a grid for it."""

    model: str
    parameters: dict[str, Any]
    points: tuple[int, ...]
    order: int = 4
    extension: float = 1.0

    def __str__(self):
        changed = ", ".join(f"{name} {value:g}" for name, value in self.parameters.items())
        margin = "" if self.extension == 1.0 else f", margins × {self.extension:g}"
        return f"{self.model}{': ' if changed else ''}{changed}{margin}"

    def problem(self) -> HJBProblem:
        given = dict(self.parameters)
        ambiguity = Ambiguity.from_penalties(shocks=given.pop("penalty", float("inf")))
        if self.model.startswith("linear_quadratic"):
            model = LinearQuadratic(dimension=len(self.points), ambiguity=ambiguity, **given)
        else:
            cost, quadratic = given.pop("cost", 0.0), given.pop("quadratic", 0.0044)
            model = AKClimate(
                preferences=TimeAdditive(given.pop("discount_rate", 0.01)),
                productivity=Productivity(cost=cost) if len(self.points) == 3 else None,
                damages=ThresholdDamages(quadratic=quadratic),
                ambiguity=ambiguity,
                **given,
            )
        return HJBProblem(model, extension=self.extension)

    def solver(self) -> FiniteDifference:
        return FiniteDifference(points=self.points, order=self.order, levels=2)


# Few shapes of grids: what is compiled for one case serves the others.
CASES = [
    Case("linear_quadratic", {}, (21,)),
    Case("linear_quadratic", {"penalty": 0.3}, (21,), 2),
    Case("linear_quadratic", {"penalty": 0.5, "volatility": 0.1}, (21,), 6),
    Case("linear_quadratic", {"volatility": 0.05}, (21,), 1),
    Case("linear_quadratic", {"volatility": 0.6, "state_cost": 2.0}, (21,), 1),
    Case("linear_quadratic", {"penalty": 1.0, "feedback": -0.1}, (41,), 1),
    Case("linear_quadratic", {"control_cost": 4.0}, (41,), 1),
    Case("linear_quadratic", {"penalty": 2.0, "volatility": 1.0}, (41,)),
    Case("linear_quadratic", {"volatility": 0.0}, (21,), 2),
    Case("linear_quadratic", {"penalty": 0.2, "state_cost": 0.3}, (33,), 1),
    Case("linear_quadratic", {"feedback": 0.15, "control_cost": 0.5}, (33,)),
    Case("linear_quadratic", {}, (9, 9)),
    Case("linear_quadratic", {"penalty": 0.3}, (9, 9), 2),
    Case("linear_quadratic", {"penalty": 1.0, "volatility": 0.1}, (9, 9), 1),
    Case("linear_quadratic", {"volatility": 0.5, "coupling": 0.3}, (9, 9), 1),
    Case("linear_quadratic", {"penalty": 0.3, "volatility": 0.2}, (8, 8, 8)),
    Case("linear_quadratic", {"penalty": 1.0, "volatility": 0.2}, (8, 8, 8), 1),
    Case("ak_climate", {}, (9, 17)),
    Case("ak_climate", {}, (9, 25)),
    Case("ak_climate", {}, (9, 25), extension=0.5),
    Case("ak_climate", {}, (9, 25), extension=2.0),
    Case("ak_climate", {}, (9, 25), 2),
    Case("ak_climate", {}, (9, 25), 1),
    Case("ak_climate", {"penalty": 0.05, "quadratic": 0.008}, (9, 25)),
    Case("ak_climate", {"penalty": 0.05, "quadratic": 0.008}, (9, 25), extension=0.7),
    Case("ak_climate", {"penalty": 0.05, "quadratic": 0.008}, (9, 25), 2, extension=0.8),
    Case("ak_climate", {"penalty": 0.05, "quadratic": 0.008}, (9, 25), 1),
    Case("ak_climate", {"cost": 0.05}, (8, 8, 8)),
    Case("ak_climate", {"cost": 0.05}, (8, 8, 8), 2),
    Case("ak_climate", {"cost": 0.05}, (8, 8, 8), extension=0.6),
]


@functools.cache
def _truth(model: str, parameters: tuple, states: int) -> dict[str, np.ndarray]:
    """The exact quantities at the points of the region; margins do not matter to them."""
    problem = Case(model, dict(parameters), (8,) * states).problem()
    return quantities(problem, exact_value(problem.model), region_points(problem))


def ratios(case: Case) -> dict[str, tuple[float, float, float]]:
    """For each quantity the estimated over the true error (L2 and largest), and the true error."""
    problem = case.problem()
    reference = ab.validation.reference(problem, case.solver())
    points = region_points(problem)
    found = quantities(problem, reference.solution.value, points)
    truth = _truth(case.model, tuple(case.parameters.items()), len(case.points))
    out = {}
    for name, (l2, largest, _) in relative_errors(found, truth).items():
        estimate = reference.errors[name]
        out[name] = (_over(estimate.l2, l2), _over(estimate.largest, largest), l2)
    return out


def _over(estimate: float, error: float) -> float:
    return estimate / max(error, np.finfo(float).eps)


def rows() -> Iterator[tuple[Case, float, np.ndarray]]:
    """Each case, its largest true error, and all its ratios."""
    for case in CASES:
        found = ratios(case).values()
        yield (
            case,
            max(error for _, _, error in found),
            np.array([r for l2, largest, _ in found for r in (l2, largest)]),
        )


def main():
    print("| problem | points | order | largest true error (L2) | smallest ratio | median ratio |")
    print("|---|---|---|---|---|---|")
    every = []
    for case, error, found in rows():
        every.append(found)
        points = " × ".join(map(str, case.points))
        print(
            f"| {case} | {points} | {case.order} | {error:.1e} | {found.min():.1f} | {np.median(found):.1f} |",
            flush=True,
        )
    joined = np.concatenate(every)
    print(f"| all {len(joined)} errors of {len(every)} problems | | | | {joined.min():.1f} | {np.median(joined):.1f} |")


if __name__ == "__main__":
    main()
