"""What every program here reads and writes: the problem, the points, a clock of processor seconds. NumPy alone, for all
interpreters.

A program is called as `PROGRAM ASKED.json ANSWER.npz`. It notes its state while it trains, at geometrically spaced
seconds and at the end, and hands back value, slope in temperature and emissions at the points for every note; errors
are measured elsewhere, by one code for all.
"""

import contextlib
import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

_FIRST, _GROWTH = 0.25, 1.25  # processor seconds of the first note, and the factor to the next
LEVEL = 0.1  # range of what temperature adds to the value, by which hand-scaled peers measure it and the residual
START = 0.01  # factor on the last layer of hand-scaled networks at the start, so that V starts near its base
TOP = 12.0  # degC, the end of temperature in the variants called closed: the slope there is that of damages alone


class Clock:
    """Processor seconds of training, and what was trained so far."""

    def __init__(self):
        self.asked = read()
        self.notes: list[tuple[float, Any]] = []
        self._next = _FIRST

    def start(self) -> None:
        """Training begins: what came before was imports, compilation and set-up."""
        self.setup = time.process_time()  # since the interpreter was started
        self._began, self._wall = time.process_time(), time.perf_counter()

    def seconds(self) -> float:
        return time.process_time() - self._began

    def due(self) -> bool:
        """Whether a note is to be taken."""
        return self.seconds() >= self._next

    def over(self) -> bool:
        """Whether the budget is used up."""
        return self.seconds() >= self.asked.budget

    def note(self, state: Any) -> None:
        """Keep the state (a copy of it: training goes on)."""
        self.notes.append((self.seconds(), state))
        while self._next <= self.seconds():
            self._next *= _GROWTH

    @contextlib.contextmanager
    def stopped(self):
        """What is done inside is not counted."""
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self._began += time.process_time() - cpu
        self._wall += time.perf_counter() - wall

    def finish(self, state: Any, fields: Callable[[Any], tuple[Any, Any, Any]], *packages: str) -> None:
        """Write the answer. `fields` gives value, slope in temperature and emissions at the points from a state."""
        wall = time.perf_counter() - self._wall
        self.note(state)
        value, slope, emissions = zip(*(map(np.ravel, fields(kept)) for _, kept in self.notes), strict=True)
        python = ".".join(map(str, sys.version_info[:3]))
        np.savez(
            sys.argv[2],
            seconds=[seconds for seconds, _ in self.notes],
            value=np.array(value, float),
            slope=np.array(slope, float),
            emissions=np.array(emissions, float),
            wall=wall,
            setup=self.setup,
            version=", ".join(f"{name} {version(name)}" for name in packages) + f", Python {python}",
        )


def read() -> SimpleNamespace:
    """What is asked: parameters under the names of `problem` in `benchmarks/peers.py`, arrays as arrays."""
    asked = json.loads(Path(sys.argv[1]).read_text())
    return SimpleNamespace(**{name: np.array(v) if isinstance(v, list) else v for name, v in asked.items()})


def climate_free(p: SimpleNamespace) -> tuple[float, float]:
    """Investment, known in closed form as V_k = 1 - eta, and c in V = (1 - eta) k + c without emissions and damages.

    (alpha - i)(1 - kappa i) = delta;  c = (1 - eta) [log(alpha - i) + (mu + i - kappa i^2 / 2 - sigma^2 / 2) / delta].
    """
    root = np.sqrt((1.0 - p.alpha * p.kappa) ** 2 + 4.0 * p.kappa * p.delta)
    i = 0.5 * (1.0 + p.alpha * p.kappa - root) / p.kappa
    growth = p.growth + i - 0.5 * p.kappa * i**2 - 0.5 * p.sigma**2
    return float(i), float((1.0 - p.eta) * (np.log(p.alpha - i) + growth / p.delta))


def box(p: SimpleNamespace, closed: bool) -> tuple[np.ndarray, np.ndarray]:
    """The lower and upper corner of the domain: the region of interest, or with temperature to `TOP`."""
    return p.low, np.array([p.high[0], TOP]) if closed else p.high


def damage_slope(p: SimpleNamespace, y: float) -> float:
    """V_y where damages dominate: q^2 + m q = (1 - eta) eta Lambda'' with m = (1 - eta) Lambda', q < 0."""
    m = (1.0 - p.eta) * (p.gamma1 + p.gamma2 * y)
    return float(-0.5 * (m + np.sqrt(m**2 + 4.0 * (1.0 - p.eta) * p.eta * p.gamma2)))
