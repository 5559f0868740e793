from collections.abc import Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from ...models import CarbonModel
from ...models.base import Point
from ...models.equation import noise_size
from ..base import compiled
from ..solution import Policy, Solution, kept_within
from ._regimes import MOST_OUTCOMES, jump_numbers, landing_room, leading_back, members_of, regimes_of, targets_of
from ._simulation_size import check_paths
from ._step import euler_step

MEASURES = ("baseline", "worst-case")


class Paths(eqx.Module):
    """Simulated paths under the optimal policy, at the start of each year.

    **Fields:** `years` (calendar), and with axes (path, year): `states`, `additive`, `controls` (NamedTuples),
    `observables` (by name), `scc` (US$/tCO2, or None), `regime` (0 before any jump; unchanged by a jump between coupled regimes) and
    `outcome` (the index of the member within the regime). `jump_years`: the date of the first jump, by name of the jump (NaN if none
    occurs). `outside`: whether a path ever left the computational box; outside, the policy of the nearest edge is applied.
    `solution`, `measure` (`baseline` or `worst-case`) and `shocks` (whether there are any): what was simulated.

    !!! example

        ```python
        import abatax as ab

        solution = ab.solve(ab.models.LinearQuadratic(), ab.solvers.FiniteDifference(points=21))
        paths = ab.simulate(solution, years=5, num_paths=4)
        assert paths.states.state.shape == (4, 6) and paths.years[0] == 2020
        ```
    """

    years: Int[Array, " year"]
    states: Point
    additive: Point
    controls: Point
    observables: dict[str, Float[Array, "path year"]]
    scc: Float[Array, "path year"] | None
    regime: Int[Array, "path year"]
    outcome: Int[Array, "path year"]
    jump_years: dict[str, Float[Array, " path"]]
    outside: Bool[Array, " path"]
    solution: Solution
    measure: str = eqx.field(static=True)
    shocks: bool = eqx.field(static=True)

    @property
    def in_first(self) -> Bool[np.ndarray, "path year"]:
        """Whether a path is in its initial regime: before a jump to another regime, and after a jump back."""
        outcome = np.asarray(self.outcome)
        return (np.asarray(self.regime) == 0) & (outcome == outcome[:, :1])

    def to_dataset(self):
        """The paths as labelled data with dimensions realization and year (see `abatax.solvers.paths_dataset`)."""
        from ...scenarios.labels import paths_dataset

        return paths_dataset(self)

    def plot(self, names: Sequence[str] | None = None):
        """Draw fans of the paths: median, 17 to 83 % and 5 to 95 % by year.

        **Arguments:** `names`: variables of `to_dataset`; by default the first six.

        **Returns:** the matplotlib axes.

        **Raises:** `ValueError` if no variable is named or one is unknown.

        !!! example

            ```python
            import abatax as ab

            solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), ab.solvers.FiniteDifference(points=41))
            axes = ab.simulate(solution, years=10, num_paths=100).plot(["state"])
            assert len(axes) == 1
            ```
        """
        from ...scenarios.figures import plot_paths

        return plot_paths(self.to_dataset(), names)


class _View(NamedTuple):
    """Policy, dynamics and jumps of a regime at a state."""

    control: Point
    observables: dict[str, Float[Array, ""]]
    scc: Float[Array, ""]
    moved: tuple[Point, Point]  # states and additive states one step later, if no jump occurs
    intensity: Float[Array, " jump"]
    outcomes: Float[Array, "jump outcome"]
    landings: tuple[Point, Point]  # states and additive states after each jump: jump, outcome
    outside: Bool[Array, ""]


class _Walker(NamedTuple):
    states: Point
    additive: Point
    regime: Int[Array, ""]
    outcome: Int[Array, ""]
    jumped: Float[Array, " jump"]
    outside: Bool[Array, ""]


