"""Pictures in memory and their subsets."""

import pytest
import torch

from mechaug.data.pictures import Pictures
from mechaug.keys import Key


def pictures(counts):
    labels = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    labels = labels[Key(5).permutation(len(labels))]
    pixels = torch.arange(len(labels), dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4)
    return Pictures(pixels, labels, torch.arange(len(labels)) + 1000)


def test_images_are_fractions_of_white():
    some = Pictures(torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(3, 1, 1, 1), torch.arange(3), torch.arange(3))
    assert some.image(torch.tensor([2, 1])).flatten().tolist() == pytest.approx([1.0, 0.2])
    assert some.image(slice(1)).dtype == torch.float32


@pytest.mark.parametrize(("counts", "take", "expected"), [((50, 50), 20, [10, 10]), ((90, 9, 1), 20, [18, 1, 1])])
def test_a_subset_keeps_shares_and_every_class(counts, take, expected):
    subset = pictures(counts).take(take, Key(0))
    found = subset.labels.bincount().tolist()
    assert sum(found) == take
    assert all(abs(one - other) <= 1 and one >= 1 for one, other in zip(found, expected, strict=True))


def test_a_subset_keeps_rows_together_and_depends_on_its_key():
    whole = pictures((40, 40, 40))
    subset = whole.take(30, Key(0))
    assert torch.equal(subset.index, subset.index.sort().values)
    rows = subset.index - 1000
    assert torch.equal(subset.labels, whole.labels[rows])
    assert torch.equal(subset.pixels, whole.pixels[rows])
    assert torch.equal(whole.take(30, Key(0)).index, subset.index)
    assert not torch.equal(whole.take(30, Key(1)).index, subset.index)


def test_a_subset_does_not_depend_on_the_order_of_rows():
    whole = pictures((40, 40, 40))
    turned = whole.rows(torch.arange(120).flip(0))
    assert torch.equal(turned.take(30, Key(0)).index.sort().values, whole.take(30, Key(0)).index)


def test_the_whole_and_one_of_each_class_are_subsets():
    whole = pictures((7, 3, 1))
    assert len(whole.take(11, Key(0))) == 11
    assert sorted(whole.take(3, Key(0)).labels.tolist()) == [0, 1, 2]
    for count in (2, 12):
        with pytest.raises(ValueError, match="between 3 and 11"):
            whole.take(count, Key(0))


def test_what_does_not_fit_together_is_refused():
    pixels = torch.zeros((3, 3, 2, 2), dtype=torch.uint8)
    # A TypeError where shapes are checked at run time, which they are in these tests.
    with pytest.raises((ValueError, TypeError), match=r"3 pictures, 2 labels|Expected type"):
        Pictures(pixels, torch.zeros(2, dtype=torch.int64), torch.arange(3))
    with pytest.raises(ValueError, match="from 0"):
        Pictures(pixels, torch.tensor([0, -1, 1]), torch.arange(3))
