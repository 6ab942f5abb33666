"""Corrupted pictures that lie on the disk: the published files, or those that `mechaug corrupt` wrote.

The CIFAR-10 benchmarks are arrays, name.npy, in which the test pictures stand five times, severity 1 first. The
ImageNet ones are folders, name/severity/class/picture, which the published archives put into folders of their own.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from mechaug.data.folders import SUFFIXES
from mechaug.errors import UserError
from mechaug.evaluation.corruptions import SEVERITIES
from mechaug.types import Bytes

MANIFEST = "corrupt.json"
"""What `mechaug corrupt` writes beside its pictures; the published files have none."""


def is_published(folder: Path) -> bool:
    """Whether a folder's pictures are the published ones and not regenerated: what a figure is labelled with."""
    return not (folder / MANIFEST).exists()


def available(folder: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    """Which of some corruptions a folder holds.

    Raises:
        UserError: there is no such folder, or it holds none of them.
    """
    if not folder.is_dir():
        raise UserError(f"there is no folder {folder} with corrupted pictures")
    found = tuple(name for name in names if (folder / f"{name}.npy").exists() or _place(folder, name) is not None)
    if not found:
        raise UserError(
            f"{folder} holds none of {', '.join(names)}: it should have name.npy files, or name/severity/class/ folders"
        )
    return found


def read_corrupted(
    folder: Path, name: str, severity: int, index: Int64[Tensor, "n"], *, total: int, size: tuple[int, int]
) -> Bytes:
    """Some of the test pictures under a corruption.

    Args:
        folder: as in `available`.
        name: of the corruption.
        severity: 1 to 5.
        index: the places of the pictures in the whole test split.
        total: how many pictures the whole test split has.
        size: height and width that the pictures must have.

    Raises:
        UserError: the files are missing or damaged, or are not those of this test split.
    """
    array = folder / f"{name}.npy"
    if array.exists():
        pictures = _from_array(array, severity, index, total)
    else:
        pictures = _from_folder(folder, name, severity, index, total)
    if tuple(pictures.shape[2:]) != size:
        shape = "×".join(map(str, pictures.shape[2:]))
        raise UserError(f"{folder}: {name} has pictures of {shape}, and the test pictures are {size[0]}×{size[1]}")
    return pictures


def _from_array(file: Path, severity: int, index: Int64[Tensor, "n"], total: int) -> Bytes:
    try:
        stored = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{file} cannot be read ({error}): fetch or make it again") from error
    if stored.dtype != np.uint8 or stored.ndim != 4 or stored.shape[3] not in (1, 3):
        raise UserError(
            f"{file} has {stored.dtype} numbers of shape {stored.shape}: uint8 (n, height, width, 3) is needed"
        )
    if len(stored) != len(SEVERITIES) * total:
        raise UserError(
            f"{file} has {len(stored):,} pictures: five severities of the {total:,} test pictures would be "
            f"{len(SEVERITIES) * total:,}; measure on the whole split that it was made from"
        )
    rows = (severity - 1) * total + index.numpy()
    return torch.from_numpy(np.ascontiguousarray(stored[rows])).permute(0, 3, 1, 2).contiguous()


def _from_folder(folder: Path, name: str, severity: int, index: Int64[Tensor, "n"], total: int) -> Bytes:
    from PIL import Image

    place = _place(folder, name)
    if place is None or not (place / str(severity)).is_dir():
        raise UserError(f"{folder} has no {name} at severity {severity}: make it with mechaug corrupt")
    files = sorted(file for file in (place / str(severity)).rglob("*") if file.suffix.lower() in SUFFIXES)
    if len(files) != total:
        raise UserError(f"{place / str(severity)} has {len(files):,} pictures, and the test split has {total:,}")
    pictures = []
    for row in index.tolist():
        try:
            with Image.open(files[row]) as picture:
                pictures.append(torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1))
        except OSError as error:
            raise UserError(f"{files[row]} cannot be read ({error}): fetch or make it again") from error
    try:
        return torch.stack(pictures)
    except RuntimeError:
        raise UserError(
            f"the pictures in {place / str(severity)} differ in size: they cannot be measured together"
        ) from None


def _place(folder: Path, name: str) -> Path | None:
    """A corruption's folder: here, or one folder down as in the published archives."""
    here = [folder / name, *(inner / name for inner in sorted(folder.iterdir()) if inner.is_dir())]
    return next((place for place in here if (place / "1").is_dir() or (place / "5").is_dir()), None)
