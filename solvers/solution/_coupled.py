"""Coupled regimes, with jumps that lead back to themselves or to each other: detection, joint solution as one family, separation."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jaxtyping import Array, Float, Int
from scipy.sparse.csgraph import connected_components

from ...models import AbstractModel, HJBProblem, derivatives
from ...models.base import Point, Scalar
from ...models.equation import check_jump
from ..base import compiled
from ._near import Near, near
from ._policy import MAXIMISER
from ._solution import After, Continuation, Return, Solution, on_host, reshape_family, reshape_leading
from ._switch import NotAlike, joined

# A chain with more families, or with more distinct regimes, is taken to be infinite.
_LONGEST, _MOST = 100, 20_000
# Parameters with a relative difference below this are equal up to rounding.
_ROUNDING = 1e-12


# -- problems after a jump -----------------------------------------------------------------------------------


def destination_problems(problem: HJBProblem, size: int) -> list[tuple[HJBProblem, int]]:
    """For each jump of a family, the family of problems after it (axes family and outcome joined) and the number of outcomes."""
    jumps = eqx.filter_vmap(lambda model: model.jumps())(problem.model)
    destinations = []
    for jump in jumps:
        back = jump.recurs or _is_plain(jump.destination, problem.model)
        check_jump(problem.model, dataclasses.replace(jump, destination=None) if back else jump)
        outcomes = jump.probabilities.shape[1]
        if back:
            repeated = on_host(lambda leaf, m=outcomes: np.repeat(leaf, m, axis=0), problem.model)
            destinations.append((problem.replace(model=repeated, continuations=(), faces=None), outcomes))
            continue
        flat = reshape_leading(jump.destination, (size * outcomes,), 2)
        # a region that the user has changed is changed in every regime that declares the same default
        destination_states, origin_states = flat.states._asdict(), problem.model.states._asdict()
        box = {
            field: region
            for (field, variable), region in zip(origin_states.items(), problem.region, strict=True)
            if field in destination_states
            and (destination_states[field].low, destination_states[field].high) == (variable.low, variable.high)
        }
        destinations.append((HJBProblem(flat, box=box, extension=problem.extension), outcomes))
    return destinations


def _is_plain(destination: Any, model: AbstractModel) -> bool:
    """Whether a destination is the model itself and is not stacked over outcomes."""
    if jax.tree.structure(destination) != jax.tree.structure(model):
        return False
    pairs = zip(jax.tree.leaves(destination), jax.tree.leaves(model), strict=True)
    return all((np.shape(a) == np.shape(b) and np.array_equal(a, b)) if eqx.is_array(b) else a == b for a, b in pairs)


# -- which regimes are coupled -------------------------------------------------------------------------------


class Group(NamedTuple):
    """Regimes that lead to each other, solved together as one family."""

    problem: HJBProblem  # leaves stacked over the members
    size: int
    targets: tuple[
        Int[Array, "member outcome"] | None, ...
    ]  # by jump: member after each outcome; None for other regimes
    place: Int[np.ndarray, " member"]  # indices of the requested members
    origin: HJBProblem | None = None  # the requested problem, if members are of different kinds
    # for each jump of `origin`: its number among the jumps of all kinds, and its number of outcomes
    jumps: tuple[tuple[int, int], ...] = ()

    def members_from(self, whole: Solution) -> Solution:
        """The solution of the requested members, from a solution of all members."""

        if self.origin is not None:
            members = [whole.destinations[number].members for number, _ in self.jumps]  # pyright: ignore[reportAttributeAccessIssue]
            outcomes = [m for _, m in self.jumps]
            destinations = tuple(Return(b[self.place, :m]) for b, m in zip(members, outcomes, strict=True))
            return part_of(whole, self.origin, jnp.asarray(self.place), destinations)
        destinations = tuple(_rows(d, self.place) for d in whole.destinations)
        problem = _taken(whole.problem.replace(continuations=()), self.place)
        return part_of(whole, problem, jnp.asarray(self.place), destinations)


def part_of(
    whole: Solution, problem: HJBProblem, place: Int[Array, " family"], destinations: tuple[After, ...]
) -> Solution:
    """Some members of a family that was solved as a whole, with the continuations after their jumps."""
    value = on_host(lambda leaf: leaf[np.asarray(place)], whole.value)
    continuations = tuple(
        returning(whole.problem, whole.value, d.members) if isinstance(d, Return) else Continuation(d.value)
        for d in destinations
    )
    problem = problem.replace(continuations=continuations)
    rule = on_host(lambda leaf: leaf[np.asarray(place)], whole.rule)
    return Solution(
        problem, value, whole.nodes, whole.result, whole.stats, destinations, whole, place, rule, place.shape
    )


def returning(problem: HJBProblem, value: Any, members: Int[Array, "family outcome"]) -> Continuation:
    """The continuation after a jump to members of a family with known value functions."""
    bare, index = problem.replace(continuations=()), np.asarray(members)
    model, landed = on_host(lambda leaf: leaf[index], (bare.model, value))
    return Continuation(Extended(bare.replace(model=model), landed))


def _taken(tree: Any, rows: Int[np.ndarray, " member"]) -> Any:
    return on_host(lambda leaf: leaf[rows], tree)


def _rows(part: After, rows: Int[np.ndarray, " member"]) -> After:
    """Some members of a destination."""
    if isinstance(part, Return):
        return _taken(part, rows)
    return dataclasses.replace(
        part,
        problem=_taken(part.problem, rows),
        value=_taken(part.value, rows),
        rule=_taken(part.rule, rows),
        destinations=tuple(_rows(d, rows) for d in part.destinations),
        place=None if part.place is None else _taken(part.place, rows),
        family=(len(rows), *part.family[1:]),
    )


def near_group(guess: Any, group: Group) -> Any:
    """The guess for a whole group, from the guess for the requested regimes."""
    if not isinstance(guess, Near):
        return guess
    earlier = guess.solution if guess.solution.coupled is None else guess.solution.coupled
    return near(earlier, group.problem, group.size)


class Regimes:
    """All regimes that can be reached from a problem, each listed once, and the regimes after their jumps.

    **Raises:** `ValueError` if the jumps lead to an infinite sequence of new regimes.
    """

    def __init__(self, problem: HJBProblem, size: int):
        self._memo: dict[int, tuple[HJBProblem, list[tuple[HJBProblem, int]]]] = {}
        self._kinds: list[tuple[Any, HJBProblem]] = []
        self._numbers: dict[tuple[int, bytes], int] = {}
        self._rows: dict[int, list[tuple[int, np.ndarray]]] = {}  # by kind
        self._at: list[tuple[HJBProblem, int, int]] = []  # for every regime: a family with it, its row there, its kind
        edges: list[tuple[int, int]] = []
        unexplored, families = [(problem, size, self._number(problem, size)[0])], 0
        while unexplored:
            family, count, numbers = unexplored.pop(0)
            families += 1
            if families > _LONGEST or len(self._at) > _MOST:
                raise ValueError(
                    f"`jumps()` of `{problem.model.name}` lead to ever new regimes, more than {min(families, _MOST)} of"
                    " them; a destination must be a final regime, or equal to one before it."
                )
            for following, outcomes in self.after(family, count):
                targets, new = self._number(following, count * outcomes)
                edges += zip(np.repeat(numbers, outcomes).tolist(), targets, strict=True)
                if new:
                    unexplored.append((following, count * outcomes, targets))
        self._coupled, self._cycle = _on_cycles(edges, len(self._at))
        self._edges = list(dict.fromkeys(edges))

    @property
    def kinds(self) -> list[HJBProblem]:
        """One family of each kind of regime."""
        return [problem for _, problem in self._kinds]

    def after(self, problem: HJBProblem, size: int) -> list[tuple[HJBProblem, int]]:
        """The cached result of `destination_problems`."""
        if id(problem) not in self._memo:
            self._memo[id(problem)] = problem, destination_problems(problem, size)
        return self._memo[id(problem)][1]

    def group(self, problem: HJBProblem, size: int) -> Group | None:
        """The regimes that must be solved together with a family; None if none of its jumps leads back."""
        if not self._coupled:
            return None
        numbers = self._number(problem, size)[0]
        if not self._coupled & set(numbers):
            return None
        if self._mixed(numbers):
            return self._of_kinds(problem, numbers)
        kind = self._at[numbers[0]][2]
        members = list(dict.fromkeys(numbers))
        for n in members:  # the list grows during the loop
            successors = dict.fromkeys(b for a, b in self._edges if a == n and self._at[b][2] == kind)
            members += [b for b in successors if b not in members]
        family = self._stacked(members)
        row = {n: k for k, n in enumerate(members)}
        targets: list[Any] = []
        cycle = False
        for following, outcomes in self.after(family, len(members)):
            reached = self._number(following, len(members) * outcomes)[0]
            inside = all(n in row for n in reached)
            cycle |= inside
            targets.append(jnp.array([row[n] for n in reached]).reshape(-1, outcomes) if inside else None)
        if not cycle:
            return None
        return Group(family, len(members), tuple(targets), np.array([row[n] for n in numbers]))

    def _mixed(self, numbers: list[int]) -> bool:
        """Whether a cycle through these regimes contains regimes of different kinds."""
        labels = {self._cycle[n] for n in numbers if n in self._coupled}
        return any(len({self._at[n][2] for n in self._coupled if self._cycle[n] == label}) > 1 for label in labels)

    def _of_kinds(self, problem: HJBProblem, numbers: list[int]) -> Group:
        """These regimes and all their successors, of any kind, as one family."""
        members = list(dict.fromkeys(numbers))
        for n in members:  # the list grows during the loop
            members += [b for b in dict.fromkeys(b for a, b in self._edges if a == n) if b not in members]
        row = {n: k for k, n in enumerate(members)}
        kinds = list(dict.fromkeys(self._at[n][2] for n in members))
        members_by_kind = [[n for n in members if self._at[n][2] == kind] for kind in kinds]
        families = [self._stacked(some) for some in members_by_kind]
        which = np.array([kinds.index(self._at[n][2]) for n in members])
        rows = [np.array([some.index(n) if n in some else 0 for n in members]) for some in members_by_kind]
        try:
            if any((f.region, f.extension) != (problem.region, problem.extension) for f in families):
                raise NotAlike("have different boxes")
            model = joined([f.model for f in families], which, rows)
        except NotAlike as error:
            names = ", ".join(dict.fromkeys(f"`{f.model.regime}`" for f in families))
            raise ValueError(
                f"`jumps()` lead in a cycle through the regimes {names}, which {error}; make them alike."
            ) from None
        jumps = eqx.filter_vmap(lambda m: m.jumps())(model)
        targets = [np.repeat(np.arange(len(members))[:, None], jump.probabilities.shape[1], axis=1) for jump in jumps]
        origin_jumps: tuple[tuple[int, int], ...] = ()
        for family, some in zip(families, members_by_kind, strict=True):
            kind_jumps = eqx.filter_vmap(lambda m: m.jumps())(family.model)
            numbered = []
            for jump, (later, outcomes) in zip(kind_jumps, self.after(family, len(some)), strict=True):
                number = model.names.index(jump.name)
                numbered.append((number, outcomes))
                reached = np.array([row[n] for n in self._number(later, len(some) * outcomes)[0]])
                targets[number][[row[n] for n in some], :outcomes] = reached.reshape(-1, outcomes)
            if numbers[0] in some:
                origin_jumps = tuple(numbered)
        place = np.array([row[n] for n in numbers])
        # the solver chooses the closures again, because the members differ
        whole = problem.replace(model=model, continuations=(), faces=None)
        return Group(whole, len(members), tuple(map(jnp.asarray, targets)), place, problem, origin_jumps)

    def _number(self, problem: HJBProblem, size: int) -> tuple[list[int], bool]:
        """The numbers of a family's regimes, and whether any of them is new."""
        kind, rows = self._kind(problem), _parameters(problem.model, size)
        before, numbers = len(self._at), []
        for n, row in enumerate(rows):
            mark = kind, row.tobytes()
            if mark not in self._numbers:
                self._numbers[mark] = self._known(kind, row)
                if self._numbers[mark] == len(self._at):
                    self._at.append((problem, n, kind))
                    self._rows.setdefault(kind, []).append((len(self._at) - 1, row))
            numbers.append(self._numbers[mark])
        return numbers, len(self._at) > before

    def _known(self, kind: int, row: Float[np.ndarray, " parameter"]) -> int:
        """The number of the regime with these parameters up to rounding; the next free number if there is none."""
        numbered_rows = self._rows.get(kind, [])
        if numbered_rows:
            others = np.stack([other for _, other in numbered_rows])
            with np.errstate(invalid="ignore"):
                same = (np.abs(others - row) <= _ROUNDING * np.abs(row)) | (others == row)
            hits = np.flatnonzero(np.all(same, axis=1))
            if hits.size:
                return numbered_rows[hits[0]][0]
        return len(self._at)

    def _kind(self, problem: HJBProblem) -> int:
        structure = _structure(problem)
        for n, (other, _) in enumerate(self._kinds):
            if other == structure:
                return n
        self._kinds.append((structure, problem))
        return len(self._kinds) - 1

    def _stacked(self, members: list[int]) -> HJBProblem:
        """Regimes of one kind as a family; numbers that differ between them become arrays."""
        parts = [self._at[n] for n in members]
        columns = zip(*(jax.tree.leaves(p.model) for p, _, _ in parts), strict=True)
        leaves = []
        for column in columns:
            if any(eqx.is_array(leaf) for leaf in column) or len(set(map(repr, column))) > 1:
                rows = [
                    np.asarray(leaf)[row] if eqx.is_array(leaf) else np.asarray(leaf, dtype=float)
                    for leaf, (_, row, _) in zip(column, parts, strict=True)
                ]
                leaves.append(jnp.asarray(np.stack(rows)))
            else:
                leaves.append(column[0])
        first = parts[0][0]
        return first.replace(model=jax.tree.unflatten(jax.tree.structure(first.model), leaves), continuations=())


