"""The adjoint of a converged finite-difference solution: one transposed linear solve per regime, whatever the number of parameters."""

import functools as ft
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import BSpline

from ...models import Growth, HJBProblem
from ..base import compiled
from ..equation import Local
from ..grid import Downwind, FiniteDifference, LinearSystem, Workspace, one_thread
from ..solution import Solution, TensorSpline, closed_form, on_host, on_tensor_grid, reshape_family

_TIME = 0.0  # stationary problems
# Nodal values whose residual over delta is a larger share of their range are no solution of the discrete equations.
_UNSOLVED = 1e-6


class RegimeAdjoint:
    r"""A family of regimes, and how a change of its values is made of changes of parameters.

    The nodal values solve $F(V, p) = 0$, $F$ the discrete equation with controls and nature's replies at their optimum, whose
    derivatives therefore drop out (envelope theorem). For a functional $J$ with $\lambda$ from $F_V^\top\lambda = J_V$,

    $$\frac{dJ}{dp} = J_p - \lambda^\top F_p.$$

    $F_p$ holds what parameters do in the equation, in the slopes at the faces, in the state after a jump and in the values after
    it; the last are the $J_V$ of the regimes that follow. The grid is held fixed.

    **Raises:** `ValueError` if the values do not solve the discrete equations.
    """

    def __init__(self, part: Solution, family: int):
        self.part, self.family, self.problem = part, family, part.problem
        self.exact = bool(part.stats.get("exact"))
        self.outcomes: list[int] = []
        self.destinations: list[RegimeAdjoint] = []
        self.multipliers: list[np.ndarray] = []  # those of the functionals pulled back so far
        if self.exact:
            return
        self.high = part.stats["order"] > 1
        self.workspace = workspace_of(part, family)
        self.outcomes = [_leading(d.value)[1] for d in part.later]
        for destination, outcomes in zip(part.later, self.outcomes, strict=True):
            joined = family * outcomes
            self.destinations.append(RegimeAdjoint(reshape_family(destination, (joined,), 2), joined))

    @ft.cached_property
    def values(self) -> Float[np.ndarray, "family node"]:
        """Nodal values."""
        return on_tensor_grid(self.part.value, self.part.nodes, self.family).reshape(self.family, -1)

    @ft.cached_property
    def local(self) -> Local:
        """Residual and linearisation at the solution."""
        local = self.workspace.evaluate(0, self.high, self.values)
        spread = np.ptp(self.values, axis=1) + 1e-300
        norm = np.sqrt(np.mean((local.residual / self.workspace.discount_rate[:, None]) ** 2, axis=1)) / spread
        if not np.all(norm < _UNSOLVED):
            raise ValueError(
                f"sensitivities: the values of regime `{self.problem.model.regime}` leave a residual of {np.max(norm):.1e}"
                f" of their range; solve again with `finite_difference`, `solver.tolerance` at 1e-8 or less."
            )
        return local

    @ft.cached_property
    def inside(self) -> np.ndarray:
        """1 where the equation is asked, 0 on kinks, where only slopes are joined."""
        on_kink, _ = self.workspace.matching(0)
        return np.where(on_kink & self.high, 0.0, 1.0)

    # -- the adjoint ------------------------------------------------------------------------------------

    def pull_back(self, value: Any, continuations: Any = None) -> Any:
        """The derivative in the family's model, from that in its value functions and in those after its jumps.

        Cotangents are pytrees like `value` and `model`, None in place of what is no parameter.
        """
        model = self.problem.model
        if self.exact:
            return _through_closed_form(model, value)
        with one_thread():
            multipliers = self._solve(self._to_nodes(value.coefficients))
        self.multipliers.append(multipliers)
        weights = -multipliers * self.inside
        total, after = self._through_equation(weights)
        total = _add(total, self._through_faces(weights))
        if not self.destinations:
            return total
        landing, values_after = self._through_landing(after)
        total, cotangents = _add(total, landing), []
        for number, (regime, outcomes) in enumerate(zip(self.destinations, self.outcomes, strict=True)):
            given = values_after[number].value
            if continuations is not None:
                given = _add(given, continuations[number].value)
            found = regime.pull_back(_reshaped(given, (regime.family,), 2))
            cotangents.append(_reshaped(found, (self.family, outcomes), 1))
        return _add(total, _through_jumps(model, tuple(cotangents)))

    def _to_nodes(self, coefficients: Float[Array, "family ..."]) -> Float[np.ndarray, "family node"]:
        """The derivative in nodal values from that in coefficients of the spline through them."""
        spline, found = self.part.value, np.asarray(coefficients)
        assert isinstance(spline, TensorSpline)
        for axis, (knots, degree, x) in enumerate(zip(spline.knots, spline.degree, self.part.nodes, strict=True)):
            matrix = BSpline.design_matrix(np.asarray(x), np.asarray(knots)[0], degree).toarray()
            found = np.moveaxis(np.tensordot(np.linalg.inv(matrix), found, axes=(0, axis + 1)), 0, axis + 1)
        return found.reshape(self.family, -1)

    def _solve(self, right: Float[np.ndarray, "family node"]) -> Float[np.ndarray, "family node"]:
        found = []
        for member in range(self.family):
            if not np.any(right[member]):
                found.append(np.zeros_like(right[member]))
                continue
            system = _transposed(self.workspace.system(0, self.high, self.local, member), right[member])
            found.append(self.workspace.linear.solve(system))
        if not np.all(np.isfinite(found)):
            raise ValueError(f"sensitivities: the linear system of regime `{self.problem.model.regime}` is singular.")
        return np.stack(found)

    def _through_equation(self, weights: Float[np.ndarray, "family node"]) -> tuple[Any, tuple]:
        """The derivative of the weighted equation in the model and in the values after jumps."""
        workspace, local = self.workspace, self.local
        slopes = workspace.grid(0).differentiate(
            workspace.scheme(0, self.high), self.values, workspace.faces(0), self.high
        )
        own = (self.values, local.costate, slopes.hessian, local.control, workspace.known_after(0))
        total, pieces = None, []
        for index, kept in workspace.chunks(workspace.grid(0).size):
            real = np.arange(len(index)) < kept
            here = jax.tree.map(lambda leaf, i=index: jnp.asarray(leaf[:, i]), own)
            here = (*here, jnp.asarray(np.where(real, weights[:, index], 0.0)))
            model, after = _equation(workspace.bare, jnp.asarray(workspace.grid(0).points[index]), here)
            total = _add(total, model)
            pieces.append(jax.tree.map(lambda leaf, n=kept: np.asarray(leaf)[:, :n], after))
        return total, jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *pieces)

    def _through_faces(self, weights: Float[np.ndarray, "family node"]) -> Any:
        """The derivative of the weighted equation in the model through slopes known at faces."""
        workspace, drift, variance, total = self.workspace, self.local.drift, self.local.variance, None
        grid, scheme = workspace.grid(0), workspace.scheme(0, self.high)
        for a, sides in enumerate(workspace.closures):
            same = scheme.forward[a] is scheme.backward[a]
            up = weights * (drift[..., a] if same else np.maximum(drift[..., a], 0.0))
            down = weights * (0.0 if same else np.minimum(drift[..., a], 0.0))
            for side, closure in enumerate(sides):
                # a slope that the solver found on a coarse grid is held as it is
                if not (isinstance(closure, Growth) and isinstance(workspace.bare.closure(a, side), Growth)):
                    continue
                on = np.flatnonzero(grid.on_face(a, side))
                slope = np.zeros((self.family, on.size))
                if self.high or side == 1:
                    slope += up[:, on]
                if self.high or side == 0:
                    slope += down[:, on]
                if self.high and grid.marched[a] == (1 if side else -1):
                    # the node before the face leans on the slope at it (see `Discretisation.differentiate`)
                    stride = int(np.prod(grid.shape[a + 1 :]))
                    near = on + (-stride if side else stride)
                    slope -= up[:, near] + down[:, near]
                bend = (weights * variance[..., a, a])[:, on]
                both = jnp.asarray(slope), jnp.asarray(bend)
                total = _add(total, _face(workspace.bare, a, side, jnp.asarray(grid.points[on]), *both))
        return total

    def _through_landing(self, after: tuple) -> tuple[Any, Any]:
        """The derivative of weighted values after jumps in the model (where one lands) and in the values' own parameters."""
        workspace, total = self.workspace, (None, None)
        for index, kept in workspace.chunks(workspace.grid(0).size):
            real = (np.arange(len(index)) < kept)[:, None]
            here = tuple(jnp.asarray(leaf[:, index] * real) for leaf in after)
            found = _landing(workspace.followed, jnp.asarray(workspace.grid(0).points[index]), here)
            total = tuple(map(_add, total, found))
        return total


