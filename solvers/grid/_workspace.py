"""Grids, matrices and compiled kernels of one finite-difference solve."""

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

from ...models import (
    ClosedFormControl,
    EpsteinZin,
    Equation,
    HJBProblem,
)
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


# Smallest and largest number of nodes per call of the compiled kernel; few shapes need few compilations. With a numerical maximiser
# groups are small, because a group takes as many steps as its slowest node.
_SMALLEST, _LARGEST = 256, 1024
# Largest cell Péclet number (ratio of drift to noise in the largest cell) at which centred differences resolve the noise.
_FAINT = 100.0
# Largest number of nodes at which a finer scan checks the numerical maximiser, and nodes per call.
_MOST_CHECKED, _CHUNK_CHECKED = 4096, 256
# A gain of the Hamiltonian above this share of the discount rate times the range of V is more than rounding.
_MISSED = 1e-6
# Share of net transport in all transport and diffusion from which a downwind sweep is a good preconditioner.
_NEARLY_TRIANGULAR = 0.5


class Workspace:
    """Grids, matrices and compiled kernels of one solve. They do not change the result and are rebuilt when a solve is resumed."""

    def __init__(self, solver: "FiniteDifference", problem: HJBProblem, family: int, *, leaning: bool = False):
        self.solver, self.problem, self.family, self.leaning = solver, problem, family, leaning
        self.linear = solver.linear_solver or Automatic()
        # a problem without a box, so that the kernel is not compiled again when only the box changes
        self.bare = Equation(problem.model)
        self.faced = with_faces_only(problem)
        self.followed = problem.equation
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
        """The states with so little noise that the cells of the finest grid do not resolve it."""
        axes = self.solver.discretisation(self.problem, self.solver.levels - 1).axes
        cells = [np.diff(axis.nodes).max() for axis in axes]
        return tuple(bool(c * t > _FAINT) for c, t in zip(cells, self.transport.outweighs, strict=True))

    @ft.cached_property
    def leant(self) -> "Workspace":
        """The workspace with high-order differences biased to the side of the drift in states with faint noise."""
        return Workspace(self.solver, self.problem, self.family, leaning=True)

    @ft.cached_property
    def transport(self) -> Transport:
        return time_like_states(self.problem)

    @ft.cached_property
    def marched(self) -> tuple[int, ...]:
        """The time-like states: the sign of their drift, 0 for the others."""
        signs = self.transport.signs
        exits = (self.closures[a][int(sign > 0)] for a, sign in enumerate(signs))
        # marching takes the drift as given, but at a state constraint the planner must stop it
        return tuple(0 if exit.keeps_inside else sign for sign, exit in zip(signs, exits, strict=True))

    @ft.cache  # noqa: B019
    def faces(self, level: int) -> FaceSlopes:
        slope, bend = {}, {}
        for a, sides in enumerate(self.closures):
            for side, closure in enumerate(sides):
                if closure.has_known_slope:
                    slope[a, side], bend[a, side] = self.known_slopes(level, a, side)
        return FaceSlopes(slope, bend)

    def known_slopes(self, level: int, axis: int, side: int) -> Float[np.ndarray, "2 family node"]:
        """The prescribed slope at a face and its normal derivative; zero away from the face."""
        grid = self.grid(level)
        face_values = np.zeros((2, self.family, grid.size))
        on = np.flatnonzero(grid.on_face(axis, side))
        for chosen, keep in self.chunks(on.size):  # the shape is the same on every level, so that it is compiled once
            index, new = on[chosen], on[chosen[:keep]]
            both = face_slope(self.faced, axis, side, jnp.asarray(grid.points[index]))
            face_values[:, :, new] = np.stack(both)[..., : new.size]
        return face_values

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
        """Whether shocks correlate any two states, so that mixed second derivatives are needed."""
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
        """The nodes on faces with a state constraint."""
        grid = self.grid(level)
        blocked = np.zeros((grid.size, grid.dimension, 2), dtype=bool)
        for a, sides in enumerate(self.closures):
            for side, closure in enumerate(sides):
                if closure.keeps_inside:
                    blocked[:, a, side] = grid.on_face(a, side)
        return blocked

    @property
    def chunk(self) -> int:
        """Nodes per call of the kernel."""
        finest = self.grid(self.solver.levels - 1).size
        largest = _LARGEST // self.family if isinstance(self.problem.model, ClosedFormControl) else _SMALLEST
        return min(max(_SMALLEST, 1 << (finest - 1).bit_length()), max(largest, _SMALLEST))

    def chunks(self, count: int) -> Iterator[tuple[Int[np.ndarray, " node"], int]]:
        """Indices of `count` points in groups of the size of one kernel call, see `base.chunks`."""
        return chunks(count, self.chunk)

    @ft.cache  # noqa: B019
    def coupling(self, level: int, high: bool) -> tuple[Interpolated, ...]:
        """The jumps that lead back to the family, as interpolation matrices on the grid."""
        return interpolated(self.problem, self.grid(level), high)

    def after(
        self, level: int, high: bool, values: Float[np.ndarray, "family node"]
    ) -> tuple[Float[np.ndarray, "family node outcome"], ...]:
        """Values after the jumps: known continuations, or the current iterate interpolated where the jump lands."""
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
        """Values after each jump that does not lead back to the family, for jumps from the given points."""
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

    def equation(self, shared, member_arrays, after, signs: tuple[int, ...] | None) -> Local:
        """Policies, residuals and linearisations at the given points; `signs` as in `evaluate_nodes`."""
        size, pieces = len(shared[0]), []
        # a group of nodes takes as many search steps as its slowest node, and nodes with state constraints take most
        order = np.argsort(~shared[1].any(axis=(1, 2)), kind="stable")
        for positions, _ in self.chunks(size):
            index = order[positions]
            out = evaluate_nodes(
                self.bare,
                tuple(jnp.asarray(a[index]) for a in shared),
                tuple(jnp.asarray(a[:, index]) for a in member_arrays),
                tuple(jnp.asarray(a[:, index]) for a in after),
                signs,
                self.coupled,
            )
            pieces.append(jax.tree.map(np.asarray, out))
        back = np.argsort(order)
        return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1)[:, back], *pieces)

    def missed(self, level: int, high: bool, values: Float[np.ndarray, "family node"], local: Local) -> bool:
        """Whether a finer scan of the controls finds a higher maximum than the numerical maximiser at any node of the region."""
        if isinstance(self.problem.model, ClosedFormControl):
            return False
        grid = self.grid(level)
        inside = np.flatnonzero(in_region(self.problem, grid.points))
        # a scan of several controls has many points, so that fewer nodes are checked, spread over the region
        most = _MOST_CHECKED if len(self.problem.model.controls) == 1 else _CHUNK_CHECKED
        index = inside[np.linspace(0, inside.size - 1, min(most, inside.size)).astype(int)] if inside.size else inside
        with np.errstate(invalid="ignore", over="ignore"):
            hessian = grid.differentiate(self.scheme(level, high), values, self.faces(level), high).hessian
        iterate = local.control, (values, local.costate, hessian, self.after(level, high, values))
        ranges = np.ptp(values, axis=1) + 1e-6 * np.max(np.abs(values), axis=1)
        for chosen, _ in chunks(index.size, _CHUNK_CHECKED):
            part = index[chosen]
            pieces = jax.tree.map(lambda leaf, part=part: jnp.asarray(leaf[:, part]), iterate)
            gains = np.asarray(missed_gains(self.bare, jnp.asarray(grid.points[part]), *pieces))
            if np.any(gains > (_MISSED * self.discount_rate * ranges)[:, None]):
                return True
        return False

    def signs(self, level: int, high: bool) -> tuple[int, ...] | None:
        """The one-sided slope that the kernel uses in each state, 0 for a choice by upwinding; None if both slopes are equal."""
        if not high:
            return self.marched
        leaning = self.grid(level).leaning
        return tuple(0 if lean else 1 for lean in leaning) if any(leaning) else None

    @ft.cached_property
    def aversion(self) -> Float[np.ndarray, "family 1"]:
        """The largest aversion to a jump of every member, including risk aversion."""
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
        """The linearisation with longer corrections where the equation is exponential in the value (see `_fear`)."""
        discount = local.discount
        if not self.coupled:  # otherwise the values after jumps change in the same step
            discount = down_the_exponential(discount, local.residual, local.weight, self.aversion)
        return local._replace(discount=across_the_aggregator(discount, local.residual, local.weight, self.impatience))

    def correct(self, level: int, high: bool, local: Local) -> Float[np.ndarray, "family node"]:
        """The Newton correction of every member: one sparse solve per member, in as many threads as there are cores."""

        def solve(member):
            return self.linear.solve(self.system(level, high, local, member))

        if self.coupled:
            systems = [self.system(level, high, local, member) for member in range(self.family)]
            return coupled_correction(systems, self.coupling(level, high), local)
        if self.family == 1:
            return solve(0)[None]
        for centred in {high, False}:  # the cached matrices are computed before the threads start
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
        """The state along which a system is most nearly triangular and the sign of its drift; the sign is 0 if there is none."""
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
        """Whether the optimal drift points outward at a state constraint, by face, or would if it were not removed there."""
        grid, blocked = self.grid(level), self.constrained(level)
        spacing = [np.diff(x).min() for x in grid.nodes]
        outward = []
        for a in range(grid.dimension):
            for side, sign in ((0, -1.0), (1, 1.0)):
                speed = sign * local.drift[:, blocked[:, a, side], a]
                # rounding may give a zero drift either sign
                outward.append(bool(np.any(speed > 1e-9 * spacing[a])))
        return np.array([*outward, bool(np.any(local.outward))])

    def left_open(self, level: int, local: Local, values: Float[np.ndarray, "family node"]) -> bool:
        """Whether noise across state constraints leaves the high-order solution undetermined or has added a boundary layer to it."""
        grid, scheme = self.grid(level), self.scheme(level, True)
        derivatives = grid.differentiate(scheme, values, self.faces(level), True)
        across = noise_across(np.asarray(self.constrained(level).any(axis=2)), local.variance, derivatives.hessian)
        if not np.any(across):
            return False
        change = self.correct(level, True, local._replace(residual=across))
        response = grid.differentiate(scheme, change, FaceSlopes({}, {}), True)
        return layer_in(
            grid.nodes, derivatives.forward, derivatives.hessian, response.forward, response.hessian
        ).leaves_open

    def path_errors(self, level: int, values: Float[np.ndarray, "family node"], control: Any) -> tuple[float, float]:
        """The relative error of the value that corresponds to the residuals between the nodes, accumulated along the optimal paths.

        The residual is zero at the nodes. Between the nodes, the residual of the spline through the values is of the order of the
        scheme's truncation error; it is large where the curvature of the value is not resolved by the cells. The result is zero if
        no sufficiently fine Markov chain is available.

        **Arguments:** `control`: every control at all nodes.

        **Returns:** the error from all residuals, and the error from the cells over which a control jumps (indicators of a kink).
        """
        chain, grid = chain_grid(self.problem), self.grid(level)
        if chain is None:
            return 0.0, 0.0
        splines = splines_through(self.problem, grid.nodes, values.reshape(-1, *grid.shape))
        members = [on_host(lambda leaf, n=n: leaf[n], splines) for n in range(self.family)]
        pieces = [derivatives_on_axes(member, tuple(chain.nodes)) for member in members]
        values_between, slopes, hessians = (np.stack(leaves) for leaves in zip(*pieces, strict=True))
        after = list(self.known_after_at(chain.points))
        for jump in interpolated_from(self.problem, grid, True, chain.points) if self.coupled else ():
            after[jump.jump] = jump.after(values)
        free = np.zeros((*chain.points.shape, 2), dtype=bool)
        local = self.equation(
            (chain.points, free), (values_between, slopes, slopes, hessians), tuple(after), self.signs(level, True)
        )
        paths = MarkovChain(chain, (values_between, slopes, hessians), local, self.discount_rate, coupled=self.coupled)
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
        """The flow along the optimal paths, computed with the same slopes as the residual."""
        grid = self.grid(level)
        bends = grid.differentiate(self.scheme(level, high), local.value, self.faces(level), high).hessian
        return Flow(self.problem, grid.nodes, local, local.costate, bends)

    def roughness(self, level: int, values: Float[np.ndarray, "family node"]) -> Float[np.ndarray, "family state"]:
        """Root-mean-square difference of the one-sided slopes inside the grid, relative to the slopes; large for zigzags."""
        grid = self.grid(level)
        slopes = grid.differentiate(self.scheme(level, False), values, self.faces(level), False)
        inside = np.ones(grid.size, dtype=bool)
        for a in range(grid.dimension):
            inside &= ~grid.on_face(a, 0) & ~grid.on_face(a, 1)
        jump = np.mean((slopes.forward - slopes.backward)[:, inside] ** 2, axis=1)
        size = np.mean(slopes.forward[:, inside] ** 2, axis=1)
        # for a value that is linear in a state the difference is only rounding
        return np.sqrt(jump / np.maximum(size, 1e-300)) + 1e-6

    def transfer(self, level: int, values: Float[np.ndarray, "family coarse"]) -> Float[np.ndarray, "family fine"]:
        """Values on the next finer grid."""
        coarse, fine = self.grid(level), self.grid(level + 1)
        grid = values.reshape(-1, *coarse.shape)
        for axis, (old, new) in enumerate(zip(coarse.nodes, fine.nodes, strict=True)):
            # linear interpolation is monotone; cubic interpolation overshoots at layers of an unconverged policy
            grid = make_interp_spline(old, grid, k=1, axis=axis + 1)(new)
        return grid.reshape(len(values), -1)


# A control jumps (switches to another maximiser) if it changes by more than this share of its range between neighbouring nodes.
_JUMP = 0.5


def beside_jumps(shape: tuple[int, ...], inside: Bool[np.ndarray, " node"], control: Any) -> Bool[np.ndarray, "..."]:
    """The nodes next to a jump of a control of any member, in the shape of the grid; `inside` marks the nodes of the region."""
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
