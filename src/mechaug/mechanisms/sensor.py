"""Sensor: photons become electrons, electrons become numbers."""

import math
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.fields import noise_field
from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms.base import (
    Mechanism,
    Parameters,
    check_laws,
    draw_quantities,
    neutral_quantities,
    parameters,
    per_image,
)
from mechaug.mechanisms.eager import needs_gradient, values_known
from mechaug.mechanisms.view import View
from mechaug.memory import blocks
from mechaug.types import Image, PerImage, Seeds

REFERENCE_C: Final = 25.0
"""The temperature for which a dark current is stated, degrees Celsius."""

DARK_DOUBLING_C: Final = 7.0
"""How many degrees double the dark current of silicon: 6 to 8 at room temperature."""

HOT_MEAN: Final = 0.5
"""What a hot pixel adds in the mean, white = 1."""


@parameters
class SensorParams(Parameters):
    """What each picture was taken with.

    Attributes:
        iso: sensitivity setting; doubling it halves the electrons at white.
        full_well_e: electrons at white at ISO 100, per pixel of the sensor; infinity is a sensor without noise.
        read_noise_e: standard deviation of the read noise that arises before the amplifier, electrons.
        adc_noise_e: the same behind the amplifier, in electrons at ISO 100: at higher settings the signal outgrows it.
        row_noise_e: standard deviation of what all pixels of a row share, electrons at ISO 100.
        dark_e_s: dark current at 25 °C, electrons per second.
        exposure_s: exposure time, seconds: how long the dark current runs.
        temperature_c: of the sensor, degrees Celsius.
        prnu_percent: standard deviation of the pixels' sensitivities, per cent.
        hot_ppm: hot pixels per million.
        bits: of the converter, which counts to 2^bits − 1 at white; infinity is no rounding.
        noise_seed: what differs from one picture to the next, stored as its seed.
        pattern_seed: what a camera does to all of its pictures (sensitivities, hot pixels), stored as its seed.
    """

    iso: PerImage
    full_well_e: PerImage
    read_noise_e: PerImage
    adc_noise_e: PerImage
    row_noise_e: PerImage
    dark_e_s: PerImage
    exposure_s: PerImage
    temperature_c: PerImage
    prnu_percent: PerImage
    hot_ppm: PerImage
    bits: PerImage
    noise_seed: Seeds
    pattern_seed: Seeds