def workspace_of(part: Solution, family: int, *, moved: bool = False) -> Workspace:
    """The grid and scheme of a solution, rebuilt; `moved` if its kinks are not where they were."""
    order, leaning = part.stats["order"], part.stats["leaning"]
    counts = tuple(len(x) for x in part.nodes)
    grading = tuple(part.stats.get("grading", (1.0,) * len(counts)))  # of solutions kept before there was any
    solver = FiniteDifference(points=counts, grading=grading, levels=1, order=order, leaning=leaning)
    workspace = Workspace(solver, part.problem, family)
    workspace = workspace.leant if leaning and order > 1 else workspace
    nodes = workspace.grid(0).nodes
    if not moved and not all(len(x) == len(y) and np.allclose(x, y) for x, y in zip(nodes, part.nodes, strict=True)):
        raise ValueError("sensitivities: the solution is not on the grid it was solved on; solve it again there.")
    return workspace


def _transposed(system: LinearSystem, right: Float[np.ndarray, " n"]) -> LinearSystem:
    matrix, hint = system.matrix.T.tocsr(), None
    if system.downwind is not None:
        axis, direction, other = system.downwind
        hint = Downwind(axis, -direction, matrix if other is system.matrix else other.T.tocsr())
    monotone = None if system.monotone is None else system.monotone.T.tocsr()
    return LinearSystem(matrix, right, system.shape, monotone, hint)


