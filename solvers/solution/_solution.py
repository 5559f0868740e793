import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ...models import HJBProblem, WorstCase
from ...models.base import Point, Scalar
from ...models.exact import breakdown_advice
from ..base import RESULTS, compiled, result_advice, result_name
from ._evaluation import Evaluation, evaluate, fields_at
from ._interpolation import TensorSpline, splines_through
from ._policy import MAXIMISER, AbstractRule, Value


class Continuation(eqx.Module):
    """The value functions after a jump, one per outcome (leaves stacked over the outcomes)."""

    value: Callable[[Scalar, Point], Scalar]

    def __call__(self, t: Scalar, x: Point) -> Float[Array, " outcome"]:
        if not any(jnp.ndim(z) for z in x):
            return eqx.filter_vmap(lambda v: v(t, x))(self.value)
        landed = type(x)(*jnp.broadcast_arrays(*x))  # outcomes land at different states
        return eqx.filter_vmap(lambda v, z: v(t, z))(self.value, landed)


class Policy(eqx.Module):
    """The control and the worst case at a state, as a callable of time and state.

    States outside the computational box are first moved to its edge, because the equation was not solved beyond it. At a bound of a
    state the drift does not point outward (`abatax.models.StateConstraint`).

    **Arguments:**

    - `problem`, `value`: the problem and the value function of a solution.
    - `rule`: the rule by which the control is chosen, a trained network or by default the maximiser of the Hamiltonian.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21))
        policy = ab.solvers.Policy(solution.problem, solution.value)
        control = policy(jnp.zeros(()), solution.problem.model.initial_state())
        assert abs(float(control.control) + 1.0253) < 1e-3
        ```
    """

    problem: HJBProblem
    value: Value
    rule: AbstractRule = MAXIMISER

    def __call__(self, t: Scalar | float, x: Point) -> Point:
        return self.saddle(t, x)[0]

    def worst_case(self, t: Scalar | float, x: Point) -> WorstCase:
        """The distortions under which the policy is evaluated."""
        return self.saddle(t, x)[1]

    def saddle(self, t: Scalar | float, x: Point) -> tuple[Point, WorstCase]:
        """The control and the worst case together."""
        return _saddle(self, *_strong((t, x)))

    def inside(self, x: Point) -> Point:
        """The nearest state of the computational box."""
        return type(x)(*(jnp.clip(z, *bounds) for z, bounds in zip(x, self.problem.domain, strict=True)))

    def at(self, t: Scalar, x: Point, additive: Point | None = None, step: float | None = None) -> Evaluation:
        """The evaluation at the nearest state of the box, with the control held constant for `step` years; it is not compiled."""
        inside = self.inside(x)
        return evaluate(self.problem, self.value, t, inside, rule=self.rule, additive=additive, step=step)

    def social_cost_of_carbon(self, t: Scalar | float, x: Point, additive: Point) -> Scalar:
        """US$ per tonne of CO2, by the general definition (`HJBProblem.social_cost_of_carbon`).

        **Raises:** `ValueError` if the model has no carbon.
        """
        price = _at(self, *_strong((t, x, additive))).social_cost_of_carbon
        if price is None:
            raise ValueError(
                f"`{self.problem.model.name}` has no carbon: it is no `CarbonModel`, and emissions have no social cost."
            )
        return price


def _strong(point: Any) -> Any:
    """Python numbers as arrays of one type, so that the program is not compiled again if the time is given as 0.0."""
    return jax.tree.map(lambda z: jnp.asarray(z, dtype=jnp.result_type(float)), point)


# These functions are compiled, because the evaluation of one state without compilation takes half a second.


@compiled
def _saddle(policy: Policy, t: Scalar, x: Point) -> tuple[Point, WorstCase]:
    evaluation = policy.at(t, x)
    return evaluation.controls, evaluation.worst_case


@compiled
def _at(policy: Policy, t: Scalar, x: Point, additive: Point | None) -> Evaluation:
    return policy.at(t, x, additive)


GreedyPolicy = Policy  # earlier name, from when every policy was the maximiser


class Return(eqx.Module):
    """The entry of `Solution.destinations` for a jump that leads back.

    **Fields:** `members`: the regime after each outcome, as an index into `Solution.coupled` (or, within that, into the family).

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        # each of two outcomes leads back to the first of the coupled regimes
        back = ab.solvers.Return(members=jnp.array([0, 0]))
        assert back.members.shape == (2,)
        ```
    """

    members: Int[Array, "*family outcome"]


