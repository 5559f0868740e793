"""Names on the command line."""

import difflib
from collections.abc import Iterable

from ._ak_climate import AKClimate
from ._fossil_reserves import FossilReserves
from ._knowledge_capital import KnowledgeCapital
from ._linear_quadratic import LinearQuadratic
from ._model import AbstractModel
from ._two_capital import TwoCapital
from ._two_layer_climate import TwoLayerClimate
from ._uncertain_damages import UncertainDamages

MODELS: dict[str, type[AbstractModel]] = {
    model.name: model
    for model in (
        LinearQuadratic,
        AKClimate,
        UncertainDamages,
        TwoLayerClimate,
        KnowledgeCapital,
        FossilReserves,
        TwoCapital,
    )
}


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the nearest known name, and all of them."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    guess = f"did you mean `{close[0]}`? " if close else ""
    return f"{guess}Known: {', '.join(known)}."


def default_model(name: str) -> AbstractModel:
    """The model of a name with its default parameters (every model in the list has them)."""
    return model_class(name)()  # pyright: ignore[reportCallIssue]


def model_class(name: str) -> type[AbstractModel]:
    """The model of a name.

    **Raises:** `ValueError` with the nearest known name.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model `{name}`: {nearest(name, MODELS)}")
    return MODELS[name]
