"""Architectures: one file for each, chosen by name."""

from ._additive import Additive as Additive
from ._attention import Attention as Attention
from ._concave import Concave as Concave
from ._dgm import DGM as DGM
from ._film import FiLM as FiLM
from ._fourier import FourierMLP as FourierMLP
from ._gated_mlp import GatedMLP as GatedMLP
from ._glu import GLU as GLU
from ._highway import Highway as Highway
from ._kan import KAN as KAN
from ._mlp import MLP as MLP
from ._monotone import Monotone as Monotone
from ._pirate import PirateNet as PirateNet
from ._random_features import RandomFeatures as RandomFeatures
from ._resnet import ResNet as ResNet
from ._separable import Separable as Separable
from ._siren import Siren as Siren
