"""The coefficients of a linear-quadratic model, derived from its functions and checked."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..equation import AbstractModel
from ._quadratic_form import QuadraticForm, QuadraticModel

# Number of random states and controls at which the coefficients are compared with the model, and tolerance.
_CHECKS, _AGREEMENT = 7, 1e-8
# Half width of the sampled range of a control or state without bounds.
_UNBOUNDED = 1.0


def quadratic_form(model: AbstractModel) -> QuadraticForm:
    """The coefficients of a linear-quadratic model.

    The drift must be affine in states and controls, the flow (utility, and the drift of additive states at their costates)
    quadratic, the diffusion constant. Bounds of states and controls are ignored.

    **Raises:** `ValueError` naming what is not linear-quadratic.
    """
    if isinstance(model, QuadraticModel):
        return model.quadratic_form()
    if model.jumps():
        raise ValueError(f"`{model.name}` has jumps; a linear-quadratic problem has none.")
    members = len(np.asarray(model.ensemble.weights))
    if members > 1:
        raise ValueError(
            f"`{model.name}` has an ensemble of {members} climate models; a linear-quadratic problem has one."
        )
    n, discount = len(model.states), float(model.preferences.discount_rate)
    points = _points(model)
    # Compiled anew in every call, because constants that the class reads from its module may have changed.
    here, slope, gradient, curvature, there = eqx.filter_jit(lambda m: _expand(m, points))(model)
    moves, slope, gradient, curvature = points[1:] - points[0], *map(np.asarray, (slope, gradient, curvature))
    drift, flow, loadings = (np.asarray(piece, dtype=float) for piece in (here.drift, here.flow, here.loadings))
    bends = 0.5 * np.einsum("pi,ij,pj->p", moves, curvature, moves)
    _agree(model, "drift", "affine", there.drift, drift + moves @ slope.T, np.abs(moves) @ np.abs(slope).T)
    _agree(
        model, "flow utility", "quadratic", there.flow, flow + moves @ gradient + bends, np.abs(flow) + np.abs(bends)
    )
    _agree(model, "diffusion", "constant", there.loadings, np.broadcast_to(loadings, there.loadings.shape), loadings)
    weights = np.full(len(moves), -discount)
    _agree(model, "derivative of the flow in the value", "constant", there.weight, weights, weights)
    if not np.all(np.linalg.eigvalsh(curvature[n:, n:]) < 0.0):
        raise ValueError(
            f"the flow utility of `{model.name}` is not strictly concave in its controls; the model is no linear-quadratic problem."
        )
    centre = points[0]
    aversion = np.broadcast_to(np.asarray(model.ambiguity.shocks, dtype=float), loadings.shape[1:])
    excess = float(model.preferences.excess_risk_aversion)
    volatility, prices = loadings[:-1], loadings[-1]
    distortion = (aversion + excess) * prices  # by the additive states, which load on the same shocks
    reward = gradient - curvature @ centre
    return QuadraticForm(
        transition=slope[:, :n],
        loading=slope[:, n:],
        intercept=drift - slope @ centre - volatility @ distortion,
        volatility=volatility,
        state_cost=-curvature[:n, :n],
        control_cost=-curvature[n:, n:],
        cross_cost=-curvature[:n, n:],
        state_reward=reward[:n],
        control_reward=reward[n:],
        constant=float(flow - gradient @ centre + 0.5 * centre @ curvature @ centre - 0.5 * distortion @ prices),
        aversion=aversion,
        discount_rate=discount,
        excess_risk_aversion=excess,
    )


class _Pieces(NamedTuple):
    drift: Any  # of the states
    flow: Any  # utility, and the drift of additive states at their costates
    weight: Any  # derivative of the flow with respect to the value
    loadings: Any  # of the states on the shocks, and in the last row those of the additive states at their costates


def _pieces(model: AbstractModel, z: jax.Array) -> _Pieces:
    """Drift, flow and loadings of the model at a state and control, given as one vector."""
    n, t = len(model.states), jnp.zeros(())
    x, u = type(model.states)(*z[:n]), type(model.controls)(*z[n:])
    climate = jax.tree.map(lambda leaf: leaf[0], model.climates)
    costates, nothing = model.additive_costates(), jnp.zeros(())
    rates, loads = model.additive_drift(t, x, u, climate), model.additive_diffusion(t, x, u)
    loadings = jnp.stack(model.diffusion(t, x, u))
    gain = sum((p * rate for p, rate in zip(costates, rates, strict=True)), start=nothing)
    load = sum((p * row for p, row in zip(costates, loads, strict=True)), start=jnp.zeros(loadings.shape[1]))
    utility = model.utility(t, x, u)
    flow, weight = jax.value_and_grad(model.preferences.aggregate, argnums=1)(utility, nothing)
    drift = jnp.stack(model.drift(t, x, u, climate))
    return _Pieces(drift, flow + gain, weight, jnp.concatenate([loadings, load[None]]))


def _expand(model: AbstractModel, points: Float[np.ndarray, "point coordinate"]) -> tuple[Any, ...]:
    """The model and its derivatives at the first point, and the model at the other points."""

    def pieces(z):
        return _pieces(model, z)

    z, others = jnp.asarray(points[0]), jnp.asarray(points[1:])
    slope = jax.jacfwd(lambda z: pieces(z).drift)(z)
    gradient, curvature = jax.grad(lambda z: pieces(z).flow)(z), jax.hessian(lambda z: pieces(z).flow)(z)
    return pieces(z), slope, gradient, curvature, jax.vmap(pieces)(others)


def _points(model: AbstractModel) -> Float[np.ndarray, "point coordinate"]:
    """The centre of the box of states and controls, and random points in the box."""
    variables = (*model.states, *model.controls)
    low = np.array([v.low if np.isfinite(v.low) else min(v.high, _UNBOUNDED) - 2.0 * _UNBOUNDED for v in variables])
    high = np.array(
        [v.high if np.isfinite(v.high) else a + 2.0 * _UNBOUNDED for v, a in zip(variables, low, strict=True)]
    )
    # Bounds of controls may be so distant that the costs of control would dominate all other terms.
    centre, half = 0.5 * (low + high), 0.5 * (high - low)
    width = np.where(np.arange(len(low)) < len(model.states), half, np.minimum(half, _UNBOUNDED + np.abs(centre)))
    shares = np.concatenate([np.full((1, len(low)), 0.5), np.random.default_rng(0).random((_CHECKS, len(low)))])
    return centre + width * (2.0 * shares - 1.0)


def _agree(model: AbstractModel, what: str, kind: str, value: Any, expected: Any, size: Any) -> None:
    """Raise if a function of the model differs from its coefficients."""
    difference = np.abs(np.asarray(value) - np.asarray(expected))
    scale = np.max(np.abs(np.asarray(expected)), initial=0.0) + np.max(np.abs(size), initial=0.0)
    if not np.all(difference <= _AGREEMENT * scale):
        raise ValueError(f"the {what} of `{model.name}` is not {kind}; the model is no linear-quadratic problem.")
