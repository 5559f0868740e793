"""Splines through grid values: they interpolate, are smooth, exact on polynomials, and keep declared kinks."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import TIME
from scipy.interpolate import make_interp_spline

from abatax.models import derivatives
from abatax.solvers import TensorSpline

# Rounding of a spline through values of size one on fifteen uneven nodes: value, first and second derivative.
ROUNDING = (1e-13, 1e-11, 1e-9)


class One(NamedTuple):
    x: jax.Array


class Two(NamedTuple):
    x: jax.Array
    y: jax.Array


class Three(NamedTuple):
    x: jax.Array
    y: jax.Array
    z: jax.Array


STATES = (One, Two, Three)


def uneven(points, low=0.0, high=2.0):
    s = np.linspace(0.0, 1.0, points)
    return low + (high - low) * (s + 0.15 * np.sin(np.pi * s) ** 2)


@eqx.filter_jit
def at_points(what, spline, points):
    state = STATES[points.shape[1] - 1]
    return jax.vmap(lambda z: what(spline, state(*z)))(points)


def padded(what, spline, points):
    """At each row of `points`, padded to few shapes so that few programs are compiled."""
    count = len(points)
    rows = np.concatenate([points, np.repeat(points[-1:], -count % 128, axis=0)])
    return jax.tree.map(lambda part: np.asarray(part)[:count], at_points(what, spline, jnp.asarray(rows)))


def values_and_derivatives(spline, x):
    return derivatives(TIME, x, spline)


def evaluate(spline, points):
    """Value, gradient and hessian."""
    return padded(values_and_derivatives, spline, points)


def just_value(spline, x):
    return spline(TIME, x)


def evaluate_value(spline, points):
    return padded(just_value, spline, points)


def random_points(seed, dimension, count=50, low=0.0, high=2.0):
    return np.random.default_rng(seed).uniform(low, high, (count, dimension))


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_spline_goes_through_its_values(dimension):
    nodes = tuple(uneven(9 + n) for n in range(dimension))
    values = np.random.default_rng(0).standard_normal([len(n) for n in nodes])
    points = np.stack([m.ravel() for m in np.meshgrid(*nodes, indexing="ij")], axis=-1)
    found = evaluate_value(TensorSpline.interpolate(nodes, values), points)
    np.testing.assert_allclose(found, values.ravel(), atol=1e-12)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_spline_is_exact_on_polynomials_of_degree_five(dimension):
    # any tensor product of polynomials up to x^5, mixed derivatives included
    rng = np.random.default_rng(dimension)
    factors = [np.polynomial.Polynomial(rng.standard_normal(6) / np.arange(1.0, 7.0)) for _ in range(dimension)]
    nodes = tuple(uneven(9 + n) for n in range(dimension))
    values = np.array(1.0)
    for n, p in enumerate(factors):
        values = values[..., None] * p(nodes[n])
    points = random_points(1, dimension, low=-0.1, high=2.1)  # beyond the grid the last piece goes on
    value, slope, bend = evaluate(TensorSpline.interpolate(nodes, values), points)

    def product(orders):
        return np.prod(
            [
                p.deriv(k)(points[:, a]) if k else p(points[:, a])
                for a, (p, k) in enumerate(zip(factors, orders, strict=True))
            ],
            axis=0,
        )

    unit = np.eye(dimension, dtype=int)
    size = np.max(np.abs(values)) * 20.0
    np.testing.assert_allclose(value, product(0 * unit[0]), atol=ROUNDING[0] * size)
    for a in range(dimension):
        np.testing.assert_allclose(slope[:, a], product(unit[a]), atol=ROUNDING[1] * size)
        for b in range(dimension):
            np.testing.assert_allclose(bend[:, a, b], product(unit[a] + unit[b]), atol=ROUNDING[2] * size)


def test_spline_agrees_with_scipy():
    x, rng = uneven(19), np.random.default_rng(2)
    values, z = rng.standard_normal(19), np.append(rng.uniform(0.0, 2.0, 60), [0.0, 2.0, x[4]])
    reference = make_interp_spline(x, values, k=5)
    value, slope, bend = evaluate(TensorSpline.interpolate((x,), values), z[:, None])
    np.testing.assert_allclose(value, reference(z), atol=1e-11)
    np.testing.assert_allclose(slope[:, 0], reference(z, 1), atol=1e-9)
    np.testing.assert_allclose(bend[:, 0, 0], reference(z, 2), atol=1e-7)


@pytest.mark.parametrize("axis", [0, 1])
def test_spline_is_four_times_continuously_differentiable(axis):
    # degree five, single knots: value to second derivative agree across every node
    nodes = uneven(9), uneven(10)
    spline = TensorSpline.interpolate(nodes, np.random.default_rng(3).standard_normal((9, 10)))
    at, gap = nodes[axis][1:-1], 1e-9
    points = np.tile([0.77, 1.13], (len(at), 1))
    step = gap * np.eye(2)[axis]
    points[:, axis] = at
    for below, above in zip(evaluate(spline, points - step), evaluate(spline, points + step), strict=True):
        # what is continuous moves by its slope times the gap; the third derivative is about 1e4
        np.testing.assert_allclose(below, above, atol=1e-4)


def test_derivatives_are_those_of_the_interpolant():
    # central differences of the spline's own values
    nodes = uneven(9), uneven(10)
    values = np.sin(nodes[0][:, None] + 2.0 * nodes[1][None, :])
    spline = TensorSpline.interpolate(nodes, values)
    points, h = random_points(4, 2, 50, 0.1, 1.9), 1e-5
    _, slope, bend = evaluate(spline, points)
    for a in range(2):
        step = h * np.eye(2)[a]
        up, down = evaluate(spline, points + step), evaluate(spline, points - step)
        np.testing.assert_allclose(slope[:, a], (up[0] - down[0]) / (2 * h), atol=1e-8)  # h^2 v''' / 6
        np.testing.assert_allclose(bend[:, a], (up[1] - down[1]) / (2 * h), atol=1e-6)


def test_spline_has_its_order():
    # six for the value, one less for each derivative
    errors, counts = [], np.array([19, 37])
    z = np.linspace(0.0, 2.0, 384)
    exact = np.sin(3.0 * z), 3.0 * np.cos(3.0 * z), -9.0 * np.sin(3.0 * z)
    for count in counts:
        x = np.linspace(0.0, 2.0, count)
        found = evaluate(TensorSpline.interpolate((x,), np.sin(3.0 * x)), z[:, None])
        errors.append([np.max(np.abs(f.reshape(-1) - e)) for f, e in zip(found, exact, strict=True)])
    measured = np.log2(np.array(errors[0]) / errors[1])
    assert np.all(measured > np.array([6.0, 5.0, 4.0]) - 0.4)


@pytest.mark.parametrize("breaks", [(7,), (6, 12)])
def test_kinks_are_kept(breaks):
    # exact on piecewise polynomials with a jump of the second derivative at the kinks; above it at the kink itself
    x = np.linspace(0.0, 2.0, 19)
    bends = np.array([3.0, -7.0])[: len(breaks)]

    def value(z):
        return 1.0 + z**3 + sum(0.5 * b * np.maximum(z - x[k], 0.0) ** 2 for b, k in zip(bends, breaks, strict=True))

    def bend(z):
        return 6.0 * z + sum(b * (z >= x[k]) for b, k in zip(bends, breaks, strict=True))

    z = np.concatenate([np.linspace(0.0, 2.0, 57), x[list(breaks)], x[list(breaks)] - 1e-9])
    spline = TensorSpline.interpolate((x,), value(x), (breaks,))
    found = evaluate(spline, z[:, None])
    np.testing.assert_allclose(found[0], value(z), atol=1e-12)
    np.testing.assert_allclose(found[2][:, 0, 0], bend(z), atol=1e-7)
    without = evaluate(TensorSpline.interpolate((x,), value(x)), z[:, None])
    assert np.max(np.abs(without[2][:, 0, 0] - bend(z))) > 1.0  # a spline that is not told cannot know


@pytest.mark.parametrize("points, degree", [(2, 1), (5, 3), (6, 5)])
def test_degree_falls_with_too_few_nodes(points, degree):
    x = np.linspace(0.0, 1.0, points)
    spline = TensorSpline.interpolate((x,), x**degree)
    assert spline.degree == (degree,)
    np.testing.assert_allclose(evaluate_value(spline, np.array([[0.37]])), 0.37**degree, rtol=1e-12)


def test_axes_may_differ_in_degree():
    nodes = np.linspace(0.0, 1.0, 4), np.linspace(0.0, 1.0, 10)
    values = nodes[0][:, None] ** 3 * nodes[1][None, :] ** 5
    spline = TensorSpline.interpolate(nodes, values)
    points = random_points(5, 2, 20, 0.0, 1.0)
    assert spline.degree == (3, 5)
    np.testing.assert_allclose(evaluate_value(spline, points), points[:, 0] ** 3 * points[:, 1] ** 5, atol=1e-13)
