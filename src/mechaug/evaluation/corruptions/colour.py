"""Brightness and saturation, by way of hue, saturation and value.

Hendrycks and Dietterich, "Benchmarking neural network robustness to common corruptions and perturbations", ICLR 2019.
What is truncated to whole levels hangs on the last bit, so that the conversions follow the published code's in the
order of their operations.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.evaluation.corruptions.stored import Levels, unit
from mechaug.types import Bytes

Plane = Float[Tensor, "b h w"]


def brightness(pictures: Bytes, more: float) -> Levels:
    """The value (the largest channel) raised, at the same hue and saturation.

    Args:
        pictures: stored pictures of three channels, or of one, which is its own value.
        more: what is added to the value, in units of white.
    """
    x = unit(pictures, torch.float64)
    if x.shape[1] != 3:
        return (x + more) * 255
    hue, saturation, value = _to_hsv(x)
    return _from_hsv(hue, saturation, (value + more).clamp_(0, 1)).mul_(255)


def saturate(pictures: Bytes, factor: float, more: float) -> Levels:
    """The saturation changed, at the same hue and value: below a factor of 1 towards grey, above it away from it.

    A grey pixel has hue 0 by convention, so that it turns red where something is added.

    Args:
        pictures: stored pictures of three channels; one channel has no saturation and stays as it is.
        factor: of the saturation.
        more: what is then added to it.
    """
    if pictures.shape[1] != 3:
        return pictures.double()
    hue, saturation, value = _to_hsv(unit(pictures, torch.float64))
    return _from_hsv(hue, (saturation * factor + more).clamp_(0, 1), value).mul_(255)


def _to_hsv(x: Float[Tensor, "b 3 h w"]) -> tuple[Plane, Plane, Plane]:
    """Hue in turns, saturation and value."""
    red, green, blue = x.unbind(1)
    value = torch.maximum(torch.maximum(red, green), blue)
    spread = value - torch.minimum(torch.minimum(red, green), blue)
    safe = torch.where(spread > 0, spread, 1.0)
    # Where two channels are the largest, the later one counts.
    hue = torch.where(green == value, 2 + (blue - red) / safe, (green - blue) / safe)
    hue = torch.where(
        blue == value, 4 + (red - green) / safe, torch.where(green == value, 2 + (blue - red) / safe, hue)
    )
    # Not by a number, for the same reason as in `unit`.
    hue = torch.where(spread > 0, (hue / hue.new_full((), 6)).remainder(1), 0.0)
    return hue, torch.where(spread > 0, spread / torch.where(value > 0, value, 1.0), 0.0), value


def _from_hsv(hue: Plane, saturation: Plane, value: Plane) -> Float[Tensor, "b 3 h w"]:
    sixth = (hue * 6).floor()
    past = hue * 6 - sixth
    low = value * (1 - saturation)
    falling = value * (1 - past * saturation)
    rising = value * (1 - (1 - past) * saturation)
    part = sixth.long().remainder(6)[:, None]
    six = (
        (value, rising, low), (falling, value, low), (low, value, rising),
        (low, falling, value), (rising, low, value), (value, low, falling),
    )  # fmt: skip
    channels = [torch.cat([torch.stack(planes, 1)[:, channel, None] for planes in six], 1) for channel in range(3)]
    return torch.cat([channel.gather(1, part) for channel in channels], 1)
