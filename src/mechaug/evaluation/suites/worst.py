"""Worst cases of the causes: mechanisms inside their usual ranges, at one draw and at the worst of several."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import torch

from mechaug.evaluation import metrics
from mechaug.evaluation.attacks import attack_all
from mechaug.evaluation.attacks_mechanism import BestOf, WorstParameters
from mechaug.evaluation.result import Figure
from mechaug.evaluation.suites.base import Advance, Outcome, Scores, Subject, Suite, Target, Tensors, Told, some, stack
from mechaug.keys import Key
from mechaug.mechanisms import (
    VIEWS,
    Defocus,
    Exposure,
    Haze,
    Illuminant,
    Jpeg,
    Mechanism,
    MotionBlur,
    Occlusion,
    Sensor,
    Shadow,
    ToneCurve,
    View,
    Viewpoint,
    presets,
)  # fmt: skip

_OBJECT_UP_TO: Final = 64  # pixels: what is no larger shows one object rather than a whole photograph


@final
@dataclass(frozen=True)
class Worst(Suite):
    """Accuracy under mechanisms of image formation: at one draw of their parameters, and at the worst of several.

    Attributes:
        pictures: how many, at most.
        draws: the several.
    """

    pictures: int = 200
    draws: int = 10

    @property
    def name(self) -> str:
        return "mechanism"

    @property
    def title(self) -> str:
        return "Worst cases of the causes"

    def describe(self) -> str:
        return (
            "accuracy under mechanisms of image formation inside their usual ranges: at one draw of the parameters, "
            f"and when right at every one of {self.draws} draws (worst-of-k, Engstrom et al., ICML 2019); camera is a "
            "whole chain"
        )

    def parts(self) -> tuple[str, ...]:
        """One for each mechanism, and the camera."""
        return (*(type(one).__name__ for one in _mechanisms(View())), "camera")

    def passes(self, part: str, target: Target) -> float:  # noqa: ARG002
        """One for each draw, one for the clean pictures, one for the single draw."""
        return (self.draws + 4) * len(some(target.pictures, self.pictures))

    def measure(self, part: str, subject: Subject, target: Target, advance: Advance) -> Tensors:
        """Whether each picture was right at one draw and at all, on the pictures that `some` chooses."""
        chosen = target.pictures.rows(some(target.pictures, self.pictures))
        small = min(chosen.pixels.shape[-2:]) <= _OBJECT_UP_TO
        view_name = "object" if small else "photograph"
        mechanisms = {type(one).__name__: one for one in _mechanisms(VIEWS[view_name])}
        mechanism = mechanisms.get(part, presets.camera(view_name))
        found = {}
        for name, draws in (("one", 1), ("all", self.draws)):
            attack = WorstParameters(mechanism, BestOf(draws))
            found[name] = attack_all(
                subject.model, chosen.pixels, chosen.labels, chosen.index, Key(subject.seed).fold("mechanism"),
                [attack], device=subject.device, batch_size=subject.batch_size,
                watch=Told(advance, (draws + 3) / 4 if draws == 1 else (draws + 2) / 2),
            ).correct  # fmt: skip
        return found

    def score(self, outcomes: Sequence[Outcome], target: Target, key: Key) -> Scores:  # noqa: ARG002
        """Both accuracies of each."""
        figures = []
        for name, heading in (("one", "Accuracy at one draw"), ("all", f"Accuracy at the worst of {self.draws} draws")):
            figures += [
                Figure(
                    "mechanism", heading, part, metrics.accuracy(stack(outcomes, part, name), key.fold(part).fold(name))
                )
                for part in self.parts()
            ]
        right = torch.stack([stack(outcomes, part, "all") for part in self.parts()])
        return Scores(figures=tuple(figures), headline=metrics.accuracy(right.float().mean(0), key.fold("worst")))


def _mechanisms(view: View) -> tuple[Mechanism[Any], ...]:
    return (
        Viewpoint(), Occlusion(), Illuminant(), Shadow(), Haze(view=view), Defocus(view=view), MotionBlur(view=view),
        Exposure(), Sensor(), ToneCurve(), Jpeg(),
    )  # fmt: skip
