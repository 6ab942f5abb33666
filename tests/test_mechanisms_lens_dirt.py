"""Dirt on the glass: coverage, blur by the aperture, the upside-down view in a drop, the light that smudges take."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms.lens_dirt import LensDirt, LensDirtParams, LensDrops, LensDropsParams, _random_field
from mechaug.mechanisms.view import View
from mechaug.testing import example_pictures


def wet(count: int = 1, **changes: float) -> LensDropsParams:
    values = {"coverage": 0.2, "drop_mm": 3.0, "glass_m": 0.1, "f_number": 1e4} | changes
    made = {name: torch.full((count,), value, dtype=torch.float64) for name, value in values.items()}
    return LensDropsParams(**made, drops_seed=torch.arange(count))


def dirty(count: int = 1, **changes: float) -> LensDirtParams:
    values = {
        "coverage": 0.3,
        "opacity": 0.5,
        "veil": 0.0,
        "smudge_mm": 3.0,
        "glass_m": 0.1,
        "f_number": 64.0,
    } | changes
    made = {name: torch.full((count,), value, dtype=torch.float64) for name, value in values.items()}
    return LensDirtParams(**made, smudges_seed=torch.arange(count))


def even(count: int, light: float, size: int = 64) -> Tensor:
    return torch.full((count, 1, size, size), light, dtype=torch.float64)


def checks(count: int, size: int = 64) -> Tensor:
    """Black and white pixels in turn: of mean ½ and without a slope."""
    place = torch.arange(size)
    return ((place[:, None] + place) % 2).double().expand(count, 1, size, size)


def cover(mechanism: Any, params: Any, count: int, size: int = 64) -> Tensor:
    """The share of the light that each pixel loses to the dirt: how far black and white have come together."""
    x = checks(count, size)
    y, z = mechanism.transform(x, params), mechanism.transform(1 - x, params)
    return 1 - (y - z).abs()[:, 0]


# Drops ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.05, 0.2, 0.4])
@pytest.mark.parametrize("drop_mm", [0.1, 2.0, 5.0, 500.0])
def test_drops_cover_the_share_asked_for(share: float, drop_mm: float) -> None:
    """Few or many, in the mean of many pictures; too small and too large drops are replaced by such that fit."""
    # Where one drop covers the picture or none does, the mean is that of as many coins.
    count = 512 if drop_mm > 100 else 64
    seen = cover(LensDrops(), wet(count, coverage=share, drop_mm=drop_mm), count).mean()
    error = (share * (1 - share) / count) ** 0.5 if drop_mm > 100 else 0.0
    assert float(seen) == pytest.approx(share, abs=max(0.15 * share, 4 * error))


def test_blurred_drops_cover_the_share_asked_for() -> None:
    """Drops as wide as the aperture: nothing but border."""
    mechanism = LensDrops()
    params = wet(64, coverage=0.1, drop_mm=3.0, f_number=mechanism.view.focal_length_mm / 3.0)
    assert float(cover(mechanism, params, 64).mean()) == pytest.approx(0.1, rel=0.1)


def test_drops_have_their_size() -> None:
    """D/z times the focal length in pixels, by what borders there are for what area."""
    view = View(hfov_deg=2 * math.degrees(math.atan(0.5)))  # the focal length is the picture's width
    # 5 mm at 100 mm are 0.05 rad, 6.4 pixels of 128.
    field = cover(LensDrops(view=view), wet(16, coverage=0.02, drop_mm=5.0), 16, 128)
    bordered = ((field > 0.5)[:, 1:] != (field > 0.5)[:, :-1]).sum() + (
        (field > 0.5)[:, :, 1:] != (field > 0.5)[:, :, :-1]
    ).sum()
    # A disc of diameter d has 4d pixel sides along its border and the area π/4·d²: area over border is π/16·d.
    diameter = float((field > 0.5).sum() / bordered) * 16 / math.pi
    assert diameter == pytest.approx(6.4, rel=0.15)


def test_an_even_scene_shows_no_drop() -> None:
    x = even(3, 0.7)
    torch.testing.assert_close(LensDrops().transform(x, wet(3, coverage=0.5)), x)


@pytest.mark.parametrize("turned", [False, True])
def test_a_drop_shows_the_scene_upside_down(turned: bool) -> None:
    """A scene that darkens downward brightens downward within drops, and nowhere else."""
    ramp = torch.linspace(1.0, 0.0, 128, dtype=torch.float64)[:, None].expand(8, 1, 128, 128)
    x = ramp.mT if turned else ramp
    y = LensDrops().transform(x, wet(8, coverage=0.3, drop_mm=5.0, glass_m=0.05))
    step = y.diff(dim=-1 if turned else -2)
    share = float((step > 0).double().mean())
    assert 0.15 < share < 0.45
    assert bool((x.diff(dim=-1 if turned else -2) < 0).all())


def test_a_drop_shows_most_of_the_scene_s_slope() -> None:
    """From 0.7 of the way to its upper edge, at the drop's lower border, to 0.7 of that to its lower edge."""
    x = torch.linspace(0.8, 0.2, 192, dtype=torch.float64)[:, None].expand(4, 1, 192, 192)
    mechanism, params = LensDrops(), wet(4, coverage=0.1, drop_mm=6.0, glass_m=0.05)
    inside = cover(mechanism, params, 4, 192)[:, None] > 1 - 1e-9
    seen = mechanism.transform(x, params)[inside]
    assert float(seen.max()) == pytest.approx(0.5 + 0.7 * 0.3, abs=0.02)
    assert float(seen.min()) == pytest.approx(0.5 - 0.7 * 0.3, abs=0.02)


