"""Cases of the fossil-reserve model, and its prior by another formula."""

import importlib.util
from pathlib import Path

import numpy as np

from abatax.models import Ambiguity, FossilReserves, NordhausWeitzman

PENALTY = 1.0 / 4000.0
CASES = [(w, xi) for w in (1.0, 0.5, 0.0) for xi in (PENALTY, np.inf)]


def make(weight=0.5, penalty=PENALTY, **fields):
    ambiguity = Ambiguity.from_penalties(climate=penalty)
    return FossilReserves(ambiguity=ambiguity, damages=NordhausWeitzman(nordhaus_weight=weight), **fields)


def certainty_equivalent(emissions, carbon, weight, penalty):
    """I(E, F) by the published two-level tilt: closed form for the first damage function, 30 nodes for the second."""
    mean, s, share = 1.7316689431e-3, 4.929843375e-4, 0.968
    linear, quadratic = -share * emissions * 1.7675e-4, -share * emissions * carbon * 0.0044
    z, weights = np.polynomial.legendre.leggauss(30)
    beta = mean + 5.0 * s * z
    weights = weights * np.exp(-0.5 * (5.0 * z) ** 2)
    weights = weights / weights.sum()
    beyond = np.maximum(beta * carbon - 2.0, 0.0)
    second = -share * emissions * (1.7675e-4 * beta + 0.0044 * beta**2 * carbon + 0.0394 * beta * beyond)
    if penalty == np.inf:
        one = linear * mean + quadratic * (mean**2 + s**2)
        return weight * one + (1.0 - weight) * (weights @ second)
    precision = 1.0 / s**2
    tilted = precision + 2.0 * quadratic / penalty
    shifted = (precision * mean - linear / penalty) / tilted
    one = 0.5 * penalty * (np.log1p(2.0 * quadratic / (penalty * precision)))
    one += 0.5 * penalty * (precision * mean**2 - tilted * shifted**2)
    lowest = min(one, second.min())
    two = lowest - penalty * np.log(weights @ np.exp(-(second - lowest) / penalty))
    parts = weight * np.exp(-(one - lowest) / penalty), (1.0 - weight) * np.exp(-(two - lowest) / penalty)
    return lowest - penalty * np.log(sum(parts))


def benchmark():
    path = Path(__file__).resolve().parents[1] / "benchmarks" / "fossil_reserves.py"
    spec = importlib.util.spec_from_file_location("fossil_reserves_benchmark", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
