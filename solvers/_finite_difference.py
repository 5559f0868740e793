import functools as ft
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int
from scipy.interpolate import make_interp_spline

from ..models import Growth, HJBProblem, Reflecting, StateConstraint
from ._discretisation import Discretisation, FaceSlopes, Operators, Scheme
from ._interpolation import splines_through
from ._linear import AbstractLinearSolver, Automatic
from ._result import RESULTS
from ._solver import AbstractSolver, Finish
from ._stencils import make_axis

# The high-order solution may be this much rougher than the monotone one, which damps what it cannot resolve.
_TOO_ROUGH = 2.0
# A control at its bound on more than this share of the region is the mark of a false branch.
_MOSTLY_PINNED = 0.5
# Nodes per call of the compiled kernel: few shapes, so few compilations.
_SMALLEST, _LARGEST = 256, 4096


class _Local(NamedTuple):
    """What the equation says at one node: its residual and its linearisation, policy frozen."""

    residual: Any
    discount: Any
    drift: Any
    variance: Any
    control: Any
    outward: Any  # drift out of a state constraint that no control stops


class FiniteDifferenceState(NamedTuple):
    """Where the iteration is. All leaves are numpy, so that a checkpoint is a file of arrays."""

    level: np.ndarray  # index of the grid, coarse to fine
    high_order: np.ndarray  # whether the Newton stage has begun
    values: Float[np.ndarray, "family node"]
    move: Float[np.ndarray, "family node"]  # the last correction
    norm: Float[np.ndarray, " family"]  # root mean square residual over delta before it
    fraction: Float[np.ndarray, " family"]  # how much of it was taken
    change: np.ndarray  # largest correction over the range of V
    monotone: Float[np.ndarray, "family node"]  # the converged first-order solution of the finest grid
    status: np.ndarray  # 0 running, 1 converged, 2 stalled, 3 not finite, 4 outward drift, 5 oscillating, 6 pinned
    steps: np.ndarray  # taken on each level, first-order and high-order


