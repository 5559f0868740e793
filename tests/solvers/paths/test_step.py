import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from abatax.solvers.paths import euler_step


def test_geometric_brownian_motion_has_strong_order_one_half_in_the_step():
    # exact solution x_0 exp((mu - sigma^2 / 2) T + sigma W_T); Kloeden and Platen 1992, doi:10.1007/978-3-662-12616-5, section 10.2
    mu, sigma, paths, finest = 0.1, 0.6, 4000, 256
    increments = jr.normal(jr.key(0), (paths, finest)) / np.sqrt(finest)
    exact = np.exp((mu - 0.5 * sigma**2) + sigma * np.sum(np.asarray(increments), axis=1))

    def error(steps):
        dw = jnp.sum(increments.reshape(paths, steps, -1), axis=2)

        def step(x, w):
            return euler_step(x, mu * x, (sigma * x)[None], jnp.zeros(1), 1.0 / steps, w[None]), None

        end = jax.jit(jax.vmap(lambda w: jax.lax.scan(step, jnp.ones(()), w)[0]))(dw)
        return np.mean(np.abs(np.asarray(end) - exact))

    errors = [error(steps) for steps in (16, 64, 256)]
    orders = np.log(np.divide(errors[:-1], errors[1:])) / np.log(4.0)
    np.testing.assert_allclose(orders, 0.5, atol=0.12)


def test_a_distortion_adds_its_drift_to_the_shocks():
    state, drift, loadings = jnp.array(1.0), jnp.array(0.2), jnp.array([0.3, -0.1])
    distorted = euler_step(state, drift, loadings, jnp.array([1.0, 2.0]), 0.5, jnp.zeros(2))
    np.testing.assert_allclose(distorted, 1.0 + (0.2 + 0.3 - 0.2) * 0.5, rtol=1e-14)
