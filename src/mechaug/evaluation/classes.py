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
        data's classes, where they are as many; else numbers, where the data's classes are some of those.

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
    if numbers := _numbers(classes, outputs):
        named = dict(zip(numbers, classes, strict=True))
        return tuple(named.get(place, str(place)) for place in range(outputs))
    raise UserError(
        f"the model has {outputs} outputs, and the data has {len(classes)} classes ({few(classes)}): measure it on the "
        "classes it was trained for, or name its outputs by --classes FILE, one name a line"
    )


def matching(names: Sequence[str], classes: Sequence[str], given: Sequence[str] | None) -> str:
    """How a data set's classes found their outputs, as a sentence; empty where both sides had names.

    Args:
        names: of the outputs, as `output_names` gives them.
        classes: of the data.
        given: as there.
    """
    if given is not None:
        return ""
    if names == wnids():
        return "classes named by wnids stand for ImageNet's 1,000 outputs"
    if len(names) > len(classes):
        return f"classes named by numbers ({few(classes)}) stand for the model's outputs of those numbers, from 0"
    return (
        f"the model's {len(names)} outputs have no names, and are taken for the classes in this order: {few(classes)} "
        "(name them by --classes FILE if that is not theirs)"
    )


def _numbers(classes: Sequence[str], outputs: int) -> tuple[int, ...]:
    """The classes as numbers of outputs; empty if they are none, or two are the same."""
    if not all(name.isascii() and name.isdigit() and int(name) < outputs for name in classes):
        return ()
    numbers = tuple(int(name) for name in classes)
    return numbers if len(set(numbers)) == len(numbers) else ()


def by_number(names: Sequence[str], classes: Sequence[str]) -> bool:
    """Whether `place_classes` takes classes for the numbers of outputs: where names do not tell, and do not differ."""
    numbers, known = _numbers(classes, len(names)), set(names)
    if not numbers or set(classes) <= known:
        return False
    return all(name not in known or names[place] == name for place, name in zip(numbers, classes, strict=True))


def place_classes(names: Sequence[str], classes: Sequence[str], where: str) -> tuple[int, ...]:
    """The output that stands for each class of a data set: of its name, or of its number where all are numbers.

    Args:
        names: of the outputs.
        classes: of the data.
        where: what the data is called in an error.

    Raises:
        UserError: a class has no output of its name.
    """
    if by_number(names, classes):
        return _numbers(classes, len(names))
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
