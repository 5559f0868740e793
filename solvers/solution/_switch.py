"""A model that represents regimes of different kinds, so that coupled regimes can be members of one family."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from ...models import AbstractModel, AbstractPreferences, Ambiguity, CarbonModel, ClosedFormControl, Growth, Jump
from ...models.base import Point, Scalar


class NotAlike(ValueError):
    """Models that cannot be members of one family; the message gives the reason."""


class Switch(AbstractModel):
    """One of several models with the same states and controls, selected by an index.

    **Fields:** `kinds`: the models. `which`: the index of the selected model. `preferences`, `ambiguity`: those of the selected model,
    with an aversion for every jump in `names`. `names`: the names of the jumps of all models.
    """

    kinds: tuple[AbstractModel, ...]
    which: Int[Array, "*family"]
    preferences: AbstractPreferences
    ambiguity: Ambiguity
    names: tuple[str, ...] = eqx.field(static=True)

    def _pick(self, ask: Callable[[AbstractModel], Any]) -> Any:
        """The result of `ask` for the selected model."""
        return jax.tree.map(lambda *z: jnp.stack([jnp.asarray(a) for a in z])[self.which], *map(ask, self.kinds))

    @property
    def regime(self) -> str:
        return self.kinds[0].regime

    @property
    def states(self) -> Point:
        return self.kinds[0].states

    @property
    def controls(self) -> Point:
        return self.kinds[0].controls

    @property
    def ensemble(self):
        return self._pick(lambda m: m.ensemble)

    @property
    def climates(self) -> Point:
        return self._pick(lambda m: m.climates)

    def drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        return self._pick(lambda m: m.drift(t, x, u, climate))

    def diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        return self._pick(lambda m: m.diffusion(t, x, u))

    def utility(self, t: Scalar, x: Point, u: Point) -> Scalar:
        return self._pick(lambda m: m.utility(t, x, u))

    def initial_state(self) -> Point:
        return self._pick(lambda m: m.initial_state())

    def jumps(self) -> tuple[Jump, ...]:
        jumps_by_name = [{jump.name: jump for jump in m.jumps()} for m in self.kinds]
        return tuple(self._jump(name, [jumps.get(name) for jumps in jumps_by_name]) for name in self.names)

    def _jump(self, name: str, jumps: list[Jump | None]) -> Jump:
        """The jump of this name in all models; its intensity is zero in models without it."""
        room = max(j.probabilities.shape[-1] for j in jumps if j is not None)

        def chances(jump: Jump | None):
            if jump is None:
                return jnp.full(room, 1.0 / room)
            return jnp.pad(jump.probabilities, (0, room - jump.probabilities.shape[-1]))

        def landed(place: Any, move: Any):
            """The landing state for every outcome, padded to the largest number of outcomes."""
            z = jnp.asarray(move)
            del place
            return jnp.broadcast_to(z, (room,)) if z.ndim == 0 else jnp.pad(z, (0, room - z.shape[0]), mode="edge")

        def each(ask: Callable[[Jump | None], Any]) -> Any:
            return jax.tree.map(lambda *z: jnp.stack(z)[self.which], *map(ask, jumps))

        def land(x: Point) -> Point:
            return each(lambda j: jax.tree.map(landed, x, x if j is None else j.land(x)))

        def carry(x: Point) -> Point:
            zeros = type(self.additive)(*(jnp.zeros(()) for _ in self.additive))
            return each(
                lambda j: jax.tree.map(
                    landed, zeros, zeros if j is None or j.land_additive is None else j.land_additive(x)
                )
            )

        return Jump(
            intensity=lambda t, x, u: each(lambda j: jnp.zeros(()) if j is None else jnp.asarray(j.intensity(t, x, u))),
            land=land,
            probabilities=each(chances),
            destination=None,
            name=name,
            land_additive=carry if any(j is not None and j.land_additive is not None for j in jumps) else None,
        )

    def asymptote(self, t: Scalar, x: Point, after: tuple = ()) -> Scalar:
        return self._pick(lambda m: m.asymptote(t, x))

    def closures(self) -> Point:
        def merged(axis: int, side: int):
            closures = [m.closures()[axis][side] for m in self.kinds]
            if not isinstance(closures[0], Growth):
                return closures[0]

            def slope(t, x):
                return self._pick(lambda m: m.closures()[axis][side].slope(t, x))

            return Growth(slope=slope, extension=closures[0].extension)

        states = self.states
        return type(states)(*((merged(a, 0), merged(a, 1)) for a in range(len(states))))

    def costate_signs(self) -> dict[str, int]:
        signs = [m.costate_signs() for m in self.kinds]
        return {name: sign for name, sign in signs[0].items() if all(s.get(name) == sign for s in signs)}

    def idle_controls(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for m in self.kinds for name in m.idle_controls()))

    def interior_controls(self) -> tuple[str, ...]:
        interior = [m.interior_controls() for m in self.kinds]
        return tuple(name for name in interior[0] if all(name in names for names in interior))

    @property
    def scan_fineness(self) -> int:
        return max(m.scan_fineness for m in self.kinds)

    def breakpoints(self) -> dict[str, tuple[float, ...]]:
        kinks: dict[str, set[float]] = {}
        for m in self.kinds:
            for name, places in m.breakpoints().items():
                kinks.setdefault(name, set()).update(places)
        return {name: tuple(sorted(places)) for name, places in kinks.items()}

    @property
    def additive(self) -> Point:
        return self.kinds[0].additive

    def additive_costates(self) -> Point:
        return self._pick(lambda m: m.additive_costates())

    def additive_drift(self, t: Scalar, x: Point, u: Point, climate: Scalar) -> Point:
        return self._pick(lambda m: m.additive_drift(t, x, u, climate))

    def additive_diffusion(self, t: Scalar, x: Point, u: Point) -> Point:
        return self._pick(lambda m: m.additive_diffusion(t, x, u))

    def initial_additive(self) -> Point:
        return self._pick(lambda m: m.initial_additive())

    def observables(self, t: Scalar, x: Point, u: Point, additive: Point) -> dict[str, Scalar]:
        return self._pick(lambda m: m.observables(t, x, u, additive))

    @property
    def observable_variables(self):
        return self.kinds[0].observable_variables


class ClosedSwitch(Switch, ClosedFormControl):
    """A [`Switch`][] between models that all have a closed-form control."""

    def best_control(self, t: Scalar, x: Point, value: Scalar, costate: Point, hessian: Any) -> Point:
        def ask(m: AbstractModel) -> Point:
            assert isinstance(m, ClosedFormControl)
            return m.best_control(t, x, value, costate, hessian)

        return self._pick(ask)


def joined(families: list[AbstractModel], which: np.ndarray, rows: list[np.ndarray]) -> Switch:
    """Models of different kinds, with stacked leaves, as one family.

    **Arguments:** `families`: one family of each kind. `which`: the kind of each member. `rows`: for each kind the row of each member
    in the family of that kind (arbitrary for members of another kind).

    **Raises:** `NotAlike` if their states, controls, faces, preferences or shocks differ.
    """
    first = families[0]
    for m in families:
        if isinstance(m, CarbonModel):
            raise NotAlike("have a social cost of carbon")
        for what in ("states", "controls", "additive"):
            if getattr(m, what) != getattr(first, what):
                raise NotAlike(f"have different {what}")
        for closure, other in zip(
            jax.tree.leaves(m.closures(), is_leaf=_face), jax.tree.leaves(first.closures(), is_leaf=_face), strict=True
        ):
            if type(closure) is not type(other) or closure.extension != other.extension:
                raise NotAlike("have different closures")
    selected = [
        jax.tree.map(lambda leaf, r=r: leaf[jnp.asarray(r)] if eqx.is_array(leaf) else leaf, m)
        for m, r in zip(families, rows, strict=True)
    ]
    jumps = [eqx.filter_vmap(lambda m: m.jumps())(m) for m in selected]
    names = tuple(dict.fromkeys(jump.name for model_jumps in jumps for jump in model_jumps))
    ambiguity = [
        _by_name(m.ambiguity, [jump.name for jump in model_jumps], names)
        for m, model_jumps in zip(selected, jumps, strict=True)
    ]
    all_closed_form = all(isinstance(m, ClosedFormControl) for m in families)
    return (ClosedSwitch if all_closed_form else Switch)(
        kinds=tuple(selected),
        which=jnp.asarray(which),
        preferences=_picked([m.preferences for m in selected], which, "preferences"),
        ambiguity=_picked(ambiguity, which, "ambiguity"),
        names=names,
    )


def _face(thing: Any) -> bool:
    return hasattr(thing, "extension")


def _picked(parts: list[Any], which: np.ndarray, what: str) -> Any:
    """The part of the kind of each member, with leaves stacked over the members."""
    if len({jax.tree.structure(part) for part in parts}) > 1:
        raise NotAlike(f"have different {what}")
    member = np.arange(len(which))
    columns = zip(*map(jax.tree.leaves, parts), strict=True)
    leaves = [jnp.asarray(np.stack(np.broadcast_arrays(*map(np.asarray, column)))[which, member]) for column in columns]
    return jax.tree.unflatten(jax.tree.structure(parts[0]), leaves)


def _by_name(ambiguity: Ambiguity, jump_names: list[str], names: tuple[str, ...]) -> Ambiguity:
    """Aversions to all jumps by name, zero for jumps that a kind does not have; leaves are stacked over the members."""
    aversions = np.asarray(ambiguity.jumps)
    all_aversions = np.zeros((aversions.shape[0], len(names)))
    for j, name in enumerate(jump_names):
        all_aversions[:, names.index(name)] = aversions if aversions.ndim == 1 else aversions[:, j]
    return eqx.tree_at(lambda a: a.jumps, ambiguity, jnp.asarray(all_aversions))
