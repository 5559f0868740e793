"""What is asked: states, controls, dynamics, preferences, ambiguity, and the HJB equation they pose."""

from ._abatement import Abatement as Abatement, AbatementProgress as AbatementProgress
from ._abatement_technology import AbatementTechnology as AbatementTechnology
from ._ak_climate import AKClimate as AKClimate, Productivity as Productivity
from ._ambiguity import Ambiguity as Ambiguity, WorstCase as WorstCase
from ._carbon_cycle_climate import CarbonCycleClimate as CarbonCycleClimate
from ._carbon_intensity import CarbonIntensity as CarbonIntensity
from ._carbon_prior import (
    CarbonResponse as CarbonResponse,
    GaussianTCRE as GaussianTCRE,
    NordhausWeitzman as NordhausWeitzman,
)
from ._carbon_reservoirs import CarbonReservoirs as CarbonReservoirs
from ._climate import TCREClimate as TCREClimate
from ._closures import (
    AbstractClosure as AbstractClosure,
    Automatic as Automatic,
    Growth as Growth,
    Inflow as Inflow,
    Outflow as Outflow,
    Reflecting as Reflecting,
    StateConstraint as StateConstraint,
)
from ._configuration import (
    build as build,
    configure as configure,
    parameters_of as parameters_of,
    portable_parameters as portable_parameters,
)
from ._damages import DamageJump as DamageJump, ThresholdDamages as ThresholdDamages
from ._dice2016 import Dice2016 as Dice2016
from ._dice2016_continuous import Dice2016Continuous as Dice2016Continuous
from ._dice2023 import Dice2023 as Dice2023
from ._dice2023_scenarios import DICE2023_SCENARIOS as DICE2023_SCENARIOS
from ._dice_economy import DiceEconomy as DiceEconomy, DiceGrowth as DiceGrowth
from ._discrete import (
    AbstractDiscreteModel as AbstractDiscreteModel,
    AbstractPeriod as AbstractPeriod,
    DiscreteProblem as DiscreteProblem,
    Dynamics as Dynamics,
    PeriodOutcome as PeriodOutcome,
)
from ._economy import AKEconomy as AKEconomy
from ._ensemble import Ensemble as Ensemble, load_ensemble as load_ensemble
from ._exploration import Exploration as Exploration, LogarithmicEconomy as LogarithmicEconomy
from ._fair_climate import FairClimate as FairClimate, FairState as FairState
from ._fossil_reserves import FossilReserves as FossilReserves
from ._knowledge_capital import KnowledgeCapital as KnowledgeCapital
from ._lagged_climate import LaggedClimate as LaggedClimate
from ._linear_quadratic import LinearQuadratic as LinearQuadratic
from ._maximise import maximise as maximise
from ._model import (
    AbstractModel as AbstractModel,
    CarbonModel as CarbonModel,
    ClosedFormControl as ClosedFormControl,
    Jump as Jump,
)
from ._multi_region import MultiRegion as MultiRegion
from ._net_zero import NetZero as NetZero
from ._neutral import (
    robust_mean as robust_mean,
    scaled_expm1 as scaled_expm1,
    tilted_weights as tilted_weights,
)
from ._parameter_units import parameter_units as parameter_units
from ._physical_climate import AbstractPhysicalClimate as AbstractPhysicalClimate
from ._preferences import (
    AbstractPreferences as AbstractPreferences,
    EpsteinZin as EpsteinZin,
    TimeAdditive as TimeAdditive,
)
from ._problem import HJBProblem as HJBProblem
from ._quadratic_regulator import QuadraticRegulator as QuadraticRegulator
from ._registry import MODELS as MODELS, default_model as default_model, model_class as model_class
from ._research import Research as Research
from ._technology import FixedHazard as FixedHazard, KnowledgeHazard as KnowledgeHazard
from ._temperature_layers import TemperatureLayers as TemperatureLayers
from ._two_capital import TwoCapital as TwoCapital
from ._two_capitals import TwoCapitals as TwoCapitals
from ._two_layer_climate import TwoLayerClimate as TwoLayerClimate
from ._uncertain_damages import UncertainDamages as UncertainDamages
from ._value import AbstractValue as AbstractValue, derivatives as derivatives
from ._variable import Variable as Variable
from ._words import nearest as nearest
