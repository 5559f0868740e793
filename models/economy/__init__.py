"""Economic blocks: production, abatement, spending, research, technology, damages and what is believed about carbon."""

from ._abatement import Abatement as Abatement, AbatementProgress as AbatementProgress
from ._capital_spending import CapitalSpending as CapitalSpending, Effort as Effort, Investment as Investment
from ._carbon_intensity import CarbonIntensity as CarbonIntensity
from ._carbon_price import CarbonPrice as CarbonPrice
from ._carbon_prior import (
    CarbonResponse as CarbonResponse,
    GaussianTCRE as GaussianTCRE,
    NordhausWeitzman as NordhausWeitzman,
)
from ._damage_asymptote import damage_asymptote as damage_asymptote
from ._damages import DamageJump as DamageJump, ThresholdDamages as ThresholdDamages
from ._economy import AKEconomy as AKEconomy
from ._exploration import (
    Exploration as Exploration,
    LogarithmicEconomy as LogarithmicEconomy,
    best_spending as best_spending,
)
from ._observables import (
    CAPITAL as CAPITAL,
    CONSUMPTION as CONSUMPTION,
    DAMAGES as DAMAGES,
    FLOW as FLOW,
    INVESTMENT as INVESTMENT,
    OUTPUT as OUTPUT,
)
from ._research import Research as Research
from ._spending import Claims as Claims, marginal_harm as marginal_harm
from ._technology import FixedHazard as FixedHazard, KnowledgeHazard as KnowledgeHazard
from ._two_capitals import TwoCapitals as TwoCapitals
