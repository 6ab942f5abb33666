"""Common corruptions: eight of the fifteen of ImageNet-C and CIFAR-10-C, at five severities, made on the fly.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019.
The two benchmarks differ in their parameters and not in their formulas, which are in `corruption_ops`; a profile says
whose parameters are used. What is random is drawn from one key per picture, so a corrupted picture depends on its
key, name, severity and profile, and on no other picture.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import torch
from torch import Tensor

from mechaug.evaluation import corruption_ops as ops
from mechaug.keys import Key
from mechaug.types import Bytes

Profile: TypeAlias = Literal["cifar", "imagenet"]
"""Whose parameters: CIFAR-10-C's, made for pictures of 32 pixels, or ImageNet-C's, for 224."""

Setting: TypeAlias = tuple[float, ...]
"""The parameters of a corruption at one severity, as its `parameters` names them."""

SEVERITIES: Final = (1, 2, 3, 4, 5)

_CIFAR_BELOW: Final = 100
_VALUES_AT_ONCE: Final = 2**20  # about 7 pictures of 224 pixels: 3 times faster than 28, which leave the cache


@dataclass(frozen=True)
class Corruption:
    """One corruption of the suite.

    Attributes:
        name: as in the benchmark's files.
        title: as in a table.
        family: the group that the benchmark's authors put it in.
        deterministic: nothing is drawn, so the key has no effect.
        parameters: what the numbers of a setting are, with units.
        cifar: the five settings of CIFAR-10-C, severity 1 first.
        imagenet: the five settings of ImageNet-C.
        apply: draws what is random from one key per picture, and applies the formula.
    """

    name: str
    title: str
    family: Literal["noise", "blur", "weather", "digital"]
    deterministic: bool
    parameters: tuple[str, ...]
    cifar: tuple[Setting, ...]
    imagenet: tuple[Setting, ...]
    apply: Callable[[Tensor, Key, Setting], Tensor]

    def setting(self, severity: int, profile: Profile) -> Setting:
        """The parameters at a severity.

        Raises:
            ValueError: there is no such severity or profile.
        """
        if severity not in SEVERITIES:
            raise ValueError(f"there is no severity {severity!r}: use 1, 2, 3, 4 or 5")
        if profile not in ("cifar", "imagenet"):
            raise ValueError(f"there is no profile {profile!r}: use 'cifar' or 'imagenet'")
        return (self.cifar if profile == "cifar" else self.imagenet)[severity - 1]


def _gaussian_noise(pictures: Bytes, key: Key, setting: Setting) -> Bytes:
    (std,) = setting
    return ops.gaussian_noise(pictures, key.field(*pictures.shape[1:]), std)


def _shot_noise(pictures: Bytes, key: Key, setting: Setting) -> Bytes:
    (photons,) = setting
    return ops.shot_noise(pictures, key.field(*pictures.shape[1:]), int(photons))


def _defocus_blur(pictures: Bytes, key: Key, setting: Setting) -> Bytes:  # noqa: ARG001
    radius, smoothing = setting
    return ops.defocus_blur(pictures, radius, smoothing)


def _motion_blur(pictures: Bytes, key: Key, setting: Setting) -> Bytes:
    radius, sigma = setting
    return ops.motion_blur(pictures, key.uniform(-45.0, 45.0), int(radius), sigma)


def _fog(pictures: Bytes, key: Key, setting: Setting) -> Bytes:
    thickness, decay = setting
    # A field turned into uniform numbers: for tens of thousands of draws per picture much faster than `key.uniform`.
    unit = torch.special.ndtr(key.field(ops.plasma_draws(*pictures.shape[2:])))
    return ops.fog(pictures, unit, thickness, decay)


def _contrast(pictures: Bytes, key: Key, setting: Setting) -> Bytes:  # noqa: ARG001
    (factor,) = setting
    return ops.contrast(pictures, factor)


def _pixelate(pictures: Bytes, key: Key, setting: Setting) -> Bytes:  # noqa: ARG001
    (scale,) = setting
    return ops.pixelate(pictures, scale)


def _jpeg_compression(pictures: Bytes, key: Key, setting: Setting) -> Bytes:  # noqa: ARG001
    (quality,) = setting
    return ops.jpeg_compression(pictures, int(quality))


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
        "defocus_blur", "Defocus blur", "blur", deterministic=True,
        parameters=("radius in pixels", "smoothing of the disk in pixels"),
        cifar=((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1.0, 0.2), (1.5, 0.1)),
        imagenet=((3.0, 0.1), (4.0, 0.5), (6.0, 0.5), (8.0, 0.5), (10.0, 0.5)),
        apply=_defocus_blur,
    ),
    Corruption(
        "motion_blur", "Motion blur", "blur", deterministic=False,
        parameters=("half the length in pixels", "standard deviation in pixels"),
        cifar=((6.0, 1.0), (6.0, 1.5), (6.0, 2.0), (8.0, 2.0), (9.0, 2.5)),
        imagenet=((10.0, 3.0), (15.0, 5.0), (15.0, 8.0), (15.0, 12.0), (20.0, 15.0)),
        apply=_motion_blur,
    ),
    Corruption(
        "fog", "Fog", "weather", deterministic=False,
        parameters=("thickness in units of white", "root of the amplitude's decay per octave"),
        cifar=((0.2, 3.0), (0.5, 3.0), (0.75, 2.5), (1.0, 2.0), (1.5, 1.75)),
        imagenet=((1.5, 2.0), (2.0, 2.0), (2.5, 1.7), (2.5, 1.5), (3.0, 1.4)),
        apply=_fog,
    ),
    Corruption(
        "contrast", "Contrast", "digital", deterministic=True,
        parameters=("share of the contrast that is left",),
        cifar=((0.75,), (0.5,), (0.4,), (0.3,), (0.15,)),
        imagenet=((0.4,), (0.3,), (0.2,), (0.1,), (0.05,)),
        apply=_contrast,
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
"""The suite."""

NAMES: Final[tuple[str, ...]] = tuple(corruption.name for corruption in CORRUPTIONS)
"""The names of the suite, in the order of `CORRUPTIONS`."""


def find_corruption(name: str) -> Corruption:
    """The corruption of that name.

    Raises:
        ValueError: there is none.
    """
    for corruption in CORRUPTIONS:
        if corruption.name == name:
            return corruption
    raise ValueError(f"there is no corruption {name!r}: use one of {', '.join(NAMES)}")


def profile_of(height: int, width: int) -> Profile:
    """Whose parameters suit a picture: CIFAR-10-C's where its shorter side has fewer than 100 pixels."""
    return "cifar" if min(height, width) < _CIFAR_BELOW else "imagenet"


