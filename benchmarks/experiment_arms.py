"""The arms of `experiments.py`: what was tried, as data."""

from collections.abc import Mapping
from typing import Any, Final

from mechaug import heuristics as h
from mechaug import mechanisms as m
from mechaug.heuristics.views import Augmentation
from mechaug.training.adversarial import WorstCase
from mechaug.training.consistency import KL
from mechaug.training.games import Hedge
from mechaug.training.mechanistic import ALL, GROUPS, NOISE, OBJECT, RELATED, UNRELATED, exposures, mixture, steps
from mechaug.training.methods import Method, method
from mechaug.training.nature import Nature
from mechaug.training.objectives import JSD, CrossEntropy, Objective

CONSISTENT: Final = CrossEntropy("clean") + 12 * JSD(views=2)


def _arm(name: str, what: str, augmentation: Augmentation, objective: Objective = CONSISTENT) -> Method:
    return Method(name, name, "mechanism", what, True, augmentation, objective)


_IN_FRONT: Final = (m.Occlusion(), m.LensDrops(view=OBJECT), m.LensDirt(view=OBJECT))
_VEILS: Final = (*(part for part in ALL if isinstance(part, m.Haze | m.Glare)), m.Reflection())
_STAGES: Final = (*(m.OneOf(*group) for group in GROUPS), m.OneOf(*_IN_FRONT))


def _by_stage(geometry: int) -> m.Chain:
    """The recipe with stages, not mechanisms, drawn equally often, geometry so many times as often as another."""
    one = m.OneOf(*_STAGES, weights=(geometry, *(1,) * (len(_STAGES) - 1)))
    return m.Chain(mixture(one), m.Maybe[Any](NOISE, 0.35))


def _mostly_unseen(seen: float, noisy: float, front: float = 0.0, *in_front: m.Mechanism[Any]) -> m.Chain:
    """The recipe with the relatives of C in a share of the steps only, and what is in front of a lens in another."""
    one = m.OneOf(m.OneOf(*UNRELATED), m.OneOf(*RELATED), *((m.OneOf(*in_front),) if front else ()),
                  weights=(1 - seen - front, seen, *((front,) if front else ())))  # fmt: skip
    return m.Chain(mixture(one), m.Maybe[Any](NOISE, noisy))


def _on_all(weight: float) -> Objective:
    """Cross-entropy on the clean picture and both views, beside their consistency."""
    return CrossEntropy("all") + weight * JSD(views=2)


