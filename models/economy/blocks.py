"""The economic blocks that are public as `abatax.models.NAME`; a block that is exported here is known to `--set` by its name."""

from ._abatement import Abatement as Abatement, AbatementProgress as AbatementProgress
from ._carbon_intensity import CarbonIntensity as CarbonIntensity
from ._carbon_prior import (
    CarbonResponse as CarbonResponse,
    GaussianTCRE as GaussianTCRE,
    NordhausWeitzman as NordhausWeitzman,
)
from ._damages import DamageJump as DamageJump, ThresholdDamages as ThresholdDamages
from ._economy import AKEconomy as AKEconomy
from ._exploration import Exploration as Exploration, LogarithmicEconomy as LogarithmicEconomy
from ._research import Research as Research
from ._technology import FixedHazard as FixedHazard, KnowledgeHazard as KnowledgeHazard
from ._two_capitals import TwoCapitals as TwoCapitals
