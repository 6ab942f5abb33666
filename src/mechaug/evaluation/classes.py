"""Which output of a model stands for which class of a data set: by number where they are as many, else by name."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from mechaug.data.imagenet import wnids
from mechaug.data.pictures import DataSet, Pictures
from mechaug.errors import UserError

_FEW = 4


def output_names(outputs: int, classes: Sequence[str], given: Sequence[str] | None) -> tuple[str, ...]:
    """The names of a model's outputs.

    Args:
        outputs: how many it has.
        classes: of the data it is measured on.
        given: the names that are known, from the model's own file or from the user; None where nobody knows.

    Returns:
        The given names; else ImageNet's for 1,000 outputs on folders that are named after its classes; else the
        data's classes, where they are as many.

    Raises:
        UserError: the numbers do not fit.
    """
    if given is not None:
        if len(given) != outputs:
            raise UserError(
                f"{len(given)} class names were given, and the model has {outputs} outputs: give one name per output"
            )
        return tuple(given)
    if outputs == len(wnids()) and set(classes) <= set(wnids()):
        return wnids()
    if outputs == len(classes):
        return tuple(classes)
    raise UserError(
        f"the model has {outputs} outputs, and the data has {len(classes)} classes ({few(classes)}): measure it on the "
        "classes it was trained for, or name its outputs by --classes FILE, one name a line"
    )


def place_classes(names: Sequence[str], classes: Sequence[str], where: str) -> tuple[int, ...]:
    """The output that stands for each class of a data set.

    Args:
        names: of the outputs.
        classes: of the data.
        where: what the data is called in an error.

    Raises:
        UserError: a class has no output of its name.
    """
    places = {name: place for place, name in enumerate(names)}
    missing = [name for name in classes if name not in places]
    if missing:
        raise UserError(
            f"{where} has {'a class' if len(missing) == 1 else 'classes'} that the model does not know by name: "
            f"{few(missing)}; the model's are {few(names)}: rename the folders, or give --classes FILE"
        )
    return tuple(places[name] for name in classes)


def relabel(data: DataSet, names: Sequence[str]) -> Pictures:
    """The test pictures of a data set, with the numbers of a model's outputs as labels.

    Raises:
        UserError: as `place_classes`.
    """
    places = torch.tensor(place_classes(names, data.classes, data.source))
    return replace(data.test, labels=places[data.test.labels])


def few(names: Sequence[str]) -> str:
    """The first few names."""
    return ", ".join(names[:_FEW]) + (", …" if len(names) > _FEW else "")
