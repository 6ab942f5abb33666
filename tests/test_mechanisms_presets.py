"""Presets: chains that run, keep meanings apart from noise, and leave some pictures as they are."""

import pytest
import torch

from mechaug import spec
from mechaug.keys import Key
from mechaug.mechanisms import TYPES, VIEWS, presets
from mechaug.testing import example_pictures


@pytest.mark.parametrize("name", VIEWS)
def test_a_preset_runs_and_survives_json(name: str) -> None:
    chain = presets.camera(name)
    assert spec.loads(spec.dumps(chain), TYPES) == chain
    x, key = example_pictures(6, height=24, width=24), Key(0).at(torch.arange(6))
    y = chain(x, key)
    assert torch.isfinite(y).all()
    changes = (y - x).abs().mean((1, 2, 3))
    assert changes.max() > 0.01
    # Visible, and still a picture of the same thing: half of the pictures move by less than a third of the range.
    assert changes.median() < 0.33


def test_each_mechanism_leaves_most_pictures_alone() -> None:
    chain = presets.camera("object")
    keys = Key(0).at(torch.arange(2000))
    neutral, drawn = chain.neutral(2000).steps[5].exposure_ev, chain.sample(keys).steps[5].exposure_ev  # type: ignore[attr-defined]
    assert (drawn != neutral).float().mean() == pytest.approx(presets.SHARE, abs=0.03)


def test_the_eight_stages_are_eight() -> None:
    chain = presets.eight_stages(VIEWS["phone"])
    assert len({type(stage) for stage in chain.mechanisms}) == 8
    # One change to light and one back: the picture's own stages come last.
    domains = [stage.domain for stage in chain.mechanisms]
    assert domains == sorted(domains)


def test_unknown_presets_are_refused() -> None:
    with pytest.raises(ValueError, match="'moon': choose from photograph"):
        presets.camera("moon")
