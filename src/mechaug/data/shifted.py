"""Sets that are made to be measured on: whole labelled folders, domains of which one is held out, and CIFAR-10.1."""

from pathlib import Path
from typing import Final

import numpy as np
import torch

from mechaug.data.folders import find_classes, folders_in, make_split
from mechaug.data.listing import Listing, Split
from mechaug.data.resize import read_array
from mechaug.errors import UserError

CIFAR10_CLASSES: Final = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
"""The classes of CIFAR-10 in the order of their numbers, as its own files name them."""


def list_set(path: Path, *, skip_bad: bool) -> Listing:
    """A labelled folder, all of it to measure on: path/<class>/ (ImageNet-V2, -R, -A, -Sketch, a part of CINIC-10, …).

    Raises:
        UserError: there is no class, or one has no pictures.
    """
    found = find_classes(path)
    return Listing(path.resolve().name, tuple(found), None, make_split(list(found.values()), skip_bad), "")


def domains_in(path: Path) -> tuple[str, ...]:
    """The names of the domains of a set: the folders in it.

    Raises:
        UserError: there are fewer than two.
    """
    domains = folders_in(path)
    if len(domains) < 2:
        raise UserError(f"domains:{path} should hold two domains or more, as {path}/<domain>/<class>/")
    return tuple(domains)


def domains_root(source: str) -> Path | None:
    """The folder of a source that names no domain to hold out, `domains:PATH`; None of any other."""
    kind, _, where = source.partition(":")
    path = Path(where).expanduser()
    return path if kind == "domains" and where and path.is_dir() else None


def list_domains(where: str, *, skip_bad: bool) -> Listing:
    """Leave one domain out: train on all the others, measure on it.

    Args:
        where: PATH@DOMAIN; the pictures lie in PATH/<domain>/<class>/.
        skip_bad: leave out pictures that cannot be read.

    Raises:
        UserError: no domain or an unknown one is named, or the domains do not hold the same classes.
    """
    text, _, held_out = where.rpartition("@")
    path = Path(text or where).expanduser()
    domains = domains_in(path)
    if not text or held_out not in domains:
        raise UserError(
            f"domains:{where}: say which domain is held out, as in domains:{path}@{domains[0]}; "
            f"there are {', '.join(domains)}"
        )
    found = {domain: find_classes(path / domain) for domain in domains}
    classes = tuple(found[held_out])
    for domain, files in found.items():
        if tuple(files) != classes:
            apart = ", ".join(sorted(set(files) ^ set(classes)))
            raise UserError(f"domains:{path}: {domain} and {held_out} do not hold the same classes; apart are {apart}")
    others = [domain for domain in domains if domain != held_out]
    train = [[file for domain in others for file in found[domain][label]] for label in classes]
    return Listing(
        f"{path.resolve().name}, {held_out} held out",
        classes,
        make_split(train, skip_bad),
        make_split(list(found[held_out].values()), skip_bad),
        f"trained on {', '.join(others)}, measured on {held_out}",
    )


def list_cifar10_1(path: Path) -> Listing:
    """CIFAR-10.1, new pictures by the protocol of CIFAR-10: version 6 (2,000 pictures), else version 4 (2,021).

    Recht, Roelofs, Schmidt and Shankar, "Do ImageNet classifiers generalize to ImageNet?", ICML 2019; the authors use
    version 6.

    Args:
        path: the folder of cifar10.1_v6_data.npy and cifar10.1_v6_labels.npy, or one that holds it as `datasets`.

    Raises:
        UserError: a file is missing or damaged.
    """
    for folder in (path, path / "datasets"):
        for version in ("v6", "v4"):
            data, labels = (folder / f"cifar10.1_{version}_{part}.npy" for part in ("data", "labels"))
            if data.is_file() and labels.is_file():
                return Listing("cifar10.1", CIFAR10_CLASSES, None, _arrays(data, labels), f"version {version[1:]}")
    raise UserError(f"cifar10.1:{path}: there are no cifar10.1_v6_data.npy and cifar10.1_v6_labels.npy in it")


def _arrays(data: Path, labels: Path) -> Split:
    pixels, numbers = _load(data), _load(labels)
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != (32, 32, 3):
        raise UserError(f"{data} should hold uint8 of shape (n, 32, 32, 3), not {pixels.dtype} of {pixels.shape}")
    if (
        numbers.dtype.kind not in "iu"
        or numbers.shape != pixels.shape[:1]
        or not set(numbers.tolist()) <= set(range(10))
    ):
        raise UserError(f"{labels} should hold {len(pixels)} class numbers from 0 to 9")
    turned = pixels.transpose(0, 3, 1, 2)
    return Split(
        torch.from_numpy(numbers.astype(np.int64)),
        lambda rows, image_size: (read_array(turned, rows, image_size), rows),
    )


def _load(file: Path) -> np.ndarray:
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{file} cannot be read as .npy ({error}): fetch it anew") from error