def simulate(
    solution: Solution,
    *,
    years: int = 80,
    num_paths: int = 1000,
    key: PRNGKeyArray | None = None,
    measure: str = "baseline",
    shocks: bool = True,
    steps_per_year: int = 4,
) -> Paths:
    r"""Simulate the economy under the optimal policy by Euler-Maruyama steps, with noise drawn by path and year.

    **Arguments:**

    - `solution`: a solution of any solver.
    - `years`: horizon; the paths have `years + 1` dates.
    - `num_paths`: number of paths; a single path if `shocks` is false.
    - `key`: random key; by default `jax.random.key(0)`. With the same key, a longer horizon continues the same paths, and a larger
      number of paths contains them.
    - `measure`: `baseline` (prior mean of the climate, no distortion) or `worst-case` (the planner's worst-case distortions: drift of
      the shocks, weights on climates, intensities and outcomes of jumps).
    - `shocks`: if false, one path without Brownian shocks and without jumps is simulated.
    - `steps_per_year`: Euler steps per year; controls are constant over a step. A state that adjusts at a rate $\lambda$ (1/yr) needs
      more than $\lambda/2$ steps for stability and about 5$\lambda$ for accuracy.

    **Returns:** [`Paths`][].

    **Raises:** `ValueError` if an argument is out of its range, if the initial state is outside the box, or if the regimes differ in
    states or controls.

    !!! example

        ```python
        import abatax as ab

        solution = ab.solve(ab.HJBProblem(ab.models.LinearQuadratic()), ab.solvers.FiniteDifference(points=41))
        paths = ab.simulate(solution, years=5, shocks=False)
        assert paths.states.state.shape == (1, 6)
        ```
    """
    if measure not in MEASURES:
        raise ValueError(f"`measure` is {measure!r}; use one of {', '.join(MEASURES)}.")
    for name, value in (("years", years), ("num_paths", num_paths), ("steps_per_year", steps_per_year)):
        if value < 1:
            raise ValueError(f"`{name}` is {value}; it must be at least 1.")
    solution.problem.check_constants()
    check_paths(solution.problem, years, num_paths if shocks else 1, steps_per_year)
    solution.problem.check_start()
    key = jr.key(0) if key is None else key
    regimes = regimes_of(solution)
    num_paths = num_paths if shocks else 1
    flags = jnp.array(measure == "worst-case"), jnp.array(shocks)
    member = jnp.asarray(0 if solution.place is None else solution.place)
    # The number of simulated paths is rounded up to whole vectors: vector and scalar instructions may round the last bit differently.
    padded_paths = -(-num_paths // _LANES) * _LANES if shocks else 1
    simulated_paths = _simulate(regimes, member, key, years, padded_paths, *flags, steps_per_year)
    walkers, controls, observables, scc = jax.tree.map(lambda leaf: leaf[:num_paths], simulated_paths)
    _check_steps(solution, walkers.states, steps_per_year)
    start = solution.problem.model.start_year
    return Paths(
        years=start + jnp.arange(years + 1),
        states=walkers.states,
        additive=walkers.additive,
        controls=controls,
        observables=observables,
        scc=scc if isinstance(solution.problem.model, CarbonModel) else None,
        regime=walkers.regime,
        outcome=walkers.outcome,
        jump_years={name: start + walkers.jumped[:, -1, number] for name, number in jump_numbers(regimes).items()},
        outside=walkers.outside[:, -1],
        solution=solution,
        measure=measure,
        shocks=shocks,
    )


# Largest distance of a path from the middle of the box, in widths of the box. Only unstable Euler steps exceed it, not noise.
_RUNAWAY = 100.0


def _check_steps(solution: Solution, states, steps_per_year: int):
    for (low, high), name, path in zip(solution.problem.domain, states._fields, states, strict=True):
        distance = np.abs(np.asarray(path) - 0.5 * (low + high)) / (high - low)
        if not np.all(distance < _RUNAWAY):
            raise ValueError(
                f"`steps_per_year` is {steps_per_year}; `{name}` moves too fast for this step length, and its path diverges."
                f" Try {10 * steps_per_year}."
            )


_LANES = 8  # largest number of double-precision numbers in one vector instruction


@compiled
def _simulate(regimes, member, key, years, num_paths, distorted, noisy, steps_per_year):
    """Simulate all paths, starting from a member of the first regime.

    `distorted` and `noisy` are arrays, so that one compiled program serves every kind of simulation.
    """
    dt = 1.0 / steps_per_year
    numbers = jump_numbers(regimes)
    num_jumps = len(numbers)
    targets, widths = targets_of(regimes, numbers)
    root = regimes[0].policy.problem.model
    room, members, recurrent = landing_room(regimes), members_of(regimes, numbers), leading_back(regimes, numbers)
    recurrent = None if recurrent is None else jnp.asarray(recurrent)
    single = jax.tree.map(lambda leaf: leaf[member] if eqx.is_array(leaf) else leaf, root)
    start = _Walker(
        states=single.initial_state(),
        additive=single.initial_additive(),
        regime=jnp.array(0),
        outcome=member,
        jumped=jnp.full(num_jumps, jnp.nan),
        outside=jnp.array(False),
    )

    def view_at(walker, t, dw) -> _View:
        """The view of the current regime and outcome at the current state."""
        views = []
        for regime in regimes:
            outcome = jnp.clip(walker.outcome, 0, regime.size - 1)
            policy = jax.tree.map(
                lambda leaf, outcome=outcome: leaf[outcome] if eqx.is_array(leaf) else leaf, regime.policy
            )
            views.append(_view(policy, walker, t, dt, dw, distorted, numbers, room))
        chosen = views[0]
        for number, view in enumerate(views[1:], 1):
            is_current = walker.regime == number
            chosen = jax.tree.map(lambda new, old, is_current=is_current: jnp.where(is_current, new, old), view, chosen)
        return chosen

    def step(walker, noise):
        t, dw, (u_event, u_which, u_outcome) = noise
        view = view_at(walker, t, dw)
        record = walker, view.control, view.observables, view.scc
        states, additive = view.moved
        new = walker._replace(states=states, additive=additive, outside=walker.outside | view.outside)
        if not num_jumps:
            return new, record
        total = jnp.sum(view.intensity)
        happens = noisy & (
            u_event < _chance(view.intensity, dt, None if recurrent is None else recurrent[walker.regime])
        )
        share = jnp.cumsum(view.intensity) / jnp.where(total > 0, total, 1.0)
        which = jnp.clip(jnp.sum(u_which > share), 0, num_jumps - 1)
        width = widths[walker.regime, which]
        outcome = jnp.minimum(jnp.sum(u_outcome > jnp.cumsum(view.outcomes[which])), width - 1)
        first = jnp.isnan(walker.jumped[which])
        landed, landed_additive = jax.tree.map(lambda z: z[which, jnp.minimum(outcome, room - 1)], view.landings)
        row = walker.outcome * width + outcome
        after = new._replace(
            states=landed,
            additive=landed_additive,
            regime=targets[walker.regime, which],
            outcome=row if members is None else members[walker.regime, which, row],
            jumped=walker.jumped.at[which].set(jnp.where(first, t + dt, walker.jumped[which])),
        )
        return jax.tree.map(lambda a, b: jnp.where(happens, a, b), after, new), record

    def one_path(path):
        path_key = jr.fold_in(key, path)

        def year(walker, date):
            # noise is drawn by path and year, so that a longer horizon or more paths do not change the first ones
            noise_key, event_key = jr.split(jr.fold_in(path_key, date))
            dw = jnp.where(noisy, jnp.sqrt(dt), 0.0) * jr.normal(noise_key, (steps_per_year, noise_size(single)))
            draws = jr.uniform(event_key, (3, steps_per_year))
            ts = dt * (steps_per_year * date + jnp.arange(steps_per_year)).astype(jnp.float64)
            walker, record = jax.lax.scan(step, walker, (ts, dw, tuple(draws)))
            return walker, jax.tree.map(lambda leaf: leaf[0], record)

        # the year after the horizon is simulated too, because its first date is the last reported date
        return jax.lax.scan(year, start, jnp.arange(years + 1))[1]

    return jax.vmap(one_path)(jnp.arange(num_paths))


def _chance(intensity: Float[Array, " jump"], dt: float, back: Bool[Array, " jump"] | None) -> Float[Array, ""]:
    """Probability of a jump in a step, at most one. For recurrent jumps it is the mean number of jumps in the step."""
    if back is None:
        return -jnp.expm1(-jnp.sum(intensity) * dt)
    single_rate, recurrent_rate = jnp.sum(jnp.where(back, 0.0, intensity)), jnp.sum(jnp.where(back, intensity, 0.0))
    return jnp.minimum(recurrent_rate * dt - jnp.expm1(-single_rate * dt), 1.0)


def _view(policy: Policy, walker: _Walker, t, dt, dw, distorted, numbers: dict[str, int], room: int) -> _View:
    """Control, dynamics and jumps of one regime at the state of a path."""
    problem, model, x = policy.problem, policy.problem.model, walker.states
    evaluation = policy.at(t, x, walker.additive, dt)
    inside, u, worst = evaluation.state, evaluation.controls, evaluation.worst_case
    weights = jnp.where(distorted, worst.climate, model.ensemble.weights)

    def drifts(climate):
        return model.drift(t, x, u, climate), model.additive_drift(t, x, u, climate)

    loadings = model.diffusion(t, x, u), model.additive_diffusion(t, x, u)
    shocks = jnp.where(distorted, worst.shocks, 0.0)
    mean = jax.tree.map(lambda d: weights @ d, jax.vmap(drifts)(model.climates))
    before = walker.states, walker.additive
    moved = euler_step(before, mean, loadings, shocks, dt, dw)
    # the control keeps the mean of a step within the bounds; the noise is truncated there
    moved = kept_within(problem, moved[0]), moved[1]
    intensity = jnp.zeros(len(numbers))
    outcomes = jnp.zeros((len(numbers), MOST_OUTCOMES))

    def in_room(z):
        """One state after a jump by outcome, padded to the largest number of outcomes."""
        z = jnp.asarray(z)
        return jnp.broadcast_to(z, (room,)) if z.ndim == 0 else jnp.pad(z, (0, room - z.shape[0]))

    landings = [jax.tree.map(in_room, moved)] * len(numbers)
    for j, jump in enumerate(model.jumps()):
        number = numbers[jump.name]
        mass = jump.probabilities * jnp.where(distorted, worst.jumps[j], 1.0)
        intensity = intensity.at[number].set(jump.intensity(t, inside, u) * jnp.sum(mass))
        outcomes = outcomes.at[number, : mass.shape[0]].set(mass / jnp.sum(mass))
        additive = moved[1]
        if jump.land_additive is not None:
            additive = jax.tree.map(jnp.add, additive, jump.land_additive(moved[0]))
        landings[number] = jax.tree.map(in_room, (jump.land(moved[0]), additive))
    outside = [(z < low) | (z > high) for z, (low, high) in zip(x, problem.domain, strict=True)]
    return _View(
        control=u,
        observables=model.observables(t, x, u, walker.additive),
        scc=jnp.zeros(()) if evaluation.social_cost_of_carbon is None else evaluation.social_cost_of_carbon,
        moved=moved,
        intensity=intensity,
        outcomes=outcomes,
        landings=jax.tree.map(lambda *z: jnp.stack(z), *landings) if landings else moved,
        outside=jnp.any(jnp.stack(outside)),
    )
