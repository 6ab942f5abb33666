"""Views: pixels from degrees, millimetres and the sensor's own pixels, by hand-made numbers."""

import math

import pytest

from mechaug import spec
from mechaug.mechanisms import TYPES, VIEWS, Chain, Exposure, View


def test_the_focal_length_of_a_right_angle() -> None:
    view = View(hfov_deg=90.0, sensor_width_mm=36.0)
    assert view.focal_length_mm == pytest.approx(18.0)
    assert view.focal_px(200) == pytest.approx(100.0)
    # Half of the width at the same number of pixels: each pixel sees half as much.
    assert View(hfov_deg=90.0, crop=0.5).focal_px(200) == pytest.approx(200.0)


def test_the_default_is_a_50_mm_lens_on_full_frame() -> None:
    assert View().focal_length_mm == pytest.approx(50.0, rel=1e-3)
    assert View().pitch_um == pytest.approx(6.0)
    assert View().pixels_per_mm(360) == pytest.approx(10.0)


def test_binning_counts_the_sensors_pixels() -> None:
    assert View(frame_px=6000).binning(300) == pytest.approx(20.0)
    assert View(frame_px=6000, crop=0.1).binning(300) == pytest.approx(2.0)
    # A picture cannot show more than the sensor saw.
    assert View(frame_px=100).binning(300) == 1.0


def test_the_room_that_a_crop_leaves() -> None:
    assert View().room(200, 300) == pytest.approx((0.0, 0.0))
    # A square of half the width in a frame of 3 : 2, which is 4/3 of the square high.
    assert View(crop=0.5).room(100, 100) == pytest.approx((0.5, (4 / 3 - 1) / 2))
    assert View(crop=0.9).room(100, 100)[1] == 0.0


@pytest.mark.parametrize("name", VIEWS)
def test_named_views_are_cameras(name: str) -> None:
    view = VIEWS[name]
    assert 1.0 < view.pitch_um < 10.0
    assert 1.5 < view.focal_length_mm < 60.0
    assert 300 <= VIEWS["object"].focal_px(32) <= 1000
    text = spec.dumps(view)
    assert spec.loads(text, TYPES) == view


def test_the_equivalent_focal_lengths() -> None:
    """What the comments say, by the width of full frame."""
    for name, equivalent_mm in (("phone", 26.0), ("drone", 24.0)):
        assert 36.0 / (2 * math.tan(math.radians(VIEWS[name].hfov_deg / 2))) == pytest.approx(equivalent_mm, rel=0.01)
    assert VIEWS["surveillance"].focal_length_mm == pytest.approx(2.8, rel=0.01)
    assert VIEWS["object"].focal_length_mm == pytest.approx(35.0, rel=0.01)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"hfov_deg": 180.0}, "between 0 and 180"), ({"hfov_deg": 0.0}, "between 0 and 180"),
        ({"crop": 0.0}, "at most 1"), ({"crop": 1.1}, "at most 1"), ({"frame_px": 0}, "greater than 0"),
        ({"sensor_width_mm": math.inf}, "finite"), ({"aspect": math.nan}, "finite"),
    ],
)  # fmt: skip
def test_impossible_views_are_refused(changes: dict[str, float], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        View(**changes)  # pyright: ignore[reportArgumentType]


def test_a_mechanism_without_a_view_stays_as_it_is() -> None:
    from mechaug.mechanisms import with_view

    chain = Chain(Exposure(exposure_ev=-1.0))
    assert with_view(chain, VIEWS["phone"]) == chain
