"""Options of a network: how they reach a solver, and what is refused."""

import jax
import numpy as np
import pytest

import abatax as ab
from abatax.neural_operators import NetworkOptions, make_network
from abatax.solvers import make_solver, solver_options


def test_the_scale_multiplies_matrices_and_no_biases(getkey):
    key = getkey()
    plain = make_network("mlp", 2, parameters=41, depth=1, key=key)
    scaled = NetworkOptions(depth=1, initial_scale=2.0).make("mlp", 2, parameters=41, key=key)
    for layer, double in zip(plain.layers, scaled.layers, strict=True):
        np.testing.assert_allclose(double.weight, 2.0 * layer.weight, rtol=1e-15)
        np.testing.assert_array_equal(double.bias, layer.bias)


def test_a_width_decides_the_number_of_parameters(getkey):
    wide = NetworkOptions(width=7).make("mlp", 2, parameters=10_000, key=getkey())
    assert ab.neural_operators.count_parameters(wide) < 500


def test_options_of_the_command_line_and_of_a_file_make_the_same_solver():
    typed = make_solver("gauss_newton", {"architecture": "mlp", "network.depth": "2", "network.activation": "silu"})
    table = make_solver("gauss_newton", {"architecture": "mlp", "network": {"depth": 2, "activation": "silu"}})
    assert typed == table and typed.network.to_dict() == {"activation": "silu", "depth": 2}
    # what run.json records makes it again
    assert make_solver("gauss_newton", solver_options(typed)) == typed
    assert "network" not in solver_options(ab.solvers.GaussNewton())


@pytest.mark.parametrize(
    ("solver", "options", "message"),
    [
        ("gauss_newton", {"network.depht": "2"}, "did you mean `depth`"),
        ("gauss_newton", {"network.depth": "two"}, "must be a whole number"),
        ("gauss_newton", {"network.depth": "1.5"}, "must be a whole number"),
        ("gauss_newton", {"network": {"depth": [1]}}, "must be like its default"),
        ("gauss_newton", {"network": "deep"}, "set its options"),
        ("finite_difference", {"network.depth": "2"}, "trains no network"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(solver, options, message):
    with pytest.raises(ValueError, match=message) as caught:
        make_solver(solver, options)
    assert "\n" not in str(caught.value)


def test_a_solver_trains_the_network_that_it_was_given():
    model = ab.models.LinearQuadratic()
    solver = ab.solvers.GaussNewton(
        architecture="mlp", parameters=60, network=NetworkOptions(depth=1), steps=1, coarse=0
    )
    solution = ab.solve(ab.HJBProblem(model), solver, throw=False)
    matrices = [leaf for leaf in jax.tree.leaves(solution.value.network) if getattr(leaf, "ndim", 0) == 2]
    assert len(matrices) == 2  # one hidden layer and the last
