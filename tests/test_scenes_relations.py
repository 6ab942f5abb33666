"""Relations: each formula against values worked out by hand, and the shape of each noise."""

import math

import pytest
import torch
from torch.distributions import Normal

from mechaug.scenes import Band, Changed, Linear, Lookup, Power, Quantiles, Sometimes

MIDDLE = torch.full((3,), 0.5, dtype=torch.float64)
EVEN = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
ONE_SIGMA = torch.full((1,), 0.8413447460685429, dtype=torch.float64)


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_linear_is_a_weighted_sum() -> None:
    got = Linear((2.0, -1.0), 3.0, spread=0.5).value([column(0, 1, 2), column(5, 5, 5)], MIDDLE)
    torch.testing.assert_close(got, column(-2, 0, 2))
    assert Linear((2.0,), 3.0, spread=0.5).value([column(1)], ONE_SIGMA).item() == pytest.approx(5.5)


def test_power_is_a_product_of_powers() -> None:
    got = Power((2.0, -1.0), 3.0).value([column(1, 2, 4), column(1, 2, 8)], MIDDLE)
    torch.testing.assert_close(got, column(3, 6, 6))
    assert Power((1.0,), 1.0, spread=0.3).value([column(2)], ONE_SIGMA).item() == pytest.approx(2 * math.exp(0.3))


def test_lookup_is_straight_on_its_scales_and_level_beyond() -> None:
    curve = Lookup((1.0, 100.0), (10.0, 1000.0), scale="log", at_scale="log")
    torch.testing.assert_close(curve.value([column(0.1, 10, 1e9)], MIDDLE), column(10, 100, 1000))
    straight = Lookup((0.0, 1.0, 3.0), (0.0, 10.0, 0.0))
    torch.testing.assert_close(straight.value([column(0.5, 1, 2)], MIDDLE), column(5, 10, 5))
    assert straight.value([column(math.inf)], MIDDLE[:1]).item() == 0


def test_band_is_uniform_between_its_ends() -> None:
    band = Band((0.0, 1.0), (1.0, 10.0), (3.0, 1000.0))
    low = band.value([torch.zeros(1000, dtype=torch.float64)], EVEN)
    assert (low.min() >= 1) and (low.max() <= 3) and low.mean().item() == pytest.approx(2)
    log = Band((0.0, 1.0), (1.0, 10.0), (3.0, 1000.0), scale="log").value([column(1)], MIDDLE[:1])
    assert log.item() == pytest.approx(100)


def test_sometimes_happens_as_often_as_it_says() -> None:
    drawn = Sometimes(0.2, (50.0, 500.0), math.inf, "log").value([], EVEN)
    happens = drawn[drawn.isfinite()]
    assert len(happens) == 200
    # What decided is spent: the law's own quantiles are still even.
    assert happens.log().mean().exp().item() == pytest.approx(math.sqrt(50 * 500), rel=0.01)
    assert Sometimes(1.0, 4.0, 0.0).value([], MIDDLE).tolist() == [4, 4, 4]
    assert Sometimes(0.0, 4.0, 7.0).value([], MIDDLE).tolist() == [7, 7, 7]
    assert Sometimes(1.0, Normal(2.0, 1.0), 0.0).value([], EVEN).mean().item() == pytest.approx(2, abs=1e-3)


def test_quantiles_are_what_was_measured() -> None:
    law = Quantiles((0.0, 1.0, 1.0, 5.0))
    torch.testing.assert_close(law.value([], column(0.0, 0.5, 1.0)), column(0, 1, 5))
    assert (law.value([], EVEN) == 1).double().mean().item() == pytest.approx(1 / 3, abs=0.01)
    ends = Quantiles((1.0, math.inf, math.inf)).value([], column(0.0, 0.2, 0.9))
    assert ends.tolist() == [1, math.inf, math.inf]


def test_changed_keeps_the_law_within() -> None:
    got = Changed(Linear((1.0,)), factor=2.0, shift=-1.0).value([column(1, 2, 3)], MIDDLE)
    torch.testing.assert_close(got, column(1, 3, 5))
    assert Changed((0.0, 10.0), shift=1.0).value([], MIDDLE).tolist() == [6, 6, 6]
    assert Changed(5.0, factor=3.0).value([], MIDDLE).tolist() == [15, 15, 15]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Linear(()), "at least one"),
        (lambda: Linear((1.0,), spread=-1.0), "standard deviation"),
        (lambda: Power((1.0,), factor=0.0), "positive"),
        (lambda: Lookup((1.0, 1.0), (0.0, 1.0)), "ascending"),
        (lambda: Lookup((1.0, 2.0), (0.0,)), "as many values"),
        (lambda: Lookup((1.0, 2.0), (0.0, 1.0), scale="log"), "positive"),
        (lambda: Lookup((1.0, 2.0), (0.0, math.inf)), "finite"),
        (lambda: Band((0.0, 1.0), (2.0, 2.0), (3.0, 1.0)), "below its lower end"),
        (lambda: Sometimes(1.5, 1.0, 0.0), "0 to 1"),
        (lambda: Sometimes(0.5, (3.0, 1.0), 0.0), "reversed"),
        (lambda: Quantiles((2.0, 1.0)), "ascending"),
        (lambda: Quantiles((0.0, 1.0), "log"), "positive"),
        (lambda: Changed(1.0, factor=-1.0), "positive"),
    ],
)
def test_relations_refuse_what_makes_no_sense(make, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()
