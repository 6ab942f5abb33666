"""Data sets as NumPy arrays: one .npz file, or a folder of .npy files; nothing in them is ever unpickled."""

import zipfile
import zlib
from pathlib import Path
from typing import Final

import numpy as np
import torch

from mechaug.data.listing import Listing, Split
from mechaug.data.resize import read_array
from mechaug.errors import UserError

_NAMES: Final = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
)
_NEEDED: Final = " or ".join(", ".join(names) for names in _NAMES)


def list_npz(file: Path) -> Listing:
    """A data set from one .npz file, named after it.

    Raises:
        UserError: the file is damaged, lacks arrays, or they do not fit together.
    """
    try:
        # NumPy leaves a file open that it cannot read, so it is opened here.
        with file.open("rb") as stream:
            arrays = np.load(stream, allow_pickle=False)
            if not isinstance(arrays, np.lib.npyio.NpzFile):
                raise UserError(f"{file} is no .npz file: make one with numpy.savez")
            names = _choose_names(arrays.files, file)
            return _list(file, {name: arrays[name] for name in names if name in arrays.files}, names)
    except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{file} cannot be read as .npz ({error}): make one with numpy.savez") from error


def list_npy(folder: Path) -> Listing:
    """A data set from a folder of .npy files, named after it; pictures are read from the disk as they are needed.

    Raises:
        UserError: a file is missing or damaged, or the arrays do not fit together.
    """
    present = [file.stem for file in folder.glob("*.npy")]
    names = _choose_names(present, folder)
    arrays = {}
    for name in names:
        if name in present:
            file = folder / f"{name}.npy"
            try:
                arrays[name] = np.load(file, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise UserError(f"{file} cannot be read as .npy ({error}): make one with numpy.save") from error
    return _list(folder, arrays, names)


def _choose_names(present: list[str], where: Path) -> tuple[str, ...]:
    for names in _NAMES:
        # Pictures to measure on are enough: there may be none to train on.
        if set(names[2:]) <= set(present) and len({names[0], names[1]} & set(present)) != 1:
            return names
    raise UserError(f"{where} needs the arrays {_NEEDED}; it has {', '.join(sorted(present)) or 'none'}")


def _list(where: Path, arrays: dict[str, np.ndarray], names: tuple[str, ...]) -> Listing:
    x_train, y_train, x_test, y_test = names
    test, test_labels = _split(where, arrays, x_test, y_test)
    train, train_labels = None, test_labels
    if x_train in arrays:
        train, train_labels = _split(where, arrays, x_train, y_train)
    if train_labels != test_labels:
        raise UserError(
            f"{where}: {y_train} and {y_test} do not hold the same classes; only one of them has "
            f"{', '.join(str(label) for label in sorted(train_labels ^ test_labels))}"
        )
    if train_labels != set(range(len(train_labels))):
        raise UserError(
            f"{where}: labels should be 0, 1, 2 and so on without a gap, not "
            f"{', '.join(str(label) for label in sorted(train_labels)[:12])}"
        )
    return Listing(where.stem, tuple(str(label) for label in range(len(train_labels))), train, test, "")


def _split(where: Path, arrays: dict[str, np.ndarray], x_name: str, y_name: str) -> tuple[Split, set[int]]:
    pixels = _pictures(where, x_name, arrays[x_name])
    labels = arrays[y_name]
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise UserError(
            f"{where}: {y_name} should be one class number per picture, not {labels.dtype} of shape {labels.shape}"
        )
    if len(labels) != len(pixels):
        raise UserError(f"{where}: {x_name} has {len(pixels)} pictures, and {y_name} has {len(labels)} labels")
    if not len(labels):
        raise UserError(f"{where}: {x_name} has no pictures")
    split = Split(
        torch.from_numpy(labels.astype(np.int64)),
        lambda rows, image_size: (read_array(pixels, rows, image_size).expand(-1, 3, -1, -1).contiguous(), rows),
    )
    return split, {int(label) for label in np.unique(labels)}


def _pictures(where: Path, name: str, pixels: np.ndarray) -> np.ndarray:
    """A view of shape (n, channels, h, w)."""
    if pixels.dtype != np.uint8:
        raise UserError(f"{where}: {name} should be uint8, 0 to 255, not {pixels.dtype}")
    if pixels.ndim == 3:
        return pixels[:, None]
    if pixels.ndim == 4 and pixels.shape[3] in (1, 3):
        return pixels.transpose(0, 3, 1, 2)
    if pixels.ndim == 4 and pixels.shape[1] in (1, 3):
        return pixels
    raise UserError(f"{where}: {name} should have the shape NHWC or NCHW with 1 or 3 channels, not {pixels.shape}")
