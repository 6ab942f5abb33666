"""What `apply` spares: work for neutral images, and memory for large batches; and what that must not change."""

from dataclasses import dataclass
from typing import final

import pytest
import torch
from torch import Tensor

from mechaug import memory
from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms import Chain, Exposure, Haze, HazeParams, Jpeg, Maybe, Mechanism, Parameters, base, parameters
from mechaug.mechanisms.base import check_laws, draw_quantities, neutral_quantities, per_image
from mechaug.testing import example_pictures

SEEN: list[int] = []


@parameters
class GainParams(Parameters):
    gain: Tensor


@final
@dataclass(frozen=True)
class Gain(Mechanism[GainParams]):
    """Notes how many images it is asked to work on."""

    gain: Law = quantity((0.5, 0.9), "", neutral=1.0, low=0.0)

    domain = "light"
    structure = "none"

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> GainParams:
        return GainParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> GainParams:
        return GainParams(**neutral_quantities(self, batch))

    def transform(self, x: Tensor, params: GainParams) -> Tensor:
        SEEN.append(len(x))
        return x * per_image(params.gain).to(x.dtype)


@pytest.fixture(autouse=True)
def forget() -> None:
    SEEN.clear()


def some_neutral() -> GainParams:
    return GainParams(gain=torch.tensor([1.0, 0.5, 1.0, 0.7]))


@pytest.mark.parametrize("wrap", [lambda m: m, Chain, Maybe], ids=["alone", "chain", "maybe"])
def test_neutral_images_cost_nothing_and_come_back_bit_for_bit(wrap) -> None:
    x = example_pictures(4)
    mechanism, params = wrap(Gain()), some_neutral()
    if wrap is Chain:
        params = mechanism.neutral(4).replace(steps=(params,))
    y = mechanism.apply(x, params)
    assert SEEN == [2]
    assert torch.equal(y[[0, 2]], x[[0, 2]])
    assert ((y - x).abs().amax((1, 2, 3))[[1, 3]] > 0.05).all()


def test_where_all_are_neutral_nothing_is_computed_and_nothing_is_shared() -> None:
    x = example_pictures(4)
    for mechanism in (Gain(), Chain(Gain(), Haze(), Jpeg())):
        y = mechanism.apply(x, mechanism.neutral(4))
        assert torch.equal(y, x)
        assert y.data_ptr() != x.data_ptr()
    assert SEEN == []


def test_an_absent_mechanism_asks_for_no_conversion(monkeypatch: pytest.MonkeyPatch) -> None:
    """A neutral haze between two mechanisms on pictures: nothing becomes light."""
    made = []
    monkeypatch.setattr(base, "to_light", lambda x: made.append("light") or x)
    chain = Chain(Jpeg(), Haze(), Jpeg())
    key = Key(0).at([0, 1])
    params = chain.sample(key)
    chain.apply(example_pictures(2), params.replace(steps=(params.steps[0], Haze().neutral(2), params.steps[2])))
    assert made == []


def test_the_slope_at_neutral_is_not_lost() -> None:
    """An adversary that climbs from the neutral value needs it."""
    gain = torch.ones(3, requires_grad=True)
    y = Gain().apply(example_pictures(3), GainParams(gain=gain))
    (slope,) = torch.autograd.grad(y.sum(), gain)
    assert SEEN == [3]
    assert (slope > 0).all()


def test_the_slope_in_the_picture_is_one_where_nothing_happens() -> None:
    x = example_pictures(4).requires_grad_()
    (slope,) = torch.autograd.grad(Gain().apply(x, some_neutral()).sum(), x)
    torch.testing.assert_close(slope[[0, 2]], torch.ones_like(slope[[0, 2]]))
    assert not torch.allclose(slope[[1, 3]], torch.ones_like(slope[[1, 3]]), atol=0.1)


def test_large_batches_are_worked_on_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    x = example_pictures(11, height=16, width=24)
    chain = Chain(Gain(), Haze(), Jpeg())
    params = chain.sample(Key(1).at(range(11)))
    whole = chain.apply(x, params)
    assert SEEN == [11]
    SEEN.clear()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    # A chain works on twice as many.
    monkeypatch.setattr(memory, "AT_ONCE", 2 * 3 * 16 * 24)
    torch.testing.assert_close(chain.apply(x, params), whole, atol=1e-6, rtol=0)
    assert SEEN == [4, 4, 3]
    # Larger than the limit, one image is one part.
    SEEN.clear()
    monkeypatch.setattr(memory, "AT_ONCE", 1)
    chain.apply(x, params)
    assert SEEN == [1] * 11
    # Some operators share work between threads by whole images: there are at least as many.
    SEEN.clear()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    chain.apply(x, params)
    assert SEEN == [5, 5, 1]


def test_where_gradients_are_recorded_the_batch_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "AT_ONCE", 1)
    x = example_pictures(3).requires_grad_()
    assert Gain().apply(x, Gain().sample(Key(0).at([0, 1, 2]))).requires_grad
    assert SEEN == [3]


def test_a_result_can_meet_gradients_afterwards() -> None:
    mechanism, x = Chain(Haze(), Jpeg()), example_pictures(3)
    y = mechanism(x, Key(0).at([0, 1, 2]))
    weight = torch.ones(1, requires_grad=True)
    (y * weight).sum().backward()
    assert weight.grad == y.sum()
    leaf = y.requires_grad_()
    assert mechanism(leaf, Key(0).at([0, 1, 2])).requires_grad


def test_an_empty_batch_is_a_batch() -> None:
    x = example_pictures(1)[:0]
    assert Chain(Gain(), Haze()).apply(x, Chain(Gain(), Haze()).neutral(0)).shape == x.shape


def test_parameters_of_another_mechanism_are_refused() -> None:
    haze: HazeParams = Haze().neutral(2)
    with pytest.raises(ValueError, match="Exposure takes 1 tensors of parameters, not 3: these were drawn by another"):
        Exposure().apply(example_pictures(2), haze)  # pyright: ignore[reportArgumentType]
