import dataclasses
from collections.abc import Iterator
from typing import Any

import equinox as eqx


def parameter_units(model: Any) -> dict[str, str]:
    """The unit of every parameter of a model that declares one, by dotted name.

    Pure numbers and undeclared fields are left out. A field declares its unit by `measured_in`.

    **Arguments:**

    - `model`: a model or a block.

    **Returns:** units by the dotted name of the parameter, as in `--set`.

    !!! example

        ```python
        import abatax as ab

        assert ab.models.parameter_units(ab.models.UncertainDamages())["damages.threshold"] == "degC"
        ```
    """
    return dict(_declared_units(model, ""))


def _declared_units(module: Any, prefix: str) -> Iterator[tuple[str, str]]:
    for field in dataclasses.fields(module):
        value = getattr(module, field.name, None)
        if isinstance(value, eqx.Module):
            yield from _declared_units(value, f"{prefix}{field.name}.")
        elif "unit" in field.metadata:
            yield prefix + field.name, field.metadata["unit"]
