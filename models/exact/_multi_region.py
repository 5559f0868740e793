from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..base import (
    MOST_COPIES,
    Point,
    Scalar,
    Variable,
    check_capital,
    check_positive,
    check_share,
    measured_in,
    optional_parameter,
    parameter,
)
from ..climate import TCREClimate
from ..economy import CAPITAL, CONSUMPTION, DAMAGES, INVESTMENT, OUTPUT, AKEconomy, ThresholdDamages, lost_consumption
from ..equation import (
    AbstractPreferences,
    Ambiguity,
    CarbonModel,
    ClosedFormControl,
    Ensemble,
    Growth,
    Inflow,
    Outflow,
    TimeAdditive,
    check_time_additive,
)
from ._ak_climate import COLLAR, Productivity, certain_climate, damage_slope
from ._region_names import capital_variables, emission_variables, physical_variables, rotated_variables

# Margins of rotated faces, in half edges of the cube; they correspond to temperatures from 0 to 6 degC.
_BELOW, _ABOVE = 0.05, 1.0


def rotation_matrix(dimension: int) -> Float[np.ndarray, "state state"]:
    r"""The orthogonal cosine matrix $Q_{kj} = \sqrt{(2 - 1_{k=0})/d}\,\cos\big(\pi(2j+1)k/(2d)\big)$.

    The cube with faces at $\pm1/\sqrt d$ is mapped into the unit cube: its diagonal is the first axis.
    """
    k, j = np.arange(dimension)[:, None], np.arange(dimension)[None, :]
    size = np.sqrt(np.where(k == 0, 1.0, 2.0) / dimension)
    return size * np.cos(np.pi * (2 * j + 1) * k / (2 * dimension))


