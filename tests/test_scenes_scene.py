"""Scenes: what causes what, twins that are exact, interventions, and sentences for what does not fit together."""

import dataclasses
import math

import pytest
import torch
from torch.distributions import Gamma, Normal

from mechaug import Key, spec
from mechaug import mechanisms as m
from mechaug.errors import UserError
from mechaug.scenes import (
    TYPES,
    Band,
    Changed,
    Linear,
    Lookup,
    Power,
    Quantiles,
    Scene,
    Sometimes,
    Variable,
    read_scene,
    write_scene,
)
from mechaug.testing import check_scene, example_pictures

KEY = Key(3).at(torch.arange(200))
LUX = Variable("illuminance_lux", "lux", (5.0, 1e5), scale="log", low=0.01)
TIME = Variable("exposure_s", "s", Power((-1.0,), 2.5, 0.1), ("illuminance_lux",), low=1 / 8000, high=1 / 15)
ISO = Variable(
    "iso", "ISO", Lookup((1.0, 100.0, 1e5), (6400.0, 1000.0, 100.0), 0.1, "log", "log"), ("illuminance_lux",), low=50.0
)
FOG = Variable("visibility_m", "m", Sometimes(0.3, (50.0, 500.0), math.inf, "log"), low=1.0)
CHAIN = m.Chain(
    m.Haze(visibility_m="visibility_m"),
    m.MotionBlur(exposure_s="exposure_s"),
    m.Sensor(iso="iso", exposure_s="exposure_s"),
    m.Maybe(m.Jpeg(), 0.5),
)
# Children before their parents: the order is not the user's business.
SCENE = Scene((TIME, ISO, LUX, FOG), CHAIN)


@pytest.mark.untyped  # run-time checks draw from Python's global random state
def test_it_keeps_what_every_scene_promises() -> None:
    check_scene(SCENE)


def test_causes_reach_the_pictures() -> None:
    params = SCENE.sample(KEY)
    table = SCENE.table(params)
    assert torch.equal(params.chain.steps[2].iso, table["iso"])
    assert torch.equal(params.chain.steps[1].exposure_s, params.chain.steps[2].exposure_s)
    together = torch.corrcoef(torch.stack((table["illuminance_lux"].log(), table["iso"].log())))[0, 1]
    assert together < -0.9


def test_what_is_not_read_is_drawn_as_without_a_scene() -> None:
    alone = m.Chain(m.Haze(visibility_m=100.0), m.MotionBlur(exposure_s=0.1), m.Sensor(), m.Maybe(m.Jpeg(), 0.5))
    ours, theirs = SCENE.sample(KEY).chain, alone.sample(KEY)
    assert torch.equal(ours.steps[1].shape, theirs.steps[1].shape)
    assert torch.equal(ours.steps[2].noise_seed, theirs.steps[2].noise_seed)
    assert torch.equal(ours.steps[3].quality, theirs.steps[3].quality)


@pytest.mark.parametrize("rows", [torch.tensor([7]), torch.arange(199, -1, -3)])
def test_twins_are_exact_in_any_batch(rows: torch.Tensor) -> None:
    dark = SCENE.do(illuminance_lux=5.0)
    whole, part = dark.sample(KEY), dark.sample(KEY.rows(rows))
    assert torch.equal(whole.values[rows], part.values)
    assert torch.equal(whole.chain.steps[1].shape[rows], part.chain.steps[1].shape)


def test_twins_do_not_depend_on_their_neighbours() -> None:
    """Another mechanism in the chain and another variable in the scene change no draw."""
    more = Scene(
        (Variable("f_number", "", (1.4, 8.0)), *SCENE.variables),
        m.Chain(m.Viewpoint(), m.Defocus(f_number="f_number"), *CHAIN.mechanisms),
    )
    few, many = SCENE.do(illuminance_lux=5.0).sample(KEY), more.do(illuminance_lux=5.0).sample(KEY)
    assert torch.equal(few.values, many.values[:, 1:])
    assert torch.equal(few.chain.steps[2].noise_seed, many.chain.steps[4].noise_seed)


