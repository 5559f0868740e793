"""The figure of the README and of the home page: a policy, its estimated error, and the size of the effects it is used to measure.

    python docs/figures/policy_with_error.py     # writes docs/figures/policy_with_error.svg, in about one minute

The error at a state is estimated with the factor of docs/accuracy.md: 2.5 times the change on a grid with half the cells plus the
change in a larger box, each the largest within 0.1 degC, because a difference of two solutions may vanish at a state by chance.
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
from scipy.ndimage import maximum_filter1d

import abatax as ab
from abatax.scenarios.figures._style import AVERSE, INK, NEUTRAL, REFERENCE, dress

TEMPERATURES = np.linspace(0.0, 2.5, 126)  # degC, the region of interest of `uncertain_damages`
POINTS = 161
AMBIGUITY = {"shocks": 1.0, "jumps": 1.0, "climate": 0.01}


def emissions(problem: ab.HJBProblem, points: int) -> np.ndarray:
    """Optimal emissions (GtC/yr) before the damage function is known, along the temperature."""
    solution = ab.solve(problem, ab.solvers.FiniteDifference(points=points))
    return np.asarray(solution.on(jnp.asarray(TEMPERATURES[:, None]))["emissions"])


def with_error(ambiguity: ab.models.Ambiguity) -> tuple[np.ndarray, np.ndarray]:
    """Optimal emissions and their estimated error at each temperature."""
    problem = ab.HJBProblem(ab.models.UncertainDamages(ambiguity=ambiguity))
    optimal = emissions(problem, POINTS)
    grid = np.abs(emissions(problem, (POINTS + 1) // 2) - optimal)
    domain = np.abs(emissions(ab.validation.enlarged(problem), POINTS) - optimal)
    return optimal, ab.validation.SAFETY * (maximum_filter1d(grid, 11) + maximum_filter1d(domain, 11))


def main() -> None:
    averse, error = with_error(ab.models.Ambiguity.from_penalties(**AMBIGUITY))
    neutral, neutral_error = with_error(ab.models.Ambiguity())
    constant = np.full_like(averse, averse.mean())  # the constant with the least mean square error
    effect = np.abs(neutral - averse)

    panel = ab.scenarios.new_panel(2, columns=2, height=2.9)
    levels, errors = panel.axes
    levels.fill_between(TEMPERATURES, averse - error, averse + error, color=AVERSE, alpha=0.4, linewidth=0)
    for curve, colour, line, name, at, shift in (
        (averse, AVERSE, "solid", "averse to ambiguity\n(error within the line)", 0.9, (-2, -30)),
        (neutral, NEUTRAL, (0, (5, 2)), "neutral", 0.35, (5, 5)),
        (constant, REFERENCE, (0, (3, 1, 1, 1)), "best constant", 2.5, (-2, 4)),
    ):
        levels.plot(TEMPERATURES, curve, color=colour, linestyle=line)
        place = (at, float(np.interp(at, TEMPERATURES, curve)))
        side = "left" if name == "neutral" else "right"
        levels.annotate(
            name, place, shift, textcoords="offset points", color=colour, fontsize=7.5, ha=side, linespacing=1.1
        )
    levels.set_ylim(0.0, None)
    dress(levels, "optimal emissions (GtC/yr)", whole=False)

    for curve, colour, line, name, at, up in (
        (np.abs(constant - averse), REFERENCE, (0, (3, 1, 1, 1)), "best constant policy", 2.05, 6),
        (effect, NEUTRAL, (0, (5, 2)), "effect of ambiguity aversion", 1.05, -13),
        (error, AVERSE, "solid", "estimated numerical error", 0.6, 5),
    ):
        errors.semilogy(TEMPERATURES, curve, color=colour, linestyle=line)
        height = float(np.interp(at, TEMPERATURES, curve))
        errors.annotate(
            name, (at, height), (0, up), textcoords="offset points", color=colour, fontsize=7.5, ha="center"
        )
    dress(errors, "distance from the averse policy (GtC/yr)", whole=False)
    from matplotlib.ticker import LogLocator

    errors.yaxis.set_major_locator(LogLocator())
    errors.set_ylim(1e-5, 3e1)
    for axes in panel.axes:
        axes.set_xlabel("temperature above 1850-1900 (degC)", color=INK, fontsize=8.5)

    print(f"largest error: {error.max():.1e} (averse), {neutral_error.max():.1e} (neutral) GtC/yr")
    print(f"effect of ambiguity: {effect.min():.2f} to {effect.max():.2f} GtC/yr")
    print(f"smallest effect / largest error: {effect.min() / max(error.max(), neutral_error.max()):.0f}")
    _, png = ab.scenarios.save_panel(panel, Path(__file__).parent, Path(__file__).stem)
    png.unlink()  # pages show the svg file


if __name__ == "__main__":
    main()
