"""Laws: what is drawn from a number, a range and a distribution, and which laws are refused with which sentence."""

import math
from dataclasses import dataclass

import pytest
import torch
from scipy import stats
from torch.distributions import Beta, Distribution, Exponential, Gamma, LogNormal, Normal, Uniform

from mechaug.keys import Key
from mechaug.laws import Law, Quantity, check_law, draw_law, quantities, quantity

LINEAR = Quantity("m", neutral=0.0)
LOG = Quantity("m", neutral=1.0, scale="log", low=0.0)
SHARE = Quantity("", neutral=0.0, low=0.0, high=1.0)


def keys(count: int = 10_000) -> Key:
    return Key(3).at(torch.arange(count)).fold("law")


def draw(law: Law, meaning: Quantity, count: int = 10_000) -> torch.Tensor:
    check_law("Owner", "field", law, meaning)
    drawn = draw_law(law, keys(count), meaning)
    assert drawn.dtype == torch.float32
    assert drawn.shape == (count,)
    return drawn


# Draws -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", [3.0, -2.5, 0.0, math.inf, -math.inf])
def test_a_number_is_itself_for_every_image(law: float) -> None:
    assert torch.equal(draw(law, LINEAR, 3), torch.full((3,), float(law)))


def test_a_range_is_uniform() -> None:
    drawn = draw((-2.0, 5.0), LINEAR)
    assert stats.kstest(drawn.double().numpy(), stats.uniform(-2, 7).cdf).pvalue > 0.01


def test_a_log_range_is_uniform_in_the_logarithm() -> None:
    drawn = draw((0.5, 2000.0), LOG).double()
    assert drawn.min() >= 0.5 * (1 - 1e-6)
    assert drawn.max() <= 2000.0 * (1 + 1e-6)
    assert stats.kstest(drawn.numpy(), stats.loguniform(0.5, 2000.0).cdf).pvalue > 0.01
    # And is therefore far from uniform: half of the draws lie below the geometric mean.
    assert abs(float((drawn < math.sqrt(0.5 * 2000.0)).double().mean()) - 0.5) < 0.02


@pytest.mark.parametrize("meaning", [LINEAR, LOG], ids=["linear", "log"])
def test_a_range_of_one_value_is_that_value(meaning: Quantity) -> None:
    assert torch.equal(draw((2.5, 2.5), meaning, 4), torch.full((4,), 2.5))


def test_a_log_range_at_zero_or_infinity_is_allowed_where_it_is_one_value() -> None:
    assert torch.equal(draw((0.0, 0.0), LOG, 2), torch.zeros(2))


