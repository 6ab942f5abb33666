"""Glare: halos against SciPy's Gaussians, and a veil that loses no light."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from mechaug.keys import Key
from mechaug.mechanisms.glare import Glare, GlareParams
from mechaug.mechanisms.view import View
from mechaug.testing import example_pictures


def veil(veil_percent: float, even_percent: float, halo_deg: float = 1.0) -> GlareParams:
    values = (veil_percent, even_percent, halo_deg)
    return GlareParams(*(torch.tensor([value], dtype=torch.float64) for value in values))


def halo_by_scipy(x: np.ndarray, sigma: float) -> np.ndarray:
    widths = (sigma, 2 * sigma, 4 * sigma, 8 * sigma)
    return np.mean([ndimage.gaussian_filter(x, s, axes=(2, 3), mode="reflect", truncate=9.0) for s in widths], axis=0)


@pytest.mark.parametrize(("height", "width"), [(32, 32), (40, 24), (150, 224)])
@pytest.mark.parametrize("halo_deg", [1.0, 3.0])
def test_the_halo_is_four_gaussians(height: int, width: int, halo_deg: float) -> None:
    """Noise, whose every frequency tells; in pixels the width is focal length times angle."""
    x = example_pictures(1, height=height, width=width).double() + Key(0).at([0]).field(3, height, width).double()
    view = View(hfov_deg=50.0)
    sigma = width / (2 * math.tan(math.radians(25.0))) * math.radians(halo_deg)
    y = Glare(view=view).transform(x, veil(100.0, 0.0, halo_deg))
    # Gaussians narrower than a pixel have no one form on whole pixels.
    tolerance = 0.02 if sigma > 1.5 else 0.25
    np.testing.assert_allclose(y.numpy(), halo_by_scipy(x.numpy(), sigma), atol=tolerance)


def test_a_share_is_scattered_and_the_rest_stays() -> None:
    x = example_pictures(1).double()
    all_of_it = Glare().transform(x, veil(100.0, 30.0))
    for percent in (0.5, 7.0, 60.0):
        mixed = (1 - percent / 100) * x + percent / 100 * all_of_it
        torch.testing.assert_close(Glare().transform(x, veil(percent, 30.0)), mixed, atol=1e-12, rtol=0)


def test_an_even_veil_is_the_mean() -> None:
    x = example_pictures(1).double()
    y = Glare().transform(x, veil(100.0, 100.0))
    torch.testing.assert_close(y, x.mean((2, 3), keepdim=True).expand_as(x), atol=1e-12, rtol=0)


def test_the_veiling_glare_index() -> None:
    """ISO 9358: what a black patch in a white field reads."""
    x = torch.ones(1, 1, 100, 100).double()
    x[..., 48:52, 48:52] = 0.0
    index = Glare().transform(x, veil(3.0, 100.0))[0, 0, 50, 50]
    assert float(index) == pytest.approx(0.03 * float(x.mean()), rel=1e-9)


@pytest.mark.parametrize("size", [(32, 32), (64, 90), (1, 9)])
def test_no_light_is_lost(size: tuple[int, int]) -> None:
    x = example_pictures(1, height=size[0], width=size[1]).double()
    y = Glare().transform(x, veil(40.0, 25.0, 1.3))
    torch.testing.assert_close(y.mean((2, 3)), x.mean((2, 3)), atol=1e-13, rtol=0)
    flat = torch.full_like(x, 0.37)
    torch.testing.assert_close(Glare().transform(flat, veil(40.0, 25.0)), flat, atol=1e-12, rtol=0)


@pytest.mark.parametrize("size", [32, 100, 224])
def test_a_lamp_has_a_halo_that_falls_off_and_is_nowhere_negative(size: int) -> None:
    x = torch.zeros(1, 1, size, size).double()
    x[..., size // 2, size // 2] = 100.0 * (size / 32) ** 2
    y = Glare().transform(x, veil(10.0, 20.0))[0, 0]
    ray = y[size // 2, size // 2 + 1 :].numpy()
    # As the inverse square between the first and the last width, 1° and 8°: a quarter an octave, about.
    f_px = size * 50 / 36
    near, far = (float(np.interp(f_px * math.radians(d), np.arange(1, len(ray) + 1), ray)) for d in (3.0, 6.0))
    assert 2.2 < near / far < 5.0
    # The frequencies left out ring by less than a thousandth of the halo's peak.
    assert ray.min() > 0
    assert float(y.min()) > 0


def test_the_halo_is_the_same_in_a_thumbnail() -> None:
    small = example_pictures(1, height=56, width=56, seed=2).double()
    large = small.repeat_interleave(4, 2).repeat_interleave(4, 3)
    a, b = (Glare().transform(x, veil(100.0, 20.0, 2.0)) for x in (small, large))
    b = b.unflatten(2, (56, 4)).unflatten(4, (56, 4)).mean((3, 5))
    torch.testing.assert_close(a, b, atol=5e-3, rtol=0)


def test_nothing_scattered_is_no_change() -> None:
    x = example_pictures(1)
    params = veil(0.0, 40.0).map(lambda t: t.float())
    assert torch.equal(Glare().transform(x, params), x)


@pytest.mark.parametrize("laws", [{"veil_percent": 101.0}, {"even_percent": -1.0}, {"halo_deg": 0.0}])
def test_what_does_not_exist_is_refused(laws: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"Glare\(.*=…\)"):
        Glare(**laws)
