"""Derivatives of functionals of a solution with respect to every parameter of its model, by the adjoint."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ...models import AbstractModel, HJBProblem, parameter_units
from ..base import compiled
from ..solution import MARK, Solution, TensorSpline, on_host, reshape_family, solution_fingerprint
from ._adjoint import RegimeAdjoint
from ._functionals import Functional, Reader, default_functionals, default_units
from ._moving_grid import grid_derivative, moves_grid

if TYPE_CHECKING:
    import xarray as xr


def sensitivities(solution: Solution, functionals: Mapping[str, Functional] | None = None) -> "xr.Dataset":
    r"""Compute derivatives of functionals of a solution with respect to every parameter of its model.

    $$\frac{dJ}{dp} = J_p - \lambda^\top F_p,\qquad F_V^\top\lambda = J_V,$$

    where the nodal values $V$ of all regimes solve the discrete equations $F(V, p) = 0$. This is implicit differentiation through the
    converged solution. It needs one transposed linear solve per regime and functional for any number of parameters. Regimes after a
    jump contribute through their values.

    A parameter is an entry of an array field of the model, by its dotted name (`climate.ensemble.values[3]`). Fields that are not
    arrays (bounds of controls, the box) are fixed, and so is the grid, except for kinks that depend on a parameter. Ambiguity is
    stored as aversion $a = 1/\xi$: the derivative in the penalty $\xi$ is $-a^2$ times the derivative in `ambiguity.*`. Probabilities
    are varied one at a time and then do not sum to one, so that only differences of their derivatives are meaningful. The derivative
    at an aversion of zero is one-sided.

    **Arguments:**

    - `solution`: a converged solution of `FiniteDifference` on its original grid.
    - `functionals`: functions of a [`Reader`][] `read`, by name: `read()` returns the fields at the initial state, `read(x)` the
      fields at another state, and `read.model` the model with its parameters. The defaults are the social cost of carbon (`scc`,
      US$/tCO2), each control and welfare (the value function), at the initial state.

    **Returns:** a dataset over `functional` and `parameter` with `derivative` and `elasticity` (zero if the parameter is zero, NaN if
    the functional is zero), with `value` and `unit` of each parameter, and with `functional_value` and `functional_unit`.

    **Raises:** `ValueError` if the solution has not converged, is not a finite-difference solution or is not on its original grid, or
    if a functional is not a function or its value is not a finite scalar.

    **References:** Giles and Pierce 2000, doi:10.1023/A:1011430410075 (the discrete adjoint).

    !!! example

        ```python
        import abatax as ab

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=41))
        table = ab.sensitivities(solution, {"gain": lambda read: read((1.0,)).control.control})
        assert abs(float(table.derivative.sel(functional="gain", parameter="feedback")) + 1.0250) < 1e-3
        ```
    """
    check_solution(solution)
    model = solution.problem.model
    requested = default_functionals(model) if functionals is None else dict(functionals)
    for name, functional in requested.items():
        if not callable(functional):
            raise ValueError(f"functional `{name}` is {functional!r}; give a function of `read` that returns a scalar.")
    if not requested:
        raise ValueError("`functionals` is empty; name at least one, or leave it out.")
    call = _Call(tuple(requested.items()))
    values, gradients = _differentiate(solution, call)
    parameters = list(_parameters(model))
    derivative = np.array([[np.asarray(p.of(g)) for p in parameters] for g in gradients])
    return _dataset(solution, list(requested), values, parameters, derivative, functionals is None)


class Parameter(NamedTuple):
    """One entry of an array field of a model."""

    name: str
    leaf: int  # index of the array field
    index: tuple[int, ...]
    value: float

    def of(self, tree: Any) -> Any:
        """The corresponding entry of another tree with the same structure."""
        return np.asarray(jax.tree.leaves(tree)[self.leaf])[self.index]


def check_solution(solution: Any) -> None:
    """Check that a solution can be differentiated.

    **Raises:** `ValueError` if it cannot.
    """
    if not isinstance(solution, Solution):
        raise ValueError(
            f"sensitivities need a solution of `solve` with `finite_difference`, not a {type(solution).__name__}."
        )
    solution.problem.check_constants()
    if not solution.converged:
        raise ValueError(f"sensitivities need a converged solution. {solution.advice}")
    for part in _parts(solution):
        if part.coupled is not None:
            raise ValueError(
                f"sensitivities: jumps of `{part.problem.model.regime}` lead back to it; coupled regimes have no"
                " adjoint. Solve at two values of the parameter."
            )
        nodal = isinstance(part.value, TensorSpline) and {"order", "leaning"} <= part.stats.keys()
        if not (nodal or part.stats.get("exact")):
            raise ValueError(
                f"sensitivities: regime `{part.problem.model.regime}` was not solved by `finite_difference`;"
                " solve it with that solver."
            )


def _parts(solution: Solution) -> Iterator[Solution]:
    yield solution
    for destination in solution.later:
        yield from _parts(destination)


class _Call(eqx.Module):
    """All functionals as one function, which is compiled."""

    functionals: tuple[tuple[str, Functional], ...] = eqx.field(static=True)

    def __call__(self, problem: HJBProblem, value: Any) -> jax.Array:
        read, outputs = Reader(problem, value), []
        for name, functional in self.functionals:
            out = jnp.asarray(functional(read))
            if out.shape != () or not jnp.issubdtype(out.dtype, jnp.floating):
                raise ValueError(
                    f"functional `{name}` returns {out.dtype}{list(out.shape)}; it must return one real number."
                )
            outputs.append(out)
        return jnp.stack(outputs)


@compiled
def _evaluate(call: _Call, problem: HJBProblem, value: Any) -> jax.Array:
    return call(problem, value)


@compiled
def _evaluate_and_pull_back(call: _Call, problem: HJBProblem, value: Any) -> tuple[jax.Array, Any]:
    """Values of the functionals, and derivatives in model, continuations and value function (leading axis functional)."""
    diff, rest = eqx.partition((problem, value), eqx.is_inexact_array)
    out, back = jax.vjp(lambda d: call(*eqx.combine(d, rest)), diff)
    return out, jax.vmap(back)(jnp.eye(out.shape[0]))[0]


def _differentiate(solution: Solution, call: _Call) -> tuple[np.ndarray, list[Any]]:
    """The values of the functionals, and their derivatives as pytrees like the model."""
    bare = HJBProblem(solution.problem.model, continuations=solution.problem.continuations)
    values, direct = _evaluate_and_pull_back(call, bare, solution.value)
    values = np.asarray(values)
    for (name, _), v in zip(call.functionals, values, strict=True):
        if not np.isfinite(v):
            raise ValueError(f"functional `{name}` is {v} at this solution; it must be finite to have derivatives.")
    root = RegimeAdjoint(reshape_family(solution, (1,), 0), 1)
    gradients = []
    for k in range(len(values)):
        # a family of one member: the axis of functionals becomes the axis of the family
        problem, value = on_host(lambda leaf, k=k: leaf[k : k + 1], direct)
        total = root.pull_back(value, problem.continuations)
        gradients.append(jax.tree.map(lambda a, b: np.array(a[0] + b[0]), total, problem.model))
    _replace_moving(root, solution.problem.model, call, gradients)
    return values, gradients


def _replace_moving(root: RegimeAdjoint, model: AbstractModel, call: _Call, gradients: list[Any]) -> None:
    """Replace the fixed-grid derivatives of parameters that move kinks."""

    def evaluate(problem: HJBProblem, value: Any) -> np.ndarray:
        return np.asarray(_evaluate(call, HJBProblem(problem.model, continuations=problem.continuations), value))

    for number, leaf in enumerate(jax.tree.leaves(eqx.filter(model, eqx.is_inexact_array))):
        if not moves_grid(root, _with_leaf(model, number, 1.001 * np.asarray(leaf) + 1e-6)):
            continue
        for parameter in (p for p in _parameters(model) if p.leaf == number):

            def model_at(value: float, parameter=parameter, leaf=leaf) -> AbstractModel:
                changed = np.array(leaf)
                changed[parameter.index] = value
                return _with_leaf(model, parameter.leaf, changed)

            derivatives = grid_derivative(root, model_at, parameter.name, parameter.value, evaluate)
            for gradient, derivative in zip(gradients, derivatives, strict=True):
                jax.tree.leaves(gradient)[number][parameter.index] = derivative


def _with_leaf(model: AbstractModel, number: int, changed: Any) -> AbstractModel:
    diff, rest = eqx.partition(model, eqx.is_inexact_array)
    leaves, structure = jax.tree.flatten(diff)
    leaves[number] = jnp.asarray(changed)
    return eqx.combine(jax.tree.unflatten(structure, leaves), rest)


def _parameters(model: AbstractModel) -> Iterator[Parameter]:
    """Iterate over the entries of all array fields, by dotted name."""
    fields = jax.tree_util.tree_flatten_with_path(eqx.filter(model, eqx.is_inexact_array))[0]
    for number, (path, leaf) in enumerate(fields):
        dotted = jax.tree_util.keystr(path).lstrip(".")
        for index, value in np.ndenumerate(np.asarray(leaf)):
            suffix = f"[{','.join(map(str, index))}]" if index else ""
            yield Parameter(dotted + suffix, number, index, float(value))


def _dataset(
    solution: Solution, names: list[str], values: np.ndarray, parameters: list[Parameter], derivative, default: bool
) -> "xr.Dataset":
    import xarray as xr

    model = solution.problem.model
    units, functional_units = parameter_units(model), default_units(model) if default else {}
    parameter_values = np.array([p.value for p in parameters])
    with np.errstate(divide="ignore", invalid="ignore"):
        elasticity = np.where(values[:, None] == 0.0, np.nan, derivative * parameter_values / values[:, None])
    fields = ("functional", "parameter")
    return xr.Dataset(
        {"derivative": (fields, derivative), "elasticity": (fields, elasticity, {"units": "1"})},
        {
            "functional": names,
            "parameter": [p.name for p in parameters],
            "value": ("parameter", parameter_values),
            "unit": ("parameter", [_unit(p.name, units) for p in parameters]),
            "functional_value": ("functional", values),
            "functional_unit": ("functional", [functional_units.get(name, "") for name in names]),
        },
        {"model": model.name, MARK: solution_fingerprint(solution)},
    )


def _unit(name: str, units: Mapping[str, str]) -> str:
    field = name.partition("[")[0]
    return "1/penalty" if field.startswith("ambiguity.") else units.get(field, "")
