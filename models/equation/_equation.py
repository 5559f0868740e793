from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Constants, Point, Scalar, changed_constant, constants_read
from ._ambiguity import WorstCase
from ._maximise import maximise
from ._model import AbstractModel, CarbonModel, ClosedFormControl
from ._scan import highest
from ._value import Derivatives, derivatives

Continuations = tuple[Callable[[Scalar, Point], Float[Array, " outcome"]], ...]


class _Terms(NamedTuple):
    """The terms of the equation at one point, without the distortions of the worst case."""

    flow: Scalar
    climate_gains: Float[Array, " member"]  # V_x . b_l, one per climate model
    exposure: Float[Array, " noise"]  # (sigma' V_x)_i, of all states
    valued_exposure: Float[Array, " noise"]  # the same without the additive states that are separated
    variance: Scalar  # tr(sigma sigma' V_xx) / 2, minus the term of risk aversion
    intensities: tuple[Scalar, ...]
    jump_gains: tuple[Float[Array, " ..."], ...]  # V^{jm}(x+) - V, transformed by risk aversion


class Equation(eqx.Module):
    r"""The stationary HJB equation of a model.

    $$0 = \max_u\min_{h,\omega,g}\; F(x,u,V) + V_x\cdot\Big[\sum_\ell\omega_\ell b(x,u;\theta_\ell) + \sigma h\Big]
        + \tfrac12\mathrm{tr}(\sigma\sigma^\top V_{xx}) + \tfrac12\sum_i\xi_i h_i^2
        + \xi_a\sum_\ell\omega_\ell\log\tfrac{\omega_\ell}{\pi_\ell}
        + \sum_j\lambda_j\sum_m\pi_{jm}\{g_{jm}(V^{jm}(x^+) - V) + \xi_j(1 - g_{jm} + g_{jm}\log g_{jm})\}$$

    It is the only Hamiltonian of the package: finite differences, losses, metrics and tests call it. It has no box; an
    [`HJBProblem`][] is an equation posed on a box.

    **Arguments:**

    - `model`: the model (or, inside solvers, a family of models with stacked leaves).
    - `continuations`: for each jump, the value functions after it, as one callable of time and state that returns
      one value per outcome. If the landing depends on the outcome, states are arrays over the outcomes. `solve` fills them in.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        # 0 = max_u {-(x^2 + u^2)/2 + ...}: the Hamiltonian of a given control, value, slope and curvature at x = 1
        model = ab.models.LinearQuadratic()
        equation = ab.models.Equation(model)
        one = jnp.ones(())
        at = ab.models.Derivatives(-one, -one[None], -one[None, None])
        best = equation.best_control(0 * one, equation.state(one[None]), at)
        assert float(best.control) < 0.0
        ```
    """

    model: AbstractModel
    continuations: Continuations
    constants: Constants = eqx.field(static=True)  # of the user's classes; part of the key of compiled programs

    def __init__(self, model: AbstractModel, continuations: Continuations = ()):
        self.model = model
        self.continuations = continuations
        self.constants = constants_read(model)

    def check_constants(self) -> None:
        """Raise `ValueError` if a constant or code that the class of the model reads has changed since the equation was made."""
        changed = changed_constant(self.constants, constants_read(self.model))
        if changed is not None:
            raise ValueError(
                f"{changed} has changed since this problem was posed or solved; solve it again, or make it a field of the model."
            )

    def state(self, x: Float[Array, " state"]) -> Point:
        """The named state of a coordinate vector."""
        return type(self.model.states)(*x)

    # -- the value function at a state ------------------------------------------------------------------

    def after(self, t: Scalar, x: Point) -> tuple[Float[Array, " _"], ...]:
        """Values after each jump, one per outcome."""
        jumps, costates = self.model.jumps(), self.model.additive_costates()
        return tuple(
            c(t, j.land(x)) + j.shift(x, costates) if j.land_additive else c(t, j.land(x))
            for c, j in zip(self.continuations, jumps, strict=True)
        )

    def derivatives(self, t: Scalar, x: Point, value: Callable[[Scalar, Point], Scalar]) -> Derivatives:
        """Value, costate and hessian of a value function at a state, and the values after the jumps."""
        return Derivatives(*derivatives(t, x, value), self.after(t, x))

    def asymptote(self, t: Scalar, x: Point) -> Scalar:
        """The asymptote that the model declares for its value function, given the values after its jumps."""
        return self.model.asymptote(t, x, self.after(t, x))

    def remainder_scale(self, t: Scalar, x: Point) -> Scalar:
        """Relative magnitude of the remainder, value minus asymptote, as a function of the state."""
        return self.model.remainder_scale(t, x)

    # -- the Hamiltonian --------------------------------------------------------------------------------

    def _terms(self, t: Scalar, x: Point, u: Point, at: Derivatives) -> _Terms:
        model = self.model
        valued = valued_additive(model)
        prices = jnp.concatenate([at.costate, _stack(valued(model.additive_costates()))])

        def gain(climate):
            drift = (*model.drift(t, x, u, climate), *valued(model.additive_drift(t, x, u, climate)))
            return jnp.stack(drift) @ prices

        loadings, additive = model.diffusion(t, x, u), model.additive_diffusion(t, x, u)
        diffusion, jumps = jnp.stack(loadings), model.jumps()
        exposure = valued_exposure = jnp.stack((*loadings, *valued(additive))).T @ prices
        for name in model.separated():
            exposure = exposure + getattr(additive, name) * getattr(model.additive_costates(), name)
        risk_term = model.preferences.risk_term(valued_exposure)
        return _Terms(
            flow=model.preferences.aggregate(model.utility(t, x, u), at.value),
            climate_gains=jax.vmap(gain)(model.climates),
            exposure=exposure,
            valued_exposure=valued_exposure,
            variance=0.5 * jnp.sum((diffusion @ diffusion.T) * at.hessian) + risk_term,
            intensities=tuple(j.intensity(t, x, u) for j in jumps),
            jump_gains=tuple(model.preferences.jump_gain(a - at.value) for a in at.after),
        )

    def hamiltonian(self, t: Scalar, x: Point, u: Point, at: Derivatives, worst: WorstCase | None = None) -> Scalar:
        """The right-hand side of the equation at one point, for a given control.

        **Arguments:**

        - `t`, `x`, `u`: time (yr), state, control.
        - `at`: the value function and its derivatives at `x`, with the values after the jumps.
        - `worst`: the distortions; the default is the worst case in closed form.

        **Returns:** utility per year; zero at the solution and its control.
        """
        model, terms = self.model, self._terms(t, x, u, at)
        total = terms.flow + terms.variance
        prior, priors = model.ensemble.weights, tuple(j.probabilities for j in model.jumps())
        if worst is None:
            total = total + model.ambiguity.climate_term(terms.climate_gains, prior)
            total = total + model.ambiguity.shock_term(terms.valued_exposure)
            for j, (rate, gains) in enumerate(zip(terms.intensities, terms.jump_gains, strict=True)):
                total = total + rate * model.ambiguity.jump_term(j, gains, priors[j])
            return total
        total = total + worst.climate @ terms.climate_gains + worst.shocks @ terms.exposure
        if model.separated():  # the cost of the worst case of their shocks is part of the constant
            constant = model.ambiguity.shock_term(terms.exposure) - model.ambiguity.shock_term(terms.valued_exposure)
            total = total - constant
        for rate, gains, pi, g in zip(terms.intensities, terms.jump_gains, priors, worst.jumps, strict=True):
            total = total + rate * (pi @ (g * gains))
        return total + model.ambiguity.penalty(worst, prior, priors, terms.intensities)

    def residual(self, t: Scalar, x: Point, value: Callable[[Scalar, Point], Scalar]) -> Scalar:
        """The residual of a twice differentiable value function, by automatic differentiation."""
        at = self.derivatives(t, x, value)
        return self.hamiltonian(t, x, self.best_control(t, x, at), at)

    # -- the saddle point -------------------------------------------------------------------------------

    def worst_case(self, t: Scalar, x: Point, u: Point, at: Derivatives) -> WorstCase:
        """The worst case for a control: the minimising distortions, in closed form (second derivatives do not matter)."""
        terms = self._terms(t, x, u, at)
        return self.model.ambiguity.worst_case(
            terms.exposure, terms.climate_gains, self.model.ensemble.weights, terms.jump_gains
        )

    def best_control(self, t: Scalar, x: Point, at: Derivatives) -> Point:
        """The maximising control against the worst case, in closed form if the model has one."""
        if isinstance(self.model, ClosedFormControl):
            return self.model.best_control(t, x, at.value, self.state(at.costate), at.hessian)
        return self.numerical_control(t, x, at)

    def numerical_control(self, t: Scalar, x: Point, at: Derivatives) -> Point:
        """The maximising control within the bounds of the controls, by numerical maximisation."""
        low, high, objective = self._over_controls(t, x, at)
        return type(self.model.controls)(*maximise(objective, low, high, fineness=self.model.scan_fineness))

    def _over_controls(self, t: Scalar, x: Point, at: Derivatives):
        """The bounds of the controls, and the Hamiltonian as a function of them."""
        controls = self.model.controls
        low = jnp.array([v.low for v in controls], dtype=jnp.float64)
        high = jnp.array([v.high for v in controls], dtype=jnp.float64)

        def objective(z):
            return self.hamiltonian(t, x, type(controls)(*z), at)

        return low, high, objective

    def missed_gain(self, t: Scalar, x: Point, u: Point, at: Derivatives) -> Scalar:
        """Increase of the Hamiltonian above its value at `u` on a scan of the controls finer than that of `numerical_control`."""
        low, high, objective = self._over_controls(t, x, at)
        chosen = jnp.stack(u)
        return jnp.maximum(highest(objective, low, high, chosen) - objective(chosen), 0.0)

    def saddle(self, t: Scalar, x: Point, at: Derivatives) -> tuple[Point, WorstCase]:
        """The maximising control and the worst case for it."""
        u = self.best_control(t, x, at)
        return u, self.worst_case(t, x, u, at)

    # -- the social cost of carbon ----------------------------------------------------------------------

    def social_cost_of_carbon(self, t: Scalar, x: Point, additive: Point, u: Point, at: Derivatives) -> Scalar:
        r"""The social cost of carbon by its definition, in trillion US$ per GtC.

        $$\mathrm{SCC} = -\frac{\partial_E\{V_x\cdot b + \tfrac12\mathrm{tr}(\sigma\sigma^\top V_{xx}) + \ldots\}}
                              {\partial U/\partial C}$$

        The numerator is the marginal effect of emissions on the value through drift and diffusion, under the worst case (envelope
        theorem), by automatic differentiation with respect to `exogenous_emissions`.

        **Raises:** `ValueError` if the model has no carbon.
        """
        if not isinstance(self.model, CarbonModel):
            raise ValueError(f"`{self.model.name}` has no social cost of carbon: it is not a CarbonModel.")
        without_jumps = at._replace(after=())  # intensities and landing points do not depend on current emissions

        def right_hand_side(extra):
            model = eqx.tree_at(lambda m: m.exogenous_emissions, self.model, extra)
            terms = Equation(model)._terms(t, x, u, without_jumps)
            climate_term = model.ambiguity.climate_term(terms.climate_gains, model.ensemble.weights)
            return terms.flow + terms.variance + climate_term + model.ambiguity.shock_term(terms.valued_exposure)

        marginal = jax.grad(right_hand_side)(self.model.exogenous_emissions)
        # recursive preferences weigh the flow utility by a function of the value
        weight = jax.grad(self.model.preferences.aggregate)(self.model.utility(t, x, u), at.value)
        return -marginal / (weight * self.model.marginal_utility(t, x, u, additive))


def valued_additive(model: AbstractModel) -> Callable[[Point], tuple[Array, ...]]:
    """Selection of those additive states of a point that are not separated."""
    names = [name for name in model.additive._fields if name not in model.separated()]
    return lambda point: tuple(getattr(point, name) for name in names)


def _stack(point: tuple[Array, ...]) -> Float[Array, " additive"]:
    return jnp.stack(point) if len(point) else jnp.zeros(0)
