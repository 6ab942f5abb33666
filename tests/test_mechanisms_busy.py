"""Which images mechanisms do anything to: one by one, and several looked at together."""

from typing import Any

import pytest
import torch
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms import Exposure, Haze, Maybe, Mechanism, MotionBlur, OneOf, Sensor
from mechaug.mechanisms.busy import Busy, busy_rows

MECHANISMS: tuple[Mechanism[Any], ...] = (
    Maybe(Haze(), 0.4),
    Maybe(MotionBlur(), 0.5),  # numbers of more than one axis
    Exposure(),
    Maybe(Sensor(), 0.3),  # seeds beside its numbers
    Maybe(Exposure(), 0.0),
    OneOf(Haze(), Exposure()),  # a choice, which is not looked at
)


def same(a: Tensor | None, b: Tensor | None) -> bool:
    return a is b or (a is not None and b is not None and torch.equal(a, b))


def test_several_mechanisms_are_looked_at_as_each_alone() -> None:
    drawn = [part.sample(Key(number).at(range(40))) for number, part in enumerate(MECHANISMS)]
    found = Busy(*MECHANISMS).rows(*drawn)
    assert all(same(rows, busy_rows(part, own)) for rows, part, own in zip(found, MECHANISMS, drawn, strict=True))
    happened = [
        drawn[0].visibility_m.isfinite().nonzero().squeeze(-1),
        (drawn[1].angular_speed_deg_s > 0).nonzero().squeeze(-1),
        None,
        drawn[3].full_well_e.isfinite().nonzero().squeeze(-1),
        torch.empty(0, dtype=torch.int64),
        None,
    ]
    assert [same(rows, true) for rows, true in zip(found, happened, strict=True)] == [True] * 6


def test_where_gradients_are_recorded_only_the_others_are_looked_at() -> None:
    drawn = [part.sample(Key(number).at(range(40))) for number, part in enumerate(MECHANISMS[:3])]
    drawn[0] = drawn[0].map(lambda leaf: leaf.clone().requires_grad_())
    found = Busy(*MECHANISMS[:3]).rows(*drawn)
    assert found[0] is None
    assert found[1] is not None
    assert 5 < len(found[1]) < 35


def test_parameters_of_another_mechanism_are_refused() -> None:
    haze, exposure = Haze().neutral(2), Exposure().neutral(2)
    with pytest.raises(ValueError, match="Exposure takes 1 tensors of parameters, not 3: these were drawn by another"):
        Busy(Haze(), Exposure()).rows(haze, haze)
    with pytest.raises(ValueError, match="Haze takes 3 tensors of parameters, not 1"):
        busy_rows(Haze(), exposure)
