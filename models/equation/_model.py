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
    """The empty additive state: nothing has been split off."""


class Jump(eqx.Module):
    r"""A Poisson event after which the state lands elsewhere and the world may follow another model.

    Contributes $\lambda\sum_m\pi_m\{g_m(V^m(x^+_m) - V) + \xi(1 - g_m + g_m\log g_m)\}$ to the equation.

    **Arguments:**

    - `name`: lower case with underscores; names the date of the jump in simulated paths.
    - `intensity`: $\lambda(t, x, u)$, per year.
    - `land`: the state just after the jump, as a function of the state just before: every state a number, or an array with one
      entry per outcome.
    - `probabilities`: $\pi_m$, one per outcome.
    - `destination`: the model after the jump, with every array leaf stacked over the outcomes
      (`eqx.filter_vmap` of a constructor makes one). It is solved first. None for a jump that leads back to this same model,
      which recurs: only the state moves. Models that lead to each other in a cycle (good times and bad times), or back to
      themselves, are recognised by their parameters and solved together.
    - `land_additive`: by how much the additive states jump, as a function of the state just before: for every additive state a
      number, or one per outcome. None if they stay.

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
        """Whether the jump is declared to lead back to the model that it belongs to."""
        return self.destination is None

    def shift(self, x: Point, costates: Point) -> Scalar | Float[Array, " outcome"]:
        """What the jump of the additive states adds to the value after it, given their costates."""
        moved = () if self.land_additive is None else self.land_additive(x)
        return sum((p * jnp.asarray(dz) for p, dz in zip(costates, moved, strict=False)), jnp.zeros(()))


class AbstractModel(eqx.Module):
    r"""A controlled jump-diffusion with flow utility: what is asked, at one point.

    $$dx = b(x,u;\theta)\,dt + \sigma(x,u)\,dW + \sum_j (x^+_j - x)\,dN_j$$

    All methods are pointwise: one time, one state, one control. Batch axes are `jax.vmap`, placed by the solver.
    States and controls are NamedTuples of scalars; `states` and `controls` are the same NamedTuples filled with
    [`Variable`][]s. Field order is grid-axis order, dimension order and network-input order.

    **Additive states.** A state that enters the value function linearly with a known costate (log damages,
    log capital) is not a dimension of the grid: it is listed in `additive`, with its costate. Its drift and
    diffusion enter the equation through that costate, and simulation carries it along.

    To write one's own model, implement `states`, `controls`, `drift`, `diffusion`, `utility` and
    `initial_state`; everything else has a neutral default. If the maximising control has a closed form,
    subclass [`ClosedFormControl`][] too.
    """

    preferences: AbstractVar[AbstractPreferences]
    ambiguity: AbstractVar[Ambiguity]

    name: ClassVar[str] = "model"
    source: ClassVar[str] = ""
    start_year: ClassVar[int] = 2020

    # -- what must be given -------------------------------------------------------------------------

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
        """Where simulations start."""

    # -- what has a neutral default -----------------------------------------------------------------

    @property
    def regime(self) -> str:
        """What this phase of the world is called; destinations of jumps have their own names."""
        return "initial"

    @property
    def ensemble(self) -> Ensemble:
        """The climate models the planner entertains."""
        return Ensemble.certain()

    @property
    def climates(self) -> Point:
        """What the drift is given for each member of the ensemble, members on the leading axis: their sensitivities.

        A model whose members differ in more than one number overrides this with a NamedTuple of arrays.
        """
        return self.ensemble.values

    def jumps(self) -> tuple[Jump, ...]:
        """The jumps out of this regime, and those that lead back to it."""
        return ()

    def exact_value(self) -> AbstractValue | None:
        """The value function of this regime where it is known in closed form: it is then not solved for."""
        return None

    def first_guess(self) -> AbstractValue | None:
        """A value function that solvers start from if the user has none; flat if left out."""
        return None

    def asymptote(self, t: Scalar, x: Point, after: tuple[Float[Array, " _"], ...] = ()) -> Scalar:
        """What is known of the value function, a smooth function of the states: networks learn what is left.

        Good: what it tends to where states hardly move, or, of a jump that only reveals something, what it is worth to have
        landed: `after` has the values after each jump, if they are known. It needs no level.
        """
        return jnp.zeros(())

    def remainder_scale(self, t: Scalar, x: Point) -> Scalar:
        """How large what the asymptote leaves out is at a state, relative to others: networks are multiplied by it.

        Good: the share of the future that is lived before a jump, if the asymptote has what comes after it.
        """
        return jnp.ones(())

    def closures(self) -> Point:
        """For each state the closures of its low and its high face; if left out, `solve` finds out ([`Automatic`][])."""
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
        """Controls whose optimum lies between their bounds: the bounds are limits of the computation, not of the economy.

        One of these at a bound over most of the region is the mark of a false branch. Bounds of other controls may bind.
        """
        return ()

    def breakpoints(self) -> dict[str, tuple[float, ...]]:
        """For each state where coefficients have a kink; grids put nodes there and no stencil crosses.

        Second derivatives jump there, and at the node itself the side above is taken.
        """
        return {}

    def grid_points(self) -> dict[str, int]:
        """Nodes per state, margins included, at which finite differences of order 4 resolve value and policy.

        The default of `FiniteDifference(points)` for these states. Good: controls and prices within 0.3 % of their limit.
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
        """Additive states whose own problem is solved apart: what they add to the equation is a constant, which is left out.

        For a state whose drift and noise no state and no control moves, on shocks of its own. Left in and taken off again in the
        utility, a large constant would take digits from everything else. Nature's reply to its shocks is told as for the others.
        """
        return ()

    def additive_drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        """Drift of the additive states."""
        return NoAdditive()

    def additive_diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        """Loadings of the additive states on the same shocks."""
        return NoAdditive()

    def initial_additive(self) -> Point:
        """Where the additive states start."""
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
    """A model whose paper solves the first-order condition; otherwise solvers maximise numerically."""

    @abc.abstractmethod
    def best_control(
        self, t: Scalar, x: Point, value: Scalar, costate: Point, hessian: Float[Array, "state state"]
    ) -> Point:
        """The control of the saddle point (nature's reply included), given value and derivatives."""


class CarbonModel(AbstractModel):
    """A model in which a tonne of carbon can be added and a dollar consumed: it has a social cost of carbon."""

    exogenous_emissions: AbstractVar[Float[Array, "..."]]
    """Emissions in GtC/yr from outside the model, added to its own. Zero; the social cost is a derivative in it."""

    @abc.abstractmethod
    def marginal_utility(self, t: Scalar, x: Point, u: Point, additive: Point) -> Scalar:
        """Derivative of the flow utility in consumption, per trillion US$/yr."""


__all__ = ["AbstractModel", "CarbonModel", "ClosedFormControl", "Jump", "NoAdditive"]
