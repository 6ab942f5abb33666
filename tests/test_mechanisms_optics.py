"""Optics: the blur of an independent thin lens, the moments of real polygons, and the light off the axis."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import LogNormal

from mechaug.keys import Key
from mechaug.mechanisms.optics import Defocus, DefocusParams, Vignetting, VignettingParams, aperture_psf
from mechaug.mechanisms.psf import largest_reach
from mechaug.mechanisms.view import VIEWS, View
from mechaug.testing import example_pictures

FIFTY_MM = math.degrees(2 * math.atan(36 / 2 / 50))


def cropped(picture_mm: float, focal_mm: float = 50.0) -> View:
    """A picture of a given width on the sensor behind a given lens."""
    return View(hfov_deg=math.degrees(2 * math.atan(50 / focal_mm)), crop=picture_mm / 100, sensor_width_mm=100.0)


def lens(f_number: float, focus_m: float, object_m: float) -> DefocusParams:
    values = (f_number, focus_m, object_m)
    return DefocusParams(*(torch.tensor([value], dtype=torch.float64) for value in values))


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
    mean_down, mean_across = float((mass.sum(1) * down).sum()), float((mass.sum(0) * across).sum())
    return (
        float((mass.sum(1) * down**2).sum()) - mean_down**2,
        float((mass.sum(0) * across**2).sum()) - mean_across**2,
        float((mass * down[:, None] * across).sum()) - mean_down * mean_across,
    )


def counted_variance(blades: int) -> float:
    """Variance along an axis of the regular polygon with the area of the unit circle, by counting a fine grid."""
    place = np.linspace(-1.6, 1.6, 1501)
    x, y = np.meshgrid(place, place)
    angle = np.arctan2(y, x) % (2 * np.pi / blades) - np.pi / blades
    apothem = np.sqrt(np.pi / (blades * np.tan(np.pi / blades)))
    inside = np.hypot(x, y) * np.cos(angle) <= apothem
    assert inside.sum() * (place[1] - place[0]) ** 2 == pytest.approx(np.pi, rel=2e-3)
    return float((y[inside] ** 2).mean())


# The width of the blur --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("f_number", [1.4, 2.8, 8.0, 22.0])
@pytest.mark.parametrize(
    ("focus_m", "object_m"), [(1.0, 3.0), (3.0, 1.0), (1.0, 1e9), (20.0, 19.0)], ids=["behind", "before", "far", "near"]
)
def test_the_blur_has_the_variance_of_the_disc(f_number: float, focus_m: float, object_m: float) -> None:
    y = Defocus(view=cropped(24.0), blades=0).transform(impulse(), lens(f_number, focus_m, object_m))
    diameter = confusion_mm(50.0, f_number, focus_m, object_m) / 24.0 * 129
    # A uniform disc of diameter c has the variance (c/4)² along each axis.
    down, across, both = moments(y)
    assert down == pytest.approx((diameter / 4) ** 2, rel=1e-6, abs=1e-9)
    assert across == pytest.approx(down, rel=1e-6, abs=1e-9)
    assert abs(both) < 1e-9


@pytest.mark.parametrize("blades", [0, 5, 6, 7, 9])
@pytest.mark.parametrize("radius", [0.05, 0.3, 0.8, 1.1, 1.5, 2.7, 6.4, 11.0])
def test_a_polygon_has_its_variance_at_every_size(blades: int, radius: float) -> None:
    psf = aperture_psf(torch.tensor([radius, -radius]).double(), blades, 20)
    expected = radius**2 * (counted_variance(blades) if blades else 0.25)
    for image in psf:
        down, across, both = moments(image[None, None])
        assert down == pytest.approx(expected, rel=3e-3)
        assert across == pytest.approx(expected, rel=3e-3)
        assert abs(both) < 0.01 * expected
    assert float(psf.min()) >= 0
    torch.testing.assert_close(psf.sum((1, 2)), torch.ones(2).double(), atol=1e-14, rtol=0)


@pytest.mark.parametrize("blades", [5, 6, 7, 9])
def test_the_aperture_stays_in_its_place(blades: int) -> None:
    """Corners between pixels move the middle of the light by less than a sixth of a pixel."""
    for radius in (0.5, 1.3, 3.0, 7.7):
        psf = aperture_psf(torch.tensor([radius]).double(), blades, 20)[0]
        place = torch.arange(len(psf)).double() - len(psf) // 2
        assert abs(float(psf.sum(1) @ place)) < 1 / 6
        assert abs(float(psf.sum(0) @ place)) < 1e-6


def test_the_aperture_is_a_polygon_with_a_corner_up() -> None:
    psf = aperture_psf(torch.tensor([12.0]).double(), 5, 40)[0]
    middle = len(psf) // 2
    light = psf / psf[middle, middle]
    corner = 12.0 * math.sqrt(2 * math.pi / (5 * math.sin(2 * math.pi / 5)))
    side = corner * math.cos(math.pi / 5)
    # Up to the corner there is light; down, half a pixel beyond the side, there is none.
    assert light[middle - round(corner - 1.5), middle] > 0.5
    assert light[middle + round(side + 1.5), middle] < 0.05
    assert light[middle + round(side - 1.5), middle] > 0.9
    flipped = aperture_psf(torch.tensor([-12.0]).double(), 5, 40)[0]
    torch.testing.assert_close(flipped, psf.flip(0), atol=1e-12, rtol=0)


def test_what_is_far_behind_the_focus_is_upright() -> None:
    """A corner up behind the focus, down before it."""
    mechanism = Defocus(view=cropped(12.0), blades=3)
    for params, sign in ((lens(2.0, 1.0, 3.0), 1), (lens(2.0, 3.0, 1.0), -1)):
        y = mechanism.transform(impulse(), params)[0, 0]
        lit = (y > 0.5 * y.max()).nonzero()[:, 0].double() - 64
        assert sign * float(lit.max() + lit.min()) < -2


@pytest.mark.parametrize("focal_mm", [20.0, 85.0])
def test_the_lens_and_the_crop_matter(focal_mm: float) -> None:
    for picture_mm in (12.0, 48.0):
        y = Defocus(view=cropped(picture_mm, focal_mm), blades=0).transform(impulse(), lens(4.0, 2.0, 5.0))
        diameter = confusion_mm(focal_mm, 4.0, 2.0, 5.0) / picture_mm * 129
        assert moments(y)[0] == pytest.approx((diameter / 4) ** 2, rel=1e-6)


def test_the_blur_is_the_same_along_both_sides_of_a_long_picture() -> None:
    """Pixels are square, and the picture's width is what the sensor's width is divided into."""
    view = View(hfov_deg=FIFTY_MM)
    down, across, _ = moments(Defocus(view=view, blades=0).transform(impulse(65, 129), lens(2.0, 1.0, 3.0)))
    assert down == pytest.approx(across, rel=1e-6)
    assert across == pytest.approx((confusion_mm(50.0, 2.0, 1.0, 3.0) / 36.0 * 129 / 4) ** 2, rel=1e-6)


def test_focused_at_the_hyperfocal_distance_half_of_it_is_as_sharp_as_infinity() -> None:
    f_number, limit_mm = 8.0, 0.03
    hyperfocal_m = (50.0**2 / (f_number * limit_mm) + 50.0) / 1e3
    for object_m in (hyperfocal_m / 2, 1e9):
        y = Defocus(view=cropped(1.0), blades=0).transform(impulse(), lens(f_number, hyperfocal_m, object_m))
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


def test_a_blur_wider_than_the_bound_is_drawn_at_it() -> None:
    mechanism = Defocus(view=cropped(1.0), blades=0)
    wide, wider = (mechanism.transform(impulse(), lens(n, 1.0, 9.0)) for n in (1.0, 0.1))
    torch.testing.assert_close(wide, wider, atol=1e-12, rtol=0)
    assert 4 * math.sqrt(moments(wide)[0]) == pytest.approx(2 * (largest_reach(129) - 1), rel=1e-6)


@pytest.mark.parametrize("size", [(1, 9), (32, 32), (50, 40), (224, 20)])
def test_a_flat_picture_stays_flat(size: tuple[int, int]) -> None:
    x = torch.full((1, 3, *size), 0.37).double()
    torch.testing.assert_close(Defocus(view=VIEWS["object"]).transform(x, lens(2.0, 1.0, 5.0)), x, atol=1e-12, rtol=0)


def test_one_blur_of_a_batch_does_not_change_another() -> None:
    """The work is sized for the widest; what is drawn is not."""
    x = example_pictures(2).double()
    mechanism = Defocus(view=VIEWS["object"])
    small, large = lens(16.0, 1.0, 3.0), lens(1.4, 1.0, 3.0)
    both = DefocusParams(*(torch.cat(pair) for pair in zip(
        *((p.f_number, p.focus_m, p.object_m) for p in (small, large)), strict=True)))  # fmt: skip
    alone = torch.cat((mechanism.transform(x[:1], small), mechanism.transform(x[1:], large)))
    torch.testing.assert_close(mechanism.transform(x, both), alone, atol=1e-12, rtol=0)


# Vignetting -------------------------------------------------------------------------------------------------------


def falloff(exponent: float, ev: float, place_x: float = 0.0, place_y: float = 0.0) -> VignettingParams:
    return VignettingParams(*(torch.tensor([v], dtype=torch.float64) for v in (exponent, ev, place_x, place_y)))


def gain(view: View, params: VignettingParams, height: int = 40, width: int = 60) -> Tensor:
    return Vignetting(view=view).transform(torch.ones(1, 1, height, width).double(), params)[0, 0]


@pytest.mark.parametrize("hfov_deg", [30.0, 60.0, 100.0])
def test_natural_falloff_is_the_cosine_to_the_fourth(hfov_deg: float) -> None:
    """At the middle of the frame's left end the angle is half the field of view."""
    view = View(hfov_deg=hfov_deg)
    light = gain(view, falloff(4.0, 0.0), 401, 601)
    assert float(light[200, 300]) == pytest.approx(1.0, abs=1e-12)
    edge = math.cos(math.radians(hfov_deg / 2)) ** 4
    # The middle of the outermost pixel is half a pixel inside.
    assert float(light[200, 0]) == pytest.approx(edge, rel=0.01)
    # A pixel anywhere, by its ray.
    ray = np.array([(450 - 300) / 601, (100 - 200) / 601, 1 / (2 * math.tan(math.radians(hfov_deg / 2)))])
    assert float(light[100, 450]) == pytest.approx((ray[2] / np.linalg.norm(ray)) ** 4, rel=1e-9)


