"""Neural solvers: closed form, stabilising root, exact resumption, recovery, rejection of false roots."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from helpers import TIME, errors

import abatax as ab
from abatax.neural_operators import MLP
from abatax.solvers import RESULTS, DeepGalerkin, GaussNewton, PolicyIteration, result_name
from abatax.solvers.collocation import CollocationWorkspace, family_at
from abatax.solvers.neural import first_basis, kinks_of, labels_of, losses, make_optimizer, pool_of
from abatax.solvers.solution import box_map
from abatax.validation import quantities, region_points, relative_errors

MODEL = ab.models.LinearQuadratic()
AVERSE = ab.models.LinearQuadratic(ambiguity=ab.models.Ambiguity.from_penalties(shocks=0.3))
# Small and short: compiled once for all tests.
GAUSS = GaussNewton(parameters=60, points=64, steps=40, resample=5)
ADAM = DeepGalerkin(parameters=60, points=64, steps=30, inner=40, batch=64, learning_rate=5e-3)
TURNS = PolicyIteration(parameters=60, points=64, steps=30, inner=40, batch=64, learning_rate=5e-3)
# Relative error of the control that each must reach; a constant control has an error of 1.
REACH = {"gauss_newton": (GAUSS, 2e-3), "deep_galerkin": (ADAM, 1e-2), "policy_iteration": (TURNS, 3e-2)}


@pytest.mark.parametrize("model", [MODEL, AVERSE], ids=["neutral", "averse"])
@pytest.mark.parametrize("name", REACH)
@pytest.mark.representative("gauss_newton-neutral")
def test_reaches_the_closed_form(name, model):
    solver, most = REACH[name]
    found = errors(ab.solve(ab.HJBProblem(model), solver, throw=False))
    assert found["control"] < most and found["slope_state"] < most


@pytest.mark.parametrize("name", REACH)
@pytest.mark.representative("gauss_newton")
def test_every_seed_finds_the_stabilising_root(name):
    solver, _ = REACH[name]
    solver = dataclasses.replace(solver, steps=10 if name == "gauss_newton" else 4)
    for seed in range(10):
        solution = ab.solve(ab.HJBProblem(MODEL), solver, key=jr.key(seed), throw=False)
        assert errors(solution)["control"] < 0.1  # that of the other root is 41.5
        pull = float(solution.policy(TIME, MODEL.initial_state()).control)
        assert -1.5 < pull < -0.7  # the exact one is -1.025


@pytest.mark.parametrize("name", REACH)
@pytest.mark.representative("gauss_newton")
def test_a_resumed_training_is_the_same_to_the_last_bit(name, tmp_path):
    solver = dataclasses.replace(REACH[name][0], steps=6, resample=2, sampling="trajectories")
    problem = ab.HJBProblem(MODEL)
    whole = ab.solve(problem, solver, throw=False)
    start = whole.stats["steps_monotone"] + 1
    ab.solve(problem, solver, max_steps=start + 3, throw=False, checkpoint=tmp_path)
    seen = []
    again = ab.solve(problem, solver, throw=False, checkpoint=tmp_path, watch=lambda w: seen.append(w.step))
    assert seen[0] == start + 4
    for one, other in zip(jax.tree.leaves(whole.value), jax.tree.leaves(again.value), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_the_estimated_error_belongs_to_the_returned_networks():
    errors_by_step = []
    solver = dataclasses.replace(ADAM, learning_rate=0.1, schedule="constant", resample=1, steps=8, tolerance=1e-12)
    solution = ab.solve(
        ab.HJBProblem(MODEL),
        solver,
        max_steps=solver.most_steps,
        throw=False,
        watch=lambda w: errors_by_step.append((float(w.finish.args[1].error), w.finish().stats["unresolved"])),
    )
    found = np.array([pair for pair in errors_by_step if np.isfinite(pair[0])])
    np.testing.assert_array_equal(found[:-1, 1], np.minimum.accumulate(found[:-1, 0]))
    # at the end all residuals in the box count, and add up along the paths
    assert solution.stats["unresolved"] == found[-1, 1] >= found[:-1, 0].min() < found[:-1, 0].max()


@pytest.mark.slow
def test_long_trainings_take_all_their_steps(monkeypatch):
    monkeypatch.setattr("abatax.solvers.base._solver.MOST_STEPS", 8)
    long = dataclasses.replace(ADAM, steps=15, start=0, tolerance=1e-12)
    solution = ab.solve(ab.HJBProblem(MODEL), long, throw=False)
    assert solution.stats["steps_training"] == 15 and long.most_steps == 23


def test_training_recovers_from_infinite_networks():
    wild = dataclasses.replace(ADAM, learning_rate=1e200, steps=4, resample=1)
    solution = ab.solve(ab.HJBProblem(MODEL), wild, throw=False)
    assert solution.stats["recoveries"] == 4
    assert np.isfinite(solution.value(TIME, MODEL.initial_state()))
    hopeless = ab.solve(ab.HJBProblem(MODEL), dataclasses.replace(wild, steps=40), throw=False)
    assert hopeless.result == RESULTS.nonfinite


@pytest.mark.parametrize("sampling", ["sobol", "uniform", "residual", "trajectories"])
def test_points_stay_in_the_box_and_change(sampling):
    solver = dataclasses.replace(GAUSS, steps=4, resample=2, sampling=sampling)
    seen = []
    solution = ab.solve(
        ab.HJBProblem(MODEL), solver, throw=False, watch=lambda w: seen.append(w.finish.args[1].interior)
    )
    (low, high), first, last = solution.problem.domain[0], seen[0], seen[-1]
    assert np.all((last >= low) & (last <= high)) and not np.array_equal(first, last)
    assert errors(solution)["control"] < 0.01


@pytest.mark.slow
def test_half_of_the_trajectories_start_at_the_initial_state_of_simulations():
    solver, seen = dataclasses.replace(GAUSS, points=512, steps=1, resample=1, sampling="trajectories"), []
    ab.solve(ab.HJBProblem(MODEL), solver, throw=False, watch=lambda w: seen.append(w.finish.args[1].interior))
    positions, start = np.ravel(seen[-1][::2]), float(MODEL.initial_state().state)
    resting = np.mean(positions == start)  # trajectories of length zero, one of twenty
    assert 0.01 < resting < 0.05
    assert np.mean(np.abs(positions - start) < 0.5) > np.mean(np.abs(np.ravel(seen[0][::2]) - start) < 0.5)


@pytest.mark.parametrize(
    "optimizer", ["soap", *(pytest.param(name, marks=pytest.mark.slow) for name in ("adamw", "muon", "lbfgs"))]
)
@pytest.mark.slow
def test_every_optimizer_lowers_the_residual(optimizer):
    solver = dataclasses.replace(ADAM, optimizer=optimizer, steps=5, resample=1)
    fitted = ab.solve(
        ab.HJBProblem(MODEL), dataclasses.replace(solver, learning_rate=1e-12, optimizer="adam"), throw=False
    )
    trained = ab.solve(ab.HJBProblem(MODEL), solver, throw=False)
    assert trained.stats["unresolved"] < 0.6 * fitted.stats["unresolved"]


def test_soap_is_more_accurate_than_adam_in_a_rotated_problem():
    # the mean square of A W B - T with A and B turned and of condition 300: diagonal in the bases that SOAP finds
    turns = [np.linalg.qr(np.random.default_rng(k).normal(size=(6, 6)))[0] for k in range(4)]
    left, right = (turns[k] * np.logspace(0, -2.5, 6) @ turns[k + 1].T for k in (0, 2))
    target = left @ np.ones((6, 6)) @ right

    def loss(w):
        return jnp.mean(jnp.square(left @ w @ right - target))

    def final_loss(name):
        rule, w = make_optimizer(name), jnp.zeros((6, 6))
        moments = rule.init(w)

        @jax.jit
        def step(carry, rate):
            w, moments = carry
            move, moments = rule.update(jax.grad(loss)(w), moments, w)
            return (w + rate * move, moments), loss(w)

        with jax.numpy_dtype_promotion("standard"):
            return float(jax.lax.scan(step, (w, moments), jnp.linspace(0.05, 0.0, 400))[1][-1])

    assert final_loss("soap") < 0.1 * final_loss("adam")


def test_a_short_time_step_changes_the_value_little():
    solver, problem = dataclasses.replace(GAUSS, steps=1, resample=1), ab.HJBProblem(MODEL)

    def moved(time_step):
        seen = []
        ab.solve(problem, dataclasses.replace(solver, time_step=time_step), throw=False, watch=seen.append)
        points = np.asarray(region_points(problem, 64))
        fitted, trained = (family_at(w.problem, w.finish().value, points) for w in seen[-2:])
        return np.max(np.abs(fitted - trained))

    whole = moved(0.0)
    assert moved(1e-3) < 1e-2 * whole
    np.testing.assert_allclose(moved(1e7), whole, rtol=1e-6)  # so long a step is none


@pytest.mark.parametrize("name", REACH)
@pytest.mark.representative("gauss_newton")
def test_false_transients_end_at_the_closed_form(name):
    solver, most = REACH[name]
    solution = ab.solve(ab.HJBProblem(MODEL), dataclasses.replace(solver, time_step=5.0), throw=False)
    assert errors(solution)["control"] < 2.0 * most


def test_the_limit_in_seconds_ends_the_training():
    solution = ab.solve(ab.HJBProblem(MODEL), GAUSS, max_seconds=0.0, throw=False)
    assert solution.stats["steps"] == 0 and result_name(solution.result) == "max_seconds_reached"


@pytest.mark.slow
def test_without_a_start_a_false_root_is_not_accepted():
    # from a flat value the residual may lead to the second root of the Riccati equation, whose drift leaves the box
    for seed in range(4):
        solution = ab.solve(ab.HJBProblem(MODEL), dataclasses.replace(GAUSS, start=0), key=jr.key(seed), throw=False)
        right = errors(solution)["control"] < 0.01
        assert right or result_name(solution.result) != "successful"


class _Uphill(eqx.Module):
    """The slope of the root that does not stabilise."""

    def __call__(self, t, x):
        return 20.0 * x.state**2


def test_a_guess_on_a_false_root_is_not_accepted():
    solver = dataclasses.replace(GAUSS, start=0)
    solution = ab.solve(ab.HJBProblem(MODEL), solver, guess=_Uphill(), throw=False)
    assert errors(solution)["control"] < 0.01 or result_name(solution.result) != "successful"


@pytest.mark.slow
def test_one_network_represents_a_family():
    model = ab.models.UncertainDamages(damage_jump=ab.models.DamageJump(jnp.array([0.0, 0.1, 0.3])))
    solver = GaussNewton(parameters=100, points=48, steps=25)
    problem = ab.HJBProblem(model)
    after = ab.solve(problem, solver, throw=False).destinations[0]
    reference = ab.solve(problem).destinations[0]
    assert after.stats["unknowns"] < 200
    for m in range(3):
        points = region_points(problem, 64)
        one, other = (quantities(s.member(m).problem, s.member(m).value, points) for s in (after, reference))
        assert relative_errors(one, other)["emissions"][0] < 0.03


def test_labels_distinguish_members():
    rates = jnp.array([0.1, 0.2, 0.4])
    family = eqx.filter_vmap(lambda r: ab.models.LinearQuadratic(control_cost=r))(rates)
    labels = labels_of(family, 3)
    np.testing.assert_allclose(labels[:, 0], [-1.0, -1.0 / 3.0, 1.0], atol=1e-12)


def test_kinks_of_the_model_are_inputs_of_the_network():
    problem = ab.HJBProblem(ab.models.UncertainDamages())
    axes, places = kinks_of(problem, box_map(problem.region, problem.domain))
    (low, high), kink = problem.domain[0], problem.model.breakpoints()["temperature"][0]
    assert axes == (0,) and low < kink < high and -1.0 < places[0] < 1.0


@pytest.mark.slow
def test_a_value_is_the_asymptote_plus_the_network():
    # before damages are revealed what is known is what comes after, here a paraboloid for each of two outcomes
    jump = ab.models.DamageJump([0.0, 0.2], highest_rate=4.0)
    ambiguity = ab.models.Ambiguity.from_penalties(jumps=0.1)
    model = ab.models.NetZero(technology=None, damage_jump=jump, ambiguity=ambiguity)
    problem = ab.HJBProblem(model, continuations=(_bowls,))
    family = jax.tree.map(lambda leaf: leaf[None] if eqx.is_array(leaf) else leaf, problem)
    basis = first_basis(family, np.zeros((1, 0)), lambda _, n: MLP(n, width=4, depth=1, key=jr.key(0)), 64, 0.5)
    values, slopes, hessians = basis.differentiate(basis.start())
    one = jax.tree.map(lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, basis.value(basis.start()))
    at = problem.state(jnp.asarray(basis.points[5]))
    value, slope, hessian = eqx.filter_jit(lambda v, x: v.derivatives(TIME, x))(one, at)
    np.testing.assert_allclose(values[0, 5], value, rtol=1e-13)
    np.testing.assert_allclose(slopes[0, 5], slope, rtol=1e-12)
    np.testing.assert_allclose(hessians[0, 5], hessian, rtol=1e-12, atol=1e-12)
    x = model.initial_state()
    outcomes = np.asarray(_bowls(TIME, x))
    certain = -0.1 * np.log(np.mean(np.exp(-outcomes / 0.1)))
    known = eqx.filter_jit(lambda p, x: p.asymptote(TIME, x))(problem, x)
    np.testing.assert_allclose(known, certain, rtol=1e-13)
    np.testing.assert_allclose(
        model.ambiguity.jump_term(0, jnp.asarray(outcomes - certain), jump.prior), 0.0, atol=1e-15
    )


@pytest.mark.slow
def test_residuals_have_less_weight_where_jumps_are_likely():
    """By the root of the discount rate over it and the intensity; both kinds of training weigh the equation alike."""
    jump = ab.models.DamageJump([0.0, 0.2], highest_rate=4.0)
    model = ab.models.UncertainDamages(damage_jump=jump)
    problem = ab.HJBProblem(model, continuations=(_bowls,))
    family = jax.tree.map(lambda leaf: leaf[None] if eqx.is_array(leaf) else leaf, problem)
    basis = first_basis(family, np.zeros((1, 0)), lambda _, n: MLP(n, width=4, depth=1, key=jr.key(0)), 64, 0.5)
    at, unknowns, delta = CollocationWorkspace(family, 1, basis), basis.start(), 0.01
    local = at.evaluate(unknowns)
    weighed = at.levelled(local)
    expected = np.sqrt(delta / (delta + np.asarray(jax.vmap(jump.intensity)(jnp.asarray(basis.points[:, 0])))))
    assert expected.min() < 0.06 and expected.max() == 1.0
    np.testing.assert_allclose(weighed.residual, local.residual * expected, rtol=1e-10)
    np.testing.assert_allclose(weighed.drift, local.drift * expected[:, None], rtol=1e-10)
    lengths = jnp.asarray(np.ptp(problem.domain, axis=1))
    found = eqx.filter_jit(losses)(at.bare, basis.value(unknowns), pool_of(at), lengths)
    weights = basis.weights / np.sqrt(np.mean(basis.weights**2))
    square = np.mean((weights * weighed.residual / delta) ** 2)
    np.testing.assert_allclose(found.equation, square, rtol=1e-10)
    # of a step of a false transient all counts less
    step = at.levelled(local, 3.0, 0.5)
    np.testing.assert_allclose(step.residual, (local.residual - 1.5) * expected, rtol=1e-10)
    np.testing.assert_allclose(step.discount, (local.discount - 3.0) * expected, rtol=1e-10)


def test_the_asymptote_before_the_technology_is_the_discounted_value_after_it():
    """Where nothing moves until it comes, $0 = \\delta(b - a) + \\lambda(V - a)$."""
    model = ab.models.NetZero(technology=ab.models.FixedHazard(rate=0.03), damage_jump=None)
    x, delta = model.initial_state(), model.preferences.discount_rate
    problem = ab.HJBProblem(model, continuations=(lambda t, x: jnp.stack([_bowls(t, x)[0]]),))
    alone = model.asymptote(TIME, x)
    known = eqx.filter_jit(lambda p, x: p.asymptote(TIME, x))(problem, x)
    gains = jnp.stack([_bowls(TIME, x)[0]]) - known
    flow = delta * (alone - known) + 0.03 * model.ambiguity.jump_term(0, gains, jnp.ones(1))
    np.testing.assert_allclose(flow, 0.0, atol=1e-12)
    assert abs(known - alone) > 1.0


@pytest.mark.slow
def test_the_remainder_before_the_technology_matters_until_its_arrival():
    """$V - a = \\delta(\\tilde b - b)/(\\delta + \\lambda)$ with $\\tilde b$ instead of $b$, and networks learn $\\tilde b - b$."""
    model, delta = ab.models.NetZero(technology=ab.models.NetZero.knowledge(), damage_jump=None), 0.01
    problem = ab.HJBProblem(model, continuations=(lambda t, x: jnp.stack([_bowls(t, x)[0]]),))
    family = jax.tree.map(lambda leaf: leaf[None] if eqx.is_array(leaf) else leaf, problem)
    basis = first_basis(family, np.zeros((1, 0)), lambda _, n: MLP(n, width=4, depth=1, key=jr.key(0)), 64, 0.5)
    rate = np.exp(basis.points[:, list(model.states._fields).index("log_knowledge")]) / 746.67
    scale = delta / (delta + rate)
    at = CollocationWorkspace(family, 1, basis)
    values = at.known.value + scale * 3.0
    np.testing.assert_allclose(at.known.remainder_scale[0], scale, rtol=1e-12)
    np.testing.assert_allclose(at.remainder(values) - at.remainder(at.known.value), 3.0, rtol=1e-9)
    basis = basis.scaled(np.array([3.0]), np.array([0.0]), np.zeros((1, 5)))
    np.testing.assert_allclose(basis.values_at(basis.start(), basis.points), values, rtol=1e-12)


def _bowls(t, x):
    z = jnp.stack(x)
    return jnp.stack([jnp.sum(z**2), jnp.sum(z**2) - 0.5 * x.temperature])


@pytest.mark.parametrize(
    ("cls", "options", "message"),
    [
        (GaussNewton, {"architecture": "mpl"}, "mlp"),
        (GaussNewton, {"sampling": "random"}, "solver.sampling"),
        (GaussNewton, {"focus": 1.0}, "solver.focus"),
        (GaussNewton, {"steps": 0}, "solver.steps"),
        (GaussNewton, {"tolerance": 0.0}, "solver.tolerance"),
        (DeepGalerkin, {"optimizer": "sgd"}, "solver.optimizer"),
        (DeepGalerkin, {"schedule": "linear"}, "solver.schedule"),
        (DeepGalerkin, {"learning_rate": 0.0}, "solver.learning_rate"),
        (DeepGalerkin, {"batch": 0}, "solver.batch"),
        (PolicyIteration, {"method": "pia"}, "solver.method"),
        (PolicyIteration, {"optimizer": "lbfgs"}, "take turns"),
    ],
)
def test_invalid_options_are_named(cls, options, message):
    with pytest.raises(ValueError, match=message):
        cls(**options)
