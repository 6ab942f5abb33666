import pytest
import torch
from torch import nn

from mechaug.evaluation.stability import (
    FRAMES,
    SEQUENCES,
    Sequence,
    find_sequence,
    frame,
    mean_flip_rate,
    stability,
    top5_distance,
)
from mechaug.keys import Key


def stored(count, size=32):
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def keys(count):
    return Key(0).at(torch.arange(count))


class Level(nn.Module):
    """Class 1 where the mean is over one half."""

    def forward(self, x):
        level = x.mean((1, 2, 3))
        return torch.stack((torch.full_like(level, 0.5), level), dim=1)


def scripted(levels, *, noise):
    """A sequence of flat pictures of these brightnesses."""
    return Sequence(
        "scripted", "Scripted", "", noise=noise, frame=lambda x, number, key: torch.full_like(x, levels[number])
    )


class TestFlips:
    def measure(self, levels, *, noise):
        return stability(Level(), stored(2), torch.arange(2), Key(0), scripted(levels, noise=noise)).flips.tolist()

    def test_neighbours_are_compared(self):
        levels = [0.2] * 10 + [0.8] * 10 + [0.2] * 11  # two changes among 30 pairs
        assert self.measure(levels, noise=False) == pytest.approx([2 / 30] * 2)

    def test_noise_is_compared_with_the_first_frame(self):
        levels = [0.2] * 10 + [0.8] * 10 + [0.2] * 11  # ten of 30 frames differ from the first
        assert self.measure(levels, noise=True) == pytest.approx([10 / 30] * 2)

    def test_nothing_changes_nothing_flips(self):
        assert self.measure([0.7] * FRAMES, noise=False) == [0, 0]

    def test_the_batch_and_the_order_do_not_matter(self):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 10)).double()

        class Net(nn.Module):
            def forward(self, x):
                return net(x.double())

        pictures, index = stored(9, 8), torch.arange(50, 59)
        for name in ("gaussian_noise", "snow", "rotate"):
            sequence = find_sequence(name)
            whole = stability(Net(), pictures, index, Key(0), sequence)
            order = torch.arange(8, -1, -1)
            parts = stability(Net(), pictures[order], index[order], Key(0), sequence, batch_size=4)
            assert torch.equal(parts.flips, whole.flips[order])
            assert torch.allclose(parts.top5, whole.top5[order])
            assert whole.flips.max() > 0


class TestMeanFlipRate:
    def test_by_hand(self):
        assert mean_flip_rate({"snow": 0.1, "tilt": 0.3}, {"snow": 0.2, "tilt": 0.2}) == pytest.approx(1.0)
        assert mean_flip_rate({"snow": 0.1, "tilt": 0.0}, {"snow": 0.2, "tilt": 0.2}) == pytest.approx(0.25)

    def test_refusals(self):
        with pytest.raises(ValueError, match="same sequences"):
            mean_flip_rate({"snow": 0.1}, {"tilt": 0.1})
        with pytest.raises(ValueError, match="never flips along tilt"):
            mean_flip_rate({"snow": 0.1, "tilt": 0.1}, {"snow": 0.1, "tilt": 0.0})


class TestTop5:
    def test_by_hand(self):
        first = torch.tensor([[7.0, 6, 5, 4, 3, 2, 1]])
        assert top5_distance(first, first).item() == 0
        swapped = first[:, [1, 0, 2, 3, 4, 5, 6]]
        assert top5_distance(first, swapped).item() == 2
        # The likeliest becomes the last: rank 6 for it, and the four others move up by one.
        fallen = first.clone()
        fallen[0, 0] = 0
        assert top5_distance(first, fallen).item() == 5 + 4
        # All five leave: 5 + 4 + 3 + 2 + 1.
        assert top5_distance(torch.arange(12.0)[None], -torch.arange(12.0)[None]).item() == 15

    def test_few_classes(self):
        assert top5_distance(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])).item() == 2


class TestSequences:
    @pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda sequence: sequence.name)
    def test_pictures_that_change_slowly(self, sequence):
        pictures = torch.nn.functional.interpolate(stored(2, 8).float() / 255, 32, mode="bilinear")
        frames = [frame(sequence, pictures, number, keys(2)) for number in range(0, FRAMES, 5)]
        steps = [frame(sequence, pictures, number, keys(2)) for number in (14, 15)]
        for made in frames:
            assert made.shape == pictures.shape
            assert torch.allclose(made * 255, (made * 255).round(), atol=1e-4)
            assert made.min() >= 0
            assert made.max() <= 1
        whole = max((b - frames[0]).abs().mean() for b in frames)
        assert whole > 0.004
        if sequence.noise:
            assert torch.allclose(frames[0], pictures, atol=0.5 / 255 + 1e-6)
            assert not torch.equal(frames[1], frames[2])
        else:
            assert 0 < (steps[1] - steps[0]).abs().mean() < 0.3 * whole

    def test_the_middle_of_a_swept_sequence_is_the_picture_itself(self):
        pictures = stored(2).float() / 255
        for name in ("brightness", "translate", "rotate", "tilt", "scale"):
            assert torch.allclose(frame(find_sequence(name), pictures, 15, keys(2)), pictures, atol=1.1 / 255)

    def test_refusals(self):
        with pytest.raises(ValueError, match="use one of gaussian_noise"):
            find_sequence("fog")
        with pytest.raises(ValueError, match="frames 0 to 30"):
            frame(SEQUENCES[0], stored(1).float(), 31, keys(1))
        with pytest.raises(ValueError, match="no pictures"):
            stability(Level(), stored(0), torch.zeros(0, dtype=torch.long), Key(0), SEQUENCES[0])
