"""The mechanistic recipe: what is related to C, how often it is drawn, and that its arms leave what they say."""

import pytest
import torch

from mechaug.keys import Key
from mechaug.mechanisms.busy import busy_rows
from mechaug.mechanisms.parts import overlapping
from mechaug.mechanisms.relatives import COMMON_CORRUPTIONS
from mechaug.testing import example_key, example_pictures
from mechaug.training.arms import named, without
from mechaug.training.mechanistic import ALL, NOISE, RELATED, UNRELATED, recipe

COUNT = 8192
MANY = Key(0).at(torch.arange(COUNT))


def test_mechanisms_are_related_to_the_common_corruptions_or_not() -> None:
    assert {*UNRELATED, *RELATED} == set(ALL) and len(UNRELATED) + len(RELATED) == len(ALL)
    assert all(without(part, COMMON_CORRUPTIONS) == part for part in UNRELATED)
    assert all(without(part, COMMON_CORRUPTIONS) is None for part in RELATED)


@pytest.mark.parametrize("shares", [{}, {"related": 0.5, "reflected": 0.1, "noisy": 0.7}])
def test_steps_and_noise_are_drawn_in_their_shares(shares: dict[str, float]) -> None:
    drawn = recipe(**shares).sample(MANY)
    related, reflected, noisy = ({"related": 0.2, "reflected": 0.2, "noisy": 0.2} | shares).values()
    first = drawn.steps[0].branches[0].steps[0].options[0]
    chosen = first.choice.bincount(minlength=3) / COUNT
    # Four standard errors of 8,192 draws of a half are 0.022.
    assert chosen.tolist() == pytest.approx([1 - related - reflected, related, reflected], abs=0.022)
    rows = busy_rows(NOISE, drawn.steps[1])
    assert rows is not None
    assert len(rows) / COUNT == pytest.approx(noisy, abs=0.022)


def test_shares_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="weight"):
        recipe(related=0.7, reflected=0.5)


def test_its_unseen_arm_has_no_relative_in_c_and_the_rest_of_its_shares() -> None:
    arm = named("mechanistic:unseen").augmentation
    assert arm is not None and not set(overlapping(arm)) & set(COMMON_CORRUPTIONS)
    x = example_pictures(64)
    assert (arm(x, example_key(64)) != x).flatten(1).any(1).float().mean() > 0.9
