"""Viewpoint: turns, shifts and scales as seen, and the laws of Sim(2) by complex numbers."""

import math

import pytest
import torch
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms import Viewpoint, ViewpointParams
from mechaug.testing import NEUTRAL_TOLERANCE, example_pictures

NOTHING = {"rotation_deg": 0.0, "log2_scale": 0.0, "shift_x": 0.0, "shift_y": 0.0}


def view(batch: int = 1, **values: float) -> ViewpointParams:
    assert values.keys() <= NOTHING.keys()
    return ViewpointParams(**{name: torch.full((batch,), value) for name, value in (NOTHING | values).items()})


def random_views(count: int, seed: int) -> ViewpointParams:
    """In float64, far beyond the default prior."""
    wide = Viewpoint(rotation_deg=(-360.0, 360.0), log2_scale=(-2.0, 2.0), shift_x=(-1.0, 1.0), shift_y=(-1.0, 1.0))
    return wide.sample(Key(seed).at(torch.arange(count))).map(Tensor.double)


def noise(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


def as_complex(params: ViewpointParams) -> tuple[Tensor, Tensor]:
    """A similarity as z ↦ m·z + t, with the imaginary axis up: an implementation of its own."""
    multiplier = torch.polar(2.0**params.log2_scale, params.rotation_deg * (math.pi / 180))
    return multiplier, torch.complex(params.shift_x, -params.shift_y)


def coordinates(height: int, width: int) -> Tensor:
    """Each pixel's place as a complex number, in picture widths from the centre, imaginary axis up."""
    right = (torch.arange(width).double() + 0.5) / width - 0.5
    up = (0.5 * height - torch.arange(height).double() - 0.5) / width
    return torch.complex(*torch.broadcast_tensors(right, up[:, None]))


# What is seen --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quarters", [-1, 1, 2, 3, 5])
@pytest.mark.parametrize("size", [8, 9])
def test_a_quarter_turn_is_rot90(quarters: int, size: int) -> None:
    x = noise(size, size)
    y = Viewpoint().transform(x, view(rotation_deg=90.0 * quarters))
    torch.testing.assert_close(y, torch.rot90(x, quarters, (2, 3)), atol=1e-5, rtol=0)


def test_a_positive_turn_is_counter_clockwise() -> None:
    x = torch.zeros(1, 1, 21, 21)
    x[0, 0, 10, 18] = 1.0  # at three o'clock
    y = Viewpoint().transform(x, view(rotation_deg=90.0))[0, 0]
    assert y.argmax() == 2 * 21 + 10  # to twelve o'clock: few rows from the top


@pytest.mark.parametrize(("height", "width"), [(6, 12), (13, 7)])
def test_a_quarter_turn_of_the_middle_of_a_long_picture(height: int, width: int) -> None:
    x = noise(height, width)
    y = Viewpoint().transform(x, view(rotation_deg=90.0))
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2

    def middle(image: Tensor) -> Tensor:
        return image[..., top : top + side, left : left + side]

    torch.testing.assert_close(middle(y), torch.rot90(middle(x), 1, (2, 3)), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (10, 16), (16, 10)])
