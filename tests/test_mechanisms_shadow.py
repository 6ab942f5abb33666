"""Shadows: how deep and how blue the shade is, where its edges are and how the sun passes behind them."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms.shadow import WAVES, Shadow, ShadowParams
from mechaug.testing import example_pictures

LUMINANCE = torch.tensor([0.2126, 0.7152, 0.0722]).double()
GREY_SKY = 153.75


def shadow(
    depth_ev: float = 2.0,
    sky_mired: float = GREY_SKY,
    penumbra: float = 0.0,
    direction_deg: float = 0.0,
    offset: float = 0.0,
    breadth: float = math.inf,
    roughness: float = 0.0,
) -> ShadowParams:
    values = (depth_ev, sky_mired, penumbra, direction_deg, offset, breadth, roughness)
    return ShadowParams(
        *(torch.tensor([value], dtype=torch.float64) for value in values), waves=torch.zeros(1, WAVES, 4).double()
    )


def cast(params: ShadowParams, height: int = 64, width: int = 64) -> Tensor:
    """The shadow on an even white wall."""
    return Shadow().transform(torch.ones(1, 3, height, width).double(), params)[0]


# The shade ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth_ev", [0.0, 1.0, 2.5, 4.0])
@pytest.mark.parametrize("sky_mired", [GREY_SKY, 60.0])
def test_deep_inside_light_is_less_by_the_depth_and_outside_it_is_whole(depth_ev: float, sky_mired: float) -> None:
    seen = cast(shadow(depth_ev, sky_mired, penumbra=0.1))
    shade = seen[:, :, -1].mT @ LUMINANCE
    torch.testing.assert_close(shade, torch.full_like(shade, 2**-depth_ev), rtol=1e-4, atol=0)
    assert torch.equal(seen[:, :, 0], torch.ones_like(seen[:, :, 0]))
    luminance = LUMINANCE @ seen.flatten(1)
    assert luminance.max() <= 1.0001
    assert luminance.min() >= 0.9999 * 2**-depth_ev


def test_the_shade_is_blue_and_bluer_the_more_of_the_light_is_the_suns() -> None:
    blue = [float(seen[2] / seen[0]) for seen in (cast(shadow(ev, 70.0))[:, 0, -1] for ev in (0.0, 1.0, 2.0, 6.0))]
    assert blue[0] == pytest.approx(1.0, abs=1e-9), "where there is no sun, the picture is balanced for the sky"
    assert blue == sorted(blue)
    assert blue[-1] > 1.5
    grey = cast(shadow(3.0))[:, 0, -1]
    assert torch.allclose(grey, torch.full_like(grey, 1 / 8))


def test_sun_and_sky_are_white_together() -> None:
    """The light that the shade lacks is the sun's: warm, and of one colour with the sky's it gives white."""
    depth_ev, sky_mired = 2.0, 70.0
    shade = cast(shadow(depth_ev, sky_mired))[:, 0, -1]
    sun = 1 - shade
    assert sun[0] > sun[1] > sun[2] > 0
    # With ever more sun the shade tends to the sky's own colour, of 70 mired, that a sky of neutral light has not.
    far = cast(shadow(12.0, sky_mired))[:, 0, -1]
    sky = far / (far @ LUMINANCE)
    # What the eye sees of a scene that is balanced for the sum: ¼ of sky and ¾ of a sun, in units of their sum.
    mixed = sky * 2.0**-depth_ev / (1 + 2.0**-depth_ev * (sky - 1))
    torch.testing.assert_close(shade / (shade @ LUMINANCE), mixed / (mixed @ LUMINANCE), rtol=1e-3, atol=0)


def test_grey_pictures_get_the_same_light_without_its_colour() -> None:
    seen = Shadow().transform(torch.ones(1, 1, 8, 8).double(), shadow(2.0, 70.0))
    assert float(seen[0, 0, 0, -1]) == pytest.approx(0.25, rel=1e-4)


# The edges ----------------------------------------------------------------------------------------------------------


def sun_behind_edge(t: np.ndarray, darkening: float) -> np.ndarray:
    """The hidden share of a disc of radius 1 whose brightness is 1 − u·(1 − μ), by summing over it."""
    x = (np.arange(1200) + 0.5) / 600 - 1
    radius2 = x**2 + x[:, None] ** 2
    bright = np.where(radius2 < 1, 1 - darkening * (1 - np.sqrt(np.maximum(1 - radius2, 0))), 0.0).sum(0)
    return np.interp(t, x + 1 / 1200, bright.cumsum() / bright.sum())


def test_the_penumbra_is_that_of_the_sun() -> None:
    width = 400
    seen = cast(shadow(10.0, penumbra=0.5), 1, width)[1, 0].numpy()
    hidden = (1 - seen) / (1 - 2.0**-10)
    t = ((np.arange(width) + 0.5) / width - 0.5) / 0.25
    np.testing.assert_allclose(hidden, sun_behind_edge(t, 1.0), atol=2e-3, err_msg="a limb that is dark")
    # The sun's limb darkening in green light is about 0.6 (Cox, Allen's Astrophysical Quantities).
    assert 0.005 < np.abs(hidden - sun_behind_edge(t, 0.6)).max() < 0.021


@pytest.mark.parametrize(("direction_deg", "offset"), [(0.0, 0.2), (90.0, -0.1), (180.0, 0.3), (30.0, 0.05)])
def test_the_edge_is_where_it_should_be(direction_deg: float, offset: float) -> None:
    height, width = 40, 60
    hidden = (1 - cast(shadow(1.0, direction_deg=direction_deg, offset=offset), height, width)[0].numpy()) / 0.5
    x = (np.arange(width) + 0.5) / width - 0.5
    up = -((np.arange(height) + 0.5) - height / 2) / width
    angle = np.radians(direction_deg)
    into = x * np.cos(angle) + up[:, None] * np.sin(angle) - offset
    assert (hidden[into > 1 / width] > 0.9999).all()
    assert (hidden[into < -1 / width] < 1e-4).all()
    assert ((hidden > 0.5) == (into > 0))[np.abs(into) > 1e-9].all()


@pytest.mark.parametrize("breadth", [0.05, 0.2, 0.6])
def test_a_pole_hides_as_much_of_the_sun_in_all_however_soft_its_shadow(breadth: float) -> None:
    width = 1000
    sharp, soft = (
        (1 - cast(shadow(30.0, penumbra=penumbra, offset=-breadth / 2, breadth=breadth), 1, width)[0, 0]).numpy()
        for penumbra in (0.0, 0.3)
    )
    assert sharp.mean() == pytest.approx(breadth, abs=1e-6)
    assert soft.mean() == pytest.approx(breadth, rel=1e-3)
    # Narrower than its penumbra, it is nowhere dark: at the middle it covers a band of the sun's disc.
    expected = 1.0 if breadth > 0.3 else np.diff(sun_behind_edge(np.array([-1.0, 1.0]) * breadth / 0.3, 1.0))[0]
    assert soft.max() == pytest.approx(expected, abs=5e-3)


def test_an_endless_shadow_is_one_of_many_widths() -> None:
    x = example_pictures(1).double()
    endless, broad = (Shadow().transform(x, shadow(breadth=breadth)) for breadth in (math.inf, 50.0))
    torch.testing.assert_close(endless, broad)


def test_outlines_deviate_by_their_roughness() -> None:
    """Under a penumbra so wide that light goes with the distance from the edge, the outline can be read."""
    count, roughness, penumbra = 600, 0.02, 10.0
    mechanism = Shadow(2.0, GREY_SKY, penumbra, direction_deg=0.0, offset=0.0, breadth=math.inf, roughness=roughness)
    params = mechanism.sample(Key(0).at(range(count))).map(Tensor.double)
    straight = params.replace(roughness=torch.zeros(count).double())
    x = torch.ones(count, 1, 6, 6).double()
    rough, even = ((1 - mechanism.transform(x, p)) / 0.75 - 0.5 for p in (params, straight))
    # A penumbra's light falls by 1.5 over its width at the middle. Where outlines are steep it is as much wider:
    # their waves of frequency f have the amplitude 1/f, so each the same slope, and ln f is uniform from f = 1 to 10.
    steepness = math.sqrt(1 + (2 * math.pi * roughness) ** 2 / ((1 - 10**-2) / (2 * math.log(10))))
    deviation = (steepness * rough - even) * penumbra / 1.5
    assert float(deviation.std()) == pytest.approx(roughness, rel=0.05)
    assert float(deviation.mean()) == pytest.approx(0.0, abs=4 * roughness / math.sqrt(count))


def test_rough_outlines_keep_the_width_of_their_penumbra() -> None:
    """Light falls across a rough outline about as steeply as across a straight edge."""
    steep = []
    for roughness in (0.0, 0.05):
        mechanism = Shadow(2.0, GREY_SKY, 0.05, direction_deg=0.0, offset=0.0, breadth=math.inf, roughness=roughness)
        seen = mechanism.transform(torch.ones(60, 1, 128, 128), mechanism.sample(Key(0).at(range(60))))[:, 0]
        down, right = torch.gradient(seen, dim=(1, 2))
        middle = (seen - 0.625).abs() < 0.1
        steep.append(float((torch.hypot(down, right) * 128)[middle].mean()))
    assert steep[0] == pytest.approx(0.75 * 1.5 / 0.05, rel=0.1)
    assert steep[1] == pytest.approx(steep[0], rel=0.2)


def test_no_light_is_missing_without_depth() -> None:
    x = example_pictures(3).double()
    params = Shadow().sample(Key(0).at(range(3))).map(Tensor.double).replace(depth_ev=torch.zeros(3).double())
    torch.testing.assert_close(Shadow().transform(x, params), x, atol=1e-12, rtol=0)


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Shadow\(depth_ev=…\)"):
        Shadow(depth_ev=(-1.0, 2.0))
