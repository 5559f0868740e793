"""The HJB equation: a model and its parts, ambiguity, preferences, closures, jumps, ensembles, and the maximiser."""

from ._ambiguity import Ambiguity as Ambiguity, WorstCase as WorstCase
from ._closures import (
    AbstractClosure as AbstractClosure,
    Automatic as Automatic,
    Growth as Growth,
    Inflow as Inflow,
    Outflow as Outflow,
    Reflecting as Reflecting,
    StateConstraint as StateConstraint,
)
from ._discrete import (
    AbstractDiscreteModel as AbstractDiscreteModel,
    AbstractPeriod as AbstractPeriod,
    DiscreteProblem as DiscreteProblem,
    Dynamics as Dynamics,
    PeriodOutcome as PeriodOutcome,
)
from ._ensemble import Ensemble as Ensemble, load_ensemble as load_ensemble
from ._equation import Continuations as Continuations, Equation as Equation, valued_additive as valued_additive
from ._maximise import maximise as maximise
from ._model import (
    AbstractModel as AbstractModel,
    CarbonModel as CarbonModel,
    ClosedFormControl as ClosedFormControl,
    Jump as Jump,
    NoAdditive as NoAdditive,
    noise_size as noise_size,
)
from ._posed import check_jump as check_jump, check_posed as check_posed
from ._preferences import (
    AbstractPreferences as AbstractPreferences,
    EpsteinZin as EpsteinZin,
    TimeAdditive as TimeAdditive,
    check_time_additive as check_time_additive,
)
from ._problem import HJBProblem as HJBProblem
from ._value import AbstractValue as AbstractValue, Derivatives as Derivatives, derivatives as derivatives
