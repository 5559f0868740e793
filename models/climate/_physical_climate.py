"""What an economy asks of a physical climate: states that emissions move, one of them the temperature."""

import abc
from collections.abc import Callable

from equinox import AbstractVar

from ..base import AbstractBlock, Point, Scalar
from ..equation import Ensemble


class AbstractPhysicalClimate(AbstractBlock):
    r"""States that carbon emissions move, among them `temperature`, shaken by one shock.

    $$dy = b(y, E;\theta_\ell)\,dt + \sigma(y, E)\,dW$$

    The members of `ensemble` differ in the number that `rates` is given. A block that has these methods fits every economy that
    takes its climate by this interface (`TwoCapital`, `NetZero`).
    """

    ensemble: AbstractVar[Ensemble]

    @property
    @abc.abstractmethod
    def states(self) -> Point:
        """A NamedTuple of `Variable`s, one of them `temperature` in degC above 1850-1900."""

    @abc.abstractmethod
    def rates(self, y: Point, emissions: Scalar, member: Scalar) -> Point:
        """Drift per year under emissions in GtC/yr, if `member` of the ensemble is true."""

    @abc.abstractmethod
    def loadings(self, y: Point, emissions: Scalar) -> Point:
        """Loading on the shock, per square root of a year."""

    @abc.abstractmethod
    def start(self) -> Point:
        """Where it starts."""

    @abc.abstractmethod
    def closures(self, harm: Callable[[Scalar, Point], Scalar]) -> Point:
        r"""What closes the equation at the faces of its states; `harm` is $-\Lambda'(y)$, the slope of the value in a
        temperature that hardly moves."""