def test_a_counterfactual_keeps_the_noise() -> None:
    observed = SCENE.sample(KEY)
    twin = SCENE.counterfactual(observed, {"illuminance_lux": 5.0})
    assert torch.equal(twin.units, observed.units)
    assert torch.equal(SCENE.table(twin)["visibility_m"], SCENE.table(observed)["visibility_m"])
    # By its law, five lux give half a second times the noise, and the shutter stops at a fifteenth.
    assert (SCENE.table(twin)["exposure_s"] == torch.tensor(1 / 15)).all()
    x = example_pictures(4)
    key = Key(3).at(torch.arange(4))
    assert torch.equal(SCENE.do(illuminance_lux=5.0)(x, key), SCENE.apply(x, twin.rows(torch.arange(4))))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_twins_are_exact_on_another_device() -> None:
    dark = SCENE.do(illuminance_lux=5.0)
    here, there = dark.sample(KEY), dark.sample(KEY.to("cuda")).to("cpu")
    assert torch.equal(here.units, there.units)
    assert torch.equal(here.values, there.values)
    observed = SCENE.sample(KEY.to("cuda"))
    twin = SCENE.counterfactual(observed, {"illuminance_lux": 5.0})
    assert torch.equal(twin.values.cpu(), here.values) and torch.equal(twin.units, observed.units)


def test_evaluation_needs_no_key() -> None:
    noise = SCENE.noise(KEY)
    assert torch.equal(SCENE.evaluate(noise).values, SCENE.evaluate(noise).values)
    middle = dataclasses.replace(noise, units=torch.full_like(noise.units, 0.5))
    assert SCENE.evaluate(middle).values.unique(dim=0).shape[0] == 1


def test_do_takes_laws() -> None:
    table = SCENE.do(iso=(100.0, 200.0)).table(SCENE.do(iso=(100.0, 200.0)).sample(KEY))
    assert table["iso"].min() >= 100 and table["iso"].max() <= 200
    assert abs(torch.corrcoef(torch.stack((table["illuminance_lux"].log(), table["iso"])))[0, 1]) < 0.2
    warm = SCENE.do(illuminance_lux=Normal(1000.0, 10.0))
    assert warm.table(warm.sample(KEY))["illuminance_lux"].mean().item() == pytest.approx(1000, abs=3)


def test_soft_interventions_keep_the_causes() -> None:
    before = SCENE.table(SCENE.sample(KEY))
    moved = SCENE.shift(iso=100.0).scale(iso=2.0).shift(iso=-50.0)
    after = moved.table(moved.sample(KEY))
    torch.testing.assert_close(after["iso"], 2 * (before["iso"] + 100) - 50)
    darker = SCENE.scale(illuminance_lux=0.5)
    torch.testing.assert_close(darker.table(darker.sample(KEY))["illuminance_lux"], before["illuminance_lux"] / 2)


def test_decoupled_keeps_the_marginals_and_nothing_else() -> None:
    many = Key(8).at(torch.arange(20_000))
    coupled, loose = SCENE.table(SCENE.sample(many)), SCENE.decoupled()
    apart = loose.table(loose.sample(many))
    for name in ("iso", "exposure_s"):
        levels = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
        a, b = coupled[name].log().quantile(levels), apart[name].log().quantile(levels)
        # In steps of the whole range, a fifth of a standard error of 20,000 draws and 16,384 for the table.
        assert (a - b).abs().max() < 0.03 * (a[-1] - a[0])
    ranks = torch.stack([apart[name].argsort().argsort().float() for name in SCENE.names[:3]])
    off = torch.corrcoef(ranks) - torch.eye(3)
    assert off.abs().max() < 0.03
    assert all(not variable.parents for variable in loose.variables)