class Solution(eqx.Module):
    """The solution of a problem: value function, policy, result code, statistics, and the solutions after each jump.

    **Fields:**

    - `problem`: the problem with known continuations.
    - `value`: the value function, a twice differentiable callable of time and state.
    - `nodes`: for each state the nodes of a grid that resolves the solution, for datasets and figures.
    - `result`: a code of `RESULTS`; its text gives advice.
    - `stats`: steps, unknowns, seconds, seconds of compilation.
    - `destinations`: for each jump the solution after it, leaves stacked over the outcomes (`member` takes one); a [`Return`][]
      for a jump that leads back.
    - `rule`: the rule by which the control is chosen: the maximiser of the Hamiltonian, or a policy network trained by the solver.
    - `coupled`: if a jump leads back, the solution of all regimes that lead to each other, as one family with stacked leaves;
      otherwise None. `place` is the index of this solution in that family.
    - `family`: the sizes of the leading axes of all array leaves: empty for one solution, (family,) or (family, outcome) for stacked
      ones.

    !!! example

        ```python
        import abatax as ab

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21))
        assert solution.converged and solution.later == ()
        assert set(solution.to_dataset().data_vars) >= {"value", "control", "residual"}
        ```
    """

    problem: HJBProblem
    value: Value
    nodes: tuple[np.ndarray, ...]
    result: RESULTS
    stats: dict[str, Any]
    destinations: tuple["After", ...] = ()
    coupled: "Solution | None" = None
    place: Int[Array, "*family"] | None = None
    rule: AbstractRule = MAXIMISER
    family: tuple[int, ...] = eqx.field(static=True, default=())

    @property
    def policy(self) -> Policy:
        """The control and the worst case, as a callable of time and state."""
        return Policy(self.problem, self.value, self.rule)

    def at(self, t: Scalar | float, x: Point, additive: Point | None = None) -> Evaluation:
        """Value, slopes, bends, controls, worst case, social cost of carbon and residual at a state, in one record.

        **Arguments:** `t`: years since the start (without effect in stationary problems). `x`: the state; a state outside the
        computational box is moved to its edge. `additive`: the additive states for the social cost; the initial ones by default.

        **Returns:** [`Evaluation`][].

        !!! example

            ```python
            import abatax as ab

            model = ab.models.LinearQuadratic()
            solution = ab.solve(ab.HJBProblem(model), ab.solvers.FiniteDifference(points=41))
            here = solution.at(0.0, model.initial_state())
            assert abs(here.slopes.state + 1.025312 * model.initial_state().state) < 1e-5
            ```
        """
        start = _strong((t, x, additive))
        return _at(self.policy, *start)

    def on(self, points: Float[Array, "point state"], *, stacked: bool = False) -> dict[str, np.ndarray]:
        """The evaluation at many states, one per row, as arrays by name (see [`fields_at`][])."""
        return fields_at(self.problem, self.value, points, stacked=stacked, rule=self.rule)

    @property
    def converged(self) -> bool:
        """Whether every regime converged."""
        this_converged = result_name(self.result) == "successful"
        return this_converged and all(d.converged for d in self.later)

    @property
    def later(self) -> tuple["Solution", ...]:
        """The solutions after the jumps that do not lead back."""
        return tuple(d for d in self.destinations if isinstance(d, Solution))

    @property
    def advice(self) -> str:
        """Advice for the first regime that did not converge."""
        for part in (*self.later, self):
            if result_name(part.result) != "successful":
                if part is not self:
                    return " ".join(filter(None, (part.advice, breakdown_advice(self.problem.model))))
                # the advice for the face, closed by the solver, on which the solution depends
                face_advice = (
                    self.stats.get("faces", {}).get("advice") if result_name(self.result) == "open_face" else None
                )
                regime_advice = face_advice or result_advice(self.result)
                return " ".join(filter(None, (regime_advice, breakdown_advice(self.problem.model))))
        return result_advice(self.result)

    def member(self, index: int) -> "Solution":
        """One outcome of a stacked solution."""

        def take(tree):
            return on_host(lambda leaf: leaf[index], tree)

        return dataclasses.replace(
            self,
            problem=take(self.problem),
            value=take(self.value),
            rule=take(self.rule),
            destinations=tuple(d.member(index) if isinstance(d, Solution) else take(d) for d in self.destinations),
            place=None if self.place is None else self.place[index],
            family=self.family[1:],
        )

    def on_nodes_of(self, other: "Solution") -> "Solution":
        """The solution with its splines and those of all destinations resampled on the nodes of another solution.

        Value functions that are not splines, such as closed forms, are unchanged.
        """
        lifted = reshape_family(self, (1,), 0)
        return _resample(lifted, reshape_family(other, (1,), 0), 1).member(0)

    def to_dataset(self, nodes: tuple[np.ndarray, ...] | None = None):
        """A labelled dataset of value, controls, social cost of carbon and residual on a grid (see `abatax.solvers.grid_dataset`)."""
        from ...scenarios.labels import grid_dataset

        return grid_dataset(self, nodes)

    def plot(self, state: str | None = None, *, at: dict[str, float] | None = None, neutral: "Solution | None" = None):
        """Draw controls, social cost of carbon and value along one state.

        **Arguments:** `state`: the state on the horizontal axis; by default the first. `at`: values of the others; by default the
        middle of their regions. `neutral`: a second solution, drawn dashed, for example without ambiguity aversion.

        **Returns:** the matplotlib axes.

        **Raises:** `ValueError` if there is no such state.

        !!! example

            ```python
            import abatax as ab

            solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), ab.solvers.FiniteDifference(points=41))
            axes = solution.plot("state")
            assert axes[0].get_xlabel()
            ```
        """
        from ...scenarios.figures import plot_solution

        other = None if neutral is None else neutral.to_dataset()
        return plot_solution(self.to_dataset(), other, state=state, at=at)


