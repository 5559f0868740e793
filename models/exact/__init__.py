"""Models with solutions in closed form or from ordinary differential equations, as references for solvers."""

from ._ak_climate import AKClimate as AKClimate, CapitalTemperature as CapitalTemperature, Productivity as Productivity
from ._breakdown import breakdown_advice as breakdown_advice, why_infinite as why_infinite
from ._linear_quadratic import LinearQuadratic as LinearQuadratic, numbered_point as numbered_point
from ._multi_region import MultiRegion as MultiRegion, rotation_matrix as rotation_matrix
from ._quadratic_coefficients import quadratic_form as quadratic_form
from ._quadratic_form import (
    InfiniteValueError as InfiniteValueError,
    QuadraticForm as QuadraticForm,
    QuadraticModel as QuadraticModel,
)
from ._quadratic_regulator import QuadraticRegulator as QuadraticRegulator
