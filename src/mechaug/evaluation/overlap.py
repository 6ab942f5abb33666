"""How near a training's augmentation comes to a corruption: declared by its mechanisms, and measured in features.

Mintun, Kirillov and Xie, "On interaction between augmentations and corruptions in natural corruption robustness",
NeurIPS 2021, section 4. With f(t) = E_x f̂(t(x)) over 100 fixed training pictures x, one draw of the transform t for
all of them, and f̂ the features before the last layer of a net that was trained with flips and crops alone:

- the minimal sample distance, min_a ‖f(a) − E_c f(c)‖ over draws a of the augmentation: whether the augmentation ever
  comes near what the corruption is like on average. It falls with the number of draws, so figures are compared at one
  number, which is reported;
- the distance of the means, ‖E_a f(a) − E_c f(c)‖, the maximum mean discrepancy of a linear kernel.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.data.pictures import Pictures
from mechaug.evaluation.corruptions import corrupt
from mechaug.evaluation.suites.base import some
from mechaug.heuristics.views import Augmentation, ViewMaker
from mechaug.keys import Key
from mechaug.mechanisms.parts import parts
from mechaug.types import Bytes, Image

PICTURES: Final = 100
CORRUPTION_DRAWS: Final = 100

Features: TypeAlias = Callable[[Image], Float[Tensor, "b d"]]
"""From pictures in [0, 1] to what a net computes before its last layer."""

Transform: TypeAlias = Callable[[Bytes, Key], Image]
"""From stored pictures and one key per picture to pictures in [0, 1]."""


@dataclass(frozen=True)
class Distance:
    """How far an augmentation is from a corruption.

    Attributes:
        minimal: the minimal sample distance.
        of_means: the distance of the means.
    """

    minimal: float
    of_means: float


def declared(mechanism: Augmentation | None) -> dict[str, tuple[str, ...]]:
    """The corruptions that are relatives of an augmentation or of what it holds, with the names of its mechanisms."""
    if mechanism is None:
        return {}
    found: dict[str, tuple[str, ...]] = {corruption: (type(mechanism).__name__,) for corruption in mechanism.overlaps}
    if isinstance(mechanism, ViewMaker):
        return found
    for part in parts(mechanism):
        for corruption, names in declared(part).items():
            found[corruption] = tuple(dict.fromkeys((*found.get(corruption, ()), *names)))
    return found


def distances(
    features: Features,
    pictures: Pictures,
    augmentations: Mapping[str, Transform],
    corruptions: tuple[str, ...],
    key: Key,
    *,
    draws: int,
    severity: int = 3,
    corruption_draws: int = CORRUPTION_DRAWS,
    device: str = "cpu",
    advance: Callable[[int], None] = lambda _: None,
) -> dict[tuple[str, str], Distance]:
    """The distances of every augmentation from every corruption.

    Args:
        features: f̂.
        pictures: the training set; 100 of them are taken, every class with its share.
        augmentations: by name; all of what happens to a training picture is inside.
        corruptions: their names.
        key: a single key.
        draws: of each augmentation.
        severity: of the corruptions.
        corruption_draws: of each corruption; of a deterministic one too, which costs time and changes nothing.
        device: where the features are computed.
        advance: is told of each draw.

    Returns:
        One entry for each augmentation and corruption.

    Raises:
        ValueError: a count is below 1.
    """
    if draws < 1 or corruption_draws < 1:
        raise ValueError(f"a distance needs draws: {draws} of augmentations and {corruption_draws} of corruptions")
    chosen = pictures.pixels[some(pictures, PICTURES)]

    def sampled(transform: Transform, name: str, count: int) -> Float[Tensor, "count d"]:
        """f(t) for so many draws of a transform: all pictures share a draw, because they share its key."""
        rows = []
        with torch.no_grad():
            for draw in range(count):
                shared = key.fold(name).at(torch.full((len(chosen),), draw))
                rows.append(features(transform(chosen, shared).to(device)).double().mean(0).cpu())
                advance(1)
        return torch.stack(rows)

    def corrupted(name: str) -> Transform:
        return lambda stored, keys: corrupt(stored, name, severity, keys).float() / 255

    centres = {name: sampled(corrupted(name), name, corruption_draws).mean(0) for name in corruptions}
    found = {}
    for name, augmentation in augmentations.items():
        samples = sampled(augmentation, f"augmentation {name}", draws)
        for corruption, centre in centres.items():
            minimal = (samples - centre).norm(dim=1).min()
            found[name, corruption] = Distance(float(minimal), float((samples.mean(0) - centre).norm()))
    return found
