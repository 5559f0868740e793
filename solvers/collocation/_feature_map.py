"""Features of the state: products of Chebyshev polynomials and random hyperbolic tangents, with exact derivatives.

The functions accept numpy arrays on the host and JAX arrays in compiled code, with any leading axes. The matrices of the solver and
the value function therefore use the same formulas.
"""

import itertools as it
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ...models import AbstractValue
from ...models.base import Point, Scalar
from ..solution import BoxMap, box_map, polynomials

# Standard deviation of the weights of random features in each state, in units of the inverse half length of the box.
_STEEP = 2.0


class FeatureMap(eqx.Module):
    """A set of features. States are first mapped to [-1, 1], with stretched margins.

    **Arguments:**

    - `axes`, `powers`: states and degrees of the factors of each Chebyshev product (degree 0 for an empty slot).
    - `weights`, `biases`: parameters of the random features.
    - `box`: the `BoxMap` of the states to [-1, 1].
    - `degree`: the largest degree.

    !!! example

        ```python
        import abatax as ab

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.Features(degree=4))
        assert isinstance(solution.value.features, ab.solvers.FeatureMap) and solution.value.features.degree == 4
        ```
    """

    axes: Int[Array | np.ndarray, "*family product slot"]
    powers: Int[Array | np.ndarray, "*family product slot"]
    weights: Float[Array | np.ndarray, "*family random state"]
    biases: Float[Array | np.ndarray, "*family random"]
    box: BoxMap
    degree: int = eqx.field(static=True)

    def parts(self, x, xp: Any = jnp) -> tuple[list, tuple]:
        """Factors of the products and hyperbolic tangents at states (... state), each with two derivatives.

        Factors have shape (... product slot); their derivatives are with respect to the state of the slot. Tangents are functions of
        $z = w\\cdot s(x) + b$ with shape (... random), followed by $s'$ and $s''$.
        """
        s, slope, bend = self.box.parts(x, xp)
        value, first, second = (xp.asarray(p) for p in polynomials(s, self.degree))
        tables = value, first * slope[..., None], second * slope[..., None] ** 2 + first * bend[..., None]
        factors = [table[..., self.axes, self.powers] for table in tables]
        tanh = xp.tanh(s @ self.weights.T + self.biases)
        inner = 1.0 - tanh**2
        return factors, (tanh, inner, -2.0 * tanh * inner, slope, bend)


def product(factors: list, orders: dict[int, int]):
    """The products (... product), with differentiated factors in the slots of `orders`."""
    result = 1.0
    for slot in range(factors[0].shape[-1]):
        result = result * factors[orders.get(slot, 0)][..., slot]
    return result


class FeatureValue(AbstractValue):
    """A value function that is linear in features of the state.

    **Arguments:**

    - `coefficients`: coefficients of the products, then of the random features.
    - `features`: the [`FeatureMap`][] of the features.

    !!! example

        ```python
        import abatax as ab

        solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), ab.solvers.Features(degree=4))
        assert isinstance(solution.value, ab.solvers.FeatureValue)
        ```
    """

    coefficients: Float[Array, "*family feature"]
    features: FeatureMap

    def __call__(self, t: Scalar, x: Point) -> Scalar:
        factors, (tanh, *_) = self.features.parts(jnp.stack(x))
        return jnp.concatenate([product(factors, {}), tanh]) @ self.coefficients

    def derivatives(self, t: Scalar, x: Point) -> tuple[Scalar, Float[Array, " state"], Float[Array, "state state"]]:
        parts = self.features.parts(jnp.stack(x))
        return combine(self.features, parts, self.coefficients, jnp)


