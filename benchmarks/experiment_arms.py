"""The arms of `experiments.py`: what was tried, as data."""

from collections.abc import Mapping
from typing import Any, Final

from mechaug import heuristics as h
from mechaug import mechanisms as m
from mechaug.heuristics.views import Augmentation
from mechaug.mechanisms.relatives import COMMON_CORRUPTIONS
from mechaug.training.adversarial import WorstCase
from mechaug.training.arms import without
from mechaug.training.consistency import KL
from mechaug.training.games import Hedge
from mechaug.training.mechanistic import ALL, GROUPS, exposures, mixture, steps
from mechaug.training.methods import Method, method
from mechaug.training.nature import Nature
from mechaug.training.objectives import JSD, CrossEntropy, Objective

CONSISTENT: Final = CrossEntropy("clean") + 12 * JSD(views=2)


def _arm(name: str, what: str, augmentation: Augmentation, objective: Objective = CONSISTENT) -> Method:
    return Method(name, name, "mechanism", what, True, augmentation, objective)


UNSEEN: Final = tuple(part for part in ALL if without(part, COMMON_CORRUPTIONS) is not None)
"""What has no relative in C."""

_CHAIN: Final = m.Chain(*(m.Maybe[Any](part, 0.2) for part in ALL))
_MIX: Final = mixture(*ALL)
_BAND: Final = m.Maybe[Any](m.BandDropout(), 0.25)

_ARMS = (
    method("flip-crop"),
    method("trivialaugment"),
    method("augmix-jsd"),
    method("prime-jsd"),
    method("pixmix"),
    method("camera-jsd"),
    _arm("band-jsd", "BandDropout alone, JSD 12 over two views", m.BandDropout()),
    _arm("band-augmix-jsd", "AugMix, then BandDropout, JSD 12 over two views", m.Chain(h.AugMix(), m.BandDropout())),
    _arm("steps-jsd", "one chain of 1 to 3 of all mechanisms, not mixed, JSD 12 over two views", steps(*ALL)),
    _arm("chain-jsd", "all mechanisms in the order of light, each on a fifth of the pictures, JSD 12", _CHAIN),
    _arm("mix-jsd", "one chain of 1 to 3 of all mechanisms, mixed with the picture in linear light, JSD 12", _MIX),
    _arm("mix3-jsd", "three such chains mixed with the picture in linear light, JSD 12", mixture(*ALL, branches=3)),
    _arm("mix-band-jsd", "mix-jsd, then BandDropout on a quarter of the pictures", m.Chain(_MIX, _BAND)),
    method("exposures-jsd"),
    _arm("mix-noise-band-jsd", "exposures-jsd, then BandDropout on a quarter of the pictures",
         m.Chain(exposures(), _BAND)),
    _arm("mix-kl", "mix-jsd with 6 × KL and a stopped gradient in the place of the JSD", _MIX,
         CrossEntropy("all") + 6 * KL(views=1)),
    _arm("mix-all", "mix-jsd's pictures with cross-entropy on the clean picture and one view", _MIX,
         CrossEntropy("all")),
    _arm("mix-unseen-jsd", "mix-jsd with nothing that has a relative in C", mixture(*UNSEEN)),
    _arm("mix-worst", "cross-entropy on the clean picture and on the worst of three draws of mix-jsd's chain",
         WorstCase(_MIX, steps=0, draws=3), CrossEntropy("all")),
    _arm("mix-nature", "nature picks a group of mechanisms by Hedge on excess risk; cross-entropy on clean and view",
         Nature(*(mixture(*group) for group in GROUPS),
                player=Hedge(rate=0.1)), CrossEntropy("all")),
)  # fmt: skip

ARMS: Final[Mapping[str, Method]] = {arm.name: arm for arm in _ARMS}