@final
@dataclass(frozen=True)
class Sensor(Mechanism[SensorParams]):
    """The linear camera of EMVA 1288 (release 4.0): photons, electrons, numbers.

    White holds W = full_well_e·100/iso electrons, and light x makes x·W·(1 + prnu) of them, beside those of the dark
    current D = dark_e_s·exposure_s·2^((T − 25 °C)/7 °C). The count of both, of mean λ, is Poisson and the read noise
    of variance r² = read_noise_e² + (adc_noise_e·100/iso)² is normal. They are drawn together from one standard
    normal field z by the Cornish–Fisher expansion

        e = λ + σ·z + λ/(6σ²)·(z² − 1),   σ² = λ + r²,

    which has the mean of the sum, its variance to within 1/18 e⁻² and its third cumulant to within 1/27 e⁻³, and which
    is differentiable in the light and in every parameter. Row noise is normal and falls with the ISO as r does. The
    black level takes the dark current's mean away again; its noise stays. A finite full well clips at white, and the
    converter rounds to K = (2^bits − 1)/W numbers per electron. So the variance of flat light, in numbers, is
    K²·r² + K·μ + 1/12 at mean μ: the photon transfer curve.

    Binned pixels: with a view, a pixel of the picture is the mean of n = binning² pixels of the sensor, of which all
    electrons are counted: n times the electrons at white, noises that are independent from pixel to pixel divided by
    √n, row noise by the root of the rows, steps by n. Thumbnails of good light are then as clean as they really are:
    of VIEWS["object"] at 32 pixels n is 178, and noise is seen from about ISO 12,800 upward. Without a view the
    picture's pixels are the sensor's. What a colour filter and its interpolation do is `Demosaic`'s.

    Args:
        iso: law of the ISO setting.
        full_well_e: law of the electrons at white at ISO 100.
        read_noise_e: law of the read noise before the amplifier, electrons.
        adc_noise_e: law of the read noise behind it, electrons at ISO 100.
        row_noise_e: law of the rows' noise, electrons at ISO 100.
        dark_e_s: law of the dark current at 25 °C, electrons per second; 0.1 to 10 are common.
        exposure_s: law of the exposure time, seconds.
        temperature_c: law of the sensor's temperature, degrees Celsius.
        prnu_percent: law of the photo-response non-uniformity, per cent; 0.3 to 1 are common.
        hot_ppm: law of the hot pixels per million. Their surplus is close to exponential, half of white in the mean.
        bits: law of the converter's bits.
        view: what the picture shows of the sensor, for binned pixels; None where its pixels are the sensor's.
        body: the number of the camera body that took all pictures; None if each was taken by another, so that no
            pattern repeats.
        rounding: "hard" rounds, and its gradient passes straight through. "soft" is the smooth staircase
            q − sin(2πq)/2π instead, so that value and gradient belong to one function.

    Default prior: ISO 100 to 6400, uniform in its logarithm, on a small pixel (6,000 e⁻, read noise 3 e⁻) and nothing
    else; `sensor_of` gives those of real cameras.

    Raises:
        ValueError: a law is outside the values that exist, or `rounding` is unknown.
    """

    iso: Law = quantity((100.0, 6400.0), "ISO", neutral=100.0, scale="log", low=0.0, sweep=(400.0, 25600.0))
    full_well_e: Law = quantity(6000.0, "e⁻", neutral=math.inf, scale="log", low=1.0, held=6000.0)
    read_noise_e: Law = quantity(3.0, "e⁻", neutral=0.0, low=0.0, held=3.0)
    adc_noise_e: Law = quantity(0.0, "e⁻", neutral=0.0, low=0.0)
    # At ISO 6400 the ends are 0.16 and 1.6 e⁻, at the same white.
    row_noise_e: Law = quantity(0.0, "e⁻", neutral=0.0, low=0.0, sweep=(10.0, 100.0))
    dark_e_s: Law = quantity(0.0, "e⁻/s", neutral=0.0, low=0.0)
    exposure_s: Law = quantity(1 / 60, "s", neutral=1 / 60, scale="log", low=0.0)
    temperature_c: Law = quantity(25.0, "°C", neutral=25.0, low=-273.15, high=125.0)
    prnu_percent: Law = quantity(0.0, "%", neutral=0.0, low=0.0, high=10.0, sweep=(1.0, 10.0))
    hot_ppm: Law = quantity(0.0, "ppm", neutral=0.0, scale="log", low=0.0, high=1e5, sweep=(100.0, 10000.0))
    bits: Law = quantity(math.inf, "bits", neutral=math.inf, low=1.0, sweep=(8.0, 4.0))
    view: View | None = None
    body: int | None = None
    rounding: Literal["hard", "soft"] = "hard"

    domain = "light"
    structure = "none"
    overlaps = (
        "gaussian_noise",
        "shot_noise",
        "speckle_noise",
        "impulse_noise",
        "blue_noise_sample",
        "brownish_noise",
    )

    def __post_init__(self) -> None:
        check_laws(self)
        if self.rounding not in ("hard", "soft"):
            raise ValueError(f'Sensor(rounding=…) is "hard" or "soft", not {self.rounding!r}')

    def sample(self, key: Key) -> SensorParams:
        noise = key.fold("Sensor").fold("noise_seed").seed()
        if self.body is None:
            pattern = key.fold("Sensor").fold("pattern_seed").seed()
        else:
            pattern = Key(self.body).fold("Sensor").fold("pattern_seed").seed().to(noise.device).expand_as(noise)
        return SensorParams(**draw_quantities(self, key), noise_seed=noise, pattern_seed=pattern)

    def neutral(self, batch: int) -> SensorParams:
        none = torch.zeros(batch, dtype=torch.int64)
        return SensorParams(**neutral_quantities(self, batch), noise_seed=none, pattern_seed=none)

    def transform(self, x: Image, params: SensorParams) -> Image:
        present = _present(params)
        numbers = self._numbers(x, params, present)
        if not values_known(x) or needs_gradient(x, *params.leaves()):
            return self._exposed(x, params, params.noise_seed, _Numbers(*numbers), present)
        out = torch.empty_like(x)
        # Noise and what it is made of are in the cache beside the light.
        for part in blocks(len(x), 2 * x.shape[1:].numel()):
            # Without a pattern the seed is all that is asked for, and each slice has its price.
            some = params.map(lambda leaf, part=part: leaf[part]) if present.pattern else params
            seed = params.noise_seed[part]
            out[part] = self._exposed(x[part], some, seed, _Numbers(*numbers[:, part]), present)
        return out

    def _side(self, x: Image) -> float:
        """How many pixels of the sensor are side by side in one of the picture."""
        return 1.0 if self.view is None else self.view.binning(x.shape[-1])

    def _numbers(self, x: Image, params: SensorParams, present: "_Present") -> Float[Tensor, "k b 1 1 1"]:
        """The fields of `_Numbers`, in their order, in the dtype of the images."""
        # Everything is divided by W, so that an infinite full well is simply free of noise.
        side, pixel = self._side(x), params.iso / (100 * params.full_well_e)
        per_electron, read = pixel / side**2, _read_variance(params, params.iso) * pixel
        unit = torch.exp2(-params.bits)
        step = unit / (1 - unit) / side**2
        # The small numbers keep slopes finite where there is neither light nor noise: in the root one far below any
        # grey level, in the quotient a hundredth of an electron. Binned pixels were rounded one by one.
        floor = read * per_electron + step.square() * ((side**2 - 1) / 12) + 1e-14
        still = read + 0.01 * per_electron + 1e-30
        absent = torch.zeros_like(pixel)
        dark = _dark_e(params) * pixel if present.dark else absent
        rows = _row_noise_e(params) * pixel / math.sqrt(side) if present.rows else absent
        white = absent if present.wells else torch.where(params.full_well_e.isinf(), math.inf, 1.0)
        numbers = (per_electron, floor, still, -still * per_electron / 6, per_electron / 6, dark, rows, step, white)
        return torch.stack(numbers)[..., None, None, None].to(x.dtype)

    def _exposed(self, x: Image, params: SensorParams, seed: Seeds, numbers: "_Numbers", present: "_Present") -> Image:
        light = x.clamp(min=0.0)
        if present.pattern:
            light = _with_pattern(light, params, self._side(x))
        charge = light + numbers.dark if present.dark else light
        sigma = (charge * numbers.per_electron).add_(numbers.floor).sqrt_()
        # λ/(6σ²) as 1/6 less what is not light of it: one pass fewer.
        skew = (numbers.not_light / (charge + numbers.still)).add_(numbers.skew)
        z = noise_field(seed, list(x.shape[1:])).to(x.dtype)
        out = torch.addcmul(light, z, torch.addcmul(sigma, z, skew)).sub_(skew)
        if present.rows:
            out = out + noise_field(seed ^ _ROWS, [1, x.shape[2], 1]).to(x.dtype) * numbers.rows
        # A well that is never full clips nothing.
        out = out.clamp_(0.0, 1.0) if present.wells else out.clamp(min=0.0).clamp(max=numbers.white)
        return self._rounded(out, numbers.step) if present.steps else out

    def _rounded(self, x: Image, step: Tensor) -> Image:
        """`x` in whole steps; where the step is 0, unchanged."""
        number = x / step.clamp(min=1e-9)
        if self.rounding == "soft":
            return x - step * torch.sin(2 * math.pi * number) / (2 * math.pi)
        return x + step * (number.round() - number).detach()


