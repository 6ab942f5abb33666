"""Optics: the width of the blur by an independent thin lens, and what a heat flow on a lattice must be."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor
from torch.distributions import LogNormal

from mechaug.keys import Key
from mechaug.mechanisms import Defocus, DefocusParams
from mechaug.mechanisms.optics import heat_flow
from mechaug.testing import example_pictures


def lens(f_number: float, focus_m: float, object_m: float) -> DefocusParams:
    values = {"f_number": f_number, "focus_m": focus_m, "object_m": object_m}
    return DefocusParams(**{name: torch.tensor([value], dtype=torch.float64) for name, value in values.items()})


def confusion_mm(focal_mm: float, f_number: float, focus_m: float, object_m: float) -> float:
    """Diameter of the circle of confusion by tracing the cone of rays behind the lens."""

    def image_mm(distance_m: float) -> float:
        return 1 / (1 / focal_mm - 1 / (1e3 * distance_m))

    sensor, sharp = image_mm(focus_m), image_mm(object_m)
    return focal_mm / f_number * abs(sensor - sharp) / sharp


def impulse(height: int = 129, width: int = 129) -> Tensor:
    x = torch.zeros(1, 1, height, width, dtype=torch.float64)
    x[..., height // 2, width // 2] = 1.0
    return x


def moments(image: Tensor) -> tuple[float, float, float]:
    """Variance down, variance across and covariance of a picture as a distribution, pixels squared."""
    mass = image[0, 0] / image.sum()
    down, across = (torch.arange(n).double() - n // 2 for n in mass.shape)
    return (
        float((mass.sum(1) * down**2).sum()),
        float((mass.sum(0) * across**2).sum()),
        float((mass * down[:, None] * across).sum()),
    )


# The width of the blur --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("f_number", [1.4, 2.8, 8.0, 22.0])
@pytest.mark.parametrize(
    ("focus_m", "object_m"), [(1.0, 3.0), (3.0, 1.0), (1.0, 1e9), (20.0, 19.0)], ids=["behind", "before", "far", "near"]
)
def test_the_blur_has_the_variance_of_the_disc(f_number: float, focus_m: float, object_m: float) -> None:
    picture_mm = 24.0
    y = Defocus(picture_width_mm=picture_mm).transform(impulse(), lens(f_number, focus_m, object_m))
    diameter = confusion_mm(50.0, f_number, focus_m, object_m) / picture_mm * 129
    # A uniform disc of diameter c has the variance (c/4)² along each axis.
    down, across, both = moments(y)
    assert down == pytest.approx((diameter / 4) ** 2, rel=1e-6, abs=1e-9)
    assert across == pytest.approx(down, rel=1e-9, abs=1e-12)
    assert abs(both) < 1e-9


@pytest.mark.parametrize("focal_mm", [20.0, 85.0])
def test_the_lens_and_the_crop_matter(focal_mm: float) -> None:
    for picture_mm in (12.0, 48.0):
        mechanism = Defocus(focal_length_mm=focal_mm, picture_width_mm=picture_mm)
        y = mechanism.transform(impulse(), lens(4.0, 2.0, 5.0))
        diameter = confusion_mm(focal_mm, 4.0, 2.0, 5.0) / picture_mm * 129
        assert moments(y)[0] == pytest.approx((diameter / 4) ** 2, rel=1e-6)


def test_the_blur_is_the_same_along_both_sides_of_a_long_picture() -> None:
    """Pixels are square, and the picture's width is what the sensor's width is divided into."""
    down, across, _ = moments(Defocus().transform(impulse(65, 129), lens(2.0, 1.0, 3.0)))
    assert down == pytest.approx(across, rel=1e-6)
    assert across == pytest.approx((confusion_mm(50.0, 2.0, 1.0, 3.0) / 36.0 * 129 / 4) ** 2, rel=1e-6)


def test_the_moments_of_a_real_disc() -> None:
    """That (c/4)² is a disc's variance, by counting a fine one."""
    place = torch.arange(-500, 501).double()
    disc = (place[:, None] ** 2 + place**2 <= 400**2).double()
    assert moments(disc[None, None])[0] == pytest.approx((800 / 4) ** 2, rel=1e-3)


