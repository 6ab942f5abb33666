"""Records as JSON: every bit survives, what is unknown is refused, and no file names code to run."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Beta, Exponential, LogNormal, Normal, Uniform

from mechaug import spec
from mechaug.keys import Key
from mechaug.laws import Quantity, draw_law


@dataclass(frozen=True)
class Inner:
    number: float
    name: str = "inner"


@dataclass(frozen=True)
class Outer:
    parts: tuple[Inner, ...]
    flag: bool = True
    nothing: None = None
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Picky:
    share: float

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"a share lies in 0 to 1, not at {self.share}")


TYPES = {"Inner": Inner, "Outer": Outer, "Picky": Picky}


def through(value: Any) -> Any:
    return spec.loads(spec.dumps(value), TYPES)


def type_checks_are_on() -> bool:
    """Whether pytest runs with --jaxtyping-packages=mechaug,…: a wrong type is then refused at the call."""
    try:
        Quantity(unit=0, neutral=0.0)  # type: ignore[arg-type]
    except Exception:
        return True
    return False


def bits(tensor: Tensor) -> Tensor:
    integer = {torch.float64: torch.int64, torch.float32: torch.int32, torch.bfloat16: torch.int16}
    return tensor.view(integer.get(tensor.dtype, tensor.dtype))


# What survives -----------------------------------------------------------------------------------------------------

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.1, 1 / 3, math.pi * 1e30, math.inf, -math.inf, math.nan]
TENSORS: dict[str, Tensor] = {
    "float32": torch.tensor([*SPECIAL, 1.4e-45, -1.4e-45, 1.17e-38, 3.4028234e38, 1 + 2**-23]),
    "float64": torch.tensor([*SPECIAL, 5e-324, -5e-324, 2.2e-308, 1.7976931348623157e308, 1 + 2**-52]).double(),
    "bfloat16": torch.tensor(SPECIAL).bfloat16(),
    "int64": torch.tensor([0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63)]),
    "uint8": torch.tensor([0, 1, 255], dtype=torch.uint8),
    "bool": torch.tensor([True, False, True]),
    "scalar": torch.tensor(0.1),
    "empty": torch.zeros(0),
    "empty matrix": torch.zeros(2, 0, dtype=torch.int64),
    "matrix": torch.arange(6.0).reshape(2, 3),
    "transposed": torch.arange(6.0).reshape(2, 3).T,
    "every binary32 exponent": ((1 + 2**-23) * 2.0 ** torch.arange(-149, 128).double()).float(),
    "random bits": torch.randint(0, 2**23, (500,), generator=torch.Generator().manual_seed(0), dtype=torch.int32).view(
        torch.float32
    ),
}


@pytest.mark.parametrize("tensor", TENSORS.values(), ids=TENSORS.keys())
def test_tensors_survive_bit_for_bit(tensor: Tensor) -> None:
    again = through(tensor)
    assert again.dtype == tensor.dtype
    assert again.shape == tensor.shape
    # NaN has many bit patterns, and JSON one word for it.
    number = ~torch.isnan(tensor)
    assert torch.equal(bits(again)[number], bits(tensor.contiguous())[number])
    assert torch.equal(torch.isnan(again), torch.isnan(tensor))


def test_a_tensor_that_has_a_gradient_is_stored_as_its_values() -> None:
    again = through(torch.tensor([1.5], requires_grad=True))
    assert again.tolist() == [1.5]
    assert not again.requires_grad


@pytest.mark.parametrize("value", [*SPECIAL, 5e-324, 1.7976931348623157e308], ids=repr)
def test_numbers_survive_bit_for_bit(value: float) -> None:
    again = through(value)
    assert type(again) is float
    assert again == value or (math.isnan(again) and math.isnan(value))
    assert math.copysign(1, again) == math.copysign(1, value)


@pytest.mark.parametrize(
    "value", [0, -1, 2**63, 2**200, True, False, None, "", "5 € — “×”\n\t\x00\u2028 \U0001f600"], ids=repr
)
def test_plain_values_keep_their_type(value: object) -> None:
    again = through(value)
    assert type(again) is type(value)
    assert again == value


def test_records_nest() -> None:
    record = Outer(
        parts=(Inner(0.1), Inner(math.inf, "ends"), Inner(-0.0)),
        flag=False,
        counts={"a": 1, "type": 2},
    )
    assert through(record) == record


@pytest.mark.untyped
def test_tuples_nest() -> None:
    value = ((), (1, (2.5, ("x", (None,)))), (Inner(0.5),))
    assert through(value) == value


def test_tuples_nest_where_types_are_checked() -> None:
    if not type_checks_are_on():
        pytest.fail("types are not checked in this run")
    assert through((((1,),),)) == (((1,),),)


def test_a_dictionary_keeps_its_keys() -> None:
    value = {1: "one", "1": "digit", (1, 2): "pair", "type": "Inner", None: 0.5}
    assert through(value) == value


def test_the_text_is_plain_json() -> None:
    text = spec.dumps(Outer(parts=(Inner(math.nan),)))
    value = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert value["type"] == "Outer"
    assert value["parts"] == [{"type": "Inner", "number": {"type": "float", "value": "nan"}, "name": "inner"}]


def test_defaults_fill_what_an_older_file_lacks() -> None:
    assert spec.loads('{"type": "Inner", "number": 2.5}', TYPES) == Inner(2.5)
    assert spec.loads('{"type": "Outer", "parts": []}', TYPES) == Outer(())


# Distributions -----------------------------------------------------------------------------------------------------

LAWS = {
    "Normal": Normal(0.1, 0.3),
    "LogNormal": LogNormal(-1.0, 0.7),
    "Uniform": Uniform(-0.1, 0.2),
    "Exponential": Exponential(0.3),
    "Normal in float64": Normal(torch.tensor(0.1, dtype=torch.float64), torch.tensor(0.3, dtype=torch.float64)),
}


@pytest.mark.parametrize("name", LAWS)
def test_distributions_draw_the_same_after_json(name: str) -> None:
    law, again = LAWS[name], through(LAWS[name])
    assert type(again) is type(law)
    key, meaning = Key(0).at(torch.arange(1000)), Quantity("", neutral=0.0)
    assert torch.equal(draw_law(again, key, meaning), draw_law(law, key, meaning))


def test_a_distribution_without_a_form_is_refused() -> None:
    with pytest.raises(spec.SpecError, match="Beta has no JSON form; laws are stored as Normal"):
        spec.dumps(Beta(1.0, 1.0))


def test_a_distribution_that_only_looks_like_a_known_one_is_refused() -> None:
    class Normal(torch.distributions.Normal):
        """Another class of the same name, whose draws a file would not give back."""

    with pytest.raises(spec.SpecError, match="Normal has no JSON form"):
        spec.dumps(Normal(0.0, 1.0))


# What is refused ---------------------------------------------------------------------------------------------------


# Names without addresses: processes that share the tests must agree on them.
@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, b"bytes", 1j, Inner, print, Path(), torch.tensor([1j])],
    ids=["object", "set", "bytes", "complex", "class", "function", "path", "tensor"],
)
def test_what_has_no_form_is_refused(value: object) -> None:
    with pytest.raises(spec.SpecError, match="has no JSON form"):
        spec.dumps(value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"not JSON \(line 1\)"),
        ("{\n'a': 1}", r"not JSON \(line 2\)"),
        ('{"type": "Inner"', "not JSON"),
        ("\x80\x04K\x01.", "not JSON"),
        ('{"number": 1}', 'has no "type"'),
        ("{}", 'has no "type"'),
        ('{"type": "Unheard"}', "unknown type 'Unheard'; known here: Inner, Outer, Picky"),
        ('{"type": 5}', "unknown type 5"),
        ('{"type": ["Inner"]}', "unknown type"),
        ('{"type": null}', "unknown type None"),
        ('{"type": "Inner", "number": 1, "colour": 2}', "Inner has no field 'colour'; it has number, name"),
        ('{"type": "Inner", "name": "x"}', "Inner lacks its field 'number'"),
        ('{"type": "Picky", "share": 2}', "Picky cannot be read: a share lies in 0 to 1"),
        ('{"type": "Picky", "share": "half"}', "Picky cannot be read"),
        ('{"type": "Outer", "parts": [{"type": "Gone"}]}', "unknown type 'Gone'"),
    ],
)
def test_a_bad_record_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(spec.SpecError, match=sentence):
        spec.loads(text, TYPES)


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "float"}',
        '{"type": "float", "value": "far"}',
        '{"type": "dict"}',
        '{"type": "dict", "items": [1]}',
        '{"type": "Tensor", "dtype": "float32"}',
        '{"type": "Tensor", "dtype": "float32", "shape": [3], "values": [1.0]}',
        '{"type": "Tensor", "dtype": "float31", "shape": [1], "values": [1.0]}',
        '{"type": "Tensor", "dtype": "load", "shape": [1], "values": [1.0]}',
        '{"type": "Tensor", "dtype": "uint8", "shape": [1], "values": [300]}',
        '{"type": "Normal", "loc": 0.0}',
        '{"type": "Normal", "loc": 0.0, "scale": -1.0}',
        '{"type": "Normal", "loc": 0.0, "scale": "wide"}',
        "[" * 100_000,
        "1" * 5_000,
    ],
    ids=lambda text: text[:60],
)
def test_a_damaged_record_is_a_spec_error(text: str) -> None:
    with pytest.raises(spec.SpecError):
        spec.loads(text, TYPES)


def test_a_distribution_takes_its_own_fields_only() -> None:
    with pytest.raises(spec.SpecError):
        spec.loads('{"type": "Normal", "loc": 0.0, "scale": 1.0, "validate_args": false}', TYPES)


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "builtins.eval",
        "eval",
        "object",
        "json",
        "loads",
        "dataclasses",
        "Path",
        "torch.load",
        "mechaug.spec.loads",
        "__class__",
        "Cauchy",
    ],
)
def test_a_file_cannot_name_code(name: str) -> None:
    with pytest.raises(spec.SpecError, match="unknown type"):
        spec.loads(json.dumps({"type": name, "command": "exit 1", "args": ["exit 1"]}), TYPES)


def test_a_file_cannot_reach_code_through_a_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object) -> None:
        pytest.fail("a dtype was called")

    called: Callable[..., None] = never
    monkeypatch.setattr(torch, "load", called)
    with pytest.raises((spec.SpecError, TypeError)):
        spec.loads('{"type": "Tensor", "dtype": "load", "shape": [1], "values": [1]}', TYPES)


def test_the_table_is_the_only_place_where_names_are_looked_up() -> None:
    with pytest.raises(spec.SpecError, match="unknown type 'Inner'"):
        spec.loads(spec.dumps(Inner(1.0)), {})
    assert spec.loads('{"type": "Inner", "share": 0.5}', {"Inner": Picky}) == Picky(0.5)