class FiniteDifference(AbstractSolver):
    r"""Nested policy iteration on a monotone scheme, then Newton steps on a high-order residual.

    1. From a coarse to the finest grid: Howard's policy iteration on the upwind scheme. The control maximises the
       *discrete* Hamiltonian (Godunov: of both one-sided derivatives, or the one between them at which the drift vanishes),
       so each step is a Newton step and a flat guess is enough.
    2. On the finest grid: Newton steps on a centred residual of order `order` with the policy frozen (envelope
       theorem: the policy needs no derivative).

    Faces are closed by the problem's closures. Kinks the model declares are nodes that no stencil crosses.

    **Arguments:**

    - `points`: nodes per state, margins included; one number for all states or one per state.
    - `levels`: number of nested grids, each with half the cells of the next.
    - `order`: 2, 4 or 6 for the Newton stage; 1 stops at the monotone scheme.
    - `tolerance`: largest correction, relative to the range of $V$, at which a stage has converged.
    - `linear_solver`: how the sparse systems are solved.

    **Raises:** `ValueError` if there are fewer points than the stencil needs.

    **Good values:** 161 points for one state, 41 per state for two, 17 to 33 for three; order 4.

    **References:** Barles and Souganidis 1991, doi:10.3233/ASY-1991-4305 (monotone schemes converge); Bokanowski, Maroso and
    Zidani 2009, doi:10.1137/08073041X (Howard's iteration is Newton's method).

    !!! example

        ```python
        import abatax as ab

        solver = ab.solvers.FiniteDifference(points=41)
        solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), solver)
        assert ab.solvers.result_name(solution.result) == "successful"
        ```
    """

    points: int | tuple[int, ...] = eqx.field(static=True, default=0)
    levels: int = eqx.field(static=True, default=3)
    order: int = eqx.field(static=True, default=4)
    tolerance: float = eqx.field(static=True, default=1e-10)
    linear_solver: AbstractLinearSolver | None = None

    def __check_init__(self):
        if self.order not in (1, 2, 4, 6):
            raise ValueError(f"`solver.order` is {self.order}; it must be 1, 2, 4 or 6.")
        if self.levels < 1:
            raise ValueError(f"`solver.levels` is {self.levels}; it must be at least 1.")
        if not self.tolerance > 0:
            raise ValueError(f"`solver.tolerance` is {self.tolerance}; it must be > 0.")
        counts = self.points if isinstance(self.points, tuple) else (self.points,)
        for count in counts:
            if count != 0 and count < self.least_points:
                raise ValueError(
                    f"`solver.points` is {count}; a scheme of order {self.order} needs at least"
                    f" {self.least_points} per state."
                )

    # -- grids ------------------------------------------------------------------------------------------

    @property
    def least_points(self) -> int:
        """Fewest nodes per state that the widest stencil and the nested grids can work with."""
        return max(self.order, 2) + 3

    def counts(self, problem: HJBProblem) -> tuple[int, ...]:
        """Nodes per state on the finest grid."""
        dimension = len(problem.region)
        if isinstance(self.points, tuple):
            if len(self.points) != dimension:
                raise ValueError(f"`solver.points` has {len(self.points)} entries; the problem has {dimension} states.")
            return self.points
        default = {1: 161, 2: 49, 3: 21}.get(dimension, 13)
        return (self.points or default,) * dimension

    def discretisation(self, problem: HJBProblem, level: int) -> Discretisation:
        """The grid of a level (0 is the coarsest)."""
        coarsening = 2 ** (self.levels - 1 - level)
        kinks = problem.model.breakpoints()
        axes = []
        for field, region, domain, count in zip(
            problem.model.states._fields, problem.region, problem.domain, self.counts(problem), strict=True
        ):
            points = max((count - 1) // coarsening + 1, self.least_points)
            axes.append(make_axis(region, domain, points, kinks.get(field, ())))
        return Discretisation(tuple(axes), max(self.order, 2))

    # -- the driver's protocol --------------------------------------------------------------------------

    def init(self, problem, family, key, guess):
        del key
        workspace = _Workspace(self, problem, family)
        grid = workspace.grid(0)
        values = np.zeros((family, grid.size))
        if guess is not None:
            values = _on_nodes(problem, guess, grid.points)
        return FiniteDifferenceState(
            level=np.array(0),
            high_order=np.array(False),
            values=values,
            move=np.zeros_like(values),
            norm=np.full(family, np.inf),
            fraction=np.ones(family),
            change=np.array(np.inf),
            monotone=values,
            status=np.array(0),
            steps=np.zeros((self.levels, 2), dtype=int),
        ), workspace

    def step(self, problem, state, workspace, key):
        del key
        level, high = int(state.level), bool(state.high_order)
        local = workspace.evaluate(level, high, state.values)
        delta = workspace.discount_rate[:, None]
        norm = np.sqrt(np.mean((local.residual / delta) ** 2, axis=1))
        # A correction that made a finite residual not finite, or a Newton correction that raised it, is halved.
        worse = ~np.isfinite(norm)
        if high:
            worse |= norm > 10.0 * state.norm
        worse &= np.isfinite(state.norm)
        if not np.all(np.isfinite(norm) | worse):
            return state._replace(status=np.array(3))
        if worse.any():
            if (state.fraction[worse] < 1e-3).any():
                status = np.array(3 if not np.all(np.isfinite(norm)) else 2)
                back = state.values - state.move * state.fraction[:, None]
                return state._replace(values=np.where(worse[:, None], back, state.values), status=status)
            half = np.where(worse, 0.5, 0.0)[:, None] * state.move * state.fraction[:, None]
            fraction = np.where(worse, 0.5 * state.fraction, state.fraction)
            return state._replace(values=state.values - half, fraction=fraction)
        move = workspace.correct(level, high, local)
        if not np.all(np.isfinite(move)):
            return state._replace(status=np.array(3))
        spread = np.ptp(state.values, axis=1) + np.max(np.abs(move), axis=1) * 1e-3 + 1e-300
        change = np.max(np.max(np.abs(move), axis=1) / spread)
        steps = state.steps.copy()
        steps[level, int(high)] += 1
        new = state._replace(
            values=state.values + move,
            move=move,
            norm=norm,
            fraction=np.ones_like(norm),
            change=np.asarray(change),
            steps=steps,
        )
        return self._advance(workspace, new, previous=float(state.change))

    def _advance(self, workspace, state, previous):
        """Move on to the next grid or stage once this one has converged."""
        level, high, change = int(state.level), bool(state.high_order), float(state.change)
        last = level == self.levels - 1
        loose = 1e-3 if not last else (self.tolerance if self.order == 1 else 1e-5)
        # corrections stop shrinking at the rounding error of the linear solve
        floor = change < 1e-8 and change > 0.3 * previous
        if change > (self.tolerance if high else loose) and not floor:
            return state
        if not last:
            values = workspace.transfer(level, state.values)
            nothing, norm = np.zeros_like(values), np.full(len(values), np.inf)
            return state._replace(
                level=np.array(level + 1),
                values=values,
                move=nothing,
                norm=norm,
                monotone=values,
                change=np.array(np.inf),
            )
        if not high and self.order > 1:
            norm = np.full(len(state.values), np.inf)
            return state._replace(high_order=np.array(True), norm=norm, monotone=state.values, change=np.array(np.inf))
        local = workspace.evaluate(level, high, state.values)
        if np.any(workspace.leaves(level, local)):
            return state._replace(status=np.array(4))
        if workspace.pinned(level, local) > _MOSTLY_PINNED:
            return state._replace(status=np.array(6))
        rough = workspace.roughness(level, state.values), workspace.roughness(level, state.monotone)
        return state._replace(status=np.array(5 if high and np.any(rough[0] > _TOO_ROUGH * rough[1]) else 1))

    def terminate(self, state):
        return int(state.status) != 0

    def progress(self, state):
        stage = "high order" if bool(state.high_order) else "upwind"
        return {
            "grid": float(state.level) + 1.0,
            "residual/delta": float(np.max(state.norm)),
            "change": float(state.change),
        }, stage

    def finish(self, problem, state, workspace):
        status = int(state.status)
        codes = {
            0: RESULTS.max_steps_reached,
            1: RESULTS.successful,
            2: RESULTS.stalled,
            3: RESULTS.nonfinite,
            4: RESULTS.outward_drift,
            5: RESULTS.oscillating,
            6: RESULTS.pinned,
        }
        level = int(state.level)
        grid = workspace.grid(level)
        values = state.monotone if status in (2, 5) else state.values
        values = np.where(np.isfinite(values), values, 0.0)
        stacked = splines_through(problem, grid.nodes, values.reshape(-1, *grid.shape))
        stats = {
            "steps_first_order": int(state.steps[:, 0].sum()),
            "steps_high_order": int(state.steps[:, 1].sum()),
            "change": float(state.change),
            "unknowns": int(grid.size * values.shape[0]),
            "order": self.order if status == 1 else 1,
        }
        return Finish(stacked, codes[status], stats, grid.nodes, values.reshape(-1, *grid.shape))


class _Workspace:
    """Grids, matrices and compiled kernels of one solve. Nothing in it changes the result; it is rebuilt on resume."""

    def __init__(self, solver: FiniteDifference, problem: HJBProblem, family: int):
        self.solver, self.problem, self.family = solver, problem, family
        self.linear = solver.linear_solver or Automatic(len(problem.region))
        # the kernel must not be compiled anew when only the box moves
        self.bare = HJBProblem(problem.model)
        self.followed = HJBProblem(problem.model, continuations=problem.continuations)
        self.discount_rate = np.broadcast_to(np.asarray(problem.model.preferences.discount_rate), (family,))
        self.closures = problem.model.closures()
        self._after: dict[int, tuple] = {}

    @ft.cache  # noqa: B019 - a workspace lives as long as its solve
    def grid(self, level: int) -> Discretisation:
        return self.solver.discretisation(self.problem, level)

    @ft.cache  # noqa: B019
    def faces(self, level: int) -> FaceSlopes:
        grid, slope, bend = self.grid(level), {}, {}
        for a, sides in enumerate(self.closures):
            for side, closure in enumerate(sides):
                if isinstance(closure, Growth):
                    padded = jnp.asarray(grid.points[self.padded(level)])
                    both = _face_slope(self.bare, a, side, padded)
                    slope[a, side], bend[a, side] = (np.asarray(leaf)[:, : grid.size] for leaf in both)
                elif isinstance(closure, Reflecting):
                    slope[a, side] = bend[a, side] = np.zeros((self.family, grid.size))
        return FaceSlopes(slope, bend)

    @ft.cache  # noqa: B019
    def scheme(self, level: int, high: bool) -> Scheme:
        return self.grid(level).scheme(high, frozenset(self.faces(level).slope))

    @ft.cache  # noqa: B019
    def matching(self, level: int) -> tuple[Bool[np.ndarray, " node"], sp.csr_matrix]:
        return self.grid(level).matching()

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

    def padded(self, level: int) -> Int[np.ndarray, " node"]:
        """Indices of all nodes, the last repeated up to whole chunks."""
        size = self.grid(level).size
        return np.minimum(np.arange(-(-size // self.chunk) * self.chunk), size - 1)

    def after(self, level: int) -> tuple[Float[np.ndarray, "family node outcome"], ...]:
        if level not in self._after:
            grid = self.grid(level)
            after = _after(self.followed, jnp.asarray(grid.points[self.padded(level)]))
            self._after[level] = tuple(np.asarray(leaf)[:, : grid.size] for leaf in after)
        return self._after[level]

    def evaluate(self, level: int, high: bool, values: Float[np.ndarray, "family node"]) -> _Local:
        grid = self.grid(level)
        with np.errstate(invalid="ignore", over="ignore"):
            slopes = grid.differentiate(self.scheme(level, high), values, self.faces(level), high)
        arrays = (grid.points, self.constrained(level)), (values, *slopes), self.after(level)
        chunk, padded, pieces = self.chunk, self.padded(level), []
        for start in range(0, grid.size, chunk):
            shared, own, after = arrays
            index = padded[start : start + chunk]
            out = _kernel(
                self.bare,
                tuple(jnp.asarray(a[index]) for a in shared),
                tuple(jnp.asarray(a[:, index]) for a in own),
                tuple(jnp.asarray(a[:, index]) for a in after),
                not high,
            )
            stop = min(chunk, grid.size - start)
            pieces.append(jax.tree.map(lambda leaf, stop=stop: np.asarray(leaf)[:, :stop], out))
        local = jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *pieces)
        on_kink, rows = self.matching(level)
        if not (high and on_kink.any()):
            return local
        jump = self.discount_rate[:, None] * (rows @ values.T).T
        return local._replace(
            residual=np.where(on_kink, jump, local.residual),
            discount=np.where(on_kink, 0.0, local.discount),
            drift=np.where(on_kink[:, None], 0.0, local.drift),
            variance=np.where(on_kink[:, None, None], 0.0, local.variance),
        )

    def correct(self, level: int, high: bool, local: _Local) -> Float[np.ndarray, "family node"]:
        """The Newton correction of every member: one sparse solve each."""
        operators = self.operators(level, high)
        companion = self.operators(level, False)
        moves = []
        for f in range(self.family):
            parts = local.discount[f], local.drift[f], local.variance[f]
            matrix = operators.assemble(*parts)
            if high and self.matching(level)[0].any():
                matrix = matrix + self.discount_rate[f] * self.matching(level)[1]
            monotone: sp.csr_matrix | None = companion.assemble(*parts) if high else None
            moves.append(self.linear.solve(matrix, -local.residual[f], monotone))
        return np.stack(moves)

    def leaves(self, level: int, local: _Local) -> Bool[np.ndarray, " side"]:
        """Whether the optimal drift points out at any state constraint."""
        grid, blocked = self.grid(level), self.constrained(level)
        spacing = [np.diff(x).min() for x in grid.nodes]
        out = []
        for a in range(grid.dimension):
            for side, sign in ((0, -1.0), (1, 1.0)):
                speed = sign * local.drift[:, blocked[:, a, side], a]
                # rounding may leave a drift of zero on either side
                out.append(bool(np.any(speed > 1e-9 * spacing[a])))
        return np.array(out)

    def pinned(self, level: int, local: _Local) -> float:
        """The largest share of nodes in the region at which a control sits at one of its bounds."""
        inside = np.ones(self.grid(level).size, dtype=bool)
        for a, (low, high) in enumerate(self.problem.region):
            inside &= (self.grid(level).points[:, a] >= low) & (self.grid(level).points[:, a] <= high)
        shares = [0.0]
        for control, bounds in zip(local.control, self.problem.model.controls, strict=True):
            for bound in (bounds.low, bounds.high):
                at_bound = np.abs(control[:, inside] - bound) <= 1e-9 * (1.0 + abs(bound))
                shares.append(float(np.max(np.mean(at_bound, axis=1))))
        return max(shares)

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


# ---------------------------------------------------------------------------------------------------------
# Compiled parts
# ---------------------------------------------------------------------------------------------------------

_TIME = 0.0  # stationary problems


@eqx.filter_jit
def _on_nodes_jit(problem, guess, points):
    def at(p, x):
        return guess(jnp.asarray(_TIME), p.state(x))

    return eqx.filter_vmap(lambda p: jax.vmap(lambda x: at(p, x))(points))(problem)


def _on_nodes(problem, guess, points):
    return np.asarray(_on_nodes_jit(problem, guess, jnp.asarray(points)), dtype=float)


@eqx.filter_jit
def _face_slope(problem, axis: int, side: int, points):
    """The known slope of a face and its normal derivative, at all nodes (only those on the face are used)."""

    def of_member(p):
        closure = p.closure(axis, side)

        def slope(x):
            return closure.slope(jnp.asarray(_TIME), p.state(x))

        return jax.vmap(lambda x: (slope(x), jax.grad(slope)(x)[axis]))(points)

    return eqx.filter_vmap(of_member)(problem)


@eqx.filter_jit
def _after(problem, points):
    def of_member(p):
        return jax.vmap(lambda x: p.after(jnp.asarray(_TIME), p.state(x)))(points)

    return eqx.filter_vmap(of_member)(problem)


@eqx.filter_jit
def _kernel(problem, shared, own, after, upwind: bool) -> _Local:
    """Policies, residuals and linearisations at a batch of nodes of all members."""

    def of_member(p, own, after):
        return jax.vmap(lambda s, o, a: _at_node(p, s, o, a, upwind))(shared, own, after)

    return eqx.filter_vmap(of_member)(problem, own, after)


def _at_node(problem: HJBProblem, shared, own, after, upwind: bool) -> _Local:
    (x, blocked), (value, forward, backward, hessian) = shared, own
    t, state = jnp.asarray(_TIME), problem.state(x)

    def control(costate):
        return problem.best_control(t, state, value, costate, hessian, after)

    def hamiltonian(u, v, p, m):
        return problem.hamiltonian(t, state, u, v, p, m, after)

    def drift_of(costate, a):
        """The Hamiltonian of the best control, and its derivative in a costate: the worst-case drift of that state."""
        u = control(costate)
        h, drift = jax.value_and_grad(hamiltonian, argnums=2)(u, value, costate, hessian)
        return h, drift[a]

    if upwind:
        costate, stuck = _godunov(drift_of, forward, backward, blocked)
    else:
        costate, stuck = forward, jnp.zeros(x.shape, dtype=bool)
    u = control(costate)
    residual, (discount, drift, variance) = jax.value_and_grad(hamiltonian, argnums=(1, 2, 3))(
        u, value, costate, hessian
    )
    # a drift out of a state constraint that no control stops is dropped
    residual = residual - jnp.sum(jnp.where(stuck, drift * costate, 0.0))
    drift = jnp.where(stuck, 0.0, drift)
    return _Local(residual, discount, drift, variance, u, jnp.any(stuck))


def _godunov(drift_of, forward, backward, blocked):
    r"""The costate at which the discrete Hamiltonian is maximised, state by state.

    $\max_u H$ is convex in the costate and its derivative there is the optimal drift. With both one-sided slopes at hand
    the monotone choice is the forward one if its drift is upward, the backward one if its drift is downward; where $V$ has a
    convex kink both may hold and the larger Hamiltonian wins; where neither does, the slope in between at which the
    drift vanishes. On a state constraint the outward slope is minus infinity times the outward direction.
    """
    start = jnp.where(blocked[:, 1], backward, jnp.where(blocked[:, 0], forward, 0.5 * (forward + backward)))
    dimension = forward.shape[0]

    def sweep(n, carry):
        costate, stuck = carry
        a = n % dimension
        chosen, out = _one_state(lambda p: drift_of(costate.at[a].set(p), a), forward[a], backward[a], blocked[a])
        return costate.at[a].set(chosen), stuck.at[a].set(out)

    sweeps = 1 if dimension == 1 else 2 * dimension
    return jax.lax.fori_loop(0, sweeps, sweep, (start, jnp.zeros(forward.shape, dtype=bool)))


_MOST_BISECTIONS, _MOST_DOUBLINGS = 60, 40


def _one_state(drift_at, forward, backward, blocked):
    """The slope of one state, the others given, and whether a drift out of a constrained face cannot be stopped.

    One loop evaluates the forward slope, the backward slope and, only where the drift vanishes in between, the
    bisection for that slope: the Hamiltonian is compiled once. On a constrained face the outward slope is moved out,
    by doubling steps, until the drift no longer points out.
    """
    out_high, out_low = blocked[1], blocked[0] & ~blocked[1]
    step = 1.0 + 0.5 * jnp.abs(jnp.where(out_high, backward, forward))
    first = jnp.where(out_high, backward - step, forward)

    def is_between(up, down):
        return ~(up[1] > 0.0) & ~(down[1] < 0.0)

    def cond(carry):
        phase, count, _, left, right, up, down = carry
        narrow = right - left <= 1e-14 * (jnp.abs(left) + jnp.abs(right))
        return (phase < 2) | (is_between(up, down) & (count < _MOST_BISECTIONS) & ~narrow)

    def body(carry):
        phase, count, p, left, right, up, down = carry
        found = drift_at(p)
        above = found[1] > 0.0
        up = jax.tree.map(lambda new, old: jnp.where(phase == 0, new, old), found, up)
        down = jax.tree.map(lambda new, old: jnp.where(phase == 1, new, old), found, down)
        # the inner bracket follows the slopes that were evaluated last
        left = jnp.where((phase == 0) | ((phase == 2) & ~above), p, left)
        right = jnp.where((phase == 1) | ((phase == 2) & above), p, right)
        more_high = (phase == 0) & out_high & above
        more_low = (phase == 1) & out_low & (found[1] < 0.0)
        again = (more_high | more_low) & (count < _MOST_DOUBLINGS)
        following = jnp.where(phase == 0, jnp.where(out_low, forward + step, backward), 0.5 * (left + right))
        doubled = jnp.where(more_high, backward + 2.0 * (p - backward), forward + 2.0 * (p - forward))
        new_phase = jnp.where(again, phase, jnp.minimum(phase + 1, 2))
        new_count = jnp.where(again | (new_phase == phase), count + 1, 0)
        return new_phase, new_count, jnp.where(again, doubled, following), left, right, up, down

    nothing = jnp.zeros(()), jnp.zeros(())
    carry = jnp.array(0), jnp.array(0), first, first, backward, nothing, nothing
    _, _, _, left, right, up, down = jax.lax.while_loop(cond, body, carry)
    goes_up, goes_down = up[1] > 0.0, down[1] < 0.0
    side = jnp.where(goes_up & (~goes_down | (up[0] >= down[0])), forward, backward)
    # the only slope that exists on a constrained face is the inner one
    side = jnp.where(out_high & goes_down, backward, jnp.where(out_low & goes_up, forward, side))
    stuck = (out_high & goes_up & ~goes_down) | (out_low & goes_down & ~goes_up)
    chosen = jnp.where(is_between(up, down), 0.5 * (left + right), jnp.where(stuck, 0.0, side))
    return chosen, stuck
