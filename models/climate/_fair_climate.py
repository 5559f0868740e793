from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..base import AbstractBlock, Scalar, check_positive, measured_in, parameter

STEP = 5.0  # years
_EMITTED = 3.667  # tCO2 per tC for the inflow of the boxes, as published
_CUMULATED = 3.666  # tCO2 per tC for cumulative emissions, as published


class FairState(NamedTuple):
    r"""The state of [`FairClimate`][] at the start of a period.

    **Arguments:**

    - `cumulative`: cumulative emissions, GtC.
    - `carbon`: four boxes of carbon, GtC.
    - `temperature`: two boxes of temperature, degC.
    - `log_timescale`: log of the factor $\alpha$ on the lifetimes of carbon.

    !!! example

        ```python
        import abatax as ab

        state = ab.models.FairClimate().initial
        assert state.carbon.shape == (4,) and state.temperature.shape == (2,)
        ```
    """

    cumulative: Any  # GtC
    carbon: Any  # GtC, four boxes
    temperature: Any  # degC, two
    log_timescale: Any


class FairClimate(AbstractBlock):
    r"""The FaIR climate in steps of five years: four boxes of carbon that decay more slowly as sinks saturate, two of temperature.

    $$R_i' = a_i\tau_i\alpha\tfrac{E}{3.667}(1-x_i) + R_ix_i,\quad x_i = e^{-5/(\tau_i\alpha)},\qquad M = M^* + \textstyle\sum_iR_i',$$
    $$F = \kappa\log_2\tfrac{M}{M^*} + F_{ex},\qquad B_j' = B_je^{-5/d_j} + q_jF(1-e^{-5/d_j}),\qquad T = B_1' + B_2',$$

    where the factor $\alpha$ equates the response over 100 years with the value implied by carbon uptake and warming in the period:

    $$r_0 + r_C\,(C - (M - M^*)) + r_TT = \sum_i\alpha a_i\tau_i\big(1-e^{-100/(\alpha\tau_i)}\big)$$

    with $C$ the cumulative emissions before the period. The right-hand side approaches 100 years for $\alpha$ of about 100; beyond
    this value there is no root, and the state is not a number.

    **Arguments:**

    - `shares`, `lifetimes`: $a_i$ and $\tau_i$ (years). `initial_carbon`: $R_i$, GtC; `initial_total`: $M$ of the first period.
    - `preindustrial_carbon`: $M^*$, GtC. `doubling_forcing`: $\kappa$, W/m2.
    - `responses`, `delays`: $q_j$ (degC per W/m2) and $d_j$ (years). `initial_temperature`: $B_j$, degC;
      `initial_warming`: $T$ of the first period.
    - `uptake_base`, `uptake_carbon`, `uptake_warming`: $r_0$ (years), $r_C$ (years per GtC), $r_T$ (years per degC).
    - `initial_cumulative`: $C$, GtC. `initial_timescale`: $\alpha$ of the first period.

    **Raises:** `ValueError` naming a parameter that is out of range.

    **References:** Barrage and Nordhaus 2024, doi:10.1073/pnas.2312030121 (DFAIR); Millar et al. 2017, doi:10.5194/acp-17-7213-2017.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        climate = ab.models.FairClimate()
        after = climate.advance(climate.initial, jnp.array(42.9), jnp.array(0.5))
        assert 1.2 < float(climate.warming(after)) < 1.6
        ```
    """

    shares: Float[Array, "..."] = eqx.field(default=(0.2173, 0.224, 0.2824, 0.2763), converter=parameter)
    lifetimes: Float[Array, "..."] = eqx.field(
        default=(1e6, 394.4, 36.53, 4.304), converter=parameter, metadata=measured_in("yr")
    )
    initial_carbon: Float[Array, "..."] = eqx.field(
        default=(150.093, 102.698, 39.534, 6.1865), converter=parameter, metadata=measured_in("GtC")
    )
    initial_total: Float[Array, "..."] = eqx.field(
        default=886.5128014, converter=parameter, metadata=measured_in("GtC")
    )  # not 588 + the sum of the boxes
    preindustrial_carbon: Float[Array, "..."] = eqx.field(
        default=588.0, converter=parameter, metadata=measured_in("GtC")
    )
    doubling_forcing: Float[Array, "..."] = eqx.field(default=3.93, converter=parameter, metadata=measured_in("W/m2"))
    responses: Float[Array, "..."] = eqx.field(
        default=(0.324, 0.44), converter=parameter, metadata=measured_in("degC m2/W")
    )
    delays: Float[Array, "..."] = eqx.field(default=(236.0, 4.07), converter=parameter, metadata=measured_in("yr"))
    initial_temperature: Float[Array, "..."] = eqx.field(
        default=(0.1477, 1.099454), converter=parameter, metadata=measured_in("degC")
    )
    initial_warming: Float[Array, "..."] = eqx.field(
        default=1.24715, converter=parameter, metadata=measured_in("degC")
    )  # nor is this the sum of its boxes
    uptake_base: Float[Array, "..."] = eqx.field(default=32.4, converter=parameter, metadata=measured_in("yr"))
    uptake_carbon: Float[Array, "..."] = eqx.field(default=0.019, converter=parameter, metadata=measured_in("yr/GtC"))
    uptake_warming: Float[Array, "..."] = eqx.field(default=4.165, converter=parameter, metadata=measured_in("yr/degC"))
    initial_cumulative: Float[Array, "..."] = eqx.field(default=633.5, converter=parameter, metadata=measured_in("GtC"))
    initial_timescale: Float[Array, "..."] = eqx.field(default=0.44715, converter=parameter)

    def __check_init__(self):
        for name, unit in (
            ("lifetimes", "years"),
            ("delays", "years"),
            ("initial_total", "GtC"),
            ("preindustrial_carbon", "GtC"),
            ("doubling_forcing", "W/m2"),
            ("initial_timescale", ""),
        ):
            check_positive(f"climate.{name}", getattr(self, name), unit)
        for name, count in (("shares", 4), ("lifetimes", 4), ("initial_carbon", 4), ("responses", 2), ("delays", 2)):
            value = getattr(self, name)
            if value.shape[-1:] != (count,):
                raise ValueError(f"`climate.{name}` has shape {value.shape}; give {count} boxes.")

    @property
    def initial(self) -> FairState:
        """The state of the first period."""
        return FairState(
            self.initial_cumulative, self.initial_carbon, self.initial_temperature, jnp.log(self.initial_timescale)
        )

    def advance(self, state: FairState, emissions: Scalar, exogenous: Scalar) -> FairState:
        """The state of a period with emissions in GtCO2/yr and the forcing of other gases in W/m2.

        `state` is the state of the previous period, with the cumulative emissions before the present period; `cumulate` adds the
        emissions of the present period.
        """

        def excess(log_timescale, state, emissions, exogenous):
            new = self._boxes(log_timescale, state, emissions, exogenous)
            taken_up = state.cumulative - (self.total(new) - self.preindustrial_carbon)
            wanted = self.uptake_base + self.uptake_carbon * taken_up + self.uptake_warming * self.warming(new)
            return self.response_100_years(log_timescale) - wanted

        frozen = jax.lax.stop_gradient((state, emissions, exogenous))
        root, slope = frozen[0].log_timescale, jnp.ones(())
        for _ in range(_NEWTON_STEPS):
            value, slope = jax.jvp(lambda z: excess(z, *frozen), (root,), (jnp.ones_like(root),))
            root = root - value / slope
        root, slope = jax.lax.stop_gradient((root, slope))
        # By the implicit function theorem a step with frozen slope gives the first derivative, and a further step the second.
        for _ in range(2):
            root = root - excess(root, state, emissions, exogenous) / slope
        return self._boxes(root, state, emissions, exogenous)

    def cumulate(self, state: FairState, emissions: Scalar) -> FairState:
        """The state after the emissions of its period (GtCO2/yr) are added to cumulative emissions."""
        return state._replace(cumulative=state.cumulative + STEP / _CUMULATED * emissions)

    def total(self, state: FairState) -> Scalar:
        """Carbon in the atmosphere, GtC."""
        return self.preindustrial_carbon + jnp.sum(state.carbon)

    def warming(self, state: FairState) -> Scalar:
        """Warming above 1765, degC."""
        return jnp.sum(state.temperature)

    def forcing(self, total: Scalar, exogenous: Scalar) -> Scalar:
        """Radiative forcing, W/m2, from carbon in the atmosphere (GtC) and the forcing of other gases (W/m2)."""
        return self.doubling_forcing * jnp.log2(total / self.preindustrial_carbon) + exogenous

    def equilibrium(self, forcing: Scalar) -> Scalar:
        """Long-run warming, degC, under a constant forcing (W/m2)."""
        return jnp.sum(self.responses) * forcing

    def response_100_years(self, log_timescale: Scalar) -> Scalar:
        """Integral over 100 years of the airborne fraction of a pulse, in years."""
        scale = jnp.exp(log_timescale) * self.lifetimes
        return jnp.sum(self.shares * scale * -jnp.expm1(-100.0 / scale))

    def _boxes(self, log_timescale: Scalar, state: FairState, emissions: Scalar, exogenous: Scalar) -> FairState:
        scale = jnp.exp(log_timescale) * self.lifetimes
        airborne = jnp.exp(-STEP / scale)
        inflow = self.shares * scale * -jnp.expm1(-STEP / scale)
        carbon = inflow * (emissions / _EMITTED) + airborne * state.carbon
        forcing = self.forcing(self.preindustrial_carbon + jnp.sum(carbon), exogenous)
        memory = jnp.exp(-STEP / self.delays)
        temperature = memory * state.temperature + (1.0 - memory) * self.responses * forcing
        return FairState(state.cumulative, carbon, temperature, log_timescale)


# The slope is evaluated in the last step: its error is 1e-6 in the first period, with a poor initial factor, and rounding later.
_NEWTON_STEPS = 3