def _on_cycles(edges: list[tuple[int, int]], count: int) -> tuple[set[int], np.ndarray]:
    """The nodes of a directed graph that lie on cycles, and the label of the strongly connected component of every node."""
    if not edges:
        return set(), np.arange(count)
    a, b = np.array(edges).T
    graph = sp.coo_matrix((np.ones(len(a)), (a, b)), shape=(count, count)).tocsr()
    label = connected_components(graph, connection="strong")[1]
    many = np.flatnonzero(np.bincount(label)[label] > 1)
    return set(many.tolist()) | set(a[a == b].tolist()), label


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, (int, float)) and not isinstance(leaf, bool)


def _structure(problem: HJBProblem) -> tuple:
    """The structure that all members of one family share: classes, shapes, options and the box."""
    leaves, tree = jax.tree.flatten(problem.model)
    shapes = tuple(
        np.shape(leaf)[1:] if eqx.is_array(leaf) else () if _is_number(leaf) else (type(leaf), repr(leaf))
        for leaf in leaves
    )
    return tree, shapes, problem.region, problem.extension


def _parameters(model: AbstractModel, size: int) -> Float[np.ndarray, "family parameter"]:
    """The numerical parameters that distinguish the members of a family."""
    columns = []
    for leaf in jax.tree.leaves(model):
        if eqx.is_array(leaf):
            columns.append(np.asarray(leaf, dtype=float).reshape(size, -1))
        elif _is_number(leaf):
            columns.append(np.full((size, 1), float(leaf)))
    return np.concatenate(columns, axis=1) if columns else np.zeros((size, 0))


