"""Regions that share one temperature, ten to fifty-one states, by features of one state each, against an exact solution.

Why: a tensor grid ends at four states; a declared additive structure does not. Every region has its own capital, productivity
and damages, and emissions of all warm all:

    V = sum_j w_j (1 - eta) k_j + f(y) + constant,

where f solves the one-dimensional equation of ak_climate with the regions' mean damages, and e_j = w_j E. The solver is told that
V is a sum of functions of one state, not which. Usage:

    python benchmarks/regions.py
"""

import functools as ft
import time
from collections import namedtuple
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

import abatax as ab
from abatax.models import (
    AbstractPreferences,
    AKEconomy,
    Ambiguity,
    ClosedFormControl,
    Growth,
    Inflow,
    TCREClimate,
    ThresholdDamages,
    TimeAdditive,
    Variable,
)
from abatax.solvers.collocation import combine
from abatax.validation import AKExact, region_points, relative_errors

CASES = [(9, 12), (9, 20), (49, 12)]


@ft.cache
def _states(regions: int) -> type:
    return namedtuple("States", [*(f"log_capital_{j}" for j in range(regions)), "temperature"])


@ft.cache
def _controls(regions: int) -> type:
    return namedtuple(
        "Controls", [*(f"investment_{j}" for j in range(regions)), *(f"emissions_{j}" for j in range(regions))]
    )


class Regions(ClosedFormControl):
    """A planner of many regions, weights w_j, in one climate: log utility of consumption and emissions in each."""

    weights: Float[Array, " region"]
    productivity: Float[Array, " region"]
    quadratic: Float[Array, " region"]  # damages, per degC^2
    economy: AKEconomy = eqx.field(default_factory=AKEconomy)
    climate: TCREClimate = eqx.field(
        default_factory=lambda: TCREClimate(ensemble=ab.models.Ensemble.certain(1.861949e-3))
    )
    preferences: AbstractPreferences = eqx.field(default_factory=TimeAdditive)
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)
    share: float = 0.032

    name: ClassVar[str] = "regions"

    @property
    def count(self) -> int:
        return self.weights.shape[-1]

    @property
    def ensemble(self) -> ab.models.Ensemble:
        return self.climate.ensemble

    @property
    def alone(self) -> ab.models.AKClimate:
        """One region with the mean damages: what f solves."""
        damages = ThresholdDamages(quadratic=jnp.sum(self.weights * self.quadratic, axis=-1))
        return ab.models.AKClimate(productivity=None, climate=self.climate, damages=damages)

    @property
    def states(self):
        capital = (Variable(f"log of capital, region {j}", "log trillion US$", 2.0, 6.0) for j in range(self.count))
        return _states(self.count)(*capital, Variable("temperature", "degC", 0.1, 4.0))

    @property
    def controls(self):
        investment = (Variable(f"investment, region {j}", "1/yr", -0.5, 0.5) for j in range(self.count))
        emissions = (Variable(f"emissions, region {j}", "GtC/yr", 1e-8, 1e3) for j in range(self.count))
        return _controls(self.count)(*investment, *emissions)

    def split(self, u):
        both = jnp.stack(u)
        return both[: self.count], both[self.count :]

    def drift(self, t, x, u, climate):
        investment, emissions = self.split(u)
        return type(x)(*jax.vmap(self.economy.drift)(investment), self.climate.drift(jnp.sum(emissions), climate))

    def diffusion(self, t, x, u):
        loadings = jnp.full(self.count + 1, self.economy.volatility)
        loadings = loadings.at[-1].set(self.climate.diffusion(jnp.sum(self.split(u)[1])))
        return type(x)(*jnp.diag(loadings))

    def utility(self, t, x, u):
        investment, emissions = self.split(u)
        harm = jax.vmap(lambda q: ThresholdDamages(quadratic=q).log_damages(x.temperature))(self.quadratic)
        consumption = jnp.sum(self.weights * (jnp.log(self.productivity - investment) + jnp.stack(x[:-1])))
        net = consumption - jnp.sum(self.weights * harm)
        welfare = self.share * jnp.sum(self.weights * jnp.log(emissions)) + (1.0 - self.share) * net
        return self.preferences.discount_rate * welfare

    def best_control(self, t, x, value, costate, hessian):
        delta, low, high = self.preferences.discount_rate, self.controls[-1].low, self.controls[-1].high
        price = jnp.maximum(jnp.stack(costate[:-1]), 1e-12)
        ratio = delta * (1.0 - self.share) * self.weights / price
        investment = jax.vmap(lambda a, r: eqx.tree_at(lambda e: e.productivity, self.economy, a).best_investment(r))(
            self.productivity, ratio
        )
        zero = jnp.zeros_like(value)
        total = self.climate.best_emissions(
            delta * self.share, costate[-1], hessian[-1, -1], self.ambiguity, zero, zero, low, high
        )
        return type(self.controls)(*jnp.clip(investment, -0.5, 0.5), *(self.weights * total))

    def closures(self):
        capital = [(Growth(slope=ft.partial(self._capital, j)),) * 2 for j in range(self.count)]
        return type(self.states)(*capital, (Inflow(), Growth(slope=self._far, extension=8.0)))

    def _capital(self, j, t, x):
        return (1.0 - self.share) * self.weights[j]

    def _far(self, t, x):
        return self.alone._damage_slope(t, x)

    def initial_state(self):
        return type(self.states)(*(jnp.full(self.count, 4.0)), jnp.asarray(1.1))


