"""A stepwise search for the root of an increasing function, for compiled loops that evaluate one point per iteration."""

from typing import Any, NamedTuple

import jax.numpy as jnp

# Tolerance of the slope at which a drift vanishes, relative to the slopes; the error of the Hamiltonian there is of second order.
_ROOT_TOLERANCE, _ROUNDING = 1e-9, 1e-13


class Bracket(NamedTuple):
    """An interval on which an increasing function changes sign.

    Trial points follow the ITP method, which needs at most about as many steps as bisection and converges superlinearly for smooth
    functions (Oliveira and Takahashi 2021, doi:10.1145/3423597).
    """

    low: Any
    high: Any
    at_low: Any  # the function at `low`, <= 0
    at_high: Any  # the function at `high`, >= 0
    width: Any  # width of the interval at the start of the search

    @property
    def _tolerance(self):
        # a root near zero is found to rounding of the interval at the start, because a relative tolerance would never be reached
        return _ROOT_TOLERANCE * (jnp.abs(self.low) + jnp.abs(self.high)) + _ROUNDING * self.width + 1e-300

    @property
    def found(self):
        exact = (self.at_low == 0.0) | (self.at_high == 0.0)
        return exact | (self.high - self.low <= 2.0 * self._tolerance)

    @property
    def root(self):
        middle = 0.5 * (self.low + self.high)
        return jnp.where(self.at_low == 0.0, self.low, jnp.where(self.at_high == 0.0, self.high, middle))

    def started(self, now):
        return self._replace(width=jnp.where(now, self.high - self.low, self.width))

    def narrowed(self, p, value, low_side, high_side):
        return self._replace(
            low=jnp.where(low_side, p, self.low),
            at_low=jnp.where(low_side, value, self.at_low),
            high=jnp.where(high_side, p, self.high),
            at_high=jnp.where(high_side, value, self.at_high),
        )

    def next_point(self, count):
        length, middle = self.high - self.low, 0.5 * (self.low + self.high)
        # largest distance from the middle for which the search ends at most one step after bisection
        reach = jnp.maximum(self.width * 2.0 ** (-count) - 0.5 * length, 0.0)
        rise = self.at_high - self.at_low
        secant = (self.at_high * self.low - self.at_low * self.high) / jnp.where(rise > 0.0, rise, 1.0)
        secant = jnp.where(rise > 0.0, secant, middle)
        side = jnp.sign(middle - secant)
        shift = 0.2 * length**2 / jnp.where(self.width > 0.0, self.width, 1.0)
        near = jnp.where(shift <= jnp.abs(middle - secant), secant + side * shift, middle)
        return jnp.where(jnp.abs(near - middle) <= reach, near, middle - side * reach)