def stored_beside(part: Solution) -> Solution | None:
    """The family of coupled regimes to be stored beside `part`; None if it is `part` itself or if there is none."""
    if part.coupled is None or part.place is None:
        return None
    return None if np.array_equal(part.place, np.arange(*part.coupled.family)) else part.coupled


class Stored(NamedTuple):
    """The stored parts of the solution of one family of regimes."""

    value: Any
    nodes: tuple[np.ndarray, ...]
    result: Any
    stats: dict[str, Any]
    faces: Any = None  # closures chosen by the solver
    rule: Any = MAXIMISER


Key = tuple[int | str, str]  # the number of a jump, or `BESIDE` for a family stored beside another, and the regime


def rebuilt(
    problem: HJBProblem,
    size: int,
    read: Callable[[tuple[Key, ...], HJBProblem, int], Stored],
    path: tuple[Key, ...] = (),
) -> Solution:
    """A family of solutions rebuilt from its stored parts and those of its destinations; `read` is called with the path to each."""
    return _rebuilt(Regimes(problem, size), problem, size, read, path)


def _rebuilt(regimes: Regimes, problem: HJBProblem, size: int, read, path: tuple[Key, ...]) -> Solution:
    group = regimes.group(problem, size)
    if group is None:
        return _rebuilt_family(regimes, problem, size, (), read, path)
    beside = not np.array_equal(group.place, np.arange(group.size))
    where = (*path, (BESIDE, problem.model.regime)) if beside else path
    return group.members_from(_rebuilt_family(regimes, group.problem, group.size, group.targets, read, where))


