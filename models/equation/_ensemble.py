import csv
import math
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.special import ndtri

from ..base import CO2_PER_CARBON, AbstractBlock, is_traced, measured_in, parameter


class Ensemble(AbstractBlock):
    """A discrete set of climate models with prior weights.

    **Arguments:**

    - `values`: one climate sensitivity per member, in degC per GtC (per gigatonne of carbon).
    - `weights`: prior probabilities, summing to one; equal if left out.
    - `source`: the origin of the members, as a note.

    **Raises:** `ValueError` if weights are negative, do not sum to one, or do not match the values.

    !!! example

        ```python
        import abatax as ab

        ensemble = ab.models.Ensemble.published()
        assert abs(float(ensemble.mean) - 1.861949e-3) < 1e-12
        ```
    """

    values: Float[Array, "*family member"] = eqx.field(converter=parameter, metadata=measured_in("degC/GtC"))
    weights: Float[Array, "*family member"]
    source: str = eqx.field(static=True, default="")

    def __init__(self, values, weights=None, source: str = ""):
        self.values = jnp.atleast_1d(parameter(values))
        if weights is None:
            weights = jnp.full_like(self.values, 1.0 / self.values.shape[-1])
        self.weights = parameter(weights)
        self.source = source
        if self.values.shape != self.weights.shape:
            raise ValueError(
                f"`weights` has shape {self.weights.shape}; it must be that of the values, {self.values.shape}."
            )
        if is_traced(self.weights):
            return
        total = np.asarray(self.weights).sum(axis=-1)
        if not (np.all(np.asarray(self.weights) >= 0) and np.all(np.abs(total - 1.0) <= 1e-9)):
            raise ValueError(f"`weights` sum to {total}; they must be >= 0 and sum to 1.")

    @property
    def mean(self) -> Float[Array, "..."]:
        """Prior mean, degC per GtC."""
        return jnp.sum(self.values * self.weights, axis=-1)

    @property
    def standard_deviation(self) -> Float[Array, "..."]:
        """Prior standard deviation, degC per GtC."""
        return jnp.sqrt(jnp.sum(self.weights * self.values**2, axis=-1) - self.mean**2)

    @classmethod
    def certain(cls, value: float = 0.0) -> "Ensemble":
        """One member: a known climate sensitivity."""
        return cls([value], source="a single value")

    @classmethod
    def from_quantiles(
        cls,
        probabilities: list[float],
        quantiles: list[float],
        members: int,
        mean: float | None = None,
        standard_deviation: float | None = None,
        source: str = "",
    ) -> "Ensemble":
        """Discretise a distribution given by some quantiles into equally likely members.

        The quantile function is interpolated linearly in the standard-normal score (exact for a normal
        distribution) and read at the midpoints of `members` equal shares; the members are then shifted and
        stretched to the mean and standard deviation (divisor `members` - 1) where those are given.

        **Arguments:**

        - `probabilities`, `quantiles`: increasing; the end points bound the members. degC per GtC.
        - `members`: how many.
        - `mean`, `standard_deviation`: moments to match, in degC per GtC.
        """
        scores = ndtri(np.clip(probabilities, 0.5 / members, 1 - 0.5 / members))
        midpoints = ndtri((np.arange(members) + 0.5) / members)
        values = np.interp(midpoints, scores, quantiles)
        if standard_deviation is not None:
            values = values.mean() + (values - values.mean()) * (standard_deviation / values.std(ddof=1))
        if mean is not None:
            values = values + (mean - values.mean())
        return cls(values, source=source)

    @classmethod
    def published(cls, members: int = 144) -> "Ensemble":
        """The pulse-response sensitivities used by Barnett, Brock and Hansen (2021), as summary statistics.

        16 temperature models times 9 carbon-cycle models, discretised here from their published minimum,
        quantiles, maximum, mean 1.861949e-3 and standard deviation 0.418247e-3 degC/GtC; the
        members themselves are the property of the authors; `load_ensemble` reads them from a file.
        doi:10.1086/718668 (NBER Macroeconomics Annual 36).
        """
        return cls.from_quantiles(
            [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0],
            [1.0154e-3, 1.1976e-3, 1.5233e-3, 1.8696e-3, 2.1089e-3, 2.5824e-3, 2.80927e-3],
            members,
            mean=1.861949e-3,
            standard_deviation=0.418247e-3,
            source="16 x 9 pulse responses, discretised from summary statistics (doi:10.1086/718668)",
        )

    @classmethod
    def assessed(cls, members: int = 100) -> "Ensemble":
        """The transient climate response to emissions assessed by the IPCC: 1.0 to 2.3 degC per 1000 GtC.

        Likely (17 to 83 %) range with best estimate 1.65 degC per 1000 GtC, read as a normal distribution
        (IPCC AR6 WGI chapter 5, doi:10.1017/9781009157896.007), cut at its 2 and 98 % points.
        """
        spread = (2.3e-3 - 1.0e-3) / (ndtri(0.83) - ndtri(0.17))
        tail = spread * ndtri(0.98)
        return cls.from_quantiles(
            [0.02, 0.5, 0.98],
            [1.65e-3 - tail, 1.65e-3, 1.65e-3 + tail],
            members,
            mean=1.65e-3,
            source="AR6-assessed TCRE, likely 1.0-2.3 degC per 1000 GtC (doi:10.1017/9781009157896.007)",
        )


# A sensitivity outside this range indicates a wrong unit: the likely range of AR6 is 1.0 to 2.3 degC per 1000 GtC.
_PLAUSIBLE = (1e-4, 1e-2)  # degC per GtC
_PER_GTC = {"degC/TtC": 1e-3, "degC/GtC": 1.0, "degC/TtCO2": CO2_PER_CARBON * 1e-3, "degC/GtCO2": CO2_PER_CARBON}


