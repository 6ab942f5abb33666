"""Pictures to mix in: a folder that the user has, or fractals that we draw.

What matters of such a set is that its pictures are complex and show no class. The published one is of fractals from
the web; ours are Julia sets, drawn here, so that nothing has to be had.
"""

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d

from mechaug.errors import UserError
from mechaug.keys import Key
from mechaug.types import Bytes, Image

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})
_STEPS = 40
_ESCAPED = 64.0
_FAR = 1e4


@final
@dataclass(frozen=True)
class MixingSet:
    """Where the pictures to mix in come from.

    Args:
        folder: of pictures, searched through and through; "" for fractals of our own.
        count: how many pictures: of a folder, the first in the order of their names.
        seed: of the fractals.

    Raises:
        ValueError: the count is not positive.
    """

    folder: str = ""
    count: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"MixingSet(count=…) is a number of pictures, at least 1, not {self.count}")

    def pictures(self, side: int, device: torch.device | str = "cpu") -> Bytes:
        """The set as squares of a side; made once in a process.

        Raises:
            mechaug.errors.UserError: there is no such folder, or no picture in it that can be read.
        """
        return _pictures(self, side, str(device))


@functools.lru_cache(maxsize=8)
def _pictures(source: MixingSet, side: int, device: str) -> Bytes:
    if device != "cpu":
        return _pictures(source, side, "cpu").to(device)
    return _read(source, side) if source.folder else draw_fractals(source.count, side, Key(source.seed))


def _read(source: MixingSet, side: int) -> Bytes:
    """Pictures of a folder: the middle square, resized."""
    from PIL import Image as PillowImage
    from PIL import ImageOps

    folder = Path(source.folder)
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES)[: source.count]
    if not files:
        raise UserError(f"there are no pictures to mix in below {folder}: give a folder of .png or .jpg files")
    read = []
    for file in files:
        try:
            with PillowImage.open(file) as picture:
                square = ImageOps.fit(picture.convert("RGB"), (side, side), PillowImage.Resampling.BICUBIC)
        except OSError as error:
            raise UserError(f"cannot read {file} ({error}): remove it from the folder of pictures to mix in") from error
        read.append(torch.from_numpy(np.array(square)).permute(2, 0, 1))
    return torch.stack(read)


def draw_fractals(count: int, side: int, key: Key) -> Bytes:
    """Julia sets in random colours, as squares.

    Each is z → zᵖ + c with p of 2, 3 or 4 and c near the border of the set of those c for which it is connected (for
    p = 2 the main cardioid of the Mandelbrot set), where it is richest; seen through a window of random place, size and
    turn; coloured by how soon a point escapes, through a cosine palette.

    Args:
        count: how many.
        side: in pixels.
        key: a single key.
    """
    # Small ones are drawn larger and averaged: their detail is finer than a pixel.
    finer = 2 if side < 128 else 1
    own = key.at(torch.arange(count)).fold("fractal")
    power = own.fold("power").integers(2, 5)
    made = torch.empty((count, 3, side, side), dtype=torch.uint8)
    for shared in (2, 3, 4):
        for rows in (power == shared).nonzero().squeeze(1).split(16):
            drawn = _draw_some(own.rows(rows), shared, side * finer)
            made[rows] = (255 * avg_pool2d(drawn, finer)).round().to(torch.uint8)
    return made


def _draw_some(own: Key, power: int, side: int) -> Image:
    # In double precision: what a vector's last bit is may depend on how many there are, and the border is chaotic.
    angle = own.fold("angle").uniform(0.0, 2 * math.pi).double()
    # c = w − wᵖ with |w| = p^(−1/(p−1)): where the fixed point w of the map turns from attracting to repelling.
    w = torch.polar(torch.full_like(angle, power ** (-1 / (power - 1))), angle)
    c = ((w - w**power) * own.fold("off").uniform(1.0, 1.08)).to(torch.complex64)
    turn = own.fold("turn").uniform(0.0, 2 * math.pi).double()
    window = torch.polar(own.fold("zoom").uniform(0.35, 1.4).double(), turn).to(torch.complex64)
    centre = torch.view_as_complex(own.fold("centre").uniform(-0.5, 0.5, 2))
    line = torch.linspace(-1.0, 1.0, side)
    plane = torch.complex(line.expand(side, side), line[:, None].expand(side, side))
    z = plane * window[:, None, None] + centre[:, None, None]
    colour = _escape(z, c[:, None, None], power) * own.fold("bands").uniform(0.5, 3.0)[:, None, None]
    phase, pace = (part[..., None, None] for part in own.fold("palette").uniform(0.0, 1.0, 3, 2).unbind(-1))
    return 0.5 + 0.5 * torch.cos(2 * math.pi * (colour[:, None] * (0.6 + 0.8 * pace) + phase))


def _escape(z: Tensor, c: Tensor, power: int) -> Float[Tensor, "n side side"]:
    """How soon points escape, smoothly, about 0 (at once) to 6 (late); how near they come for those that never do."""
    # In real numbers, which are several times as fast as complex ones.
    x, y, right, up = z.real.clone(), z.imag.clone(), c.real, c.imag
    size = x.square() + y.square()  # the squared distance from 0, as it is when a point has just escaped
    steps, nearest = torch.zeros_like(size), size.clone()
    for _ in range(_STEPS):
        inside = size < _ESCAPED**2
        steps += inside
        torch.minimum(nearest, size, out=nearest)
        across, down = x.square(), y.square()
        if power == 2:
            x, y = across - down + right, 2.0 * x * y + up
        elif power == 3:
            x, y = x * (across - 3.0 * down) + right, y * (3.0 * across - down) + up
        else:
            x, y = across.square() - 6.0 * across * down + down.square() + right, 4.0 * x * y * (across - down) + up
        # What escaped stays away, and never overflows.
        x, y = x.clamp_(-_FAR, _FAR), y.clamp_(-_FAR, _FAR)
        size = torch.where(inside, x.square() + y.square(), size)
    # The fraction of a step that is missing to the radius of escape makes the count smooth.
    late = steps - (size.clamp(min=4.0).log() / (2 * math.log(_ESCAPED))).log() / math.log(power)
    return torch.where(size < _ESCAPED**2, 2.0 * nearest.sqrt(), late.clamp(min=0.0).sqrt())
