"""linear_quadratic against its Riccati solution, and from random guesses: which root is found?

Why: the stationary equation has several smooth solutions with residual zero; only one is the value function. Usage:

    python benchmarks/linear_quadratic.py
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

import abatax as ab
from abatax.validation import quantities, region_points, relative_errors, riccati


class RandomGuess(eqx.Module):
    """A random polynomial plus a wave, of either sign."""

    weights: jnp.ndarray

    def __call__(self, t, x):
        z = x[0]
        w = self.weights
        return w[0] + w[1] * z + w[2] * z**2 + w[3] * z**3 + w[4] * jnp.sin(w[5] * z)


def main():
    print("dimension  penalty   error of V (max)  error of controls (max)  seconds  steps")
    for dimension, points in ((1, 41), (2, 21), (3, 13)):
        for penalty in (float("inf"), 0.3):
            ambiguity = ab.models.Ambiguity.from_penalties(shocks=penalty)
            model = ab.models.LinearQuadratic(dimension=dimension, ambiguity=ambiguity)
            problem = ab.HJBProblem(model)
            solver = ab.solvers.FiniteDifference(points=points, levels=2)
            ab.solve(problem, solver)
            solution = ab.solve(problem, solver)
            at = region_points(problem)
            errors = relative_errors(quantities(problem, solution.value, at), quantities(problem, riccati(model), at))
            control = max(e[1] for name, e in errors.items() if name.startswith("control"))
            stats = solution.stats
            print(
                f"{dimension:>9} {penalty:>8} {errors['value'][1]:>18.1e} {control:>24.1e}"
                f" {stats['seconds']:>8.2f} {stats['steps']:>6}"
            )
    model = ab.models.LinearQuadratic()
    problem, exact = ab.HJBProblem(model), float(riccati(model).matrix[0, 0])
    generator, roots = np.random.default_rng(0), []
    solver = ab.solvers.FiniteDifference(points=41)
    for _ in range(20):
        guess = RandomGuess(jnp.asarray(generator.normal(size=6) * np.array([10, 5, 5, 1, 5, 3])))
        solution = ab.solve(problem, solver, guess=guess, throw=False)
        u = solution.policy(jnp.zeros(()), problem.state(jnp.array([1.0])))
        roots.append((-float(u.control), solution.converged))
    good = sum(converged and abs(root - exact) < 1e-8 for root, converged in roots)
    print(f"stabilising root {exact:.6f}: found from {good} of {len(roots)} random guesses")


if __name__ == "__main__":
    main()
