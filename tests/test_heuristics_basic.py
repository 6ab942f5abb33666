"""Flip and crop: exact, and as described."""

import pytest
import torch

from mechaug.heuristics.base import About, Heuristic
from mechaug.heuristics.basic import FlipCrop, FlipCropParameters
from mechaug.keys import Key

PICTURES = Key(0).uniform(0.1, 1.0, 6, 3, 12, 10)
KEY = Key(3).at(torch.arange(2000))


def _params(flip: int, x: int, y: int, batch: int = 6) -> FlipCropParameters:
    return FlipCropParameters(torch.full((batch,), flip), torch.full((batch,), x), torch.full((batch,), y))


@pytest.mark.parametrize("flip", [0, 1])
@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-4, 4), (-1, 0), (40, 0)])
def test_it_is_mirror_then_pad_then_crop(flip: int, shift: tuple[int, int]) -> None:
    x, y = shift
    flipped = PICTURES.flip(3) if flip else PICTURES
    padded = torch.nn.functional.pad(flipped, (40, 40, 40, 40))
    expected = padded[:, :, 40 + y : 52 + y, 40 + x : 50 + x]
    assert torch.equal(FlipCrop().apply(PICTURES, _params(flip, x, y)), expected)


def test_each_image_has_its_own_parameters() -> None:
    mechanism = FlipCrop(padding=3)
    params = mechanism.sample(KEY.rows(torch.arange(6)))
    together = mechanism.apply(PICTURES, params)
    alone = [mechanism.apply(PICTURES[i : i + 1], params.rows(torch.tensor([i]))) for i in range(6)]
    assert torch.equal(together, torch.cat(alone))
    assert len({tuple(row) for row in torch.stack((params.flip, params.shift_x_px, params.shift_y_px), 1).tolist()}) > 1


def test_draws_cover_their_range_evenly() -> None:
    params = FlipCrop(padding=2).sample(KEY)
    assert abs(params.flip.float().mean().item() - 0.5) < 0.05
    for shift in (params.shift_x_px, params.shift_y_px):
        counts = torch.bincount(shift + 2, minlength=5)
        assert counts.shape == (5,)
        assert (counts - 400).abs().max() < 90  # five standard deviations of a binomial count
    assert torch.corrcoef(torch.stack((params.shift_x_px, params.shift_y_px)).float())[0, 1].abs() < 0.1


def test_without_flips_nothing_is_mirrored_and_shifts_stay_the_same() -> None:
    with_flips, without = FlipCrop().sample(KEY), FlipCrop(flip=False).sample(KEY)
    assert without.flip.sum() == 0
    assert torch.equal(with_flips.shift_x_px, without.shift_x_px)
    assert torch.equal(with_flips.shift_y_px, without.shift_y_px)


def test_neutral_leaves_the_picture() -> None:
    mechanism = FlipCrop()
    assert torch.equal(mechanism.apply(PICTURES, mechanism.neutral(6)), PICTURES)


def test_the_gradient_goes_where_the_pixel_came_from() -> None:
    x = PICTURES.clone().requires_grad_()
    weights = Key(1).uniform(0.0, 1.0, *x.shape)
    (FlipCrop().transform(x, _params(0, 2, 0)) * weights).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad[..., 2:], weights[..., :-2])
    assert x.grad[..., :2].abs().sum() == 0


def test_padding_follows_the_side() -> None:
    assert FlipCrop.for_side(32) == FlipCrop(padding=4)
    assert FlipCrop.for_side(64, flip=False) == FlipCrop(padding=8, flip=False)


def test_negative_padding_is_refused() -> None:
    with pytest.raises(ValueError, match="padding"):
        FlipCrop(padding=-1)


def test_it_is_a_heuristic_with_a_card() -> None:
    assert issubclass(FlipCrop, Heuristic)
    assert FlipCrop().domain == "picture"
    assert FlipCrop().structure == "none"
    assert isinstance(FlipCrop.about, About)
