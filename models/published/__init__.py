"""Models of published papers, equation by equation."""

from ._abatement_technology import AbatementTechnology as AbatementTechnology
from ._fossil_reserves import FossilReserves as FossilReserves
from ._knowledge_capital import KnowledgeCapital as KnowledgeCapital
from ._two_layer_climate import TwoLayerClimate as TwoLayerClimate
from ._uncertain_damages import UncertainDamages as UncertainDamages
