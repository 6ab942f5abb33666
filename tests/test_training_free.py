"""Free adversarial training: the moves of the algorithm, batches that come again, and a training that goes on."""

from pathlib import Path

import pytest
import torch

from mechaug.errors import UserError
from mechaug.heuristics.views import View
from mechaug.training.engine import fit
from mechaug.training.free import FreeAdversary
from mechaug.training.objectives import CrossEntropy
from mechaug.training.recipes import Recipe
from mechaug.training.views import make_views, show
from test_training_adversarial import Linear, batch
from test_training_engine import CutAfter, Net, PowerCutError, assert_same, pictures

RECIPE = Recipe(net="small", epochs=2, batch_size=16, learning_rate=0.05, precision="float32")
OBJECTIVE = CrossEntropy("augmented")


def test_the_moves_are_those_of_the_algorithm() -> None:
    model, given, radius = Linear(), batch(), 0.03
    free = FreeAdversary(radius, replays=3)
    sign = torch.where(given.labels == 0, -1.0, 1.0)[:, None, None, None] * model.weight.sign().view(3, 8, 8)
    for expected in (0 * sign, radius * sign, radius * sign):  # from nothing to the corner, and no further
        views = make_views(model, given, free, OBJECTIVE.inputs)
        torch.testing.assert_close(views[0].pictures, (given.pictures + expected).detach())
        OBJECTIVE.value(show(model, views, OBJECTIVE.inputs), given.labels).backward()
    torch.testing.assert_close(free.memory()["move"], (radius * sign).detach())
    assert free.fresh().memory() == {}


def test_a_batch_comes_again_so_many_times(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []
    views = FreeAdversary.views

    def watched(self: FreeAdversary, model, given, *, clean: bool, count: int) -> tuple[View, ...]:
        seen.append([round(1e6 * one) for one in given.pictures.mean((1, 2, 3)).tolist()])
        return views(self, model, given, clean=clean, count=count)

    monkeypatch.setattr(FreeAdversary, "views", watched)
    fit(Net(), pictures(), FreeAdversary(replays=2), OBJECTIVE, RECIPE)
    assert len(seen) == 8
    assert seen[0] == seen[1] and seen[2] == seen[3] and seen[0] != seen[2]
    assert seen[4] == seen[5] and seen[4] != seen[0]


@pytest.mark.parametrize("steps", [3, 6])
def test_a_cut_training_goes_on(tmp_path: Path, steps: int) -> None:
    def train(**options: object):
        return fit(Net(), pictures(), FreeAdversary(replays=2), OBJECTIVE, RECIPE, config="same", **options)  # type: ignore[arg-type]

    whole = train()
    with pytest.raises(PowerCutError):
        train(folder=tmp_path, checkpoint_seconds=0.0, watch=CutAfter(steps))
    assert_same(train(folder=tmp_path), whole)


def test_what_it_cannot_do() -> None:
    with pytest.raises(UserError, match="cannot take them in parts"):
        fit(Net(), pictures(), FreeAdversary(), OBJECTIVE, RECIPE.replace(accumulate=2))
    with pytest.raises(ValueError, match="one moved picture"):
        FreeAdversary().views(Linear(), batch(), clean=False, count=2)
    for radius, replays in ((0.0, 8), (0.1, 0)):
        with pytest.raises(ValueError, match="radius above 0"):
            FreeAdversary(radius, replays)
