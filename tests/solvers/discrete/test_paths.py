"""Paths in discrete time: the optimiser on problems with a known answer, the verbs, the files, the command line."""

import json
from typing import ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import xarray as xr
from typer.testing import CliRunner

import abatax as ab
from abatax.cli import app
from abatax.models import AbstractDiscreteModel, AbstractPeriod, DiscreteProblem, Dynamics, PeriodOutcome, Variable
from abatax.solvers.discrete import InteriorPointLoop, Local, Program


class Stock(NamedTuple):
    wealth: object


class Eating(NamedTuple):
    consumption: object


class Given(NamedTuple):
    weight: object


class EatingPeriod(AbstractPeriod):
    def __call__(self, given, x, u, pulse):
        wealth = x.wealth - u.consumption + pulse
        seen = {"left": wealth}
        return PeriodOutcome(Stock(wealth), given.weight * jnp.log(u.consumption), given.weight / u.consumption, seen)


class Cake(AbstractDiscreteModel):
    """Eat a cake of one with discounted log utility: in closed form the shares of the weights."""

    periods: ClassVar[int] = 8
    price_year: ClassVar[int] = 2020
    name: ClassVar[str] = "cake"
    floor: float = 0.0

    @property
    def states(self):
        return Stock(Variable("wealth", "1"))

    @property
    def controls(self):
        return Eating(Variable("consumption", "1", 0.0, 1.0))

    @property
    def observable_variables(self):
        return {"left": Variable("wealth left", "1")}

    def dynamics(self):
        weight = 0.8 ** jnp.arange(8.0)
        return Dynamics(EatingPeriod(), Given(weight), Stock(jnp.ones(())), jnp.zeros(()), ("left",))

    def control_bounds(self):
        return Eating(jnp.full(8, 1e-6)), Eating(jnp.ones(8))

    def path_bounds(self):
        # at least the floor is left after the third period
        return {"left": (jnp.zeros(8).at[2].set(self.floor), jnp.full(8, 2.0))}

    def first_controls(self):
        return Eating(jnp.full(8, 0.1))


def test_a_cake_is_eaten_in_the_shares_of_the_weights():
    path = ab.solve(Cake())
    weight = 0.8 ** np.arange(8)
    np.testing.assert_allclose(path.controls.consumption, weight / weight.sum(), rtol=1e-10)
    assert path.converged and path.stats["error"] < 1e-12


def test_a_limit_along_the_path_splits_the_cake_and_its_price_is_the_derivative():
    weight, floor = 0.8 ** np.arange(8), 0.6
    path = ab.solve(Cake(floor=floor))
    early, late = weight[:3] / weight[:3].sum() * (1 - floor), weight[3:] / weight[3:].sum() * floor
    np.testing.assert_allclose(path.controls.consumption, np.concatenate([early, late]), rtol=1e-9)
    price = weight[:3].sum() / (1 - floor) - weight[3:].sum() / floor
    np.testing.assert_allclose(path.multipliers["left"][2], -price, rtol=1e-8)  # negative at a lower limit


@pytest.mark.parametrize("seed", range(4))
def test_concave_quadratics_with_bounds_and_limits(seed):
    # against scipy's SLSQP, which shares no code
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((6, 6))
    matrix, centre, rows = root @ root.T + np.eye(6), 2.0 * rng.standard_normal(6), rng.standard_normal((2, 6))

    def value(x):
        return 0.5 * (x - centre) @ matrix @ (x - centre)

    def derivatives(x, y):
        del y
        return Local(value(x), rows @ x, matrix @ (x - centre), rows, matrix)

    low, high = -np.ones(6), np.ones(6)
    limits = -0.5 * np.ones(2), 0.5 * np.ones(2)
    groups = np.zeros(6, dtype=int), np.zeros(2, dtype=int)
    program = Program(lambda x: (value(x), rows @ x), derivatives, low, high, *limits, *groups)
    loop = InteriorPointLoop(program, np.zeros(6))
    while loop.error > 1e-9 and loop.steps < 100:
        loop.step()
    found = loop.optimum()
    sides = [{"type": "ineq", "fun": lambda x, s=s: 0.5 + s * rows @ x} for s in (1, -1)]
    expected = scipy.optimize.minimize(
        value, np.zeros(6), bounds=list(zip(low, high, strict=True)), constraints=sides, method="SLSQP", tol=1e-14
    )
    assert np.any(np.abs(expected.x) > 1 - 1e-6)  # some bound holds
    np.testing.assert_allclose(found.x, expected.x, atol=1e-6)
    assert found.exact and found.error < 1e-10


