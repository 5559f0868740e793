"""The regimes that a solution passes through, numbered, and where their jumps lead."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from ..models import Jump
from ._solution import GreedyPolicy, Solution, family_shape, reshape_family


class Regime(eqx.Module):
    """A regime as simulation sees it: its members stacked on one axis, and where its jumps lead."""

    policy: GreedyPolicy
    size: int = eqx.field(static=True)
    destinations: tuple[int, ...] = eqx.field(static=True)  # their numbers among the regimes, by jump


MOST_OUTCOMES = 64  # room for the outcomes of a jump


def regimes_of(solution: Solution) -> tuple[Regime, ...]:
    """Every regime that can be reached, root first."""
    found: dict[int, Regime] = {}

    def add(part: Solution, size: int) -> int:
        number = len(found)
        found[number] = Regime(part.policy, size, ())
        targets = []
        for destination in part.destinations:
            (_, outcomes) = family_shape(destination, 2)
            targets.append(add(reshape_family(destination, (size * outcomes,), 2), size * outcomes))
        found[number] = Regime(part.policy, size, tuple(targets))
        return number

    add(reshape_family(solution, (1,), 0), 1)
    models = [regime.policy.problem.model for regime in found.values()]
    if len({(type(m.states), type(m.controls)) for m in models}) > 1:
        raise ValueError("simulate: the regimes have different states or controls; simulate them one by one.")
    return tuple(found.values())


def _jumps_of(regime: Regime) -> tuple[Jump, ...]:
    return eqx.filter_vmap(lambda model: model.jumps())(regime.policy.problem.model)


def jump_numbers(regimes: tuple[Regime, ...]) -> dict[str, int]:
    """A number for every jump, by name."""
    numbers: dict[str, int] = {}
    for regime in regimes:
        for jump in _jumps_of(regime):
            numbers.setdefault(jump.name, len(numbers))
            if jump.probabilities.shape[-1] > MOST_OUTCOMES:
                raise ValueError(f"simulate: jump `{jump.name}` has more than {MOST_OUTCOMES} outcomes.")
    return numbers


def targets_of(regimes, numbers) -> tuple[Int[Array, "regime jump"], Int[Array, "regime jump"]]:
    """The regime each jump leads to, and its number of outcomes."""
    target = np.zeros((len(regimes), len(numbers)), dtype=int)
    width = np.ones_like(target)
    for row, regime in enumerate(regimes):
        for jump, to in zip(_jumps_of(regime), regime.destinations, strict=True):
            target[row, numbers[jump.name]] = to
            width[row, numbers[jump.name]] = regimes[to].size // regime.size
    return jnp.asarray(target), jnp.asarray(width)
