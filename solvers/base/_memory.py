"""Estimates of the memory of a finite-difference solve before it starts."""

import math
import os
from pathlib import Path

# Bytes per unit, from the increase of the peak resident memory of whole solves relative to a small solve (figures in
# `tests/solvers/base/test_memory.py`), rounded up.
# per pair of nodes of one state: difference matrices of two schemes on all levels, which are dense during their construction
_DENSE = 13 * 8
# per node, member and pair of states: derivatives, drift, variance, and copies for the compiled kernel
_POINTWISE = 60 * 8
_ENTRY = 40  # per entry of a sparse matrix: value, indices, temporary sums of the assembly, coarser multigrid levels
_KRYLOV = 70 * 8  # per node: directions of GMRES between restarts
_FILL = (
    32  # per node, node of the shorter state and square of the order: factors in two dimensions during factorisation
)
_COPIES = 4 * 8  # per entry of a dense matrix: the matrix, its parts, and the factors during factorisation
_SHARE = 0.8  # largest share of the machine's memory for one solve


def memory_needed(counts: tuple[int, ...], family: int, order: int) -> int:
    """Peak memory of a finite-difference solve, in bytes.

    **Arguments:**

    - `counts`: nodes per state. `family`: members solved together. `order`: of the scheme.

    **Returns:** a conservative (rather too large) estimate.

    !!! example

        ```python
        from abatax.solvers.base._memory import memory_needed

        assert memory_needed((41, 41, 41), 1, 4) < 2e9 < memory_needed((401, 401, 401), 1, 4)
        ```
    """
    states, nodes = len(counts), math.prod(counts)
    width = max(order, 2) + 1  # of the stencil along one state
    dense = _DENSE * sum(n * n for n in counts)
    pointwise = _POINTWISE * nodes * family * (1 + states) ** 2 // 4
    mixed = math.comb(states, 2) * width**2
    matrices = _ENTRY * nodes * (3 * states * width + mixed)
    solving = nodes * max(_KRYLOV, _FILL * max(order, 2) ** 2 * min(counts) if _is_factorised(states, nodes) else 0.0)
    return int(dense + pointwise + matrices + solving)


def memory_there() -> int | None:
    """Memory of this machine, or of the container the process runs in, in bytes; None if it is not known."""
    limits = []
    try:
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        pass
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # control groups, version 2 and 1
        try:
            limits.append(int(Path("/sys/fs/cgroup", name).read_text()))
        except (OSError, ValueError):  # absent, or `max`
            continue
    return min(limits, default=None)


def check_memory(counts: tuple[int, ...], family: int, order: int) -> None:
    """Refuse a grid that would not fit in memory.

    **Arguments:** as `memory_needed`.

    **Raises:** `ValueError` with the required memory and a grid that fits.

    !!! example

        ```python
        from abatax.solvers.base._memory import check_memory

        check_memory((41, 21), 1, 4)
        try:
            check_memory((4001, 4001, 4001), 1, 4)
        except ValueError as error:
            assert "GiB" in str(error)
        ```
    """
    available = memory_there()
    if available is None or memory_needed(counts, family, order) <= _SHARE * available:
        return
    fitting_counts = _fitting(counts, family, order, _SHARE * available)
    advice = (
        f"try {','.join(map(str, fitting_counts))}" if fitting_counts else "no grid fits: take fewer states or members"
    )
    raise ValueError(
        f"`solver.points` is {','.join(map(str, counts))}: that takes about {_text(memory_needed(counts, family, order))}"
        f" of memory, and {_text(_SHARE * available)} may be used here; {advice}."
    )


def check_dense(what: str, remedy: str, rows: int, columns: int) -> None:
    """Refuse a dense matrix that would not fit in memory.

    **Arguments:** `what`: the options that determine its size, with their values. `remedy`: the advice of the message.

    **Raises:** `ValueError` with the required memory.
    """
    check_bytes(what, remedy, _COPIES * rows * columns)


def check_bytes(what: str, remedy: str, needed: int) -> None:
    """Refuse a computation that would not fit in memory.

    **Raises:** `ValueError` with the required memory.
    """
    available = memory_there()
    if available is not None and needed > _SHARE * available:
        raise ValueError(
            f"{what}: that takes about {_text(needed)} of memory, and {_text(_SHARE * available)} may be used here; take"
            f" {remedy}."
        )


def _is_factorised(states: int, nodes: int) -> bool:
    """Whether factors of the whole matrix dominate the memory: with two states if the direct solver is chosen."""
    return states == 2 and nodes <= 60_000


def _fitting(counts: tuple[int, ...], family: int, order: int, allowed: float) -> tuple[int, ...] | None:
    """A grid of the same proportions that fits, with an even number of cells per state, so that they can be halved."""
    least = max(order, 2) + 3
    for step in range(1, 400):
        factor = 0.95**step
        smaller = tuple(max(2 * int(factor * (n - 1) / 2) + 1, min(least, n)) for n in counts)
        if memory_needed(smaller, family, order) <= allowed:
            return smaller
    return None


def _text(size: int | float) -> str:
    return f"{size / 2**30:,.1f} GiB"
