"""Labelled folders as shifted test sets, and folders of anything as pictures from elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor

from mechaug.data.folders import make_split, pictures_in
from mechaug.data.pictures import Pictures, choose
from mechaug.data.shifted import domains_in
from mechaug.data.sources import load
from mechaug.errors import UserError
from mechaug.evaluation.classes import by_number, place_classes
from mechaug.keys import Key
from mechaug.types import Bytes


@dataclass(frozen=True)
class Shifted:
    """A shifted set: pictures with the numbers of a model's outputs as labels, and what it is called."""

    title: str
    pixels: Bytes
    labels: Int64[Tensor, "n"]


def sets_of(sources: Sequence[str]) -> tuple[str, ...]:
    """The sets that sources name: `domains:PATH` stands for each of its domains, every other source for itself.

    Raises:
        UserError: a folder of domains holds fewer than two.
    """
    found: list[str] = []
    for source in sources:
        kind, _, where = source.partition(":")
        if kind == "domains" and "@" not in where:
            path = Path(where).expanduser()
            found += [f"set:{path / domain}" for domain in domains_in(path)]
        else:
            found.append(source)
    return tuple(found)


def load_shifted(source: str, outputs: Sequence[str], like: Pictures, most: int, *, skip_bad: bool = False) -> Shifted:
    """A shifted set, brought to the size of the test pictures.

    Args:
        source: as `data.sources.load` takes it; `set:PATH` is a labelled folder, all of it.
        outputs: the names of the model's outputs: the set's classes are found among them by name.
        like: the test pictures.
        most: pictures; a subset keeps every class's share.
        skip_bad: leave out pictures that cannot be read; the title says how many.

    Raises:
        UserError: the set cannot be read, or has a class that the model does not know.
    """
    height, width = like.pixels.shape[-2:]
    if height != width:
        raise UserError(f"the test pictures are {height} by {width}: give --image-size, so that other sets can follow")
    data = load(source, image_size=height, train_size=0, skip_bad=skip_bad)
    places = torch.tensor(place_classes(outputs, data.classes, source))
    labels = places[data.test.labels]
    rows = torch.arange(len(labels))
    if most < len(labels):
        rows = choose(labels, max(most, len(data.classes)), Key(0).fold("some shifted pictures").at(data.test.index))
    title = data.name if source.startswith(("set:", "domains:", "cifar10.1:")) else source
    if by_number(outputs, data.classes):
        title += " (classes by number)"
    if skipped := max(data.test_total - len(data.test), 0):
        title += f" ({skipped} unreadable skipped)"
    return Shifted(title, data.test.pixels[rows], labels[rows])


def load_other(source: str, like: Pictures, most: int, *, skip_bad: bool = False) -> Bytes:
    """Pictures from elsewhere, of the size of the test pictures; labels, where there are any, are not looked at.

    Args:
        source: a folder of pictures at any depth, as a path or as `folder:PATH`, or another data source.
        like: the test pictures.
        most: pictures, chosen by their place in the order of their names.
        skip_bad: leave out pictures that cannot be read.

    Raises:
        UserError: there are no pictures, or they cannot be read.
    """
    height, width = like.pixels.shape[-2:]
    if height != width:
        raise UserError(f"the test pictures are {height} by {width}: give --image-size, so that other sets can follow")
    kind, colon, where = source.partition(":")
    path = Path(where if colon and kind in ("folder", "set") else source).expanduser()
    if not path.is_dir():
        data = load(source, image_size=height, train_size=0, skip_bad=skip_bad)
        return data.test.pixels[_some(len(data.test), most)]
    files = pictures_in(path)
    if not files:
        raise UserError(f"there are no pictures in {path}, which were to be shown as ones from elsewhere")
    rows = _some(len(files), most)
    return make_split([files], skip_bad).read(rows, height)[0]


def _some(count: int, most: int) -> Int64[Tensor, "rows"]:
    if count <= most:
        return torch.arange(count)
    return Key(0).fold("some other pictures").permutation(count)[:most].sort().values