def test_focused_at_the_hyperfocal_distance_half_of_it_is_as_sharp_as_infinity() -> None:
    f_number, limit_mm = 8.0, 0.03
    hyperfocal_m = (50.0**2 / (f_number * limit_mm) + 50.0) / 1e3
    for object_m in (hyperfocal_m / 2, 1e9):
        y = Defocus(picture_width_mm=1.0).transform(impulse(), lens(f_number, hyperfocal_m, object_m))
        assert 4 * math.sqrt(moments(y)[0]) / 129 == pytest.approx(limit_mm, rel=1e-5)


@pytest.mark.parametrize("params", [lens(1.4, 3.0, 3.0), lens(math.inf, 1.0, 9.0)], ids=["in focus", "pinhole"])
def test_what_is_in_focus_stays_as_it_is(params: DefocusParams) -> None:
    x = example_pictures(1).double()
    torch.testing.assert_close(Defocus().transform(x, params), x, atol=1e-13, rtol=0)


@pytest.mark.parametrize(("focus_m", "object_m"), [(math.inf, 2.0), (2.0, math.inf), (math.inf, math.inf)])
def test_infinity_is_a_distance(focus_m: float, object_m: float) -> None:
    """Where every landscape and every star is; the limits of the formula are finite."""
    Defocus(focus_m=focus_m, object_m=object_m)
    y = Defocus().transform(impulse(), lens(4.0, focus_m, object_m))
    far = Defocus().transform(impulse(), lens(4.0, min(focus_m, 1e9), min(object_m, 1e9)))
    torch.testing.assert_close(y, far, atol=1e-6, rtol=0)


# The blur itself --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variance", [1e-6, 0.01, 0.3, 2.0, 50.0, 4000.0])
@pytest.mark.parametrize(("height", "width"), [(33, 33), (16, 40), (1, 5)])
def test_the_kernel_is_a_distribution(variance: float, height: int, width: int) -> None:
    """Columns of the flow, one impulse at a time: nothing negative, and all of the light arrives."""
    places = torch.tensor([0, height * width // 3, height * width - 1])
    x = torch.nn.functional.one_hot(places, height * width).double().reshape(3, 1, height, width)
    y = heat_flow(x, torch.full((3,), variance, dtype=torch.float64))
    assert y.min() > -1e-15
    torch.testing.assert_close(y.sum((1, 2, 3)), torch.ones(3).double(), atol=1e-12, rtol=0)


def test_the_mean_is_kept_at_every_width() -> None:
    x = example_pictures(6, height=20, width=31).double()
    y = heat_flow(x, torch.tensor([0.0, 0.1, 1.0, 9.0, 100.0, 1e5]).double())
    torch.testing.assert_close(y.mean((2, 3)), x.mean((2, 3)), atol=1e-13, rtol=0)
    # And what is blurred without end is flat.
    torch.testing.assert_close(y[5], x[5].mean((1, 2), keepdim=True).expand_as(x[5]), atol=1e-9, rtol=0)


def test_a_flat_picture_stays_flat() -> None:
    x = torch.full((2, 3, 9, 14), 0.37)
    torch.testing.assert_close(heat_flow(x, torch.tensor([0.5, 30.0])), x, atol=2e-7, rtol=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-13)])
def test_variances_add_exactly(dtype: torch.dtype, tolerance: float) -> None:
    x = torch.rand(4, 3, 24, 37, generator=torch.Generator().manual_seed(0)).to(dtype)
    a, b = torch.tensor([0.01, 0.5, 3.0, 40.0]).to(dtype), torch.tensor([0.3, 0.02, 8.0, 100.0]).to(dtype)
    torch.testing.assert_close(heat_flow(heat_flow(x, a), b), heat_flow(x, a + b), atol=tolerance, rtol=0)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (lens(1.4, 1.0, 3.0), lens(2.0, 5.0, 1.0)),
        (lens(2.0, 5.0, 1.0), lens(1.4, 1.0, 3.0)),
        (lens(2.0, 3.0, 3.0), lens(4.0, 1.0, 3.0)),
        (lens(math.inf, 1.0, 3.0), lens(4.0, 1.0, 3.0)),
        (lens(4.0, 1.0, 3.0), lens(math.inf, 1.0, 3.0)),
        (lens(math.inf, 1.0, 3.0), lens(math.inf, 2.0, 5.0)),
        (lens(2.0, 3.0, 3.0), lens(4.0, 2.0, 2.0)),
    ],
)
def test_lenses_compose(first: DefocusParams, second: DefocusParams) -> None:
    x = torch.rand(1, 3, 31, 40, generator=torch.Generator().manual_seed(0)).double()
    mechanism = Defocus(picture_width_mm=10.0)
    twice = mechanism.transform(mechanism.transform(x, first), second)
    once = mechanism.transform(x, mechanism.compose(first, second))
    torch.testing.assert_close(once, twice, atol=1e-12, rtol=0)