def test_it_trains_where_a_mechanism_does() -> None:
    x = example_pictures(4)
    y = SCENE(x, Key(0).at(torch.arange(4)))
    assert y.shape == x.shape and not torch.equal(x, y)
    assert torch.equal(SCENE.apply(x, SCENE.neutral(4)), x)
    inner = m.Chain(SCENE, m.BitDepth())
    assert inner(x, Key(0).at(torch.arange(4))).shape == x.shape


def test_scenes_are_files(tmp_path) -> None:
    path = tmp_path / "scene.json"
    scene = SCENE.do(illuminance_lux=Normal(200.0, 20.0)).scale(iso=2.0)
    write_scene(scene, path)
    again = read_scene(path)
    assert torch.equal(again.sample(KEY).values, scene.sample(KEY).values)
    assert spec.loads(spec.dumps(SCENE.sample(KEY)), TYPES).values.equal(SCENE.sample(KEY).values)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace('"schema_version": 1', '"schema_version": 9'), "schema version 9"),
        (lambda text: text.replace('"name": "illuminance_lux"', '"name": "light_lux"'), "unknown parent"),
        (lambda text: text.replace('"visibility_m": "visibility_m"', '"visibility_m": "fog"'), "reads an unknown"),
        (lambda text: text.replace('"type": "Haze"', '"type": "Mist"'), "Mist"),
        (lambda text: text[: len(text) // 2], "not JSON"),
        (lambda text: '{"type": "Jpeg"}', "holds no scene"),
        (lambda text: "[]", "holds no scene"),
        (lambda text: text.replace('"low": 0.01', '"low": 1e9'), "outside"),
        (lambda text: text.replace('"scale": "log"', '"scale": "decibel"'), "scale"),
        (lambda text: text.replace('"name": "iso"', '"name": 7'), "cannot|can be used"),
        (lambda text: text.replace('"factor": 2.5', '"factor": "2.5"'), "can be used"),
        (lambda text: text[: text.index('"scene"')] + '"scene": 5}', "holds no scene"),
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path, change, said: str) -> None:
    path = tmp_path / "scene.json"
    write_scene(SCENE, path)
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(UserError, match=said):
        read_scene(path)


def test_a_file_that_is_not_there_is_said() -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_scene("nowhere/scene.json")


def one(law: object, **more: object) -> Variable:
    return Variable("q", "", law, **more)  # type: ignore[arg-type]


JPEG = m.Chain(m.Jpeg(quality="q"))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: Scene((Variable("a", "", Linear((1.0,)), ("b",)), Variable("b", "", Linear((1.0,)), ("a",))), JPEG),
            "a → b → a",
        ),
        (lambda: Scene((one(5.0), one(6.0)), JPEG), "two variables named 'q'"),
        (lambda: Scene((one(Linear((1.0,)), parents=("qq",)),), JPEG), "did you mean 'q'"),
        (lambda: Scene((Variable("p", "", 5.0),), JPEG), "no variable 'q'"),
        (lambda: Scene((Variable("q", "m", 5.0),), JPEG), "the variable q in m"),
        (lambda: Scene((one(0.5),), JPEG), "outside 1 to inf"),
        (lambda: Scene((one(5.0),), m.Chain(m.Maybe(m.Jpeg(quality="q")))), "stands in the chain itself"),
        (lambda: one((5.0, 1.0)), "reversed"),
        (lambda: one((-1.0, 1.0), low=0.0), "outside 0 to inf"),
        (lambda: one((0.0, 1.0), scale="log"), "both ends"),
        (lambda: one(Normal(-5.0, 1.0), low=0.0), "-8.09 to -1.91, all outside 0 to inf"),
        (lambda: one(Sometimes(0.1, (500.0, 600.0), 1.0), high=100.0), "outside -inf to 100"),
        (lambda: one(Sometimes(0.1, 5.0, 101.0), high=100.0), "101.0 is outside -inf to 100"),
        (lambda: one(Quantiles((500.0, 600.0)), high=100.0), "500.1 to 599.9, all outside -inf to 100"),
        (lambda: SCENE.do(visibility_m=5.0).shift(visibility_m=-9.0), "outside 1 to inf"),
        (lambda: Scene((one(Normal(-9.0, 1.0)),), JPEG), "outside 1 to inf"),
        (lambda: Scene((one(Sometimes(0.5, 50.0, 0.0)),), JPEG), "0.0 is outside 1 to inf"),
        (lambda: SCENE.do(illuminance_lux=Normal(-50.0, 1.0)), "outside 0.01 to inf lux"),
        (lambda: one(Gamma(1.0, 1.0)), "no inverse distribution function"),
        (lambda: one((1.0, 2.0), parents=("p",)), "does not take them"),
        (lambda: one(Linear((1.0, 2.0)), parents=("p",)), "takes 2 parents"),
        (lambda: one(5.0, low=2.0, high=1.0), "above"),
        (lambda: Variable("a b", "", 5.0), "letters"),
        (lambda: SCENE.do(isoo=5.0), "did you mean 'iso'"),
        (lambda: SCENE.do(iso=-3.0), "outside 50"),
        (lambda: SCENE.do(iso=Linear((1.0,))), "takes no parents"),
        (lambda: SCENE.shift(gain=5.0), "no variable 'gain'"),
        (lambda: SCENE.scale(iso=0.0), "positive"),
        (lambda: SCENE.variable("isos"), "did you mean"),
        (lambda: m.Jpeg(quality="q").sample(KEY), "reads the variable 'q'"),
        (lambda: SCENE.counterfactual(Scene((one(5.0),), JPEG).sample(KEY), {}), "of 1 variables"),
    ],
)
def test_what_does_not_fit_together_is_said(make, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


@pytest.mark.untyped  # run without run-time checks, which would refuse it first
def test_what_is_no_scene_is_said() -> None:
    with pytest.raises(TypeError, match="ends in a Chain"):
        Scene((one(5.0),), m.Jpeg())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="at least one Variable"):
        Scene((), JPEG)
    with pytest.raises(TypeError, match="at least one Variable"):
        Scene(one(5.0), JPEG)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="names another variable"):
        one("p")
    with pytest.raises(TypeError, match=r"parents=\('illuminance_lux',\)"):
        one(Linear((1.0,)), parents="illuminance_lux")


