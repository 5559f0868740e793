"""The two-state problem with DeepXDE (PyTorch). Variants: `as_written`, `scaled`, `scaled_closed`, `boundary_given`.

    0 = eta log e + (1 - eta) [log(alpha - i) + k - Lambda(y)] - V
        + [V_k (mu + i - kappa i^2 / 2 - sigma^2 / 2) + sigma^2 V_kk / 2 + V_y theta e + varsigma^2 e^2 V_yy / 2] / delta

with i and e at the maximum: (alpha - i)(1 - kappa i) = delta (1 - eta) / V_k, delta eta / e + theta V_y + varsigma^2
e V_yy = 0.

`as_written` is the equation times delta on the region, in single precision, Adam. The others: double precision,
inputs on [-1, 1], the residual over LEVEL, V = c + (1 - eta)(k - Lambda) + LEVEL N, the slope of V at the faces of
capital, Adam and then L-BFGS. `scaled_closed`: and what abatax knows of the far end, temperature to TOP with the
slope of V there. `boundary_given`: no slopes, but the exact value on the faces of the region.
"""

import copy

import deepxde as dde
import numpy as np
import torch
from exchange import LEVEL, START, Clock, box, climate_free, damage_slope

clock = Clock()
p, variant = clock.asked, clock.asked.variant
scaled, closed, given = variant != "as_written", variant == "scaled_closed", variant == "boundary_given"
dde.config.set_random_seed(p.seed)
dde.config.set_default_float("float64" if scaled else "float32")
low, high = box(p, closed)
middle, half = 0.5 * (low + high), 0.5 * (high - low)
w = p.delta * p.eta  # weight of log e
_, constant = climate_free(p)


def log_damages(y):
    return p.gamma1 * y + 0.5 * p.gamma2 * y**2


def controls(V_k, V_y, V_yy):
    """Investment and emissions at the maximum; where V rises with temperature, the upper bound of emissions."""
    ratio = p.delta * (1.0 - p.eta) / torch.clamp(V_k, min=1e-3)
    i = 0.5 * (1.0 + p.alpha * p.kappa - torch.sqrt((1.0 - p.alpha * p.kappa) ** 2 + 4.0 * p.kappa * ratio)) / p.kappa
    linear = p.theta * V_y
    root = torch.sqrt(torch.clamp(linear**2 - 4.0 * w * p.varsigma**2 * V_yy, min=1e-24))
    e = 2.0 * w / torch.clamp(root - linear, min=2.0 * w / p.most)
    return torch.clamp(i, -p.alpha, 0.99 * p.alpha), torch.clamp(e, min=p.least)


def residual(x, V):
    k, y = x[:, :1], x[:, 1:]
    V_k, V_y = dde.grad.jacobian(V, x, j=0), dde.grad.jacobian(V, x, j=1)
    V_kk, V_yy = dde.grad.hessian(V, x, i=0, j=0), dde.grad.hessian(V, x, i=1, j=1)
    i, e = controls(V_k, V_y, V_yy)
    flow = p.eta * torch.log(e) + (1.0 - p.eta) * (torch.log(p.alpha - i) + k - log_damages(y))
    growth = p.growth + i - 0.5 * p.kappa * i**2 - 0.5 * p.sigma**2
    drift = V_k * growth + V_y * p.theta * e
    noise = 0.5 * p.sigma**2 * V_kk + 0.5 * p.varsigma**2 * e**2 * V_yy
    left = flow + (drift + noise) / p.delta - V
    return left / LEVEL if scaled else p.delta * left


def known_slope(j, slope, on_face):
    """The slope of V in state j on a face, per unit of [-1, 1] over LEVEL."""
    gap = lambda x, V, _: (dde.grad.jacobian(V, x, j=j) - slope) * half[j] / LEVEL
    return dde.icbc.OperatorBC(geometry, gap, lambda x, on: on and on_face(x))


geometry = dde.geometry.Rectangle(low, high)
conditions = []
if given:
    conditions = [dde.icbc.PointSetBC(p.faces, p.on_faces[:, None])]
elif scaled:
    conditions = [known_slope(0, 1.0 - p.eta, lambda x: np.isclose(x[0], low[0]) or np.isclose(x[0], high[0]))]
if closed:
    conditions.append(known_slope(1, damage_slope(p, high[1]), lambda x: np.isclose(x[1], high[1])))
on_boundary = 256 if scaled and not given else 0
data = dde.data.PDE(
    geometry, residual, conditions, num_domain=1024, num_boundary=on_boundary, train_distribution="Sobol"
)
net = dde.nn.FNN([2, 32, 32, 32, 1], "tanh", "Glorot uniform")
if scaled:
    base = lambda x: (1.0 - p.eta) * (x[:, :1] - log_damages(x[:, 1:])) + constant
    net.apply_feature_transform(lambda x: (x - torch.tensor(middle)) / torch.tensor(half))
    net.apply_output_transform(lambda x, N: base(x) + LEVEL * N)
    net.linears[-1].weight.data.mul_(START)
model = dde.Model(data, net)


class Budget(dde.callbacks.Callback):
    """Notes the weights, and ends training at `share` of the budget."""

    def __init__(self, share):
        super().__init__()
        self.share = share

    def on_epoch_end(self):
        if clock.due():
            clock.note(copy.deepcopy(net.state_dict()))
        if clock.seconds() >= self.share * p.budget:
            self.model.stop_training = True


def fields(weights):
    net.load_state_dict(weights)
    x = torch.tensor(p.points, dtype=next(net.parameters()).dtype, requires_grad=True)
    V = net(x)
    slopes = torch.autograd.grad(V.sum(), x, create_graph=True)[0]
    bend = torch.autograd.grad(slopes[:, 1].sum(), x)[0][:, 1]
    _, e = controls(slopes[:, 0], slopes[:, 1], bend)
    return tuple(part.detach().numpy() for part in (V, slopes[:, 1], e))


endless = 10**9
model.compile("adam", lr=1e-3)
clock.start()
model.train(iterations=endless, display_every=1000, callbacks=[Budget(0.2 if scaled else 1.0)], verbose=0)
if scaled:
    dde.optimizers.set_LBFGS_options(maxiter=endless, ftol=0, gtol=0)
    dde.optimizers.config.LBFGS_options.update(iter_per_step=20, fun_per_step=25)  # so that the clock is looked at
    model.compile("L-BFGS")
    model.train(display_every=1000, callbacks=[Budget(1.0)], verbose=0)
clock.finish(copy.deepcopy(net.state_dict()), fields, "deepxde", "torch")
