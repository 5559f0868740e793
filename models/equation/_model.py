import abc
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from equinox import AbstractVar
from jaxtyping import Array, Float

from ..base import Point, Scalar, Variable
from ._ambiguity import Ambiguity
from ._closures import Automatic
from ._ensemble import Ensemble
from ._preferences import AbstractPreferences
from ._value import AbstractValue


class NoAdditive(NamedTuple):
    """The empty additive state of a model without additive states."""


class Jump(eqx.Module):
    r"""A Poisson event that moves the state and may change the model.

    Contributes $\lambda\sum_m\pi_m\{g_m(V^m(x^+_m) - V) + \xi(1 - g_m + g_m\log g_m)\}$ to the equation.

    **Arguments:**

    - `name`: lower case with underscores; names the date of the jump in simulated paths.
    - `intensity`: $\lambda(t, x, u)$, per year.
    - `land`: the state just after the jump, as a function of the state just before: every state a number, or an array with one
      entry per outcome.
    - `probabilities`: $\pi_m$, one per outcome.
    - `destination`: the model after the jump, with every array leaf stacked over the outcomes
      (for example by `eqx.filter_vmap` of a constructor). It is solved first. None for a recurrent jump, which leads back to the
      same model and only moves the state. Models that lead to each other in a cycle (expansion and recession), or back to
      themselves, are recognised by their parameters and solved together.
    - `land_additive`: the increments of the additive states, as a function of the state just before the jump: for every additive
      state a number, or one per outcome. None if they do not jump.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        # disasters destroy a tenth or a third of (log) capital, and the economy goes on as before
        losses = jnp.array([0.1, 1.0 / 3.0])
        disaster = ab.models.Jump(
            intensity=lambda t, x, u: jnp.array(0.05),
            land=lambda x: x._replace(log_capital=x.log_capital + jnp.log1p(-losses)),
            probabilities=jnp.array([0.8, 0.2]),
            destination=None,
            name="disaster",
        )
        assert disaster.recurs
        ```
    """

    intensity: Callable[[Scalar, Point, Point], Scalar]
    land: Callable[[Point], Point]
    probabilities: Float[Array, "*family outcome"]
    destination: "AbstractModel | None"
    name: str = eqx.field(static=True)
    land_additive: Callable[[Point], Point] | None = None

    @property
    def recurs(self) -> bool:
        """Whether the jump leads back to the model that declares it."""
        return self.destination is None

    def shift(self, x: Point, costates: Point) -> Scalar | Float[Array, " outcome"]:
        """Change of the value through the jumps of the additive states, given their costates."""
        increments = () if self.land_additive is None else self.land_additive(x)
        return sum((p * jnp.asarray(dz) for p, dz in zip(costates, increments, strict=False)), jnp.zeros(()))


