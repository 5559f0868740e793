"""Evaluation of many points in groups of one size, so that one compiled program serves any number of points."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int


def chunks(count: int, size: int) -> Iterator[tuple[Int[np.ndarray, " point"], int]]:
    """The indices 0 to `count` - 1 in groups of exactly `size`, and the number of valid indices in each group.

    The last group is padded with the last index.
    """
    for start in range(0, count, size):
        yield np.minimum(np.arange(start, start + size), count - 1), min(size, count - start)
