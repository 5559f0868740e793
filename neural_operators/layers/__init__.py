"""Parts of networks: layers, activation functions, functions on edges, and the number of parameters."""

from ._activations import ACTIVATIONS as ACTIVATIONS, activation_function as activation_function
from ._edges import b_splines as b_splines, chebyshev as chebyshev, decay as decay, smooth_start as smooth_start
from ._fourier_features import random_waves as random_waves, waves as waves
from ._frozen import Frozen as Frozen
from ._layers import (
    FIRST as FIRST,
    HIDDEN as HIDDEN,
    LAST as LAST,
    first as first,
    hidden as hidden,
    last as last,
    linear as linear,
)
from ._network import AbstractNetwork as AbstractNetwork, OutSize as OutSize
from ._parameters import count_parameters as count_parameters, trainable as trainable
from ._positive import PositiveLinear as PositiveLinear
from ._sizes import at_least as at_least
