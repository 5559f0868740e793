"""The coefficients of a model that is linear-quadratic, taken from its functions and checked."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..equation import AbstractModel
from ._quadratic_form import QuadraticForm, QuadraticModel

# Scattered states and controls at which the coefficients are compared with the model, and how exactly they must agree.
_CHECKS, _AGREEMENT = 7, 1e-8
# Half of the range that is looked at of a control or state without bounds.
_UNBOUNDED = 1.0


def quadratic_form(model: AbstractModel) -> QuadraticForm:
    """The coefficients of a linear-quadratic model.

    The drift must be affine in states and controls, the flow (utility, and the drift of additive states at their costates)
    quadratic, the diffusion constant. Bounds of states and controls are not looked at.

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
    # compiled for this call alone: what the class reads from its module may have changed since the last
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
    feared = (aversion + excess) * prices  # of the additive states, which move with the same shocks
    reward = gradient - curvature @ centre
    return QuadraticForm(
        transition=slope[:, :n],
        loading=slope[:, n:],
        intercept=drift - slope @ centre - volatility @ feared,
        volatility=volatility,
        state_cost=-curvature[:n, :n],
        control_cost=-curvature[n:, n:],
        cross_cost=-curvature[:n, n:],
        state_reward=reward[:n],
        control_reward=reward[n:],
        constant=float(flow - gradient @ centre + 0.5 * centre @ curvature @ centre - 0.5 * feared @ prices),
        aversion=aversion,
        discount_rate=discount,
        excess_risk_aversion=excess,
    )


class _Pieces(NamedTuple):
    drift: Any  # of the states
    flow: Any  # into the value: utility, and the drift of additive states at their costates
    weight: Any  # derivative of the flow in the value
    loadings: Any  # of the states on the shocks, and in the last row those of the additive states at their costates


def _everything(model: AbstractModel, z: jax.Array) -> _Pieces:
    """The model at one state and control, joined in one vector."""
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
    """The model at the first point with its derivatives there, and the model at the others."""

    def at(z):
        return _everything(model, z)

    z, others = jnp.asarray(points[0]), jnp.asarray(points[1:])
    slope = jax.jacfwd(lambda z: at(z).drift)(z)
    return at(z), slope, jax.grad(lambda z: at(z).flow)(z), jax.hessian(lambda z: at(z).flow)(z), jax.vmap(at)(others)


def _points(model: AbstractModel) -> Float[np.ndarray, "point coordinate"]:
    """The centre of the box of states and controls, and scattered points in it."""
    variables = (*model.states, *model.controls)
    low = np.array([v.low if np.isfinite(v.low) else min(v.high, _UNBOUNDED) - 2.0 * _UNBOUNDED for v in variables])
    high = np.array(
        [v.high if np.isfinite(v.high) else a + 2.0 * _UNBOUNDED for v, a in zip(variables, low, strict=True)]
    )
    # bounds of controls may be far away, where their costs would hide everything else
    centre, half = 0.5 * (low + high), 0.5 * (high - low)
    near = np.where(np.arange(len(low)) < len(model.states), half, np.minimum(half, _UNBOUNDED + np.abs(centre)))
    shares = np.concatenate([np.full((1, len(low)), 0.5), np.random.default_rng(0).random((_CHECKS, len(low)))])
    return centre + near * (2.0 * shares - 1.0)


def _agree(model: AbstractModel, what: str, kind: str, value: Any, expected: Any, size: Any) -> None:
    """Raise if a piece of the model is not what its coefficients say."""
    off = np.abs(np.asarray(value) - np.asarray(expected))
    scale = np.max(np.abs(np.asarray(expected)), initial=0.0) + np.max(np.abs(size), initial=0.0)
    if not np.all(off <= _AGREEMENT * scale):
        raise ValueError(f"the {what} of `{model.name}` is not {kind}; the model is no linear-quadratic problem.")