def _rebuilt_family(regimes: Regimes, problem: HJBProblem, size: int, targets: tuple, read, path: tuple[Key, ...]):
    destinations = []
    for number, (following, outcomes) in enumerate(regimes.after(problem, size)):
        if targets and targets[number] is not None:
            destinations.append(Return(targets[number]))
            continue
        part = _rebuilt(regimes, following, size * outcomes, read, (*path, (number, following.model.regime)))
        destinations.append(reshape_family(part, (size, outcomes), 1))
    problem = problem.replace(continuations=tuple(unfilled(d) for d in destinations))
    stored = read(path, problem, size)
    problem = problem if stored.faces is None else problem.replace(faces=stored.faces)
    return Solution(
        filled(problem, stored.value),
        stored.value,
        stored.nodes,
        stored.result,
        stored.stats,
        tuple(destinations),
        rule=stored.rule,
        family=(size,),
    )


BESIDE = "coupled"


# -- the value after a jump that leads back to the family ------------------------------------------------------


class Recurrent(eqx.Module):
    """The continuation after a jump that leads back to the family being solved: the unknown value function at another state.

    Solvers insert the unknown values (`landings` gives the members and states). A call returns zero.

    **Fields:** `members`: the member after each outcome.
    """

    members: Int[Array, "*family outcome"]

    def __call__(self, t: Scalar, x: Point) -> Float[Array, " outcome"]:
        del t, x
        return jnp.zeros(self.members.shape)


