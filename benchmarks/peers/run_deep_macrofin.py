"""The two-state problem with Deep-MacroFin (PyTorch). Variants: `as_written`, `scaled`, `scaled_closed`.

    0 = eta log e + (1 - eta) [log(alpha - i) + k - Lambda(y)] - V
        + [V_k (mu + i - kappa i^2 / 2 - sigma^2 / 2) + sigma^2 V_kk / 2 + V_y theta e + varsigma^2 e^2 V_yy / 2] / delta

with i and e at the maximum: (alpha - i)(1 - kappa i) = delta (1 - eta) / V_k, delta eta / e + theta V_y + varsigma^2
e V_yy = 0.

`as_written`: the manual's pattern and defaults, single precision: V an agent, e and alpha - i endogenous variables
held to the two conditions, the equation times delta on the region. `scaled`: double precision, states on [-1, 1]^2, V
= c + (1 - eta)(k - Lambda) + LEVEL N, the residual over LEVEL, i and e in closed form, the slope of V at the faces of
capital, Adam and then L-BFGS. `scaled_closed`: and what abatax knows of the far end, temperature to TOP with the
slope of V there.
"""

import contextlib
import copy
import tempfile

import torch
from deep_macrofin import Comparator, OptimizerType, PDEModel, SamplingMethod
from exchange import LEVEL, START, Clock, box, climate_free, damage_slope

clock = Clock()
p, variant = clock.asked, clock.asked.variant
scaled, closed = variant != "as_written", variant == "scaled_closed"
torch.manual_seed(p.seed)
torch.set_default_dtype(torch.float64 if scaled else torch.float32)
_, constant = climate_free(p)
low, high = box(p, closed)
middle, half = 0.5 * (low + high), 0.5 * (high - low)

parameters = {
    name: getattr(p, name)
    for name in ("delta", "eta", "alpha", "kappa", "growth", "sigma", "theta", "varsigma", "gamma1", "gamma2")
}
FLOW = "eta * log(e) + (1 - eta) * (log(alpha - i) + k - damages)"
DRIFT = "V_k * (growth + i - kappa * i**2 / 2 - sigma**2 / 2) + sigma**2 * V_kk / 2"
WARMING = "V_y * theta * e + varsigma**2 * e**2 * V_yy / 2"
DAMAGES = "damages = gamma1 * y + gamma2 * y**2 / 2"


def as_written():
    model = PDEModel("as_written", {"num_epochs": 10**9})
    model.set_state(["k", "y"], {"k": [low[0], high[0]], "y": [low[1], high[1]]})
    model.add_agent("V")
    model.add_endogs(["e", "spent"], {name: {"positive": True} for name in ("e", "spent")})
    model.add_params(parameters)
    model.add_equation("i = alpha - spent")  # consumption is positive
    model.add_equation(DAMAGES)
    model.add_endog_equation("delta * eta + e * theta * V_y + varsigma**2 * e**2 * V_yy = 0")
    model.add_endog_equation("spent * (1 - kappa * i) * V_k = delta * (1 - eta)")
    model.add_hjb_equation(f"delta * ({FLOW}) + {DRIFT} + {WARMING} - delta * V")
    return model


def hand_scaled():
    model = PDEModel(
        variant,
        {
            "num_epochs": 10**9,
            "batch_size": 256,
            "lr": 1e-3,
            "optimizer_type": OptimizerType.Adam,
            "loss_log_interval": 1000,
        },
    )
    model.set_state(["a", "b"], {"a": [-1.0, 1.0], "b": [-1.0, 1.0]})
    model.add_agent("N", {"hidden_units": [32, 32, 32]})
    *_, last_layer, _ = model.agents["N"].parameters()
    last_layer.data.mul_(START)
    model.add_params(parameters | {"s": LEVEL, "c": constant, "least": p.least, "most": p.most})
    model.add_params({"k_mid": middle[0], "y_mid": middle[1], "k_half": half[0], "y_half": half[1]})
    for line in (
        "k = k_mid + k_half * a",
        "y = y_mid + y_half * b",
        DAMAGES,
        "V = c + (1 - eta) * (k - damages) + s * N",
        "V_k = 1 - eta + s * N_a / k_half",
        "V_kk = s * N_aa / k_half**2",
        "V_y = s * N_b / y_half - (1 - eta) * (gamma1 + gamma2 * y)",
        "V_yy = s * N_bb / y_half**2 - (1 - eta) * gamma2",
        "ratio = delta * (1 - eta) / clamp(V_k, min=1e-3)",
        "i = clamp((1 + alpha * kappa - sqrt((1 - alpha * kappa)**2 + 4 * kappa * ratio)) / (2 * kappa), min=-alpha)",
        "root = sqrt(clamp((theta * V_y)**2 - 4 * delta * eta * varsigma**2 * V_yy, min=1e-24))",
        "e = clamp(2 * delta * eta / clamp(root - theta * V_y, min=2 * delta * eta / most), min=least)",
    ):
        model.add_equation(line)
    model.add_hjb_equation(f"({FLOW} - V + ({DRIFT} + {WARMING}) / delta) / s")
    side = torch.linspace(-1.0, 1.0, 65)[:, None]
    ends = torch.cat([torch.cat([end * torch.ones_like(side), side], 1) for end in (-1.0, 1.0)])
    known = [("N_a", ends, 0.0)]  # V_k = 1 - eta
    if closed:
        steepness = (1.0 - p.eta) * (p.gamma1 + p.gamma2 * high[1])
        known.append(
            (
                "N_b",
                torch.cat([side, torch.ones_like(side)], 1),
                (damage_slope(p, high[1]) + steepness) * half[1] / LEVEL,
            )
        )
    for slope, where, size in known:
        where.requires_grad_(True)
        model.add_agent_condition("N", f"{slope}(SV)", {"SV": where}, Comparator.EQ, repr(float(size)), {}, label=slope)
    return model


GRID = {"optimizer_type": OptimizerType.LBFGS, "sampling_method": SamplingMethod.FixedGrid, "batch_size": 32, "lr": 0.5}
# to which share of the budget; hand-scaled: Adam on fresh points, then L-BFGS on a fixed grid
STAGES = {False: [(1.0, {})], True: [(0.3, {}), (1.0, GRID)]}


class OverError(Exception):
    """The budget is used up: the package itself ends only after a number of epochs."""


def until(seconds):
    """What the package calls after every step."""

    def look(**_):
        if clock.due():
            clock.note(state())
        if clock.seconds() >= seconds:
            raise OverError

    return look


def nets():
    return {**model.agents, **model.endog_vars}


def state():
    return {name: copy.deepcopy(net.state_dict()) for name, net in nets().items()}


def fields(kept):
    for name, net in nets().items():
        net.load_state_dict(kept[name])
    x = (p.points - middle) / half if scaled else p.points
    found = {}
    model.update_variables(torch.tensor(x, dtype=torch.get_default_dtype(), requires_grad=True), found)
    return tuple(found[name].detach().numpy() for name in ("V", "V_y", "e"))


model = hand_scaled() if scaled else as_written()
clock.start()
with tempfile.TemporaryDirectory() as folder:
    for share, changes in STAGES[scaled]:
        model.set_config(changes)
        model.OnTrainingStep.clear()
        model.OnTrainingStep += until(share * p.budget)
        with contextlib.suppress(OverError):
            model.train_model(folder, "model.pt")
clock.finish(state(), fields, "deep-macrofin", "torch")