_ROWS: Final = 0x5DEECE66D
"""What tells the seed of the rows from that of the pixels."""


class _Numbers(NamedTuple):
    """What the noise of each picture is made with, in units of white; shapes (b, 1, 1, 1)."""

    per_electron: Tensor  # 1/W
    floor: Tensor  # variance where there is no light
    still: Tensor  # read noise, as the light with as much shot noise
    not_light: Tensor  # what its share takes from the skew
    skew: Tensor  # of light alone
    dark: Tensor  # charge of the dark current
    rows: Tensor  # standard deviation of row noise
    step: Tensor  # of the converter
    white: Tensor  # where the full well clips


class _Present(NamedTuple):
    """Which parts any of the pictures has, all of them where that cannot be asked; and whether all wells are finite."""

    pattern: bool
    dark: bool
    rows: bool
    steps: bool
    wells: bool


def _present(params: SensorParams) -> _Present:
    pattern, steps = (params.prnu_percent, params.hot_ppm), params.bits
    if not values_known(steps) or needs_gradient(*pattern, params.dark_e_s, params.row_noise_e, steps):
        return _Present(True, True, True, True, wells=False)
    found = ((pattern[0] + pattern[1]) > 0, params.dark_e_s > 0, params.row_noise_e > 0, steps < math.inf)
    return _Present(*torch.stack(found).any(1).tolist(), wells=bool(params.full_well_e.isfinite().all()))


