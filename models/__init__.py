"""Models: states, controls, dynamics, preferences and ambiguity, and the HJB equation that they define."""

from ..common import nearest as nearest
from ._configuration import (
    build as build,
    configure as configure,
    own_classes as own_classes,
    parameters_of as parameters_of,
    portable_parameters as portable_parameters,
)
from ._family import ProblemFamily as ProblemFamily, Range as Range
from ._own_classes import class_label as class_label, imported_class as imported_class, without_init as without_init
from ._parameter_units import parameter_units as parameter_units
from ._registry import BLOCKS as BLOCKS, MODELS as MODELS, default_model as default_model, model_class as model_class
from .base import (
    AbstractBlock as AbstractBlock,
    Variable as Variable,
    measured_in as measured_in,
    robust_mean as robust_mean,
    scaled_expm1 as scaled_expm1,
    tilted_weights as tilted_weights,
)
from .climate.blocks import *  # noqa: F403
from .dice import (
    DICE2023_SCENARIOS as DICE2023_SCENARIOS,
    Dice2016 as Dice2016,
    Dice2016Continuous as Dice2016Continuous,
    Dice2023 as Dice2023,
    DiceEconomy as DiceEconomy,
    DiceGrowth as DiceGrowth,
)
from .economy.blocks import *  # noqa: F403
from .equation import (
    AbstractClosure as AbstractClosure,
    AbstractDiscreteModel as AbstractDiscreteModel,
    AbstractModel as AbstractModel,
    AbstractPeriod as AbstractPeriod,
    AbstractPreferences as AbstractPreferences,
    AbstractValue as AbstractValue,
    Ambiguity as Ambiguity,
    Automatic as Automatic,
    CarbonModel as CarbonModel,
    ClosedFormControl as ClosedFormControl,
    Derivatives as Derivatives,
    DiscreteProblem as DiscreteProblem,
    Dynamics as Dynamics,
    Ensemble as Ensemble,
    EpsteinZin as EpsteinZin,
    Equation as Equation,
    Growth as Growth,
    HJBProblem as HJBProblem,
    Inflow as Inflow,
    Jump as Jump,
    Outflow as Outflow,
    PeriodOutcome as PeriodOutcome,
    Reflecting as Reflecting,
    StateConstraint as StateConstraint,
    TimeAdditive as TimeAdditive,
    WorstCase as WorstCase,
    derivatives as derivatives,
    load_ensemble as load_ensemble,
    maximise as maximise,
)
from .exact import (
    AKClimate as AKClimate,
    LinearQuadratic as LinearQuadratic,
    MultiRegion as MultiRegion,
    Productivity as Productivity,
    QuadraticRegulator as QuadraticRegulator,
)
from .published import (
    AbatementTechnology as AbatementTechnology,
    FossilReserves as FossilReserves,
    KnowledgeCapital as KnowledgeCapital,
    TwoLayerClimate as TwoLayerClimate,
    UncertainDamages as UncertainDamages,
)
from .transition import NetZero as NetZero, TwoCapital as TwoCapital
