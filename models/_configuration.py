"""Conversion of models to and from plain data, as used by `--set`, configuration files and run.json."""

import copy
import dataclasses
import json
import math
import typing
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..common import nearest
from ._own_classes import TAGS, class_label, decode, encode, imported_class, is_class_label, without_init
from ._registry import BLOCKS, MODELS, default_model, model_class
from .equation import AbstractDiscreteModel, AbstractModel, Ambiguity, Ensemble, load_ensemble, noise_size

_MODEL_KINDS = (AbstractModel, AbstractDiscreteModel)


def parameters_of(model: Any) -> dict[str, Any]:
    """The parameters of a model (or block) as nested plain data.

    Ambiguity is represented by its penalties; `inf` is written as text, as JSON has no infinity. Blocks have their class as `type`.

    **Arguments:**

    - `model`: a model or a block.

    **Returns:** numbers, texts, lists and dictionaries by the name of the field, ready for JSON.

    !!! example

        ```python
        import abatax as ab

        plain = ab.models.parameters_of(ab.models.UncertainDamages())
        assert plain["ambiguity"]["shocks"] == "inf" and plain["damages"]["type"] == "ThresholdDamages"
        ```
    """
    if isinstance(model, Ambiguity):
        plain = {name: _plain(value) for name, value in model.penalties.items()}
    else:
        plain = {f.name: _plain(getattr(model, f.name)) for f in dataclasses.fields(model)}
    return plain if isinstance(model, _MODEL_KINDS) else {"type": type(model).__name__} | plain


def portable_parameters(model: Any) -> dict[str, Any]:
    """The entries of run.json from which the model can be reconstructed: `parameters`, and `model_class` for a user's class.

    **Arguments:**

    - `model`: a model, also of a class of the user.

    **Returns:** `parameters` as from [`parameters_of`][], and for a user's class `model_class`.

    **Raises:** `ValueError` naming the field, if the model cannot be reconstructed from plain data.

    !!! example

        ```python
        import abatax as ab

        assert list(ab.models.portable_parameters(ab.models.NetZero())) == ["parameters"]
        ```
    """
    if not own_classes(model):
        return {"parameters": parameters_of(model)}
    described: dict[str, Any] = {"parameters": _described(model, type(model).__name__)}
    if not _is_registered(type(model)):
        described["model_class"] = class_label(type(model))
    rebuilt = build(model.name, json.loads(json.dumps(described["parameters"])), type(model))
    # Aversions are written as penalties, their reciprocals, which costs rounding.
    if not eqx.tree_equal(model, rebuilt, rtol=1e-12):
        raise ValueError(f"`{type(model).__name__}` cannot be made again from its fields: run.json cannot hold it.")
    return described


def own_classes(tree: Any) -> list[type]:
    """The classes of a model and of its blocks that do not belong to the package.

    **Arguments:**

    - `tree`: a model or a block.

    **Returns:** the classes, those of blocks first; an empty list for models of the package.

    !!! example

        ```python
        import abatax as ab

        class Mine(ab.models.UncertainDamages):
            pass

        assert ab.models.own_classes(ab.models.NetZero()) == [] and ab.models.own_classes(Mine()) == [Mine]
        ```
    """
    if not dataclasses.is_dataclass(tree):
        return []
    inner = [cls for f in dataclasses.fields(tree) for cls in own_classes(getattr(tree, f.name, None))]
    return [*([] if _is_registered(type(tree)) else [type(tree)]), *inner]


def _is_registered(cls: type) -> bool:
    return BLOCKS.get(cls.__name__) is cls or MODELS.get(getattr(cls, "name", "")) is cls


