"""The two-state problem with jinns (JAX) and its natural gradient. Variants: `scaled`, `scaled_closed`.

    0 = eta log e + (1 - eta) [log(alpha - i) + k - Lambda(y)] - V
        + [V_k (mu + i - kappa i^2 / 2 - sigma^2 / 2) + sigma^2 V_kk / 2 + V_y theta e + varsigma^2 e^2 V_yy / 2] / delta

with i and e at the maximum: (alpha - i)(1 - kappa i) = delta (1 - eta) / V_k, delta eta / e + theta V_y + varsigma^2
e V_yy = 0.

Double precision, states on [-1, 1]^2, the residual over LEVEL, V = c + (1 - eta)(k - Lambda) + LEVEL N, the slope of
V at the faces of capital. `scaled_closed`: and what abatax knows of the far end, temperature to TOP with the slope of
V there.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jinns
import numpy as np
from exchange import LEVEL, START, Clock, box, climate_free, damage_slope
from jax.experimental import io_callback
from jinns.loss._BoundaryConditionAbstract import BoundaryConditionAbstract
from jinns.validation._validation import AbstractValidationModule

jax.config.update("jax_enable_x64", True)

clock = Clock()
p = clock.asked
closed = p.variant == "scaled_closed"
low, high = box(p, closed)
middle, half = 0.5 * (low + high), 0.5 * (high - low)
w = p.delta * p.eta  # weight of log e
_, constant = climate_free(p)
slope_at_top = damage_slope(p, high[1])


def log_damages(y):
    return p.gamma1 * y + 0.5 * p.gamma2 * y**2


def value(s, u, params):
    """V at a point `s` of the square on which the network lives."""
    k, y = middle + half * s
    return (1.0 - p.eta) * (k - log_damages(y)) + constant + LEVEL * u(s, params)[0]


def derivatives(s, u, params):
    """Slopes and bends of V in the states themselves."""
    V_s = jax.grad(value)(s, u, params) / half
    V_ss = jnp.diag(jax.hessian(value)(s, u, params)) / half**2
    return V_s, V_ss


def controls(V_k, V_y, V_yy):
    """Investment and emissions at the maximum; where V rises with temperature, the upper bound of emissions."""
    ratio = p.delta * (1.0 - p.eta) / jnp.maximum(V_k, 1e-3)
    i = 0.5 * (1.0 + p.alpha * p.kappa - jnp.sqrt((1.0 - p.alpha * p.kappa) ** 2 + 4.0 * p.kappa * ratio)) / p.kappa
    linear = p.theta * V_y
    root = jnp.sqrt(jnp.maximum(linear**2 - 4.0 * w * p.varsigma**2 * V_yy, 1e-24))
    e = 2.0 * w / jnp.maximum(root - linear, 2.0 * w / p.most)
    return jnp.clip(i, -p.alpha, 0.99 * p.alpha), jnp.maximum(e, p.least)


class Equation(jinns.loss.PDEStatio):
    def equation(self, x, u, params):
        (k, y), V = middle + half * x, value(x, u, params)
        (V_k, V_y), (V_kk, V_yy) = derivatives(x, u, params)
        i, e = controls(V_k, V_y, V_yy)
        flow = p.eta * jnp.log(e) + (1.0 - p.eta) * (jnp.log(p.alpha - i) + k - log_damages(y))
        growth = p.growth + i - 0.5 * p.kappa * i**2 - 0.5 * p.sigma**2
        drift = V_k * growth + V_y * p.theta * e
        noise = 0.5 * p.sigma**2 * V_kk + 0.5 * p.varsigma**2 * e**2 * V_yy
        return ((flow + (drift + noise) / p.delta - V) / LEVEL)[None]


class KnownSlopes(BoundaryConditionAbstract):
    """V_k = 1 - eta at both faces of capital, closed also V_y at the top, per unit of the square over LEVEL."""

    def equation_u(self, inputs, u, params):
        V_s = lambda face: jax.grad(value)(inputs[:, face], u, params) / LEVEL
        capital = V_s(0)[:1], V_s(1)[:1]  # faces: left, right, bottom, top
        return (*capital, V_s(3)[1:]) if closed else capital

    def equation_f(self, inputs, params, gridify=False):
        capital, warming = (1.0 - p.eta) * half[0] / LEVEL, slope_at_top * half[1] / LEVEL
        both = jnp.array([capital]), jnp.array([capital])
        return (*both, jnp.array([warming])) if closed else both


class Budget(AbstractValidationModule):
    """Looks at the clock every `call_every` steps; notes the parameters, and ends training when the budget is used up."""

    call_every: int = eqx.field(kw_only=True)

    def __call__(self, params):
        leaves = jax.tree.leaves(params.nn_params)
        over = io_callback(look, jax.ShapeDtypeStruct((), bool), *leaves, ordered=True)
        return self, over, jnp.zeros(()), False


def look(*leaves):
    if not clock.notes:  # the first call comes after one step, with all compiled
        clock.start()
    if clock.due() or not clock.notes:
        clock.note([np.array(leaf) for leaf in leaves])
    return np.array(clock.over())


layers = ((eqx.nn.Linear, 2, 20), (jnp.tanh,), (eqx.nn.Linear, 20, 20), (jnp.tanh,), (eqx.nn.Linear, 20, 1))
data_key, net_key = jax.random.split(jax.random.PRNGKey(p.seed))
u, weights = jinns.nn.PINN_MLP.create(key=net_key, eqx_list=layers, eq_type="PDEStatio")
# V starts near its base, whose slope has the right sign: natural gradient otherwise ends on the false branch
weights = eqx.tree_at(lambda net: net.layers[-1].weight, weights, replace_fn=lambda last: START * last)
params = jinns.parameters.Params(nn_params=weights, eq_params={})
data = jinns.data.CubicMeshPDEStatio(
    key=data_key, n=1024, nb=256, dim=2, min_pts=(-1.0, -1.0), max_pts=(1.0, 1.0), method="sobol"
)
loss = jinns.loss.LossPDEStatio(
    u=u,
    dynamic_loss=Equation(),
    boundary_condition=KnownSlopes(),
    loss_weights=jinns.loss.LossWeightsPDEStatio(dyn_loss=1.0, boundary_loss=1.0),
    params=params,
)
last = jinns.solve(
    init_params=params,
    data=data,
    loss=loss,
    optimizer=jinns.optimizers.vanilla_ngd(gram_reg=1e-8),
    n_iter=100_000,  # more than the budget allows
    validation=Budget(call_every=1),
    verbose=False,
)[0]


@jax.jit
def at_points(nn_params):
    now = jinns.parameters.Params(nn_params=nn_params, eq_params={})

    def one(x):
        s = (x - middle) / half
        (V_k, V_y), (_, V_yy) = derivatives(s, u, now)
        return value(s, u, now), V_y, controls(V_k, V_y, V_yy)[1]

    return jax.vmap(one)(p.points)


structure = jax.tree.structure(weights)
clock.finish(
    jax.tree.leaves(last.nn_params), lambda leaves: at_points(jax.tree.unflatten(structure, leaves)), "jinns", "jax"
)
