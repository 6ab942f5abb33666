"""Pupil: Airy's disc, transfer functions and aberrated lenses, by Bessel functions and by sums over fine pupils."""

import math

import numpy as np
import pytest
import torch
from scipy.special import j1
from torch import Tensor

from mechaug.mechanisms.pupil import (
    GREY_UM,
    WAVELENGTHS_UM,
    Aberration,
    AberrationParams,
    Diffraction,
    DiffractionParams,
    airy_transfer,
    lens_psf,
)
from mechaug.mechanisms.view import View
from mechaug.testing import example_pictures

MODES = ("astigmatism_waves", "coma_waves", "trefoil_waves", "spherical_waves")


def pitched(pitch_um: float, width: int) -> View:
    """A picture of pixels of a given pitch."""
    return View(sensor_width_mm=1e-3 * pitch_um * width)


def aperture(f_number: float) -> DiffractionParams:
    return DiffractionParams(torch.tensor([f_number], dtype=torch.float64))


def wave_front(f_number: float = 4.0, axis_deg: float = 0.0, **waves: float) -> AberrationParams:
    values = {"f_number": f_number, "axis_deg": axis_deg, **dict.fromkeys(MODES, 0.0), **waves}
    return AberrationParams(**{name: torch.tensor([value], dtype=torch.float64) for name, value in values.items()})


