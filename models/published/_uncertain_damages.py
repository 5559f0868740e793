import dataclasses
from typing import ClassVar, Generic, NamedTuple, TypeVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..base import Point, Scalar, Variable, check_share, measured_in, parameter
from ..climate import TEMPERATURE, TCREClimate, Temperature
from ..economy import (
    CAPITAL,
    CONSUMPTION,
    DAMAGES,
    INVESTMENT,
    LOG_DAMAGES,
    OUTPUT,
    AKEconomy,
    DamageJump,
    ThresholdDamages,
    log_damages_drift,
    lost_consumption,
)
from ..equation import (
    AbstractPreferences,
    Ambiguity,
    CarbonModel,
    ClosedFormControl,
    Ensemble,
    Growth,
    Inflow,
    Jump,
    TimeAdditive,
    check_time_additive,
)

T = TypeVar("T")


class Emissions(NamedTuple, Generic[T]):
    emissions: T


class CapitalAndDamages(NamedTuple, Generic[T]):
    log_capital: T
    log_damages: T


class UncertainDamages(ClosedFormControl, CarbonModel):
    r"""Temperature and emissions before and after a jump that reveals one of twenty damage functions, under ambiguity.

    Undamaged capital follows an AK economy; temperature is
    $dY = e(\theta dt + \varsigma dW^y)$; log damages are $\Lambda(Y)$; flow utility is
    $(1-\eta)\log(C/N) + \eta\log e$, **not** multiplied by $\delta$ (penalties are quoted in that convention).
    The value function is $v_kk + v_nn + \phi(y)$ up to a constant, with $v_k = -v_n = (1-\eta)/\delta$ and
    $n = \log N$. The solvers compute $\phi$, which satisfies after the jump, for each $\gamma_3^m$,

    $$0 = \max_e\; -\delta\phi + \eta\log e - \xi_a\log\sum_\ell\pi_\ell e^{-Ge\theta_\ell/\xi_a}
        + \tfrac12\varsigma^2e^2\big(H - G^2/\xi_r\big),\quad G = \phi' + v_n\Lambda',\; H = \phi'' + v_n\Lambda''$$

    and before the jump the same equation with $\gamma_3 = 0$ and the jump term
    $\xi_rJ(y)\big[1 - \sum_m\pi_me^{-(\phi_m(\bar y)-\phi(y))/\xi_r}\big]$. The jump resets temperature to $\bar y$.

    **Arguments:**

    - `preferences`: $\delta$ = 0.01 per year.
    - `emissions_share`: $\eta$, expenditure share on emissions.
    - `economy`, `climate`, `damages`, `damage_jump`, `ambiguity`: the blocks.
    - `phase`: `before_damage` (default) or `after_damage`.
    - `exogenous_emissions`: emissions that the planner does not control, GtC/yr. The social cost of carbon is a
      derivative with respect to them.

    **Units:** $\phi$ in units of flow utility times years; emissions GtC/yr; temperature degC above 1850-1900.

    **Raises:** `ValueError` if the preferences are not `TimeAdditive`, `emissions_share` is not between 0 and 1, or the phase
    is unknown.

    **Good values:** penalties $\xi_r$ of 0.3 to 5 for shocks and jumps with $\xi_a$ = 0.01 for the climate.

    **References:** Barnett, Brock and Hansen 2021, "Climate Change Uncertainty Spillover in the Macroeconomy",
    doi:10.1086/718668, sections 3 to 5.

    !!! example

        ```python
        import abatax as ab

        ambiguity = ab.models.Ambiguity.from_penalties(shocks=1.0, jumps=1.0, climate=0.01)
        model = ab.models.UncertainDamages(ambiguity=ambiguity)
        assert model.states.temperature.unit == "degC"
        ```
    """

    preferences: AbstractPreferences = eqx.field(default_factory=TimeAdditive)
    emissions_share: Float[Array, "..."] = eqx.field(default=0.032, converter=parameter)
    economy: AKEconomy = eqx.field(default_factory=AKEconomy)
    climate: TCREClimate = eqx.field(default_factory=TCREClimate)
    damages: ThresholdDamages = eqx.field(default_factory=ThresholdDamages)
    damage_jump: DamageJump = eqx.field(default_factory=DamageJump)
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)
    exogenous_emissions: Float[Array, "..."] = eqx.field(
        default=0.0, converter=parameter, metadata=measured_in("GtC/yr")
    )
    phase: str = eqx.field(static=True, default="before_damage")

    name: ClassVar[str] = "uncertain_damages"
    source: ClassVar[str] = "Barnett, Brock and Hansen 2021, doi:10.1086/718668"
    start_year: ClassVar[int] = 2020

    def __check_init__(self):
        check_time_additive(self)
        check_share("emissions_share", self.emissions_share)
        if self.phase not in ("before_damage", "after_damage"):
            raise ValueError(f"`phase` is {self.phase!r}; use before_damage or after_damage.")

    # -- names ------------------------------------------------------------------------------------------

    @property
    def regime(self) -> str:
        return self.phase

    @property
    def states(self) -> Point:
        high = 2.5 if self.phase == "before_damage" else 5.0
        return Temperature(TEMPERATURE._replace(low=0.0, high=high))

    @property
    def controls(self) -> Point:
        return Emissions(Variable("carbon emissions", "GtC/yr", 1e-6, 1e3, "Emissions|CO2", "e"))

    def interior_controls(self) -> tuple[str, ...]:
        return self.controls._fields

    @property
    def additive(self) -> Point:
        return CapitalAndDamages(
            Variable("log of capital", "log trillion US$", symbol="k"),
            LOG_DAMAGES,
        )

    # -- dynamics ---------------------------------------------------------------------------------------

    @property
    def ensemble(self) -> Ensemble:
        return self.climate.ensemble

    @property
    def investment(self) -> Scalar:
        """Investment per unit of capital, a constant: the root of (alpha - i)(1 - kappa i) = delta."""
        return self.economy.best_investment(self.preferences.discount_rate)

    def drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        return Temperature(self.climate.drift(u.emissions + self.exogenous_emissions, climate))

    def diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        loading = self.climate.diffusion(u.emissions + self.exogenous_emissions)
        return Temperature(jnp.stack([jnp.zeros_like(loading), loading]))

    def additive_costates(self) -> Point:
        price = (1.0 - self.emissions_share) / self.preferences.discount_rate
        return CapitalAndDamages(price, -price)

    def additive_drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        emissions = u.emissions + self.exogenous_emissions
        slope, bend = self.damages.slope(x.temperature), self.damages.bend(x.temperature)
        damages = log_damages_drift(self.climate, slope, bend, emissions, climate)
        return CapitalAndDamages(self.economy.drift(self.investment), damages)

    def additive_diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        loading = self.climate.diffusion(u.emissions + self.exogenous_emissions)
        damages = self.damages.slope(x.temperature) * loading
        return CapitalAndDamages(
            jnp.stack([self.economy.volatility, jnp.zeros_like(loading)]),
            jnp.stack([jnp.zeros_like(loading), damages]),
        )

    def utility(self, t: Scalar, x: Point, u: Point) -> Scalar:
        """The flow utility of emissions.

        The contribution of capital to the equation (drift, robustness to its shock, log consumption) is a constant, known in
        closed form. It is left out, so that the value function is the published one (see `separated`).
        """
        return self.emissions_share * jnp.log(u.emissions)

    def separated(self) -> tuple[str, ...]:
        return ("log_capital",)

    def best_control(
        self, t: Scalar, x: Point, value: Scalar, costate: Point, hessian: Float[Array, "state state"]
    ) -> Point:
        price = self.additive_costates().log_damages
        bounds = self.controls.emissions
        return Emissions(
            self.climate.best_emissions(
                self.emissions_share,
                costate.temperature + price * self.damages.slope(x.temperature),
                hessian[0, 0] + price * self.damages.bend(x.temperature),
                self.ambiguity,
                self.ambiguity.shock_aversion(1),
                self.exogenous_emissions,
                bounds.low,
                bounds.high,
            )
        )

    # -- the jump ---------------------------------------------------------------------------------------

    def jumps(self) -> tuple[Jump, ...]:
        if self.phase == "after_damage":
            return ()

        def revealed(curvature):
            damages = eqx.tree_at(lambda d: d.curvature, self.damages, curvature)
            return dataclasses.replace(self, damages=damages, phase="after_damage")

        return (
            Jump(
                intensity=self._intensity,
                land=self._land,
                probabilities=self.damage_jump.prior,
                destination=eqx.filter_vmap(revealed)(self.damage_jump.curvatures),
                name="damage_jump",
            ),
        )

    def _intensity(self, t: Scalar, x: Point, u: Point) -> Scalar:
        return self.damage_jump.intensity(x.temperature)

    def _land(self, x: Point) -> Point:
        return Temperature(self.damages.threshold)

    # -- the box ----------------------------------------------------------------------------------------

    def closures(self) -> Point:
        margin = 1.0 if self.phase == "before_damage" else 3.0
        return Temperature((Inflow(), Growth(slope=self._asymptotic_slope, extension=margin)))

    def _asymptotic_slope(self, t: Scalar, x: Point) -> Scalar:
        r"""$\phi' = p$ if damages dominate: $p(v_n\Lambda' + p) = -v_n\Lambda''\eta/(\delta + J)$.

        The relation follows from the derivative in $y$ of the equation without noise and without $\phi''$, with
        $e = -\eta/(G\Theta)$. Before the jump, its intensity adds to the discount rate $\delta$: far above the threshold the
        temperature is reset immediately, and $\phi'$ vanishes.
        """
        y, price = x.temperature, self.additive_costates().log_damages
        direct = price * self.damages.slope(y)
        discount = self.preferences.discount_rate
        if self.phase == "before_damage":
            discount = discount + self.damage_jump.intensity(y)
        term = price * self.damages.bend(y) * self.emissions_share / discount
        return -2.0 * term / (direct - jnp.sqrt(direct**2 - 4.0 * term))

    def breakpoints(self) -> dict[str, tuple[float, ...]]:
        kink = self.damage_jump.onset if self.phase == "before_damage" else self.damages.threshold
        return {"temperature": tuple(float(y) for y in np.unique(np.asarray(kink)))}

    def initial_state(self) -> Point:
        start = self.climate.initial_temperature
        return Temperature(self.damages.threshold if self.phase == "after_damage" else start)

    def initial_additive(self) -> Point:
        start = self.initial_state().temperature
        return CapitalAndDamages(jnp.log(self.economy.initial_capital), self.damages.log_damages(start))

    # -- what is reported -------------------------------------------------------------------------------

    def marginal_utility(self, t: Scalar, x: Point, u: Point, additive: Point) -> Scalar:
        return (1.0 - self.emissions_share) / self.consumption(additive.log_capital)

    def consumption(self, log_capital: Scalar) -> Scalar:
        """Consumption before damages, trillion US$/yr."""
        return (self.economy.productivity - self.investment) * jnp.exp(log_capital)

    def social_cost_from_emissions(self, emissions: Scalar, log_capital: Scalar) -> Scalar:
        r"""The first-order condition for emissions: $\eta C/((1-\eta)e)$, trillion US$ per GtC (no damage factor)."""
        price = self.emissions_share / (1.0 - self.emissions_share)
        return price * self.consumption(log_capital) / emissions

    def social_cost_of_temperature(self, temperature: Scalar, emissions: Scalar) -> Scalar:
        r"""The social cost at initial capital, in units of damaged consumption: $\eta C_0e^{-\Lambda(y)}/((1-\eta)e)$.

        Published for the state before the jump (their figures 9 and 10), with the pre-jump damages.
        """
        undamaged = self.social_cost_from_emissions(emissions, jnp.log(self.economy.initial_capital))
        return undamaged * jnp.exp(-self.damages.log_damages(temperature))

    def observables(self, t: Scalar, x: Point, u: Point, additive: Point) -> dict[str, Scalar]:
        capital = jnp.exp(additive.log_capital)
        consumption = self.consumption(additive.log_capital)
        return {
            "output": self.economy.productivity * capital,
            "investment": self.investment * capital,
            "consumption": consumption,
            "damages": lost_consumption(consumption, additive.log_damages),
            "capital": capital,
        }

    @property
    def observable_variables(self) -> dict[str, Variable]:
        return {
            "output": OUTPUT,
            "investment": INVESTMENT,
            "consumption": CONSUMPTION,
            "damages": DAMAGES,
            "capital": CAPITAL,
        }
