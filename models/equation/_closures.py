r"""What closes the equation at a face of the box.

The equation has no boundary data of its own: a box is a truncation of the state space, and each face
needs a stated reason why the solution inside does not depend on it. Solvers read these objects; the
validation moves the faces and reports what changed.
"""

from collections.abc import Callable

import equinox as eqx

from ..base import Point, Scalar


class AbstractClosure(eqx.Module):
    """The closure of one face.

    `extension` is how far the computational box reaches beyond the region of interest at this face, in
    the unit of the state; what is computed out there is thrown away.
    """

    extension: eqx.AbstractVar[float]

    def __check_init__(self):
        if not self.extension >= 0:
            raise ValueError(f"the extension of a face is {self.extension}; it must be >= 0.")


class Automatic(AbstractClosure):
    """The face is closed by what `solve` finds out about it: the default of a model without `closures`.

    On coarse grids the sign of the drift under the optimal policy and the noise at each face decide. Where the drift holds the
    state inside, the face is a `StateConstraint` that truncates, with a collar if noise crosses it; where the drift leaves, a
    `Growth` with the slope found inside, after a margin. Margins grow until neither a larger box nor holding the state
    inside changes slopes and controls in the region. What was chosen, and what remains of that change, is in
    `solution.stats["faces"]`; where the answer hangs on what lies beyond a face the result is `open_face`, and names it.

    Margins need the model's functions outside the region of interest; they end where these are no longer finite. A state
    that runs through its face like a clock is refused: what holds at the end of time must be said.

    !!! example

        ```python
        import abatax as ab

        # an asset that cannot be negative, and of whose upper face nothing is known
        faces = ab.models.StateConstraint(), ab.models.Automatic()
        assert faces[1].extension == 0.0
        ```
    """

    extension: float = eqx.field(static=True, default=0.0)


class Outflow(AbstractClosure):
    """The drift points out, and nothing is known beyond: one-sided stencils, after a margin.

    **Good values:** a margin of two to three times the region of interest.
    """

    extension: float = eqx.field(static=True, default=0.0)


class Inflow(AbstractClosure):
    """The drift points in: the equation itself, with one-sided stencils; a collar where noise crosses."""

    extension: float = eqx.field(static=True, default=0.0)


class StateConstraint(AbstractClosure):
    """The state may not leave: the planner must choose a drift that points inward.

    Rejects the spurious roots of stationary problems (Soner 1986, doi:10.1137/0324032). Solvers
    check the sign of the drift afterwards.

    Without a margin it is part of the problem (a stock cannot be negative): error estimates leave the face where it
    is, and simulated paths do not cross it. With a margin, or with `truncation`, the box merely ends there.

    **Arguments:**

    - `extension`: the margin.
    - `truncation`: whether the face only truncates the state space, although it has no margin: error estimates move it,
      and noise may carry simulated paths over it.

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
    def is_bound(self) -> bool:
        """Whether the face is a bound of the state itself, not a truncation."""
        return self.extension == 0.0 and not self.truncation


class Growth(AbstractClosure):
    r"""The asymptote of the value function is known: $\partial V/\partial x_n = $ `slope(t, x)` at the face.

    The second derivative follows from it. The right closure for homogeneous states (log capital) and for
    damages that dominate far out.

    **Arguments:**

    - `slope`: a function of time and state, in units of $V$ per unit of the state.
    - `extension`: the margin.
    """

    slope: Callable[[Scalar, Point], Scalar] = eqx.field(kw_only=True)
    extension: float = eqx.field(static=True, default=0.0)


class Reflecting(AbstractClosure):
    """No slope at the face. Harmless at first order after a margin of three times the region; never without."""

    extension: float = eqx.field(static=True, default=0.0)