def _described(module: Any, where: str) -> dict[str, Any]:
    """Plain data of a model or block with classes of the user."""
    if not own_classes(module):
        return parameters_of(module)
    fields = {f.name: getattr(module, f.name) for f in dataclasses.fields(module)}
    if isinstance(module, Ambiguity) and type(module) is Ambiguity:
        return parameters_of(module)
    plain = {name: encode(value, f"{where}.{name}", _described) for name, value in fields.items()}
    if isinstance(module, _MODEL_KINDS):
        return plain
    registered = _is_registered(type(module))
    return {"type": type(module).__name__ if registered else class_label(type(module))} | plain


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, (float, jax.Array, np.ndarray)):
        numbers = np.asarray(value, dtype=float)
        return _finite(numbers.item()) if numbers.ndim == 0 else [_plain(v) for v in numbers]
    return parameters_of(value)


def _finite(number: float) -> float | str:
    return number if math.isfinite(number) else str(number)


def build(name: str, parameters: dict[str, Any], cls: type | None = None) -> Any:
    """A model from its name and complete parameters, in the form of `parameters_of`.

    **Arguments:**

    - `name`: the name of the model.
    - `parameters`: every field, as from [`parameters_of`][].
    - `cls`: the user's class, if the name is not registered.

    **Returns:** the model.

    **Raises:** `ValueError` naming a field that is missing, unknown or out of range.

    !!! example

        ```python
        import abatax as ab

        model = ab.models.NetZero()
        again = ab.models.build("net_zero", ab.models.parameters_of(model))
        assert again.states._fields == model.states._fields
        ```
    """
    if not isinstance(parameters, dict):
        raise ValueError(f"`parameters` is {parameters!r}; it must be a table of the fields of `{name}`.")
    try:
        model = _make(model_class(name) if cls is None else cls, parameters, name)
    except (TypeError, OverflowError) as error:
        raise ValueError(f"`{name}`: {error}.") from None
    if isinstance(model, AbstractModel):
        check_channels(model)
    return model


def check_channels(model: AbstractModel) -> None:
    """Raise if the number of aversions in `ambiguity` differs from the number of shocks or jumps of the model."""
    # Jumps of some models pass the aversions on to their destinations: they are counted without aversions.
    neutral = eqx.tree_at(lambda m: m.ambiguity, model, Ambiguity())
    counts = {"shocks": noise_size(model), "jumps": len(neutral.jumps()), "climate": 1}
    for channel, count in counts.items():
        given = getattr(model.ambiguity, channel)
        if given.ndim and given.size != count:
            raise ValueError(
                f"`ambiguity.{channel}` has {given.size} entries; `{model.name}` has {count} {channel}: give one number or"
                f" {count}."
            )


# Types of fields that are choices rather than parameters.
_CHOICES = {str: "a word", bool: "true or false", int: "a whole number"}


def _choice_or_value(value: Any, kind: Any, where: str) -> Any:
    if kind in _CHOICES:
        if type(value) is not kind:
            raise ValueError(f"`{where}` is {value!r}; it must be {_CHOICES[kind]}.")
        return value
    kinds = [t for t in typing.get_args(kind) or (kind,) if t is not type(None)]
    if not isinstance(value, dict) and value is not None and all(_is_block(t) for t in kinds):
        raise ValueError(f"`{where}` is {value!r}; it must be a block with its `type`.")
    return _value(value, where)


def _is_block(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, eqx.Module)


def _make(cls: type, given: dict[str, Any], where: str) -> Any:
    given = {key: value for key, value in given.items() if key != "type"}
    if cls is Ambiguity:
        return Ambiguity.from_penalties(**{k: _numbers(v, f"{where}.{k}") for k, v in given.items()})
    fields = {f.name: f for f in dataclasses.fields(cls)}
    if not _is_registered(cls):
        missing = [key for key in fields if key not in given]
        if missing:
            raise ValueError(f"field `{where}.{missing[0]}` is missing; the class has changed, or the file is damaged.")
        return without_init(cls, {key: decode(given[key], f"{where}.{key}", _value) for key in fields})
    arguments = {}
    for key, value in given.items():
        if key not in fields:
            raise ValueError(f"unknown field `{where}.{key}`: {nearest(key, fields)}")
        field = fields[key]
        if value is None and type(None) not in typing.get_args(field.type):
            raise ValueError(f"`{key}` is none; `{where}` cannot do without it.")
        argument = arguments[key] = _choice_or_value(value, field.type, f"{where}.{key}")
        allowed = [t for t in typing.get_args(field.type) or (field.type,) if isinstance(t, type) and t is not Any]
        if isinstance(value, dict) and allowed and not isinstance(argument, tuple(allowed)):
            names = sorted(b for b, t in BLOCKS.items() if issubclass(t, tuple(allowed)))
            raise ValueError(f"`{where}.{key}` is {type(argument).__name__}; use one of {', '.join(names)}.")
    return cls(**arguments)


