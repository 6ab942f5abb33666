"""Frozen dataclasses to JSON and back, through an explicit table of names.

A record becomes an object with its class name under "type"; decoding looks that name up in the table it is given and
in nothing else, so a file can never name code to run. Tensors keep their dtype and every bit of their values.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor
from torch.distributions import Distribution, Exponential, LogNormal, Normal, Uniform

Json: TypeAlias = Any
"""What `json` reads and writes: None, a number, text, a list or an object with names."""

_DTYPES: Final = {str(kind).removeprefix("torch."): kind for kind in (torch.float32, torch.float64, torch.float16,
    torch.bfloat16, torch.int64, torch.int32, torch.uint8, torch.bool)}  # fmt: skip

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
        return {"type": name, **{field: _encode_number(getattr(value, field)) for field in DISTRIBUTIONS[name][1]}}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value) if field.init}
        return {"type": type(value).__name__, **fields}
    raise SpecError(f"{type(value).__name__} has no JSON form: store dataclasses, tensors, numbers, text and tuples")


def _encode_number(number: Tensor) -> Json:
    """A distribution's parameter: plain where it has the usual precision."""
    return encode(number if number.dtype != torch.float32 or number.ndim else float(number))


def decode(value: Json, types: Mapping[str, type]) -> Any:  # noqa: ANN401  (records of every kind)
    """The record that `encode` wrote.

    Args:
        value: what `json.loads` returned.
        types: the classes that may occur, by name.

    Raises:
        SpecError: an unknown type, an unknown or missing field, or a value that the class itself refuses.
    """
    try:
        return _decode(value, types)
    except SpecError:
        raise
    except RecursionError:
        raise SpecError("the record is nested too deeply to be one of mechaug's") from None
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise SpecError(f"a record is damaged or was edited: {type(error).__name__}: {error}") from error


def _decode(value: Json, types: Mapping[str, type]) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return tuple(_decode(item, types) for item in value)
    if not isinstance(value, dict):
        return value
    if "type" not in value:
        raise SpecError('a record has no "type": it was not written by mechaug, or was edited')
    name = value["type"]
    fields = {key: item for key, item in value.items() if key != "type"}
    if name == "float":
        return float(str(fields["value"]))
    if name == "dict":
        return {_decode(k, types): _decode(v, types) for k, v in fields["items"]}
    if name == "Tensor":
        values = [_decode(item, types) for item in fields["values"]]
        return torch.tensor(values, dtype=_DTYPES[fields["dtype"]]).reshape(fields["shape"])
    decoded = {key: _decode(item, types) for key, item in fields.items()}
    if isinstance(name, str) and name in DISTRIBUTIONS:
        kind, parameters = DISTRIBUTIONS[name]
        if decoded.keys() != set(parameters):
            raise SpecError(f"{name} has the fields {', '.join(parameters)}, not {', '.join(decoded) or 'none'}")
        return kind(**decoded)
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
    except (ValueError, RecursionError) as error:
        raise SpecError(f"not JSON that mechaug wrote: {error}") from error
    return decode(value, types)
