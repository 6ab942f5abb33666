"""Folders of pictures: one sub-folder a class, in training and test folders or to be split."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from mechaug.data.listing import Listing, Split
from mechaug.data.resize import allocate, fitted
from mechaug.errors import UserError
from mechaug.keys import Key
from mechaug.types import Bytes

SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp", ".bmp")

TEST_SHARE: Final = 0.2
"""The part of each class that is for testing where a folder has no split of its own."""


def list_folder(path: Path, *, skip_bad: bool) -> Listing:
    """A data set from a folder, named after it.

    Args:
        path: holds train/<class>/ with test/<class>/ or val/<class>/ (test before val), or <class>/ alone.
        skip_bad: leave out pictures that cannot be read.

    Raises:
        UserError: it has none of these layouts, or its splits do not hold the same classes.
    """
    if not path.is_dir():
        raise UserError(f"folder:{path}: it is a file; give a folder that holds one folder per class")
    name = path.resolve().name
    splits = [split for split in ("train", "test", "val") if folders_in(path / split)]
    if not splits:
        return _list_split_by_name(path, name, skip_bad)
    if "train" in splits and len(splits) == 1:
        raise UserError(
            f"folder:{path} has train/ and neither test/ nor val/: give folder:{path / 'train'} to have it split"
        )
    test_name = "test" if "test" in splits else "val"
    test = find_classes(path / test_name)
    train = find_classes(path / "train") if "train" in splits else test
    if train.keys() != test.keys():
        apart = ", ".join(sorted(train.keys() ^ test.keys()))
        raise UserError(f"folder:{path}: train/ and {test_name}/ do not hold the same classes; only one has {apart}")
    return Listing(
        name,
        tuple(test),
        make_split(list(train.values()), skip_bad) if "train" in splits else None,
        make_split(list(test.values()), skip_bad),
        f"measured on {test_name}/",
    )


def _list_split_by_name(path: Path, name: str, skip_bad: bool) -> Listing:
    """Which pictures are for testing depends on their names alone: neither on a seed, nor on what else is there."""
    train, test = [], []
    found = find_classes(path)
    for label, files in found.items():
        if len(files) < 2:
            raise UserError(
                f"folder:{path}: class {label!r} has one picture only, and needs one to train and one to test"
            )
        digests = (hashlib.blake2b(file.relative_to(path).as_posix().encode(), digest_size=7) for file in files)
        key = Key(0).at([int.from_bytes(digest.digest(), "little") for digest in digests]).fold("test split")
        count = max(1, round(TEST_SHARE * len(files)))
        chosen = set(key.unit().argsort(stable=True)[:count].tolist())
        test.append([file for row, file in enumerate(files) if row in chosen])
        train.append([file for row, file in enumerate(files) if row not in chosen])
    note = f"{TEST_SHARE:.0%} of each class, chosen by file name, are the test split"
    return Listing(name, tuple(found), make_split(train, skip_bad), make_split(test, skip_bad), note)


def folders_in(path: Path) -> list[str]:
    """The names of the folders in a folder, in order; none where it is no folder.

    Where all of them are whole numbers, that is the order of the numbers: classes so named are outputs of a model.
    """
    if not path.is_dir():
        return []
    names = sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    return sorted(names, key=int) if all(name.isascii() and name.isdigit() for name in names) else names


def find_classes(path: Path) -> dict[str, list[Path]]:
    """The pictures of each class, in order.

    Raises:
        UserError: there is no class, or one has no pictures.
    """
    found = {}
    for label in folders_in(path):
        found[label] = pictures_in(path / label)
        if not found[label]:
            raise UserError(f"there are no pictures in {path / label}: they should end with {', '.join(SUFFIXES)}")
    if not found:
        raise UserError(f"there are no class folders in {path}: pictures should lie in {path}/<class>/")
    return found


def pictures_in(path: Path) -> list[Path]:
    """The pictures in a folder and below it, in order."""
    files = [file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES]
    return sorted(file for file in files if not file.name.startswith("."))


def make_split(files_by_class: list[list[Path]], skip_bad: bool) -> Split:
    """The split that the files of each class make."""
    files = [file for of_class in files_by_class for file in of_class]
    labels = torch.tensor([label for label, of_class in enumerate(files_by_class) for _ in of_class])

    def read(rows: Int64[Tensor, " rows"], image_size: int | None) -> tuple[Bytes, Int64[Tensor, " kept"]]:
        return _read([files[row] for row in rows.tolist()], rows, image_size, skip_bad)

    return Split(labels, read)


def _read(
    files: list[Path], rows: Int64[Tensor, " rows"], image_size: int | None, skip_bad: bool
) -> tuple[Bytes, Int64[Tensor, " kept"]]:
    pixels, kept, first = None, [], None
    # Pillow decodes without Python's lock, so threads are enough.
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        decoded = pool.map(lambda file: _decode(file, image_size, skip_bad), files)
        for row, file, picture in zip(rows.tolist(), files, decoded, strict=True):
            if picture is None:
                continue
            height, width = picture.shape[:2]
            if pixels is None:
                pixels, first = allocate(len(files), 3, height, width), file
            if (height, width) != tuple(pixels.shape[2:]):
                pool.shutdown(cancel_futures=True)
                raise UserError(
                    f"pictures differ in size: {first} has {pixels.shape[2]} by {pixels.shape[3]} points and {file} "
                    f"{height} by {width}: choose one size for all with --image-size"
                )
            pixels[len(kept)] = torch.from_numpy(picture).permute(2, 0, 1)
            kept.append(row)
    if pixels is None:
        raise UserError(f"none of {len(files)} pictures can be read; the first is {files[0]}")
    return pixels[: len(kept)], torch.tensor(kept)


def _decode(file: Path, image_size: int | None, skip_bad: bool) -> UInt8[np.ndarray, "h w 3"] | None:
    from PIL import Image, ImageOps

    try:
        with Image.open(file) as opened:
            picture = ImageOps.exif_transpose(opened)
            if picture.mode.startswith(("I", "F")):
                raise ValueError(f"its points have mode {picture.mode}, not 8 bits a channel")
            if "transparency" in picture.info:
                picture = picture.convert("RGBA")
            picture = picture.convert("RGB")
    except Exception as error:  # decoders raise what they like
        if skip_bad:
            return None
        raise UserError(
            f"{file} cannot be read as a picture ({error}): mend it, or leave it out with --skip-bad"
        ) from error
    if image_size is not None:
        height, width = fitted(picture.height, picture.width, image_size)
        left, top = (width - image_size) // 2, (height - image_size) // 2
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
        picture = picture.crop((left, top, left + image_size, top + image_size))
    return np.array(picture)
