"""Grids, matrices and compiled calls of one finite-difference solve."""

import functools as ft
import itertools
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int
from scipy.interpolate import make_interp_spline

from ...models import ClosedFormControl, EpsteinZin, Growth, HJBProblem, Reflecting, StateConstraint
from ..base import chunks
from ..equation import (
    Flow,
    Local,
    MarkovChain,
    Transport,
    after_jumps,
    chain_grid,
    evaluate_nodes,
    face_slope,
    in_region,
    layer_in,
    missed_gains,
    noise_across,
    time_like_states,
    with_faces_only,
)
from ..solution import derivatives_on_axes, is_coupled, on_host, splines_through
from ._coupled_grid import Interpolated, coupled_correction, interpolated, interpolated_from
from ._discretisation import Discretisation, FaceSlopes, Operators, Scheme
from ._fear import across_the_aggregator, down_the_exponential
from ._linear import Automatic, Downwind, LinearSystem

if TYPE_CHECKING:
    from ._finite_difference import FiniteDifference


# Nodes per call of the compiled kernel: few shapes, so few compilations.
_SMALLEST, _LARGEST = 256, 1024
# Cells in which drift outweighs noise by more than this are too coarse for centred differences (the largest cell counts).
_FAINT = 100.0
# Nodes at which the numerical maximiser is checked by a finer scan, and nodes per call.
_MOST_CHECKED, _CHUNK_CHECKED = 4096, 256
# A gain of the Hamiltonian of this share of the range of V, discounted, is no rounding.
_MISSED = 1e-6
# Share of transport in one direction, against noise and transport back, from which a sweep is a good preconditioner.
_NEARLY_TRIANGULAR = 0.5


