"""C̄: the corruptions that were chosen to be unlike C, ten for CIFAR-10 and ten for ImageNet, of which five are shared.

Mintun, Kirillov and Xie, "On interaction between augmentations and corruptions in natural corruption robustness",
NeurIPS 2021. Each has one severity s, in which its parameters are linear; the benchmark picked five values of it for
each corruption and data set, and these are the settings here.
"""

import math
from typing import Final

import torch

from mechaug.evaluation.corruptions import bar_fields as fields
from mechaug.evaluation.corruptions import bar_marks as marks
from mechaug.evaluation.corruptions import bar_warps as warps
from mechaug.evaluation.corruptions.base import Corruption, Setting
from mechaug.evaluation.corruptions.stored import Levels, uniform
from mechaug.keys import Key
from mechaug.types import Bytes

_TURN: Final = 2 * math.pi


def _blue_noise_sample(pictures: Bytes, key: Key, setting: Setting) -> Bytes:
    return fields.blue_noise_sample(pictures, uniform(key.field(*pictures.shape[2:])), 0.3 * setting[0] - 2.5)


def _brownish_noise(pictures: Bytes, key: Key, setting: Setting) -> Levels:
    return fields.brownish_noise(pictures, uniform(key.field(*pictures.shape[1:])), 6.4 * setting[0])


def _checkerboard_cutout(pictures: Bytes, key: Key, setting: Setting) -> Bytes:
    cells = fields.CHECKERBOARD_CELLS
    return fields.checkerboard_cutout(
        pictures, key.fold("angle").uniform(0.0, _TURN), key.fold("cell").uniform(0.1, 0.25),
        uniform(key.fold("coins").field(cells, cells)), setting[0] / 10,
    )  # fmt: skip


def _sparkles(pictures: Bytes, key: Key, setting: Setting) -> Levels:
    stars, rays = marks.STARS, marks.MOST_RAYS
    return marks.sparkles(
        pictures, key.fold("centre").uniform(0.0, 1.0, stars, 2), key.fold("rays").integers(50, rays + 1, stars),
        key.fold("length").field(stars, rays), 0.01 * setting[0],
    )  # fmt: skip


def _inverse_sparkles(pictures: Bytes, key: Key, setting: Setting) -> Levels:
    rays = marks.MOST_RAYS
    return marks.inverse_sparkles(
        pictures, key.fold("centre").uniform(0.0, 1.0, 2), key.fold("rays").integers(50, rays + 1),
        key.fold("length").field(rays), 0.13 * setting[0],
    )  # fmt: skip


def _pinch_and_twirl(pictures: Bytes, key: Key, setting: Setting) -> Levels:
    cells = warps.discs(min(pictures.shape[2:]))
    sign = 2.0 * key.integers(0, 2, cells, cells) - 1.0
    return warps.pinch_and_twirl(pictures, sign, setting[0] * math.pi / 20, 0.04 * setting[0] + 0.1)


def _ripple(pictures: Bytes, key: Key, setting: Setting) -> Levels:
    wave, phase = key.fold("wave").uniform(0.1, 0.3, 2), key.fold("phase").uniform(0.0, _TURN, 2)
    return warps.ripple(pictures, wave, phase, 0.0025 * setting[0])


def _circular_motion_blur(pictures: Bytes, key: Key, setting: Setting) -> Levels:  # noqa: ARG001
    return warps.circular_motion_blur(pictures, 1.5 * setting[0])


def _lines(pictures: Bytes, key: Key, setting: Setting) -> Bytes:
    count = int(0.1 * setting[0] * max(pictures.shape[2:]) + 1e-9)
    if not count:
        return pictures.clone()
    return marks.lines(
        pictures, key.fold("middle").uniform(0.0, 1.0, count, 2), key.fold("turn").uniform(0.0, 1.0, count),
        key.fold("angle").uniform(0.0, _TURN), key.fold("spread").uniform(0.1, 1.0),
    )  # fmt: skip


def _transverse_chromatic_abberation(pictures: Bytes, key: Key, setting: Setting) -> Levels:
    order = key.unit(3).argsort(-1)
    return warps.transverse_chromatic_abberation(pictures, order, 0.025 * setting[0])


def _caustic_refraction(pictures: Bytes, key: Key, setting: Setting) -> Levels:
    side = max(pictures.shape[2:])
    return warps.caustic_refraction(
        pictures, key.fold("time").uniform(0.5, 2.0), key.fold("size").uniform(0.75, 1.25),
        0.05 * setting[0] * side, 0.2 * setting[0],
    )  # fmt: skip


def _perlin_noise(pictures: Bytes, key: Key, setting: Setting) -> Levels:
    lattice = fields.PERLIN_LATTICE
    slope = 2 * uniform(key.field(lattice, lattice, 2)) - 1
    return fields.perlin_noise(pictures, slope, 0.05 * setting[0])


def _plasma_noise(pictures: Bytes, key: Key, setting: Setting) -> Levels:
    return fields.plasma_noise(
        pictures, key.fold("time").uniform(0.0, 3 * _TURN), key.fold("rounds").integers(4, 7),
        key.fold("sharpness").uniform(0.5, 1.0), key.fold("scale").uniform(0.075, 0.2), 6.4 * setting[0],
    )  # fmt: skip


