"""Nature as an opponent: in each step she plays a mixed strategy over mechanisms, and learns what hurts."""

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn import functional

from mechaug.heuristics.views import Batch, Remembering, View, at_rest, in_turn
from mechaug.keys import Key
from mechaug.mechanisms.base import Mechanism
from mechaug.mechanisms.parts import overlapping
from mechaug.training.games import Play, Player, choose, observe
from mechaug.types import Image, Labels


@final
class Nature(Remembering):
    """Each picture's mechanism is drawn from the strategy of a `Player`, who is paid the excess risk.

    The payoff of a mechanism is what its pictures lose beyond their clean versions: the net is asked about both, at
    rest, in every so many steps. So a view costs two forward passes more in those steps and nothing in the others.

    Args:
        *options: the mechanisms, at least two; a chain is one option.
        player: by which rule she plays, such as `Hedge(rate=0.1)` or `Exp3(rounds=…)`.
        every: steps from one look to the next; a round of the game is one look.
        cap: the excess loss that pays 1, in nats.

    Raises:
        ValueError: fewer than two options, or `every` is not positive.
    """

    def __init__(self, *options: Mechanism[Any], player: Player, every: int = 5, cap: float = 2.3) -> None:
        if len(options) < 2:
            raise ValueError(f"nature chooses among at least two mechanisms, not {len(options)}")
        if every < 1:
            raise ValueError(f"Nature(every=…) is a number of steps from 1, not {every}")
        self.options, self.player, self.every, self.cap = options, player, every, cap
        self.play = Play.start(len(options))
        self._steps = 0

    @property
    def overlaps(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of all options."""
        return tuple(sorted({name for option in self.options for name in overlapping(option)}))

    def views(self, model: nn.Module, batch: Batch, *, clean: bool, count: int) -> tuple[View, ...]:
        """Views under mechanisms that are drawn picture by picture."""
        strategy = self.player.strategy(self.play)
        looks = self._steps % self.every == 0
        self._steps += 1

        def make(key: Key) -> View:
            choice = choose(strategy, key.fold("option")).to(batch.pictures.device)
            changed = self._changed(batch.pictures, choice, key)
            return View(changed, batch.labels)

        views = in_turn(batch, make, clean=clean, count=count)
        if looks and count:
            choice = choose(strategy, batch.key.fold("view 0").fold("option")).to(batch.pictures.device)
            with at_rest(model), torch.no_grad():
                excess = _loss(model, views[-count].pictures, batch.labels) - _loss(model, batch.pictures, batch.labels)
            self.play = self.player.update(self.play, observe(excess, choice, len(self.options), cap=self.cap))
        return views

    def _changed(self, pictures: Image, choice: Tensor, key: Key) -> Image:
        out = pictures
        for number, option in enumerate(self.options):
            rows = (choice == number).nonzero().squeeze(1)
            if len(rows):
                # An option's draws depend on its place and on the picture alone, not on who else has it.
                own = key.fold(f"option {number}").rows(rows.to(key.device))
                out = out.index_copy(0, rows, option(pictures.index_select(0, rows), own))
        return out

    def fresh(self) -> "Nature":
        """The same game, before its first round."""
        return Nature(*self.options, player=self.player, every=self.every, cap=self.cap)

    def memory(self) -> dict[str, Tensor]:
        """The play, and how many steps there were."""
        counts = torch.tensor([self.play.rounds, self._steps])
        return {"score": self.play.score, "played": self.play.played, "counts": counts}

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Take up a game."""
        rounds, self._steps = memory["counts"].tolist()
        self.play = Play(memory["score"], memory["played"], rounds)


def _loss(model: nn.Module, pictures: Image, labels: Labels) -> Tensor:
    return functional.cross_entropy(model(pictures).float(), labels, reduction="none")
