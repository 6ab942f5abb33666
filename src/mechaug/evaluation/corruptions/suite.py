"""Corrupting stored pictures by name: what is random is drawn from one key per picture.

So a corrupted picture depends on its key, name, severity and profile, and on no other picture.
"""

from typing import Final

import torch

from mechaug.evaluation.corruptions.bar import BAR
from mechaug.evaluation.corruptions.base import PUBLISHED, Corruption, Profile, Variant
from mechaug.evaluation.corruptions.c import CORRUPTIONS, EXTRA, altered
from mechaug.evaluation.corruptions.digital import jpeg_compression
from mechaug.evaluation.corruptions.frost import Frost
from mechaug.evaluation.corruptions.stored import store
from mechaug.keys import Key
from mechaug.types import Bytes

_CIFAR_BELOW: Final = 100
_VALUES_AT_ONCE: Final = 2**20  # about 7 pictures of 224 pixels: 3 times faster than 28, which leave the cache
_VALUES_AT_ONCE_ON_ACCELERATORS: Final = 2**24  # about 111: enough to be busy with, at a gigabyte or two of memory

RESAVED_QUALITY: Final = 85
"""Of the JPEG files of ImageNet-C."""

NAMES: Final[tuple[str, ...]] = tuple(corruption.name for corruption in CORRUPTIONS)
"""The fifteen of C."""

EXTRA_NAMES: Final[tuple[str, ...]] = tuple(corruption.name for corruption in EXTRA)
"""The four that C holds back for validation."""


_ALL: Final = (*CORRUPTIONS, *EXTRA, *BAR)


def bar_names(profile: Profile) -> tuple[str, ...]:
    """The ten of C̄ in a profile."""
    return tuple(one.name for one in BAR if (one.cifar if profile == "cifar" else one.imagenet))


def find_corruption(name: str) -> Corruption:
    """The corruption of that name.

    Raises:
        ValueError: there is none.
    """
    for corruption in _ALL:
        if corruption.name == name:
            return corruption
    raise ValueError(f"there is no corruption {name!r}: use one of {', '.join(one.name for one in _ALL)}")


def profile_of(height: int, width: int) -> Profile:
    """Whose parameters suit a picture: CIFAR-10-C's where its shorter side has fewer than 100 pixels."""
    return "cifar" if min(height, width) < _CIFAR_BELOW else "imagenet"


def corrupt(
    pictures: Bytes, name: str, severity: int, key: Key, *, profile: Profile | None = None, ice: Frost | None = None,
    variant: Variant = PUBLISHED,
) -> Bytes:  # fmt: skip
    """Stored pictures, corrupted.

    Each picture's result depends on its own key alone, so it is the same in any batch and any order. Parameters drawn
    from the key are the same on every device, dense fields on one kind of device. The benchmark
    draws afresh for each severity, and so does this.

    Args:
        pictures: stored pictures, 0..255, any size.
        name: of a corruption of C, of the four beside it, or of C̄.
        severity: 1 (mild) to 5 (strong).
        key: one key per picture, such as `Key(seed).at(index)`.
        profile: whose parameters; by the pictures' size if None, see `profile_of`.
        ice: textures for frost, such as the benchmark's own (`load_frost`); drawn ones if None.
        variant: what is to be done otherwise than the published code does it.

    Returns:
        Stored pictures of the same shape on the same device.

    Raises:
        TypeError: the pictures are not uint8.
        ValueError: there is no such corruption, severity or profile, or the keys are not one per picture.
    """
    corruption = altered(find_corruption(name), variant, ice)
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
    values = _VALUES_AT_ONCE if pictures.device.type == "cpu" else _VALUES_AT_ONCE_ON_ACCELERATORS
    rows = torch.arange(len(pictures), device=pictures.device).split(max(1, values // pictures[0].numel()))
    made = pictures.new_empty(pictures.shape)
    for part in rows:
        levels = corruption.apply(pictures[part], keys.rows(part), setting)
        stored = levels if levels.dtype == torch.uint8 else store(levels, rounded=variant.rounded)
        made[part] = jpeg_compression(stored, RESAVED_QUALITY) if variant.resaved else stored
    return made
