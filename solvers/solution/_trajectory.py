from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ...models import DiscreteProblem, Dynamics
from ...models.base import USD_PER_TONNE, Point
from ..base import RESULTS, compiled, result_advice, result_name


class Trajectory(eqx.Module):
    """The solution of a problem in discrete time: one path, its welfare, and the social cost of carbon along it.

    **Fields:**

    - `problem`: the problem of this path.
    - `controls`: by period. `states`: at the start of every period. `observables`: of every period.
    - `welfare`: in the normalisation of the source.
    - `scc`: US$/tCO2, the exact derivative of welfare (with the limits along the path) with respect to emissions divided by the
      derivative with respect to consumption; NaN in periods with emissions that do not affect the climate of the model.
    - `scc_published`: the social cost of carbon by the convention of the source.
    - `multipliers`: of the limits along the path by name, positive at the upper limit.
    - `result`, `stats`: a code of `RESULTS`; steps, error of the optimality conditions, seconds.

    !!! example

        ```python
        import abatax as ab

        path = ab.solve(ab.models.Dice2016())
        assert path.converged and path.years[1] == 2020 and path.controls.abatement.shape == (100,)
        ```
    """

    problem: DiscreteProblem
    controls: Point
    states: Point
    observables: dict[str, np.ndarray]
    welfare: float
    scc: np.ndarray
    scc_published: np.ndarray
    multipliers: dict[str, np.ndarray]
    result: RESULTS
    stats: dict[str, Any]

    @property
    def converged(self) -> bool:
        """Whether the optimality conditions hold."""
        return result_name(self.result) == "successful"

    @property
    def advice(self) -> str:
        """Advice for the next attempt, or that the solution converged."""
        return result_advice(self.result)

    @property
    def years(self) -> np.ndarray:
        """Calendar years of the periods."""
        return np.asarray(self.problem.model.years)

    def to_dataset(self):
        """A labelled dataset of states, controls, observables and both social costs of carbon, with the dimension `year`."""
        from ...scenarios.labels import trajectory_dataset

        return trajectory_dataset(self)


def follow(problem: DiscreteProblem, controls: Point, *, multipliers: dict[str, Any] | None = None) -> Trajectory:
    """The path under given controls, optimal or not, with the social cost of carbon along it.

    **Arguments:**

    - `problem`: the model; its bounds are not enforced here.
    - `controls`: a NamedTuple of arrays by period.
    - `multipliers`: of the limits along the path by name; zero if left out.

    **Returns:** a [`Trajectory`][].

    **Raises:** `ValueError` naming a control of the wrong length.

    !!! example

        ```python
        import abatax as ab

        problem = ab.models.DiscreteProblem(ab.models.Dice2016())
        path = ab.solvers.follow(problem, problem.low._replace(savings=problem.high.savings * 0.25))
        assert path.observables["emissions_co2"][0] > 38.0
        ```
    """
    count = problem.model.periods
    for name, values in controls._asdict().items():
        if np.shape(values) != (count,):
            raise ValueError(f"`{name}` has shape {np.shape(values)}; give one value for each of the {count} periods.")
    dynamics = problem.dynamics()
    multiplier_values = {} if multipliers is None else multipliers
    prices = [jnp.asarray(multiplier_values.get(name, np.zeros(count))) for name in dynamics.bounded]
    controls = type(controls)(*(jnp.asarray(v, dtype=jnp.float64) for v in controls))
    stacked = jnp.stack(prices) if prices else jnp.zeros((0, count))
    welfare, states, observables, per_emissions, per_consumption = _along(dynamics, controls, stacked)
    model = problem.model
    scc = -USD_PER_TONNE * np.array(per_emissions) / np.asarray(per_consumption)  # US$/tCO2
    scc[: model.first_pulse] = np.nan
    controls, states, observables = jax.tree.map(np.asarray, (controls, states, observables))
    return Trajectory(
        problem,
        controls,
        states,
        observables,
        float(welfare),
        scc,
        np.asarray(model.published_scc(per_emissions, per_consumption)),
        {name: np.asarray(price) for name, price in zip(dynamics.bounded, prices, strict=True)},
        RESULTS.successful,
        {"steps": 0, "error": 0.0, "seconds": 0.0, "compile_seconds": 0.0},
    )


@compiled
def _along(dynamics: Dynamics, controls: Point, prices: Float[Array, "bounded period"]):
    """Welfare, states and observables along a path, and the marginal welfare of emissions and consumption in every period."""

    def lagrangian(pulses):
        welfare, states, outcomes = dynamics.run(controls, pulses)
        limits = sum((jnp.sum(p * outcomes.seen[name]) for name, p in zip(dynamics.bounded, prices, strict=True)), 0.0)
        return welfare - limits, (welfare, states, outcomes)

    zero = jnp.zeros(controls[0].shape)
    (_, (welfare, states, outcomes)), per_emissions = jax.value_and_grad(lagrangian, has_aux=True)(zero)
    return welfare, states, outcomes.seen, per_emissions, outcomes.consumption_value
