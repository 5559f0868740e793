"""Neural networks as value functions and policies: architectures, their layers, and bounds of controls."""

from ._control_bounds import ControlBounds as ControlBounds
from ._registry import (
    ARCHITECTURES as ARCHITECTURES,
    architecture as architecture,
    architecture_options as architecture_options,
    make_network as make_network,
)
from ._specification import SCALE as SCALE, NetworkOptions as NetworkOptions
from .layers import (
    ACTIVATIONS as ACTIVATIONS,
    AbstractNetwork as AbstractNetwork,
    Frozen as Frozen,
    count_parameters as count_parameters,
    trainable as trainable,
)
from .networks import (
    DGM as DGM,
    GLU as GLU,
    KAN as KAN,
    MLP as MLP,
    Additive as Additive,
    Attention as Attention,
    Concave as Concave,
    FiLM as FiLM,
    FourierMLP as FourierMLP,
    GatedMLP as GatedMLP,
    Highway as Highway,
    Monotone as Monotone,
    PirateNet as PirateNet,
    RandomFeatures as RandomFeatures,
    ResNet as ResNet,
    Separable as Separable,
    Siren as Siren,
)