class Workspace:
    """Grids, matrices and compiled kernels of one solve. Nothing in it changes the result; it is rebuilt on resume."""

    def __init__(self, solver: "FiniteDifference", problem: HJBProblem, family: int, *, leaning: bool = False):
        self.solver, self.problem, self.family, self.leaning = solver, problem, family, leaning
        self.linear = solver.linear_solver or Automatic()
        # the kernel must not be compiled anew when only the box moves
        self.bare = HJBProblem(problem.model)
        self.faced = with_faces_only(problem)
        self.followed = HJBProblem(problem.model, continuations=problem.continuations)
        self.discount_rate = np.broadcast_to(np.asarray(problem.model.preferences.discount_rate), (family,))
        self.closures = problem.closures()
        self.coupled = is_coupled(problem)
        self._after: dict[int, tuple] = {}

    @ft.cache  # noqa: B019 - a workspace lives as long as its solve
    def grid(self, level: int) -> Discretisation:
        quiet = self.faint if self.leaning else self.transport.quiet
        return self.solver.discretisation(self.problem, level, self.marched, quiet)

    @ft.cached_property
    def faint(self) -> tuple[bool, ...]:
        """Which states have less noise than the finest grid can tell from none."""
        axes = self.solver.discretisation(self.problem, self.solver.levels - 1).axes
        cells = [np.diff(axis.nodes).max() for axis in axes]
        return tuple(bool(c * t > _FAINT) for c, t in zip(cells, self.transport.outweighs, strict=True))

    @ft.cached_property
    def leant(self) -> "Workspace":
        """The same with high-order differences that lean to the side of the drift in states of faint noise."""
        return Workspace(self.solver, self.problem, self.family, leaning=True)

    @ft.cached_property
    def transport(self) -> Transport:
        return time_like_states(self.problem)

    @ft.cached_property
    def marched(self) -> tuple[int, ...]:
        """The time-like states: the sign of their drift, 0 for the others."""
        signs = self.transport.signs
        exits = (self.closures[a][int(sign > 0)] for a, sign in enumerate(signs))
        # where the way out is barred the planner must stop the drift, which marching takes as given
        return tuple(0 if isinstance(exit, StateConstraint) else sign for sign, exit in zip(signs, exits, strict=True))

    @ft.cache  # noqa: B019
    def faces(self, level: int) -> FaceSlopes:
        grid, slope, bend = self.grid(level), {}, {}
        for a, sides in enumerate(self.closures):
            for side, closure in enumerate(sides):
                if isinstance(closure, Growth):
                    slope[a, side], bend[a, side] = self.known_slopes(level, a, side)
                elif isinstance(closure, Reflecting):
                    slope[a, side] = bend[a, side] = np.zeros((self.family, grid.size))
        return FaceSlopes(slope, bend)

    def known_slopes(self, level: int, axis: int, side: int) -> Float[np.ndarray, "2 family node"]:
        """The slope a face is closed with and its normal derivative; zero away from the face."""
        grid = self.grid(level)
        found = np.zeros((2, self.family, grid.size))
        on = np.flatnonzero(grid.on_face(axis, side))
        for chosen, keep in self.chunks(on.size):  # the same shape on every level: compiled once
            index, new = on[chosen], on[chosen[:keep]]
            both = face_slope(self.faced, axis, side, jnp.asarray(grid.points[index]))
            found[:, :, new] = np.stack(both)[..., : new.size]
        return found

    @ft.cache  # noqa: B019
    def scheme(self, level: int, high: bool) -> Scheme:
        return self.grid(level).scheme(high, frozenset(self.faces(level).slope))

    @ft.cache  # noqa: B019
    def matching(self, level: int, high: bool = True) -> tuple[Bool[np.ndarray, " node"], sp.csr_matrix]:
        return self.grid(level).matching(self.grid(level).order if high else 1)

    @ft.cache  # noqa: B019
    def operators(self, level: int, high: bool) -> Operators:
        return self.grid(level).operators(self.scheme(level, high), self.has_mixed)

    @ft.cached_property
    def has_mixed(self) -> bool:
        """Whether shocks correlate any two states."""
        problem, model = self.problem, self.problem.model
        if len(problem.region) == 1:
            return False
        single = jax.tree.map(lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, model)
        middle = [jnp.asarray(0.5 * (low + high)) for low, high in problem.region]
        control = type(model.controls)(*(jnp.clip(jnp.asarray(0.05), c.low, c.high) for c in model.controls))
        loadings = np.stack(single.diffusion(jnp.zeros(()), problem.state(jnp.stack(middle)), control))
        covariance = loadings @ loadings.T
        return bool(np.any(np.abs(covariance - np.diag(np.diag(covariance))) > 0))

    def constrained(self, level: int) -> Bool[np.ndarray, "node state side"]:
        """Nodes on faces where the state may not leave."""
        grid = self.grid(level)
        blocked = np.zeros((grid.size, grid.dimension, 2), dtype=bool)
        for a, sides in enumerate(self.closures):
            for side, closure in enumerate(sides):
                if isinstance(closure, StateConstraint):
                    blocked[:, a, side] = grid.on_face(a, side)
        return blocked

    @property
    def chunk(self) -> int:
        """Nodes per call of the kernel."""
        finest = self.grid(self.solver.levels - 1).size
        return min(max(_SMALLEST, 1 << (finest - 1).bit_length()), max(_LARGEST // self.family, _SMALLEST))

    def chunks(self, count: int) -> Iterator[tuple[Int[np.ndarray, " node"], int]]:
        """Indices of `count` points in groups for one call of the kernel, see `base.chunks`."""
        return chunks(count, self.chunk)

    @ft.cache  # noqa: B019
    def coupling(self, level: int, high: bool) -> tuple[Interpolated, ...]:
        """The jumps that lead back to the family itself."""
        return interpolated(self.problem, self.grid(level), high)

    def after(
        self, level: int, high: bool, values: Float[np.ndarray, "family node"]
    ) -> tuple[Float[np.ndarray, "family node outcome"], ...]:
        """Values after the jumps: known beforehand, or the unknown itself where it lands."""
        after = list(self.known_after(level))
        for jump in self.coupling(level, high) if self.coupled else ():
            after[jump.jump] = jump.after(values)
        return tuple(after)

    def known_after(self, level: int) -> tuple[Float[np.ndarray, "family node outcome"], ...]:
        if level not in self._after:
            self._after[level] = self.known_after_at(self.grid(level).points)
        return self._after[level]

    def known_after_at(
        self, points: Float[np.ndarray, "node state"]
    ) -> tuple[Float[np.ndarray, "family node outcome"], ...]:
        """Values after each jump that does not lead back, from any points."""
        pieces = [after_jumps(self.followed, jnp.asarray(points[index])) for index, _ in self.chunks(len(points))]
        joined = (np.concatenate(leaves, axis=1) for leaves in zip(*pieces, strict=True))
        return tuple(leaf[:, : len(points)] for leaf in joined)

    def evaluate(self, level: int, high: bool, values: Float[np.ndarray, "family node"]) -> Local:
        grid = self.grid(level)
        with np.errstate(invalid="ignore", over="ignore"):
            slopes = grid.differentiate(self.scheme(level, high), values, self.faces(level), high)
        shared, after = (grid.points, self.constrained(level)), self.after(level, high, values)
        local = self.equation(shared, (values, *slopes), after, self.signs(level, high))
        on_kink, rows = self.matching(level)
        if not (high and on_kink.any()):
            return local
        jump = self.discount_rate[:, None] * (rows @ values.T).T
        return local._replace(
            residual=np.where(on_kink, jump, local.residual),
            discount=np.where(on_kink, 0.0, local.discount),
            drift=np.where(on_kink[:, None], 0.0, local.drift),
            variance=np.where(on_kink[:, None, None], 0.0, local.variance),
            after=tuple(np.where(on_kink[:, None], 0.0, weights) for weights in local.after),
        )

    def equation(self, shared, own, after, signs: tuple[int, ...] | None) -> Local:
        """Policies, residuals and linearisations at any points, `signs` as for `evaluate_nodes`."""
        size, pieces = len(shared[0]), []
        for index, _ in self.chunks(size):
            out = evaluate_nodes(
                self.bare,
                tuple(jnp.asarray(a[index]) for a in shared),
                tuple(jnp.asarray(a[:, index]) for a in own),
                tuple(jnp.asarray(a[:, index]) for a in after),
                signs,
                self.coupled,
            )
            pieces.append(jax.tree.map(np.asarray, out))
        return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1)[:, :size], *pieces)

    def missed(self, level: int, high: bool, values: Float[np.ndarray, "family node"], local: Local) -> bool:
        """Whether the numerical maximiser missed a maximum that a finer scan of the controls finds, at nodes of the region."""
        if isinstance(self.problem.model, ClosedFormControl):
            return False
        grid = self.grid(level)
        inside = np.flatnonzero(in_region(self.problem, grid.points))
        # a scan of several controls has many points: spread over the nodes that take seconds
        most = _MOST_CHECKED if len(self.problem.model.controls) == 1 else _CHUNK_CHECKED
        index = inside[np.linspace(0, inside.size - 1, min(most, inside.size)).astype(int)] if inside.size else inside
        with np.errstate(invalid="ignore", over="ignore"):
            hessian = grid.differentiate(self.scheme(level, high), values, self.faces(level), high).hessian
        own = (values, local.costate, hessian, local.control, self.after(level, high, values))
        size = np.ptp(values, axis=1) + 1e-6 * np.max(np.abs(values), axis=1)
        for chosen, _ in chunks(index.size, _CHUNK_CHECKED):
            part = index[chosen]
            pieces = jax.tree.map(lambda leaf, part=part: jnp.asarray(leaf[:, part]), own)
            gains = np.asarray(missed_gains(self.bare, jnp.asarray(grid.points[part]), *pieces))
            if np.any(gains > (_MISSED * self.discount_rate * size)[:, None]):
                return True
        return False

    def signs(self, level: int, high: bool) -> tuple[int, ...] | None:
        """Which one-sided slope the kernel takes in each state, 0 where it must choose; None where both are the same."""
        if not high:
            return self.marched
        leaning = self.grid(level).leaning
        return tuple(0 if lean else 1 for lean in leaning) if any(leaning) else None

    @ft.cached_property
    def aversion(self) -> Float[np.ndarray, "family 1"]:
        """To the most feared jump of every member, risk aversion included."""
        jumps = np.asarray(self.problem.model.ambiguity.jumps).reshape(self.family, -1)
        excess = np.asarray(self.problem.model.preferences.excess_risk_aversion)
        return jumps.max(axis=1, keepdims=True, initial=0.0) + np.broadcast_to(excess, (self.family,))[:, None]

    @ft.cached_property
    def impatience(self) -> Float[np.ndarray, "family 1"]:
        r"""$\rho-1$ of recursive utility, by member; zero where the flow is linear in the value."""
        preferences = self.problem.model.preferences
        rho = np.asarray(preferences.inverse_eis) if isinstance(preferences, EpsteinZin) else np.ones(())
        return np.broadcast_to(rho - 1.0, (self.family,))[:, None]

    def lengthened(self, local: Local) -> Local:
        """The linearisation with which corrections go along where the equation is exponential in the value."""
        jumps = local.discount
        if not self.coupled:  # else what is feared moves as well
            jumps = down_the_exponential(jumps, local.residual, local.weight, self.aversion)
        return local._replace(discount=across_the_aggregator(jumps, local.residual, local.weight, self.impatience))

    def correct(self, level: int, high: bool, local: Local) -> Float[np.ndarray, "family node"]:
        """The Newton correction of every member: one sparse solve each, on as many threads as there are cores."""

        def solve(member):
            return self.linear.solve(self.system(level, high, local, member))

        if self.coupled:
            systems = [self.system(level, high, local, member) for member in range(self.family)]
            return coupled_correction(systems, self.coupling(level, high), local)
        if self.family == 1:
            return solve(0)[None]
        for centred in {high, False}:  # made once, before the threads ask for them
            _ = self.operators(level, centred), self.matching(level, centred)
        with ThreadPoolExecutor(min(self.family, os.cpu_count() or 1)) as threads:
            return np.stack(list(threads.map(solve, range(self.family))))

    def system(self, level: int, high: bool, local: Local, member: int) -> LinearSystem:
        """The linear system of the Newton correction of one member."""
        discount, drift, variance = (leaf[member] for leaf in (local.discount, local.drift, local.variance))
        shape, right = self.grid(level).shape, -local.residual[member]

        def assemble(operators: Operators, order_at_kinks: bool) -> sp.csr_matrix:
            matrix = operators.assemble(discount, drift, variance)
            on_kink, rows = self.matching(level, order_at_kinks)
            return matrix + self.discount_rate[member] * rows if high and on_kink.any() else matrix

        operators, upwind = self.operators(level, high), self.operators(level, False)
        matrix = assemble(operators, True)
        axis, direction = self.dominant(level, drift, variance)
        downwind = None
        if self.marched[axis]:
            downwind = Downwind(axis, direction, matrix)
        elif direction and high:
            downwind = Downwind(axis, direction, assemble(operators.with_axis(axis, upwind), True))
        return LinearSystem(matrix, right, shape, assemble(upwind, False) if high else None, downwind)

    def dominant(self, level: int, drift, variance) -> tuple[int, int]:
        """The state along which a system is most nearly triangular and the sign of its drift; 0 if there is none."""
        grid, best = self.grid(level), (0, 0, _NEARLY_TRIANGULAR)
        for a, nodes in enumerate(grid.nodes):
            if self.marched[a]:
                return a, self.marched[a]
            index = np.unravel_index(np.arange(grid.size), grid.shape)[a]
            cell = np.gradient(nodes)[index]
            transport = drift[:, a] / cell
            total = np.sum(np.abs(transport) + 2.0 * variance[:, a, a] / cell**2)
            share = abs(np.sum(transport)) / total if total > 0 else 0.0
            if share > best[2]:
                best = (a, int(np.sign(np.sum(transport))), share)
        return best[:2]

    def leaves(self, level: int, local: Local) -> Bool[np.ndarray, " side"]:
        """Whether the optimal drift points out at any state constraint, or would if it were not dropped there."""
        grid, blocked = self.grid(level), self.constrained(level)
        spacing = [np.diff(x).min() for x in grid.nodes]
        out = []
        for a in range(grid.dimension):
            for side, sign in ((0, -1.0), (1, 1.0)):
                speed = sign * local.drift[:, blocked[:, a, side], a]
                # rounding may leave a drift of zero on either side
                out.append(bool(np.any(speed > 1e-9 * spacing[a])))
        return np.array([*out, bool(np.any(local.outward))])

    def left_open(self, level: int, local: Local, values: Float[np.ndarray, "family node"]) -> bool:
        """Whether noise across state constraints leaves the solution of the high-order scheme open, or has put a layer into it."""
        grid, scheme = self.grid(level), self.scheme(level, True)
        found = grid.differentiate(scheme, values, self.faces(level), True)
        across = noise_across(np.asarray(self.constrained(level).any(axis=2)), local.variance, found.hessian)
        if not np.any(across):
            return False
        change = self.correct(level, True, local._replace(residual=across))
        moved = grid.differentiate(scheme, change, FaceSlopes({}, {}), True)
        return layer_in(grid.nodes, found.forward, found.hessian, moved.forward, moved.hessian).leaves_open

    def path_errors(self, level: int, values: Float[np.ndarray, "family node"], control: Any) -> tuple[float, float]:
        """The relative error that residuals between the nodes allow along the optimal paths; zero where no chain is fine enough.

        At the nodes the residual is zero. Between them that of the spline through the values is as small as the scheme is accurate,
        and large where the value bends more sharply than the cells resolve.

        **Arguments:** `control`: of every node, by control.

        **Returns:** the error from all residuals, and that from cells over which a control jumps: the marks of a kink.
        """
        chain, grid = chain_grid(self.problem), self.grid(level)
        if chain is None:
            return 0.0, 0.0
        splines = splines_through(self.problem, grid.nodes, values.reshape(-1, *grid.shape))
        members = [on_host(lambda leaf, n=n: leaf[n], splines) for n in range(self.family)]
        pieces = [derivatives_on_axes(member, tuple(chain.nodes)) for member in members]
        own, slopes, hessians = (np.stack(leaves) for leaves in zip(*pieces, strict=True))
        after = list(self.known_after_at(chain.points))
        for jump in interpolated_from(self.problem, grid, True, chain.points) if self.coupled else ():
            after[jump.jump] = jump.after(values)
        free = np.zeros((*chain.points.shape, 2), dtype=bool)
        local = self.equation(
            (chain.points, free), (own, slopes, slopes, hessians), tuple(after), self.signs(level, True)
        )
        paths = MarkovChain(chain, (own, slopes, hessians), local, self.discount_rate, coupled=self.coupled)
        jumping = beside_jumps(grid.shape, in_region(self.problem, grid.points), control)
        corners = [
            np.clip(np.searchsorted(x, z, side="right") - 1, 0, len(x) - 2)
            for x, z in zip(grid.nodes, chain.points.T, strict=True)
        ]
        around = itertools.product((0, 1), repeat=grid.dimension)
        beside = [jumping[tuple(c + s for c, s in zip(corners, shift, strict=True))] for shift in around]
        at_kinks = np.any(beside, axis=0)
        return paths.error(), paths.error(at_kinks) if at_kinks.any() else 0.0

    def flow(self, level: int, high: bool, local: Local) -> Flow:
        """What flows in along the paths, by the slopes with which the equation was evaluated."""
        grid = self.grid(level)
        bends = grid.differentiate(self.scheme(level, high), local.value, self.faces(level), high).hessian
        return Flow(self.problem, grid.nodes, local, local.costate, bends)

    def roughness(self, level: int, values: Float[np.ndarray, "family node"]) -> Float[np.ndarray, "family state"]:
        """How much one-sided slopes differ inside the grid, relative to their size: large where values zigzag."""
        grid = self.grid(level)
        slopes = grid.differentiate(self.scheme(level, False), values, self.faces(level), False)
        inside = np.ones(grid.size, dtype=bool)
        for a in range(grid.dimension):
            inside &= ~grid.on_face(a, 0) & ~grid.on_face(a, 1)
        jump = np.mean((slopes.forward - slopes.backward)[:, inside] ** 2, axis=1)
        size = np.mean(slopes.forward[:, inside] ** 2, axis=1)
        # a value that is linear in a state has no roughness but rounding
        return np.sqrt(jump / np.maximum(size, 1e-300)) + 1e-6

    def transfer(self, level: int, values: Float[np.ndarray, "family coarse"]) -> Float[np.ndarray, "family fine"]:
        """Values on the next finer grid."""
        coarse, fine = self.grid(level), self.grid(level + 1)
        grid = values.reshape(-1, *coarse.shape)
        for axis, (old, new) in enumerate(zip(coarse.nodes, fine.nodes, strict=True)):
            # linear: a monotone start; a cubic one overshoots at the layers of an unconverged policy
            grid = make_interp_spline(old, grid, k=1, axis=axis + 1)(new)
        return grid.reshape(len(values), -1)


# A control that changes by more than this share of its range from one node to the next jumps: its maximiser has switched.
_JUMP = 0.5


def beside_jumps(shape: tuple[int, ...], inside: Bool[np.ndarray, " node"], control: Any) -> Bool[np.ndarray, "..."]:
    """Nodes of a grid beside which a control of any member jumps, in the shape of the grid; ranges are those `inside` the region."""
    marked = np.zeros(shape, dtype=bool)
    for u in control:
        for member in np.asarray(u):
            width = np.ptp(member[inside]) if inside.any() else np.ptp(member)
            grid = member.reshape(shape)
            for axis in range(len(shape)):
                jumps = np.moveaxis(np.abs(np.diff(grid, axis=axis)) > max(_JUMP * width, 1e-300), axis, 0)
                beside = np.moveaxis(marked, axis, 0)
                beside[:-1] |= jumps
                beside[1:] |= jumps
    return marked
