"""The interface between an economy and a physical climate."""

import abc
from collections.abc import Callable

from equinox import AbstractVar

from ..base import AbstractBlock, Point, Scalar
from ..equation import Ensemble


class AbstractPhysicalClimate(AbstractBlock):
    r"""States driven by carbon emissions, among them `temperature`, with one shock.

    $$dy = b(y, E;\theta_\ell)\,dt + \sigma(y, E)\,dW$$

    Every member of `ensemble` has its value of the argument `member` of `rates`. A block with these methods can be used in every
    economy with an exchangeable climate (`TwoCapital`, `NetZero`).

    !!! example

        ```python
        import abatax as ab

        climate = ab.models.LaggedClimate()
        assert isinstance(climate, ab.models.AbstractPhysicalClimate)
        assert "temperature" in climate.states._fields
        model = ab.models.NetZero(climate=climate)  # exchangeable in models that take this interface
        assert "temperature" in model.states._fields
        ```
    """

    ensemble: AbstractVar[Ensemble]

    @property
    @abc.abstractmethod
    def states(self) -> Point:
        """A NamedTuple of `Variable`s, one of them `temperature` in degC above 1850-1900."""

    @abc.abstractmethod
    def rates(self, y: Point, emissions: Scalar, member: Scalar) -> Point:
        """Drift per year under emissions in GtC/yr, if `member` is the true member of the ensemble."""

    @abc.abstractmethod
    def loadings(self, y: Point, emissions: Scalar) -> Point:
        """Loading on the shock, per square root of a year."""

    @abc.abstractmethod
    def start(self) -> Point:
        """Initial state."""

    @abc.abstractmethod
    def closures(self, harm: Callable[[Scalar, Point], Scalar]) -> Point:
        r"""Closures of its states; `harm` is the slope of the value in a temperature that hardly moves, such as
        $-\Lambda'(y)$."""
