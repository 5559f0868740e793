from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..base import (
    AbstractBlock,
    Scalar,
    check_positive,
    entropy_density,
    is_traced,
    parameter,
    robust_mean,
    scaled_expm1,
    tilted_weights,
)

Penalty = float | Sequence[float] | np.ndarray | Array


class WorstCase(NamedTuple):
    """The distortions of the worst case.

    - `shocks`: drift added to each Brownian shock, in 1/sqrt(yr).
    - `climate`: weights on the members of the climate ensemble, summing to one.
    - `jumps`: for each jump, the factor on intensity times probability of each outcome.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        ambiguity = ab.models.Ambiguity.from_penalties(shocks=1.0)
        solution = ab.solve(ab.models.LinearQuadratic(ambiguity=ambiguity), ab.solvers.FiniteDifference(points=21))
        worst = solution.at(jnp.zeros(()), solution.problem.model.initial_state()).worst_case
        assert worst.shocks.shape == (1,) and float(worst.shocks[0]) != 0.0
        ```
    """

    shocks: Float[Array, " noise"]
    climate: Float[Array, " member"]
    jumps: tuple[Float[Array, " outcome"], ...]


class Ambiguity(AbstractBlock):
    r"""Aversion of the planner to misspecification of the model, in three channels.

    $$\min_{h,\omega,g}\; \ldots + \tfrac12\sum_i \xi_i h_i^2
        + \xi_a\sum_\ell \omega_\ell\log\frac{\omega_\ell}{\pi_\ell}
        + \sum_j \lambda_j\,\xi_j\sum_m \pi_{jm}(1 - g_{jm} + g_{jm}\log g_{jm})$$

    The fields are the aversions $1/\xi$: zero is the neutral planner, exactly and with derivatives.

    **Arguments:** (see also [`from_penalties`][abatax.models.Ambiguity.from_penalties])

    - `shocks`: aversion to misspecified Brownian shocks, one number or one per shock.
    - `climate`: aversion to ambiguity about the weights of the climate ensemble (smooth ambiguity).
    - `jumps`: aversion to misspecified jumps, one number or one per jump.

    **Raises:** `ValueError` if an aversion is negative or not a number.

    **Good values:** penalties of shocks and jumps are in units of the value function of the model, that of the climate in units of the
    value per year. With a flow utility that is not multiplied by the discount rate, penalties of 0.3 to 5 for shocks and jumps,
    0.0025 to 0.02 for climate.

    **References:** Hansen and Sargent 2001, doi:10.1257/aer.91.2.60; Barnett, Brock and Hansen 2020,
    doi:10.1093/rfs/hhz144.

    !!! example

        ```python
        import abatax as ab

        ambiguity = ab.models.Ambiguity.from_penalties(shocks=1.0, jumps=1.0, climate=0.01)
        assert float(ambiguity.climate) == 100.0
        ```
    """

    shocks: Float[Array, "..."] = eqx.field(default=0.0, converter=parameter)
    climate: Float[Array, "..."] = eqx.field(default=0.0, converter=parameter)
    jumps: Float[Array, "..."] = eqx.field(default=0.0, converter=parameter)

    def __check_init__(self):
        for name in ("shocks", "climate", "jumps"):
            check_positive(f"ambiguity.{name}", getattr(self, name), "(1/penalty)", allow_zero=True)

    @classmethod
    def from_penalties(
        cls,
        shocks: Penalty = float("inf"),
        climate: Penalty = float("inf"),
        jumps: Penalty = float("inf"),
    ) -> "Ambiguity":
        r"""Construct from penalties $\xi$ (the convention of the papers); `inf` is neutral.

        `shocks` and `jumps` may have one entry per shock or jump: a list, a tuple or an array.

        **Raises:** `ValueError` if a penalty is not positive.
        """
        penalties = {"shocks": shocks, "climate": climate, "jumps": jumps}
        aversions = {}
        for name, penalty in penalties.items():
            values = parameter(penalty)
            if not is_traced(values) and not bool(jnp.all(values > 0)):
                raise ValueError(
                    f"`ambiguity.{name}` is {penalty}; a penalty must be > 0 (use `inf` for a neutral planner)."
                )
            aversions[name] = 1.0 / values
        return cls(**aversions)

    @property
    def penalties(self) -> dict[str, Array]:
        r"""The penalties $\xi = 1/a$ (infinite where the planner is neutral)."""
        return {"shocks": 1.0 / self.shocks, "climate": 1.0 / self.climate, "jumps": 1.0 / self.jumps}

    def is_neutral(self) -> bool:
        """Whether all aversions are zero."""
        return not any(bool(jnp.any(a > 0)) for a in (self.shocks, self.climate, self.jumps))

    def shock_term(self, exposure: Float[Array, " noise"]) -> Scalar:
        r"""$-\sum_i a_i(\sigma^\top V_x)_i^2/2$, the minimum over the distortions of the shocks."""
        return -0.5 * jnp.sum(self.shocks * exposure**2)

    def climate_term(self, gains: Float[Array, " member"], prior: Float[Array, " member"]) -> Scalar:
        r"""$-\tfrac1a\log\sum_\ell\pi_\ell e^{-a V_x\cdot b_\ell}$."""
        return robust_mean(self.climate, gains, prior)

    def jump_term(self, which: int, gains: Float[Array, " outcome"], prior: Float[Array, " outcome"]) -> Scalar:
        r"""$\tfrac1a\sum_m\pi_m(1 - e^{-a\,(V^m - V)})$, to be multiplied by the intensity."""
        return prior @ scaled_expm1(-self.jump_aversion(which), gains)

    def jump_equivalent(self, which: int, values: Float[Array, " outcome"], prior: Float[Array, " outcome"]) -> Scalar:
        r"""$-\tfrac1a\log\sum_m\pi_me^{-aV^m}$, the certainty equivalent of the values after a jump; its jump term is zero."""
        return robust_mean(self.jump_aversion(which), values, prior)

    def shock_aversion(self, which: int | slice) -> Float[Array, "..."]:
        """Aversion to one shock or to several; a single number holds for all shocks."""
        return self.shocks if self.shocks.ndim == 0 else self.shocks[which]

    def jump_aversion(self, which: int) -> Scalar:
        """Aversion to one jump."""
        return self.jumps if self.jumps.ndim == 0 else self.jumps[which]

    def worst_case(
        self,
        exposure: Float[Array, " noise"],
        climate_gains: Float[Array, " member"],
        climate_prior: Float[Array, " member"],
        jump_gains: tuple[Float[Array, " ..."], ...],
    ) -> WorstCase:
        r"""The minimising distortions.

        $$h_i = -a_i(\sigma^\top V_x)_i,\quad \omega_\ell\propto\pi_\ell e^{-a V_x\cdot b_\ell},\quad
          g_m = e^{-a(V^m - V)}$$
        """
        return WorstCase(
            shocks=-self.shocks * exposure,
            climate=tilted_weights(self.climate, climate_gains, climate_prior),
            jumps=tuple(jnp.exp(-self.jump_aversion(j) * g) for j, g in enumerate(jump_gains)),
        )

    def penalty(
        self,
        worst: WorstCase,
        climate_prior: Float[Array, " member"],
        jump_priors: tuple[Float[Array, " ..."], ...],
        intensities: tuple[Scalar, ...],
    ) -> Scalar:
        r"""Cost of the distortions `worst`: $\xi$ times relative entropy, summed over the channels.

        The cost of a neutral channel is zero without distortion and infinite otherwise.
        """

        def cost(aversion, entropy):
            neutral = aversion == 0.0
            priced = entropy / jnp.where(neutral, 1.0, aversion)
            return jnp.sum(jnp.where(neutral, jnp.where(entropy > 1e-14, jnp.inf, 0.0), priced))

        omega, prior = worst.climate, climate_prior
        live = omega > 0
        # The density of entropy has the same sum (both weights sum to one) without cancellation.
        ratio = jnp.where(live, omega, 0.0) / jnp.where(prior > 0, prior, 1.0)
        total = cost(self.shocks, 0.5 * worst.shocks**2)
        impossible = jnp.where(jnp.any(live & ~(prior > 0)), jnp.inf, 0.0)
        total = total + cost(self.climate, prior @ entropy_density(ratio) + impossible)
        for j, (g, pi, intensity) in enumerate(zip(worst.jumps, jump_priors, intensities, strict=True)):
            entropy = pi @ entropy_density(g)
            # distortions of a jump with zero intensity have no cost
            total = total + jnp.where(intensity > 0, intensity * cost(self.jump_aversion(j), entropy), 0.0)
        return total
