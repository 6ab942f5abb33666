"""Corrupted pictures that lie on the disk: the published files, or those that `mechaug corrupt` wrote.

The CIFAR-10 benchmarks are arrays, name.npy, in which the test pictures stand five times, severity 1 first, and
labels.npy. The ImageNet ones are folders, name/severity/class/picture, which the published archives put into folders of
their own. Beside those that mechaug wrote, index.npy says which of the test pictures they are.
"""

import functools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from mechaug.data.folders import SUFFIXES
from mechaug.data.pictures import Pictures
from mechaug.errors import UserError
from mechaug.evaluation.corruptions import SEVERITIES
from mechaug.types import Bytes

MANIFEST: Final = "corrupt.json"
"""What `mechaug corrupt` writes beside its pictures; the published files have none."""

INDEX: Final = "index.npy"
"""The places in the test split of the pictures that mechaug corrupted, ascending."""


def is_published(folder: Path) -> bool:
    """Whether a folder's pictures are the published ones and not regenerated: what a figure is labelled with."""
    return not (folder / MANIFEST).exists()


def available(folder: Path, names: tuple[str, ...], *, none: bool = False) -> tuple[str, ...]:
    """Which of some corruptions a folder holds.

    Args:
        folder: of name.npy files, or of name/severity/class/ folders.
        names: of the corruptions.
        none: it may hold none of them.

    Raises:
        UserError: there is no such folder, or it holds none of them.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder} with corrupted pictures")
    found = tuple(name for name in names if (folder / f"{name}.npy").exists() or _place(folder, name) is not None)
    if not found and not none:
        raise UserError(
            f"{folder} holds none of {', '.join(names)}: it should have name.npy files, or name/severity/class/ folders"
        )
    return found


def read_corrupted(
    folder: Path, name: str, severity: int, pictures: Pictures, *, total: int, classes: Sequence[str] | None = None
) -> Bytes:
    """Some of the test pictures under a corruption.

    Args:
        folder: as in `available`.
        name: of the corruption.
        severity: 1 to 5.
        pictures: the clean ones, whose places in the test split, size and classes those that are read must have.
        total: how many pictures the whole test split has, all of which a published set holds.
        classes: the names of its classes where the set on the disk may have more of them, as ImageNet-C has for a test
            split of some of ImageNet's; folders only.

    Raises:
        UserError: the files are missing or damaged, or are not those of this test split.
    """
    rows, count = _rows(folder, pictures.index, total)
    array = folder / f"{name}.npy"
    if array.exists():
        made = _from_array(array, severity, rows, count)
        labels = _stored_labels(folder, severity, rows, count)
    else:
        made, labels = _from_folder(folder, name, severity, rows, count, None if classes is None else tuple(classes))
    _check(folder, name, made, labels, pictures)
    return made


def _rows(folder: Path, index: Int64[Tensor, "n"], total: int) -> tuple[Int64[Tensor, "n"], int]:
    """Where some of the test pictures lie in a set, and how many it has."""
    file = folder / INDEX
    if not file.exists():
        return index, total
    there = torch.from_numpy(_load(file).astype(np.int64))
    rows = torch.searchsorted(there, index).clamp(max=len(there) - 1)
    missing = int((there[rows] != index).sum())
    if missing:
        raise UserError(
            f"{folder} has {len(there):,} of the test pictures, and lacks {missing:,} of those to measure on: measure "
            "on as many as were corrupted, or corrupt all"
        )
    return rows, len(there)


def _check(folder: Path, name: str, made: Bytes, labels: Int64[Tensor, "n"], pictures: Pictures) -> None:
    if made.shape[1:] != pictures.pixels.shape[1:]:
        shape, wanted = ("×".join(map(str, one.shape[2:])) for one in (made, pictures.pixels))
        raise UserError(f"{folder}: {name} has pictures of {shape}, and the test pictures are {wanted}")
    # Classes may have other numbers there; pictures of one class are of one class here too.
    pairs = torch.stack((labels, pictures.labels), 1).unique(dim=0)
    if len(pairs) != len(labels.unique()) or len(pairs) != len(pictures.labels.unique()):
        raise UserError(f"{folder} has other pictures than the test split: their labels differ")


def _load(file: Path) -> np.ndarray:
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{file} cannot be read ({error}): fetch or make it again") from error


def _from_array(file: Path, severity: int, rows: Int64[Tensor, "n"], count: int) -> Bytes:
    stored = _load(file)
    if stored.dtype != np.uint8 or stored.ndim != 4 or stored.shape[3] not in (1, 3):
        raise UserError(
            f"{file} has {stored.dtype} numbers of shape {stored.shape}: uint8 (n, height, width, 3) is needed"
        )
    if len(stored) != len(SEVERITIES) * count:
        raise UserError(
            f"{file} has {len(stored):,} pictures: five severities of {count:,} test pictures would be "
            f"{len(SEVERITIES) * count:,}; measure on the whole split that it was made from"
        )
    found = np.ascontiguousarray(stored[(severity - 1) * count + rows.numpy()])
    return torch.from_numpy(found).permute(0, 3, 1, 2).contiguous()


def _stored_labels(folder: Path, severity: int, rows: Int64[Tensor, "n"], count: int) -> Int64[Tensor, "n"]:
    file = folder / "labels.npy"
    if not file.exists():
        raise UserError(f"{folder} lacks labels.npy: without it nothing says that these are the test pictures")
    labels = _load(file)
    if labels.dtype.kind not in "iu" or labels.shape != (len(SEVERITIES) * count,):
        raise UserError(
            f"{file} has {labels.dtype} numbers of shape {labels.shape}: {len(SEVERITIES) * count:,} whole ones are "
            "needed"
        )
    return torch.from_numpy(labels[(severity - 1) * count + rows.numpy()].astype(np.int64))


def _from_folder(
    folder: Path, name: str, severity: int, rows: Int64[Tensor, "n"], count: int, classes: tuple[str, ...] | None
) -> tuple[Bytes, Int64[Tensor, "n"]]:
    place = _place(folder, name)
    if place is None or not (place / str(severity)).is_dir():
        raise UserError(f"{folder} has no {name} at severity {severity}: make it with mechaug corrupt")
    place = place / str(severity)
    files = _files(place, classes, numbered=not is_published(folder))
    if len(files) != count:
        kind = "" if classes is None else " of the classes of the test split"
        raise UserError(f"{place} has {len(files):,} pictures{kind}, and the test split has {count:,}")
    chosen = [files[row] for row in rows.tolist()]
    # Pillow decodes without Python's lock, so threads are enough.
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        found = list(pool.map(_decode, chosen))
    if len({picture.shape for picture in found}) > 1:
        raise UserError(f"the pictures in {place} differ in size: they cannot be measured together")
    numbers = {label: number for number, label in enumerate(sorted({file.parent.name for file in files}))}
    return torch.stack(found), torch.tensor([numbers[file.parent.name] for file in chosen])


@functools.lru_cache(maxsize=4)
def _files(place: Path, classes: tuple[str, ...] | None, *, numbered: bool) -> list[Path]:
    """The pictures of a severity, in the order of classes and names, as test splits of folders are.

    Those that mechaug wrote have their place in the test split for a name: these are in its order, whatever it is.
    """
    found = [file for file in place.glob("*/*") if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")]
    found = [file for file in found if classes is None or file.parent.name in classes]
    return sorted(found, key=(lambda file: int(file.stem)) if numbered else None)


def _decode(file: Path) -> UInt8[Tensor, "3 h w"]:
    from PIL import Image

    try:
        with Image.open(file) as picture:
            return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error}): fetch or make it again") from error


def _place(folder: Path, name: str) -> Path | None:
    """A corruption's folder: here, or one folder down as in the published archives."""
    here = [folder / name, *(inner / name for inner in sorted(folder.iterdir()) if inner.is_dir())]
    return next((place for place in here if any((place / str(level)).is_dir() for level in SEVERITIES)), None)
