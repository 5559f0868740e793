"""Random waves of the input, which are not trained."""

import math
from typing import Any

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray

from ._frozen import Frozen


def random_waves(in_size: int, width: int, frequency: float, *, dtype: Any, key: PRNGKeyArray) -> Frozen:
    r"""Frozen frequencies, which are normal with standard deviation `frequency`, and phases, which are uniform in $[0, 2\pi]$."""
    frequency_key, phase_key = jr.split(key)
    frequencies = frequency * jr.normal(frequency_key, (width, in_size), dtype)
    return Frozen((frequencies, jr.uniform(phase_key, (width,), dtype, 0.0, 2.0 * math.pi)))


def waves(frozen: Frozen, x: Float[Array, " input"]) -> Float[Array, " wave"]:
    r"""$\cos(Bx + c)$, which contains sines and cosines of every frequency through the uniform phases."""
    frequencies, phases = frozen.value
    return jnp.cos(frequencies @ x + phases)
