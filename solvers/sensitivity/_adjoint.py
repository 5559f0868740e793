"""The adjoint of a converged finite-difference solution: one transposed linear solve per regime for any number of parameters."""

import functools as ft
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.interpolate import BSpline

from ...models import Derivatives, Equation, HJBProblem
from ..base import compiled
from ..equation import Local
from ..grid import Downwind, FiniteDifference, LinearSystem, Workspace, one_thread
from ..solution import Solution, TensorSpline, closed_form, on_host, on_tensor_grid, reshape_family

_TIME = 0.0  # stationary problems
# Largest residual over delta, relative to the range of the values, of a solution of the discrete equations.
_UNSOLVED = 1e-6


class RegimeAdjoint:
    r"""A family of regimes and the sensitivity of its values to the parameters.

    The nodal values solve the discrete equation $F(V, p) = 0$. Controls and worst-case distortions are at their optimum, so that their
    derivatives vanish (envelope theorem). For a functional $J$ with $\lambda$ from $F_V^\top\lambda = J_V$,

    $$\frac{dJ}{dp} = J_p - \lambda^\top F_p.$$

    $F_p$ contains the effect of parameters on the equation, on the slopes at the faces, on the state after a jump and on the values
    after the jump; the last are the $J_V$ of the following regimes. The grid is fixed.

    **Raises:** `ValueError` if the values do not solve the discrete equations.
    """

    def __init__(self, part: Solution, family: int):
        self.part, self.family, self.problem = part, family, part.problem
        self.exact = bool(part.stats.get("exact"))
        self.outcomes: list[int] = []
        self.destinations: list[RegimeAdjoint] = []
        self.multipliers: list[np.ndarray] = []  # multipliers of the functionals so far
        if self.exact:
            return
        self.high = part.stats["order"] > 1
        self.workspace = workspace_of(part, family)
        self.outcomes = [d.family[1] for d in part.later]
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
        """1 at nodes with the equation, 0 at kinks, where the slopes of both sides are matched."""
        on_kink, _ = self.workspace.matching(0)
        return np.where(on_kink & self.high, 0.0, 1.0)

    # -- the adjoint ------------------------------------------------------------------------------------

    def pull_back(self, value: Any, continuations: Any = None) -> Any:
        """Pull derivatives with respect to the value functions of the family and its destinations back to the parameters.

        Cotangents are pytrees like `value` and `model`, with None for leaves that are not parameters.
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
            cotangent = values_after[number].value
            if continuations is not None:
                cotangent = _add(cotangent, continuations[number].value)
            gradient = regime.pull_back(_reshaped(cotangent, (regime.family,), 2))
            cotangents.append(_reshaped(gradient, (self.family, outcomes), 1))
        return _add(total, _through_jumps(model, tuple(cotangents)))

    def _to_nodes(self, coefficients: Float[Array, "family ..."]) -> Float[np.ndarray, "family node"]:
        """Chain rule: derivative in nodal values from the derivative in spline coefficients."""
        spline, cotangent = self.part.value, np.asarray(coefficients)
        assert isinstance(spline, TensorSpline)
        for axis, (knots, degree, x) in enumerate(zip(spline.knots, spline.degree, self.part.nodes, strict=True)):
            matrix = BSpline.design_matrix(np.asarray(x), np.asarray(knots)[0], degree).toarray()
            cotangent = np.moveaxis(np.tensordot(np.linalg.inv(matrix), cotangent, axes=(0, axis + 1)), 0, axis + 1)
        return cotangent.reshape(self.family, -1)

    def _solve(self, right: Float[np.ndarray, "family node"]) -> Float[np.ndarray, "family node"]:
        multipliers = []
        for member in range(self.family):
            if not np.any(right[member]):
                multipliers.append(np.zeros_like(right[member]))
                continue
            system = _transposed(self.workspace.system(0, self.high, self.local, member), right[member])
            multipliers.append(self.workspace.linear.solve(system))
        if not np.all(np.isfinite(multipliers)):
            raise ValueError(f"sensitivities: the linear system of regime `{self.problem.model.regime}` is singular.")
        return np.stack(multipliers)

    def _through_equation(self, weights: Float[np.ndarray, "family node"]) -> tuple[Any, tuple]:
        """The derivative of the weighted equation with respect to the model and to the values after jumps."""
        workspace, local = self.workspace, self.local
        slopes = workspace.grid(0).differentiate(
            workspace.scheme(0, self.high), self.values, workspace.faces(0), self.high
        )
        nodal_data = (self.values, local.costate, slopes.hessian, local.control, workspace.known_after(0))
        total, pieces = None, []
        for index, kept in workspace.chunks(workspace.grid(0).size):
            is_new = np.arange(len(index)) < kept
            chunk = jax.tree.map(lambda leaf, i=index: jnp.asarray(leaf[:, i]), nodal_data)
            chunk = (*chunk, jnp.asarray(np.where(is_new, weights[:, index], 0.0)))
            model, after = _equation(workspace.bare, jnp.asarray(workspace.grid(0).points[index]), chunk)
            total = _add(total, model)
            pieces.append(jax.tree.map(lambda leaf, n=kept: np.asarray(leaf)[:, :n], after))
        return total, jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *pieces)

    def _through_faces(self, weights: Float[np.ndarray, "family node"]) -> Any:
        """The derivative of the weighted equation with respect to the model through known slopes at faces."""
        workspace, drift, variance, total = self.workspace, self.local.drift, self.local.variance, None
        grid, scheme = workspace.grid(0), workspace.scheme(0, self.high)
        for a, sides in enumerate(workspace.closures):
            single_difference = scheme.forward[a] is scheme.backward[a]
            up = weights * (drift[..., a] if single_difference else np.maximum(drift[..., a], 0.0))
            down = weights * (0.0 if single_difference else np.minimum(drift[..., a], 0.0))
            for side, closure in enumerate(sides):
                # a slope that the solver determined on a coarse grid is held fixed
                if not (closure.has_asymptote and workspace.problem.model.closures()[a][side].has_asymptote):
                    continue
                face_nodes = np.flatnonzero(grid.on_face(a, side))
                slope = np.zeros((self.family, face_nodes.size))
                if self.high or side == 1:
                    slope += up[:, face_nodes]
                if self.high or side == 0:
                    slope += down[:, face_nodes]
                if self.high and grid.marched[a] == (1 if side else -1):
                    # the difference at the node next to the face uses the slope at the face (see `Discretisation.differentiate`)
                    stride = int(np.prod(grid.shape[a + 1 :]))
                    neighbours = face_nodes + (-stride if side else stride)
                    slope -= up[:, neighbours] + down[:, neighbours]
                bend = (weights * variance[..., a, a])[:, face_nodes]
                cotangents = jnp.asarray(slope), jnp.asarray(bend)
                total = _add(total, _face(workspace.bare, a, side, jnp.asarray(grid.points[face_nodes]), *cotangents))
        return total

    def _through_landing(self, after: tuple) -> tuple[Any, Any]:
        """The derivative of weighted values after jumps with respect to the model (landing states) and to the later values."""
        workspace, total = self.workspace, (None, None)
        for index, kept in workspace.chunks(workspace.grid(0).size):
            is_new = (np.arange(len(index)) < kept)[:, None]
            chunk = tuple(jnp.asarray(leaf[:, index] * is_new) for leaf in after)
            gradient = _landing(workspace.followed, jnp.asarray(workspace.grid(0).points[index]), chunk)
            total = tuple(map(_add, total, gradient))
        return total


def workspace_of(part: Solution, family: int, *, moved: bool = False) -> Workspace:
    """Rebuild the grid and scheme of a solution. With `moved`, its kinks may differ from the stored nodes."""
    order, leaning = part.stats["order"], part.stats["leaning"]
    counts = tuple(len(x) for x in part.nodes)
    grading = tuple(part.stats.get("grading", (1.0,) * len(counts)))  # files of earlier versions have no grading
    solver = FiniteDifference(points=counts, grading=grading, levels=1, order=order, leaning=leaning)
    workspace = Workspace(solver, part.problem, family)
    workspace = workspace.leant if leaning and order > 1 else workspace
    nodes = workspace.grid(0).nodes
    if not moved and not all(len(x) == len(y) and np.allclose(x, y) for x, y in zip(nodes, part.nodes, strict=True)):
        raise ValueError(
            "sensitivities: the solution is not on the grid of its solve; solve the problem again on that grid."
        )
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
def _equation(problem, points, member_arrays):
    def of_member(p, member_arrays):
        diff, rest = eqx.partition(p.model, eqx.is_inexact_array)

        def weighted(diff, after):
            equation = Equation(eqx.combine(diff, rest))

            def at_node(x, member_arrays, after):
                value, costate, hessian, control, _, weight = member_arrays
                t, at = jnp.asarray(_TIME), Derivatives(value, costate, hessian, after)
                return weight * equation.hamiltonian(t, equation.state(x), control, at)

            return jnp.sum(jax.vmap(at_node)(points, member_arrays, after))

        return jax.grad(weighted, argnums=(0, 1))(diff, member_arrays[4])

    return eqx.filter_vmap(of_member)(problem, member_arrays)


@compiled
def _face(problem, axis: int, side: int, points, slopes, bends):
    def of_member(p, slopes, bends):
        diff, rest = eqx.partition(p.model, eqx.is_inexact_array)

        def weighted(diff):
            problem = HJBProblem(eqx.combine(diff, rest))
            closure = problem.closure(axis, side)
            normal = jnp.zeros(points.shape[-1]).at[axis].set(1.0)

            def at_node(x):
                return jax.jvp(lambda z: closure.known_slope(jnp.asarray(_TIME), problem.state(z)), (x,), (normal,))

            slope, bend = jax.vmap(at_node)(points)
            return jnp.sum(slopes * slope) + jnp.sum(bends * bend)

        return jax.grad(weighted)(diff)

    return eqx.filter_vmap(of_member)(problem, slopes, bends)


@compiled
def _landing(problem, points, weights):
    def of_member(p, weights):
        diff, rest = eqx.partition((p.model, p.continuations), eqx.is_inexact_array)

        def weighted(diff):
            model, continuations = eqx.combine(diff, rest)
            equation = Equation(model, continuations)
            after = jax.vmap(lambda x: equation.after(jnp.asarray(_TIME), equation.state(x)))(points)
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
    """Chain rule: derivative with respect to the members of a family of models from the cotangents of `make(member)`."""

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