@pytest.mark.parametrize("sigma", [1.5, 3.0, 6.0])
def test_a_wide_blur_is_scipys_gaussian(sigma: float) -> None:
    """The lattice's own Gaussian approaches the sampled one; borders are mirrored alike."""
    x = example_pictures(1, height=48, width=61, seed=5).double()
    x = x + 0.1 * Key(0).at([0]).field(3, 48, 61).double()
    ours = heat_flow(x, torch.tensor([sigma**2]).double())
    theirs = ndimage.gaussian_filter(x.numpy(), sigma, axes=(2, 3), mode="reflect", truncate=10.0)
    difference = np.abs(ours.numpy() - theirs)
    assert difference.max() < 0.03 / sigma**2
    # And nothing like another width: a tenth more blur is another picture.
    wider = ndimage.gaussian_filter(x.numpy(), 1.1 * sigma, axes=(2, 3), mode="reflect", truncate=10.0)
    assert difference.mean() < 0.5 * np.abs(ours.numpy() - wider).mean()


def test_the_flow_solves_the_heat_equation() -> None:
    """d/dv of the flow is half the Laplacian of five points, with mirrored borders."""
    x = torch.rand(1, 1, 11, 14, generator=torch.Generator().manual_seed(0)).double()
    variance = torch.tensor([1.7]).double()
    flowed = heat_flow(x, variance)
    slope = (heat_flow(x, variance + 1e-4) - heat_flow(x, variance - 1e-4)) / 2e-4
    padded = torch.nn.functional.pad(flowed, (1, 1, 1, 1), mode="replicate")
    laplacian = (
        padded[..., 2:, 1:-1] + padded[..., :-2, 1:-1] + padded[..., 1:-1, 2:] + padded[..., 1:-1, :-2] - 4 * flowed
    )
    torch.testing.assert_close(slope, laplacian / 2, atol=1e-8, rtol=0)


# Refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("focus_m", [0.05, 0.01, (0.04, 1.0), (0.05, 0.05)])
def test_a_focus_within_the_focal_length_is_refused(focus_m: float | tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"a lens of 50 mm does not focus at .* at least twice the focal length"):
        Defocus(focus_m=focus_m)


def test_the_limit_of_focus_moves_with_the_lens() -> None:
    Defocus(focus_m=(0.08, 1.0), focal_length_mm=35.0)
    with pytest.raises(ValueError, match="a lens of 2000 mm does not focus at 1 m"):
        Defocus(focal_length_mm=2000.0)


def test_a_distribution_does_not_focus_within_the_focal_length() -> None:
    mechanism = Defocus(focus_m=LogNormal(math.log(0.05), 0.5), picture_width_mm=10.0)
    drawn = mechanism.sample(Key(0).at(range(200)))
    assert (1e3 * drawn.focus_m > mechanism.focal_length_mm).all()


@pytest.mark.parametrize(
    "lengths", [{"focal_length_mm": 0.0}, {"picture_width_mm": -36.0}, {"focal_length_mm": math.nan}]
)
def test_a_lens_has_lengths(lengths: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="focal_length_mm and picture_width_mm are lengths greater than 0"):
        Defocus(**lengths)


def test_an_object_in_the_lens_is_refused() -> None:
    with pytest.raises(ValueError, match="object_m"):
        Defocus(object_m=0.0)