class AbstractModel(eqx.Module):
    r"""A controlled jump-diffusion with flow utility, defined at one point.

    $$dx = b(x,u;\theta)\,dt + \sigma(x,u)\,dW + \sum_j (x^+_j - x)\,dN_j$$

    All methods are pointwise: one time, one state, one control. Batch axes are `jax.vmap`, placed by the solver.
    States and controls are NamedTuples of scalars; `states` and `controls` are the same NamedTuples filled with
    [`Variable`][]s. Field order is grid-axis order, dimension order and network-input order.

    **Additive states.** A state that enters the value function linearly with a known costate (log damages,
    log capital) is not a dimension of the grid: it is listed in `additive`, with its costate. Its drift and
    diffusion enter the equation through that costate, and simulation carries it along.

    A new model implements `states`, `controls`, `drift`, `diffusion`, `utility` and `initial_state`; all other methods have a
    neutral default. If the maximising control has a closed form, the model is also a subclass of [`ClosedFormControl`][].

    !!! example

        ```python
        from typing import NamedTuple

        import equinox as eqx
        import jax.numpy as jnp

        import abatax as ab

        class State(NamedTuple):
            temperature: object

        class Control(NamedTuple):
            abatement: object

        class Abatement(ab.models.AbstractModel):
            preferences: ab.models.TimeAdditive = eqx.field(default_factory=lambda: ab.models.TimeAdditive(0.02))
            ambiguity: ab.models.Ambiguity = eqx.field(default_factory=ab.models.Ambiguity)

            @property
            def states(self):
                return State(ab.models.Variable("temperature anomaly", "degC", 0.0, 6.0))

            @property
            def controls(self):
                return Control(ab.models.Variable("share of emissions abated", "1", 0.0, 1.0))

            def drift(self, t, x, u, climate):
                return State(0.03 * (1.0 - u.abatement) - 0.006 * x.temperature)

            def diffusion(self, t, x, u):
                return State(jnp.array([0.05]))

            def utility(self, t, x, u):
                return jnp.log1p(-0.05 * u.abatement**2.6) - 0.005 * x.temperature**2

            def initial_state(self):
                return State(jnp.array(1.2))

        assert ab.HJBProblem(Abatement()).region == ((0.0, 6.0),)
        ```
    """

    preferences: AbstractVar[AbstractPreferences]
    ambiguity: AbstractVar[Ambiguity]

    name: ClassVar[str] = "model"
    source: ClassVar[str] = ""
    start_year: ClassVar[int] = 2020

    # -- required methods ---------------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def states(self) -> Point:
        """A NamedTuple of `Variable`s; low and high bound the region of interest."""

    @property
    @abc.abstractmethod
    def controls(self) -> Point:
        """A NamedTuple of `Variable`s; low and high bound the control."""

    @abc.abstractmethod
    def drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        """Drift of the states, per year, if `climate` is the true member of the ensemble."""

    @abc.abstractmethod
    def diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        """Loading of every state on every Brownian shock, per square root of a year."""

    @abc.abstractmethod
    def utility(self, t: Scalar, x: Point, u: Point) -> Scalar:
        """Flow utility, before discounting."""

    @abc.abstractmethod
    def initial_state(self) -> Point:
        """Initial state of simulations."""

    # -- methods with a neutral default -------------------------------------------------------------

    @property
    def regime(self) -> str:
        """Name of this regime; the destinations of jumps have names of their own."""
        return "initial"

    @property
    def ensemble(self) -> Ensemble:
        """The climate models that the planner considers."""
        return Ensemble.certain()

    @property
    def climates(self) -> Point:
        """The argument `climate` of the drift for each member of the ensemble, members on the leading axis: sensitivities.

        A model whose members differ in more than one number overrides this with a NamedTuple of arrays.
        """
        return self.ensemble.values

    def jumps(self) -> tuple[Jump, ...]:
        """The jumps out of this regime, and those that lead back to it."""
        return ()

    def exact_value(self) -> AbstractValue | None:
        """The value function of this regime in closed form, if it is known: the regime is then not solved numerically."""
        return None

    def first_guess(self) -> AbstractValue | None:
        """Initial guess of the value function, unless the user gives one; None for a constant."""
        return None

    def asymptote(self, t: Scalar, x: Point, after: tuple[Float[Array, " _"], ...] = ()) -> Scalar:
        """A smooth approximation of the value function, up to a constant; networks learn the remainder.

        A good choice is the limit of the value function if states hardly move, or, before a jump that only reveals information,
        the certainty equivalent of the values after the jump. `after` contains the values after each jump, if they are known.
        """
        return jnp.zeros(())

    def remainder_scale(self, t: Scalar, x: Point) -> Scalar:
        """Relative magnitude of the remainder, value minus asymptote, as a function of the state; it multiplies the networks.

        A good choice is the discounted share of the future before a jump, if the asymptote contains the values after it.
        """
        return jnp.ones(())

    def closures(self) -> Point:
        """For each state the closures of its low and high face.

        The default is chosen by `solve` ([`Automatic`][abatax.models.Automatic]).
        """
        return type(self.states)(*((Automatic(), Automatic()) for _ in self.states))

    def costate_signs(self) -> dict[str, int]:
        """States whose marginal value is known to be positive (+1) or negative (-1) everywhere.

        A solution with another sign over much of the region is a false branch and is not returned as converged.
        """
        return {}

    def idle_controls(self) -> tuple[str, ...]:
        """Controls that have no effect in this regime; comparisons leave them out of averages."""
        return ()

    @property
    def scan_fineness(self) -> int:
        """The `fineness` with which [`maximise`][] scans the controls."""
        return 1

    def interior_controls(self) -> tuple[str, ...]:
        """Controls whose optimum lies strictly between their bounds, which are limits of the computation, not of the economy.

        If such a control is at a bound over most of the region, the solution is on a false branch. Bounds of other controls may
        bind.
        """
        return ()

    def breakpoints(self) -> dict[str, tuple[float, ...]]:
        """For each state the points at which coefficients have a kink; grids place nodes there, and no stencil crosses them.

        Second derivatives jump there; at the node itself the right-hand limit is used.
        """
        return {}

    def grid_points(self) -> dict[str, int]:
        """Nodes per state, margins included, with which finite differences of order 4 resolve value and policy.

        They are the default of `FiniteDifference(points)`. A good choice gives controls and prices within 0.3 % of their limit.
        """
        return {}

    @property
    def additive(self) -> Point:
        """Variables of the additive states."""
        return NoAdditive()

    def additive_costates(self) -> Point:
        """The constant derivative of the value function in each additive state."""
        return NoAdditive()

    def separated(self) -> tuple[str, ...]:
        """Additive states that contribute only a constant to the equation, which is left out.

        Their drift and noise depend on no state and no control, and their shocks move no other state. Left in the equation, a
        large constant would cost digits of all other terms. The worst case of their shocks is reported as for other states.
        """
        return ()

    def additive_drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        """Drift of the additive states."""
        return NoAdditive()

    def additive_diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        """Loadings of the additive states on the same shocks."""
        return NoAdditive()

    def initial_additive(self) -> Point:
        """Initial values of the additive states."""
        return NoAdditive()

    def observables(self, t: Scalar, x: Point, u: Point, additive: Point) -> dict[str, Scalar]:
        """Quantities to report, by name; `observable_variables` describes them."""
        return {}

    @property
    def observable_variables(self) -> dict[str, Variable]:
        """Name, unit and IAMC name of each observable."""
        return {}

    @property
    def climate_mean(self) -> Scalar:
        """The prior mean of the ensemble: the climate that baseline simulations follow."""
        return self.ensemble.mean