def load_ensemble(path: str | Path, unit: str | None = None) -> Ensemble:
    r"""Read an ensemble from a CSV file: one member per row, optionally with a weight in another column.

    **Arguments:**

    - `path`: the file. A first row of words is a header: columns are read by their names, `sensitivity` (or `slope`, `TCRE`,
      `value`) and `weight` (or `probability`, `prior`), in any order, and it may state the unit, as in
      `sensitivity [degC/TtC],weight`. Without a header the weight is the second column.
    - `unit`: one of `degC/TtC`, `degC/GtC`, `degC/TtCO2`, `degC/GtCO2`. If neither the header nor this
      argument states it, the unit is the one of degC/TtC and degC/GtC that makes the median lie between
      1e-4 and 1e-2 degC per GtC (an Earth-like sensitivity); exactly one of the two can.

    **Returns:** an `Ensemble` in degC per GtC.

    **Raises:** `ValueError` naming the file, the row and what is allowed.

    !!! example

        ```python
        import tempfile
        from pathlib import Path

        import abatax as ab

        path = Path(tempfile.mkdtemp(), "mine.csv")
        path.write_text("sensitivity [degC/TtC],weight\n1.5,0.5\n2.1,0.5\n")
        assert abs(float(ab.models.load_ensemble(path).mean) - 1.8e-3) < 1e-15
        ```
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [(n, row) for n, row in enumerate(csv.reader(file), 1) if any(c.strip() for c in row)]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise ValueError(f"ensemble file {path} cannot be read: {reason}.") from None
    columns: list[str] | None = None
    if rows and not any(_is_number(c) for c in rows[0][1]):
        columns, stated = _read_header(path, rows.pop(0)[1])
        unit = unit or stated
    if unit is not None and unit not in _PER_GTC:
        raise ValueError(f"ensemble unit is {unit!r}; use one of {', '.join(_PER_GTC)}.")
    if not rows:
        raise ValueError(f"ensemble file {path} has no rows; give one climate sensitivity per row.")
    table = []
    for number, row in rows:
        cells = [c.strip() for c in row]
        good = all(_is_number(c) and math.isfinite(float(c)) for c in cells)
        if not good or len(cells) != len(columns or rows[0][1]) or len(cells) > 2:
            raise ValueError(
                f"ensemble file {path}, row {number}: {','.join(row)!r} is not a finite number"
                " (or a number and a weight); correct or remove the row."
            )
        if columns == ["weight", "sensitivity"]:
            cells.reverse()
        if float(cells[0]) <= 0 or (len(cells) == 2 and float(cells[1]) < 0):
            raise ValueError(
                f"ensemble file {path}, row {number}: {','.join(row)!r} must be a sensitivity > 0 (and a weight >= 0)."
            )
        table.append([float(c) for c in cells])
    data = np.array(table)
    unit = unit or _guess_unit(path, data[:, 0])
    values = data[:, 0] * _PER_GTC[unit]
    outside = (values < _PLAUSIBLE[0]) | (values > _PLAUSIBLE[1])
    if outside.any():
        worst = int(np.argmax(outside))
        raise ValueError(
            f"ensemble file {path}, row {rows[worst][0]}: {data[worst, 0]:g} {unit} is outside"
            f" {_PLAUSIBLE[0]:g} to {_PLAUSIBLE[1]:g} degC/GtC; check the unit ({', '.join(_PER_GTC)})."
        )
    weights = data[:, 1] / data[:, 1].sum() if data.shape[1] == 2 and data[:, 1].sum() > 0 else None
    if data.shape[1] == 2 and weights is None:
        raise ValueError(f"ensemble file {path}: the weights sum to 0; give at least one positive weight.")
    return Ensemble(values, weights, source=f"{path.name} [{unit}]")


_SENSITIVITY = ("sensitivity", "climate sensitivity", "slope", "tcre", "value", "theta")
_WEIGHT = ("weight", "probability", "prior")


def _read_header(path: Path, header: list[str]) -> tuple[list[str], str | None]:
    """The kinds of the columns, from their names, and the unit of the sensitivities, if it is stated.

    A column with a unit in brackets is the sensitivity, whatever its name.
    """
    columns, units = [], []
    for cell in header:
        name, bracket, rest = cell.partition("[")
        plain = name.strip().lower().replace("_", " ").removesuffix("s")
        unit = rest.partition("]")[0].strip()
        if plain in _WEIGHT:
            columns.append("weight")
        elif bracket and unit not in _PER_GTC:
            text = ",".join(header)
            raise ValueError(f"ensemble file {path}, header {text!r}: unknown unit; use one of {', '.join(_PER_GTC)}.")
        elif bracket or plain in _SENSITIVITY:
            columns.append("sensitivity")
            units += [unit] if bracket else []
        else:
            columns.append("")
    if sorted(columns) not in (["sensitivity"], ["sensitivity", "weight"]):
        text = ",".join(header)
        raise ValueError(
            f"ensemble file {path}, header {text!r} is not understood; name one column `sensitivity [degC/TtC]` and, if"
            " there is another, `weight`."
        )
    return columns, units[0] if units else None


def _guess_unit(path: Path, values: np.ndarray) -> str:
    median = float(np.median(values))
    for unit in ("degC/TtC", "degC/GtC"):
        if _PLAUSIBLE[0] <= median * _PER_GTC[unit] <= _PLAUSIBLE[1]:
            return unit
    raise ValueError(
        f"ensemble file {path}: the median {median:g} is a climate sensitivity in neither degC/TtC nor degC/GtC;"
        " state the unit in a header such as `sensitivity [degC/TtC]`."
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
