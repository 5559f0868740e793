"""States without noise whose drift has one sign: recognised, and marched with one-sided stencils."""

from typing import ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import at_states
from jaxtyping import Array, Float
from scipy.integrate import solve_ivp

import abatax as ab
from abatax.models import (
    AbstractPreferences,
    Ambiguity,
    ClosedFormControl,
    Growth,
    HJBProblem,
    Inflow,
    TimeAdditive,
    Variable,
)
from abatax.models.base import Point
from abatax.solvers.equation import time_like_states
from abatax.solvers.grid import downstream, make_axis
from abatax.solvers.solution import reshape_leading


class StockGap(NamedTuple):
    stock: object
    gap: object


class Extraction(NamedTuple):
    extraction: object


class Depletion(ClosedFormControl):
    r"""Extraction adds to a stock that harms, beside a mean-reverting gap.

    $\delta V = \max_e \eta\log e - \tfrac c2s^2 + \cos z \pm V_se - \kappa zV_z + \tfrac12\sigma^2V_{zz}$ is separable. With
    $p = |V_s|$, $e = \eta/p$, and differentiating once, $p' = p(\delta p - cs)/\eta$, so $p \to (cs + \eta/s)/\delta$ far out.
    """

    preferences: AbstractPreferences = eqx.field(default_factory=lambda: TimeAdditive(0.05))
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)
    harm: Float[Array, "..."] = eqx.field(default_factory=lambda: jnp.asarray(0.4))
    share: Float[Array, "..."] = eqx.field(default_factory=lambda: jnp.asarray(0.1))
    sign: int = eqx.field(static=True, default=1)

    name: ClassVar[str] = "depletion"

    @property
    def states(self) -> Point:
        stock = (0.2, 3.0) if self.sign > 0 else (-3.0, -0.2)
        return StockGap(Variable("stock", "1", *stock), Variable("gap", "1", -1.0, 1.0))

    @property
    def controls(self) -> Point:
        return Extraction(Variable("extraction", "1/yr", 1e-6, 1e3))

    def drift(self, t, x, u, climate) -> Point:
        return StockGap(self.sign * u.extraction, -0.3 * x.gap)

    def diffusion(self, t, x, u) -> Point:
        return StockGap(jnp.zeros(1), jnp.full(1, 0.2))

    def utility(self, t, x, u):
        return self.share * jnp.log(u.extraction) - 0.5 * self.harm * x.stock**2 + jnp.cos(x.gap)

    def best_control(self, t, x, value, costate, hessian) -> Point:
        return Extraction(jnp.clip(self.share / jnp.maximum(-self.sign * costate.stock, 1e-4), 1e-6, 1e3))

    def closures(self) -> Point:
        far = Growth(slope=self._asymptote, extension=12.0)
        near = Inflow()
        stock = (near, far) if self.sign > 0 else (far, near)
        return StockGap(stock, (Inflow(extension=0.5), Inflow(extension=0.5)))

    def _asymptote(self, t, x):
        s = self.sign * x.stock
        return -self.sign * (self.harm * s + self.share / s) / self.preferences.discount_rate

    def initial_state(self) -> Point:
        return StockGap(jnp.asarray(self.sign * 0.5), jnp.asarray(0.0))


def exact_size_of_slope(model, stocks):
    """p at the given stocks (ascending), integrated inwards, where the equation is stable, from far out."""
    harm, share, delta = float(model.harm), float(model.share), float(model.preferences.discount_rate)
    far = 100.0
    start = [(harm * far + share / far) / delta]
    found = solve_ivp(
        lambda s, p: p * (delta * p - harm * s) / share,
        (far, stocks[0]),
        start,
        t_eval=stocks[::-1],
        method="Radau",
        rtol=1e-10,
        atol=1e-12,
    )
    return found.y[0][::-1]


def test_the_time_like_states_are_recognised():
    def of(model):
        lifted = HJBProblem(
            eqx.filter_vmap(lambda harm: eqx.tree_at(lambda m: m.harm, model, harm))(jnp.array([0.4, 1.0]))
        )
        return time_like_states(lifted).signs

    assert of(Depletion()) == (1, 0)
    assert of(Depletion(sign=-1)) == (-1, 0)


def test_states_with_noise_or_with_a_drift_of_both_signs_are_not_time_like():
    def of(model):
        return time_like_states(reshape_leading(HJBProblem(model), (1,), 0)).signs

    assert of(ab.models.AKClimate()) == (0, 0, 0)
    assert of(ab.models.LinearQuadratic(volatility=0.0)) == (0,)


@pytest.mark.parametrize("sign", [pytest.param(1, marks=pytest.mark.slow), -1])
@pytest.mark.representative("-1")
def test_marching_reaches_the_exact_slope_with_its_order(sign):
    model = Depletion(sign=sign)
    problem = HJBProblem(model)
    sizes = np.linspace(0.2, 3.0, 15)
    exact, errors = exact_size_of_slope(model, sizes), []
    for points in (21, 61):
        solution = ab.solve(problem, ab.solvers.FiniteDifference(points=(points, 11), levels=2))
        _, slope, _, _ = at_states(solution, np.column_stack([sign * sizes, np.full_like(sizes, 0.3)]))
        errors.append(np.max(np.abs(-sign * slope[:, 0] - exact)) / np.max(exact))
    assert errors[-1] < 1e-4
    assert np.log(errors[0] / errors[1]) / np.log(3.0) > 2.0, errors


def test_one_sided_stencils_are_exact_on_polynomials_and_triangular():
    axis = make_axis((0.0, 1.0), (0.0, 4.0), 31, (1.5,))
    x, n = axis.nodes, len(axis.nodes)
    up, down = downstream(axis, 4, 1, False), downstream(axis, 4, -1, False)
    assert np.all(np.tril(up, -1) == 0.0) and np.all(np.triu(down, 1) == 0.0)
    kink = axis.breaks[0]
    inner = [i for i in range(n - 4) if not kink - 3 < i < kink]
    np.testing.assert_allclose((up @ x**3)[inner], 3 * x[inner] ** 2, rtol=1e-9, atol=1e-9)
    mirrored = [i for i in range(4, n) if not kink < i < kink + 3]
    np.testing.assert_allclose((down @ x**3)[mirrored], 3 * x[mirrored] ** 2, rtol=1e-9, atol=1e-9)
    assert np.all(up[-1] == 0.0) and np.all(down[0] == 0.0)
    # the node before a face of known slope: exact for parabolas, once the slope is taken off
    known = downstream(axis, 4, 1, True)
    assert (known @ x**2)[-2] - 2.0 * x[-1] == pytest.approx(2.0 * x[-2], rel=1e-9)