def make(count: int) -> Regions:
    """Regions of different size, productivity and damages."""
    rng = np.random.default_rng(count)
    weights = rng.uniform(0.5, 1.5, count)
    return Regions(
        jnp.asarray(weights / weights.sum()),
        jnp.asarray(rng.uniform(0.105, 0.125, count)),
        jnp.asarray(rng.uniform(0.002, 0.008, count)),
    )


def errors(solution) -> dict[str, tuple[float, float, float]]:
    """Of slopes and controls at fresh points of the region: L2, largest over largest, and of the best constant."""
    model, points = solution.problem.model, np.asarray(region_points(solution.problem))
    features = jax.tree.map(np.asarray, solution.value.features)
    # on the host: nothing to compile
    _, slopes, hessians = combine(features, features.parts(points, np), np.asarray(solution.value.coefficients), np)
    exact, state = AKExact(model.alone), type(model.alone.states)

    @jax.jit
    def controls(slope, bend, true_slope, true_bend):
        x, zero = model.initial_state(), jnp.zeros(())
        true = type(x)(*((1.0 - model.share) * model.weights), true_slope)
        found = model.best_control(zero, x, zero, type(x)(*slope), jnp.diag(jnp.append(0.0 * slope[1:], bend)))
        best = model.best_control(zero, x, zero, true, jnp.diag(jnp.append(0.0 * slope[1:], true_bend)))
        return *model.split(found), *model.split(best)

    f = jax.vmap(lambda y: exact(jnp.zeros(()), state(jnp.zeros(()), y)))
    slope = jax.vmap(jax.grad(lambda y: f(y[None])[0]))
    true_slope, true_bend = slope(points[:, -1]), jax.vmap(jax.grad(lambda y: slope(y[None])[0]))(points[:, -1])
    found = jax.vmap(controls)(slopes, hessians[:, -1, -1], true_slope, true_bend)
    investment, emissions, best_investment, best_emissions = map(np.asarray, found)
    capital = np.broadcast_to((1.0 - model.share) * np.asarray(model.weights), slopes[:, :-1].shape)
    return relative_errors(
        {"V_k": slopes[:, :-1], "V_y": slopes[:, -1], "e": emissions, "i": investment},
        {"V_k": capital, "V_y": np.asarray(true_slope), "e": best_emissions, "i": best_investment},
    )


def main():
    names = ("V_k", "V_y", "e", "i")
    columns = ("states", "degree", "unknowns", "steps", "first s", "CPU s", *names, "e const", "unresolved")
    print(
        "Relative errors on the region of interest (largest over the largest); `e const`: relative L2 of a constant policy"
    )
    print(" ".join(f"{c:>10}" for c in columns))
    for count, degree in CASES:
        solver, seconds = ab.solvers.Features(degree=degree, interactions=1), []
        for _ in range(2):  # the first compiles
            start = time.process_time()
            solution = ab.solve(ab.HJBProblem(make(count)), solver)
            seconds.append(time.process_time() - start)
        found = errors(solution)
        row = [count + 1, degree, solution.stats["unknowns"], solution.stats["steps"]]
        text = " ".join(f"{v:>10}" for v in row) + " " + " ".join(f"{v:>10.1f}" for v in seconds)
        rest = [*(found[n][1] for n in names), found["e"][2], solution.stats["unresolved"]]
        print(text, " ".join(f"{v:>10.1e}" for v in rest), flush=True)


if __name__ == "__main__":
    main()
