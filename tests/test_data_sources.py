"""What every source has in common, and the embedded one."""

import numpy as np
import pytest
import torch

from mechaug.data.sources import load
from mechaug.errors import UserError


def test_signs_by_default_and_in_other_sizes():
    data = load("signs", train_size=20, test_size=10)
    assert data.name == data.source == "signs"
    assert len(data.classes) == 10
    assert data.train.pixels.shape == (20, 3, 32, 32)
    assert data.test.pixels.shape == (10, 3, 32, 32)
    assert "synthetic" in data.note
    assert load("signs", image_size=16, train_size=0, test_size=10).train.pixels.shape == (0, 3, 16, 16)


def test_confounded_signs_differ_from_free_ones_and_say_so():
    free, tied = (load(source, train_size=10, test_size=10) for source in ("signs", "signs:0.9"))
    assert tied.source == "signs:0.9"
    assert "90%" in tied.note
    assert not torch.equal(free.train.pixels, tied.train.pixels)
    assert torch.equal(load("signs:0", train_size=10, test_size=10).train.pixels, free.train.pixels)


@pytest.mark.parametrize("source", ["signs:2", "signs:-0.1", "signs:nan", "signs:much", "signs:"])
def test_a_confounding_that_is_no_probability_is_refused(source):
    with pytest.raises(UserError, match="probability from 0 to 1"):
        load(source)


@pytest.mark.parametrize("source", ["imagenet", "", "zip:data"])
def test_unknown_sources_are_told_what_is_known(source):
    with pytest.raises(UserError, match=r"signs, signs:RHO, cifar10:PATH, folder:PATH, npz:FILE, npy:FOLDER, set:PATH"):
        load(source)


@pytest.mark.parametrize("source", ["cifar10", "folder:", "npz", "npy:"])
def test_a_source_without_its_path_is_refused(source):
    with pytest.raises(UserError, match="lacks its path: give"):
        load(source)


@pytest.mark.parametrize("kind", ["cifar10", "folder", "npz", "npy"])
def test_a_missing_path_is_named(kind, tmp_path):
    with pytest.raises(UserError, match=r"there is no .*nowhere"):
        load(f"{kind}:{tmp_path / 'nowhere'}")


@pytest.fixture
def arrays(tmp_path):
    """Two classes, the second rarer, each picture of one grey value that is its place."""
    for split, count in (("train", 60), ("test", 30)):
        grey = np.arange(count, dtype=np.uint8)
        np.save(tmp_path / f"x_{split}.npy", np.broadcast_to(grey[:, None, None, None], (count, 16, 16, 3)))
        np.save(tmp_path / f"y_{split}.npy", (np.arange(count) % 3 == 0).astype(np.int32))
    return f"npy:{tmp_path}"


def test_subsets_are_stratified_and_keep_their_places(arrays):
    data = load(arrays, train_size=30, test_size=15)
    assert data.train.labels.bincount().tolist() == [20, 10]
    assert data.test.labels.bincount().tolist() == [10, 5]
    assert torch.equal(data.train.pixels[:, 0, 0, 0].long(), data.train.index)
    assert torch.equal(data.train.labels, (data.train.index % 3 == 0).long())
    assert not torch.equal(data.train.index, load(arrays, train_size=30, seed=1).train.index)


def test_pictures_are_resized_when_asked(arrays):
    data = load(arrays, image_size=8)
    assert data.train.pixels.shape == (60, 3, 8, 8)
    assert torch.equal(data.train.pixels[:, 0, 3, 3].long(), data.train.index)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_size": 61}, "--train-size 61 is too large: there are 60"),
        ({"train_size": 1}, "--train-size 1 is too small: there are 2 classes"),
        ({"train_size": -5}, "--train-size -5 is too small"),
        ({"test_size": 31}, "--test-size 31 is too large: there are 30"),
        ({"train_size": 0, "test_size": 0}, "leave nothing"),
        ({"image_size": 4}, "at least 8"),
        ({"image_size": 100_000_000}, "GB of memory"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(arrays, options, message):
    with pytest.raises(UserError, match=message):
        load(arrays, **options)


@pytest.mark.parametrize(("split", "size"), [("train", 9), ("test", 9), ("test", 1)])
def test_fewer_signs_than_classes_are_refused(split, size):
    with pytest.raises(UserError, match=f"--{split}-size {size} is too small: there are 10 classes"):
        load("signs", **{f"{split}_size": size})


def test_training_alone_reads_no_test_pictures(arrays):
    trained = load(arrays, test_size=0)
    assert len(trained.test) == 0 and len(trained.train) > 0
    assert trained.test.pixels.shape[1:] == trained.train.pixels.shape[1:]
    assert len(load("signs", train_size=10, test_size=0).test) == 0