_REFLECTIONS: Final = _mostly_unseen(0.2, 0.2, 0.2, m.Reflection())
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
    method("mechanistic-lean"),
    _arm("mix-noise-band-jsd", "exposures-jsd, then BandDropout on a quarter of the pictures",
         m.Chain(exposures(), _BAND)),
    _arm("mix-kl", "mix-jsd with 6 × KL and a stopped gradient in the place of the JSD", _MIX,
         CrossEntropy("all") + 6 * KL(views=1)),
    _arm("mix-all", "mix-jsd's pictures with cross-entropy on the clean picture and one view", _MIX,
         CrossEntropy("all")),
    # The views' own cross-entropy beside the consistency, and with AugMix the same, to tell the loss from the pictures.
    _arm("exposures-ce", "exposures-jsd's pictures with cross-entropy on the clean picture and one view", exposures(),
         CrossEntropy("all")),
    _arm("exposures-ce-jsd", "exposures-jsd with cross-entropy on the views too", exposures(),
         _on_all(12)),
    _arm("exposures-ce-jsd-4", "exposures-jsd with cross-entropy on the views too and JSD 4", exposures(),
         _on_all(4)),
    _arm("augmix-ce-jsd", "AugMix with cross-entropy on the views too", h.AugMix(),
         _on_all(12)),
    _arm("stages-jsd", "exposures-jsd, drawn by stage, with occlusion, drops and dirt on the lens", _by_stage(1)),
    _arm("stages-geometry-jsd", "stages-jsd with geometry five times as often as each other stage", _by_stage(5)),
    _arm("stages-geometry-ce-jsd", "stages-geometry-jsd with cross-entropy on the views too", _by_stage(5),
         _on_all(12)),
    _arm("mostly-unseen-jsd", "exposures-jsd with relatives of C in a fifth of the steps and noise on a fifth",
         _mostly_unseen(0.2, 0.2)),
    _arm("mostly-unseen-jsd-4", "mostly-unseen-jsd with JSD 4", _mostly_unseen(0.2, 0.2),
         CrossEntropy() + 4 * JSD(views=2)),
    _arm("reflections-jsd-4", "reflections-jsd with JSD 4", _REFLECTIONS,
         CrossEntropy() + 4 * JSD(views=2)),
    _arm("reflections-ce-jsd-4", "reflections-jsd-4 with cross-entropy on the views too: what became `mechanistic`",
         _REFLECTIONS, _on_all(4)),
    _arm("reflections-ce-jsd-2", "reflections-ce-jsd-4 with JSD 2",
         _REFLECTIONS, _on_all(2)),
    _arm("reflections-third-ce-jsd-2", "reflections-ce-jsd-2 with relatives of C in a third of the steps",
         _mostly_unseen(0.35, 0.2, 0.2, m.Reflection()), _on_all(2)),
    _arm("reflections-noisy-ce-jsd-2", "reflections-third-ce-jsd-2 with noise on a third of the pictures",
         _mostly_unseen(0.35, 0.35, 0.2, m.Reflection()), _on_all(2)),
    _arm("reflections-ce-jsd-1", "reflections-ce-jsd-4 with JSD 1",
         _REFLECTIONS, _on_all(1)),
    _arm("reflections-ce", "reflections-jsd with cross-entropy alone, on the clean picture and one view",
         _REFLECTIONS, CrossEntropy("all")),
    _arm("augmix-ce-jsd-4", "AugMix with cross-entropy on the views too, JSD 4", h.AugMix(),
         _on_all(4)),
    _arm("mostly-unseen-quiet-jsd", "mostly-unseen-jsd without the noise", _mostly_unseen(0.2, 0.0)),
    _arm("mostly-unseen-third-jsd", "mostly-unseen-jsd with relatives of C in a third of the steps",
         _mostly_unseen(0.35, 0.2)),
    _arm("mostly-unseen-tenth-jsd", "mostly-unseen-jsd with relatives of C, and noise, in a tenth each",
         _mostly_unseen(0.1, 0.1)),
    _arm("reflections-jsd", "mostly-unseen-jsd with reflections in a fifth of the steps",
         _REFLECTIONS),
    _arm("lean", "reflections-jsd's pictures alone, one view, cross-entropy", _REFLECTIONS, CrossEntropy("augmented")),
    _arm("lean-half", "lean on half of the pictures", m.Maybe[Any](_REFLECTIONS, 0.5), CrossEntropy("augmented")),
    _arm("lean-third", "lean with relatives of C in a third of the steps, and noise on a third",
         _mostly_unseen(0.35, 0.35, 0.2, m.Reflection()), CrossEntropy("augmented")),
    _arm("lean-all", "lean with all mechanisms equally often", exposures(0.2), CrossEntropy("augmented")),
    _arm("veils-jsd", "mostly-unseen-jsd with haze, reflections or glare in a fifth of the steps",
         _mostly_unseen(0.2, 0.2, 0.2, *_VEILS)),
    _arm("veils-third-jsd", "veils-jsd with other relatives of C in a third of the steps, and veils in a quarter",
         _mostly_unseen(0.3, 0.2, 0.25, *_VEILS)),
    _arm("in-front-jsd", "mostly-unseen-jsd with reflections, occlusion, drops or dirt in a third of the steps",
         _mostly_unseen(0.2, 0.2, 0.3, m.Reflection(), *_IN_FRONT)),
    _arm("mix-unseen-noise-jsd", "mix-unseen-jsd, then a sensor's noise on a third of the pictures",
         m.Chain(mixture(*UNRELATED), m.Maybe[Any](NOISE, 0.35))),
    _arm("mix-unseen-front-jsd", "mix-unseen-jsd with occlusion, drops and dirt on the lens, and seen aslant",
         mixture(*UNRELATED, *_IN_FRONT, m.Perspective())),
    _arm("mix-unseen-ce-jsd", "mix-unseen-jsd with cross-entropy on the views too", mixture(*UNRELATED),
         _on_all(12)),
    _arm("mix-unseen-jsd", "mix-jsd with nothing that has a relative in C", mixture(*UNRELATED)),
    _arm("mix-worst", "cross-entropy on the clean picture and on the worst of three draws of mix-jsd's chain",
         WorstCase(_MIX, steps=0, draws=3), CrossEntropy("all")),
    _arm("mix-nature", "nature picks a group of mechanisms by Hedge on excess risk; cross-entropy on clean and view",
         Nature(*(mixture(*group) for group in GROUPS),
                player=Hedge(rate=0.1)), CrossEntropy("all")),
)  # fmt: skip

ARMS: Final[Mapping[str, Method]] = {arm.name: arm for arm in _ARMS}