def unfilled(after: After) -> Any:
    """The continuation of a jump before its family is solved."""
    return Recurrent(after.members) if isinstance(after, Return) else Continuation(after.value)


def filled(problem: HJBProblem, value: Any) -> HJBProblem:
    """A family of problems with its value functions as continuations of the jumps that lead back to it."""
    return problem.replace(
        continuations=tuple(
            returning(problem, value, after.members) if isinstance(after, Recurrent) else after
            for after in problem.continuations
        )
    )


def beyond(problem: HJBProblem, t: Scalar, z: Float[Array, " state"]) -> tuple[Any, Any, Any]:
    """The nearest point of the box, the distance of a point from it, and the change of the value from known slopes at the faces.

    In states with a known slope at the face the distance is set to zero, because the known slope accounts for it.
    """
    low, high = jnp.array(problem.domain).T
    inside = jnp.clip(z, low, high)
    distance, known = z - inside, jnp.zeros(())
    for a, sides in enumerate(problem.closures()):
        for side, closure in enumerate(sides):
            if not closure.has_known_slope:
                continue
            past = distance[a] > 0.0 if side else distance[a] < 0.0
            known = known + jnp.where(past, closure.known_slope(t, problem.state(inside)) * distance[a], 0.0)
            distance = distance.at[a].set(jnp.where(past, 0.0, distance[a]))
    return inside, distance, known