def test_an_aperture_wider_than_the_drop_sees_past_it() -> None:
    """A 2 mm drop before a 4 mm aperture takes at most a quarter of the light of any pixel."""
    mechanism = LensDrops()
    f_number = mechanism.view.focal_length_mm / 4.0
    field = cover(mechanism, wet(8, drop_mm=2.0, f_number=f_number, coverage=0.3), 8, 96)
    assert float(field.max()) == pytest.approx(0.25, rel=1e-6)
    wide = cover(mechanism, wet(8, drop_mm=8.0, f_number=f_number, coverage=0.3), 8, 96)
    assert float(wide.max()) == pytest.approx(1.0, rel=1e-6)


def test_a_wider_aperture_softens_the_borders() -> None:
    def partly(f_number: float) -> float:
        field = cover(LensDrops(), wet(8, drop_mm=6.0, f_number=f_number), 8, 96)
        return float(((field > 0.05) & (field < 0.95)).double().mean())

    assert partly(11.0) > 2 * partly(1000.0)


def test_drops_are_linear_in_the_light() -> None:
    x, z = example_pictures(2).double().unbind(0)
    x, z, params = x[None], z[None], wet()
    mixed = LensDrops().transform(2 * x + 3 * z, params)
    apart = 2 * LensDrops().transform(x, params) + 3 * LensDrops().transform(z, params)
    torch.testing.assert_close(mixed, apart, atol=1e-9, rtol=0)


# Smudges --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("f_number", [4.0, 64.0])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_smudges_take_their_share_of_the_light(share: float, f_number: float) -> None:
    lost = 1 - LensDirt().transform(even(200, 1.0, 32), dirty(200, coverage=share, f_number=f_number)).mean()
    assert float(lost) == pytest.approx(share * 0.5, rel=0.12)


def test_smudges_take_no_more_than_their_opacity_and_scatter_what_they_are_asked_to() -> None:
    x = even(4, 2.0)
    y = LensDirt().transform(x, dirty(4, opacity=0.4))
    assert float(y.min()) >= 2.0 * 0.6 - 1e-12
    assert float(y.max()) <= 2.0
    torch.testing.assert_close(LensDirt().transform(x, dirty(4, veil=1.0)), x)
    half = LensDirt().transform(x, dirty(4, opacity=0.4, veil=0.5))
    torch.testing.assert_close(x - half, (x - y) / 2)


def test_scattered_light_is_the_scene_s_mean() -> None:
    """Black pixels of a half-white scene send a·veil/2."""
    x = checks(4)
    taken = cover(LensDirt(), dirty(4), 4)
    y = LensDirt().transform(x, dirty(4, veil=0.8))
    torch.testing.assert_close(y[:, 0][x[:, 0] == 0], (taken * 0.4)[x[:, 0] == 0])


def test_the_thickness_of_smudges_is_correlated_over_their_size() -> None:
    length = 6.0
    field = _random_field(torch.arange(300), torch.full((300,), length, dtype=torch.float64), 24, 24).numpy()
    assert field.mean() == pytest.approx(0.0, abs=0.05)
    assert field.var() == pytest.approx(1.0, rel=0.05)
    for lag in (2, 5, 9):
        # Four fifths of the variance at the length, a fifth at 1/2.5 of it.
        expected = 0.8 * math.exp(-(lag**2) / (2 * length**2)) + 0.2 * math.exp(-((2.5 * lag) ** 2) / (2 * length**2))
        for moved, still in ((field[:, lag:], field[:, :-lag]), (field[..., lag:], field[..., :-lag])):
            assert (moved * still).mean() == pytest.approx(expected, abs=0.06)


def test_nearer_glass_makes_larger_smudges() -> None:
    def roughness(glass_m: float) -> float:
        y = LensDirt().transform(even(32, 1.0), dirty(32, glass_m=glass_m))
        return float(y.diff(dim=-1).square().mean() / y.var())

    assert roughness(0.4) > 3 * roughness(0.1)


# Both -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mechanism", "params", "clean"), [
    (LensDrops(), wet(), "coverage"), (LensDirt(), dirty(), "coverage"), (LensDirt(), dirty(), "opacity"),
])  # fmt: skip
def test_clean_glass_changes_nothing(mechanism: Any, params: Any, clean: str) -> None:
    x = example_pictures(1).double()
    assert torch.equal(mechanism.transform(x, params.replace(**{clean: torch.zeros(1).double()})), x)
    nearly = mechanism.transform(x, params.replace(**{clean: torch.full((1,), 1e-7).double()}))
    torch.testing.assert_close(nearly, x, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("mechanism", "params"), [(LensDrops(), wet()), (LensDirt(), dirty())])
@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (7, 13), (1, 1)])
def test_any_shape_is_drawn(mechanism: Any, params: Any, shape: tuple[int, int]) -> None:
    y = mechanism.transform(torch.full((1, 1, *shape), 0.2).double(), params)
    assert y.shape == (1, 1, *shape)
    assert bool(torch.isfinite(y).all())


def test_draws_differ_between_pictures() -> None:
    key = Key(3).at(torch.arange(4))
    assert len(set(LensDrops().sample(key).drops_seed.tolist())) == 4
    y = LensDirt(opacity=0.5, coverage=0.5)(torch.ones(2, 3, 16, 16), key.rows(torch.tensor([0, 1])))
    assert not np.allclose(y[0], y[1], atol=0.01)


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="drops"):
        LensDrops(drops=2)
    with pytest.raises(ValueError, match="coverage"):
        LensDirt(coverage=1.5)
