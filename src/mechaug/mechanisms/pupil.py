"""Pupil: what the wave nature of light does behind an aperture, perfect or not (Goodman, "Fourier Optics", ch. 6)."""

import math
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms.base import (
    Mechanism,
    Parameters,
    check_laws,
    draw_quantities,
    neutral_quantities,
    parameters,
)
from mechaug.mechanisms.blur import Blur
from mechaug.mechanisms.eager import constant, values_known
from mechaug.mechanisms.psf import fast_length, mirrored, offsets
from mechaug.mechanisms.view import View
from mechaug.types import Image, PerImage

WAVELENGTHS_UM: Final = (0.61, 0.54, 0.46)
"""What the red, green and blue of a camera are most sensitive to, micrometres."""

GREY_UM: Final = 0.55
"""The wavelength of pictures that have other channels than three: where the eye is most sensitive."""


def _wavelengths(x: Image) -> Float[Tensor, "c"]:
    values = WAVELENGTHS_UM if x.shape[1] == 3 else (GREY_UM,) * x.shape[1]
    return constant(values, x)


@parameters
class DiffractionParams(Parameters):
    """`f_number`: focal length over aperture; 0 is an aperture without end, which does not diffract."""

    f_number: PerImage


@final
@dataclass(frozen=True)
class Diffraction(Mechanism[DiffractionParams]):
    """The blur of a perfect lens of finite aperture: Airy's disc, with its first dark ring at the radius 1.22·λ·N.

    The spectrum of the picture is multiplied by the lens' transfer function, (2/π)·(acos ν − ν·√(1 − ν²)) for the
    spatial frequency ν in units of the cutoff 1/(λN), at 0.61, 0.54 and 0.46 µm for red, green and blue (0.55 µm where
    there are not three channels). That is exact at every size of the disc, also below a pixel; what pixels average is
    in the picture already. The picture is taken as sharp before. Borders are mirrored over an eighth of the picture.

    Args:
        f_number: law of the f-number.
        view: the lens, and the part of its image that the picture shows.

    Default prior: f/8 to f/32, uniform in its logarithm; what small apertures do is seen where a picture shows about
    as many pixels as the sensor has there, so the default view is a cut-out of a 25th of the frame's width.
    """

    f_number: Law = quantity((8.0, 32.0), "", neutral=0.0, scale="log", low=0.0, sweep=(8.0, 90.0))
    view: View = View(crop=0.04)

    domain = "light"
    structure = "none"
    overlaps = ("gaussian_blur", "defocus_blur")

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> DiffractionParams:
        return DiffractionParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> DiffractionParams:
        return DiffractionParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: DiffractionParams) -> Image:
        height, width = x.shape[-2:]
        top, left = max(8, height // 8), max(8, width // 8)
        rows, columns = fast_length(height + 2 * top), fast_length(width + 2 * left)
        light = mirrored(x, (top, rows - height - top), (left, columns - width - left))
        # Cycles per pixel in units of the cutoff.
        pixels_per_um = self.view.pixels_per_mm(width) / 1e3
        per_cycle = (params.f_number * pixels_per_um).to(x.dtype)[:, None] * _wavelengths(x)
        down = torch.fft.fftfreq(rows, dtype=x.dtype, device=x.device)
        across = torch.fft.rfftfreq(columns, dtype=x.dtype, device=x.device)
        frequency = per_cycle[:, :, None, None] * torch.hypot(down[:, None], across)
        passed = torch.fft.irfft2(torch.fft.rfft2(light) * airy_transfer(frequency), s=(rows, columns))
        # The disc is nowhere negative; its rings between pixels may be, by rounding and by what lies between.
        return passed[..., top : top + height, left : left + width].clamp(min=0.0)


def airy_transfer(frequency: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The transfer function of a perfect round aperture at spatial frequencies in units of its cutoff 1/(λN)."""
    # Just below the cutoff, where the slopes of both terms are finite; what is left there is 1e-9.
    nu = frequency.clamp(max=1 - 1e-6)
    return (torch.acos(nu) - nu * torch.sqrt((1 - nu) * (1 + nu))) * (2 / math.pi)


@parameters
class AberrationParams(Parameters):
    """How the wave front behind the lens departs from a sphere, in waves of 0.54 µm root mean square.

    Attributes:
        f_number: focal length over aperture.
        astigmatism_waves: Noll's Z₆, turned by `axis_deg`.
        coma_waves: Noll's Z₈, turned by `axis_deg`.
        trefoil_waves: Noll's Z₁₀, turned by `axis_deg`.
        spherical_waves: Noll's Z₁₁.
        axis_deg: the direction from the optical axis to the picture: 0 to the right, 90 up.
    """

    f_number: PerImage
    astigmatism_waves: PerImage
    coma_waves: PerImage
    trefoil_waves: PerImage
    spherical_waves: PerImage
    axis_deg: PerImage


@final
@dataclass(frozen=True)
class Aberration(Blur[AberrationParams]):
    """The blur of an imperfect lens: PSF = |F{A·exp(i2πW)}|² with the wave front W = Σ c·Z of Zernike polynomials.

    The polynomials are normalised to a root mean square of one over the round pupil A (Noll, "Zernike polynomials and
    atmospheric turbulence", 1976), so that c are root mean squares in waves. The picture is taken as that of a perfect
    lens of the same aperture. Of the imperfect lens' light, the Strehl ratio S is still in the core that a perfect lens
    makes, and stays where it is; the rest, PSF − S·PSF₀ where that is positive, is spread. So nothing happens at
    0 waves, and a lens without a core (S = 0) makes its whole point-spread function.

    One polynomial in waves of green, 0.54 µm, is a path in micrometres, so that it is more waves of blue and fewer of
    red. Where λN is smaller than a pixel, a longer wavelength takes its place, of λN = 1 pixel, with the wave front in
    the same micrometres: rays arrive where they did, in discs as wide as a pixel. Rays go at most 16 pixels astray:
    larger aberrations are drawn at that size. λN of more than 4 pixels is drawn as 4, with the rays where they are.

    Args:
        f_number: law of the f-number at which the aberrations are measured.
        astigmatism_waves: law of the astigmatism, waves of 0.54 µm.
        coma_waves: law of the coma, waves.
        trefoil_waves: law of the trefoil, waves.
        spherical_waves: law of the spherical aberration, waves.
        axis_deg: law of the direction of astigmatism, coma and trefoil, degrees.
        view: the lens, and the part of its image that the picture shows.

    Default prior: up to one wave of each at f/2 to f/5.6: from good lenses, at a tenth, to simple ones wide open off
    their axis. A whole photograph of a few hundred pixels hides all this, so the default view is a cut-out of a 25th of
    the frame's width, where a pixel is about one of the sensor.
    """

    f_number: Law = quantity((2.0, 5.6), "", neutral=2.8, scale="log", low=0.1, held=4.0)
    astigmatism_waves: Law = quantity((-1.0, 1.0), "waves", neutral=0.0, sweep=(0.25, 2.5), held=0.0)
    coma_waves: Law = quantity((-1.0, 1.0), "waves", neutral=0.0, sweep=(0.1, 1.0), held=0.0)
    trefoil_waves: Law = quantity((-1.0, 1.0), "waves", neutral=0.0, sweep=(0.25, 2.5), held=0.0)
    spherical_waves: Law = quantity((-0.5, 0.5), "waves", neutral=0.0, sweep=(0.1, 1.0), held=0.0)
    axis_deg: Law = quantity((0.0, 360.0), "°", neutral=0.0, held=30.0)
    view: View = View(crop=0.04)

    structure = "none"
    overlaps = ("defocus_blur",)

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> AberrationParams:
        return AberrationParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> AberrationParams:
        return AberrationParams(**neutral_quantities(self, batch))

    def psf(self, x: Image, params: AberrationParams) -> Float[Tensor, "b #c k k"]:
        pixels_per_um = params.f_number.to(x.dtype) * (self.view.pixels_per_mm(x.shape[-1]) / 1e3)
        wave_px = (pixels_per_um[:, None] * _wavelengths(x)).clamp(1.0, _COARSEST)
        if values_known(wave_px) and bool((wave_px == wave_px[:1, :1]).all()):
            # One wavelength for all: one perfect lens, and one imperfect one per image.
            wave_px = wave_px[:1, :1]
        real, perfect, strehl = lens_psf(params, wave_px, pixels_per_um * WAVELENGTHS_UM[1])
        spread = (real - strehl * perfect).clamp(min=0.0)
        # What is not spread stays: the core, and what the difference of two small numbers loses.
        middle = (offsets(_WINDOW // 2 - 1, spread) == 0).to(spread)
        centre = middle[:, None] * middle
        spread = spread * ((1 - strehl) / spread.sum((-2, -1), keepdim=True).clamp(min=1e-9))
        return spread + (1 - spread.sum((-2, -1), keepdim=True)) * centre


_WINDOW: Final = 32
"""Pixels on which a point-spread function is computed."""

_COARSEST: Final = 4.0
"""λN in pixels up to which the pupil is still sampled by eight points a side."""


_HALF_WAY: Final = 0.3
"""The weight of points half a pixel aside in the mean over a pixel: three points then pass waves as a whole pixel
does, sin(πf)/(πf), to 0.012 up to half a cycle per pixel and to 0.06 up to three quarters of one."""


def lens_psf(
    params: AberrationParams, wave_px: Float[Tensor, "#b d"], green_px: PerImage
) -> tuple[Float[Tensor, "b d 31 31"], Float[Tensor, "#b d 31 31"], Float[Tensor, "b d 1 1"]]:
    """The point-spread functions of an imperfect and of the perfect lens, and the Strehl ratio of the first.

    Args:
        params: the aberrations.
        wave_px: λN in pixels, 1 to 4, per image and wavelength.
        green_px: λN in pixels of the wavelength in which the aberrations are counted, per image.
    """
    # A shear of one sample is a frequency of 1/32 cycle per pixel, so that the pupil is 32/λN samples wide.
    radius = (_WINDOW / 2) / wave_px[..., None, None]
    place = torch.arange(_WINDOW, dtype=wave_px.dtype, device=wave_px.device) - (_WINDOW - 1) / 2
    pupil = (radius - torch.hypot(place[:, None], place) + 0.5).clamp(0.0, 1.0)
    # Counted in waves of the wavelength that is used, rays land on the same spot.
    waves = _wave_front(params, place / radius, green_px) / wave_px[..., None, None]
    field = torch.polar(pupil.expand_as(waves), (2 * math.pi) * waves)
    strehl = (field.mean((-2, -1), keepdim=True) / pupil.mean((-2, -1), keepdim=True)).abs().square()
    return _pixels_of(field), _pixels_of(pupil), strehl


def _pixels_of(pupil: Tensor) -> Float[Tensor, "#b d 31 31"]:
    """The light behind a pupil, averaged over pixels, around the middle; the sum is one."""
    # Twice as many samples as the pupil has are half a pixel apart, which is all that light of this wavelength has.
    amplitude = torch.fft.fftshift(torch.fft.fft2(pupil, s=(2 * _WINDOW, 2 * _WINDOW)), (-2, -1))
    light = amplitude.real.square() + amplitude.imag.square()
    # A pixel by its middle and the points half-way to its neighbours, from the second pixel to the last but one.
    light = light[..., 1:-2:2, :] * _HALF_WAY + light[..., 2:-1:2, :] + light[..., 3::2, :] * _HALF_WAY
    light = light[..., 1:-2:2] * _HALF_WAY + light[..., 2:-1:2] + light[..., 3::2] * _HALF_WAY
    return light / light.sum((-2, -1), keepdim=True)


def _wave_front(params: AberrationParams, at: Float[Tensor, "#b d 1 n"], scale: PerImage) -> Float[Tensor, "b d n n"]:
    """The wave front at points of the pupil, times `scale`; with no slope so large that rays leave the window."""
    limit = _WINDOW / 4
    angle = params.axis_deg * (math.pi / 180)
    cos, sin = (f(angle).to(at.dtype)[:, None, None, None] for f in (torch.cos, torch.sin))
    # Noll's factor, and the steepest slope of the polynomial without it.
    sizes = ((params.astigmatism_waves, math.sqrt(6), 2.0), (params.coma_waves, math.sqrt(8), 6.0),
             (params.trefoil_waves, math.sqrt(8), 3.0), (params.spherical_waves, math.sqrt(5), 12.0))  # fmt: skip
    steepest = sum((waves.abs() * (factor * slope) for waves, factor, slope in sizes), torch.zeros_like(scale))
    shrunk = scale * (limit / (scale * steepest).clamp(min=limit))
    two, one, three, zero = ((shrunk * waves * factor).to(at.dtype)[:, None, None, None] for waves, factor, _ in sizes)
    right, up = at, -at.mT
    u, v = cos * right + sin * up, cos * up - sin * right
    u2, v2 = u * u, v * v
    square = u2 + v2
    return (
        two * (u2 - v2)
        + one * u * (3 * square - 2)
        + three * u * (u2 - 3 * v2)
        + zero * (6 * square * (square - 1) + 1)
    )