class MultiRegion(ClosedFormControl, CarbonModel):
    r"""N regions with one productivity each and one temperature, with an exact solution in any dimension $d = N + 1$.

    $$\delta V = \max_{e_1,\ldots,e_N}\;\delta\sum_nw_n\big[\eta\log e_n
            + (1-\eta)\big(\log(\alpha-i) + k_n - \nu_n\Lambda(y)\big) - q\,e^{sz_n}\big]
        + V_y\theta E + \tfrac12\varsigma^2E^2V_{yy}$$
    $$\qquad + \sum_n\big\{V_{k_n}\big(\mu_k + i - \tfrac\kappa2i^2 - \tfrac12\sigma_k^2 + z_n\big) + \tfrac12\sigma_k^2V_{k_nk_n}
        + V_{z_n}\big(-\rho_zz_n + \chi(\bar z - z_n)\big) + \tfrac12\sigma_z^2V_{z_nz_n}\big\}$$

    with $E = \sum_ne_n$, $\bar z = \sum_nw_nz_n$ and independent shocks. For $\chi = 0$ the value is a sum of one-dimensional
    terms, $V = f(y) + \sum_nw_ng(z_n) + (1-\eta)\sum_nw_nk_n$ + const, each known to many digits
    (`abatax.validation.MultiRegionExact`). Log capitals are additive states; investment per unit of capital $i$ is the constant
    of `AKClimate`. The flow is multiplied by $\delta$.

    With `rotation` the states are $c = Q^\top\hat x$, where $\hat x$ are temperature and productivities on the scale of their regions
    of interest and $Q$ is the orthogonal cosine matrix, which mixes all of them. The problem is the same, but its additivity is
    hidden. No slope is known at the faces of the rotated box: `FiniteDifference` (two states) and `Features` with random features
    (three states) did not converge. Rotated problems therefore serve to evaluate and train values.

    **Arguments:**

    - `regions`: $N$. `weights`: $w_n$, welfare weights and shares of initial capital, normalised; equal if left out.
    - `vulnerability`: $\nu_n$, log damages of a region over $\Lambda$; 1 if left out.
    - `coupling`: $\chi$, spillover of productivities, per year. If it is positive and $q\ne0$, the value does not separate.
    - `rotation`: whether the states are rotated.
    - `productivity`: $\rho_z$, $\sigma_z$, $q$ and $s$, the same in all regions; with a default flow cost $q$ = 0.05.
    - `preferences`, `emissions_share`, `economy`, `climate`, `damages`, `ambiguity`: as in `AKClimate`. Shocks are in the order
      temperature, productivities, capitals.
    - `exogenous_emissions`: emissions that the planner does not control, GtC/yr. The social cost of carbon is a
      derivative with respect to them.

    **Units:** capital in trillion US$, temperature degC, emissions GtC/yr, productivity 1/yr, rotated coordinates 1.

    **Raises:** `ValueError` if there is no region, or a list does not have one entry per region.

    **References:** parameters of Barnett, Brock and Hansen 2021, doi:10.1086/718668; weights, productivities, cost and coupling are
    assumptions of this package. Welfare with fixed weights: Nordhaus and Yang 1996, American Economic Review 86(4).

    !!! example

        ```python
        import abatax as ab

        model = ab.models.MultiRegion(regions=3)
        assert model.states._fields == ("temperature", "productivity_1", "productivity_2", "productivity_3")
        ```
    """

    regions: int = eqx.field(static=True, default=2)
    weights: Float[Array, "*family region"] | None = eqx.field(default=None, converter=optional_parameter)
    vulnerability: Float[Array, "*family region"] | None = eqx.field(default=None, converter=optional_parameter)
    coupling: Float[Array, "..."] = eqx.field(default=0.0, converter=parameter)
    rotation: bool = eqx.field(static=True, default=False, converter=bool)
    preferences: AbstractPreferences = eqx.field(default_factory=TimeAdditive)
    emissions_share: Float[Array, "..."] = eqx.field(default=0.032, converter=parameter)
    economy: AKEconomy = eqx.field(default_factory=AKEconomy)
    climate: TCREClimate = eqx.field(default_factory=certain_climate)
    damages: ThresholdDamages = eqx.field(default_factory=ThresholdDamages)
    productivity: Productivity = eqx.field(default_factory=lambda: Productivity(cost=0.05))
    ambiguity: Ambiguity = eqx.field(default_factory=Ambiguity)
    exogenous_emissions: Float[Array, "..."] = eqx.field(
        default=0.0, converter=parameter, metadata=measured_in("GtC/yr")
    )

    name: ClassVar[str] = "multi_region"
    source: ClassVar[str] = (
        "parameters of Barnett, Brock and Hansen 2021, doi:10.1086/718668; regions are an assumption"
    )

    def __check_init__(self):
        check_time_additive(self)
        check_share("emissions_share", self.emissions_share)
        check_capital("economy", self.economy.growth, self.economy.volatility)
        if self.regions < 1:
            raise ValueError(f"`regions` is {self.regions}; it must be at least 1.")
        if self.regions > MOST_COPIES:
            raise ValueError(f"`regions` is {self.regions}; it must be at most {MOST_COPIES}.")
        check_positive("coupling", self.coupling, "per year", allow_zero=True)
        for name in ("weights", "vulnerability"):
            given = getattr(self, name)
            if given is not None:
                check_positive(name, given, allow_zero=name == "vulnerability")
                if given.shape[-1:] != (self.regions,):
                    raise ValueError(
                        f"`{name}` has shape {given.shape}; it must have {self.regions} entries, one per region."
                    )

    @property
    def shares(self) -> Float[Array, " region"]:
        """$w_n$, which sum to one."""
        if self.weights is None:
            return jnp.full(self.regions, 1.0 / self.regions)
        return self.weights / jnp.sum(self.weights)

    @property
    def world_damages(self) -> ThresholdDamages:
        r"""$\sum_nw_n\nu_n\,\Lambda$: log damages in the objective of the planner."""
        if self.vulnerability is None:
            return self.damages
        mean, d = self.shares @ self.vulnerability, self.damages
        return ThresholdDamages(mean * d.linear, mean * d.quadratic, mean * d.curvature, d.threshold)

    # -- names ------------------------------------------------------------------------------------------

    @property
    def states(self) -> Point:
        return rotated_variables(self.regions) if self.rotation else physical_variables(self.regions)

    @property
    def controls(self) -> Point:
        return emission_variables(self.regions)

    def interior_controls(self) -> tuple[str, ...]:
        return self.controls._fields

    @property
    def additive(self) -> Point:
        return capital_variables(self.regions)

    # -- coordinates ------------------------------------------------------------------------------------

    def _frame(self) -> tuple[Float[Array, " state"], Float[Array, "state state"]]:
        """Centre and matrix of the map from states to temperature and productivities."""
        low, high = (
            jnp.asarray(side) for side in zip(*((v.low, v.high) for v in physical_variables(self.regions)), strict=True)
        )
        return 0.5 * (low + high), 0.5 * (high - low)[:, None] * jnp.asarray(rotation_matrix(self.regions + 1))

    def physical(self, x: Point) -> tuple[Scalar, Float[Array, " region"]]:
        """Temperature in degC and the productivities, from a state in physical or rotated coordinates."""
        z = jnp.stack(x)
        if self.rotation:
            centre, matrix = self._frame()
            z = centre + matrix @ z
        return z[0], z[1:]

    def _state(self, rates: Float[Array, "state ..."]) -> Point:
        """Rates of temperature and productivities as rates of the states."""
        if self.rotation:
            rates = jnp.linalg.solve(self._frame()[1], rates)
        return type(self.states)(*rates)

    # -- dynamics ---------------------------------------------------------------------------------------

    @property
    def ensemble(self) -> Ensemble:
        return self.climate.ensemble

    @property
    def investment(self) -> Scalar:
        """Investment per unit of capital, the same constant in every region."""
        return self.economy.best_investment(self.preferences.discount_rate)

    def world_emissions(self, u: Point) -> Scalar:
        """World emissions $E$ with exogenous emissions, GtC/yr."""
        return jnp.sum(jnp.stack(u)) + self.exogenous_emissions

    def drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        _, z = self.physical(x)
        warming = self.climate.drift(self.world_emissions(u), climate)
        reverting = -self.productivity.reversion * z + self.coupling * (self.shares @ z - z)
        return self._state(jnp.append(warming, reverting))

    def diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        n = self.regions
        warming = self.climate.diffusion(self.world_emissions(u))
        loadings = jnp.append(warming, jnp.broadcast_to(self.productivity.volatility, (n,)))
        return self._state(jnp.concatenate([jnp.diag(loadings), jnp.zeros((n + 1, n))], axis=1))

    def additive_costates(self) -> Point:
        return type(self.additive)(*((1.0 - self.emissions_share) * self.shares))

    def additive_drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        return type(self.additive)(*(self.economy.drift(self.investment) + self.physical(x)[1]))

    def additive_diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        n = self.regions
        loadings = self.economy.volatility * jnp.eye(n)
        return type(self.additive)(*jnp.concatenate([jnp.zeros((n, n + 1)), loadings], axis=1))

    def utility(self, t: Scalar, x: Point, u: Point) -> Scalar:
        y, z = self.physical(x)
        eta = self.emissions_share
        consumption = jnp.log(self.economy.productivity - self.investment) - self.world_damages.log_damages(y)
        regional = eta * jnp.log(jnp.stack(u)) + jax.vmap(self.productivity.flow)(z)
        return self.preferences.discount_rate * (self.shares @ regional + (1.0 - eta) * consumption)

    def best_control(
        self, t: Scalar, x: Point, value: Scalar, costate: Point, hessian: Float[Array, "state state"]
    ) -> Point:
        slope, bend = costate[0], hessian[0, 0]
        if self.rotation:  # V_x = J^-T V_c for x = centre + J c
            into = jnp.linalg.inv(self._frame()[1])[:, 0]
            slope, bend = into @ jnp.stack(costate), into @ hessian @ into
        bounds = self.controls[0]
        total = self.climate.best_emissions(  # with logarithmic utility, regions emit in proportion to their weights
            self.preferences.discount_rate * self.emissions_share,
            slope,
            bend,
            self.ambiguity,
            self.ambiguity.shock_aversion(0),
            self.exogenous_emissions,
            bounds.low,
            bounds.high,
        )
        return type(self.controls)(*jnp.clip(self.shares * total, bounds.low, bounds.high))

    # -- the box ----------------------------------------------------------------------------------------

    def costate_signs(self) -> dict[str, int]:
        return {} if self.rotation else {"temperature": -1}

    def closures(self) -> Point:
        if self.rotation:
            half = (self.regions + 1) ** -0.5
            faces = (Inflow(extension=_BELOW * half), Outflow(extension=_ABOVE * half))
            return type(self.states)(*(faces for _ in self.states))
        warming = (Inflow(), Growth(slope=self._damage_slope, extension=8.0))
        collar = (Inflow(extension=COLLAR), Inflow(extension=COLLAR))
        return type(self.states)(warming, *(collar for _ in range(self.regions)))

    def _damage_slope(self, t: Scalar, x: Point) -> Scalar:
        return damage_slope(self.world_damages, self.emissions_share, x.temperature)

    def initial_state(self) -> Point:
        start = jnp.append(self.climate.initial_temperature, jnp.zeros(self.regions))
        return self._state(start - self._frame()[0] if self.rotation else start)

    def initial_additive(self) -> Point:
        return type(self.additive)(*jnp.log(self.shares * self.economy.initial_capital))

    # -- what is reported -------------------------------------------------------------------------------

    def _capital(self, additive: Point) -> Scalar:
        return jnp.sum(jnp.exp(jnp.stack(additive)))

    def marginal_utility(self, t: Scalar, x: Point, u: Point, additive: Point) -> Scalar:
        r"""Marginal utility of world consumption, distributed in proportion to regional consumption: $\delta(1-\eta)/C$."""
        weight = self.preferences.discount_rate * (1.0 - self.emissions_share)
        return weight / ((self.economy.productivity - self.investment) * self._capital(additive))

    def observables(self, t: Scalar, x: Point, u: Point, additive: Point) -> dict[str, Scalar]:
        capitals, (y, z) = jnp.exp(jnp.stack(additive)), self.physical(x)
        world, consumption_share = jnp.sum(capitals), self.economy.productivity - self.investment
        exposed = jnp.ones(self.regions) if self.vulnerability is None else self.vulnerability
        lost = jnp.sum(lost_consumption(consumption_share * capitals, exposed * self.damages.log_damages(y)))
        observed = {
            "emissions": jnp.sum(jnp.stack(u)),
            "output": self.economy.productivity * world,
            "investment": self.investment * world,
            "consumption": consumption_share * world,
            "damages": lost,
            "capital": world,
        }
        physical = dict(zip(physical_variables(self.regions)._fields, (y, *z), strict=True))
        return observed | physical if self.rotation else observed

    @property
    def observable_variables(self) -> dict[str, Variable]:
        variables = {
            "emissions": Variable("carbon emissions", "GtC/yr", iamc="Emissions|CO2"),
            "output": OUTPUT,
            "investment": INVESTMENT,
            "consumption": CONSUMPTION,
            "damages": DAMAGES,
            "capital": CAPITAL,
        }
        return variables | physical_variables(self.regions)._asdict() if self.rotation else variables
