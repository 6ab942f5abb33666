"""The gallery: the same few pictures clean, corrupted and augmented, as PNG strips beside a result."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch.nn.functional import interpolate

from mechaug.data.pictures import DataSet, Pictures
from mechaug.evaluation import corruptions
from mechaug.evaluation.result import Picture
from mechaug.files import write_bytes
from mechaug.keys import Key
from mechaug.mechanisms.base import Mechanism
from mechaug.reports.findings import spoken
from mechaug.training.methods import Method
from mechaug.types import Bytes, Image

COLUMNS = 10
SEVERITY = 3

_LARGE = 64
_LARGE_COLUMNS, _LARGE_SIDE = 5, 112
"""Larger pictures are shown reduced, and fewer of them: a page holds every one."""


def write_gallery(
    data: DataSet, methods: Sequence[Method], names: Sequence[str], folder: Path, *, base: Mechanism | None, seed: int
) -> tuple[Picture, ...]:
    """Draw the gallery of a study.

    Args:
        data: where the pictures come from: one per class, of the test split and of the training split.
        methods: whose draws are shown.
        names: corruptions that are shown, at severity 3.
        folder: where the PNGs go, below `gallery/`.
        base: the flip and crop that come first in training.
        seed: of the draws.

    Returns:
        What was drawn; file names are relative to `folder`.
    """
    drawn: list[Picture] = []

    def add(group: str, title: str, name: str, strips: Sequence[Bytes], alt: str) -> None:
        file = f"gallery/{group}-{name.replace(':', '--')}.png"
        write_bytes(folder / file, png([_reduced(strip) for strip in strips]))
        drawn.append(Picture(group, title, file, alt))

    test = _one_per_class(data.test)
    add("clean", "Test pictures", "test", [test.pixels], "one test picture per class, as it is")
    key = Key(seed).fold("corruptions").at(test.index)
    for name in names:
        strip = corruptions.corrupt(test.pixels, name, SEVERITY, key)
        title = f"{spoken(name)}, severity {SEVERITY}"
        add("corruption", title, name, [strip], f"the same test pictures under {title}")
    train = _one_per_class(data.train)
    pictures = train.image(torch.arange(len(train)))
    for method in methods:
        first = base if method.crops else None
        # What acts inside the net, or needs it, makes no picture that could be shown here.
        chain = [part for part in (first, method.augmentation) if callable(part)]
        if not chain or not (method.augmentation is None or callable(method.augmentation)):
            continue
        strips = [_draw(pictures, chain, Key(seed).fold(f"gallery {k}").at(train.index)) for k in range(3)]
        add("augmentation", method.title, method.name, strips, f"three draws of {method.title} of training pictures")
    return tuple(drawn)


def png(strips: Sequence[Bytes]) -> bytes:
    """Pictures side by side, one row per strip, as a PNG file."""
    from PIL import Image as PillowImage

    rows = [torch.cat(list(strip), dim=-1) for strip in strips]
    sheet = torch.cat(rows, dim=-2).permute(1, 2, 0).contiguous().numpy()
    file = io.BytesIO()
    PillowImage.fromarray(sheet).save(file, format="PNG", optimize=True)
    return file.getvalue()


def _reduced(pictures: Bytes) -> Bytes:
    """Pictures as they are, or if they are large, as small ones (area means)."""
    height, width = pictures.shape[-2:]
    if min(height, width) <= _LARGE or not len(pictures):
        return pictures
    scale = _LARGE_SIDE / max(height, width)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return interpolate(pictures.float(), size=size, mode="area").round().to(torch.uint8)


def _draw(pictures: Image, chain: Sequence[Callable[[Image, Key], Image]], key: Key) -> Bytes:
    for part in chain:
        pictures = part(pictures, key)
    return (pictures * 255).round().to(torch.uint8)


def _one_per_class(pictures: Pictures) -> Pictures:
    """The first picture of each class, at most ten of them."""
    count = COLUMNS if min(pictures.pixels.shape[-2:]) <= _LARGE else _LARGE_COLUMNS
    firsts = [int((pictures.labels == label).nonzero()[0]) for label in pictures.labels.unique()[:count]]
    return pictures.rows(torch.tensor(firsts, dtype=torch.int64))