def _value(value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        return value if value is None else _numbers(value, where)
    kind = value.get("type")
    if kind in TAGS:
        return decode(value, where, _value)
    if is_class_label(kind):
        return _make(imported_class(str(kind)), value, where)
    if kind not in BLOCKS:
        raise ValueError(f"`{where}.type` is {kind!r}: {nearest(str(kind), BLOCKS)}")
    return _make(BLOCKS[kind], value, where)


def _numbers(value: Any, where: str) -> Any:
    if isinstance(value, list):
        return [_numbers(v, where) for v in value]
    try:
        return float(_no_truth(value))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"`{where}` is {value!r}; it must be a number.") from None


def configure(name: str, settings: dict[str, Any], base: dict[str, Any] | None = None, cls: type | None = None) -> Any:
    """A model from its name and the fields that differ from its defaults, or from other complete parameters.

    **Arguments:**

    - `name`: as on the command line.
    - `settings`: dotted field to value, a number or a text as on the command line: `{"ambiguity.shocks": "1",
      "climate.ensemble": "mine.csv"}`. The penalty `inf` of `ambiguity` is neutral; lists are written `1,2,3`; `none` leaves an
      optional block out; the name of a block replaces a block by another with default values (`{"climate": "LaggedClimate"}`); an
      ensemble is a CSV file, `published` or `assessed`.
    - `base`: complete parameters in the form of [`parameters_of`][], instead of the defaults.
    - `cls`: as in [`build`][].

    **Returns:** the model.

    **Raises:** `ValueError`: one line with the field, the value and what is allowed.

    !!! example

        ```python
        import abatax as ab

        model = ab.models.configure("uncertain_damages", {"ambiguity.climate": 0.01})
        assert float(model.ambiguity.climate) == 100.0
        ```
    """
    if base is not None and not settings:
        return build(name, base, cls)
    complete = parameters_of(default_model(name)) if base is None else copy.deepcopy(base)
    for channel, penalties in complete.get("ambiguity", {}).items():
        # Equal penalties become one number, as other settings may change the number of shocks and jumps.
        if isinstance(penalties, list) and penalties and all(p == penalties[0] for p in penalties):
            complete["ambiguity"][channel] = penalties[0]
    # A block is set before its fields, in whatever order they are listed.
    for dotted, value in sorted(settings.items(), key=lambda item: item[0].count(".")):
        _set(complete, model_class(name) if cls is None else cls, dotted, value)
    return build(name, complete, cls)


def _set(tree: dict[str, Any], cls: type, dotted: str, value: Any) -> None:
    *blocks, last = dotted.split(".")
    node = tree
    for depth, block in enumerate(blocks):
        names = [key for key in node if key != "type"]
        if block not in names:
            raise ValueError(f"unknown field `{dotted}`: {nearest(block, names)}")
        if not isinstance(node[block], dict):
            raise ValueError(f"unknown field `{dotted}`: `{'.'.join(blocks[: depth + 1])}` has no fields of its own.")
        node = node[block]
        cls = BLOCKS[node["type"]] if node["type"] in BLOCKS else imported_class(node["type"])
    names = [key for key in node if key != "type"]
    if last not in names:
        raise ValueError(f"unknown field `{dotted}`: {nearest(last, names)}")
    kind = next((f.type for f in dataclasses.fields(cls) if f.name == last), None)
    node[last] = _read_absent(dotted, value, kind) if node[last] is None else _read(dotted, value, node[last])


