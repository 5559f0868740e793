"""The numbered regimes of a solution and the destinations of their jumps."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from ...models import Jump
from ..solution import Policy, Return, Solution, reshape_family


class Regime(eqx.Module):
    """A regime for simulation: its policies stacked over the members, and the destinations of its jumps."""

    policy: Policy
    size: int = eqx.field(static=True)
    destinations: tuple[int, ...] = eqx.field(static=True)  # numbers of the regimes after each jump
    # members of the next regime after each jump; None if they are the pairs (member, outcome) in row-major order
    members: tuple[Int[Array, "member outcome"] | None, ...] = ()


MOST_OUTCOMES = 64  # largest number of outcomes of a jump


def regimes_of(solution: Solution) -> tuple[Regime, ...]:
    """Every reachable regime, starting with the initial one. Coupled regimes are members of one regime."""
    regimes: dict[int, Regime] = {}
    groups: list[tuple[Solution, int]] = []

    def add(part: Solution, size: int) -> tuple[int, Any]:
        """The number of a regime, and the members that a family consists of; None for all members in order."""
        if part.coupled is not None:
            place = jnp.asarray(part.place)
            numbers = [number for group, number in groups if group is part.coupled]
            return (numbers[0] if numbers else add(part.coupled, *part.coupled.family)[0]), place
        number = len(regimes)
        regimes[number] = Regime(part.policy, size, ())
        groups.append((part, number))
        targets, members = [], []
        for destination in part.destinations:
            if isinstance(destination, Return):
                targets.append(number)
                members.append(destination.members)
                continue
            (_, outcomes) = destination.family
            target, place = add(reshape_family(destination, (size * outcomes,), 2), size * outcomes)
            targets.append(target)
            members.append(None if place is None else place.reshape(size, outcomes))
        regimes[number] = Regime(part.policy, size, tuple(targets), tuple(members))
        return number, None

    add(reshape_family(solution, (1,), 0), 1)  # includes the regimes that it is coupled to
    models = [regime.policy.problem.model for regime in regimes.values()]
    if len({(type(m.states), type(m.controls)) for m in models}) > 1:
        raise ValueError("simulate: the regimes have different states or controls; simulate them one by one.")
    return tuple(regimes.values())


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
    """The regime after each jump, and the number of outcomes of the jump."""
    target = np.zeros((len(regimes), len(numbers)), dtype=int)
    width = np.ones_like(target)
    for row, regime in enumerate(regimes):
        for jump, number in zip(_jumps_of(regime), regime.destinations, strict=True):
            target[row, numbers[jump.name]] = number
            width[row, numbers[jump.name]] = jump.probabilities.shape[-1]
    return jnp.asarray(target), jnp.asarray(width)


def leading_back(regimes, numbers) -> Bool[np.ndarray, "regime jump"] | None:
    """Whether each jump of a regime leads back to the regime and may recur; None if no jump does."""
    recurrent = np.zeros((len(regimes), len(numbers)), dtype=bool)
    for row, regime in enumerate(regimes):
        for jump, number in zip(_jumps_of(regime), regime.destinations, strict=True):
            recurrent[row, numbers[jump.name]] = number == row
    return recurrent if recurrent.any() else None


def members_of(regimes, numbers) -> Int[Array, "regime jump outcome"] | None:
    """The member of the next regime, by (member, outcome) in row-major order; None if it is that index itself."""
    if all(members is None for regime in regimes for members in regime.members):
        return None
    sizes = [regime.size * jump.probabilities.shape[-1] for regime in regimes for jump in _jumps_of(regime)]
    table = jnp.broadcast_to(jnp.arange(max(sizes)), (len(regimes), len(numbers), max(sizes)))
    for row, regime in enumerate(regimes):
        for jump, members in zip(_jumps_of(regime), regime.members, strict=True):
            if members is not None:
                table = table.at[row, numbers[jump.name], : members.size].set(members.ravel())
    return table


def landing_room(regimes) -> int:
    """Largest number of distinct landings of a jump: its outcomes if the landing depends on the outcome, else 1."""
    room = 1
    for regime in regimes:
        for jump, landing in zip(_jumps_of(regime), eqx.filter_eval_shape(_land, regime), strict=True):
            if any(z.ndim > 1 for z in jax.tree.leaves(landing)):
                room = max(room, jump.probabilities.shape[-1])
    return room


def _land(regime: Regime):
    def of_member(model):
        x = model.initial_state()
        return [(jump.land(x), jump.land_additive(x) if jump.land_additive else ()) for jump in model.jumps()]

    return eqx.filter_vmap(of_member)(regime.policy.problem.model)
