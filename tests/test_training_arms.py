"""Arms: what is left has no relative where it must not, and is otherwise as it was."""

from dataclasses import replace

import pytest
import torch

from mechaug import mechanisms as m
from mechaug.errors import UserError
from mechaug.evaluation.corruptions import CORRUPTIONS
from mechaug.keys import Key
from mechaug.mechanisms import overlapping
from mechaug.mechanisms.relatives import COMMON_CORRUPTIONS
from mechaug.scenes.scene import Scene
from mechaug.training.adversarial import WorstCase
from mechaug.training.arms import FAMILIES, arm, without
from mechaug.training.methods import METHODS, method

CAMERA = m.presets.camera("object")


def test_families_are_those_of_the_benchmark() -> None:
    assert sorted(name for family in FAMILIES.values() for name in family) == sorted(COMMON_CORRUPTIONS)
    for corruption in CORRUPTIONS:
        assert corruption.name in FAMILIES[corruption.family]


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_of_a_family_is_left(family: str) -> None:
    assert set(overlapping(CAMERA)) & set(FAMILIES[family]), "otherwise this test could not fail"
    left = without(CAMERA, FAMILIES[family])
    assert left is not None
    assert not set(overlapping(left)) & set(FAMILIES[family])


def test_what_is_left_draws_as_before() -> None:
    chain = m.Chain(m.Illuminant(), m.Sensor(), m.Maybe(m.LateralChromatic(), 0.5))
    left = without(chain, FAMILIES["noise"])
    assert left == m.Chain(m.Illuminant(), m.Maybe(m.LateralChromatic(), 0.5))
    key = Key(3).at(torch.arange(5))
    whole, part = chain.sample(key), left.sample(key)
    assert isinstance(part, m.ChainParams)
    for old, new in ((whole.steps[0], part.steps[0]), (whole.steps[2], part.steps[1])):
        assert all(torch.equal(a, b) for a, b in zip(old.leaves(), new.leaves(), strict=True))


def test_mixtures_keep_their_shares() -> None:
    some = m.OneOf(m.Illuminant(), m.Sensor(), m.LateralChromatic(), weights=(1, 5, 3))
    assert without(some, FAMILIES["noise"]) == m.OneOf(m.Illuminant(), m.LateralChromatic(), weights=(1, 3))
    mixed = m.Mix(m.Sensor(), m.Chain(m.Haze(), m.Illuminant()), skip=0.5)
    assert without(mixed, FAMILIES["noise"]) == m.Mix(m.Chain(m.Haze(), m.Illuminant()), skip=0.5)
    assert without(m.Maybe(m.Sensor()), FAMILIES["noise"]) is None
    assert without(m.Mix(m.Sensor()), FAMILIES["noise"]) is None
    assert without(m.OneOf(m.Sensor()), FAMILIES["noise"]) is None


def test_arms_of_a_method() -> None:
    camera = method("camera-jsd")
    calm = arm(camera, "no-blur")
    assert calm.name == "camera-jsd:no-blur" and calm.objective == camera.objective
    assert not set(calm.sees) & set(FAMILIES["blur"])
    for wrong in ("no-cheese", "noise", ""):
        with pytest.raises(UserError, match="there is no arm"):
            arm(camera, wrong)
    with pytest.raises(UserError, match="nothing is left"):
        arm(method("flip-crop"), "unseen")


MECHANISTIC = [one.name for one in METHODS if one.family == "mechanism"]


@pytest.mark.parametrize("name", MECHANISTIC)
@pytest.mark.parametrize("which", ["unseen", *(f"no-{family}" for family in FAMILIES)])
def test_no_arm_of_any_method_has_seen_what_it_must_not(name: str, which: str) -> None:
    gone = set(COMMON_CORRUPTIONS) if which == "unseen" else set(FAMILIES[which.removeprefix("no-")])
    assert set(method(name).sees) & gone or which != "unseen", "otherwise this test could not fail"
    try:
        left = arm(method(name), which)
    except UserError as error:
        assert "nothing is left" in str(error)
        return
    assert left.augmentation is not None and not set(left.sees) & gone
    assert set(left.sees) <= set(method(name).sees)


def test_a_scene_loses_stages_and_keeps_its_causes() -> None:
    whole = method("scene").augmentation
    left = arm(method("scene"), "no-noise").augmentation
    assert isinstance(whole, Scene) and isinstance(left, Scene)
    assert left.variables == whole.variables
    assert 0 < len(left.chain.mechanisms) < len(whole.chain.mechanisms)
    key = Key(3).at(torch.arange(5))
    assert torch.equal(whole.sample(key).values, left.sample(key).values)


def test_a_worst_case_without_ranges_is_the_worst_of_its_draws() -> None:
    worst = method("worst-case").augmentation
    assert isinstance(worst, WorstCase)
    left = arm(method("worst-case"), "no-blur").augmentation
    assert isinstance(left, WorstCase) and left.steps == worst.steps
    fixed = m.Chain(m.Viewpoint(rotation_deg=5.0, log2_scale=0.0, shift_x=0.0, shift_y=0.0), m.Haze())
    left = arm(replace(method("worst-case"), augmentation=replace(worst, mechanism=fixed)), "no-weather").augmentation
    assert isinstance(left, WorstCase) and left.steps == 0
