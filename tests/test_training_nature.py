"""Nature: she finds what hurts, her game is part of a checkpoint, and a picture's draws are its own."""

from pathlib import Path

import pytest
import torch
from torch import nn

from mechaug import mechanisms as m
from mechaug.heuristics.views import Batch
from mechaug.keys import Key
from mechaug.training.checkpoint import load_checkpoint
from mechaug.training.engine import Fitted, fit
from mechaug.training.games import CVaR, Exp3, Hedge, Player
from mechaug.training.nature import Nature
from mechaug.training.objectives import CrossEntropy
from mechaug.training.recipes import Recipe
from test_training_engine import CutAfter, Net, PowerCutError, assert_same, pictures

OPTIONS = (m.Illuminant(mired=(150.0, 160.0)), m.Exposure(exposure_ev=(-4.0, -3.0)), m.Jpeg(quality=(90.0, 95.0)))


class Mean(nn.Module):
    """Says class 0 of bright pictures, so that darkness is what hurts."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(20.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = self.weight * (x.mean((1, 2, 3)) - 0.4)
        return torch.stack((bright, -bright), 1)


def batch(step: int) -> Batch:
    key = Key(0).at(torch.arange(24), epoch=step)
    return Batch(key.uniform(0.5, 0.9, 3, 8, 8), torch.zeros(24, dtype=torch.int64), 2, key)


@pytest.mark.parametrize("player", [Hedge(rate=0.5), Exp3(rounds=40), CVaR(share=0.34)])
def test_she_finds_what_hurts(player: Player) -> None:
    nature = Nature(*OPTIONS, player=player, every=1)
    for step in range(40):
        nature.views(Mean(), batch(step), clean=True, count=1)
    assert int(nature.play.average.argmax()) == 1
    assert nature.play.average[1] > 0.5
    assert nature.play.rounds == 40


def test_a_picture_gets_the_same_in_any_company() -> None:
    given = batch(0)
    nature = Nature(*OPTIONS, player=Hedge(rate=0.5))
    _, whole = nature.views(Mean(), given, clean=True, count=1)
    rows = torch.tensor([5, 17, 3])
    part = Batch(given.pictures[rows], given.labels[rows], 2, given.key.rows(rows))
    (some,) = nature.fresh().views(Mean(), part, clean=False, count=1)
    torch.testing.assert_close(some.pictures, whole.pictures[rows], atol=1e-6, rtol=0)
    assert (whole.pictures != given.pictures).any()


@pytest.mark.parametrize("steps", [1, 3, 6])
def test_a_training_that_was_cut_goes_on_with_its_game(tmp_path: Path, steps: int) -> None:
    nature = Nature(*OPTIONS, player=Hedge(rate=2.0), every=2)
    recipe = Recipe(net="small", epochs=2, batch_size=16, learning_rate=0.05, precision="float32")

    def train(**options: object) -> Fitted:
        return fit(Net(), pictures(), nature, CrossEntropy("all"), recipe, **options)  # type: ignore[arg-type]

    whole = train()
    with pytest.raises(PowerCutError):
        train(folder=tmp_path, checkpoint_seconds=0.0, watch=CutAfter(steps))
    assert_same(train(folder=tmp_path), whole)
    # A game that starts anew in the middle ends elsewhere, so that this test can fail.
    assert nature.play.rounds == 0
    place = tmp_path / "checkpoint.safetensors"
    average = {name: value.clone() for name, value in Net().state_dict().items()}
    net = Net()
    _, memory = load_checkpoint(place, net, average, torch.optim.SGD(_decayed(net), lr=0.1, momentum=0.9), "")
    assert memory["counts"].tolist() == [4, 8] and memory["played"].sum().item() == pytest.approx(4)
    assert memory["played"].std() > 0.05


def _decayed(net: nn.Module) -> list[dict[str, object]]:
    """Parameters in the order of the engine's groups."""
    return [{"params": [p for p in net.parameters() if (p.ndim >= 2) == wide]} for wide in (True, False)]


def test_impossible_games_are_refused() -> None:
    with pytest.raises(ValueError, match="at least two mechanisms, not 1"):
        Nature(m.Exposure(), player=Hedge(rate=0.1))
    with pytest.raises(ValueError, match="every"):
        Nature(*OPTIONS, player=Hedge(rate=0.1), every=0)
