"""CIFAR-10 in its published python version (Krizhevsky, 2009), read without trusting it.

The files are pickles, and a pickle can name any function to call. This reader knows three names, those of which NumPy
makes its arrays, and refuses every other.
"""

import pickle
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import torch

from mechaug.data.listing import Listing, Split
from mechaug.data.resize import read_array
from mechaug.errors import UserError

_TRAIN: Final = tuple(f"data_batch_{number}" for number in range(1, 6))
_POINTS: Final = 3 * 32 * 32

# What NumPy, old or new, names to make an empty array that is then filled.
_RECONSTRUCT: Final = np.empty(0).__reduce__()[0]


def list_cifar10(path: Path) -> Listing:
    """CIFAR-10 from the folder cifar-10-batches-py, or from the folder that holds it.

    Raises:
        UserError: a file is missing, damaged, or not what it should be.
    """
    folder = path if (path / "test_batch").exists() else path / "cifar-10-batches-py"
    for name in (*_TRAIN, "test_batch", "batches.meta"):
        if not (folder / name).is_file():
            raise UserError(
                f"cifar10:{path}: there is no {folder / name}: give the python version's folder cifar-10-batches-py"
            )
    names = _read_pickle(folder / "batches.meta").get("label_names")
    if not isinstance(names, list) or not all(isinstance(name, bytes | str) for name in names):
        raise UserError(f"{folder / 'batches.meta'} holds no label_names: unpack the published archive anew")
    classes = tuple(name.decode("latin1") if isinstance(name, bytes) else name for name in names)
    train = [_read_batch(folder / name, len(classes)) for name in _TRAIN]
    return Listing("cifar10", classes, _split(train), _split([_read_batch(folder / "test_batch", len(classes))]), "")


def _split(batches: list[tuple[np.ndarray, np.ndarray]]) -> Split:
    pixels = np.concatenate([data for data, _ in batches]).reshape(-1, 3, 32, 32)
    labels = torch.from_numpy(np.concatenate([labels for _, labels in batches]))
    return Split(labels, lambda rows, image_size: (read_array(pixels, rows, image_size), rows))


def _read_batch(file: Path, classes: int) -> tuple[np.ndarray, np.ndarray]:
    record = _read_pickle(file)
    data, labels = record.get("data"), record.get("labels")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != _POINTS:
        raise UserError(f"{file} holds no pictures: its data should be uint8 of shape (n, {_POINTS})")
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label < classes for label in labels):
        raise UserError(f"{file} holds no labels: they should be a list of numbers from 0 to {classes - 1}")
    if len(labels) != len(data):
        raise UserError(
            f"{file} holds {len(data)} pictures and {len(labels)} labels: unpack the published archive anew"
        )
    return data, np.array(labels, dtype=np.int64)


def _read_pickle(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            record = _ArraysOnly(stream, encoding="bytes").load()
    except UserError as refused:
        raise UserError(f"{file}: {refused}") from None
    except Exception as error:  # a damaged pickle can raise anything
        raise UserError(f"{file} is damaged ({error}): unpack the published archive anew") from error
    if not isinstance(record, dict):
        raise UserError(f"{file} is not a file of CIFAR-10: it holds a {type(record).__name__}")
    return {key.decode("latin1") if isinstance(key, bytes) else str(key): value for key, value in record.items()}


def _dtype(name: bytes | str, *_: object) -> np.dtype:
    # The two flags that old pickles add change nothing, and new NumPy warns of them.
    return np.dtype(name.decode("ascii") if isinstance(name, bytes) else name)


@final
class _ArraysOnly(pickle.Unpickler):
    """Reads numbers, texts, lists, dicts and NumPy arrays."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401  (as in the base class)
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return _dtype
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _RECONSTRUCT
        raise UserError(f"refused, because it wants to run {module}.{name}, which no CIFAR-10 file needs")
