"""Erasing: where and how much is covered, and by what."""

import pytest
import torch
from scipy.stats import kstest

from mechaug.heuristics import Cutout, CutoutParameters, RandomErasing
from mechaug.keys import Key
from mechaug.testing import example_pictures

KEY = Key(2).at(torch.arange(4000))


def _covered(heuristic: Cutout | RandomErasing, height: int, width: int, count: int) -> torch.Tensor:
    """Which pixels of a picture are covered: the picture has a value that no filling has."""
    x = torch.full((count, 3, height, width), 1.0)
    y = heuristic(x, KEY.rows(torch.arange(count)))
    return (y != 1.0).any(1)


def test_cutout_is_the_published_mask() -> None:
    """A square of 16 about a pixel at random, cut off at the border: rows c − 8 to c + 7."""
    for place in (0.0, 0.1, 0.5, 0.77, 0.999):
        params = CutoutParameters(torch.tensor([0.5]), torch.tensor([place]), torch.tensor([1.0 - place - 1e-3]))
        y = Cutout(fill=0.25).apply(torch.ones(1, 3, 32, 32), params)
        column, row = int(place * 32), int((1.0 - place - 1e-3) * 32)
        expected = torch.ones(32, 32)
        expected[max(0, row - 8) : row + 8, max(0, column - 8) : column + 8] = 0.25
        assert torch.equal(y, expected.expand(1, 3, 32, 32))


def test_the_middle_of_a_cutout_is_anywhere() -> None:
    params = Cutout().sample(KEY)
    for place in (params.across, params.down):
        assert kstest(place.numpy(), "uniform").pvalue > 1e-4
    # So each pixel of a border row is covered less often than one of the middle: by half.
    share = _covered(Cutout(), 32, 32, 4000).float().mean(0)
    assert torch.allclose(share[8:25, 8:25], torch.full((17, 17), 0.25), atol=0.04)
    assert abs(share[0, 16] - 0.125) < 0.03


def test_random_erasing_covers_one_rectangle_of_the_published_area_and_shape() -> None:
    heuristic, side = RandomErasing(), 64
    covered = _covered(heuristic, side, side, 2000)
    erased = covered.any(2).any(1)
    assert abs(erased.float().mean() - 0.5) < 0.04
    masks = covered[erased]
    rows, columns = masks.any(2).sum(1), masks.any(1).sum(1)
    # Each covers a whole rectangle; noise may leave a pixel that happens to be white.
    assert torch.equal(masks.flatten(1).sum(1), rows * columns)
    area, shape = (rows * columns) / side**2, rows / columns
    assert area.min() > 0.015
    assert area.max() < 0.41
    # Rounded to pixels, few are more oblong than 0.3.
    assert shape.quantile(0.001) > 0.24
    assert shape.quantile(0.999) < 4.2
    # Nothing is cut off at a border: rows and columns are where they have room, evenly.
    params = heuristic.sample(KEY)
    taken = params.height > 0
    for place in (params.down[taken], params.across[taken]):
        assert kstest(place.numpy(), "uniform").pvalue > 1e-4


def test_areas_and_shapes_are_uniform_before_what_does_not_fit_is_drawn_again() -> None:
    """Areas up to 0.2 fit whatever their shape, so that all of them are equally likely."""
    params = RandomErasing(probability=1.0, area=(0.02, 0.2)).sample(KEY)
    area, shape = params.height * params.width, params.height / params.width
    assert kstest(area.numpy(), "uniform", args=(0.02, 0.18)).pvalue > 1e-4
    assert kstest(shape.numpy(), "uniform", args=(0.3, 1 / 0.3 - 0.3)).pvalue > 1e-4


def test_the_filling_is_uniform_noise_of_its_own() -> None:
    x = torch.zeros(200, 3, 32, 32)
    y = RandomErasing(probability=1.0)(x, KEY.rows(torch.arange(200)))
    values = y[y != 0]
    assert kstest(values[::7].numpy(), "uniform").pvalue > 1e-4
    first, second = (y[i][:, 12:20, 12:20] for i in (0, 1))
    assert not torch.equal(first, second)


def test_erasing_depends_on_the_size_of_the_picture_in_shares_only() -> None:
    params = RandomErasing(probability=1.0).sample(KEY.rows(torch.arange(50)))
    for side in (32, 96):
        y = RandomErasing(probability=1.0).apply(torch.ones(50, 1, side, side), params)
        share = (y != 1).float().mean((1, 2, 3))
        assert torch.allclose(share, params.height * params.width, atol=1.5 / side)


def test_the_gradient_is_that_of_what_stays() -> None:
    x = example_pictures(4).requires_grad_()
    params = Cutout().sample(KEY.rows(torch.arange(4)))
    y = Cutout().transform(x, params)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(gradient == 1, (y == x) & (gradient == 1))
    assert torch.equal(gradient == 0, y.detach() == 0.5)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Cutout(side=1.5), "side"),
        (lambda: Cutout(fill=-0.1), "fill"),
        (lambda: RandomErasing(probability=2.0), "probability"),
        (lambda: RandomErasing(area=(0.4, 0.02)), "area"),
        (lambda: RandomErasing(aspect=0.0), "aspect"),
    ],
)
def test_arguments_out_of_range_are_refused(make: object, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        make()  # type: ignore[operator]
