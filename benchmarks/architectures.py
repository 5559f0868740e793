"""Every architecture fitted to one smooth function: parameters, error, steps.

Why: an architecture is judged at an equal number of parameters and with an optimiser that does its initialisation justice.
Fits are nonlinear least squares (trust region with the exact Jacobian, as Levenberg and Marquardt) on 256 points of [-1, 1]^2;
errors are relative, root mean square, on 512 other points. Concave and monotone networks fit a function of their kind. Usage:

    python benchmarks/architectures.py [--parameters 200] [--steps 40] [--seeds 5]
"""

import argparse
import time

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.optimize import least_squares
from scipy.stats import qmc

import abatax as ab

no = ab.neural_operators


def smooth(x):
    return jnp.sin(2.0 * x[0]) * jnp.exp(x[1])


def concave(x):
    return -jnp.exp(x[0] - 0.5 * x[1]) - x[1] ** 2


def monotone(x):
    return jnp.tanh(2.0 * x[0]) + jnp.exp(x[1]) + 0.3 * x[0] * (1.0 + x[1])


TARGETS = {"concave": concave, "monotone": monotone}
# Networks with the options that change what they are; the first of a name are its defaults.
CASES = [
    *((name, {}) for name in no.ARCHITECTURES),
    *(("mlp", {"activation": name}) for name in ("silu", "gelu", "sine", "swish_softplus")),
    ("dgm", {"activation": "silu"}),
    ("glu", {"gate": "geglu"}),
    ("kan", {"edges": "spline", "size": 5}),
    ("film", {"condition": 1}),
]


def points(count, seed):
    return jnp.asarray(2.0 * qmc.Sobol(2, rng=seed).random(count) - 1.0)


def fit(name, options, parameters=200, steps=40, seed=0):
    """The relative error of the fit, the number of parameters, and the standard deviation of the network before it."""
    target = TARGETS.get(name, smooth)
    net = no.make_network(name, 2, parameters=parameters, key=jr.key(seed), **options)
    trained, rest = eqx.partition(net, no.trainable(net))
    start, unravel = ravel_pytree(trained)
    seen, fresh = points(256, 0), points(512, 1)
    wanted, checked = jax.vmap(target)(seen), jax.vmap(target)(fresh)

    @jax.jit
    def evaluate(unknowns):
        def at(x):
            return jax.value_and_grad(lambda v: eqx.combine(unravel(v), rest)(x))(unknowns)

        return jax.vmap(at)(seen)

    held = {}

    def both(v):
        if held.get("at") != v.tobytes():
            held.update(at=v.tobytes(), values=evaluate(jnp.asarray(v)))
        return held["values"]

    result = least_squares(
        lambda v: np.asarray(both(v)[0] - wanted),
        np.asarray(start),
        lambda v: np.asarray(both(v)[1]),
        max_nfev=steps,
        **dict.fromkeys(("ftol", "xtol", "gtol"), 1e-15),  # all steps, unless nothing moves
    )
    values = jax.jit(jax.vmap(eqx.combine(unravel(jnp.asarray(result.x)), rest)))(fresh)
    error = jnp.sqrt(jnp.mean((values - checked) ** 2) / jnp.mean(checked**2))
    return float(error), start.size, float(jnp.std(evaluate(start)[0]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parameters", type=int, default=200)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    print(f"{jax.devices()[0].platform}, {asked.steps} steps, {asked.seeds} seeds\n")
    print(
        "| architecture | options | parameters at defaults | parameters here | error: median | worst | spread before | CPU s per fit |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, options in CASES:
        usual = no.count_parameters(no.make_network(name, 2, key=jr.key(0), **options))
        begun = time.process_time()
        fits = [fit(name, options, asked.parameters, asked.steps, seed) for seed in range(asked.seeds)]
        seconds = (time.process_time() - begun) / asked.seeds
        errors = [error for error, _, _ in fits]
        shown = ", ".join(f"{k}={v}" for k, v in options.items())
        print(
            f"| `{name}` | {shown} | {usual} | {fits[0][1]} | {np.median(errors):.1e} | {max(errors):.1e}"
            f" | {np.median([s for _, _, s in fits]):.2f} | {seconds:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