def noise_size(model: AbstractModel) -> int:
    """The number of Brownian shocks of a model."""
    u = type(model.controls)(*(jnp.clip(jnp.asarray(0.01), c.low, c.high) for c in model.controls))
    return jax.eval_shape(lambda: model.diffusion(jnp.zeros(()), model.initial_state(), u))[0].shape[0]


class ClosedFormControl(AbstractModel):
    """A model whose first-order condition has a closed-form solution; other models are maximised numerically.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        model = ab.models.LinearQuadratic()
        assert isinstance(model, ab.models.ClosedFormControl)
        x, costate = model.initial_state(), type(model.states)(jnp.array(-1.0))
        control = model.best_control(jnp.array(0.0), x, jnp.array(0.0), costate, -jnp.eye(1))
        assert control.control == -1.0  # the slope of the value over the cost of control
        ```
    """

    @abc.abstractmethod
    def best_control(
        self, t: Scalar, x: Point, value: Scalar, costate: Point, hessian: Float[Array, "state state"]
    ) -> Point:
        """The control of the saddle point against the worst case, given the value function and its derivatives."""


class CarbonModel(AbstractModel):
    """A model with carbon emissions and consumption, which has a social cost of carbon.

    !!! example

        ```python
        import abatax as ab

        assert isinstance(ab.models.NetZero(), ab.models.CarbonModel)
        assert not isinstance(ab.models.LinearQuadratic(), ab.models.CarbonModel)
        ```
    """

    exogenous_emissions: AbstractVar[Float[Array, "..."]]
    """Exogenous emissions, GtC/yr, zero by default; the social cost of carbon is a derivative with respect to them."""

    @abc.abstractmethod
    def marginal_utility(self, t: Scalar, x: Point, u: Point, additive: Point) -> Scalar:
        """Derivative of the flow utility in consumption, per trillion US$/yr."""


__all__ = ["AbstractModel", "CarbonModel", "ClosedFormControl", "Jump", "NoAdditive"]
