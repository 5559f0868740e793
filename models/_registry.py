"""The models and blocks that have a name on the command line and in files."""

from ..common import choose
from . import climate, dice, economy, equation, exact, published, transition
from .base import AbstractBlock
from .dice import Dice2016, Dice2016Continuous, Dice2023
from .equation import AbstractDiscreteModel, AbstractModel
from .exact import AKClimate, LinearQuadratic, MultiRegion
from .published import AbatementTechnology, FossilReserves, KnowledgeCapital, TwoLayerClimate, UncertainDamages
from .transition import NetZero, TwoCapital

# in the order in which they are listed
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
"""Classes of the models by their name in files and on the command line."""


def _exported_blocks() -> dict[str, type[AbstractBlock]]:
    """Every block that a sub-package of models exports, by the name of its class; abstract classes are left out."""
    exported = [
        value
        for package in (equation, climate, economy, exact, published, transition, dice)
        for value in vars(package).values()
        if isinstance(value, type) and issubclass(value, AbstractBlock) and not value.__name__.startswith("Abstract")
    ]
    return {block.__name__: block for block in sorted(exported, key=lambda block: block.__name__.casefold())}


BLOCKS: dict[str, type[AbstractBlock]] = _exported_blocks()
"""Classes of the blocks that `--set` and files know, by name."""


def default_model(name: str) -> AbstractModel | AbstractDiscreteModel:
    """The model of a name with its default parameters; every model in `MODELS` has them.

    **Arguments:**

    - `name`: the name of a model, a key of `MODELS`.

    **Returns:** the model.

    **Raises:** `ValueError` with the nearest known name.

    !!! example

        ```python
        import abatax as ab

        assert ab.models.default_model("net_zero").name == "net_zero"
        ```
    """
    return model_class(name)()  # pyright: ignore[reportCallIssue]


def model_class(name: str) -> type[AbstractModel] | type[AbstractDiscreteModel]:
    """The class of the model of a name.

    **Arguments:**

    - `name`: the name of a model, a key of `MODELS`.

    **Returns:** the class.

    **Raises:** `ValueError` with the nearest known name.

    !!! example

        ```python
        import abatax as ab

        assert ab.models.model_class("net_zero") is ab.models.NetZero
        ```
    """
    return choose("model", name, MODELS)
