"""Draw the optimal policy of each model, for its page and for the gallery: docs/figures/models/<model>.svg.

    python docs/figures/policies.py                     # every model, a few minutes on one core
    python docs/figures/policies.py net_zero ak_climate

Each model is solved on two small grids, or on one if its solution is exact. The title of a panel states the largest difference
between both policies, or between policy and exact solution, relative to the largest value of the control.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

import abatax as ab
from abatax.scenarios import new_panel, save_panel
from abatax.scenarios.figures._style import AVERSE, NEUTRAL, dress
from abatax.solvers import FiniteDifference, fields_at
from abatax.validation import exact_value

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import dice as dice_cases
import net_zero as net_zero_cases
import two_capital as two_capital_cases

FOLDER = Path(__file__).parent / "models"
HEIGHT = 2.4  # inches
POINTS = 121

LABELS = {
    "emissions": "emissions, GtC/yr",
    "emissions_1": "emissions of region 1, GtC/yr",
    "control": "control, 1/yr",
    "investment": "investment per unit of capital, 1/yr",
    "research": "research per unit of capital, 1/yr",
    "exploration": "exploration per unit of capital, 1/yr",
    "dirty_investment": "investment per unit of dirty capital, 1/yr",
    "green_investment": "investment per unit of green capital, 1/yr",
    "intensity_reduction": "reduction of carbon intensity, share of dirty output",
    "abatement": "abatement, share of emissions",
    "savings": "savings, share of net output",
}
STATES = {
    "state": "state",
    "temperature": "temperature above 1850-1900, °C",
    "cumulative_emissions": "cumulative emissions, GtC",
    "log_capital_ratio": "log ratio of green to dirty capital",
    "log_knowledge": "log knowledge",
}


class Case(NamedTuple):
    """A model with two grids, or one if the model has an exact solution, and what is drawn."""

    make: Callable[[], Any]
    state: str
    controls: tuple[str, ...]
    points: tuple[Any, ...]
    second: Callable[[], Any] | None = None
    names: tuple[str, ...] = ("",)
    options: dict[str, Any] = {}
    range: tuple[float, float] | None = None  # of the state; the region of interest if left out


def averse(name: str, shocks: float, climate: float) -> Callable[[], Any]:
    penalties = {"ambiguity.shocks": shocks, "ambiguity.jumps": shocks, "ambiguity.climate": climate}
    return lambda: ab.models.configure(name, penalties)


def default(name: str) -> Callable[[], Any]:
    return lambda: ab.models.default_model(name)


PLANNERS = ("ambiguity averse", "neutral")
CASES = {
    "linear_quadratic": Case(default("linear_quadratic"), "state", ("control",), (41,)),
    "ak_climate": Case(default("ak_climate"), "temperature", ("emissions",), ((7, 31, 19),)),
    "multi_region": Case(default("multi_region"), "temperature", ("emissions_1",), ((21, 13, 13),)),
    "uncertain_damages": Case(
        averse("uncertain_damages", 1.0, 0.01),
        "temperature",
        ("emissions",),
        (81, 161),
        default("uncertain_damages"),
        PLANNERS,
    ),
    "two_layer_climate": Case(
        averse("two_layer_climate", 1.0, 0.01), "temperature", ("emissions",), ((31, 13), (61, 25))
    ),
    "abatement_technology": Case(
        default("abatement_technology"), "temperature", ("emissions", "investment"), ((13, 61), (25, 61))
    ),
    "knowledge_capital": Case(
        default("knowledge_capital"), "temperature", ("emissions", "research"), ((7, 13, 7), (7, 31, 9))
    ),
    "fossil_reserves": Case(
        lambda: ab.models.configure("fossil_reserves", {"ambiguity.climate": 1 / 4000}),
        "cumulative_emissions",
        ("emissions",),
        ((25, 21, 7), (25, 41, 7)),
        default("fossil_reserves"),
        PLANNERS,
    ),
    "two_capital": Case(
        two_capital_cases.settled,
        "log_capital_ratio",
        ("dirty_investment", "green_investment"),
        ((11, 13, 11), (13, 17, 13)),
        options={"leaning": True},
    ),
    "net_zero": Case(
        net_zero_cases.settled,
        "log_capital_ratio",
        ("green_investment", "intensity_reduction"),
        ((13, 17, 13), (17, 33, 13)),
        options={"leaning": True},
    ),
}


def line(problem: Any, case: Case) -> np.ndarray:
    """States along which the policy is drawn: the state of the figure over its region, the others at the start."""
    names = list(problem.model.states._fields)
    start = np.asarray([float(x) for x in problem.model.initial_state()])
    low, high = case.range or problem.region[names.index(case.state)]
    points = np.tile(start, (POINTS, 1))
    points[:, names.index(case.state)] = np.linspace(low, high, POINTS)
    return points


def policies(make: Callable[[], Any], case: Case) -> tuple[np.ndarray, list[dict[str, np.ndarray]]]:
    """Axis and policies on successively finer grids; the last is the exact policy if the model has one."""
    problem = ab.HJBProblem(make())
    points = line(problem, case)
    found = []
    for grid in case.points:
        solution = ab.solve(problem, FiniteDifference(points=grid, **case.options))
        found.append(solution.on(jnp.asarray(points)))
    exact = exact_value(problem.model)
    if exact is not None:
        found.append(fields_at(problem, exact, jnp.asarray(points)))
    return points[:, list(problem.model.states._fields).index(case.state)], found


def draw(name: str, case: Case) -> None:
    panel = new_panel(len(case.controls), HEIGHT, columns=len(case.controls))
    errors = dict.fromkeys(case.controls, 0.0)
    has_exact = False
    planners = [make for make in (case.make, case.second) if make is not None]
    for make, planner, (colour, style) in zip(
        planners, case.names, ((AVERSE, "solid"), (NEUTRAL, (0, (5, 2)))), strict=False
    ):
        axis, found = policies(make, case)
        has_exact = exact_value(make()) is not None
        for ax, control in zip(panel.axes, case.controls, strict=True):
            best, other = found[-1][control], found[-2][control]
            errors[control] = max(errors[control], float(np.max(np.abs(best - other)) / np.max(np.abs(best))))
            ax.plot(axis, other if has_exact else best, color=colour, ls=style, label=planner)
            if has_exact:
                ax.plot(axis[::12], best[::12], "o", ms=4, mfc="none", color=NEUTRAL, label="exact solution")
    source = "from the exact solution" if has_exact else "between two grids"
    for ax, control in zip(panel.axes, case.controls, strict=True):
        dress(ax, f"{LABELS[control]}\nlargest difference {source}: {errors[control]:.0e}", whole=False)
        ax.set_xlabel(STATES[case.state], fontsize=8.5)
    if len(planners) > 1 or has_exact:
        panel.axes[0].legend(frameon=False, fontsize=7.5)
    store(panel, name)


def draw_paths(name: str, paths: dict[str, tuple[np.ndarray, np.ndarray]], label: str) -> None:
    """A quantity over time, for models of a single path."""
    panel = new_panel(1, HEIGHT)
    styles = ((AVERSE, "solid"), (NEUTRAL, (0, (5, 2))))
    for (words, (years, values)), (colour, style) in zip(paths.items(), styles, strict=False):
        shown = years <= 2120
        panel.axes[0].plot(years[shown], values[shown], color=colour, ls=style, label=words)
    dress(panel.axes[0], label)
    panel.axes[0].set_xlabel("year", fontsize=8.5)
    if len(paths) > 1:
        panel.axes[0].legend(frameon=False, fontsize=7.5)
    store(panel, name)


def abatement(model: Any) -> tuple[np.ndarray, np.ndarray]:
    data = ab.solve(model).to_dataset()
    return data.year.values, data.abatement.values


def without_time_steps(generator: str) -> tuple[np.ndarray, np.ndarray]:
    """Social cost of carbon of the continuous model relative to the model in periods, in %, at the years of the periods."""
    periods = ab.solve(ab.models.Dice2016()).to_dataset()
    cost = dice_cases.continuous(generator)[0, : len(periods.year)]
    return periods.year.values, 100.0 * (cost / periods.scc.values - 1.0)


def store(panel: Any, name: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    _, raster = save_panel(panel, FOLDER, name)
    raster.unlink()  # the site uses the vector graphic
    shorten(FOLDER / f"{name}.svg")
    print(f"{name}: {(FOLDER / f'{name}.svg').stat().st_size / 1024:.0f} kB", flush=True)


def shorten(path: Path) -> None:
    """Coordinates of curves with two decimals, which is finer than a pixel."""
    text = path.read_text(encoding="utf-8")
    curve = re.compile(r'(?<= d=")[^"]*')
    decimals = re.compile(r"-?\d+\.\d{3,}")
    path.write_text(curve.sub(lambda d: decimals.sub(lambda x: f"{float(x[0]):.2f}", d[0]), text), encoding="utf-8")


def main() -> None:
    names = sys.argv[1:] or [*CASES, "dice2016", "dice2016_continuous", "dice2023"]
    for name in names:
        if name in CASES:
            draw(name, CASES[name])
        elif name == "dice2016":
            draw_paths(name, {"optimum": abatement(ab.models.Dice2016())}, LABELS["abatement"])
        elif name == "dice2023":
            limits = {"cbopt": "optimum", "t2c": "at most 2 °C"}
            lines = {words: abatement(ab.models.Dice2023(scenario=key)) for key, words in limits.items()}
            draw_paths(name, lines, LABELS["abatement"])
        else:
            variants = {"variant D (logarithm)": "logarithm", "variant A (euler)": "euler"}
            lines = {words: without_time_steps(generator) for words, generator in variants.items()}
            draw_paths(name, lines, "social cost of carbon,\ndifference from steps of five years, %")


if __name__ == "__main__":
    main()