@pytest.mark.parametrize(
    ("law", "exact"),
    [
        (Normal(1.0, 2.0), stats.norm(1, 2)),
        (LogNormal(0.5, 0.25), stats.lognorm(0.25, scale=math.exp(0.5))),
        (Uniform(-1.0, 3.0), stats.uniform(-1, 4)),
        (Exponential(0.5), stats.expon(scale=2)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_distribution_is_drawn_from(law: Distribution, exact: stats.rv_continuous) -> None:
    assert stats.kstest(draw(law, LINEAR).double().numpy(), exact.cdf).pvalue > 0.01


def test_draws_from_a_distribution_stay_inside_what_exists() -> None:
    drawn = draw(Normal(0.5, 1.0), SHARE)
    assert drawn.min() == 0.0
    assert drawn.max() == 1.0
    inside = drawn[(drawn > 0) & (drawn < 1)].double().numpy()
    assert stats.kstest(inside, stats.truncnorm(-0.5, 0.5, loc=0.5, scale=1.0).cdf).pvalue > 0.01


def test_one_key_gives_the_same_quantile_of_every_law() -> None:
    """What makes a change of law an intervention on the law alone: who had more before has more after."""
    unit = draw((0.0, 1.0), LINEAR, 500).argsort()
    assert torch.equal(draw((5.0, 90.0), LOG, 500).argsort(), unit)
    assert torch.equal(draw(Normal(0.0, 1.0), LINEAR, 500).argsort(), unit)


@pytest.mark.parametrize("law", [(0.2, 0.9), Normal(0.0, 1.0)], ids=["range", "distribution"])
def test_draws_do_not_depend_on_the_batch(law: Law) -> None:
    whole = draw_law(law, keys(50), LINEAR)
    order = torch.tensor([31, 4, 4, 0])
    assert torch.equal(draw_law(law, keys(50).rows(order), LINEAR), whole[order])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("law", [2.0, (0.2, 0.9), Normal(0.0, 1.0)], ids=["number", "range", "distribution"])
def test_draws_are_the_same_on_cuda(law: Law) -> None:
    for meaning in (LINEAR, LOG):
        drawn = draw_law(law, keys().to("cuda"), meaning)
        assert drawn.device.type == "cuda"
        assert torch.equal(drawn.cpu(), draw_law(law, keys(), meaning))


# Refusals ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "meaning", "error", "sentence"),
    [
        ((3.0, 2.0), LINEAR, ValueError, r"the range \(3.0, 2.0\) is reversed; write \(2.0, 3.0\)"),
        ((1.0, 2.0, 3.0), LINEAR, TypeError, r"takes a range of two numbers \(low, high\)"),
        ((1.0,), LINEAR, TypeError, r"takes a range of two numbers"),
        (("1", "2"), LINEAR, TypeError, r"takes a range of two numbers"),
        ([1.0, 2.0], LINEAR, TypeError, "takes a number, a range .* not list"),
        ("1.0", LINEAR, TypeError, "takes a number, a range .* not str"),
        (None, LINEAR, TypeError, "not NoneType"),
        (True, LINEAR, TypeError, "not bool"),
        (torch.tensor(1.0), LINEAR, TypeError, "not Tensor"),
        (math.nan, LINEAR, ValueError, "nan is outside"),
        ((math.nan, 1.0), LINEAR, ValueError, "outside"),
        ((0.0, math.nan), LINEAR, ValueError, "outside"),
        ((math.nan, 1.0), LOG, ValueError, "outside|positive"),
        (-1.0, LOG, ValueError, "-1.0 is outside 0 to inf m, the values that exist"),
        ((0.5, 1.5), SHARE, ValueError, r"\(0.5, 1.5\) is outside 0 to 1, the values that exist"),
        (1.0001, SHARE, ValueError, "outside 0 to 1"),
        ((0.0, 2.0), LOG, ValueError, r"uniform in the logarithm .* both ends of \(0.0, 2.0\) must be positive"),
        ((1.0, math.inf), LOG, ValueError, "must be"),
        (Beta(2.0, 2.0), SHARE, ValueError, "Beta has no inverse distribution function"),
        (Gamma(2.0, 2.0), LOG, ValueError, r"Gamma has no inverse .* use Normal, LogNormal, Uniform, Exponential"),
        (Normal(torch.zeros(2), torch.ones(2)), LINEAR, ValueError, "distribution of single numbers"),
    ],
)
@pytest.mark.untyped
def test_a_bad_law_is_refused_in_a_sentence(
    law: object, meaning: Quantity, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence) as caught:
        check_law("Haze", "visibility_m", law, meaning)  # type: ignore[arg-type]
    assert "Haze(visibility_m=…)" in str(caught.value), "the sentence says whose law it is"


@pytest.mark.parametrize("law", [(-math.inf, 0.0), (0.0, math.inf), (-math.inf, math.inf)])
def test_a_linear_range_without_an_end_is_refused(law: Law) -> None:
    with pytest.raises(ValueError, match="finite"):
        check_law("Exposure", "exposure_ev", law, LINEAR)


@pytest.mark.parametrize("law", [0.0, 1.0, (0.0, 1.0), (1.0, 1.0), Uniform(0.0, 1.0)])
def test_what_is_within_the_bounds_is_accepted(law: Law) -> None:
    check_law("Owner", "field", law, SHARE)


@pytest.mark.parametrize("law", [1, (0, 1)], ids=repr)
@pytest.mark.untyped
def test_integers_are_numbers(law: Law) -> None:
    check_law("Owner", "field", law, SHARE)
    assert torch.equal(draw_law(law, keys(9), SHARE), draw_law(_as_float(law), keys(9), SHARE))


def _as_float(law: Law) -> Law:
    return (float(law[0]), float(law[1])) if isinstance(law, tuple) else float(law)  # type: ignore[arg-type]


# Quantities --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Lens:
    zoom: Law = quantity((1.0, 4.0), "×", neutral=1.0, scale="log", low=0.5, high=8.0, sweep=(2.0, 8.0))
    name: str = "lens"
    tilt: Law = quantity(0.0, "°", neutral=0.0, held=3.0)


def test_quantities_are_the_laws_in_order_and_nothing_else() -> None:
    expected = {
        "zoom": Quantity("×", 1.0, "log", 0.5, 8.0, (2.0, 8.0), None),
        "tilt": Quantity("°", 0.0, held=3.0),
    }
    assert dict(quantities(_Lens)) == dict(quantities(_Lens())) == expected
    assert list(dict(quantities(_Lens()))) == ["zoom", "tilt"]
    assert _Lens().zoom == (1.0, 4.0)


def test_between_follows_the_scale() -> None:
    zoom = dict(quantities(_Lens))["zoom"]
    assert [zoom.between(t) for t in (0.0, 0.5, 1.0)] == pytest.approx([2.0, 4.0, 8.0])
    linear = Quantity("", neutral=0.0, sweep=(5.0, -3.0))
    assert [linear.between(t) for t in (0.0, 0.25, 1.0)] == pytest.approx([5.0, 3.0, -3.0])


def test_what_is_held_stays() -> None:
    assert dict(quantities(_Lens))["tilt"].between(0.7) == 3.0
    assert Quantity("", neutral=2.0).between(0.7) == 2.0
    assert Quantity("", neutral=2.0, held=0.0).between(0.7) == 0.0