@pytest.mark.parametrize("columns", [-3, 0, 2])
@pytest.mark.parametrize("rows", [-2, 0, 3])
def test_a_shift_by_whole_pixels_is_a_roll_and_a_mirror(height: int, width: int, columns: int, rows: int) -> None:
    x = noise(height, width)
    y = Viewpoint().transform(x, view(shift_x=columns / width, shift_y=rows / width))
    # What a mirror at the frame's edge shows: …cba|abc…
    across = torch.cat((x.flip(3), x, x.flip(3)), dim=3)
    plane = torch.cat((across.flip(2), across, across.flip(2)), dim=2)
    expected = plane.roll((rows, columns), (2, 3))[..., height : 2 * height, width : 2 * width]
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (12, 20)])
def test_doubling_shows_the_middle_twice_as_large(height: int, width: int) -> None:
    x = noise(height, width)
    y = Viewpoint().transform(x, view(log2_scale=1.0))
    middle = x[..., height // 4 : -height // 4, width // 4 : -width // 4]
    expected = torch.nn.functional.interpolate(middle, scale_factor=2, mode="bilinear", align_corners=False)
    # Interpolation mirrors at the frame of what it is given; the middle has neighbours there.
    torch.testing.assert_close(y[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], atol=1e-5, rtol=0)


def test_halving_shows_the_picture_and_its_mirror_images() -> None:
    x = noise(8, 8)
    y = Viewpoint().transform(x, view(log2_scale=-1.0))
    small = torch.nn.functional.avg_pool2d(x, 2)  # halfway between two pixels, bilinear is their mean
    torch.testing.assert_close(y[..., 2:6, 2:6], small, atol=1e-5, rtol=0)
    torch.testing.assert_close(y[..., 2:6, :2], small[..., :2].flip(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(y[..., 6:, 2:6], small[..., 2:, :].flip(2), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(24, 24), (20, 36), (36, 20)])
def test_every_similarity_moves_points_as_it_says(height: int, width: int) -> None:
    """Bilinear interpolation is exact on pictures that show their own coordinates, so the map itself is read off."""
    place = coordinates(height, width)
    shown = torch.stack((place.real, place.imag))[None].expand(40, -1, -1, -1)
    moderate = Viewpoint(rotation_deg=(-180.0, 180.0), log2_scale=(-0.5, 2.0), shift_x=(-0.3, 0.3), shift_y=(-0.3, 0.3))
    params = moderate.sample(Key(4).at(torch.arange(40))).map(Tensor.double)
    seen = moderate.transform(shown, params)
    multiplier, shift = as_complex(params)
    origin = (place - shift[:, None, None]) / multiplier[:, None, None]
    half = coordinates(height, width)[0, -1]
    inside = (origin.real.abs() <= half.real) & (origin.imag.abs() <= half.imag)
    assert 0.3 < inside.double().mean() < 1
    found = torch.complex(seen[:, 0], seen[:, 1])
    assert (found - origin)[inside].abs().max() < 1e-6
    # And nothing comes from beyond the frame.
    assert found.real.abs().max() <= 0.5
    assert found.imag.abs().max() <= 0.5 * height / width


def test_a_flat_picture_stays_flat() -> None:
    y = Viewpoint().transform(torch.full((9, 3, 7, 11), 0.3), random_views(9, 0).map(Tensor.float))
    torch.testing.assert_close(y, torch.full_like(y, 0.3))


@pytest.mark.parametrize(
    ("height", "width"),
    [(1, 1), (1, 9), (5, 3), (64, 64), (33, 47), (224, 224)],
)
def test_nothing_is_nothing_on_any_frame(height: int, width: int) -> None:
    """Noise is the hardest picture: neighbours differ by all of the range."""
    x = noise(height, width)
    y = Viewpoint().apply(x, Viewpoint().neutral(1))
    torch.testing.assert_close(y, x, atol=NEUTRAL_TOLERANCE, rtol=0)


def test_light_is_interpolated_and_not_stored_values() -> None:
    """Halfway between black and white is half the light, which is 0.735 in the picture."""
    x = torch.tensor([0.0, 1.0, 0.0, 1.0]).expand(1, 1, 4, 4)
    y = Viewpoint().apply(x, view(shift_x=0.125))
    torch.testing.assert_close(y[..., 1:], torch.full((1, 1, 4, 3), 0.7353570), atol=1e-5, rtol=0)


# The group -----------------------------------------------------------------------------------------------------------


def assert_same(params: ViewpointParams, multiplier: Tensor, shift: Tensor) -> None:
    m, t = as_complex(params)
    torch.testing.assert_close(m, multiplier, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(t, shift, rtol=1e-9, atol=1e-9)


def test_composition_is_composition_of_maps() -> None:
    a, b = random_views(200, 1), random_views(200, 2)
    (m1, t1), (m2, t2) = as_complex(a), as_complex(b)
    assert_same(Viewpoint().compose(a, b), m2 * m1, m2 * t1 + t2)


def test_the_inverse_is_the_inverse_map() -> None:
    a = random_views(200, 3)
    m, t = as_complex(a)
    assert_same(Viewpoint().inverse(a), 1 / m, -t / m)
    one, zero = torch.ones_like(m), torch.zeros_like(t)
    assert_same(Viewpoint().compose(a, Viewpoint().inverse(a)), one, zero)
    assert_same(Viewpoint().compose(Viewpoint().inverse(a), a), one, zero)


def test_the_group_is_associative_and_has_an_identity() -> None:
    a, b, c = (random_views(200, seed) for seed in (4, 5, 6))
    compose = Viewpoint().compose
    assert_same(compose(compose(a, b), c), *as_complex(compose(a, compose(b, c))))
    nothing = Viewpoint().neutral(200).map(Tensor.double)
    assert_same(compose(a, nothing), *as_complex(a))
    assert_same(compose(nothing, a), *as_complex(a))


def test_the_group_does_not_commute() -> None:
    turn, shift = view(rotation_deg=90.0), view(shift_x=0.25)
    first = Viewpoint().compose(turn, shift)
    second = Viewpoint().compose(shift, turn)
    # Turned first, the shift stays to the right; shifted first, it turns upward.
    assert (float(first.shift_x), float(first.shift_y)) == pytest.approx((0.25, 0.0), abs=1e-6)
    assert (float(second.shift_x), float(second.shift_y)) == pytest.approx((0.0, -0.25), abs=1e-6)


def test_a_full_turn_in_four_quarters() -> None:
    x, y = noise(10, 10), noise(10, 10)
    for _ in range(4):
        y = Viewpoint().transform(y, view(rotation_deg=90.0))
    torch.testing.assert_close(y, x, atol=1e-5, rtol=0)


def test_undoing_restores_the_middle() -> None:
    x = example_pictures(1, height=48, width=64)
    a = view(rotation_deg=25.0, log2_scale=0.3, shift_x=0.05, shift_y=-0.08)
    back = Viewpoint().transform(Viewpoint().transform(x, a), Viewpoint().inverse(a))
    assert (back - x)[..., 16:32, 20:44].abs().max() < 0.02