# -- derivatives of the pieces, compiled --------------------------------------------------------------------


@compiled
def _equation(problem, points, own):
    def of_member(p, own):
        diff, rest = eqx.partition(p.model, eqx.is_inexact_array)

        def weighted(diff, after):
            problem = HJBProblem(eqx.combine(diff, rest))

            def at(x, own, after):
                value, costate, hessian, control, _, weight = own
                t = jnp.asarray(_TIME)
                return weight * problem.hamiltonian(t, problem.state(x), control, value, costate, hessian, after)

            return jnp.sum(jax.vmap(at)(points, own, after))

        return jax.grad(weighted, argnums=(0, 1))(diff, own[4])

    return eqx.filter_vmap(of_member)(problem, own)


@compiled
def _face(problem, axis: int, side: int, points, slopes, bends):
    def of_member(p, slopes, bends):
        diff, rest = eqx.partition(p.model, eqx.is_inexact_array)

        def weighted(diff):
            problem = HJBProblem(eqx.combine(diff, rest))
            closure = problem.closure(axis, side)
            assert isinstance(closure, Growth)
            normal = jnp.zeros(points.shape[-1]).at[axis].set(1.0)

            def at(x):
                return jax.jvp(lambda z: closure.slope(jnp.asarray(_TIME), problem.state(z)), (x,), (normal,))

            slope, bend = jax.vmap(at)(points)
            return jnp.sum(slopes * slope) + jnp.sum(bends * bend)

        return jax.grad(weighted)(diff)

    return eqx.filter_vmap(of_member)(problem, slopes, bends)


@compiled
def _landing(problem, points, weights):
    def of_member(p, weights):
        diff, rest = eqx.partition((p.model, p.continuations), eqx.is_inexact_array)

        def weighted(diff):
            model, continuations = eqx.combine(diff, rest)
            problem = HJBProblem(model, continuations=continuations)
            after = jax.vmap(lambda x: problem.after(jnp.asarray(_TIME), problem.state(x)))(points)
            return sum(jnp.sum(w * v) for w, v in zip(weights, after, strict=True))

        return jax.grad(weighted)(diff)

    return eqx.filter_vmap(of_member)(problem, weights)


@compiled
def _through_jumps(model, cotangents):
    return _through(lambda m: tuple(jump.destination for jump in m.jumps()), model, cotangents)


@compiled
def _through_closed_form(model, cotangent):
    return _through(closed_form, model, cotangent)


def _through(make, model, cotangents):
    """The derivative in a family of models from that in what is made of each."""

    def of_member(m, cotangent):
        diff, rest = eqx.partition(m, eqx.is_inexact_array)
        _, back = jax.vjp(lambda d: eqx.filter(make(eqx.combine(d, rest)), eqx.is_inexact_array), diff)
        return back(cotangent)[0]

    return eqx.filter_vmap(of_member)(model, cotangents)


def _add(left: Any, right: Any) -> Any:
    if left is None or right is None:
        return right if left is None else left
    return jax.tree.map(jnp.add, left, right)


def _reshaped(tree: Any, shape: tuple[int, ...], leading: int) -> Any:
    return on_host(lambda leaf: leaf.reshape(shape + leaf.shape[leading:]), tree)


def _leading(tree: Any) -> tuple[int, ...]:
    return jax.tree.leaves(eqx.filter(tree, eqx.is_array))[0].shape