@pytest.mark.parametrize("ev", [0.5, 1.0, 2.0])
def test_the_barrel_takes_its_share_at_the_corner(ev: float) -> None:
    light = gain(View(), falloff(0.0, ev), 800, 1200)
    assert -math.log2(float(light[0, 0])) == pytest.approx(ev, rel=0.01)
    # Half-way to the corner a sixteenth of it, in EV.
    assert -math.log2(float(light[200, 300])) == pytest.approx(ev / 16, rel=0.02)


def test_both_multiply() -> None:
    both = gain(View(), falloff(3.0, 1.2))
    torch.testing.assert_close(both, gain(View(), falloff(3.0, 0.0)) * gain(View(), falloff(0.0, 1.2)))


@pytest.mark.parametrize(("place_x", "place_y"), [(0.0, 0.0), (-1.0, -1.0), (1.0, 0.5), (0.3, -1.0)])
def test_a_cut_out_is_a_part_of_the_frame(place_x: float, place_y: float) -> None:
    """A quarter of the width, cut from the gain of the whole frame at the same resolution."""
    whole = gain(View(aspect=1.5), falloff(4.0, 2.0), 80, 120)
    left, top = round((place_x + 1) / 2 * (120 - 30)), round((place_y + 1) / 2 * (80 - 24))
    place_x, place_y = 2 * left / (120 - 30) - 1, 2 * top / (80 - 24) - 1
    part = gain(View(aspect=1.5, crop=0.25), falloff(4.0, 2.0, place_x, place_y), 24, 30)
    torch.testing.assert_close(part, whole[top : top + 24, left : left + 30], atol=1e-12, rtol=0)