After: TypeAlias = Solution | Return  # an entry of `Solution.destinations`


def on_host(change: Callable[[np.ndarray], np.ndarray], tree: Any) -> Any:
    """Apply `change` to every array leaf in NumPy, which avoids compilation for every new shape."""
    return jax.tree.map(lambda leaf: jnp.asarray(change(np.asarray(leaf))) if eqx.is_array(leaf) else leaf, tree)


def reshape_leading(tree: Any, shape: tuple[int, ...], leading: int) -> Any:
    """Replace the first `leading` axes of every array leaf by `shape`.

    **Arguments:**

    - `tree`: a tree with array leaves, such as a problem or a value function.
    - `shape`: the new leading axes.
    - `leading`: number of leading axes that are replaced.

    **Returns:** the tree with reshaped leaves.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        assert ab.solvers.reshape_leading(jnp.zeros((6, 4)), (2, 3), 1).shape == (2, 3, 4)
        ```
    """
    return on_host(lambda leaf: leaf.reshape(shape + leaf.shape[leading:]), tree)


def reshape_family(solution: Any, shape: tuple[int, ...], leading: int) -> Any:
    """Reshape the family axes of all arrays in a solution or a [`Return`][]."""
    if isinstance(solution, Return):
        return reshape_leading(solution, shape, leading)
    return dataclasses.replace(
        solution,
        problem=reshape_leading(solution.problem, shape, leading),
        value=reshape_leading(solution.value, shape, leading),
        rule=reshape_leading(solution.rule, shape, leading),
        destinations=tuple(reshape_family(d, shape, leading) for d in solution.destinations),
        place=None if solution.place is None else reshape_leading(solution.place, shape, leading),
        family=(*shape, *solution.family[leading:]),
    )


def on_tensor_grid(
    splines: Any, nodes: tuple[np.ndarray, ...], size: int, *, linear: bool = False
) -> Float[np.ndarray, "family ..."]:
    """`TensorSpline.resample` for a family of `size` members with stacked leaves."""
    members = (on_host(lambda leaf, n=n: leaf[n], splines) for n in range(size))
    return np.stack([spline.resample(nodes, linear=linear) for spline in members])


def _resample(part: Solution, like: Solution, size: int) -> Solution:
    """`on_nodes_of` for a family of `size` members."""
    from ._coupled import filled, part_of, unfilled

    if part.coupled is not None and part.place is not None and like.coupled is not None:
        whole = _resample(part.coupled, like.coupled, *part.coupled.family)
        return part_of(whole, part.problem, part.place, part.destinations)
    destinations = []
    for destination, other in zip(part.destinations, like.destinations, strict=True):
        if isinstance(destination, Return) or isinstance(other, Return):
            destinations.append(destination)
            continue
        (_, outcomes) = destination.family
        joined = (size * outcomes,)
        flat = _resample(reshape_family(destination, joined, 2), reshape_family(other, joined, 2), size * outcomes)
        destinations.append(reshape_family(flat, (size, outcomes), 1))
    problem = part.problem.replace(continuations=tuple(unfilled(d) for d in destinations))
    if not isinstance(part.value, TensorSpline):  # a closed form is the same on every grid
        return dataclasses.replace(part, problem=filled(problem, part.value), destinations=tuple(destinations))
    values = on_tensor_grid(part.value, like.nodes, size)
    value = splines_through(problem, like.nodes, values)
    return dataclasses.replace(
        part,
        problem=filled(problem, value),
        value=value,
        nodes=like.nodes,
        destinations=tuple(destinations),
    )
