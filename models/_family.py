"""Families of problems: one model whose parameters vary over ranges."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Float
from scipy.stats import qmc

from ..common import nearest
from ._configuration import configure, parameters_of
from .equation import AbstractModel, HJBProblem

SCALES = ("linear", "log")


class Range(NamedTuple):
    """The range of a parameter of a family.

    **Arguments:** `low`, `high`: its ends, in the unit of the parameter (for `ambiguity`, penalties). `scale`: `linear`, or `log` for
    parameters that vary by factors.

    !!! example

        ```python
        import abatax as ab

        assert ab.models.Range(0.5, 2.0, "log").high == 2.0
        ```
    """

    low: float
    high: float
    scale: str = "linear"


class ProblemFamily(eqx.Module):
    r"""A model whose parameters $\theta$ vary over ranges; every $\theta$ is an HJB problem.

    **Arguments:**

    - `model`: the model, which supplies all other parameters.
    - `vary`: ranges by dotted name of the parameter, as in `--set`: a [`Range`][], or (low, high) or (low, high, scale). Parameters of
      `ambiguity` are penalties.
    - `box`, `extension`: as in [`HJBProblem`][], the same for all members.

    **Raises:** `ValueError` in one line that names the parameter, if it is unknown, if its range is empty, if a logarithmic range
    contains zero, or if the model refuses an end of the range.

    **Good values:** ranges in which the regimes of the model stay the same; `log` for penalties and rates.

    !!! example

        ```python
        import abatax as ab

        family = ab.ProblemFamily(ab.models.LinearQuadratic(), {"volatility": (0.1, 0.4), "control_cost": (0.5, 2.0, "log")})
        theta = family.sample(8, seed=1)
        assert theta.shape == (8, 2)
        problem = family.at(theta[0])
        assert float(problem.model.volatility) == theta[0, 0]
        ```
    """

    model: AbstractModel
    ranges: tuple[tuple[str, Range], ...] = eqx.field(static=True)
    box: tuple[tuple[str, tuple[float, float]], ...] = eqx.field(static=True)
    extension: float = eqx.field(static=True)

    def __init__(
        self,
        model: AbstractModel,
        vary: Mapping[str, Sequence[Any]],
        *,
        box: Mapping[str, tuple[float, float]] | None = None,
        extension: float = 1.0,
    ):
        if not vary:
            raise ValueError("`vary` is empty; give the range of at least one parameter.")
        self.model, self.extension = model, extension
        self.ranges = tuple((name, _range(name, bounds)) for name, bounds in vary.items())
        self.box = tuple((name, (float(low), float(high))) for name, (low, high) in (box or {}).items())
        for end in ("low", "high"):
            self.at({name: getattr(bounds, end) for name, bounds in self.ranges})

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parameters, in the order of the columns of theta."""
        return tuple(name for name, _ in self.ranges)

    def at(self, theta: Mapping[str, float] | Float[np.ndarray, " parameter"]) -> HJBProblem:
        """The problem with given parameters.

        **Arguments:** `theta`: values by name, or in the order of `names`.

        **Raises:** `ValueError` if a parameter is missing, unknown or refused by the model.
        """
        values = dict(zip(self.names, self.row(theta).tolist(), strict=True))
        model = configure(self.model.name, values, parameters_of(self.model), type(self.model))
        return HJBProblem(model, box=dict(self.box), extension=self.extension)

    def sample(self, count: int, *, method: str = "sobol", seed: int = 0) -> Float[np.ndarray, "member parameter"]:
        """Parameters that fill the ranges evenly, on their scales.

        **Arguments:** `count`: number of members. `method`: `sobol` (scrambled) or `latin_hypercube`. `seed`: of the scrambling.

        **Raises:** `ValueError` if `method` is unknown.
        """
        samplers = {"sobol": qmc.Sobol, "latin_hypercube": qmc.LatinHypercube}
        if method not in samplers:
            raise ValueError(f"`method` is {method!r}; {nearest(method, list(samplers))}")
        sampler = samplers[method](len(self.ranges), rng=seed)
        if method == "sobol":  # the balance of Sobol points holds for powers of two
            return self.from_unit(sampler.random_base2(math.ceil(math.log2(max(count, 1))))[:count])
        return self.from_unit(sampler.random(count))

    def from_unit(self, unit: Float[np.ndarray, "member parameter"]) -> Float[np.ndarray, "member parameter"]:
        """Parameters from coordinates in [0, 1], on the scale of each range."""
        low, high, is_log = self._bounds()
        span = low + (high - low) * np.asarray(unit, dtype=float)
        return np.where(is_log, np.exp(np.where(is_log, span, 0.0)), span)

    def to_unit(self, theta: Float[np.ndarray, "member parameter"]) -> Float[np.ndarray, "member parameter"]:
        """Coordinates of parameters, in [0, 1] inside the ranges: the inverse of `from_unit`."""
        low, high, is_log = self._bounds()
        theta = np.asarray(theta, dtype=float)
        return (np.where(is_log, np.log(np.where(is_log, theta, 1.0)), theta) - low) / (high - low)

    def contains(self, theta: Float[np.ndarray, "member parameter"]) -> np.ndarray:
        """Whether each member lies within all ranges (up to rounding)."""
        unit = self.to_unit(theta)
        return np.all((unit >= -1e-12) & (unit <= 1.0 + 1e-12), axis=-1)

    def _bounds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        is_log = np.array([bounds.scale == "log" for _, bounds in self.ranges])
        ends = np.array([(bounds.low, bounds.high) for _, bounds in self.ranges])
        low, high = np.where(is_log[:, None], np.log(np.where(is_log[:, None], ends, 1.0)), ends).T
        return low, high, is_log

    def row(self, theta: Mapping[str, float] | Float[np.ndarray, " parameter"]) -> Float[np.ndarray, " parameter"]:
        """Parameters in the order of `names`.

        **Arguments:** `theta`: values by name, or already in that order.

        **Raises:** `ValueError` if a parameter is missing or unknown.
        """
        if not isinstance(theta, Mapping):
            row = np.asarray(theta, dtype=float)
            if row.shape != (len(self.ranges),):
                raise ValueError(
                    f"`theta` has shape {row.shape}; give {len(self.ranges)} numbers: {', '.join(self.names)}."
                )
            return row
        unknown = [name for name in theta if name not in self.names]
        missing = [name for name in self.names if name not in theta]
        if unknown:
            raise ValueError(f"`theta` contains `{unknown[0]}`: {nearest(unknown[0], list(self.names))}")
        if missing:
            raise ValueError(f"`theta` lacks `{missing[0]}`; the parameters of the family are {', '.join(self.names)}.")
        return np.array([float(theta[name]) for name in self.names])


def _range(name: str, bounds: Sequence[Any]) -> Range:
    if len(bounds) not in (2, 3):
        raise ValueError(f"`vary.{name}` is {bounds!r}; give (low, high) or (low, high, scale).")
    low, high, scale = float(bounds[0]), float(bounds[1]), str(bounds[2]) if len(bounds) == 3 else "linear"
    if scale not in SCALES:
        raise ValueError(f"`vary.{name}` has the scale {scale!r}; {nearest(scale, list(SCALES))}")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"`vary.{name}` is ({low:g}, {high:g}); low must be below high, and both finite.")
    if scale == "log" and low <= 0.0:
        raise ValueError(f"`vary.{name}` starts at {low:g}; a range with the scale `log` must be positive.")
    return Range(low, high, scale)
