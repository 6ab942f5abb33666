"""Other pictures: shifted sets of the same classes, and pictures of none of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch

from mechaug.evaluation import metrics
from mechaug.evaluation.ood import Score, detection_of, strangeness
from mechaug.evaluation.predict import ask
from mechaug.evaluation.result import Figure
from mechaug.evaluation.shift import Shifted, load_other, load_shifted, sets_of
from mechaug.evaluation.suites.base import Advance, Outcome, Scores, Subject, Suite, Target, Tensors, on_device, stack
from mechaug.keys import Key
from mechaug.types import Bytes

_SCORES: tuple[tuple[Score, str], ...] = (("max softmax", "softmax_strangeness"), ("energy", "energy_strangeness"))


@final
@dataclass(frozen=True)
class Shift(Suite):
    """Accuracy on natural shifts: other pictures of the same classes, or of some of them.

    Attributes:
        sources: data sources, as `shift.load_shifted` takes them.
        pictures: of each set, at most.
        skip_bad: leave out pictures that cannot be read.
    """

    sources: tuple[str, ...]
    pictures: int = 10_000
    skip_bad: bool = False

    @property
    def name(self) -> str:
        return "shift"

    @property
    def title(self) -> str:
        return "Natural shifts"

    def describe(self) -> str:
        return (
            f"accuracy on other pictures of the same classes ({', '.join(self.sources)}); where a set has some of the "
            "classes only, also the accuracy when the answer is chosen among them, as ImageNet-A and -R are scored "
            "(Hendrycks et al., CVPR and ICCV 2021), and the clean accuracy on them for comparison"
        )

    def parts(self) -> tuple[str, ...]:
        """One for each set."""
        return tuple(f"set-{number}" for number in range(len(sets_of(self.sources))))

    def passes(self, part: str, target: Target) -> float:  # noqa: ARG002
        """As many as the test pictures: how many the sets hold is not known before they are read."""
        return min(self.pictures, len(target.pictures))

    @torch.inference_mode()
    def measure(self, part: str, subject: Subject, target: Target, advance: Advance) -> Tensors:
        """Whether each picture is right among all outputs and among the set's classes, and its label."""
        found = self._load(part, target)
        places = found.labels.unique()
        among_all, among_own = [], []
        for rows in torch.arange(len(found.labels)).split(subject.batch_size):
            logits = ask(subject.model, on_device(found.pixels[rows], subject), classes=len(target.outputs)).cpu()
            among_all.append(logits.argmax(1) == found.labels[rows])
            among_own.append(places[logits[:, places].argmax(1)] == found.labels[rows])
        advance(self.passes(part, target), f"shift: {found.title}")
        return {
            "right": torch.cat(among_all), "right_among_own": torch.cat(among_own), "labels": found.labels,
            "title": torch.tensor(list(found.title.encode()), dtype=torch.uint8), "digest": _digest(found.pixels),
        }  # fmt: skip

    def score(self, outcomes: Sequence[Outcome], target: Target, key: Key) -> Scores:
        """The accuracies, beside the clean ones on the same classes."""
        figures = []
        for part in self.parts():
            title = bytes(outcomes[0][part]["title"].tolist()).decode()
            labels = outcomes[0][part]["labels"]
            right, own = stack(outcomes, part, "right"), stack(outcomes, part, "right_among_own")
            figures.append(Figure("shift", title, "accuracy", metrics.accuracy(right, key.fold(part))))
            places = labels.unique()
            if len(places) < len(target.outputs):
                name = f"accuracy among its own {len(places)} classes"
                figures.append(Figure("shift", title, name, metrics.accuracy(own, key.fold(part).fold("own"))))
            same = torch.isin(target.pictures.labels, places)
            if same.any():
                clean = stack(outcomes, "clean", "right")[:, same]
                name = "clean accuracy on the same classes"
                figures.append(
                    Figure("shift", title, name, metrics.accuracy(clean, key.fold(part).fold("clean")), better="")
                )
        return Scores(figures=tuple(figures))

    def _load(self, part: str, target: Target) -> Shifted:
        source = sets_of(self.sources)[int(part.removeprefix("set-"))]
        # Reading a set takes longer than showing it to a net, and the nets of a study all see the same.
        return target.kept.get_sized(
            (self, part),
            lambda: load_shifted(source, target.outputs, target.pictures, self.pictures, skip_bad=self.skip_bad),
            lambda found: found.pixels.numel(),
        )


def _digest(pixels: Bytes) -> torch.Tensor:
    """By which two results are known to be on the same shifted pictures."""
    return torch.tensor(list(hashlib.blake2b(pixels.numpy().tobytes(), digest_size=12).digest()), dtype=torch.uint8)


@final
@dataclass(frozen=True)
class Elsewhere(Suite):
    """Whether confidence tells pictures of other classes from the data's.

    Attributes:
        sources: folders of pictures, with or without class folders, or data sources.
        pictures: of each, at most.
        skip_bad: leave out pictures that cannot be read.
    """

    sources: tuple[str, ...]
    pictures: int = 10_000
    skip_bad: bool = False

    @property
    def name(self) -> str:
        return "ood"

    @property
    def title(self) -> str:
        return "Out of distribution"

    def describe(self) -> str:
        return (
            "how well the largest softmax (Hendrycks & Gimpel, ICLR 2017) and the energy (Liu et al., NeurIPS 2020) "
            f"tell clean test pictures from others ({', '.join(self.sources)}); a picture from elsewhere is the "
            "positive case, and AUPR depends on how many there are"
        )

    def parts(self) -> tuple[str, ...]:
        """One for each source."""
        return tuple(f"set-{number}" for number in range(len(self.sources)))

    def passes(self, part: str, target: Target) -> float:  # noqa: ARG002
        """As in `Shift`."""
        return min(self.pictures, len(target.pictures))

    @torch.inference_mode()
    def measure(self, part: str, subject: Subject, target: Target, advance: Advance) -> Tensors:
        """How strange each picture seems, by both scores."""
        source = self.sources[int(part.removeprefix("set-"))]
        pixels = load_other(source, target.pictures, self.pictures, skip_bad=self.skip_bad)
        found: dict[str, list[torch.Tensor]] = {name: [] for _, name in _SCORES}
        for batch in pixels.split(subject.batch_size):
            logits = ask(subject.model, on_device(batch, subject), classes=len(target.outputs)).cpu()
            for score, name in _SCORES:
                found[name].append(strangeness(logits, score))
        advance(self.passes(part, target), "out of distribution")
        return {name: torch.cat(values) for name, values in found.items()}

    def score(self, outcomes: Sequence[Outcome], target: Target, key: Key) -> Scores:  # noqa: ARG002
        """AUROC, AUPR and FPR95; of several runs the first, because a detection is one model's."""
        figures = []
        for source, part in zip(self.sources, self.parts(), strict=True):
            for score, name in _SCORES:
                inside, other = outcomes[0]["clean"][name], outcomes[0][part][name]
                found = detection_of(inside, other, score, key.fold(part).fold(score))
                heading = f"{source}, {score}"
                figures += [
                    Figure("ood", heading, "AUROC", found.auroc),
                    Figure("ood", heading, f"AUPR ({found.elsewhere:.0%} are from elsewhere)", found.aupr),
                    Figure("ood", heading, "FPR95", found.fpr95, better="lower"),
                ]
        return Scores(figures=tuple(figures))
