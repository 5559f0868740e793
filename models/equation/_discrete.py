import abc
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import USD_PER_TONNE, Point, Scalar, Variable


class PeriodOutcome(NamedTuple):
    """Outcome of one period of a model in discrete time.

    **Arguments:**

    - `state`: the state at the start of the next period.
    - `welfare`: the contribution of the period to welfare.
    - `consumption_value`: derivative of welfare in the consumption of the period, per trillion US$/yr.
    - `seen`: the reported quantities by name.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        zero = jnp.zeros(())
        outcome = ab.models.PeriodOutcome(state=(zero,), welfare=zero, consumption_value=jnp.ones(()), seen={"output": zero})
        assert outcome.seen["output"] == 0.0
        ```
    """

    state: Point
    welfare: Scalar
    consumption_value: Scalar
    seen: dict[str, Scalar]


class AbstractPeriod(eqx.Module):
    """One period of a deterministic model: arrays only, so that scenarios share one compiled program.

    !!! example

        ```python
        import abatax as ab

        dynamics = ab.models.Dice2016().dynamics()
        assert isinstance(dynamics.period, ab.models.AbstractPeriod)
        ```
    """

    @abc.abstractmethod
    def __call__(self, given: Point, x: Point, u: Point, pulse: Scalar) -> PeriodOutcome:
        """The outcome of a period.

        `given` are the exogenous quantities of the period (population, technology), `x` the state at its start, `u` its control,
        `pulse` additional emissions in GtCO2/yr (zero; the social cost of carbon is a derivative with respect to them).
        """


class Dynamics(eqx.Module):
    r"""The transition and welfare of a model in discrete time: $x_{n+1} = f_n(x_n,u_n)$ and $W_0 + \sum_n w_n(x_n,u_n)$.

    **Fields:**

    - `period`: $f$ and $w$. `given`: their exogenous quantities, with leaves by period.
    - `start`: the first state. `constant`: $W_0$.
    - `bounded`: names of the reported quantities that are bounded along the path.

    !!! example

        ```python
        import abatax as ab

        dynamics = ab.models.Dice2016().dynamics()
        assert float(dynamics.start.capital) == 223.0  # trillion 2010 US$
        ```
    """

    period: AbstractPeriod
    given: Point
    start: Point
    constant: Scalar
    bounded: tuple[str, ...] = eqx.field(static=True, default=())

    def run(self, controls: Point, pulses: Float[Array, " period"]) -> tuple[Scalar, Point, PeriodOutcome]:
        """Welfare, the state at the start of every period, and the outcome of every period."""

        def step(x, slice_):
            given, u, pulse = slice_
            outcome = self.period(given, x, u, pulse)
            return outcome.state, (x, outcome)

        _, (states, outcomes) = jax.lax.scan(step, self.start, (self.given, controls, pulses))
        return self.constant + jnp.sum(outcomes.welfare), states, outcomes


class AbstractDiscreteModel(eqx.Module):
    r"""A deterministic model in discrete time, with a finite number of periods.

    $$\max_{u_0,\dots,u_{N-1}}\; W_0 + \sum_n w_n(x_n,u_n),\qquad x_{n+1} = f_n(x_n,u_n)$$

    with bounds on every control and on some quantities along the path. States, controls and reported quantities are described by
    [`Variable`][]s as for `AbstractModel`. There is no HJB equation: the path is optimised directly.

    A model defines `states`, `controls`, `observable_variables`, `dynamics`, `control_bounds` and, if necessary, `path_bounds`.

    !!! example

        ```python
        import abatax as ab

        model = ab.models.Dice2016()
        assert isinstance(model, ab.models.AbstractDiscreteModel)
        assert model.years[:2] == [2015, 2020] and model.controls._fields == ("abatement", "savings")
        ```
    """

    name: ClassVar[str] = "discrete_model"
    source: ClassVar[str] = ""
    start_year: ClassVar[int] = 2015
    years_per_period: ClassVar[int] = 5
    periods: ClassVar[int]
    price_year: ClassVar[int]
    first_pulse: ClassVar[int] = 0  # the first period whose emissions reach the climate

    @property
    @abc.abstractmethod
    def states(self) -> Point:
        """A NamedTuple of `Variable`s."""

    @property
    @abc.abstractmethod
    def controls(self) -> Point:
        """A NamedTuple of `Variable`s."""

    @property
    @abc.abstractmethod
    def observable_variables(self) -> dict[str, Variable]:
        """The reported quantities. One with the name of a state is the state after the changes in the period."""

    @abc.abstractmethod
    def dynamics(self) -> Dynamics:
        """The transition and welfare of the model."""

    @abc.abstractmethod
    def control_bounds(self) -> tuple[Point, Point]:
        """Lower and upper bounds of the controls in every period; equal bounds fix a control."""

    @abc.abstractmethod
    def first_controls(self) -> Point:
        """Initial guess of the controls; it need not satisfy the bounds."""

    def path_bounds(self) -> dict[str, tuple[Float[Array, " period"], Float[Array, " period"]]]:
        """Lower and upper bounds, by period, of reported quantities."""
        return {}

    def published_scc(
        self, emissions_value: Float[Array, " period"], consumption_value: Float[Array, " period"]
    ) -> Float[Array, " period"]:
        """The social cost of carbon by the convention of the source, US$/tCO2, from the two marginal values."""
        return -USD_PER_TONNE * emissions_value / consumption_value

    def jumps(self) -> tuple[()]:
        """None: the model is deterministic."""
        return ()

    @property
    def labels(self) -> dict[str, str]:
        """Labels that identify the variant of the model."""
        return {}

    @property
    def years(self) -> list[int]:
        """The calendar year of every period."""
        return [self.start_year + self.years_per_period * n for n in range(self.periods)]


class DiscreteProblem(eqx.Module):
    """A model in discrete time with bounds on its controls, as `solve` takes it.

    **Arguments:**

    - `model`: the model.
    - `low`, `high`: bounds of the controls by period, instead of those of the model; equal bounds fix a control.

    **Raises:** `ValueError` naming the control and the year in which the bounds cross.

    !!! example

        ```python
        import abatax as ab

        problem = ab.models.DiscreteProblem(ab.models.Dice2016())
        assert float(problem.high.abatement[1]) == 1.0
        ```
    """

    model: AbstractDiscreteModel
    low: Point
    high: Point

    def __init__(self, model: AbstractDiscreteModel, *, low: Point | None = None, high: Point | None = None):
        default_low, default_high = model.control_bounds()
        self.model = model
        self.low = default_low if low is None else low
        self.high = default_high if high is None else high
        for name, below, above in zip(self.low._fields, self.low, self.high, strict=True):
            crossed = jnp.flatnonzero(~(jnp.asarray(below) <= jnp.asarray(above)))
            if crossed.size:
                n = int(crossed[0])
                raise ValueError(
                    f"`{name}` in {model.years[n]}: low {float(below[n]):g} must not be above high {float(above[n]):g}."
                )

    def dynamics(self) -> Dynamics:
        """The transition and welfare of the model."""
        return self.model.dynamics()
