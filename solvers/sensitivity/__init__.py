"""Derivatives of a solution with respect to the parameters of its model, by the adjoint."""

from ._functionals import (
    Fields as Fields,
    Reader as Reader,
    default_functionals as default_functionals,
    smooth_control as smooth_control,
)
from ._sensitivities import sensitivities as sensitivities
