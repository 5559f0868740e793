"""Economic blocks: production, abatement, spending, research, technology, damages and beliefs about the response to carbon."""

from ._capital_spending import CapitalSpending as CapitalSpending, Effort as Effort, Investment as Investment
from ._carbon_price import CarbonPrice as CarbonPrice
from ._damage_asymptote import damage_asymptote as damage_asymptote
from ._exploration import best_spending as best_spending
from ._log_damages import (
    LOG_DAMAGES as LOG_DAMAGES,
    LogDamages as LogDamages,
    log_damages_drift as log_damages_drift,
    lost_consumption as lost_consumption,
)
from ._observables import (
    CAPITAL as CAPITAL,
    CONSUMPTION as CONSUMPTION,
    DAMAGES as DAMAGES,
    FLOW as FLOW,
    INVESTMENT as INVESTMENT,
    OUTPUT as OUTPUT,
)
from ._spending import Claims as Claims, marginal_harm as marginal_harm
from .blocks import *  # noqa: F403
