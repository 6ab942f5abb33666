"""Sources: a line of text that names a data set, such as "signs", "cifar10:data" or "folder:photos"; its loading."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Int64
from torch import Tensor

from mechaug.data.arrays import list_npy, list_npz
from mechaug.data.cifar import list_cifar10
from mechaug.data.folders import list_folder
from mechaug.data.listing import Listing, Split
from mechaug.data.pictures import DataSet, Pictures, choose
from mechaug.data.shifted import list_cifar10_1, list_domains, list_set
from mechaug.data.signs import CLASSES, signs
from mechaug.errors import UserError
from mechaug.keys import Key

SOURCES: Final = (
    "signs", "signs:RHO", "cifar10:PATH", "folder:PATH", "npz:FILE", "npy:FOLDER", "set:PATH", "domains:PATH@NAME",
    "cifar10.1:PATH",
)  # fmt: skip
"""What `load` knows, as shown to a user."""

_SMALLEST: Final = 8


def load(
    source: str,
    *,
    image_size: int | None = None,
    train_size: int | None = None,
    test_size: int | None = None,
    skip_bad: bool = False,
    seed: int = 0,
) -> DataSet:
    """Load a data set into memory.

    - `signs`: the embedded road signs, 6,000 + 2,000 at 32×32 unless sizes are given; `signs:RHO` ties the light's
      colour to the class with probability RHO (0 to 1), in reverse order in the test split.
    - `cifar10:PATH`: the published python version; PATH is the folder cifar-10-batches-py or the one that holds it.
    - `folder:PATH`: pictures in PATH/train/<class> and PATH/test/<class> (or val), or in PATH/<class>, of which a fifth
      of each class, chosen by file name, is then the test split.
    - `npz:FILE`, `npy:FOLDER`: arrays x_train, y_train, x_test, y_test, or train_images, train_labels, test_images,
      test_labels; pictures are uint8, NHWC or NCHW, with 1 or 3 channels, or NHW.
    - `set:PATH`: pictures in PATH/<class>, all of them to measure on.
    - `domains:PATH@NAME`: pictures in PATH/<domain>/<class>; measured on the domain NAME, trained on the others.
    - `cifar10.1:PATH`: the folder of the published .npy files, to measure on.

    Args:
        source: as above.
        image_size: height and width; pictures of another size are resized by their shorter side (bicubic,
            antialiased) and cropped about their middle. By default pictures stay as they are, and must be alike.
        train_size: how many training pictures; a subset keeps every class's share. 0 reads none. By default all.
        test_size: how many test pictures, likewise.
        skip_bad: leave out pictures that cannot be read, and say how many in `note`, where an error would be raised.
        seed: of the embedded set's draws and of the choice of subsets; never of which pictures are for testing.

    Raises:
        UserError: the source is unknown, missing or damaged, or a size does not fit it.
    """
    kind, colon, where = source.partition(":")
    if image_size is not None and image_size < _SMALLEST:
        raise UserError(f"the image size is {image_size}: pictures need at least {_SMALLEST} points a side")
    if kind == "signs":
        return _load_signs(source, where if colon else "0", image_size, train_size, test_size, seed)
    forms = [form for form in SOURCES if form.startswith(f"{kind}:")]
    if not forms:
        raise UserError(f"unknown data source {source!r}: give one of {', '.join(SOURCES)}")
    if not where:
        raise UserError(f"{source!r} lacks its path: give {forms[0]}")
    listing = _list(kind, where, source, skip_bad)
    return _read(listing, source, image_size, train_size, test_size, Key(seed).fold("subset"))


def _list(kind: str, where: str, source: str, skip_bad: bool) -> Listing:
    path = Path(where).expanduser()
    if kind == "domains" and not path.exists():
        path = Path(where.rpartition("@")[0]).expanduser()
    if not path.exists():
        raise UserError(f"{source}: there is no {path}")
    listers: dict[str, Callable[[], Listing]] = {
        "cifar10": lambda: list_cifar10(path),
        "folder": lambda: list_folder(path, skip_bad=skip_bad),
        "npz": lambda: list_npz(path),
        "npy": lambda: list_npy(path),
        "set": lambda: list_set(path, skip_bad=skip_bad),
        "domains": lambda: list_domains(where, skip_bad=skip_bad),
        "cifar10.1": lambda: list_cifar10_1(path),
    }
    return listers[kind]()


def _load_signs(
    source: str, rho: str, image_size: int | None, train_size: int | None, test_size: int | None, seed: int
) -> DataSet:
    try:
        confounding = float(rho)
    except ValueError:
        confounding = -1.0
    if not 0.0 <= confounding <= 1.0:
        raise UserError(f"{source!r}: the part after the colon is a probability from 0 to 1, such as signs:0.9")
    train_size = 6000 if train_size is None else train_size
    test_size = 2000 if test_size is None else test_size
    _check_size("train", train_size, len(CLASSES), None)
    _check_size("test", test_size, len(CLASSES), None)
    drawn = signs(train_size, test_size, size=image_size or 32, confounding=confounding, seed=seed)
    note = "synthetic: road signs rendered from a causal model"
    if confounding:
        note += f"; the light's colour tells the class in {confounding:.0%} of pictures, reversed in the test split"
    return DataSet("signs", source, CLASSES, drawn.train, drawn.test, note, test_size)


def _read(
    listing: Listing, source: str, image_size: int | None, train_size: int | None, test_size: int | None, key: Key
) -> DataSet:
    if len(listing.classes) < 2:
        raise UserError(f"{source} has one class only ({', '.join(listing.classes)}): a classifier needs two or more")
    if listing.train is None and train_size != 0:
        raise UserError(f"{source} has no training pictures: to measure only, ask for none with --train-size 0")
    # Both choices come before any reading, which can take long.
    test_rows = torch.arange(0)
    if test_size != 0:
        test_rows = _choose("test", listing.test, test_size, len(listing.classes), key)
    train_rows = torch.arange(0)
    if listing.train is not None and train_size != 0:
        train_rows = _choose("train", listing.train, train_size, len(listing.classes), key)

    train = test = None
    if len(test_rows):
        test = _read_rows("test", listing.test, test_rows, listing.classes, image_size)
    if listing.train is not None and len(train_rows):
        train = _read_rows("train", listing.train, train_rows, listing.classes, image_size)
    if train is None and test is None:
        raise UserError("--train-size 0 and --test-size 0 leave nothing: ask for pictures of one split at least")
    if train is None:
        assert test is not None
        train = test.rows(slice(0))
    if test is None:
        test = train.rows(slice(0))
    if train.pixels.shape[1:] != test.pixels.shape[1:]:
        (height, width), (test_height, test_width) = train.pixels.shape[2:], test.pixels.shape[2:]
        raise UserError(
            f"{source}: training pictures are {height} by {width} and test pictures {test_height} by {test_width}: "
            "make them alike with --image-size"
        )
    notes = [listing.note] if listing.note else []
    skipped = len(train_rows) + len(test_rows) - len(train) - len(test)
    if skipped:
        notes.append(f"{skipped} unreadable {'picture was' if skipped == 1 else 'pictures were'} skipped")
    total = len(listing.test.labels)
    return DataSet(listing.name, source, listing.classes, train, test, "; ".join(notes), total)


def _choose(name: str, split: Split, size: int | None, classes: int, key: Key) -> Int64[Tensor, " rows"]:
    rows = torch.arange(len(split.labels))
    if size is None:
        return rows
    _check_size(name, size, classes, len(rows))
    return choose(split.labels, size, key.fold(name).at(rows))


def _read_rows(
    name: str, split: Split, rows: Int64[Tensor, " rows"], classes: tuple[str, ...], image_size: int | None
) -> Pictures:
    pixels, kept = split.read(rows, image_size)
    pictures = Pictures(pixels, split.labels[kept], kept)
    for label, count in zip(classes, pictures.labels.bincount(minlength=len(classes)).tolist(), strict=True):
        if not count:
            raise UserError(f"no picture of class {label!r} in the {name} split can be read")
    return pictures


def _check_size(split: str, size: int, classes: int, available: int | None) -> None:
    if size == 0:
        return
    if size < classes:
        raise UserError(f"--{split}-size {size} is too small: there are {classes} classes, and each needs a picture")
    if available is not None and size > available:
        raise UserError(f"--{split}-size {size} is too large: there are {available} pictures")
