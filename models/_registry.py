"""Names on the command line."""

from ._abatement_technology import AbatementTechnology
from ._ak_climate import AKClimate
from ._dice2016 import Dice2016
from ._dice2016_continuous import Dice2016Continuous
from ._dice2023 import Dice2023
from ._discrete import AbstractDiscreteModel
from ._fossil_reserves import FossilReserves
from ._knowledge_capital import KnowledgeCapital
from ._linear_quadratic import LinearQuadratic
from ._model import AbstractModel
from ._multi_region import MultiRegion
from ._net_zero import NetZero
from ._two_capital import TwoCapital
from ._two_layer_climate import TwoLayerClimate
from ._uncertain_damages import UncertainDamages
from ._words import nearest

MODELS: dict[str, type[AbstractModel] | type[AbstractDiscreteModel]] = {
    model.name: model
    for model in (
        LinearQuadratic,
        AKClimate,
        MultiRegion,
        UncertainDamages,
        TwoLayerClimate,
        AbatementTechnology,
        KnowledgeCapital,
        FossilReserves,
        TwoCapital,
        NetZero,
        Dice2016,
        Dice2016Continuous,
        Dice2023,
    )
}


def default_model(name: str) -> AbstractModel | AbstractDiscreteModel:
    """The model of a name with its default parameters (every model in the list has them)."""
    return model_class(name)()  # pyright: ignore[reportCallIssue]


def model_class(name: str) -> type[AbstractModel] | type[AbstractDiscreteModel]:
    """The model of a name.

    **Raises:** `ValueError` with the nearest known name.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model `{name}`: {nearest(name, MODELS)}")
    return MODELS[name]
