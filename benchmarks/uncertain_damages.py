"""The uncertain-damage model against its published grid limit: errors, and the time for all 21 problems.

Why: the published figures are first order in the grid; this prints how far the package is from their limit, how its own error
falls with the grid, and what it costs. Usage:

    python benchmarks/uncertain_damages.py [--ensemble FILE.csv]

The limits were computed with the 144 climate sensitivities of the authors (Barnett, Brock and Hansen 2021,
doi:10.1086/718668); without that file the package's own discretisation of their distribution is used, and differs by it.
"""

import argparse
import time

import jax.numpy as jnp
import numpy as np

import abatax as ab
from abatax.solvers import fields_at

# grid limit for penalties 1 (shocks, jumps) and 0.01 (climate), pre-jump: temperature, phi, emissions in GtC/yr
TEMPERATURE = [0.0, 0.5, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2.0]
VALUE = [4.0672, 3.2038, 2.1211, 1.8577, 1.5709, 1.2549, 0.9025, 0.5032, 0.1216, -0.2250, -0.3438]
EMISSIONS = [8.9661, 6.8490, 4.8838, 4.4980, 4.1123, 3.7257, 3.3371, 2.9455, 4.1458, 8.9398, 12.1430]
POST_JUMP = {0: 4.2138, 4: 0.8718, 9: -0.2333, 14: -0.8666, 19: -1.3137}
PENALTIES = [(np.inf, np.inf), (5.0, 0.01), (1.0, 0.01), (0.3, 0.01), (1.0, 0.02), (1.0, 0.005), (1.0, 0.0025)]


def make(ensemble, shocks, climate):
    settings = {"ambiguity.shocks": shocks, "ambiguity.jumps": shocks, "ambiguity.climate": climate}
    return ab.models.configure("uncertain_damages", settings | {"climate.ensemble": ensemble})


def timed(model, points):
    """Solve twice: the first compiles."""
    for _ in range(2):
        wall, cpu = time.perf_counter(), time.process_time()
        solution = ab.solve(ab.HJBProblem(model), ab.solvers.FiniteDifference(points=points))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return solution, wall, cpu


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ensemble", default="published")
    ensemble = parser.parse_args().ensemble
    model = make(ensemble, 1.0, 0.01)
    at = jnp.asarray(TEMPERATURE)[:, None]
    t = jnp.zeros(())
    print("All 21 problems, after compilation; errors against the published limit, relative, temperature <= 1.5")
    print(
        f"{'points':>7} {'seconds':>8} {'CPU s':>6} {'phi':>9} {'emissions':>9} {'phi_m(2), absolute':>19} {'SCC $/tC':>9}"
    )
    for points in (81, 161, 321):
        solution, wall, cpu = timed(model, points)
        fields = {k: np.asarray(v) for k, v in fields_at(solution.problem, solution.value, at).items()}
        below = np.array(TEMPERATURE) <= 1.5
        value = np.max(np.abs(fields["value"] / VALUE - 1.0)[below])
        emissions = np.max(np.abs(fields["emissions"] / EMISSIONS - 1.0)[below])
        after = np.asarray(solution.problem.after(t, solution.problem.state(at[3]))[0])
        post = max(abs(after[m] - v) for m, v in POST_JUMP.items())
        scc = fields["scc"][3] * 44.0 / 12.0
        print(f"{points:>7} {wall:>8.2f} {cpu:>6.2f} {value:>9.1e} {emissions:>9.1e} {post:>19.1e} {scc:>9.2f}")
    x = solution.problem.state(jnp.array([1.1]))
    worst = solution.policy.worst_case(t, x)
    tilted = float(worst.climate @ model.ensemble.values)
    onset = solution.policy.worst_case(t, solution.problem.state(jnp.array([1.5])))
    print(f"distorted mean sensitivity at 1.1 degC: {1e3 * tilted:.4f} (published 2.1117) degC per 1000 GtC")
    print(f"distortion of the temperature shock at 1.1 degC: {float(worst.shocks[1]):.5f} (published 0.03245)")
    print(
        f"factor on the jump intensity at 1.5 degC: {float(onset.jumps[0] @ model.damage_jump.prior):.4f} (published 2.5639)"
    )
    paths = ab.simulate(solution, years=50, shocks=False)
    scc = np.asarray(paths.scc[0])[[0, 25, 50]] * 44.0 / 12.0
    print(f"SCC on the path without shocks, years 0, 25, 50: {scc.round(1)} (published 135.5, 267.1, 527.1) $/tC")
    print("\nEvery penalty, same command:   shocks = jumps, climate | steps | phi(1.1) | e(1.1) GtC/yr | SCC(1.1) $/tC")
    for shocks, climate in PENALTIES:
        solution = ab.solve(ab.HJBProblem(make(ensemble, shocks, climate)))
        fields = fields_at(solution.problem, solution.value, at[3:4])
        row = [float(fields[k][0]) for k in ("value", "emissions", "scc")]
        steps = solution.stats["steps"], solution.destinations[0].stats["steps"]
        print(f"{shocks:>6} {climate:>7} {steps!s:>9} {row[0]:>9.5f} {row[1]:>9.5f} {row[2] * 44 / 12:>9.2f}")


if __name__ == "__main__":
    main()
