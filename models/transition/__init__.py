"""The two-capital family: dirty and green capital, technology, and the net-zero transition."""

from ._net_zero import NetZero as NetZero
from ._two_capital import TwoCapital as TwoCapital
