"""The regimes that a solution passes through, numbered, and where their jumps lead."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from ...models import Jump
from ..solution import Policy, Return, Solution, family_shape, family_size, reshape_family


class Regime(eqx.Module):
    """A regime as simulation sees it: its members stacked on one axis, and where its jumps lead."""

    policy: Policy
    size: int = eqx.field(static=True)
    destinations: tuple[int, ...] = eqx.field(static=True)  # their numbers among the regimes, by jump
    # by jump the members that it leads to, where they are not just (member, outcome) in a row
    members: tuple[Int[Array, "member outcome"] | None, ...] = ()


MOST_OUTCOMES = 64  # room for the outcomes of a jump


def regimes_of(solution: Solution) -> tuple[Regime, ...]:
    """Every regime that can be reached, root first; those that lead to each other are members of one."""
    found: dict[int, Regime] = {}
    groups: list[tuple[Solution, int]] = []

    def add(part: Solution, size: int) -> tuple[int, Any]:
        """The number of a regime, and which of its members a family is; None for all of them in a row."""
        if part.coupled is not None:
            place = jnp.asarray(part.place)
            known = [number for group, number in groups if group is part.coupled]
            return (known[0] if known else add(part.coupled, family_size(part.coupled))[0]), place
        number = len(found)
        found[number] = Regime(part.policy, size, ())
        groups.append((part, number))
        targets, members = [], []
        for destination in part.destinations:
            if isinstance(destination, Return):
                targets.append(number)
                members.append(destination.members)
                continue
            (_, outcomes) = family_shape(destination, 2)
            to, place = add(reshape_family(destination, (size * outcomes,), 2), size * outcomes)
            targets.append(to)
            members.append(None if place is None else place.reshape(size, outcomes))
        found[number] = Regime(part.policy, size, tuple(targets), tuple(members))
        return number, None

    add(reshape_family(solution, (1,), 0), 1)  # with what it is coupled to, where it is
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
            width[row, numbers[jump.name]] = jump.probabilities.shape[-1]
    return jnp.asarray(target), jnp.asarray(width)


def leading_back(regimes, numbers) -> Bool[np.ndarray, "regime jump"] | None:
    """Which jumps of a regime lead back to it, so that another may follow; None if there are none."""
    back = np.zeros((len(regimes), len(numbers)), dtype=bool)
    for row, regime in enumerate(regimes):
        for jump, to in zip(_jumps_of(regime), regime.destinations, strict=True):
            back[row, numbers[jump.name]] = to == row
    return back if back.any() else None


def members_of(regimes, numbers) -> Int[Array, "regime jump outcome"] | None:
    """Which member of the regime after it each jump leads to, by (member, outcome) in a row; None where that is itself."""
    if all(members is None for regime in regimes for members in regime.members):
        return None
    rooms = [regime.size * jump.probabilities.shape[-1] for regime in regimes for jump in _jumps_of(regime)]
    table = jnp.broadcast_to(jnp.arange(max(rooms)), (len(regimes), len(numbers), max(rooms)))
    for row, regime in enumerate(regimes):
        for jump, members in zip(_jumps_of(regime), regime.members, strict=True):
            if members is not None:
                table = table.at[row, numbers[jump.name], : members.size].set(members.ravel())
    return table


def landing_room(regimes) -> int:
    """Room for the landings of a jump: the most outcomes of those that land by outcome, else 1."""
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