def corrupt(pictures: Bytes, name: str, severity: int, key: Key, *, profile: Profile | None = None) -> Bytes:
    """Stored pictures, corrupted.

    Each picture's result depends on its own key alone, so it is the same in any batch and any order. Parameters drawn
    from the key are the same on every device, dense noise (Gaussian, shot, fog) on one kind of device. The benchmark
    draws afresh for each severity, and so does this.

    Args:
        pictures: stored pictures, 0..255, any size.
        name: one of `NAMES`.
        severity: 1 (mild) to 5 (strong).
        key: one key per picture, such as `Key(seed).at(index)`.
        profile: whose parameters; by the pictures' size if None, see `profile_of`.

    Returns:
        Stored pictures of the same shape on the same device.

    Raises:
        TypeError: the pictures are not uint8.
        ValueError: there is no such corruption, severity or profile, or the keys are not one per picture.
    """
    corruption = find_corruption(name)
    if pictures.dtype != torch.uint8:
        raise TypeError(f"corruptions take stored pictures (uint8, 0..255), not {pictures.dtype}")
    setting = corruption.setting(severity, profile or profile_of(*pictures.shape[-2:]))
    if key.shape != pictures.shape[:1]:
        raise ValueError(
            f"{pictures.shape[0]} pictures need as many keys, and these have shape {tuple(key.shape)}: "
            "use Key(seed).at(index) with one index per picture"
        )
    if len(pictures) == 0:
        return pictures.clone()
    keys = key.to(pictures.device).fold(name).fold(severity)
    rows = torch.arange(len(pictures)).split(max(1, _VALUES_AT_ONCE // pictures[0].numel()))
    return torch.cat([corruption.apply(pictures[part], keys.rows(part), setting) for part in rows])