def combine(features: FeatureMap, parts, coefficients, xp: Any = jnp):
    """Value, slopes and hessian of a linear combination of features, from their `parts` at states (... state)."""
    factors, (tanh, inner, bent, slope, bend) = parts
    count, d = features.axes.shape[0], features.box.centre.shape[0]
    slots = range(features.axes.shape[1])
    c, w = coefficients[:count], coefficients[count:]
    states = xp.arange(d)
    into = [xp.asarray(features.axes[:, i, None] == states[None, :], dtype=float) for i in slots]  # product state
    value = product(factors, {}) @ c + tanh @ w
    weights = features.weights
    slopes = (inner * w) @ weights * slope
    hessian = xp.einsum("...r,ra,rb->...ab", bent * w, weights, weights) * slope[..., None] * slope[..., None, :]
    diagonal = (inner * w) @ weights * bend
    for i in slots:
        slopes = slopes + (product(factors, {i: 1}) * c) @ into[i]
        diagonal = diagonal + (product(factors, {i: 2}) * c) @ into[i]
    hessian = hessian + diagonal[..., None] * xp.eye(d)
    for i, j in it.combinations(slots, 2):
        pairs = (into[i][:, :, None] * into[j][:, None, :]).reshape(count, d * d)
        mixed = (product(factors, {i: 1, j: 1}) * c) @ pairs
        mixed = mixed.reshape(*mixed.shape[:-1], d, d)
        hessian = hessian + mixed + xp.swapaxes(mixed, -1, -2)
    return value, slopes, hessian


def operate(features: FeatureMap, parts, discount, drift, variance) -> Float[np.ndarray, "point feature"]:
    r"""$c\phi + b\cdot\phi_x + \mathrm{tr}(v\phi_{xx})$ for every feature, on the host.

    `discount` (point), `drift` (point state), `variance` (point state state).
    """
    factors, (tanh, inner, bent, slope, bend) = parts
    axes, weights = np.asarray(features.axes), np.asarray(features.weights)
    diagonal = np.einsum("naa->na", variance)
    products = discount[:, None] * product(factors, {})
    for i in range(axes.shape[1]):
        products += drift[:, axes[:, i]] * product(factors, {i: 1}) + diagonal[:, axes[:, i]] * product(factors, {i: 2})
    for i, j in it.combinations(range(axes.shape[1]), 2):
        mixed = variance[:, axes[:, i], axes[:, j]] + variance[:, axes[:, j], axes[:, i]]
        # an empty slot refers to the first state; its derivative is zero
        products += mixed * product(factors, {i: 1, j: 1}) if mixed.any() else 0.0
    if not len(weights):
        return products
    scaled = variance * slope[:, :, None] * slope[:, None, :]
    quadratic = np.sum((scaled.reshape(-1, weights.shape[1]) @ weights.T).reshape(*slope.shape, -1) * weights.T, axis=1)
    linear = (drift * slope + diagonal * bend) @ weights.T
    return np.concatenate([products, discount[:, None] * tanh + linear * inner + quadratic * bent], axis=1)


def make_features(
    region: tuple[tuple[float, float], ...],
    domain: tuple[tuple[float, float], ...],
    degree: int,
    random: int,
    interactions: int,
    seed: int,
) -> FeatureMap:
    """Make products of total degree up to `degree` and random features, each of at most `interactions` states (0: all)."""
    d = len(region)
    largest = min(interactions or d, d)
    products: list[tuple[tuple[int, ...], tuple[int, ...]]] = [((), ())]
    for count in range(1, min(largest, degree) + 1):
        for states in it.combinations(range(d), count):
            for powers in it.product(range(1, degree + 1), repeat=count):
                if sum(powers) <= degree:
                    products.append((states, powers))
    slots = max(len(states) for states, _ in products)
    axes, powers = np.zeros((len(products), slots), dtype=int), np.zeros((len(products), slots), dtype=int)
    for n, (states, exponents) in enumerate(products):
        axes[n, : len(states)], powers[n, : len(states)] = states, exponents
    rng = np.random.default_rng(seed)
    weights = _STEEP * rng.standard_normal((random, d))
    # each random feature depends on a random subset of states
    rank = np.argsort(rng.random((random, d)), axis=1)
    weights *= rank < rng.integers(1, largest + 1, size=(random, 1))
    biases = -np.sum(weights * rng.uniform(-1.0, 1.0, (random, d)), axis=1)
    return FeatureMap(axes, powers, weights, biases, box_map(region, domain), degree)
