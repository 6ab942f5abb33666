"""Corrupted test sets on the disk, in the layouts of the published benchmarks.

Written piece by piece, each whole or not there: what was interrupted goes on with the same call, and several processes
may each take a share, in any order.
"""

import io
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import torch

from mechaug.data.pictures import Pictures
from mechaug.errors import UserError
from mechaug.evaluation.corruptions import PUBLISHED, SEVERITIES, Frost, Profile, Variant, corrupt
from mechaug.evaluation.official import INDEX, MANIFEST
from mechaug.files import write_file, write_text
from mechaug.keys import Key
from mechaug.types import Bytes
from mechaug.version import VERSION
from mechaug.watch import Silent, Watch

Layout: TypeAlias = Literal["npy", "folder"]
"""CIFAR-10-C's arrays, name.npy with all severities and labels.npy; or ImageNet-C's name/severity/class/picture.jpg."""

_AT_ONCE = 256
_JPEG_QUALITY = 85  # of the published ImageNet-C


@dataclass(frozen=True)
class Manifest:
    """What a folder of corrupted pictures was made from; pictures of another kind are not mixed with them.

    Attributes:
        data: the source, as the user wrote it.
        pictures: how many of its test pictures.
        layout: of the files.
        profile: whose parameters.
        seed: of all draws.
        frost: "official" or "procedural" textures, or all "official six".
        variant: in what it departs from the published code.
        version: of mechaug.
    """

    data: str
    pictures: int
    layout: Layout
    profile: Profile
    seed: int
    frost: Literal["official", "procedural", "official six"]
    variant: Variant = PUBLISHED
    version: str = VERSION


def export(
    pictures: Pictures,
    classes: Sequence[str],
    folder: Path,
    manifest: Manifest,
    names: Sequence[str],
    severities: Sequence[int] = SEVERITIES,
    *,
    shard: tuple[int, int] = (0, 1),
    ice: Frost | None = None,
    device: str = "cpu",
    watch: Watch | None = None,
) -> int:
    """Write corrupted pictures, or what is left of them.

    Args:
        pictures: the clean test pictures.
        classes: the names of their labels.
        folder: where to write.
        manifest: what this is.
        names: of the corruptions.
        severities: of each; the array layout holds all five.
        shard: (i, n): this process takes every n-th piece from the i-th on, counted from 0.
        ice: textures for frost; drawn ones if None.
        device: where to compute.
        watch: listens to the progress.

    Returns:
        How many pieces were written now.

    Raises:
        UserError: the folder holds pictures of another kind, or the array layout is asked for some severities only.
        OSError: the folder cannot be written.
    """
    _claim(folder, manifest)
    pictures = pictures.rows(pictures.index.argsort())
    write_file(folder / INDEX, lambda temporary: _save(temporary, pictures.index.numpy()))
    if manifest.layout == "npy":
        if tuple(severities) != SEVERITIES:
            raise UserError("the .npy layout holds all five severities in one file: leave --severities out")
        labels = np.tile(pictures.labels.numpy(), len(SEVERITIES))
        write_file(folder / "labels.npy", lambda temporary: _save(temporary, labels))
        pieces = [_Piece(folder / f"{name}.npy", name, SEVERITIES) for name in names]
    else:
        pieces = [_Piece(folder / name / str(level), name, (level,)) for name in names for level in severities]
    mine = [piece for piece in pieces[shard[0] :: shard[1]] if not piece.target.exists()]
    work = _Work(pictures, tuple(classes), manifest, ice, device, watch or Silent())
    work.watch.begin("corrupting", sum(len(piece.severities) for piece in mine) * len(pictures), "pictures")
    for piece in mine:
        (work.write_array if manifest.layout == "npy" else work.write_folder)(piece)
    return len(mine)


@dataclass(frozen=True)
class _Piece:
    """What is written at once: one file or folder, with one corruption at some severities."""

    target: Path
    name: str
    severities: tuple[int, ...]


@dataclass(frozen=True)
class _Work:
    """How pieces are made."""

    pictures: Pictures
    classes: tuple[str, ...]
    manifest: Manifest
    ice: Frost | None
    device: str
    watch: Watch

    def corrupted(self, name: str, severity: int) -> Iterator[tuple[Pictures, Bytes]]:
        """Some clean pictures, and the same corrupted, portion by portion."""
        key = Key(self.manifest.seed).fold("corruptions")
        for start in range(0, len(self.pictures), _AT_ONCE):
            part = self.pictures.rows(slice(start, start + _AT_ONCE))
            made = corrupt(
                part.pixels.to(self.device), name, severity, key.at(part.index), profile=self.manifest.profile,
                ice=self.ice, variant=self.manifest.variant,
            )  # fmt: skip
            yield part, made.cpu()
            self.watch.advance(len(part), f"{name} {severity}")

    def write_array(self, piece: _Piece) -> None:
        """All severities, one after another, straight to the disk."""
        _, channels, height, width = self.pictures.pixels.shape
        shape = (len(piece.severities) * len(self.pictures), height, width, channels)

        def fill(temporary: Path) -> None:
            stored = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
            place = 0
            for severity in piece.severities:
                for part, pixels in self.corrupted(piece.name, severity):
                    stored[place : place + len(part)] = pixels.permute(0, 2, 3, 1).numpy()
                    place += len(part)
            stored.flush()

        write_file(piece.target, fill)

    def write_folder(self, piece: _Piece) -> None:
        """One severity, under a name of its own until it is whole."""
        temporary = piece.target.with_name(f".{piece.target.name}.tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        for label in self.pictures.labels.unique().tolist():
            (temporary / self.classes[label]).mkdir(parents=True)
        for part, pixels in self.corrupted(piece.name, piece.severities[0]):
            for label, index, picture in zip(part.labels.tolist(), part.index.tolist(), pixels, strict=True):
                _write_jpeg(temporary / self.classes[label] / f"{index:08d}.jpg", picture)
        temporary.replace(piece.target)


def _save(place: Path, array: np.ndarray) -> None:
    with place.open("wb") as file:
        np.save(file, array)


def _write_jpeg(place: Path, picture: torch.Tensor) -> None:
    from PIL import Image

    file = io.BytesIO()
    pixels = np.ascontiguousarray(picture.permute(1, 2, 0).squeeze(-1).numpy())
    Image.fromarray(pixels).save(file, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    place.write_bytes(file.getvalue())


def _claim(folder: Path, manifest: Manifest) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    place, wanted = folder / MANIFEST, asdict(manifest)
    if not place.exists():
        if any(folder.glob("*.npy")) or any(folder.glob("*/[1-5]")):
            raise UserError(f"{folder} holds corrupted pictures that mechaug did not make: choose another --out")
        write_text(place, json.dumps(wanted, indent=1) + "\n")
        return
    try:
        before = json.loads(place.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{place} is damaged ({error}): choose another --out, or delete the folder") from error
    changed = sorted(name for name in wanted if before.get(name) != wanted[name])
    if changed:
        raise UserError(
            f"{folder} holds pictures made otherwise (it differs in {', '.join(changed)}): choose another --out, or "
            "delete it"
        )
