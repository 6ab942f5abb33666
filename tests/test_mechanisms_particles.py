"""Particles: the process of those that look largest, and their picture as one product of matrices."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from mechaug.mechanisms.particles import angular_size, coverage, draw_particles, from_nothing, sheared


def one(across: float, down: float, variance_x: float, variance_y: float, area: float, shape: tuple[int, int]):
    values = (torch.tensor([[value]], dtype=torch.float64) for value in (across, down, variance_x, variance_y, area))
    return coverage(*values, shape)[0].numpy()


@pytest.mark.parametrize("variances", [(0.25, 0.25), (3.0, 40.0), (0.3, 1e5), (1e6, 0.25)])
@pytest.mark.parametrize("shape", [(20, 33), (33, 20), (1, 8)])
def test_blur_and_motion_keep_the_area(variances: tuple[float, float], shape: tuple[int, int]) -> None:
    """Also of a streak far longer than the picture, and of one at its corner."""
    for place in ((0.5, 0.5), (0.01, 0.99)):
        assert one(*place, *variances, 2.5, shape).sum() == pytest.approx(2.5, rel=1e-12)


def test_a_particle_has_its_place_and_its_variances() -> None:
    field = one(0.4, 0.7, 2.0, 9.0, 1.0, (64, 80))
    rows, columns = np.arange(64) + 0.5, np.arange(80) + 0.5
    assert field.sum(0) @ columns == pytest.approx(0.4 * 80, abs=1e-3)
    assert field.sum(1) @ rows == pytest.approx(0.7 * 64, abs=1e-3)
    assert field.sum(0) @ (columns - 32.0) ** 2 == pytest.approx(2.0, rel=1e-4)
    assert field.sum(1) @ (rows - 44.8) ** 2 == pytest.approx(9.0, rel=1e-4)


def test_a_particle_is_the_gaussian() -> None:
    field = one(0.5, 0.5, 4.0, 4.0, 3.0, (41, 41))
    expected = 3.0 / (2 * math.pi * 4.0)
    assert field[20, 20] == pytest.approx(expected, rel=1e-6)
    # Round: three right and four down is as far as five right.
    assert field[24, 23] == pytest.approx(field[20, 25], rel=1e-9)


def test_particles_add_up() -> None:
    place = torch.tensor([[0.2, 0.7]], dtype=torch.float64)
    wide, area = torch.tensor([[1.0, 5.0]]).double(), torch.tensor([[1.0, 3.0]]).double()
    both = coverage(place, place, wide, wide, area, (16, 24))[0].numpy()
    parts = one(0.2, 0.2, 1.0, 1.0, 1.0, (16, 24)) + one(0.7, 0.7, 5.0, 5.0, 3.0, (16, 24))
    np.testing.assert_allclose(both, parts, atol=1e-12)


# Leaning ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slope", [-7, -1, 0, 1, 2, 50])
def test_whole_slopes_roll_the_rows(slope: int) -> None:
    field = torch.arange(5.0 * 8).reshape(1, 5, 8)
    expected = np.stack([np.roll(row, slope * (y - 2)) for y, row in enumerate(field[0].numpy())])
    np.testing.assert_array_equal(sheared(field, torch.tensor([float(slope)]))[0].numpy(), expected)


def test_between_pixels_rows_are_interpolated_and_keep_their_sums() -> None:
    field = torch.zeros(1, 3, 8)
    field[:, :, 4] = 1.0
    moved = sheared(field, torch.tensor([0.25]))[0]
    torch.testing.assert_close(moved[2, 4:6], torch.tensor([0.75, 0.25]))
    torch.testing.assert_close(moved[0, 3:5], torch.tensor([0.25, 0.75]))
    torch.testing.assert_close(moved.sum(-1), torch.ones(3))


# Draws --------------------------------------------------------------------------------------------------------------


def test_the_random_part_has_its_distributions() -> None:
    drawn = draw_particles(torch.arange(200), 50, torch.float64)
    for place in (drawn.across, drawn.down):
        assert stats.kstest(place.flatten(), "uniform").pvalue > 1e-3
    waits = np.diff(drawn.order.numpy(), axis=1, prepend=0.0)
    assert stats.kstest(waits.ravel(), "expon").pvalue > 1e-3
    assert drawn.volume.mean() == pytest.approx(4.0, rel=0.01)
    assert drawn.volume.var() == pytest.approx(4.0, rel=0.05)
    # The transformed normal is near the Gamma distribution, within half a per cent of probability and sampling noise.
    assert stats.kstest(drawn.volume.flatten(), stats.gamma(4).cdf).statistic < 0.02


def test_the_largest_in_the_picture_are_as_many_as_in_a_cone_full_of_drops() -> None:
    """Drops strewn one by one into the cone, counted by apparent size, against the formula's mean number."""
    generator = np.random.default_rng(0)
    number, slope, angle, depth = 2000.0, 1000.0, 0.5, 8.0  # per m³; per metre; square radians; metres
    volume = angle * depth**3 / 3
    share = number * 6 / slope**3  # ∫N·D³ dD with N = number·slope·exp(−slope·D)
    orders = torch.tensor([[10.0, 50.0, 200.0]], dtype=torch.float64)
    sizes = angular_size(orders, torch.tensor([share], dtype=torch.float64), angle)[0].numpy()
    counts, trials = np.zeros(3), 60
    diameters_seen = []
    for _ in range(trials):
        strewn = generator.poisson(number * volume)
        diameter = generator.exponential(1 / slope, strewn)
        apparent = diameter / (depth * generator.random(strewn) ** (1 / 3))
        counts += [(apparent > size).sum() for size in sizes]
        diameters_seen.append(diameter[apparent > sizes[-1]])
    np.testing.assert_allclose(counts / trials, [10.0, 50.0, 200.0], rtol=0.12)
    # And their diameters are Gamma(4): the spectrum weighted by volume.
    assert stats.kstest(np.concatenate(diameters_seen) * slope, stats.gamma(4).cdf).statistic < 0.02


def test_larger_ones_come_first() -> None:
    drawn = draw_particles(torch.arange(3), 20, torch.float32)
    sizes = angular_size(drawn.order, torch.ones(3), 1.0)
    assert (sizes.diff(dim=-1) < 0).all()


def test_strength_is_in_proportion_below_the_least_shape() -> None:
    shape, strength = from_nothing(torch.tensor([0.0, 0.25, 0.5, 4.0]), 0.5)
    torch.testing.assert_close(shape, torch.tensor([0.5, 0.5, 0.5, 4.0]))
    torch.testing.assert_close(strength, torch.tensor([0.0, 0.5, 1.0, 1.0]))