def test_the_tails_of_a_law_may_lie_outside() -> None:
    """What is drawn there is held at the end, as in a chain."""
    scene = Scene((one(Normal(0.0, 10.0), low=1.0), Variable("p", "", Quantiles((-1.0, 2.0)), low=0.0)), JPEG)
    values = scene.sample(KEY).values
    assert values[:, 0].min() == 1 and values[:, 0].max() > 10 and values[:, 1].min() == 0


@pytest.mark.untyped  # run without run-time checks, which would refuse it first
@pytest.mark.parametrize(
    "make",
    [
        lambda: one((1.0, 2.0), scale="lgo"),
        lambda: Lookup((1.0, 2.0), (1.0, 2.0), scale="lgo"),  # type: ignore[arg-type]
        lambda: Lookup((1.0, 2.0), (1.0, 2.0), at_scale="lgo"),  # type: ignore[arg-type]
        lambda: Band((1.0, 2.0), (1.0, 2.0), (1.0, 2.0), scale="lgo"),  # type: ignore[arg-type]
        lambda: Changed(5.0, scale="lgo"),  # type: ignore[arg-type]
        lambda: Sometimes(0.5, (1.0, 2.0), 0.0, "lgo"),  # type: ignore[arg-type]
        lambda: Quantiles((1.0, 2.0), "lgo"),  # type: ignore[arg-type]
    ],
)
def test_a_misspelt_scale_is_said(make) -> None:
    """It would be read as linear, and every draw would be another."""
    with pytest.raises(ValueError, match='is "linear" or "log", not \'lgo\''):
        make()