def impulse(size: int = 65, channels: int = 1) -> Tensor:
    x = torch.zeros(1, channels, size, size, dtype=torch.float64)
    x[..., size // 2, size // 2] = 1.0
    return x


# Diffraction ------------------------------------------------------------------------------------------------------


def test_airys_first_zero() -> None:
    """0.55 µm at f/8: the first dark ring at 1.22·λ·N = 5.4 µm."""
    y = Diffraction(view=pitched(0.25, 255)).transform(impulse(255), aperture(8.0))[0, 0]
    ray = y[127, 127:].numpy()
    zero_um = 0.25 * int(ray[5:35].argmin() + 5)
    assert zero_um == pytest.approx(1.22 * 0.55 * 8.0, abs=0.13)
    assert zero_um == pytest.approx(5.4, abs=0.2)
    assert ray[round(zero_um / 0.25)] < 1e-3 * ray[0]


def test_airys_disc_is_bessels() -> None:
    """(2·J₁(v)/v)² with v = π·r/(λN), at every pixel, diagonals included; borders fold back what little gets there."""
    y = Diffraction(view=pitched(0.8, 129)).transform(impulse(129), aperture(8.0))[0, 0]
    down, across = np.mgrid[-64:65, -64:65] * 0.8
    v = np.maximum(math.pi * np.hypot(down, across) / (GREY_UM * 8.0), 1e-9)
    expected = (2 * j1(v) / v) ** 2 * math.pi / 4 * (0.8 / (GREY_UM * 8.0)) ** 2
    np.testing.assert_allclose(y.numpy()[44:85, 44:85], expected[44:85, 44:85], atol=2e-3 * expected.max())
    assert float(y.sum()) == pytest.approx(1.0, abs=0.01)


def test_the_transfer_function_is_the_overlap_of_two_discs() -> None:
    place = np.linspace(-1, 1, 2001)
    x, y = np.meshgrid(place, place)
    disc = (x**2 + y**2 <= 1).astype(float)
    for shift in (0, 100, 500, 1000, 1500, 1900):
        overlap = (disc[:, shift:] * disc[:, : 2001 - shift]).sum() / disc.sum()
        # A shift of one diameter, 2000 samples, is the cutoff.
        assert float(airy_transfer(torch.tensor(shift / 2000).double())) == pytest.approx(overlap, abs=2e-3)
    assert float(airy_transfer(torch.tensor(0.5))) == pytest.approx(0.391, abs=1e-3)
    assert airy_transfer(torch.tensor([1.0, 1.7])).abs().max() < 1e-6


@pytest.mark.parametrize(("f_number", "cycles"), [(8.0, 60), (22.0, 20), (22.0, 70)])
def test_waves_lose_the_contrast_that_the_formula_says(f_number: float, cycles: int) -> None:
    width, pitch = 400, 4.0
    place = torch.arange(width).double() + 0.5
    wave = 0.5 + 0.4 * torch.cos(2 * math.pi * cycles / width * place)
    y = Diffraction(view=pitched(pitch, width)).transform(wave.expand(1, 1, 40, width), aperture(f_number))
    middle = slice(100, 300)
    seen = float((y[0, 0, 20] - 0.5)[middle] @ (wave - 0.5)[middle] / (wave - 0.5)[middle].square().sum())
    nu = cycles / (width * pitch) * 0.55 * f_number
    expected = 0.0 if nu >= 1 else 2 / math.pi * (math.acos(nu) - nu * math.sqrt(1 - nu**2))
    assert seen == pytest.approx(expected, abs=2e-3)


def test_small_apertures_blur_a_cut_out_and_no_photograph() -> None:
    x = example_pictures(1).double()

    def change(view: View, f_number: float) -> float:
        return float((Diffraction(view=view).transform(x, aperture(f_number)) - x).abs().max())

    assert change(View(), 22.0) < 0.006
    assert change(View(crop=0.005), 22.0) > 0.05
    assert change(View(crop=0.005), 22.0) > 2 * change(View(crop=0.005), 5.6)


def test_red_is_blurred_most() -> None:
    y = Diffraction(view=pitched(2.0, 65)).transform(impulse(65, 3), aperture(8.0))
    peaks = y[0, :, 32, 32]
    assert peaks[0] < peaks[1] < peaks[2]
    # A disc's peak goes as its inverse area, where it covers several pixels.
    assert float(peaks[2] / peaks[0]) == pytest.approx((WAVELENGTHS_UM[0] / WAVELENGTHS_UM[2]) ** 2, rel=0.02)


@pytest.mark.parametrize("size", [(1, 7), (32, 32), (20, 50)])
def test_flat_light_and_open_apertures_stay_as_they_are(size: tuple[int, int]) -> None:
    flat = torch.full((1, 3, *size), 0.37).double()
    torch.testing.assert_close(Diffraction().transform(flat, aperture(64.0)), flat, atol=1e-12, rtol=0)
    x = example_pictures(1, height=size[0], width=size[1]).double()
    torch.testing.assert_close(Diffraction().transform(x, aperture(0.0)), x, atol=1e-12, rtol=0)


# Aberration -------------------------------------------------------------------------------------------------------


def zernike(name: str, x: np.ndarray, y: np.ndarray, axis_deg: float) -> np.ndarray:
    """Noll's polynomials from their radial and angular parts."""
    rho, theta = np.hypot(x, y), np.arctan2(y, x) - math.radians(axis_deg)
    return {
        "astigmatism_waves": math.sqrt(6) * rho**2 * np.cos(2 * theta),
        "coma_waves": math.sqrt(8) * (3 * rho**3 - 2 * rho) * np.cos(theta),
        "trefoil_waves": math.sqrt(8) * rho**3 * np.cos(3 * theta),
        "spherical_waves": math.sqrt(5) * (6 * rho**4 - 6 * rho**2 + 1),
    }[name]


def fine_pupil() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    place = (np.arange(300) + 0.5) / 150 - 1
    x, y = np.meshgrid(place, -place)
    return place, x, y, x**2 + y**2 <= 1


def by_summing(waves: dict[str, float], axis_deg: float, wave_px: float, reach: int) -> np.ndarray:
    """|F{A·exp(i2πW)}|² on a grid eight times finer than pixels, averaged over them; the sum over all places is 1."""
    place, x, y, disc = fine_pupil()
    front = sum(c * zernike(name, x, y, axis_deg) for name, c in waves.items())
    field = disc * np.exp(2j * np.pi * front)
    fine = (np.arange(8 * (2 * reach + 1)) + 0.5) / 8 - reach - 0.5
    # The rim of the pupil is the spatial frequency 1/(2·λN).
    kernel = np.exp(-1j * np.pi / wave_px * np.outer(fine, place))
    light = np.abs(kernel @ field @ kernel.T) ** 2
    # Parseval: the light at all places is that of the pupil.
    light *= (place[1] - place[0]) ** 2 / (disc.sum() * 4 * wave_px**2)
    return light.reshape(2 * reach + 1, 8, 2 * reach + 1, 8).mean((1, 3))


@pytest.mark.parametrize(
    "waves",
    [
        {"astigmatism_waves": 0.3},
        {"coma_waves": 0.15},
        {"trefoil_waves": -0.25},
        {"spherical_waves": 0.12},
        {"astigmatism_waves": -0.1, "coma_waves": 0.1, "trefoil_waves": 0.1, "spherical_waves": -0.07},
        {},
    ],
    ids=lambda waves: "+".join(waves) or "perfect",
)
@pytest.mark.parametrize("wave_px", [1.0, 1.6])
def test_the_spread_is_that_of_a_fine_pupil(waves: dict[str, float], wave_px: float) -> None:
    green = torch.tensor([wave_px]).double()
    real, perfect, _ = lens_psf(wave_front(axis_deg=25.0, **waves), green[:, None], green)
    expected = by_summing(waves, 25.0, wave_px, 15)
    scale = by_summing({}, 0.0, wave_px, 15).max()
    # Three samples for a pixel and a rim of one sample differ from fine sums by this much.
    np.testing.assert_allclose(real[0, 0].numpy(), expected, atol=0.015 * scale)
    assert np.abs(real[0, 0].numpy() - expected).sum() < 0.05
    assert float(perfect.max()) == pytest.approx(scale, rel=0.02)


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("sigma", [0.02, 0.05, 0.07])
def test_marechals_strehl_ratio(name: str, sigma: float) -> None:
    """exp(−(2πσ)²) for a small root mean square of σ waves, whatever the polynomial: they are normalised."""
    one = torch.ones(1).double()
    strehl = lens_psf(wave_front(axis_deg=40.0, **{name: sigma}), one[:, None], one)[2]
    assert float(strehl) == pytest.approx(math.exp(-((2 * math.pi * sigma) ** 2)), rel=0.01)


@pytest.mark.parametrize("name", MODES)
def test_rays_land_where_geometry_sends_them(name: str) -> None:
    """Pixels four waves wide: the variance of the spot is that of 2·λN times the slope of the wave front."""
    place, x, y, _ = fine_pupil()
    green, waves = (
        0.25,
        {"astigmatism_waves": 3.0, "coma_waves": 0.8, "trefoil_waves": 2.5, "spherical_waves": 0.8}[name],
    )
    front = zernike(name, x, y, 0.0) * waves
    slopes = np.gradient(front, place[1] - place[0])
    inside = x**2 + y**2 < 0.98
    rays = [2 * green * slope[inside] for slope in slopes]
    real, perfect, _ = lens_psf(wave_front(**{name: waves}), torch.ones(1, 1).double(), torch.tensor([green]).double())
    at = torch.arange(-15, 16).double()

    def variance(psf: Tensor, axis: int) -> float:
        line = psf[0, 0].sum(axis)
        return float(line @ at.square() - (line @ at).square())

    for axis, ray in ((1, rays[0]), (0, rays[1])):
        # Light of a wavelength of one pixel adds what it adds to a perfect lens.
        assert variance(real, axis) == pytest.approx(ray.var() + variance(perfect, axis), rel=0.12)
        assert ray.var() > variance(perfect, axis)


@pytest.mark.parametrize("name", MODES)
def test_no_light_is_lost_and_more_waves_spread_more(name: str) -> None:
    kept = []
    for waves in (0.0, 0.05, 0.1, 0.2, 0.35):
        y = Aberration(view=pitched(2.0, 65)).transform(impulse(), wave_front(4.0, 30.0, **{name: waves}))
        assert float(y.sum()) == pytest.approx(1.0, abs=1e-9)
        assert float(y.min()) > -1e-15
        kept.append(float(y[0, 0, 32, 32]))
    assert kept[0] == pytest.approx(1.0, abs=1e-12)
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] < 0.4