def _read_absent(dotted: str, value: Any, kind: Any) -> Any:
    """Interpret a text for a field that is none, by the type of the field: a block, a list or one number."""
    if _is_none(value):
        return None
    kinds = [t for t in typing.get_args(kind) if t is not type(None)]
    fitting = sorted(name for name, block in BLOCKS.items() if any(t is block for t in kinds))
    if fitting:
        if isinstance(value, str) and value in BLOCKS:
            return _default_block(dotted, value)
        raise ValueError(f"`{dotted}` is {value!r}; name a block: {', '.join(fitting)}, or none.")
    parts = value if isinstance(value, list) else str(value).split(",") if isinstance(value, str) else [value]
    numbers = [_number(dotted, part) for part in parts]
    if any(getattr(t, "dim_str", "...") != "..." for t in kinds):  # an axis of its own
        return numbers
    if isinstance(value, list) or len(numbers) != 1:
        raise ValueError(f"`{dotted}` is {','.join(map(str, parts))}; it must be one number.")
    return numbers[0]


def _is_none(value: Any) -> bool:
    return isinstance(value, str) and value.lower() == "none" or value is None


_TRUTH = {"true": True, "1": True, "false": False, "0": False}


def _read(dotted: str, value: Any, default: Any) -> Any:
    """Interpret a text by the type of the default."""
    if _is_none(value):
        return None
    if isinstance(default, dict):
        if default["type"] == "Ensemble":
            return parameters_of(_ensemble(dotted, value))
        if isinstance(value, str) and value in BLOCKS:
            return _default_block(dotted, value)
        fields = ", ".join(f"{dotted}.{k}" for k in default if k != "type")
        raise ValueError(
            f"`{dotted}` is a block, not {value!r}; name another block, or set one of its fields: {fields}."
        )
    if isinstance(default, str) and default not in ("inf", "-inf", "nan"):
        if not isinstance(value, str):
            raise ValueError(f"`{dotted}` is {value!r}; it must be a word, such as {default}.")
        return value
    if isinstance(default, bool):
        truth = _TRUTH.get(str(value).lower())
        if truth is None:
            raise ValueError(f"`{dotted}` is {value!r}; it must be true or false.")
        return truth
    if isinstance(default, int):
        number = _number(dotted, value, bound="a whole number")
        if number != int(number):
            raise ValueError(f"`{dotted}` is {value}; it must be a whole number.")
        return int(number)
    if isinstance(value, str) and "," in value:
        value = value.split(",")
    if isinstance(value, list):
        if not isinstance(default, list) and not dotted.startswith("ambiguity."):
            raise ValueError(f"`{dotted}` is {','.join(map(str, value))}; it must be one number.")
        return [_number(dotted, v) for v in value]
    number = _number(dotted, value)
    return [number] if isinstance(default, list) else number


def _no_truth(value: Any) -> Any:
    """Refuse truth values, which Python would convert to 0 and 1."""
    if isinstance(value, bool):
        raise TypeError
    return value


def _default_block(dotted: str, name: str) -> dict[str, Any]:
    try:
        return parameters_of(BLOCKS[name]())
    except TypeError:
        raise ValueError(f"`{dotted}` is {name}, which has no default values; set it in Python.") from None


def _number(dotted: str, value: Any, bound: str = "finite") -> float:
    try:
        number = float(_no_truth(value))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"`{dotted}` is {value!r}; it must be a number.") from None
    if math.isnan(number):
        raise ValueError(f"`{dotted}` is {value!r}; it must be a number.")
    if math.isinf(number) and not dotted.startswith("ambiguity."):  # there it is the penalty of a neutral planner
        raise ValueError(f"`{dotted}` is {value}; it must be {bound}.")
    return number


def _ensemble(dotted: str, value: Any) -> Ensemble:
    if value == "published":
        return Ensemble.published()
    if value == "assessed":
        return Ensemble.assessed()
    if isinstance(value, list):
        return Ensemble(jnp.asarray(value, dtype=jnp.float64))
    try:
        return load_ensemble(str(value))
    except ValueError as error:
        raise ValueError(f"`{dotted}`: {error}") from None
