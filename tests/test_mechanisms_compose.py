"""Combinators: order, draws that no neighbour changes, frequencies, mixtures of light, records of all of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.distributions import LogNormal, Normal
from torch.utils._pytree import tree_leaves

from mechaug import spec
from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms import (
    TYPES,
    Chain,
    ChainParams,
    Defocus,
    Exposure,
    ExposureParams,
    Haze,
    HazeParams,
    Maybe,
    Mechanism,
    Mix,
    OneOf,
    Parameters,
    Sensor,
    View,
    Viewpoint,
    base,
    parameters,
    to_light,
    to_picture,
)
from mechaug.mechanisms.base import check_laws, draw_quantities, neutral_quantities, per_image
from mechaug.mechanisms.parts import label
from mechaug.testing import example_pictures


@parameters
class NegativeParams(Parameters):
    """`share`: how much of the negative is in the picture."""

    share: Tensor


@final
@dataclass(frozen=True)
class Negative(Mechanism[NegativeParams]):
    """A mechanism on pictures, as a third party would write it."""

    share: Law = quantity((0.2, 0.9), "", neutral=0.0, low=0.0, high=1.0)

    domain = "picture"
    structure = "none"

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> NegativeParams:
        return NegativeParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> NegativeParams:
        return NegativeParams(**neutral_quantities(self, batch))

    def transform(self, x: Tensor, params: NegativeParams) -> Tensor:
        share = per_image(params.share).to(x.dtype)
        return (1 - share) * x + share * (1 - x)


@final
@dataclass(frozen=True)
class Fade(Mechanism[NegativeParams]):
    """Another one, which happens to call its parameter the same."""

    share: Law = quantity((0.2, 0.9), "", neutral=0.0, low=0.0, high=1.0)

    domain = "picture"
    structure = "none"

    def sample(self, key: Key) -> NegativeParams:
        return NegativeParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> NegativeParams:
        return NegativeParams(**neutral_quantities(self, batch))

    def transform(self, x: Tensor, params: NegativeParams) -> Tensor:
        return x * (1 - per_image(params.share)).to(x.dtype)


def keys(count: int = 6, *, seed: int = 0) -> Key:
    return Key(seed).at(torch.arange(count))


def equal(a: Parameters, b: Parameters) -> bool:
    ours, theirs = tree_leaves(a), tree_leaves(b)
    return type(a) is type(b) and len(ours) == len(theirs) and all(map(torch.equal, ours, theirs))


def independent(a: Tensor, b: Tensor) -> bool:
    """Whether neither the values nor their ranks tell of one another; False where they are the same."""
    bound = 4 / math.sqrt(len(a))
    return abs(stats.spearmanr(a.numpy(), b.numpy()).statistic) < bound


# Chains -----------------------------------------------------------------------------------------------------------


def test_a_chain_is_its_mechanisms_in_order_in_light() -> None:
    x, key = example_pictures(6), keys()
    exposure, haze, negative, view = Exposure(), Haze(), Negative(), Viewpoint()
    chain = Chain(exposure, haze, negative, view)
    a, b, c, d = chain.sample(key).steps
    light = haze.transform(exposure.transform(to_light(x), a), b)
    expected = to_picture(view.transform(to_light(negative.transform(to_picture(light), c)), d))
    torch.testing.assert_close(chain(x, key), expected.clamp(0, 1), atol=1e-6, rtol=0)


def test_order_matters() -> None:
    x, key = example_pictures(6), keys()
    assert (Chain(Exposure(), Haze())(x, key) - Chain(Haze(), Exposure())(x, key)).abs().max() > 0.05
    # Which order is which: haze behind an exposure of −9 EV is all that is left to see; before it, it is dark too.
    dark, fog = Exposure(exposure_ev=-9.0), Haze(visibility_m=20.0, distance_m=100.0)
    assert Chain(dark, fog)(x, key).min() > 0.7
    assert Chain(fog, dark)(x, key).max() < 0.1


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []

    def counted(convert: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def call(x: Tensor, **where: Tensor) -> Tensor:
            made.append(convert.__name__)
            return convert(x, **where)

        return call

    monkeypatch.setattr(base, "to_light", counted(to_light))
    monkeypatch.setattr(base, "to_picture", counted(to_picture))
    return made


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        (Chain(Exposure()), ["to_light", "to_picture"]),
        (Chain(Viewpoint(), Exposure(), Haze(), Sensor()), ["to_light", "to_picture"]),
        (Chain(Negative()), []),
        (Chain(Negative(), Negative()), []),
        (Chain(Exposure(), Haze(), Negative()), ["to_light", "to_picture"]),
        (Chain(Negative(), Exposure(), Haze(), Negative(), Negative()), ["to_light", "to_picture"]),
        (Chain(Exposure(), Negative(), Haze()), ["to_light", "to_picture", "to_light", "to_picture"]),
        (Chain(Exposure(), Maybe(Haze()), OneOf(Haze(), Exposure()), Mix(Haze())), ["to_light", "to_picture"]),
        (Chain(Exposure(), Chain(Haze(), Negative()), Negative()), ["to_light", "to_picture"]),
    ],
    ids=lambda value: label(value) if isinstance(value, Chain) else "",
)
def test_a_chain_converts_once_per_change(chain: Chain, expected: list[str], conversions: list[str]) -> None:
    chain(example_pictures(2, height=8, width=8), keys(2))
    assert conversions == expected


def test_chains_inside_a_chain_are_flattened() -> None:
    a, b, c = Exposure(), Haze(), Negative()
    flat = Chain(a, b, c)
    assert flat.mechanisms == (a, b, c)
    for nested in (Chain(Chain(a, b), c), Chain(a, Chain(b, c)), Chain(Chain(Chain(a)), Chain(b, Chain(c)))):
        assert nested == flat
        assert hash(nested) == hash(flat)
        assert equal(nested.sample(keys()), flat.sample(keys()))
    # What is wrapped is one mechanism, and stays one.
    assert Chain(Maybe(Chain(a, b)), c).mechanisms == (Maybe(Chain(a, b)), c)


def test_light_above_white_survives_between_mechanisms_on_light() -> None:
    x = example_pictures(4)
    chain = Chain(Exposure(exposure_ev=8.0), Maybe(Viewpoint(), 0.0), Exposure(exposure_ev=-8.0))
    torch.testing.assert_close(chain(x, keys(4)), x, atol=1e-5, rtol=0)


def test_a_picture_stays_one_where_a_mechanism_overshoots() -> None:
    x = example_pictures(2)
    beyond = NegativeParams(share=torch.tensor([2.5, -1.5]))
    raw, picture = Negative().transform(x, beyond), Negative().apply(x, beyond)
    assert raw.min() < 0
    assert raw.max() > 1
    assert torch.equal(picture, raw.clamp(0, 1))


def test_parameters_of_another_length_are_refused() -> None:
    chain = Chain(Exposure(), Haze())
    short = ChainParams(chain.sample(keys(2)).steps[:1])
    with pytest.raises(ValueError, match="Chain takes 4 tensors of parameters, not 1"):
        chain.apply(example_pictures(2), short)


# Draws and neighbours ---------------------------------------------------------------------------------------------

ALONE: dict[str, Mechanism[Any]] = {
    "exposure": Exposure(),
    "haze": Haze(),
    "sensor": Sensor(),
    "maybe": Maybe(Haze(), 0.5),
    "one of": OneOf(Haze(), Exposure()),
    "mix": Mix(Haze(), Chain(Exposure(), Viewpoint())),
}


@pytest.mark.parametrize("mechanism", ALONE.values(), ids=ALONE.keys())
def test_draws_in_a_chain_are_those_alone(mechanism: Mechanism[Any]) -> None:
    alone = mechanism.sample(keys())
    assert equal(Chain(mechanism).sample(keys()).steps[0], alone)
    assert equal(Chain(mechanism, Defocus()).sample(keys()).steps[0], alone)
    assert equal(Chain(Negative(), Defocus(), mechanism, Viewpoint()).sample(keys()).steps[2], alone)
    assert equal(Chain(Negative(share=0.1), Maybe(Defocus(), 0.1), mechanism).sample(keys()).steps[2], alone)


def test_equal_names_in_different_mechanisms_draw_on_their_own() -> None:
    negative, fade = Chain(Negative(), Fade()).sample(keys(1000)).steps
    assert independent(negative.share, fade.share)


def test_twins_differ_in_what_was_changed_alone() -> None:
    def camera(**laws: Law) -> Chain:
        return Chain(Viewpoint(), Haze(**laws), Maybe(Defocus(), 0.5), Sensor())

    before, after = camera().sample(keys(40)), camera(visibility_m=15.0).sample(keys(40))
    for place in (0, 2, 3):
        assert equal(before.steps[place], after.steps[place])
    assert torch.equal(before.steps[1].distance_m, after.steps[1].distance_m)
    assert torch.equal(before.steps[1].airlight, after.steps[1].airlight)
    assert (after.steps[1].visibility_m == 15.0).all()


def test_the_second_of_a_kind_draws_on_its_own() -> None:
    params = Chain(Haze(), Negative(), Haze(), Haze(), Sensor(), Sensor()).sample(keys(1000))
    first, _, second, third, sensor, another = params.steps
    assert equal(first, Haze().sample(keys(1000)))
    for a, b in ((first, second), (first, third), (second, third)):
        for name in ("visibility_m", "distance_m", "airlight"):
            assert independent(getattr(a, name), getattr(b, name))
    assert not (sensor.noise_seed == another.noise_seed).any()


def test_the_second_of_a_kind_does_not_depend_on_what_stands_between() -> None:
    plain = Chain(Haze(), Haze()).sample(keys())
    mixed = Chain(Negative(), Haze(), Defocus(), Exposure(), Haze()).sample(keys())
    assert equal(plain.steps[1], mixed.steps[4])


SHARING: dict[str, tuple[Chain, Callable[[ChainParams], tuple[Tensor, Tensor]]]] = {
    "a mechanism and a maybe of its kind": (
        Chain(Haze(), Maybe(Haze(), 1.0)),
        lambda params: (params.steps[0].visibility_m, params.steps[1].visibility_m),
    ),
    "the noise of a sensor and of a maybe": (
        Chain(Sensor(), Maybe(Sensor(), 1.0)),
        lambda params: (params.steps[0].noise_seed, params.steps[1].noise_seed),
    ),
    "a mechanism and one of several": (
        Chain(Haze(), OneOf(Haze(), Exposure())),
        lambda params: (params.steps[0].visibility_m, params.steps[1].options[0].visibility_m),
    ),
    "one of several and one of others": (
        Chain(OneOf(Haze(), Exposure()), OneOf(Haze(), Viewpoint())),
        lambda params: (params.steps[0].options[0].visibility_m, params.steps[1].options[0].visibility_m),
    ),
    "two mixtures": (
        Chain(Mix(Haze()), Mix(Haze(), Exposure())),
        lambda params: (params.steps[0].branches[0].visibility_m, params.steps[1].branches[0].visibility_m),
    ),
}


@pytest.mark.parametrize("name", SHARING)
def test_two_of_a_kind_draw_on_their_own_when_one_is_wrapped(name: str) -> None:
    chain, pick = SHARING[name]
    a, b = pick(chain.sample(keys(500)))
    assert not torch.equal(a, b)
    assert independent(a.double(), b.double())


# Maybe ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_maybe_happens_as_often_as_it_says(probability: float) -> None:
    count = 4000
    params, drawn, neutral = (
        Maybe(Haze(), probability).sample(keys(count)),
        Haze().sample(keys(count)),
        Haze().neutral(count),
    )
    happened = torch.isfinite(params.visibility_m)
    assert stats.binomtest(int(happened.sum()), count, probability).pvalue > 0.01
    assert equal(params.rows(happened), drawn.rows(happened)), "where it happens, it is what it would be without Maybe"
    assert equal(params.rows(~happened), neutral.rows(~happened))


def test_maybe_does_not_choose_by_what_it_draws() -> None:
    happened = torch.isfinite(Maybe(Haze(), 0.5).sample(keys(4000)).visibility_m)
    drawn = Haze().sample(keys(4000))
    for values in (drawn.visibility_m, drawn.distance_m, drawn.airlight):
        assert stats.ks_2samp(values[happened].numpy(), values[~happened].numpy()).pvalue > 0.01


@pytest.mark.parametrize(
    "pair",
    [
        (Maybe(Haze(), 0.4), Maybe(Haze(), 0.4)),
        (Maybe(Haze(), 0.4), Maybe(Exposure(exposure_ev=(1.0, 2.0)), 0.4)),
        (Maybe(Haze(), 0.4), Maybe(Maybe(Haze(), 1.0), 0.4)),
        (Maybe(Exposure(exposure_ev=(1.0, 2.0)), 0.4), Maybe(Chain(Exposure(exposure_ev=(1.0, 2.0))), 0.4)),
    ],
)
def test_two_coins_are_independent(pair: tuple[Maybe[Any], Maybe[Any]]) -> None:
    def happened(params: Parameters) -> Tensor:
        leaf = tree_leaves(params)[0]
        return (torch.isfinite(leaf) & (leaf != 0)).long()

    first, second = map(happened, Chain(*pair).sample(keys(4000)).steps)
    table = torch.bincount(2 * first + second, minlength=4).reshape(2, 2).numpy()
    assert stats.chi2_contingency(table).pvalue > 0.01
    assert stats.binomtest(int(second.sum()), 4000, 0.4).pvalue > 0.01


def test_what_did_not_happen_leaves_the_picture() -> None:
    x = example_pictures(20)
    mechanism = Maybe(Chain(Exposure(exposure_ev=-3.0), Haze()), 0.5)
    params = mechanism.sample(keys(20))
    happened = params.steps[0].exposure_ev != 0
    assert 0 < int(happened.sum()) < 20
    change = (mechanism.apply(x, params) - x).abs().amax((1, 2, 3))
    assert (change[happened] > 0.05).all()
    assert (change[~happened] < 1e-5).all()


# OneOf ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [None, (1.0, 2.0, 3.0), (0.0, 1.0, 1.0), (5.0, 0.0, 0.0), (1e-9, 1.0, 1e9)])
def test_one_of_chooses_by_weights(weights: tuple[float, ...] | None) -> None:
    count = 6000
    choice = OneOf(Haze(), Exposure(), Viewpoint(), weights=weights).sample(keys(count)).choice
    counts = torch.bincount(choice, minlength=3).double().numpy()
    shares = torch.tensor(weights or (1.0, 1.0, 1.0), dtype=torch.float64)
    expected = (count * shares / shares.sum()).numpy()
    likely = expected > 1
    assert counts[~likely].sum() == 0
    if likely.sum() > 1:
        assert stats.chisquare(counts[likely], expected[likely]).pvalue > 0.01


def test_one_of_chooses_independently_of_what_it_draws() -> None:
    params = OneOf(Haze(), Exposure()).sample(keys(3000))
    for values in (params.options[0].visibility_m, params.options[1].exposure_ev):
        assert independent(values, params.choice.float() + 1e-6 * torch.arange(3000))


@pytest.mark.parametrize(
    "mechanisms",
    [(Haze(), Exposure(), Sensor()), (Haze(), Negative()), (Negative(), Chain(Haze(), Exposure()))],
    ids=["light", "both domains", "a chain"],
)
def test_one_of_gives_each_image_what_it_chose(mechanisms: tuple[Mechanism[Any], ...]) -> None:
    mechanism, x = OneOf(*mechanisms), example_pictures(24, height=8, width=8)
    params = mechanism.sample(keys(24))
    assert len(params.choice.unique()) == len(mechanisms)
    y = mechanism.apply(x, params)
    for row, choice in enumerate(params.choice.tolist()):
        this = torch.tensor([row])
        expected = mechanisms[choice].apply(x[this], params.options[choice].rows(this))
        torch.testing.assert_close(y[this], expected, atol=1e-6, rtol=0)


def test_one_of_computes_what_was_chosen_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    transform = Negative.transform

    def counted(self: Negative, x: Tensor, params: NegativeParams) -> Tensor:
        seen.append(len(x))
        return transform(self, x, params)

    monkeypatch.setattr(Negative, "transform", counted)
    mechanism = OneOf(Negative(), Haze())
    params = mechanism.sample(keys(24))
    mechanism.apply(example_pictures(24, height=8, width=8), params)
    assert seen == [int((params.choice == 0).sum())]
    mechanism.apply(example_pictures(24, height=8, width=8), params.replace(choice=torch.ones(24, dtype=torch.int64)))
    assert len(seen) == 1


def test_one_of_of_none_leaves_the_picture() -> None:
    x, mechanism = example_pictures(3), OneOf(Haze(), Exposure())
    torch.testing.assert_close(mechanism.apply(x, mechanism.neutral(3)), x, atol=1e-6, rtol=0)
    chosen = Maybe(mechanism, 0.5).sample(keys(400)).choice
    assert set(chosen.tolist()) == {-1, 0, 1}


# Mix --------------------------------------------------------------------------------------------------------------


def test_mix_adds_light_by_its_weights() -> None:
    x, mechanism = example_pictures(6), Mix(Haze(), Chain(Exposure(), Negative()), Viewpoint(), concentration=0.7)
    params = mechanism.sample(keys())
    torch.testing.assert_close(params.weights.sum(1), torch.ones(6), atol=1e-6, rtol=0)
    assert (params.weights >= 0).all()
    light = to_light(x)
    branches = [to_light(part.apply(x, own)) for part, own in zip(mechanism.branches, params.branches, strict=True)]
    mixed = sum(per_image(params.weights[:, k]) * branch for k, branch in enumerate(branches))
    expected = per_image(1 - params.mix) * light + per_image(params.mix) * mixed
    torch.testing.assert_close(mechanism.apply(x, params), to_picture(expected), atol=2e-6, rtol=0)


def test_mix_is_linear_in_light_and_not_in_stored_values() -> None:
    """Half of a picture and half of it at +1 EV is one and a half times the light: +0.585 EV."""
    x, mechanism = example_pictures(2).clamp(max=0.6), Mix(Exposure(exposure_ev=0.0), Exposure(exposure_ev=1.0))
    params = mechanism.sample(keys(2)).replace(weights=torch.full((2, 2), 0.5), mix=torch.ones(2))
    expected = Exposure(exposure_ev=math.log2(1.5))(x, keys(2))
    torch.testing.assert_close(mechanism.apply(x, params), expected, atol=2e-6, rtol=0)


def test_mix_draws_dirichlet_and_beta() -> None:
    params = Mix(Haze(), Exposure(), Viewpoint(), concentration=2.0, skip=0.5).sample(keys(3000))
    assert stats.kstest(params.mix.double().numpy(), stats.beta(0.5, 0.5).cdf).pvalue > 0.01
    for weight in params.weights.double().unbind(1):
        assert stats.kstest(weight.numpy(), stats.beta(2.0, 4.0).cdf).pvalue > 0.01
    assert independent(params.mix, params.weights[:, 0])


def test_the_branches_of_a_mix_draw_on_their_own() -> None:
    a, b = Mix(Haze(), Haze()).sample(keys(1000)).branches
    assert independent(a.visibility_m, b.visibility_m)
    assert not equal(a, Haze().sample(keys(1000)))


def test_mix_has_weights_at_every_concentration_that_it_accepts() -> None:
    for concentration in (1e-3, 0.01, 1e4):
        weights = Mix(Haze(), Exposure(), concentration=concentration).sample(keys(500)).weights
        assert torch.isfinite(weights).all()
        torch.testing.assert_close(weights.sum(-1), torch.ones(500))
    with pytest.raises(ValueError, match="finite"):
        Mix(Haze(), concentration=math.inf)


# Refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("combinator", [Chain, OneOf, Mix])
def test_a_combinator_holds_something(combinator: type) -> None:
    with pytest.raises(ValueError, match=f"{combinator.__name__} needs at least one mechanism"):
        combinator()


@pytest.mark.parametrize("combinator", [Chain, OneOf, Mix, Maybe])
@pytest.mark.parametrize("part", [3, "haze", Haze, [Haze()], None], ids=repr)
@pytest.mark.untyped
def test_a_combinator_holds_mechanisms(combinator: type, part: object) -> None:
    name = combinator.__name__
    with pytest.raises(TypeError, match=rf"{name} holds mechanisms, not \w+: write {name}\(Haze\(\)"):
        combinator(part)


@pytest.mark.parametrize("probability", [-0.1, 1.1, math.nan, math.inf])
def test_a_probability_is_a_share(probability: float) -> None:
    with pytest.raises(ValueError, match=r"Maybe\(probability=…\) is a share from 0 to 1, not"):
        Maybe(Haze(), probability)


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 2.0, 3.0), (), (0.0, 0.0), (-1.0, 2.0)])
def test_weights_are_frequencies(weights: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"takes one frequency ≥ 0 per mechanism, 2 in all and not all 0, not \("):
        OneOf(Haze(), Exposure(), weights=weights)


@pytest.mark.parametrize("weights", [(math.nan, 1.0), (1.0, math.nan), (math.inf, 1.0)])
def test_weights_are_finite(weights: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="frequency"):
        OneOf(Haze(), Exposure(), weights=weights)


@pytest.mark.parametrize("laws", [{"concentration": 0.0}, {"skip": 0.0}, {"concentration": -1.0}, {"skip": math.nan}])
def test_a_mix_has_positive_shapes(laws: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Mix: concentration and skip are positive and finite"):
        Mix(Haze(), **laws)


@pytest.mark.untyped
def test_pictures_are_checked_at_the_door() -> None:
    chain, params = Chain(Haze()), Chain(Haze()).sample(keys(2))
    with pytest.raises(TypeError, match=r"not torch.uint8: convert with x.float\(\) / 255"):
        chain.apply(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), params)
    with pytest.raises(ValueError, match=r"\(batch, channels, height, width\), not \(3, 4, 4\)"):
        chain.apply(torch.zeros(3, 4, 4), params)


# Records ----------------------------------------------------------------------------------------------------------

NESTED: dict[str, Mechanism[Any]] = {
    "chain": Chain(Viewpoint(rotation_deg=3.0), Exposure(exposure_ev=Normal(0.0, 0.5)), Sensor()),
    "weights": OneOf(Haze(visibility_m=LogNormal(6.0, 0.5)), Defocus(), weights=(1.0, 2.0)),
    "no weights": OneOf(Haze(), Chain(Exposure(), Haze())),
    "all": Chain(
        Maybe(OneOf(Haze(), Mix(Exposure(exposure_ev=Normal(0.1, 0.2)), Maybe(Haze(), 0.3), skip=2.0)), 0.25),
        Maybe(Chain(Defocus(view=View(crop=1 / 9)), OneOf(Sensor(), Exposure(), weights=(0.1, 0.9)))),
    ),
}


@pytest.mark.parametrize("mechanism", NESTED.values(), ids=NESTED.keys())
def test_a_stored_combinator_does_the_same(mechanism: Mechanism[Any]) -> None:
    text = spec.dumps(mechanism)
    again = spec.loads(text, TYPES)
    assert type(again) is type(mechanism)
    assert spec.dumps(again) == text
    x, key = example_pictures(8, height=8, width=8), keys(8)
    params = mechanism.sample(key)
    assert equal(again.sample(key), params)
    stored = spec.loads(spec.dumps(params), TYPES)
    assert equal(stored, params)
    assert torch.equal(again.apply(x, stored), mechanism(x, key))


def test_a_stored_combinator_is_equal_where_its_laws_are_numbers() -> None:
    mechanism = Chain(Maybe(Haze(airlight=0.5), 0.25), OneOf(Exposure(), Sensor()), Mix(Haze(), skip=3.0))
    assert spec.loads(spec.dumps(mechanism), TYPES) == mechanism


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"type": "Chain", "mechanisms": []}', "Chain cannot be read: Chain needs at least one mechanism"),
        ('{"type": "Chain", "mechanisms": [3]}', "Chain cannot be read: .*"),
        ('{"type": "Chain"}', "Chain lacks its field 'mechanisms'"),
        ('{"type": "Chain", "mechanisms": [{"type": "Blur"}]}', "unknown type 'Blur'; known here: Aberration"),
        ('{"type": "Haze", "visibility_m": -5.0}', "Haze cannot be read: Haze.visibility_m=….*outside"),
        ('{"type": "Haze", "visibility": 5.0}', "Haze has no field 'visibility'; it has visibility_m"),
    ],
)
@pytest.mark.untyped
def test_a_bad_record_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(spec.SpecError, match=sentence):
        spec.loads(text, TYPES)


# Interventions ----------------------------------------------------------------------------------------------------


# `replace` says that it takes tensors, which a chain's steps are not.
@pytest.mark.untyped
def test_an_intervention_on_a_record() -> None:
    x, chain = example_pictures(6), Chain(Exposure(), Haze(), Sensor())
    params = chain.sample(keys())
    exposure, haze, sensor = params.steps
    done = params.replace(steps=(exposure, haze.replace(visibility_m=torch.full((6,), 30.0)), sensor))
    assert equal(params, chain.sample(keys())), "the record that was there is as it was"
    expected = Chain(Exposure(), Haze(visibility_m=30.0), Sensor())(x, keys())
    assert torch.equal(chain.apply(x, done), expected)
    assert not torch.equal(chain.apply(x, params), expected)


def test_an_intervention_on_what_is_not_there_is_refused() -> None:
    with pytest.raises(TypeError, match="visibility"):
        Haze().sample(keys()).replace(visibility=torch.zeros(6))


def test_records_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Haze().sample(keys()).visibility_m = torch.zeros(6)  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Chain(Haze()).mechanisms = ()  # type: ignore[misc]


def test_records_map_and_take_rows_to_the_depth() -> None:
    mechanism = NESTED["all"]
    params = mechanism.sample(keys(8))
    order = torch.tensor([5, 0])
    assert all(
        torch.equal(a, b[order]) for a, b in zip(tree_leaves(params.rows(order)), tree_leaves(params), strict=True)
    )
    assert equal(params.rows(torch.arange(8) < 3), mechanism.sample(keys(3)))
    assert equal(params.to("cpu"), params)
    doubled = params.map(lambda leaf: leaf.double() if leaf.is_floating_point() else leaf)
    assert {leaf.dtype for leaf in tree_leaves(doubled)} == {torch.float64, torch.int64}


def test_a_gradient_reaches_a_parameter_inside_everything() -> None:
    x = example_pictures(4)
    mechanism = Chain(Maybe(Haze(), 0.5), OneOf(Exposure(exposure_ev=(-2.0, -1.0)), Chain(Haze())), Mix(Haze()))
    params = mechanism.sample(keys(4)).map(lambda leaf: leaf.requires_grad_() if leaf.is_floating_point() else leaf)
    haze: HazeParams = params.steps[0]
    exposure: ExposureParams = params.steps[1].options[0]
    mechanism.apply(x, params).sum().backward()
    assert haze.airlight.grad is not None
    assert torch.isfinite(haze.airlight.grad).all()
    assert exposure.exposure_ev.grad is not None
    chosen = params.steps[1].choice == 0
    assert (exposure.exposure_ev.grad[chosen] > 0).all()
    assert (exposure.exposure_ev.grad[~chosen] == 0).all()