def test_the_core_that_stays_is_the_strehl_ratio() -> None:
    y = Aberration(view=pitched(2.2, 65)).transform(impulse(), wave_front(4.0, coma_waves=0.06))
    assert float(y[0, 0, 32, 32]) == pytest.approx(math.exp(-((2 * math.pi * 0.06) ** 2)), abs=0.04)


def test_comas_tail_points_along_the_axis() -> None:
    place = torch.arange(65).double() - 32
    for axis_deg in (0.0, 90.0, 200.0):
        y = Aberration(view=pitched(2.0, 65)).transform(impulse(), wave_front(4.0, axis_deg, coma_waves=0.3))[0, 0]
        right, up = float(y.sum(0) @ place), -float(y.sum(1) @ place)
        apart_deg = math.degrees(math.atan2(up, right)) - axis_deg
        assert abs((apart_deg + 180) % 360 - 180) < 2.0
        assert math.hypot(right, up) > 0.5


def test_symmetries() -> None:
    mechanism, x = Aberration(view=pitched(2.0, 65)), impulse()

    def spread(axis_deg: float, **waves: float) -> Tensor:
        return mechanism.transform(x, wave_front(4.0, axis_deg, **waves))

    def same(a: Tensor, b: Tensor) -> None:
        torch.testing.assert_close(a, b, atol=1e-9, rtol=0)

    same(spread(0.0, astigmatism_waves=0.3), spread(90.0, astigmatism_waves=-0.3))
    same(spread(0.0, trefoil_waves=0.3), spread(120.0, trefoil_waves=0.3))
    same(spread(0.0, spherical_waves=0.2), spread(77.0, spherical_waves=0.2))
    same(spread(10.0, coma_waves=0.2), spread(190.0, coma_waves=-0.2))
    assert float((spread(0.0, trefoil_waves=0.3) - spread(60.0, trefoil_waves=0.3)).abs().max()) > 1e-3


def test_blue_has_more_waves_than_red() -> None:
    """Where pixels resolve the light; where they do not, rays land alike and so does all light."""
    for pitch_um, differs in ((1.5, True), (20.0, False)):
        waves = 0.1 if differs else 1.5
        y = Aberration(view=pitched(pitch_um, 65)).transform(impulse(65, 3), wave_front(4.0, spherical_waves=waves))
        peaks = y[0, :, 32, 32]
        assert bool(peaks[2] < peaks[0] - 0.01) == differs
        assert float(peaks.max()) < 0.95


def test_larger_aberrations_than_the_window_are_drawn_at_its_size() -> None:
    large, larger = (
        Aberration(view=pitched(2.0, 65)).transform(impulse(), wave_front(4.0, astigmatism_waves=w))
        for w in (9.0, 50.0)
    )
    torch.testing.assert_close(large, larger, atol=1e-9, rtol=0)


@pytest.mark.parametrize("laws", [{"f_number": 0.0}, {"coma_waves": (1.0, -1.0)}])
def test_what_does_not_exist_is_refused(laws: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"Aberration\(.*=…\)"):
        Aberration(**laws)
    with pytest.raises(ValueError, match=r"Diffraction\(f_number=…\)"):
        Diffraction(f_number=-1.0)
