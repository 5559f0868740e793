import math
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..base import Constants, Point, Scalar, changed_constant, check_variables, constants_read
from ._ambiguity import WorstCase
from ._closures import AbstractClosure
from ._maximise import maximise
from ._model import AbstractModel, CarbonModel, ClosedFormControl
from ._posed import check_descriptions
from ._scan import highest
from ._value import derivatives


class _Terms(NamedTuple):
    """The terms of the equation at one point, without the distortions of the worst case."""

    flow: Scalar
    climate_gains: Float[Array, " member"]  # V_x . b_l, one per climate model
    exposure: Float[Array, " noise"]  # (sigma' V_x)_i, of all states
    valued_exposure: Float[Array, " noise"]  # the same without the additive states that are separated
    variance: Scalar  # tr(sigma sigma' V_xx) / 2, minus the term of risk aversion
    intensities: tuple[Scalar, ...]
    jump_gains: tuple[Float[Array, " ..."], ...]  # V^{jm}(x+) - V, transformed by risk aversion


class HJBProblem(eqx.Module):
    r"""A model together with its stationary HJB equation on a box.

    $$0 = \max_u\min_{h,\omega,g}\; F(x,u,V) + V_x\cdot\Big[\sum_\ell\omega_\ell b(x,u;\theta_\ell) + \sigma h\Big]
        + \tfrac12\mathrm{tr}(\sigma\sigma^\top V_{xx}) + \tfrac12\sum_i\xi_i h_i^2
        + \xi_a\sum_\ell\omega_\ell\log\tfrac{\omega_\ell}{\pi_\ell}
        + \sum_j\lambda_j\sum_m\pi_{jm}\{g_{jm}(V^{jm}(x^+) - V) + \xi_j(1 - g_{jm} + g_{jm}\log g_{jm})\}$$

    It is the only Hamiltonian of the package: finite differences, losses, metrics and tests call it.

    **Arguments:**

    - `model`: the model (or, inside solvers, a family of models with stacked leaves).
    - `box`: for some states a pair (low, high) that replaces the model's region of interest. It is passed on to the regimes
      after a jump for states whose region is the same in both models.
    - `extension`: factor on the widths of the margins (1 = as the model declares them).
    - `continuations`: for each jump, the value functions after it, as one callable of time and state that returns
      one value per outcome. If the landing depends on the outcome, states are arrays over the outcomes. `solve` fills them in.
    - `faces`: the closures of each state, (low, high), instead of those of the model. `solve` fills them in if the model leaves
      them open ([`Automatic`][abatax.models.Automatic]).

    **Raises:** `ValueError` if a box has low >= high or names an unknown state.

    !!! example

        ```python
        import abatax as ab

        problem = ab.HJBProblem(ab.models.LinearQuadratic(), box={"state": (-2.0, 2.0)})
        assert problem.region == ((-2.0, 2.0),)
        ```
    """

    model: AbstractModel
    continuations: tuple[Callable[[Scalar, Point], Float[Array, " outcome"]], ...]
    region: tuple[tuple[float, float], ...] = eqx.field(static=True)
    extension: float = eqx.field(static=True)
    constants: Constants = eqx.field(static=True)  # of the user's classes; part of the key of compiled programs
    faces: Point | None

    def __init__(
        self,
        model: AbstractModel,
        *,
        box: dict[str, tuple[float, float]] | None = None,
        extension: float = 1.0,
        continuations: tuple[Callable, ...] = (),
        faces: Point | None = None,
    ):
        check_descriptions(model)
        states = model.states
        for field, (low, high) in (box or {}).items():
            if field not in states._fields:
                raise ValueError(f"box: unknown state `{field}`; the states are {', '.join(states._fields)}.")
            variable = getattr(states, field)._replace(low=float(low), high=float(high))
            states = states._replace(**{field: variable})
        check_variables("box", states)
        for field, variable in states._asdict().items():
            if not (math.isfinite(variable.low) and math.isfinite(variable.high)):
                raise ValueError(f"box `{field}`: low {variable.low:g} and high {variable.high:g} must be finite.")
        if not extension > 0:
            raise ValueError(f"`extension` is {extension}; it must be > 0.")
        self.model = model
        self.continuations = continuations
        self.region = tuple((float(v.low), float(v.high)) for v in states)
        self.extension = float(extension)
        self.constants = constants_read(model)
        self.faces = faces

    def replace(self, **changes: Any) -> "HJBProblem":
        """A copy with another `model`, `box`, `extension`, `continuations` or `faces`.

        States that `box` does not name keep their region. The constants that the user's classes read are recorded again.
        """
        box = dict(zip(self.model.states._fields, self.region, strict=True)) | changes.pop("box", {})
        kept = {"extension": self.extension, "continuations": self.continuations, "faces": self.faces}
        fields = kept | {"box": box} | changes
        return HJBProblem(fields.pop("model", self.model), **fields)

    def check_constants(self) -> None:
        """Raise `ValueError` if a constant or code that the class of the model reads has changed since the problem was made."""
        changed = changed_constant(self.constants, constants_read(self.model))
        if changed is not None:
            raise ValueError(
                f"{changed} has changed since this problem was posed or solved; solve it again, or make it a field of the model."
            )

    # -- geometry -------------------------------------------------------------------------------------

    @property
    def domain(self) -> tuple[tuple[float, float], ...]:
        """The computational box: the region of interest plus the margins of its faces."""
        return tuple(
            (low - self.extension * below.extension, high + self.extension * above.extension)
            for (low, high), (below, above) in zip(self.region, self.closures(), strict=True)
        )

    def closures(self) -> Point:
        """For each state the closures of its low and its high face."""
        return self.model.closures() if self.faces is None else self.faces

    def closure(self, axis: int, side: int) -> AbstractClosure:
        """The closure of the low (0) or high (1) face of a state."""
        return self.closures()[axis][side]

    def state(self, x: Float[Array, " state"]) -> Point:
        """The named state of a coordinate vector."""
        return type(self.model.states)(*x)

    def check_start(self):
        """Raise `ValueError` if the initial state of the model is outside the box, where the value function is not defined."""
        model = self.model
        for variable, name, value, (low, high) in zip(
            model.states, model.states._fields, model.initial_state(), self.domain, strict=True
        ):
            values = np.ravel(np.asarray(value))
            outside = values[~((values >= low) & (values <= high))]
            if outside.size:
                unit = "" if variable.unit == "1" else f" {variable.unit}"
                raise ValueError(
                    f"`{name}` starts at {outside[0]:.4g}{unit}, outside its box of {low:.4g} to {high:.4g}; change the"
                    f" start, or give a box that holds it (box.{name})."
                )

    # -- the equation ---------------------------------------------------------------------------------

    def after(self, t: Scalar, x: Point) -> tuple[Float[Array, " _"], ...]:
        """Values after each jump, one per outcome."""
        jumps, costates = self.model.jumps(), self.model.additive_costates()
        return tuple(
            c(t, j.land(x)) + j.shift(x, costates) if j.land_additive else c(t, j.land(x))
            for c, j in zip(self.continuations, jumps, strict=True)
        )

    def asymptote(self, t: Scalar, x: Point) -> Scalar:
        """The asymptote that the model declares for its value function, given the values after its jumps."""
        return self.model.asymptote(t, x, self.after(t, x))

    def remainder_scale(self, t: Scalar, x: Point) -> Scalar:
        """Relative magnitude of the remainder, value minus asymptote, as a function of the state."""
        return self.model.remainder_scale(t, x)

    def _terms(self, t, x, u, value, costate, hessian, after) -> _Terms:
        model = self.model
        valued = valued_additive(model)
        prices = jnp.concatenate([costate, _stack(valued(model.additive_costates()))])

        def gain(climate):
            drift = (*model.drift(t, x, u, climate), *valued(model.additive_drift(t, x, u, climate)))
            return jnp.stack(drift) @ prices

        loadings, additive = model.diffusion(t, x, u), model.additive_diffusion(t, x, u)
        diffusion, jumps = jnp.stack(loadings), model.jumps()
        exposure = valued_exposure = jnp.stack((*loadings, *valued(additive))).T @ prices
        for name in model.separated():
            exposure = exposure + getattr(additive, name) * getattr(model.additive_costates(), name)
        return _Terms(
            flow=model.preferences.aggregate(model.utility(t, x, u), value),
            climate_gains=jax.vmap(gain)(model.climates),
            exposure=exposure,
            valued_exposure=valued_exposure,
            variance=0.5 * jnp.sum((diffusion @ diffusion.T) * hessian) + model.preferences.risk_term(valued_exposure),
            intensities=tuple(j.intensity(t, x, u) for j in jumps),
            jump_gains=tuple(model.preferences.jump_gain(a - value) for a in after),
        )

    def hamiltonian(
        self,
        t: Scalar,
        x: Point,
        u: Point,
        value: Scalar,
        costate: Float[Array, " state"],
        hessian: Float[Array, "state state"],
        after: tuple[Float[Array, " ..."], ...] = (),
        worst: WorstCase | None = None,
    ) -> Scalar:
        """The right-hand side of the equation at one point, for a given control.

        **Arguments:**

        - `t`, `x`, `u`: time (yr), state, control.
        - `value`, `costate`, `hessian`: of the value function at `x`.
        - `after`: values after the jumps (see `after`).
        - `worst`: the distortions; the default is the worst case in closed form.

        **Returns:** utility per year; zero at the solution and its control.
        """
        model, terms = self.model, self._terms(t, x, u, value, costate, hessian, after)
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

    def worst_case(
        self,
        t: Scalar,
        x: Point,
        u: Point,
        value: Scalar,
        costate: Float[Array, " state"],
        after: tuple[Float[Array, " ..."], ...] = (),
    ) -> WorstCase:
        """The worst case for a control: the minimising distortions, in closed form."""
        dim = costate.shape[0]
        terms = self._terms(t, x, u, value, costate, jnp.zeros((dim, dim)), after)
        return self.model.ambiguity.worst_case(
            terms.exposure, terms.climate_gains, self.model.ensemble.weights, terms.jump_gains
        )

    def best_control(
        self,
        t: Scalar,
        x: Point,
        value: Scalar,
        costate: Float[Array, " state"],
        hessian: Float[Array, "state state"],
        after: tuple[Float[Array, " ..."], ...] = (),
    ) -> Point:
        """The maximising control against the worst case, in closed form if the model has one."""
        if isinstance(self.model, ClosedFormControl):
            return self.model.best_control(t, x, value, self.state(costate), hessian)
        return self.numerical_control(t, x, value, costate, hessian, after)

    def numerical_control(
        self,
        t: Scalar,
        x: Point,
        value: Scalar,
        costate: Float[Array, " state"],
        hessian: Float[Array, "state state"],
        after: tuple[Float[Array, " ..."], ...] = (),
    ) -> Point:
        """The maximising control within the bounds of the controls, by numerical maximisation."""
        low, high, objective = self._over_controls(t, x, value, costate, hessian, after)
        return type(self.model.controls)(*maximise(objective, low, high, fineness=self.model.scan_fineness))

    def _over_controls(self, t, x, value, costate, hessian, after):
        """The bounds of the controls, and the Hamiltonian as a function of them."""
        controls = self.model.controls
        low = jnp.array([v.low for v in controls], dtype=jnp.float64)
        high = jnp.array([v.high for v in controls], dtype=jnp.float64)

        def objective(z):
            return self.hamiltonian(t, x, type(controls)(*z), value, costate, hessian, after)

        return low, high, objective

    def missed_gain(
        self,
        t: Scalar,
        x: Point,
        u: Point,
        value: Scalar,
        costate: Float[Array, " state"],
        hessian: Float[Array, "state state"],
        after: tuple[Float[Array, " ..."], ...] = (),
    ) -> Scalar:
        """Increase of the Hamiltonian above its value at `u` on a scan of the controls finer than that of `numerical_control`."""
        low, high, objective = self._over_controls(t, x, value, costate, hessian, after)
        chosen = jnp.stack(u)
        return jnp.maximum(highest(objective, low, high, chosen) - objective(chosen), 0.0)

    def saddle(
        self,
        t: Scalar,
        x: Point,
        value: Scalar,
        costate: Float[Array, " state"],
        hessian: Float[Array, "state state"],
        after: tuple[Float[Array, " ..."], ...] = (),
    ) -> tuple[Point, WorstCase]:
        """The maximising control and the worst case for it."""
        u = self.best_control(t, x, value, costate, hessian, after)
        return u, self.worst_case(t, x, u, value, costate, after)

    def residual(self, t: Scalar, x: Point, value: Callable[[Scalar, Point], Scalar]) -> Scalar:
        """The residual of a twice differentiable value function, by automatic differentiation."""
        v, costate, hessian = derivatives(t, x, value)
        after = self.after(t, x)
        u = self.best_control(t, x, v, costate, hessian, after)
        return self.hamiltonian(t, x, u, v, costate, hessian, after)

    # -- the social cost of carbon ----------------------------------------------------------------------

    def social_cost_of_carbon(
        self,
        t: Scalar,
        x: Point,
        additive: Point,
        u: Point,
        value: Scalar,
        costate: Float[Array, " state"],
        hessian: Float[Array, "state state"],
    ) -> Scalar:
        r"""The social cost of carbon by its definition, in trillion US$ per GtC.

        $$\mathrm{SCC} = -\frac{\partial_E\{V_x\cdot b + \tfrac12\mathrm{tr}(\sigma\sigma^\top V_{xx}) + \ldots\}}
                              {\partial U/\partial C}$$

        The numerator is the marginal effect of emissions on the value through drift and diffusion, under the worst case (envelope
        theorem), by automatic differentiation with respect to `exogenous_emissions`.

        **Raises:** `ValueError` if the model has no carbon.
        """
        if not isinstance(self.model, CarbonModel):
            raise ValueError(f"`{self.model.name}` has no social cost of carbon: it is not a CarbonModel.")

        def right_hand_side(extra):
            model = eqx.tree_at(lambda m: m.exogenous_emissions, self.model, extra)
            problem = HJBProblem(model)  # intensities and landing points do not depend on current emissions
            return problem._without_jumps(t, x, u, value, costate, hessian)

        marginal = jax.grad(right_hand_side)(self.model.exogenous_emissions)
        # recursive preferences weigh the flow utility by a function of the value
        weight = jax.grad(self.model.preferences.aggregate)(self.model.utility(t, x, u), value)
        return -marginal / (weight * self.model.marginal_utility(t, x, u, additive))

    def _without_jumps(self, t, x, u, value, costate, hessian) -> Scalar:
        terms = self._terms(t, x, u, value, costate, hessian, ())
        ambiguity, prior = self.model.ambiguity, self.model.ensemble.weights
        return (
            terms.flow
            + terms.variance
            + ambiguity.climate_term(terms.climate_gains, prior)
            + ambiguity.shock_term(terms.valued_exposure)
        )


def valued_additive(model: AbstractModel) -> Callable[[Point], tuple[Array, ...]]:
    """Selection of those additive states of a point that are not separated."""
    names = [name for name in model.additive._fields if name not in model.separated()]
    return lambda point: tuple(getattr(point, name) for name in names)


def _stack(point: tuple[Array, ...]) -> Float[Array, " additive"]:
    return jnp.stack(point) if len(point) else jnp.zeros(0)
