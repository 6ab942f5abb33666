"""What each step of a training starts from: pictures in their order, and what can be made of them without the net.

A mechanism looks at one picture at a time and draws by its key, so that its pictures do not depend on the batch. They
are made for several steps at once: a chain of small pictures costs a call per mechanism rather than per number, and on
an accelerator a batch is far from filling the device.
"""

from collections.abc import Sequence
from typing import Final, final

import torch
from torch import Tensor

from mechaug.data.pictures import Pictures
from mechaug.heuristics.views import Augmentation, Batch, ViewMaker
from mechaug.keys import Key
from mechaug.training.recipes import Recipe
from mechaug.training.team import Team
from mechaug.types import Bytes

AT_ONCE: Final = {"cpu": 3 * 2**22, "cuda": 3 * 2**23}
"""Numbers of one view that are made together: enough that a mixture of many mechanisms has work for each of them."""


@final
class Batches:
    """The batches of a training, by step.

    Which steps are made together follows from the step alone, so that a training that goes on in the midst of them sees
    the same numbers to the last bit.

    Args:
        data: the training pictures.
        classes: how many outputs the net has.
        augmentation: of the views.
        views: how many augmented views a step needs.
        recipe: the size of a batch, and what comes before every augmentation.
        seed: of the order and the augmentation.
        device: where batches are wanted.
        team: whose share of each batch is made.
    """

    def __init__(
        self, data: Pictures, classes: int, augmentation: Augmentation | None, views: int, recipe: Recipe,
        *, seed: int, device: torch.device, team: Team,
    ) -> None:  # fmt: skip
        self._data, self._classes, self._recipe, self._team = data, classes, recipe, team
        # What sees the net or the batch is left to the step.
        self._mechanism = None if isinstance(augmentation, ViewMaker) else augmentation
        # Adversarial training for free shows a batch several steps in a row.
        self._replays = augmentation.replays if isinstance(augmentation, ViewMaker) else 1
        self._views, self._seed, self._device = views, seed, device
        self._pixels = _near(data.pixels, device)
        self.per_epoch = len(data) // recipe.batch_size
        self._steps = recipe.total_steps(len(data))
        numbers = data.pixels[0].numel() * recipe.batch_size // team.size
        self._ahead = max(1, AT_ONCE.get(device.type, AT_ONCE["cpu"]) // numbers)
        self._order, self._ordered = torch.empty(0, dtype=torch.int64), -1
        self._made: Sequence[Batch] = ()
        self._made_of = (-1, -1)

    def at(self, step: int) -> Batch:
        """What a step starts from."""
        epoch, place = divmod(step, self.per_epoch)
        block, within = divmod(place, self._ahead)
        if (epoch, block) != self._made_of:
            self._made, self._made_of = (), (epoch, block)
            self._made = self._make(epoch, block * self._ahead)
        return self._made[within]

    @torch.no_grad()
    def _make(self, epoch: int, first: int) -> list[Batch]:
        # No step beyond the last one, or a training of few steps would pay for more.
        end = min(first + self._ahead, self.per_epoch, self._steps - epoch * self.per_epoch)
        rows = [self._rows(epoch, place) for place in range(first, end)]
        together = torch.cat(rows)
        # A few numbers are drawn faster on the CPU than on an accelerator, which then need not be waited for.
        key = Key(self._seed).fold("augmentation").at(self._data.index[together], epoch=epoch)
        pictures = self._pixels[together.to(self._pixels.device)].to(self._device).float() / 255
        if self._recipe.base is not None:
            pictures = self._recipe.base(pictures, key.fold("base"))
        ready: list[Tensor] = []
        if self._mechanism is not None:
            ready = [self._mechanism(pictures, key.fold(f"view {number}")) for number in range(self._views)]
        whole = Batch(pictures, self._data.labels[together].to(self._device), self._classes, key, tuple(ready))
        return list(whole.parts(len(rows)))

    def _rows(self, epoch: int, place: int) -> Tensor:
        if epoch != self._ordered:
            self._order = Key(self._seed).fold("order").fold(epoch).permutation(len(self._data))
            self._ordered = epoch
        first = place // self._replays * self._recipe.batch_size
        return self._team.share(self._order[first : first + self._recipe.batch_size])


def _near(pixels: Bytes, device: torch.device) -> Bytes:
    """Stored pictures on the device, where they take at most a quarter of what is free there."""
    if device.type == "cuda" and pixels.numel() * 4 <= torch.cuda.mem_get_info(device)[0]:
        return pixels.to(device)
    return pixels
