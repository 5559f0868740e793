import math
from typing import Any

import equinox as eqx
import numpy as np

from ..base import Point, check_variables, constants_read
from ._closures import AbstractClosure
from ._equation import Continuations, Equation
from ._model import AbstractModel
from ._posed import check_descriptions


class HJBProblem(Equation):
    r"""The HJB equation of a model, posed on a box: the [`Equation`][] with region of interest, margins and faces.

    **Arguments:**

    - `model`: the model (or, inside solvers, a family of models with stacked leaves).
    - `box`: for some states a pair (low, high) that replaces the model's region of interest. It is passed on to the regimes
      after a jump for states whose region is the same in both models.
    - `extension`: factor on the widths of the margins (1 = as the model declares them).
    - `continuations`: as in [`Equation`][]; `solve` fills them in.
    - `faces`: the closures of each state, (low, high), instead of those of the model. `solve` fills them in if the model leaves
      them open ([`Automatic`][abatax.models.Automatic]).

    **Raises:** `ValueError` if a box has low >= high or names an unknown state.

    !!! example

        ```python
        import abatax as ab

        problem = ab.HJBProblem(ab.models.LinearQuadratic(), box={"state": (-2.0, 2.0)})
        assert problem.region == ((-2.0, 2.0),)
        ```
    """

    region: tuple[tuple[float, float], ...] = eqx.field(static=True)
    extension: float = eqx.field(static=True)
    faces: Point | None

    def __init__(
        self,
        model: AbstractModel,
        *,
        box: dict[str, tuple[float, float]] | None = None,
        extension: float = 1.0,
        continuations: Continuations = (),
        faces: Point | None = None,
    ):
        check_descriptions(model)
        states = model.states
        for field, (low, high) in (box or {}).items():
            if field not in states._fields:
                raise ValueError(f"box: unknown state `{field}`; the states are {', '.join(states._fields)}.")
            variable = getattr(states, field)._replace(low=float(low), high=float(high))
            states = states._replace(**{field: variable})
        check_variables("box", states)
        for field, variable in states._asdict().items():
            if not (math.isfinite(variable.low) and math.isfinite(variable.high)):
                raise ValueError(f"box `{field}`: low {variable.low:g} and high {variable.high:g} must be finite.")
        if not extension > 0:
            raise ValueError(f"`extension` is {extension}; it must be > 0.")
        self.model = model
        self.continuations = continuations
        self.constants = constants_read(model)
        self.region = tuple((float(v.low), float(v.high)) for v in states)
        self.extension = float(extension)
        self.faces = faces

    def replace(self, **changes: Any) -> "HJBProblem":
        """A copy with another `model`, `box`, `extension`, `continuations` or `faces`.

        States that `box` does not name keep their region. The constants that the user's classes read are recorded again.
        """
        box = dict(zip(self.model.states._fields, self.region, strict=True)) | changes.pop("box", {})
        kept = {"extension": self.extension, "continuations": self.continuations, "faces": self.faces}
        fields = kept | {"box": box} | changes
        return HJBProblem(fields.pop("model", self.model), **fields)

    @property
    def equation(self) -> Equation:
        """The equation without its box, so that one compiled program serves every box."""
        return Equation(self.model, self.continuations)

    @property
    def domain(self) -> tuple[tuple[float, float], ...]:
        """The computational box: the region of interest plus the margins of its faces."""
        return tuple(
            (low - self.extension * below.extension, high + self.extension * above.extension)
            for (low, high), (below, above) in zip(self.region, self.closures(), strict=True)
        )

    def closures(self) -> Point:
        """For each state the closures of its low and its high face."""
        return self.model.closures() if self.faces is None else self.faces

    def closure(self, axis: int, side: int) -> AbstractClosure:
        """The closure of the low (0) or high (1) face of a state."""
        return self.closures()[axis][side]

    def check_start(self):
        """Raise `ValueError` if the initial state of the model is outside the box, where the value function is not defined."""
        model = self.model
        for variable, name, value, (low, high) in zip(
            model.states, model.states._fields, model.initial_state(), self.domain, strict=True
        ):
            values = np.ravel(np.asarray(value))
            outside = values[~((values >= low) & (values <= high))]
            if outside.size:
                unit = "" if variable.unit == "1" else f" {variable.unit}"
                raise ValueError(
                    f"`{name}` starts at {outside[0]:.4g}{unit}, outside its box of {low:.4g} to {high:.4g}; change the"
                    f" start, or give a box that holds it (box.{name})."
                )