def _cocentric_sine_waves(pictures: Bytes, key: Key, setting: Setting) -> Levels:
    return fields.cocentric_sine_waves(
        pictures, key.fold("centre").uniform(0.0, 1.0, 2), key.fold("petals").uniform(0.0, 10.0),
        key.fold("wobble").uniform(0.0, 0.1), key.fold("width").uniform(0.0, 0.1), 12.8 * setting[0],
    )  # fmt: skip


def _single_frequency_greyscale(pictures: Bytes, key: Key, setting: Setting) -> Levels:
    first = key.fold("first").uniform(-math.pi, math.pi)
    both = torch.stack((first, key.fold("second").uniform(-1.0, 1.0) * first.abs()), -1)
    omega = torch.where((key.fold("axis").integers(0, 2) == 1)[:, None], both.flip(-1), both)
    return fields.single_frequency_greyscale(pictures, omega, key.fold("phase").uniform(0.0, _TURN), 19.6 * setting[0])


def _settings(*severities: float) -> tuple[Setting, ...]:
    return tuple((severity,) for severity in severities)


_S: Final = ("severity of the benchmark's authors",)

BAR: Final[tuple[Corruption, ...]] = (
    Corruption(
        "blue_noise_sample", "Blue noise sample", "bar", deterministic=False, parameters=_S,
        cifar=_settings(0.7, 1.4, 2.1, 3.5, 4.2),
        imagenet=_settings(0.8, 1.6, 2.4, 4.0, 5.6),
        apply=_blue_noise_sample,
    ),
    Corruption(
        "brownish_noise", "Brownish noise", "bar", deterministic=False, parameters=_S,
        cifar=_settings(2.5, 4.0, 5.5, 6.5, 7.0),
        imagenet=_settings(1.0, 2.0, 3.0, 4.0, 5.0),
        apply=_brownish_noise,
    ),
    Corruption(
        "checkerboard_cutout", "Checkerboard cut-out", "bar", deterministic=False, parameters=_S,
        cifar=_settings(1.0, 2.0, 3.0, 4.0, 5.0),
        imagenet=_settings(2.0, 3.0, 4.0, 5.0, 6.0),
        apply=_checkerboard_cutout,
    ),
    Corruption(
        "inverse_sparkles", "Inverse sparkles", "bar", deterministic=False, parameters=_S,
        cifar=_settings(1.0, 1.5, 2.5, 4.5, 5.0),
        imagenet=_settings(1.0, 2.0, 4.0, 9.0, 10.0),
        apply=_inverse_sparkles,
    ),
    Corruption(
        "sparkles", "Sparkles", "bar", deterministic=False, parameters=_S,
        cifar=_settings(0.7, 3.5, 5.6, 6.3, 7.0),
        imagenet=_settings(1.0, 2.0, 3.0, 5.0, 6.0),
        apply=_sparkles,
    ),
    Corruption(
        "pinch_and_twirl", "Pinch and twirl", "bar", deterministic=False, parameters=_S,
        cifar=_settings(5.5, 6.0, 6.5, 8.5, 10.0),
        imagenet=(),
        apply=_pinch_and_twirl,
    ),
    Corruption(
        "ripple", "Ripple", "bar", deterministic=False, parameters=_S,
        cifar=_settings(5.5, 6.0, 6.5, 7.5, 8.0),
        imagenet=(),
        apply=_ripple,
    ),
    Corruption(
        "circular_motion_blur", "Circular motion blur", "bar", deterministic=True, parameters=_S,
        cifar=_settings(2.8, 3.6, 4.4, 5.2, 6.0),
        imagenet=(),
        apply=_circular_motion_blur,
    ),
    Corruption(
        "lines", "Lines", "bar", deterministic=False, parameters=_S,
        cifar=_settings(0.5, 1.0, 1.5, 2.0, 2.5),
        imagenet=(),
        apply=_lines,
    ),
    Corruption(
        "transverse_chromatic_abberation", "Transverse chromatic aberration", "bar", deterministic=False, parameters=_S,
        cifar=_settings(1.0, 2.0, 5.0, 9.0, 10.0),
        imagenet=(),
        apply=_transverse_chromatic_abberation,
    ),
    Corruption(
        "caustic_refraction", "Caustic refraction", "bar", deterministic=False, parameters=_S,
        cifar=(),
        imagenet=_settings(2.35, 3.2, 4.9, 6.6, 9.15),
        apply=_caustic_refraction,
    ),
    Corruption(
        "perlin_noise", "Perlin noise", "bar", deterministic=False, parameters=_S,
        cifar=(),
        imagenet=_settings(4.6, 5.2, 5.8, 7.6, 8.8),
        apply=_perlin_noise,
    ),
    Corruption(
        "plasma_noise", "Plasma noise", "bar", deterministic=False, parameters=_S,
        cifar=(),
        imagenet=_settings(4.75, 7.0, 8.5, 9.25, 10.0),
        apply=_plasma_noise,
    ),
    Corruption(
        "cocentric_sine_waves", "Concentric waves", "bar", deterministic=False, parameters=_S,
        cifar=(),
        imagenet=_settings(3.0, 5.0, 8.0, 9.0, 10.0),
        apply=_cocentric_sine_waves,
    ),
    Corruption(
        "single_frequency_greyscale", "Single frequency", "bar", deterministic=False, parameters=_S,
        cifar=(),
        imagenet=_settings(1.0, 1.5, 2.0, 4.5, 5.0),
        apply=_single_frequency_greyscale,
    ),
)  # fmt: skip
"""All fifteen, spelled as published; a setting is the authors' severity s, empty where the benchmark lacks it."""
