"""C: the fifteen common corruptions of ImageNet-C and CIFAR-10-C, and the four that are held back for validation.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019.
The two benchmarks differ in their parameters and not in their formulas, which are in the files beside this one; a
profile says whose parameters are used.
"""

from dataclasses import replace
from functools import partial
from typing import Final

from mechaug.evaluation.corruptions import blur, digital, noise
from mechaug.evaluation.corruptions.base import Corruption, Setting, Variant
from mechaug.evaluation.corruptions.colour import brightness, saturate
from mechaug.evaluation.corruptions.elastic import elastic_transform
from mechaug.evaluation.corruptions.fog import fog, plasma_draws
from mechaug.evaluation.corruptions.frost import Frost, drawn_frost, frost
from mechaug.evaluation.corruptions.glass import glass_blur, glass_draws
from mechaug.evaluation.corruptions.snow import Snowfall, snow
from mechaug.evaluation.corruptions.spatter import Splash, spatter
from mechaug.evaluation.corruptions.stored import Levels, uniform
from mechaug.evaluation.corruptions.zoom import zoom_blur
from mechaug.keys import Key
from mechaug.types import Bytes


def _gaussian_noise(pictures: Bytes, key: Key, setting: Setting) -> Levels:
    (std,) = setting
    return noise.gaussian_noise(pictures, key.field(*pictures.shape[1:]), std)


def _shot_noise(pictures: Bytes, key: Key, setting: Setting) -> Levels:
    (photons,) = setting
    return noise.shot_noise(pictures, key.field(*pictures.shape[1:]), int(photons))


def _defocus_blur(
    pictures: Bytes, key: Key, setting: Setting, *, normalised: bool = False  # noqa: ARG001
) -> Levels:  # fmt: skip
    radius, smoothing = setting
    return blur.defocus_blur(pictures, radius, smoothing, normalised=normalised)


def _motion_blur(pictures: Bytes, key: Key, setting: Setting, *, centred: bool = False) -> Levels:
    radius, sigma = setting
    return blur.motion_blur(pictures, key.uniform(-45.0, 45.0), int(radius), sigma, centred=centred)


def _fog(pictures: Bytes, key: Key, setting: Setting) -> Levels:
    thickness, decay = setting
    return fog(pictures, uniform(key.field(plasma_draws(*pictures.shape[2:]))), thickness, decay)


def _contrast(pictures: Bytes, key: Key, setting: Setting) -> Levels:  # noqa: ARG001
    (factor,) = setting
    return digital.contrast(pictures, factor)


def _pixelate(pictures: Bytes, key: Key, setting: Setting) -> Bytes:  # noqa: ARG001
    (scale,) = setting
    return digital.pixelate(pictures, scale)


def _jpeg_compression(pictures: Bytes, key: Key, setting: Setting) -> Bytes:  # noqa: ARG001
    (quality,) = setting
    return digital.jpeg_compression(pictures, int(quality))


def _impulse_noise(pictures: Bytes, key: Key, setting: Setting) -> Bytes:
    (share,) = setting
    return noise.impulse_noise(pictures, key.field(*pictures.shape[1:]), share)


def _speckle_noise(pictures: Bytes, key: Key, setting: Setting) -> Levels:
    (std,) = setting
    return noise.speckle_noise(pictures, key.field(*pictures.shape[1:]), std)


def _gaussian_blur(pictures: Bytes, key: Key, setting: Setting) -> Levels:  # noqa: ARG001
    (sigma,) = setting
    return blur.gaussian_blur(pictures, sigma)


def _glass_blur(pictures: Bytes, key: Key, setting: Setting, *, swapped: bool = False) -> Levels:
    sigma, distance, passes = setting[0], int(setting[1]), int(setting[2])
    height, width = pictures.shape[2:]
    share = uniform(key.field(*glass_draws(height, width, distance, passes)))
    return glass_blur(pictures, (share * (2 * distance)).long() - distance, sigma, distance, swapped=swapped)


