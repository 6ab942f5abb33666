import math

import pytest
import torch
from torch import nn

from mechaug.evaluation.fourier import (
    band_curve,
    filtered,
    half_plane,
    heat_map,
    heat_map_size,
    recombined,
    swap,
    wave,
)
from mechaug.keys import Key


def stored(count, size=8, seed=0):
    return torch.randint(
        70, 186, (count, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


class TestWave:
    @pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 3), (2, 0), (3, -2), (-1, 4)])
    @pytest.mark.parametrize(("height", "width"), [(12, 16), (9, 9)])
    def test_norm_one_and_only_two_frequencies(self, row, column, height, width):
        made = wave(row, column, height, width)
        assert made.norm().item() == pytest.approx(1)
        spectrum = torch.fft.fft2(made).abs()
        there = {(row % height, column % width), (-row % height, -column % width)}
        for i in range(height):
            for j in range(width):
                assert (spectrum[i, j] > 1e-9) == ((i, j) in there)

    def test_opposite_frequencies_are_one_wave(self):
        assert torch.allclose(wave(2, -3, 16, 16), wave(-2, 3, 16, 16))


class TestHeatMap:
    def test_the_published_sizes(self):
        assert heat_map_size(32, 32) == (31, 4.0)
        assert heat_map_size(224, 224) == (63, 15.7)
        assert heat_map_size(8, 20) == (7, 4.0)
        assert heat_map_size(9, 9) == (9, 4.0)

    def test_half_of_the_frequencies_and_the_mean(self):
        plane = half_plane(31)
        assert len(plane) == len(set(plane)) == (31 * 31 + 1) // 2
        assert not {(-i, -j) for i, j in plane if (i, j) != (0, 0)} & set(plane)

    def test_a_net_that_looks_at_one_frequency_errs_there_alone(self):
        class Listens(nn.Module):
            """Wrong as soon as there is energy in the wave (1, 2)."""

            def forward(self, x):
                heard = ((x - x.mean((2, 3), keepdim=True)) * wave(1, 2, 8, 8).float()).sum((2, 3)).abs().amax(1)
                return torch.stack((0.2 - heard, heard - 0.2), dim=1)

        pictures, labels = torch.full((10, 3, 8, 8), 128, dtype=torch.uint8), torch.zeros(10, dtype=torch.long)
        found = heat_map(Listens(), pictures, labels, torch.arange(10), Key(0), norm=0.5)
        expected = torch.zeros(7, 7)
        expected[3 + 1, 3 + 2] = expected[3 - 1, 3 - 2] = 1.0
        assert torch.equal(found.error, expected)
        assert (found.norm, found.pictures) == (0.5, 10)

    def test_what_the_model_sees(self):
        """x + r · v · U in every channel, r = ±1 from the picture's own key, clipped."""
        seen = []

        class Watching(nn.Module):
            def forward(self, x):
                seen.append(x.clone())
                return torch.zeros(len(x), 2)

        pictures, index = torch.full((40, 3, 8, 8), 255, dtype=torch.uint8), torch.arange(40)
        labels = torch.zeros(40, dtype=torch.long)
        heat_map(Watching(), pictures, labels, index, Key(0), side=3, norm=2.0)
        assert len(seen) == 5
        signs = []
        for (i, j), batch in zip(half_plane(3), seen, strict=True):
            added = 2.0 * wave(i, j, 8, 8).float()
            up, down = (1 + added).clamp(0, 1), (1 - added).clamp(0, 1)
            is_up = (batch - up).abs().amax((2, 3)) < 1e-6
            is_down = (batch - down).abs().amax((2, 3)) < 1e-6
            assert (is_up | is_down).all()
            signs.append(is_up.float())
        both = torch.stack(signs[1:]).mean().item()
        assert 0.4 < both < 0.6
        assert not torch.equal(signs[1], signs[2])
        # The same in any batch and order.
        whole = seen.copy()
        seen.clear()
        order = torch.arange(39, -1, -1)
        heat_map(Watching(), pictures, labels, index[order], Key(0), side=3, norm=2.0, batch_size=15)
        assert torch.equal(torch.cat(seen[:3])[order], whole[0])

    def test_refusals(self):
        pictures, labels = stored(2), torch.tensor([0, 1])
        for side in (0, 4, 9):
            with pytest.raises(ValueError, match="odd side of at most"):
                heat_map(nn.Flatten(), pictures, labels, labels, Key(0), side=side)


