from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import Point, Scalar, Variable, check_positive, is_traced, measured_in, parameter
from ..climate import TCREClimate, TemperatureAndRate
from ..equation import Growth, Inflow, StateConstraint
from ._uncertain_damages import CapitalAndDamages, Emissions, UncertainDamages


class TwoLayerClimate(UncertainDamages):
    r"""The uncertain-damage model with a temperature that responds to emissions with a lag.

    $$dY_1 = Y_2\,dt,\qquad dY_2 = \lambda(\theta e - Y_2)\,dt$$

    without noise: a pulse of carbon warms by $\theta$ in the end, at the speed $\lambda$. Economy, damages, the damage jump
    and the convention (the flow is not multiplied by $\delta$) are those of `UncertainDamages`. After the jump, with
    $v_n = -(1-\eta)/\delta$,

    $$0 = \max_e\; -\delta\phi + \eta\log e + Y_2\phi_1 - \lambda Y_2\phi_2
        - \xi_a\log\sum_\ell\pi_\ell e^{-\lambda\theta_\ell e\phi_2/\xi_a} + v_n\Lambda'(Y_1)Y_2$$

    and before it the jump term; at the jump temperature is reset to the threshold, the rate of warming stays.
    Temperature has no noise and never falls here: it is a time-like state. As $\lambda\to\infty$ the model becomes
    `UncertainDamages` without temperature noise.

    **Arguments:** those of `UncertainDamages`, and

    - `adjustment`: $\lambda$, per year; published for $\ln 2/6$ (half of the response after six years), 1, 2 and 5.

    The rate of warming starts at the mean response to 1 GtC per year, as published.

    **Raises:** `ValueError` if the speed is not positive or the noise of the climate block is not zero.

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
        # equinox runs the check of every base class too
        check_positive("adjustment", self.adjustment, "per year")
        _check_without_noise(self.climate)

    # -- names ------------------------------------------------------------------------------------------

    @property
    def states(self) -> Point:
        # kept close: published on [0, 4] degC and [0, 0.05] degC/yr
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
        # the rate falls at its upper end unless emissions exceed 37 GtC/yr, which the constraint forbids there
        return TemperatureAndRate((Inflow(), top), (Inflow(), StateConstraint(extension=0.02)))

    def _far_slope(self, t: Scalar, x: Point) -> Scalar:
        r"""$\phi_1$ where temperature changes little: $v_n\Lambda''$ times the discounted warming still to come.

        The rate $w$ falls towards $\Theta e = -\eta/G$ at the speed $\lambda$, with $G$ of the model without a lag; the jump
        discounts too, as it resets the temperature.
        """
        slope, price = super()._asymptotic_slope(t, x), self.additive_costates().log_damages
        discount = self.preferences.discount_rate
        if self.phase == "before_damage":
            discount = discount + self.damage_jump.intensity(x.temperature)
        lasting = -self.emissions_share / (slope + price * self.damages.slope(x.temperature))
        warming = (x.warming_rate + self.adjustment * lasting / discount) / (discount + self.adjustment)
        return price * self.damages.bend(x.temperature) * warming

    def grid_points(self) -> dict[str, int]:
        # emissions within 1e-3 and social cost within 1e-4 of spectral collocation at the start: docs/two_layer_climate.md
        return {"temperature": 61, "warming_rate": 25}

    def initial_state(self) -> Point:
        # published: the rate at which 1 GtC/yr warms in the long run
        return TemperatureAndRate(super().initial_state().temperature, self.climate.ensemble.mean)


def _check_without_noise(climate: TCREClimate) -> None:
    """Raise if a climate block has noise that a model without it would leave out."""
    if is_traced(climate.relative_volatility):
        return
    if bool(jnp.any(climate.relative_volatility > 0)):
        raise ValueError(
            f"`climate.relative_volatility` is {climate.relative_volatility}; `two_layer_climate` has no temperature noise: set 0."
        )
