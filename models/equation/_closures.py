r"""Closures of the equation at the faces of the box.

The equation has no boundary data: a box truncates the state space, and each face needs a reason why the solution inside does not
depend on it. Solvers read these objects; the validation moves the faces and reports the change of the solution.
"""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp

from ..base import Point, Scalar


class AbstractClosure(eqx.Module):
    """The closure of one face. Solvers ask it the questions below instead of its class.

    `extension` is the width of the margin between the region of interest and the computational box at this face, in the unit of
    the state; the solution in the margin is discarded.

    **Raises:** `ValueError` if the extension is negative.

    !!! example

        ```python
        import abatax as ab

        margin = ab.models.Outflow(extension=2.0)
        assert isinstance(margin, ab.models.AbstractClosure) and margin.extension == 2.0
        ```
    """

    extension: eqx.AbstractVar[float]

    @property
    def is_open(self) -> bool:
        """Whether `solve` chooses the closure."""
        return False

    @property
    def has_known_slope(self) -> bool:
        """Whether the slope of the value function across the face is known, see `known_slope`."""
        return False

    @property
    def has_asymptote(self) -> bool:
        """Whether the value function beyond the face continues with the known slope."""
        return False

    @property
    def keeps_inside(self) -> bool:
        """Whether the planner must choose a drift that does not point outward."""
        return False

    @property
    def is_bound(self) -> bool:
        """Whether the face is a bound of the state itself, not a truncation of the state space."""
        return False

    @property
    def drift_points_inward(self) -> bool:
        """Whether the drift points inward under every control, so that the equation needs no further condition."""
        return False

    def known_slope(self, t: Scalar, x: Point) -> Scalar:
        """The slope of the value function across the face, in units of $V$ per unit of the state.

        **Raises:** `ValueError` if it is not known.
        """
        del t, x
        raise ValueError(f"the slope at a face with the closure {type(self).__name__} is not known.")

    def __check_init__(self):
        if not self.extension >= 0:
            raise ValueError(f"the extension of a face is {self.extension}; it must be >= 0.")


class Automatic(AbstractClosure):
    """`solve` chooses the closure of the face: the default of a model without `closures`.

    The choice follows from the sign of the drift under the optimal policy and from the noise at the face, on coarse grids. If the
    drift keeps the state inside, the face is a truncating `StateConstraint`, with a collar if noise crosses it. If the drift leaves,
    the face is a `Growth` with the slope of the interior, after a margin. Margins grow until neither a larger box nor a state
    constraint changes slopes and controls in the region. `solution.stats["faces"]` reports the choice and the remaining change. If
    the solution depends on the state space beyond a face, the result is `open_face` and names the face.

    Margins need the functions of the model outside the region of interest; they end where these are no longer finite. A state
    that passes through its face like a clock is refused: it needs a terminal condition.

    **Arguments:**

    - `extension`: leave it at zero; `solve` chooses the margin.

    !!! example

        ```python
        import abatax as ab

        # an asset that cannot be negative and has no natural upper bound
        faces = ab.models.StateConstraint(), ab.models.Automatic()
        assert [face.is_open for face in faces] == [False, True]
        ```
    """

    extension: float = eqx.field(static=True, default=0.0)

    @property
    def is_open(self) -> bool:
        return True


class Outflow(AbstractClosure):
    """The drift points outwards and no slope is known: one-sided stencils, after a margin.

    **Arguments:**

    - `extension`: the margin between the region of interest and this face, in the unit of the state.

    **Good values:** a margin of two to three times the region of interest.

    !!! example

        ```python
        import abatax as ab

        face = ab.models.Outflow(extension=3.0)
        problem = ab.HJBProblem(ab.models.LinearQuadratic(), faces=((face, face),))
        assert problem.domain == ((-6.0, 6.0),)  # the region of interest is -3 to 3
        ```
    """

    extension: float = eqx.field(static=True, default=0.0)


class Inflow(AbstractClosure):
    """The drift points inwards: the equation itself holds, with one-sided stencils.

    A margin (collar) is needed if noise crosses the face.

    **Arguments:**

    - `extension`: the margin between the region of interest and this face, in the unit of the state.

    !!! example

        ```python
        import abatax as ab

        collar = ab.models.Inflow(extension=0.1)
        assert collar.extension == 0.1
        ```
    """

    extension: float = eqx.field(static=True, default=0.0)

    @property
    def drift_points_inward(self) -> bool:
        return True


class StateConstraint(AbstractClosure):
    """The state must not leave: the planner has to choose a drift that points inwards.

    The constraint excludes spurious roots of stationary problems (Soner 1986, doi:10.1137/0324032). Solvers check the sign of the
    drift afterwards.

    Without a margin the constraint is part of the problem (a stock cannot be negative): error estimates do not move the face, and
    simulated paths do not cross it. With a margin, or with `truncation`, the face only ends the box.

    **Arguments:**

    - `extension`: the margin.
    - `truncation`: whether the face only truncates the state space, although it has no margin: error estimates then move it, and
      noise may carry simulated paths across it.

    !!! example

        ```python
        import abatax as ab

        stock, temperature = ab.models.StateConstraint(), ab.models.StateConstraint(truncation=True)
        assert stock.is_bound and not temperature.is_bound
        ```
    """

    extension: float = eqx.field(static=True, default=0.0)
    truncation: bool = eqx.field(static=True, default=False)

    @property
    def keeps_inside(self) -> bool:
        return True

    @property
    def is_bound(self) -> bool:
        return self.extension == 0.0 and not self.truncation


class Growth(AbstractClosure):
    r"""The asymptote of the value function is known: $\partial V/\partial x_n = $ `slope(t, x)` at the face.

    The second derivative follows from the slope. This closure fits homogeneous states (log capital) and high temperatures at which
    damages dominate.

    **Arguments:**

    - `slope`: a function of time and state, in units of $V$ per unit of the state.
    - `extension`: the margin.

    !!! example

        ```python
        import jax.numpy as jnp

        import abatax as ab

        # value grows one for one with log capital far away
        face = ab.models.Growth(slope=lambda t, x: jnp.ones_like(x.log_capital), extension=1.0)
        assert face.extension == 1.0
        ```
    """

    slope: Callable[[Scalar, Point], Scalar] = eqx.field(kw_only=True)
    extension: float = eqx.field(static=True, default=0.0)

    @property
    def has_known_slope(self) -> bool:
        return True

    @property
    def has_asymptote(self) -> bool:
        return True

    def known_slope(self, t: Scalar, x: Point) -> Scalar:
        return self.slope(t, x)


class Reflecting(AbstractClosure):
    """Zero slope at the face.

    The error of the solution is small only after a margin of about three times the region.

    **Arguments:**

    - `extension`: the margin between the region of interest and this face, in the unit of the state.

    !!! example

        ```python
        import abatax as ab

        face = ab.models.Reflecting(extension=18.0)  # three times a region from -3 to 3
        assert face.extension == 18.0
        ```
    """

    extension: float = eqx.field(static=True, default=0.0)

    @property
    def has_known_slope(self) -> bool:
        return True

    def known_slope(self, t: Scalar, x: Point) -> Scalar:
        del t, x
        return jnp.zeros(())