def _read_variance(params: SensorParams, iso: PerImage | float) -> PerImage:
    """Variance of one pixel's read noise at an ISO setting, electrons squared."""
    return params.read_noise_e.square() + (params.adc_noise_e * 100 / iso).square()


def _row_noise_e(params: SensorParams) -> PerImage:
    """Standard deviation of the row noise, electrons: it comes from the same circuits as the read noise does."""
    tiny = 1e-12  # without any read noise, the row noise is that of ISO 100
    fall = (_read_variance(params, params.iso) + tiny) / (_read_variance(params, 100.0) + tiny)
    return params.row_noise_e * fall.sqrt()


def _dark_e(params: SensorParams) -> PerImage:
    """Electrons that the dark current leaves in one pixel."""
    warmer = (params.temperature_c - REFERENCE_C) / DARK_DOUBLING_C
    return params.dark_e_s * params.exposure_s * torch.exp2(warmer)


def _with_pattern(light: Image, params: SensorParams, side: float) -> Image:
    """What each pixel makes of light by its own sensitivity, and with what leaks into hot ones.

    One normal field serves both: hot pixels are those beyond a quantile t, and what exceeds t is close to exponential
    there. That they are the more sensitive ones too, by a few times the PRNU, does not show beside the surplus.
    """
    seed = params.pattern_seed
    if values_known(seed) and bool((seed == seed[:1]).all()):
        seed = seed[:1]  # one camera: one pattern serves all of its pictures
    z = noise_field(seed, list(light.shape[1:])).to(light.dtype)
    seen = light * (1 + per_image(params.prnu_percent / (100 * side)).to(light.dtype) * z)
    # Half of the binned pixels at most can be told apart as hot.
    share = params.hot_ppm.double() * 1e-6
    beyond = (share * side**2).clamp(1e-8, 0.5)
    threshold = -torch.special.ndtri(beyond)
    density = torch.exp(-threshold.square() / 2) / math.sqrt(2 * math.pi)
    # The mean of max(z − t, 0) is φ(t) − t·P(z > t); divided by it, the surplus has the mean that is meant.
    leak = HOT_MEAN * share / (density - threshold * beyond)
    above = (z - per_image(threshold).to(z.dtype)).clamp(min=0.0)
    return seen + above * per_image(leak).to(z.dtype)