def _zoom_blur(pictures: Bytes, key: Key, setting: Setting) -> Levels:  # noqa: ARG001
    step, count = setting
    return zoom_blur(pictures, step, int(count))


def _snow(pictures: Bytes, key: Key, setting: Setting, *, centred: bool = False) -> Levels:
    normal = key.fold("flakes").field(*pictures.shape[2:])
    return snow(pictures, normal, key.fold("angle").uniform(-135.0, -45.0), Snowfall(*setting), centred=centred)


def _frost(pictures: Bytes, key: Key, setting: Setting, *, ice: Frost | None = None) -> Levels:
    textures = (ice or drawn_frost()).textures
    kept, frozen = setting
    which = key.fold("texture").integers(0, len(textures))
    return frost(pictures, which, key.fold("corner").uniform(0.0, 1.0, 2), textures, kept, frozen)


def _brightness(pictures: Bytes, key: Key, setting: Setting) -> Levels:  # noqa: ARG001
    (more,) = setting
    return brightness(pictures, more)


def _saturate(pictures: Bytes, key: Key, setting: Setting) -> Levels:  # noqa: ARG001
    factor, more = setting
    return saturate(pictures, factor, more)


def _elastic_transform(pictures: Bytes, key: Key, setting: Setting) -> Levels:
    corners = key.fold("corners").uniform(-1.0, 1.0, 3, 2)
    pulls = 2 * uniform(key.fold("pulls").field(2, *pictures.shape[2:])) - 1
    pull_px, smoothing_px, jitter_px = setting
    return elastic_transform(pictures, corners, pulls, pull_px, smoothing_px, jitter_px)


def _spatter(pictures: Bytes, key: Key, setting: Setting) -> Levels:
    return spatter(pictures, key.field(*pictures.shape[2:]), Splash(*setting))


