"""Sensitivities by the adjoint: against closed forms and against solving again, and what is refused."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from helpers import distrusting, small_model, stabilising_root
from typer.testing import CliRunner

import abatax as ab
from abatax.cli import app
from abatax.models import Derivatives

FD = ab.solvers.FiniteDifference
TOLERANCE = 1e-4  # relative, against central differences of solves


def linear_quadratic(**fields):
    return small_model("linear_quadratic", distrusting("linear_quadratic"), **{"dimension": 1} | fields)


def changed(model, where, value, index=()):
    """The model with one entry of one array changed."""
    return eqx.tree_at(where, model, jnp.asarray(where(model)).at[index].set(value))


def solved_again(model, solver, where, read, step, index=()):
    """The central difference of a functional, from two solves."""
    start = float(where(model)[index])
    found = []
    for sign in (1.0, -1.0):
        other = ab.solve(changed(model, where, start + sign * step, index), solver)
        found.append(float(read_compiled(read, other.problem, other.value)))
    return (found[0] - found[1]) / (2.0 * step)


@eqx.filter_jit
def read_compiled(functional, problem, value):
    return functional(ab.solvers.Reader(problem, value))


def social_cost(read):
    return read().social_cost_of_carbon


@pytest.mark.parametrize("field", ["feedback", "state_cost", "control_cost", "volatility"])
def test_derivatives_of_the_riccati_solution(field):
    model, h = linear_quadratic(), 1e-5
    found = ab.sensitivities(ab.solve(model, FD(points=41))).derivative.sel(parameter=field)

    def exact(value):
        (root,), constant = stabilising_root(linear_quadratic(**{field: value}))
        cost = value if field == "control_cost" else float(model.control_cost)
        return np.array([-root[0] / cost, -0.5 * root[0] - constant])  # at the initial state, 1

    start = float(getattr(model, field))
    expected = (exact(start + h) - exact(start - h)) / (2.0 * h)
    assert np.allclose(found.sel(functional=["control", "welfare"]), expected, rtol=1e-7)


@pytest.fixture(scope="module")
def damages():
    """Three damage functions behind a jump, all three channels of ambiguity, kinks that two parameters move."""
    model, solver = small_model("uncertain_damages", distrusting("uncertain_damages")), FD(points=61, levels=2)
    return model, solver, ab.sensitivities(ab.solve(model, solver))


@pytest.mark.parametrize(
    ("name", "where", "index"),
    [
        ("preferences.discount_rate", lambda m: m.preferences.discount_rate, ()),
        ("climate.ensemble.values[0]", lambda m: m.climate.ensemble.values, 0),
        ("damages.quadratic", lambda m: m.damages.quadratic, ()),
        ("damages.threshold", lambda m: m.damages.threshold, ()),  # moves kinks after the jump, and where one lands
        ("damage_jump.curvatures[1]", lambda m: m.damage_jump.curvatures, 1),  # of a regime after the jump
        ("damage_jump.steepness", lambda m: m.damage_jump.steepness, ()),
        ("ambiguity.jumps", lambda m: m.ambiguity.jumps, ()),
    ],
)
@pytest.mark.slow
def test_solving_again_with_jumps_and_ambiguity(damages, name, where, index):
    model, solver, found = damages
    step = 3e-4 * float(where(model)[index])  # the error of a central difference is of second order in it
    expected = solved_again(model, solver, where, social_cost, step, index)
    assert float(found.derivative.sel(functional="scc", parameter=name)) == pytest.approx(expected, rel=TOLERANCE)


@pytest.mark.slow
def test_parameters_without_influence_have_none(damages):
    _, _, found = damages
    # growth of capital is split off: emissions and the social cost at the start do not know it
    assert np.all(np.abs(found.elasticity.sel(parameter="economy.growth", functional=["scc", "emissions"])) < 1e-9)
    # consumption prices the tonne, and is proportional to capital
    capital = found.sel(parameter="economy.initial_capital", functional="scc")
    assert float(capital.elasticity) == pytest.approx(1.0, rel=1e-9)


@pytest.mark.slow
def test_slopes_known_at_faces_depend_on_parameters():
    model, solver = ab.models.AKClimate(productivity=None), FD(points=(7, 31), levels=2)
    found = ab.sensitivities(ab.solve(model, solver)).derivative.sel(functional="welfare")

    def welfare(read):
        return read().value

    fields = {"emissions_share": lambda m: m.emissions_share, "economy.productivity": lambda m: m.economy.productivity}
    for name, where in fields.items():
        expected = solved_again(model, solver, where, welfare, 1e-3 * float(where(model)))
        assert float(found.sel(parameter=name)) == pytest.approx(expected, rel=TOLERANCE)


def test_a_functional_of_ones_own_at_another_state():
    solution = ab.solve(linear_quadratic(), FD(points=41))
    asked = {"gain": lambda read: read((2.0,)).control.control, "cost": lambda read: read.model.state_cost**2}
    found = ab.sensitivities(solution, asked).derivative
    default = ab.sensitivities(solution).derivative.sel(functional="control")
    # the control is linear in the state, and the initial state is 1
    assert np.allclose(found.sel(functional="gain"), 2.0 * default, rtol=1e-6, atol=1e-9)
    assert float(found.sel(functional="cost", parameter="state_cost")) == pytest.approx(2.0)


@pytest.mark.slow
def test_numerical_controls_have_the_derivative_of_the_closed_form():
    from abatax.solvers.sensitivity import smooth_control

    model = small_model("uncertain_damages", distrusting("uncertain_damages"), phase="after_damage")

    def emissions(control, rate):
        problem = ab.HJBProblem(changed(model, lambda m: m.preferences.discount_rate, rate))
        x, p, m = model.initial_state(), jnp.array([-20.0]), jnp.array([[-5.0]])
        return control(problem, x, Derivatives(jnp.array(0.0), p, m)).emissions

    def closed(problem, x, derivatives):
        return problem.best_control(jnp.zeros(()), x, derivatives)

    rate = jnp.asarray(0.01)
    # the closed form ends in a loop, which is differentiated forwards
    found = jax.grad(lambda r: emissions(smooth_control, r))(rate)
    expected = jax.jacfwd(lambda r: emissions(closed, r))(rate)
    assert float(found) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize(
    ("functionals", "word"),
    [
        ({}, "empty"),
        ({"mine": lambda read: read().costate}, "one real number"),
        ({"mine": lambda read: jnp.log(-read.model.state_cost)}, "nan"),
    ],
)
def test_functionals_that_are_none_are_refused(functionals, word):
    solution = ab.solve(linear_quadratic(), FD(points=21, levels=2))
    with pytest.raises(ValueError, match=word):
        ab.sensitivities(solution, functionals)


def test_solutions_that_cannot_be_differentiated_are_refused():
    with pytest.raises(ValueError, match="finite_difference"):
        ab.sensitivities(ab.solve(linear_quadratic(), ab.solvers.Spectral()))
    solver = FD(points=21, levels=2)
    unfinished = ab.solve(linear_quadratic(), solver, max_steps=2, throw=False)
    with pytest.raises(ValueError, match="converged"):
        ab.sensitivities(unfinished)
    coarse, fine = ab.solve(linear_quadratic(), solver), ab.solve(linear_quadratic(), FD(points=31, levels=2))
    moved = coarse.on_nodes_of(fine)
    other = eqx.tree_at(lambda s: s.problem.model.state_cost, moved, jnp.asarray(1.1))
    with pytest.raises(ValueError, match="residual"):
        ab.sensitivities(other)


def call(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_the_command_writes_the_table_and_the_figure(tmp_path):
    small = ["--set", "solver.points=21", "--set", "solver.levels=2"]
    done = call("solve", "linear_quadratic", "--sensitivities", *small, "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output + done.stderr
    table = pd.read_csv(tmp_path / "run" / "sensitivities.csv")
    assert set(table["functional"]) == {"control", "welfare"}
    row = table[(table["functional"] == "control") & (table["parameter"] == "feedback")].iloc[0]
    assert row["elasticity"] == pytest.approx(row["derivative"] * row["value"] / row["functional_value"])
    assert (tmp_path / "run" / "sensitivities.png").stat().st_size > 5000
    again = call("solve", "linear_quadratic", "--sensitivities", *small, "--out", tmp_path / "run")
    assert again.exit_code == 2 and "--force" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("linear_quadratic", "--solver", "spectral"), "finite_difference"),
        (("dice2016",), "HJB equation"),
        (("linear_quadratic", "--reference"), "cannot be combined"),
    ],
)
def test_what_cannot_be_had_is_one_line_and_nothing_is_written(tmp_path, arguments, word):
    done = call("solve", *arguments, "--sensitivities", "--out", tmp_path / "run")
    assert done.exit_code == 2 and word in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_graded_grids_are_rebuilt_as_they_were():
    gain = {"gain": lambda read: read((1.0,)).control.control}
    solve = lambda grading: ab.solve(
        ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21, levels=1, grading=grading)
    )
    even, graded = (ab.sensitivities(solve(grading), gain).derivative for grading in (1.0, 0.4))
    np.testing.assert_allclose(graded, even, atol=1e-8)  # a quadratic is exact on either
