"""NumPy arrays on disk, in the layouts that people have, and what is wrong with others."""

import numpy as np
import pytest
import torch

from mechaug.data.sources import load
from mechaug.errors import UserError

COUNT = 6


def content(count=COUNT, channels=3):
    """Pictures whose rows, columns and channels all differ, so that a wrong layout shows."""
    pixels = np.arange(count * 10 * 9 * channels).reshape(count, 10, 9, channels).astype(np.uint8)
    return pixels, np.arange(count) % 2


def arrays(names=("x_train", "y_train", "x_test", "y_test"), **changes):
    pixels, labels = content()
    made = dict(zip(names, (pixels, labels, pixels[:4], labels[:4]), strict=True))
    return made | changes


def as_loaded(pixels):
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


@pytest.mark.parametrize(
    "names",
    [("x_train", "y_train", "x_test", "y_test"), ("train_images", "train_labels", "test_images", "test_labels")],
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_under_both_namings(tmp_path, names, save):
    save(tmp_path / "mine.npz", **arrays(names))
    data = load(f"npz:{tmp_path / 'mine.npz'}")
    assert (data.name, data.classes, data.note) == ("mine", ("0", "1"), "")
    assert torch.equal(data.train.pixels, as_loaded(content()[0]))
    assert data.test.labels.tolist() == [0, 1, 0, 1]
    assert data.test.labels.dtype == torch.int64


def test_npy_reads_a_folder(tmp_path):
    for name, array in arrays().items():
        np.save(tmp_path / f"{name}.npy", array)
    data = load(f"npy:{tmp_path}", train_size=4)
    assert torch.equal(data.train.pixels, as_loaded(content()[0])[data.train.index])


@pytest.mark.parametrize("layout", ["NCHW", "NHW", "NHW1", "N1HW"])
def test_other_layouts_give_three_channels(tmp_path, layout):
    pixels = content(channels=3 if layout == "NCHW" else 1)[0]
    stored = {
        "NCHW": pixels.transpose(0, 3, 1, 2),
        "NHW": pixels[..., 0],
        "NHW1": pixels,
        "N1HW": pixels.transpose(0, 3, 1, 2),
    }[layout]
    labels = content()[1][:, None]
    np.savez(tmp_path / "a.npz", x_train=stored, y_train=labels, x_test=stored, y_test=labels)
    data = load(f"npz:{tmp_path / 'a.npz'}")
    assert torch.equal(data.train.pixels, as_loaded(pixels).expand(-1, 3, -1, -1))


def test_a_set_to_measure_on_needs_no_training_pictures(tmp_path):
    pixels, labels = content()
    np.savez(tmp_path / "a.npz", x_test=pixels, y_test=labels)
    data = load(f"npz:{tmp_path / 'a.npz'}", train_size=0)
    assert (len(data.train), len(data.test)) == (0, 6)
    with pytest.raises(UserError, match=r"no training pictures.*--train-size 0"):
        load(f"npz:{tmp_path / 'a.npz'}")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": content()[0].astype(np.float32)}, "x_train should be uint8, 0 to 255, not float32"),
        ({"x_train": content()[0][:5]}, "x_train has 5 pictures, and y_train has 6 labels"),
        ({"x_train": content()[0][..., :2]}, "NHWC or NCHW with 1 or 3 channels"),
        ({"y_train": np.linspace(0, 1, 6)}, "y_train should be one class number per picture, not float64"),
        ({"y_train": np.zeros((6, 2), dtype=int)}, r"not int64 of shape \(6, 2\)"),
        ({"y_train": np.arange(6) % 3}, "do not hold the same classes; only one of them has 2"),
        ({"y_train": np.arange(6) % 2 + 1, "y_test": np.arange(4) % 2 + 1}, "should be 0, 1, 2 .* not 1, 2"),
        ({"y_train": np.zeros(6, dtype=int), "y_test": np.zeros(4, dtype=int)}, "one class only"),
        ({"x_test": content()[0][:0], "y_test": content()[1][:0]}, "x_test has no pictures"),
        ({"x_train": np.array([object()] * 6)}, "allow_pickle=False"),
    ],
)
def test_arrays_that_do_not_fit_are_named(tmp_path, changes, message):
    np.savez(tmp_path / "a.npz", **arrays(**changes))
    with pytest.raises(UserError, match=message):
        load(f"npz:{tmp_path / 'a.npz'}")


def test_missing_names_are_told(tmp_path):
    np.savez(tmp_path / "a.npz", images=content()[0])
    with pytest.raises(UserError, match=r"needs the arrays x_train, y_train.* it has images"):
        load(f"npz:{tmp_path / 'a.npz'}")
    with pytest.raises(UserError, match="it has none"):
        load(f"npy:{tmp_path}")
    pixels, labels = content()
    np.savez(tmp_path / "b.npz", x_train=pixels, x_test=pixels, y_test=labels)
    with pytest.raises(UserError, match="it has x_test, x_train, y_test"):
        load(f"npz:{tmp_path / 'b.npz'}")


@pytest.mark.parametrize(
    "damage", [lambda whole: whole[: len(whole) // 2], lambda whole: b"not an archive", lambda _: b""]
)
def test_damaged_files_are_named(tmp_path, damage):
    np.savez(tmp_path / "a.npz", **arrays())
    (tmp_path / "a.npz").write_bytes(damage((tmp_path / "a.npz").read_bytes()))
    with pytest.raises(UserError, match=r"a\.npz cannot be read as \.npz"):
        load(f"npz:{tmp_path / 'a.npz'}")
    for name, array in arrays().items():
        np.save(tmp_path / f"{name}.npy", array)
    (tmp_path / "x_test.npy").write_bytes(damage((tmp_path / "x_test.npy").read_bytes()))
    with pytest.raises(UserError, match=r"x_test\.npy cannot be read as \.npy"):
        load(f"npy:{tmp_path}")


def test_a_file_and_a_folder_are_not_confused(tmp_path):
    np.save(tmp_path / "a.npz.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"is no \.npz file"):
        load(f"npz:{tmp_path / 'a.npz.npy'}")
    with pytest.raises(UserError, match=r"cannot be read as \.npz"):
        load(f"npz:{tmp_path}")
    with pytest.raises(UserError, match="needs the arrays"):
        load(f"npy:{tmp_path / 'a.npz.npy'}")