def test_too_few_steps_are_a_result_code():
    path = ab.solve(ab.models.Dice2016(), max_steps=2, throw=False)
    assert not path.converged and "max_steps" in path.advice
    with pytest.raises(ab.solvers.SolverError):
        ab.solve(ab.models.Dice2016(), max_steps=2)


@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda: ab.solve(ab.models.Dice2016(), ab.solvers.FiniteDifference()),
            ["`solver` is FiniteDifference", "dice2016"],
        ),
        (lambda: ab.solve(ab.models.LinearQuadratic(), ab.solvers.InteriorPoint()), ["`solver` is InteriorPoint"]),
        (lambda: ab.solve("dice2016"), ["`problem` is str"]),
        (lambda: ab.solvers.InteriorPoint(tolerance=0.0), ["solver.tolerance", "> 0"]),
        (lambda: ab.solvers.follow(DiscreteProblem(Cake()), Eating(jnp.ones(3))), ["`consumption`", "(3,)", "8"]),
        (lambda: DiscreteProblem(Cake(), low=Eating(jnp.full(8, 2.0))), ["`consumption` in 2015", "low 2", "high 1"]),
    ],
)
def test_what_is_wrong_is_named(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def test_a_path_is_saved_and_read_back(tmp_path):
    path = ab.solve(ab.models.Dice2016())
    run = ab.save(path, tmp_path, solver=ab.solvers.InteriorPoint())
    again, read = ab.load(tmp_path)
    assert run["converged"] and read["solver"]["name"] == "interior_point" and again.converged
    np.testing.assert_allclose(again.welfare, path.welfare, rtol=1e-14)
    xr.testing.assert_allclose(again.to_dataset(), path.to_dataset(), rtol=1e-12)


# -- the command line -------------------------------------------------------------------------------------------


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_solve_simulate_export(tmp_path):
    folder = tmp_path / "run"
    result = call("solve", "dice2023", "--set", "scenario=t2c", "--out", folder)
    assert result.exit_code == 0, result.output + result.stderr
    run = json.loads((folder / "run.json").read_text())
    needed = "model parameters solver seed versions command converged iterations residual_rms residual_max seconds"
    assert set(needed.split()) | {"compile_seconds", "platform", "welfare"} <= set(run)
    assert run["parameters"]["scenario"] == "t2c" and run["converged"]
    with xr.open_dataset(folder / "solution.nc") as data:
        assert dict(data.sizes) == {"year": 81} and data.attrs["price_year"] == 2019
        assert all(v.attrs["units"] and v.attrs["long_name"] for v in data.variables.values())
        np.testing.assert_allclose(data.emissions, data.emissions_co2 * 12 / 44, rtol=1e-12)
        emissions = data.emissions_co2.sel(year=2050).item()
    assert call("simulate", folder, "--years", 80).exit_code == 0
    with xr.open_dataset(folder / "paths.nc") as data:
        assert dict(data.sizes) == {"realization": 1, "year": 17}
    worst = call("simulate", folder, "--measure", "worst-case")
    assert worst.exit_code == 2 and "is deterministic" in worst.stderr and not (folder / "paths_worst_case.nc").exists()
    assert call("export", folder).exit_code == 0
    with open(folder / "scenario.csv") as file:
        text = file.read()
    assert "Emissions|CO2" in text and f"{emissions * 1000:.6f}"[:8] in text
    html = call("export", folder, "--format", "html")
    assert html.exit_code == 2 and "dice2023" in html.stderr


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["solve", "dice2023", "--set", "scenario=t2"], ["scenario", "t2", "cbopt", "r1"]),
        (["solve", "dice2023", "--set", "scenario=t15c"], ["t15c", "not offered"]),
        (["solve", "dice2016", "--set", "box.capital=1,2"], ["box.capital", "dice2016"]),
        (["solve", "dice2016", "--set", "economy.depreciation=2"], ["economy.depreciation", "2"]),
        (["solve", "dice2016", "--set", "solver.tolerance=0"], ["solver.tolerance", "> 0"]),
        (["solve", "dice2016", "--solver", "spectral"], ["Spectral", "dice2016", "InteriorPoint"]),
        (["solve", "ak_climate", "--solver", "interior_point"], ["InteriorPoint", "ak_climate"]),
        (["solve", "dice2016", "--reference"], ["--reference", "dice2016", "path"]),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call(*arguments)
    assert result.exit_code == 2 and len(result.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in result.stderr
    assert list(tmp_path.iterdir()) == []
