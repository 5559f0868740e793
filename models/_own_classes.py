"""Users' models and blocks as plain data, with classes identified by the module from which they are imported."""

import math
import sys
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

# Tags of values that JSON cannot represent directly.
_CONTAINERS = {"tuple": tuple, "list": list}
_ARRAYS = {"array": jnp.asarray, "numpy_array": np.asarray}
TAGS = (*_CONTAINERS, *_ARRAYS, "dict", "named_tuple")


def class_label(cls: type) -> str:
    """The label `module:name` of a class, see [`imported_class`][].

    **Arguments:**

    - `cls`: a class that can be imported.

    **Returns:** the label.

    !!! example

        ```python
        import abatax as ab

        assert ab.models.class_label(ab.models.Jump) == "abatax.models.equation._model:Jump"
        ```
    """
    return f"{cls.__module__}:{cls.__qualname__}"


def is_class_label(label: Any) -> bool:
    """Whether a text is the label of a user's class."""
    return isinstance(label, str) and ":" in label


def imported_class(label: str, kind: type = eqx.Module) -> type:
    """The class of a label, if its module has been imported.

    Nothing is imported here: a file must not choose code to run.

    **Arguments:**

    - `label`: `module:name`, as from [`class_label`][].
    - `kind`: the class of which it must be a subclass.

    **Returns:** the class.

    **Raises:** `ValueError` with the remedy.

    !!! example

        ```python
        import abatax as ab

        assert ab.models.imported_class(ab.models.class_label(ab.models.Jump)) is ab.models.Jump
        ```
    """
    module, _, qualified = label.partition(":")
    cls: Any = sys.modules.get(module)
    for name in qualified.split("."):
        cls = getattr(cls, name, None)
    if not (isinstance(cls, type) and issubclass(cls, kind)):
        raise ValueError(
            f"`{label}` is a class that abatax does not have: import `{module}` before the solution is loaded, or give the"
            " class of the model, as in `load(folder, model=MyModel)`."
        )
    return cls


def encode(value: Any, where: str, block: Callable[[Any, str], dict[str, Any]]) -> Any:
    """A field of a user's class as plain data, from which [`decode`][] reconstructs exactly the same value.

    **Arguments:** `block` describes an `equinox.Module`.

    **Raises:** `ValueError` naming the field, if it cannot be represented by plain data.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, eqx.Module):
        return block(value, where)
    if isinstance(value, (jax.Array, np.ndarray)) and value.dtype.kind in "fiub":
        tag = "array" if isinstance(value, jax.Array) else "numpy_array"
        return {"type": tag, "dtype": str(value.dtype), "values": _listed(np.asarray(value).tolist())}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        parts = [encode(part, f"{where}.{name}", block) for name, part in zip(value._fields, value, strict=True)]  # pyright: ignore
        return {"type": "named_tuple", "class": class_label(type(value)), "values": parts}
    for tag, container in _CONTAINERS.items():
        if type(value) is container:
            return {"type": tag, "values": [encode(part, where, block) for part in value]}
    if type(value) is dict and all(isinstance(key, str) for key in value):
        return {"type": "dict", "values": {key: encode(part, f"{where}.{key}", block) for key, part in value.items()}}
    raise ValueError(
        f"`{where}` is a {type(value).__name__}, which run.json cannot hold: make it a number, an array, a text, a tuple, or an"
        " equinox.Module with such fields, or a method of the class."
    )


def decode(value: Any, where: str, block: Callable[[dict[str, Any], str], Any]) -> Any:
    """The value of a field from its plain data."""
    if value in ("inf", "-inf", "nan"):
        return float(value)
    if not isinstance(value, dict):
        return value
    tag = value.get("type")
    if tag not in TAGS:
        return block(value, where)
    values = value["values"]
    if tag in _ARRAYS:
        return _ARRAYS[tag](_numbers(values), dtype=np.dtype(value["dtype"]))
    if tag == "dict":
        return {key: decode(part, f"{where}.{key}", block) for key, part in values.items()}
    parts = [decode(part, where, block) for part in values]
    return imported_class(value["class"], tuple)(*parts) if tag == "named_tuple" else _CONTAINERS[tag](parts)


def without_init(cls: type, fields: dict[str, Any]) -> Any:
    """An instance with the given fields, made without a call of its `__init__`.

    **Arguments:**

    - `cls`: the class.
    - `fields`: every field by name.

    **Returns:** the instance; nothing is checked or converted.

    !!! example

        ```python
        import abatax as ab

        neutral = ab.models.Ambiguity()
        fields = {"shocks": neutral.shocks, "climate": neutral.climate, "jumps": neutral.jumps}
        again = ab.models.without_init(ab.models.Ambiguity, fields)
        assert again.is_neutral()
        ```
    """
    instance = object.__new__(cls)
    for name, value in fields.items():
        object.__setattr__(instance, name, value)
    return instance


def _listed(values: Any) -> Any:
    """Nested lists of numbers, with text for numbers that are not finite, which JSON cannot represent."""
    if isinstance(values, list):
        return [_listed(part) for part in values]
    return values if math.isfinite(values) else str(values)


def _numbers(values: Any) -> Any:
    """The numbers of [`_listed`][]."""
    if isinstance(values, list):
        return [_numbers(part) for part in values]
    return float(values) if isinstance(values, str) else values
