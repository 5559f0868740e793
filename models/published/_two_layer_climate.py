from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Point, Scalar, Variable, check_positive, is_traced, measured_in, parameter
from ..climate import TCREClimate, TemperatureAndRate
from ..equation import Growth, Inflow, StateConstraint
from ._uncertain_damages import CapitalAndDamages, Emissions, UncertainDamages


class TwoLayerClimate(UncertainDamages):
    r"""`UncertainDamages` with a temperature that responds to emissions with a lag.

    $$dY_1 = Y_2\,dt,\qquad dY_2 = \lambda(\theta e - Y_2)\,dt$$

    without noise: the warming of a pulse of carbon approaches $\theta$ at the rate $\lambda$. Economy, damages, damage jump and
    convention (the flow is not multiplied by $\delta$) are those of `UncertainDamages`. After the jump, with
    $v_n = -(1-\eta)/\delta$,

    $$0 = \max_e\; -\delta\phi + \eta\log e + Y_2\phi_1 - \lambda Y_2\phi_2
        - \xi_a\log\sum_\ell\pi_\ell e^{-\lambda\theta_\ell e\phi_2/\xi_a} + v_n\Lambda'(Y_1)Y_2$$

    and before the jump there is also the jump term. The jump resets temperature to the threshold and leaves the rate of warming
    unchanged. Temperature has no noise and never falls: it is a time-like state. As $\lambda\to\infty$ the model becomes
    `UncertainDamages` without temperature noise.

    **Arguments:**

    - `adjustment`: $\lambda$, per year; the published values are $\ln 2/6$ (half of the response after six years), 1, 2 and 5.
    - `preferences`, `emissions_share`, `economy`, `climate`, `damages`, `damage_jump`, `ambiguity`, `exogenous_emissions`,
      `phase`: as in `UncertainDamages`.

    The initial rate of warming is the mean response to 1 GtC per year, as published.

    **Raises:** `ValueError` if the rate is not positive or the noise of the climate block is not zero.

    **Good values:** penalties of 1 for the jump and 0.01 for the climate, as published.

    **References:** Barnett, Brock and Hansen 2021, "Climate Change Uncertainty Spillover in the Macroeconomy",
    doi:10.1086/718668, appendix C.

    !!! example

        ```python
        import abatax as ab

        assert ab.models.TwoLayerClimate(adjustment=2.0).states._fields == ("temperature", "warming_rate")
        ```
    """

    climate: TCREClimate = eqx.field(default_factory=lambda: TCREClimate(relative_volatility=0.0))
    adjustment: Float[Array, "..."] = eqx.field(
        default=0.1155245300933242, converter=parameter, metadata=measured_in("1/yr")
    )  # ln 2 / 6

    name: ClassVar[str] = "two_layer_climate"
    source: ClassVar[str] = "Barnett, Brock and Hansen 2021, doi:10.1086/718668, appendix C"

    def __check_init__(self):
        # equinox also runs the checks of the base classes
        check_positive("adjustment", self.adjustment, "per year")
        _check_without_noise(self.climate)

    # -- names ------------------------------------------------------------------------------------------

    @property
    def states(self) -> Point:
        # the published domain: [0, 4] degC and [0, 0.05] degC/yr
        temperature = super().states.temperature
        warmest = min(temperature.high, 4.0)
        rate = Variable("rate of warming", "degC/yr", 0.0, 0.05, symbol="w")
        return TemperatureAndRate(temperature._replace(high=warmest), rate)

    # -- dynamics ---------------------------------------------------------------------------------------

    def drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        target = self.climate.drift(u.emissions + self.exogenous_emissions, climate)
        return TemperatureAndRate(x.warming_rate, self.adjustment * (target - x.warming_rate))

    def diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        return TemperatureAndRate(jnp.zeros(1), jnp.zeros(1))

    def additive_drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        damages = self.damages.slope(x.temperature) * x.warming_rate
        return CapitalAndDamages(self.economy.drift(self.investment), damages)

    def additive_diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        return CapitalAndDamages(jnp.stack([self.economy.volatility]), jnp.zeros(1))

    def best_control(
        self, t: Scalar, x: Point, value: Scalar, costate: Point, hessian: Float[Array, "state state"]
    ) -> Point:
        bounds, zero = self.controls.emissions, jnp.zeros_like(costate.warming_rate)
        return Emissions(
            self.climate.best_emissions(
                self.emissions_share,
                self.adjustment * costate.warming_rate,
                zero,
                self.ambiguity,
                zero,
                self.exogenous_emissions,
                bounds.low,
                bounds.high,
            )
        )

    def _land(self, x: Point) -> Point:
        return TemperatureAndRate(self.damages.threshold, x.warming_rate)

    # -- the box ----------------------------------------------------------------------------------------

    def closures(self) -> Point:
        top = Growth(slope=self._far_slope, extension=super().closures().temperature[1].extension)
        # At its upper face the rate falls unless emissions exceed 37 GtC/yr, which the constraint excludes.
        return TemperatureAndRate((Inflow(), top), (Inflow(), StateConstraint(extension=0.02)))

    def _far_slope(self, t: Scalar, x: Point) -> Scalar:
        r"""$\phi_1$ of a temperature that changes little: $v_n\Lambda''$ times the discounted future warming.

        The rate $w$ approaches $\Theta e = -\eta/G$ at the rate $\lambda$, with $G$ of the model without lag. The intensity of the
        jump adds to the discount rate, as the jump resets temperature.
        """
        slope, price = super()._asymptotic_slope(t, x), self.additive_costates().log_damages
        discount = self.preferences.discount_rate
        if self.phase == "before_damage":
            discount = discount + self.damage_jump.intensity(x.temperature)
        lasting = -self.emissions_share / (slope + price * self.damages.slope(x.temperature))
        warming = (x.warming_rate + self.adjustment * lasting / discount) / (discount + self.adjustment)
        return price * self.damages.bend(x.temperature) * warming

    def grid_points(self) -> dict[str, int]:
        # emissions within 1e-3 and social cost within 1e-4 of spectral collocation at the start: docs/models/two_layer_climate.md
        return {"temperature": 61, "warming_rate": 25}

    def initial_state(self) -> Point:
        # as published: the long-run rate of warming under 1 GtC/yr
        return TemperatureAndRate(super().initial_state().temperature, self.climate.ensemble.mean)


def _check_without_noise(climate: TCREClimate) -> None:
    """Raise if the climate block has noise, which this model would neglect."""
    if is_traced(climate.relative_volatility):
        return
    if bool(jnp.any(climate.relative_volatility > 0)):
        raise ValueError(
            f"`climate.relative_volatility` is {climate.relative_volatility}; `two_layer_climate` has no temperature noise: set 0."
        )
