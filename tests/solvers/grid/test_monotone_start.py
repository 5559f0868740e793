"""The coarse start of networks: where it puts its nodes, and what it must not lead to."""

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import pytest

import abatax as ab
from abatax.solvers.grid import bends_of, bent_start, finer, monotone_start


def test_only_states_along_which_the_value_bends_are_seen_to_bend():
    x, y = np.array([0.0, 0.1, 0.5, 1.0]), np.linspace(-1.0, 1.0, 5)
    values = (x[:, None] ** 2 + 3.0 * y)[None]
    bend = bends_of((x, y), values)
    # (b - a)(c - b) is the distance of x^2 from the chord of a and c
    assert bend[0] == pytest.approx(np.sqrt(np.mean(np.square([0.1 * 0.4, 0.4 * 0.5]))))
    assert bend[1] == pytest.approx(0.0, abs=1e-15)


def test_nodes_go_where_the_value_bends_until_there_are_enough():
    assert finer((5, 5), np.array([1.0, 0.1]), 100) == (17, 5)
    assert finer((5, 5), np.array([1.0, 0.3]), 100) == (9, 9)
    assert finer((5, 5), np.array([1.0, 1.0]), 40) == (5, 5)


def test_few_states_are_given_the_same_nodes_along_each():
    problem = ab.HJBProblem(ab.models.LinearQuadratic(dimension=2))
    assert bent_start(problem, 1, jr.key(0)) == monotone_start(problem)


def test_four_states_are_given_more_nodes_than_seven_along_each():
    problem = ab.HJBProblem(ab.models.LinearQuadratic(dimension=4))
    family = jax.tree.map(lambda leaf: leaf[None] if eqx.is_array(leaf) else leaf, problem)
    solver = bent_start(family, 1, jr.key(0))
    assert solver is not None
    counts = solver.counts(problem)
    assert 7**4 < np.prod(counts) <= 4 * 7**4
    assert set(counts) == {7, 13}
