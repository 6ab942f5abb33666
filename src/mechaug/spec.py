"""Frozen dataclasses to JSON and back, through an explicit table of names.

A record becomes an object with its class name under "type"; decoding looks that name up in the table it is given and
in nothing else, so a file can never name code to run. Tensors keep their dtype and every bit of their values.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Exponential, LogNormal, Normal, Uniform

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

DISTRIBUTIONS: Mapping[str, tuple[type[Distribution], tuple[str, ...]]] = {
    "Normal": (Normal, ("loc", "scale")),
    "LogNormal": (LogNormal, ("loc", "scale")),
    "Uniform": (Uniform, ("low", "high")),
    "Exponential": (Exponential, ("rate",)),
}
"""The distributions that a law may be stored as, with their parameters."""


class SpecError(ValueError):
    """A record cannot be written as JSON or read back; the message says which and what to do."""


def encode(value: Any) -> Json:  # noqa: ANN401  (records of every kind)
    """A JSON value for a record: dataclass, tuple, tensor, distribution, number, text or None.

    Raises:
        SpecError: something in the record has no JSON form.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"type": "float", "value": str(value)}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {"type": "dict", "items": [[encode(k), encode(v)] for k, v in value.items()]}
    if isinstance(value, Tensor):
        dtype = str(value.dtype).removeprefix("torch.")
        flat = [encode(item) for item in value.detach().reshape(-1).tolist()]
        return {"type": "Tensor", "dtype": dtype, "shape": list(value.shape), "values": flat}
    if isinstance(value, Distribution):
        name = type(value).__name__
        if name not in DISTRIBUTIONS or type(value) is not DISTRIBUTIONS[name][0]:
            raise SpecError(f"{name} has no JSON form; laws are stored as {', '.join(DISTRIBUTIONS)} or as a range")
        return {"type": name, **{field: float(getattr(value, field)) for field in DISTRIBUTIONS[name][1]}}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
        return {"type": type(value).__name__, **fields}
    raise SpecError(f"{type(value).__name__} has no JSON form: store dataclasses, tensors, numbers, text and tuples")


def decode(value: Json, types: Mapping[str, type]) -> Any:  # noqa: ANN401  (records of every kind)
    """The record that `encode` wrote.

    Args:
        value: what `json.loads` returned.
        types: the classes that may occur, by name.

    Raises:
        SpecError: an unknown type, an unknown or missing field, or a value that the class itself refuses.
    """
    if isinstance(value, list):
        return tuple(decode(item, types) for item in value)
    if not isinstance(value, dict):
        return value
    if "type" not in value:
        raise SpecError('a record has no "type": it was not written by mechaug, or was edited')
    name = value["type"]
    fields = {key: item for key, item in value.items() if key != "type"}
    if name == "float":
        return float(str(fields["value"]))
    if name == "dict":
        return {decode(k, types): decode(v, types) for k, v in fields["items"]}  # type: ignore[union-attr]
    if name == "Tensor":
        values = [decode(item, types) for item in fields["values"]]  # type: ignore[union-attr]
        return torch.tensor(values, dtype=getattr(torch, str(fields["dtype"]))).reshape(fields["shape"])  # type: ignore[arg-type]
    decoded = {key: decode(item, types) for key, item in fields.items()}
    if isinstance(name, str) and name in DISTRIBUTIONS:
        return DISTRIBUTIONS[name][0](**decoded)
    if not isinstance(name, str) or name not in types:
        raise SpecError(f"unknown type {name!r}; known here: {', '.join(sorted(types))}")
    return _construct(types[name], decoded)


def _construct(cls: type, fields: dict[str, Any]) -> Any:  # noqa: ANN401
    known = {field.name: field for field in dataclasses.fields(cls) if field.init}
    for field in fields:
        if field not in known:
            raise SpecError(f"{cls.__name__} has no field {field!r}; it has {', '.join(known)}")
    for field in known.values():
        optional = field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
        if field.name not in fields and not optional:
            raise SpecError(f"{cls.__name__} lacks its field {field.name!r}")
    # A class whose constructor takes its parts one by one says how to make it from its fields.
    make = getattr(cls, "from_fields", cls)
    try:
        return make(**fields)
    except (TypeError, ValueError) as error:
        raise SpecError(f"{cls.__name__} cannot be read: {error}") from error


def dumps(value: Any, *, indent: int | None = None) -> str:  # noqa: ANN401
    """`encode` as JSON text."""
    return json.dumps(encode(value), indent=indent, ensure_ascii=False, allow_nan=False)


def loads(text: str, types: Mapping[str, type]) -> Any:  # noqa: ANN401
    """`decode` from JSON text.

    Raises:
        SpecError: the text is not JSON, or not a record of these types.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise SpecError(f"not JSON (line {error.lineno}): {error.msg}") from error
    return decode(value, types)
