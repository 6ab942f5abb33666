"""CIFAR-10's files, as Python 2 wrote them, whole, damaged and hostile."""

import os
import pickle
import struct
from typing import ClassVar

import numpy as np
import pytest
import torch

from mechaug.data.sources import load
from mechaug.errors import UserError

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
PER_BATCH = 20


class Python2(pickle._Pickler):
    """Writes bytes as Python 2 wrote its strings, as the published files have them."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)

    def save_text(self, text):
        length = struct.pack("<B", len(text)) if len(text) < 256 else struct.pack("<i", len(text))
        self.write((b"U" if len(text) < 256 else b"T") + length + text)

    dispatch[bytes] = save_text


def write(path, record):
    with path.open("wb") as file:
        Python2(file, protocol=2).dump(record)


def batch(number):
    pixels = np.random.default_rng(number).integers(0, 256, (PER_BATCH, 3072), dtype=np.uint8)
    return {b"data": pixels, b"labels": [row % 10 for row in range(PER_BATCH)], b"batch_label": b"batch"}


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "cifar-10-batches-py"
    root.mkdir()
    for number in range(1, 6):
        write(root / f"data_batch_{number}", batch(number))
    write(root / "test_batch", batch(6))
    write(root / "batches.meta", {b"label_names": [name.encode() for name in NAMES]})
    return root


@pytest.mark.parametrize("given", ["the folder", "its parent"])
def test_the_published_layout(folder, given):
    data = load(f"cifar10:{folder if given == 'the folder' else folder.parent}")
    assert (data.name, list(data.classes), data.note) == ("cifar10", NAMES, "")
    assert data.train.pixels.shape == (5 * PER_BATCH, 3, 32, 32)
    third = torch.from_numpy(batch(3)[b"data"]).reshape(-1, 3, 32, 32)
    assert torch.equal(data.train.pixels[2 * PER_BATCH : 3 * PER_BATCH], third)
    assert data.test.labels[:12].tolist() == [*range(10), 0, 1]
    assert data.test.index.tolist() == list(range(PER_BATCH))


def test_files_that_python_3_wrote(folder):
    for number in range(1, 6):
        record = {key.decode(): value for key, value in batch(number).items()}
        (folder / f"data_batch_{number}").write_bytes(pickle.dumps(record, protocol=4))
    assert load(f"cifar10:{folder}").train.pixels.shape == (5 * PER_BATCH, 3, 32, 32)


@pytest.mark.parametrize("name", ["data_batch_4", "test_batch", "batches.meta"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(UserError, match=f"there is no .*{name}"):
        load(f"cifar10:{folder.parent}")


@pytest.mark.parametrize("keep", [0, 1, 40, 1000, -1])
def test_a_truncated_file_is_named(folder, keep):
    file = folder / "data_batch_2"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(UserError, match="data_batch_2 is damaged"):
        load(f"cifar10:{folder}")


class Hostile:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize(
    "call", [lambda mark: Hostile(os.mkdir, mark), lambda mark: Hostile(exec, f"import os; os.mkdir({mark!r})")]
)
def test_a_file_that_wants_to_run_code_is_refused(folder, tmp_path, call, protocol):
    mark = str(tmp_path / "it-ran")
    hostile = pickle.dumps({b"data": call(mark), b"labels": [0]}, protocol=protocol)
    (folder / "data_batch_1").write_bytes(hostile)
    with pytest.raises(UserError, match=r"data_batch_1: refused, because it wants to run \S+"):
        load(f"cifar10:{folder}")
    assert not os.path.exists(mark)  # noqa: PTH110
    # The same bytes do run where they are trusted: the test above could fail.
    pickle.loads(hostile)
    assert os.path.exists(mark)  # noqa: PTH110


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({b"labels": [0]}, "holds no pictures"),
        ({b"data": np.zeros((2, 3072), dtype=np.float64), b"labels": [0, 1]}, "holds no pictures"),
        ({b"data": np.zeros((2, 300), dtype=np.uint8), b"labels": [0, 1]}, "holds no pictures"),
        ({b"data": np.zeros((2, 3072), dtype=np.uint8), b"labels": [0]}, "2 pictures and 1 labels"),
        ({b"data": np.zeros((2, 3072), dtype=np.uint8), b"labels": [0, 10]}, "from 0 to 9"),
        ({b"data": np.zeros((2, 3072), dtype=np.uint8), b"labels": b"no"}, "holds no labels"),
        ([1, 2], "not a file of CIFAR-10: it holds a list"),
    ],
)
def test_a_batch_of_something_else_is_named(folder, record, message):
    write(folder / "data_batch_5", record)
    with pytest.raises(UserError, match=f"data_batch_5 .*{message}"):
        load(f"cifar10:{folder}")


def test_a_meta_file_without_names_is_named(folder):
    write(folder / "batches.meta", {b"num_vis": 3072})
    with pytest.raises(UserError, match="label_names"):
        load(f"cifar10:{folder}")
