"""Names on the command line."""

from .base import nearest
from .dice import Dice2016, Dice2016Continuous, Dice2023
from .equation import AbstractDiscreteModel, AbstractModel
from .exact import AKClimate, LinearQuadratic, MultiRegion
from .published import AbatementTechnology, FossilReserves, KnowledgeCapital, TwoLayerClimate, UncertainDamages
from .transition import NetZero, TwoCapital

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
