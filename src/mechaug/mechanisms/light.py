"""Light and picture: linear scene-referred RGB, and the sRGB values that are stored and shown (IEC 61966-2-1)."""

import torch

from mechaug.types import Image


def to_light(picture: Image) -> Image:
    """Linear light of an sRGB picture.

    Args:
        picture: sRGB values in [0, 1].

    Returns:
        Linear RGB, white = 1.0.
    """
    # The power's argument is kept away from 0 where the straight branch is taken, so that no gradient is NaN.
    curved = ((picture.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4
    return torch.where(picture <= 0.04045, picture / 12.92, curved)


def to_picture(light: Image) -> Image:
    """The sRGB picture of linear light; what is darker than black or brighter than white is clipped.

    Args:
        light: linear RGB, white = 1.0; any values.

    Returns:
        sRGB values in [0, 1].
    """
    clipped = light.clamp(0.0, 1.0)
    curved = 1.055 * clipped.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(clipped <= 0.0031308, 12.92 * clipped, curved)