CORRUPTIONS: Final[tuple[Corruption, ...]] = (
    Corruption(
        "gaussian_noise", "Gaussian noise", "noise", deterministic=False,
        parameters=("standard deviation in units of white",),
        cifar=((0.04,), (0.06,), (0.08,), (0.09,), (0.1,)),
        imagenet=((0.08,), (0.12,), (0.18,), (0.26,), (0.38,)),
        apply=_gaussian_noise,
    ),
    Corruption(
        "shot_noise", "Shot noise", "noise", deterministic=False,
        parameters=("photons at white",),
        cifar=((500.0,), (250.0,), (100.0,), (75.0,), (50.0,)),
        imagenet=((60.0,), (25.0,), (12.0,), (5.0,), (3.0,)),
        apply=_shot_noise,
    ),
    Corruption(
        "impulse_noise", "Impulse noise", "noise", deterministic=False,
        parameters=("share of the values that are replaced",),
        cifar=((0.01,), (0.02,), (0.03,), (0.05,), (0.07,)),
        imagenet=((0.03,), (0.06,), (0.09,), (0.17,), (0.27,)),
        apply=_impulse_noise,
    ),
    Corruption(
        "defocus_blur", "Defocus blur", "blur", deterministic=True,
        parameters=("radius in pixels", "smoothing of the disk in pixels"),
        cifar=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1)),
        imagenet=((3.0, 0.1), (4.0, 0.5), (6.0, 0.5), (8.0, 0.5), (10.0, 0.5)),
        apply=_defocus_blur,
    ),
    Corruption(
        "glass_blur", "Glass blur", "blur", deterministic=False,
        parameters=("standard deviation of the blur in pixels", "reach of the shuffle in pixels", "passes"),
        cifar=((0.05, 1.0, 1.0), (0.25, 1.0, 1.0), (0.4, 1.0, 1.0), (0.25, 1.0, 2.0), (0.4, 1.0, 2.0)),
        imagenet=((0.7, 1.0, 2.0), (0.9, 2.0, 1.0), (1.0, 2.0, 3.0), (1.1, 3.0, 2.0), (1.5, 4.0, 2.0)),
        apply=_glass_blur,
    ),
    Corruption(
        "motion_blur", "Motion blur", "blur", deterministic=False,
        parameters=("half the length in pixels", "standard deviation in pixels"),
        cifar=((6.0, 1.0), (6.0, 1.5), (6.0, 2.0), (8.0, 2.0), (9.0, 2.5)),
        imagenet=((10.0, 3.0), (15.0, 5.0), (15.0, 8.0), (15.0, 12.0), (20.0, 15.0)),
        apply=_motion_blur,
    ),
    Corruption(
        "zoom_blur", "Zoom blur", "blur", deterministic=True,
        parameters=("step between enlargements", "how many enlargements"),
        cifar=((0.01, 7.0), (0.01, 12.0), (0.01, 16.0), (0.01, 21.0), (0.01, 26.0)),
        imagenet=((0.01, 12.0), (0.01, 16.0), (0.02, 11.0), (0.02, 13.0), (0.03, 11.0)),
        apply=_zoom_blur,
    ),
    Corruption(
        "snow", "Snow", "weather", deterministic=False,
        parameters=(
            "mean of the field in units of white",
            "its standard deviation",
            "enlargement",
            "threshold",
            "half the length of a streak in pixels",
            "its standard deviation in pixels",
            "share of the picture",
        ),
        cifar=(
            (0.1, 0.2, 1.0, 0.6, 8.0, 3.0, 0.95),
            (0.1, 0.2, 1.0, 0.5, 10.0, 4.0, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10.0, 4.0, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12.0, 6.0, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14.0, 12.0, 0.8),
        ),
        imagenet=(
            (0.1, 0.3, 3.0, 0.5, 10.0, 4.0, 0.8),
            (0.2, 0.3, 2.0, 0.5, 12.0, 4.0, 0.7),
            (0.55, 0.3, 4.0, 0.9, 12.0, 8.0, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12.0, 8.0, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12.0, 12.0, 0.55),
        ),
        apply=_snow,
    ),
    Corruption(
        "frost", "Frost", "weather", deterministic=False,
        parameters=("share of the picture", "share of the frost"),
        cifar=((1.0, 0.2), (1.0, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
        imagenet=((1.0, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
        apply=_frost,
    ),
    Corruption(
        "fog", "Fog", "weather", deterministic=False,
        parameters=("thickness in units of white", "root of the amplitude's decay per octave"),
        cifar=((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75)),
        imagenet=((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)),
        apply=_fog,
    ),
    Corruption(
        "brightness", "Brightness", "weather", deterministic=True,
        parameters=("what is added to the value, in units of white",),
        cifar=((0.05,), (0.1,), (0.15,), (0.2,), (0.3,)),
        imagenet=((0.1,), (0.2,), (0.3,), (0.4,), (0.5,)),
        apply=_brightness,
    ),
    Corruption(
        "contrast", "Contrast", "digital", deterministic=True,
        parameters=("share of the contrast that is left",),
        cifar=((0.75,), (0.5,), (0.4,), (0.3,), (0.15,)),
        imagenet=((0.4,), (0.3,), (0.2,), (0.1,), (0.05,)),
        apply=_contrast,
    ),
    Corruption(
        "elastic_transform", "Elastic transform", "digital", deterministic=False,
        parameters=(
            "displacement before smoothing in pixels",
            "standard deviation of the smoothing in pixels",
            "jitter of the affine map in pixels",
        ),
        cifar=((0.0, 0.0, 2.56), (1.6, 6.4, 2.24), (2.56, 1.92, 1.92), (3.2, 1.28, 1.6), (3.2, 0.96, 0.96)),
        imagenet=(
            (488.0, 170.8, 24.4),
            (488.0, 19.52, 48.8),
            (12.2, 2.44, 4.88),
            (17.08, 2.44, 4.88),
            (29.28, 2.44, 4.88),
        ),
        apply=_elastic_transform,
    ),
    Corruption(
        "pixelate", "Pixelate", "digital", deterministic=True,
        parameters=("scale of the reduced picture",),
        cifar=((0.95,), (0.9,), (0.85,), (0.75,), (0.65,)),
        imagenet=((0.6,), (0.5,), (0.4,), (0.3,), (0.25,)),
        apply=_pixelate,
    ),
    Corruption(
        "jpeg_compression", "JPEG compression", "digital", deterministic=True,
        parameters=("quality of the Independent JPEG Group, 1 to 95",),
        cifar=((80.0,), (65.0,), (58.0,), (50.0,), (40.0,)),
        imagenet=((25.0,), (18.0,), (15.0,), (10.0,), (7.0,)),
        apply=_jpeg_compression,
    ),
)  # fmt: skip
"""The fifteen, in the order of the benchmark."""

EXTRA: Final[tuple[Corruption, ...]] = (
    Corruption(
        "speckle_noise", "Speckle noise", "noise", deterministic=False,
        parameters=("standard deviation as a share of the value",),
        cifar=((0.06,), (0.1,), (0.12,), (0.16,), (0.2,)),
        imagenet=((0.15,), (0.2,), (0.35,), (0.45,), (0.6,)),
        apply=_speckle_noise,
    ),
    Corruption(
        "gaussian_blur", "Gaussian blur", "blur", deterministic=True,
        parameters=("standard deviation in pixels",),
        cifar=((0.4,), (0.6,), (0.7,), (0.8,), (1.0,)),
        imagenet=((1.0,), (2.0,), (3.0,), (4.0,), (6.0,)),
        apply=_gaussian_blur,
    ),
    Corruption(
        "spatter", "Spatter", "weather", deterministic=False,
        parameters=(
            "mean of the field in units of white",
            "its standard deviation",
            "smoothing in pixels",
            "threshold",
            "strength of water, or softness of mud in pixels",
            "1 for mud",
        ),
        cifar=(
            (0.62, 0.1, 0.7, 0.7, 0.5, 0.0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0.0),
            (0.65, 0.3, 1.0, 0.69, 0.5, 0.0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1.0),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1.0),
        ),
        imagenet=(
            (0.65, 0.3, 4.0, 0.69, 0.6, 0.0),
            (0.65, 0.3, 3.0, 0.68, 0.6, 0.0),
            (0.65, 0.3, 2.0, 0.68, 0.5, 0.0),
            (0.65, 0.3, 1.0, 0.65, 1.5, 1.0),
            (0.67, 0.4, 1.0, 0.65, 1.5, 1.0),
        ),
        apply=_spatter,
    ),
    Corruption(
        "saturate", "Saturation", "digital", deterministic=True,
        parameters=("factor of the saturation", "what is added to it"),
        cifar=((0.3, 0.0), (0.1, 0.0), (1.5, 0.0), (2.0, 0.1), (2.5, 0.2)),
        imagenet=((0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2)),
        apply=_saturate,
    ),
)  # fmt: skip
"""The four that a method may be tuned on."""


def altered(corruption: Corruption, variant: Variant, ice: Frost | None = None) -> Corruption:
    """A corruption as a variant has it, and with the textures that are given where it is frost."""
    changes = {
        "frost": lambda: partial(_frost, ice=ice),
        "glass_blur": lambda: partial(_glass_blur, swapped=variant.swapped),
        "motion_blur": lambda: partial(_motion_blur, centred=variant.centred),
        "snow": lambda: partial(_snow, centred=variant.centred),
        "defocus_blur": lambda: partial(_defocus_blur, normalised=variant.normalised),
    }
    change = changes.get(corruption.name)
    return replace(corruption, apply=change()) if change else corruption