class TestBands:
    def test_low_and_high_part_at_every_radius_but_for_the_mean(self):
        pictures = stored(3, 16).float() / 255
        mean = pictures.mean((2, 3), keepdim=True)
        for radius in (0.0, 0.2, 0.55, 1.0):
            # No clip is met: half the contrast about the middle.
            x = 0.5 + 0.1 * (pictures - mean)
            both = filtered(x, "low", radius) + filtered(x, "high", radius) - x.mean((2, 3), keepdim=True)
            assert torch.allclose(both, x, atol=1e-6)
        assert torch.allclose(filtered(pictures, "low", 0.0), mean.expand_as(pictures), atol=1e-6)
        assert torch.allclose(filtered(pictures, "low", math.sqrt(2)), pictures, atol=1e-6)
        assert torch.allclose(filtered(pictures, "high", 0.0), pictures, atol=1e-6)

    @pytest.mark.parametrize("size", [16, 15])
    def test_the_radius_is_a_share_of_the_nyquist_frequency(self, size):
        """A wave of 3 cycles across `size` pixels lies at 6/size, and one down lies as far."""
        for wanted in (wave(0, 3, size, size), wave(3, 0, size, size)):
            x = (0.5 + wanted.float())[None, None]
            assert torch.allclose(filtered(x, "low", 6 / size + 0.01), x, atol=1e-6)
            assert torch.allclose(filtered(x, "low", 6 / size - 0.01), torch.full_like(x, 0.5), atol=1e-6)
            assert torch.allclose(filtered(x, "drop", 6 / size, 0.02), torch.full_like(x, 0.5), atol=1e-6)
            assert torch.allclose(filtered(x, "drop", 6 / size + 0.1, 0.1), x, atol=1e-6)

    def test_the_curve_of_a_net_that_needs_one_wave(self):
        class Needs(nn.Module):
            def forward(self, x):
                heard = ((x - x.mean((2, 3), keepdim=True)) * wave(0, 3, 8, 8).float()).sum((2, 3)).mean(1)
                return torch.stack((heard - 0.1, 0.1 - heard), dim=1)

        pictures = ((0.5 + 0.8 * wave(0, 3, 8, 8)).expand(5, 3, 8, 8) * 255).to(torch.uint8)
        labels = torch.zeros(5, dtype=torch.long)
        low = band_curve(Needs(), pictures, labels, "low", [0.5, 0.7, 0.8, 1.0])
        high = band_curve(Needs(), pictures, labels, "high", [0.5, 0.7, 0.8, 1.0])
        assert low.float().mean(1).tolist() == [0, 0, 1, 1]
        assert high.float().mean(1).tolist() == [1, 1, 0, 0]

    def test_refusals(self):
        with pytest.raises(ValueError, match="at least 0"):
            filtered(torch.rand(1, 1, 4, 4), "low", -0.1)
        with pytest.raises(ValueError, match="at least one radius"):
            band_curve(nn.Flatten(), stored(1), torch.tensor([0]), "low", [])


class TestSwap:
    def test_with_itself_nothing_changes(self):
        for size in (8, 9):
            pictures = stored(3, size).float() / 255
            assert torch.allclose(recombined(pictures, pictures), pictures, atol=1e-5)

    def test_amplitudes_of_the_one_and_phases_of_the_other(self):
        a, b = (0.5 + 0.1 * (stored(4, seed=s).double() / 255 - 0.5) for s in (0, 1))
        mixed = torch.fft.fft2(recombined(a, b))
        assert torch.allclose(mixed.abs(), torch.fft.fft2(a).abs(), atol=1e-9)
        angle = torch.angle(mixed * torch.fft.fft2(b).conj())
        assert torch.allclose(angle, torch.zeros_like(angle), atol=1e-6)

    def test_a_net_that_reads_the_mean_follows_the_amplitude(self):
        class Mean(nn.Module):
            def forward(self, x):
                level = x.mean((1, 2, 3))
                return -(level[:, None] - torch.tensor([0.2, 0.5, 0.8])).abs()

        labels = torch.arange(30) % 3
        base = 0.2 + 0.3 * labels[:, None, None, None] + 0.02 * (stored(30).float() / 255 - 0.5)
        pictures, index = (base * 255).round().to(torch.uint8), torch.arange(100, 130)
        found = swap(Mean(), pictures, labels, index, Key(0))
        assert (labels[found.partner] != labels).all()
        assert found.partner.unique().numel() == 30
        assert found.as_amplitude.all()
        assert not found.as_phase.any()
        # Who is whose partner does not depend on the order of the pictures.
        order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
        turned = swap(Mean(), pictures[order], labels[order], index[order], Key(0), batch_size=7)
        assert torch.equal(index[order][turned.partner], index[found.partner][order])

    def test_one_class_alone_has_no_partners(self):
        with pytest.raises(ValueError, match="3 of 4 pictures are of one"):
            swap(nn.Flatten(), stored(4), torch.tensor([0, 0, 0, 1]), torch.arange(4), Key(0))