def test_corrected_light_is_left_alone() -> None:
    x = example_pictures(1).double()
    assert torch.equal(Vignetting().transform(x, falloff(0.0, 0.0, 0.7, -0.4)), x)


# Refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("focus_m", [0.05, 0.01, (0.04, 1.0), (0.05, 0.05)])
def test_a_focus_within_the_focal_length_is_refused(focus_m: float | tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"a lens of 50 mm does not focus at .* at least twice the focal length"):
        Defocus(focus_m=focus_m)


def test_the_limit_of_focus_moves_with_the_lens() -> None:
    Defocus(focus_m=(0.08, 1.0), view=cropped(36.0, 35.0))
    with pytest.raises(ValueError, match="a lens of 2000 mm does not focus at 1 m"):
        Defocus(view=cropped(36.0, 2000.0))


def test_a_distribution_does_not_focus_within_the_focal_length() -> None:
    mechanism = Defocus(focus_m=LogNormal(math.log(0.05), 0.5))
    drawn = mechanism.sample(Key(0).at(range(200)))
    assert (1e3 * drawn.focus_m > mechanism.view.focal_length_mm).all()


@pytest.mark.parametrize("blades", [-1, 1, 2])
def test_an_aperture_has_corners(blades: int) -> None:
    with pytest.raises(ValueError, match=f"3 corners or more, or 0 for a circle, not {blades}"):
        Defocus(blades=blades)


@pytest.mark.parametrize("laws", [{"object_m": 0.0}, {"f_number": 0.0}])
def test_what_does_not_exist_is_refused(laws: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(laws))):
        Defocus(**laws)
    with pytest.raises(ValueError, match="place_x"):
        Vignetting(place_x=1.5)