class Extended(eqx.Module):
    """A value function extended beyond its box: linearly at faces with a known slope, as a parabola elsewhere."""

    problem: HJBProblem
    value: Any

    def __call__(self, t: Scalar, x: Point) -> Scalar:
        inside, distance, known = beyond(self.problem, t, jnp.stack(x))
        value, slope, hessian = derivatives(t, self.problem.state(inside), self.value)
        return value + slope @ distance + 0.5 * distance @ hessian @ distance + known


class Landing(NamedTuple):
    """The landing states of one jump that leads back, from points of every member, and the known part of the value there.

    The value after the jump is the value of the member at `inside`, extended as a parabola by `distance`, plus `known`.
    """

    jump: int
    members: Int[np.ndarray, "family outcome"]
    inside: Float[np.ndarray, "family outcome point state"]
    distance: Float[np.ndarray, "family outcome point state"]
    known: Float[np.ndarray, "family outcome point"]


def landings(problem: HJBProblem, points: Float[np.ndarray, "point state"]) -> tuple[Landing, ...]:
    """The landings of every jump of a family that leads back to it."""
    landing_list = []
    for j, after in enumerate(problem.continuations):
        if isinstance(after, Recurrent):
            members = np.asarray(after.members)
            bare = problem.replace(continuations=())
            target = bare.replace(model=on_host(lambda leaf, m=members: leaf[m], bare.model))
            parts = _landed(bare, target, j, jnp.asarray(points))
            landing_list.append(Landing(j, members, *(np.asarray(part) for part in parts)))
    return tuple(landing_list)


@compiled
def _landed(problem: HJBProblem, targets: HJBProblem, number: int, points):
    t = jnp.zeros(())

    def of_member(p, of_outcome):
        jump, costates = p.model.jumps()[number], p.model.additive_costates()
        count = jump.probabilities.shape[0]

        def from_point(x):
            landed = jnp.stack([jnp.broadcast_to(z, (count,)) for z in jump.land(p.state(x))], axis=-1)
            return landed, jnp.broadcast_to(jump.shift(p.state(x), costates), (count,))

        landed, shift = (jnp.swapaxes(part, 0, 1) for part in jax.vmap(from_point)(points))
        inside, distance, known = eqx.filter_vmap(lambda q, z: jax.vmap(lambda y: beyond(q, t, y))(z))(
            of_outcome, landed
        )
        return inside, distance, known + shift

    return eqx.filter_vmap(of_member)(problem, targets)


def is_coupled(problem: HJBProblem) -> bool:
    """Whether a problem has jumps that lead back to the family being solved."""
    return any(isinstance(after, Recurrent) for after in problem.continuations)


__all__ = [
    "BESIDE",
    "Extended",
    "Group",
    "Landing",
    "Recurrent",
    "Regimes",
    "Stored",
    "destination_problems",
    "filled",
    "is_coupled",
    "landings",
    "near_group",
    "part_of",
    "rebuilt",
    "stored_beside",
    "unfilled",
]
