"""Measure one model: clean, corrupted and attacked pictures, one outcome per picture."""

import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from mechaug.data.pictures import Pictures, choose
from mechaug.errors import UserError
from mechaug.evaluation import metrics
from mechaug.evaluation.attacks import attack_all
from mechaug.evaluation.attacks_pgd import Pgd
from mechaug.evaluation.corruptions import NAMES, SEVERITIES, corrupt
from mechaug.evaluation.result import Cell, Environment, Evaluation, Suite
from mechaug.files import write_file
from mechaug.keys import Key
from mechaug.types import Bytes, Labels
from mechaug.version import VERSION
from mechaug.watch import Silent, Watch


@dataclass(frozen=True)
class Suites:
    """What to measure.

    Attributes:
        corruptions: names of `NAMES`; empty for none.
        severities: of each.
        corrupted_pictures: how many of the test pictures are corrupted, at most.
        attacked_pictures: how many are attacked, at most; 0 for none.
        attack_steps: of PGD.
        batch_size: pictures through the model at once.
    """

    corruptions: tuple[str, ...] = NAMES
    severities: tuple[int, ...] = SEVERITIES
    corrupted_pictures: int = 10_000
    attacked_pictures: int = 500
    attack_steps: int = 20
    batch_size: int = 500

    def describe(self) -> tuple[Suite, ...]:
        """What these measure, for a reader of the result."""
        suites = [Suite("clean", "Clean", "accuracy on the test pictures as they are")]
        if self.corruptions:
            suites.append(
                Suite(
                    "corrupted", "Corrupted",
                    f"mean accuracy over {len(self.corruptions)} of the 15 common corruptions "
                    f"({', '.join(self.corruptions)}) at severities {', '.join(map(str, self.severities))} "
                    "(Hendrycks & Dietterich, ICLR 2019), regenerated here: not the published files",
                )
            )  # fmt: skip
        if self.attacked_pictures:
            suites.append(
                Suite(
                    "attacked", "Attacked",
                    f"accuracy under PGD-{self.attack_steps}, L∞ 8/255, step 2/255, one random start "
                    "(Madry et al., ICLR 2018); a single attack bounds robustness from above",
                )
            )  # fmt: skip
        suites.append(
            Suite("calibration", "Calibration error", "expected calibration error on clean pictures, 15 bins")
        )
        suites.append(Suite("worst class", "Worst class", "clean accuracy of the class that has the lowest"))
        return tuple(suites)


class CorruptedPictures:
    """The corrupted test pictures, made once for all models as far as memory allows.

    Args:
        pictures: the clean ones.
        count: only so many of them, as `some` chooses.
        seed: of the corruptions' draws; every model sees the same pictures.
        budget: bytes that may be kept; what is beyond is made again each time.
    """

    def __init__(self, pictures: Pictures, count: int, *, seed: int = 0, budget: int = 2_000_000_000) -> None:
        chosen = pictures.rows(some(pictures, count))
        self._pixels, self._index = chosen.pixels, chosen.index
        self._seed, self._left = seed, budget
        self._kept: dict[tuple[str, int], Bytes] = {}

    def get(self, name: str, severity: int) -> Bytes:
        """All pictures under one corruption at one severity, shape (n, c, h, w)."""
        place = (name, severity)
        if place in self._kept:
            return self._kept[place]
        key = Key(self._seed).fold("corruptions")
        made = torch.cat([
            corrupt(pixels, name, severity, key.at(index))
            for pixels, index in zip(self._pixels.split(500), self._index.split(500), strict=True)
        ])  # fmt: skip
        if made.numel() <= self._left:
            self._left -= made.numel()
            self._kept[place] = made
        return made


@dataclass(frozen=True)
class Outcomes:
    """What happened to each test picture, by one model.

    Attributes:
        clean: whether it was right, shape (n,).
        confidence: the largest probability, shape (n,).
        corrupted: whether it was right, shape (corruptions, severities, m), on the m pictures that `some` chooses.
        attacked: whether it stayed right under attack, shape (a,), on the a pictures that `some` chooses.
        seconds: wall time of the measurement, shape ().
    """

    clean: Tensor
    confidence: Tensor
    corrupted: Tensor
    attacked: Tensor
    seconds: Tensor


def measure(
    model: nn.Module,
    pictures: Pictures,
    corrupted: CorruptedPictures,
    suites: Suites,
    *,
    classes: Sequence[str],
    seed: int = 0,
    device: torch.device | str = "cpu",
    watch: Watch | None = None,
) -> Outcomes:
    """Measure one model.

    Args:
        model: maps pictures (b, c, h, w) in [0, 1] to logits (b, k).
        pictures: the test pictures.
        corrupted: the same, made for `suites.corrupted_pictures`.
        suites: what to measure.
        classes: their names, one per output of the model.
        seed: of the attack's random start.
        device: where to measure.
        watch: listens to the progress.

    Raises:
        UserError: there are no pictures, the model's output does not fit the classes, or is not finite.
    """
    watch, device, started = watch or Silent(), torch.device(device), time.perf_counter()
    if not len(pictures):
        raise UserError("there are no test pictures to measure on: ask for some with --test-size")
    model = model.to(device).eval()
    rows = some(pictures, suites.corrupted_pictures)
    attacked_rows = some(pictures, suites.attacked_pictures)
    cells = len(suites.corruptions) * len(suites.severities)
    watch.begin("measuring", len(pictures) + cells * len(rows) + suites.attack_steps * len(attacked_rows), "pictures")

    def predict(pixels: Bytes, labels: Labels, note: str) -> tuple[Tensor, Tensor]:
        confident, right = [], []
        for batch, truth in zip(pixels.split(suites.batch_size), labels.split(suites.batch_size), strict=True):
            probability, guess = _logits(model, batch.to(device).float() / 255, classes).softmax(-1).max(-1)
            confident.append(probability.cpu())
            right.append(guess.cpu() == truth)
            watch.advance(len(batch), note)
        return torch.cat(confident), torch.cat(right)

    confidence, clean = predict(pictures.pixels, pictures.labels, "clean")
    under = torch.zeros(len(suites.corruptions), len(suites.severities), len(rows), dtype=torch.bool)
    for row, name in enumerate(suites.corruptions):
        for column, severity in enumerate(suites.severities):
            pixels = corrupted.get(name, severity)
            under[row, column] = predict(pixels, pictures.labels[rows], f"{name} {severity}")[1]
    stayed = [torch.zeros(0, dtype=torch.bool)]
    for some_rows in attacked_rows.split(suites.batch_size) if len(attacked_rows) else ():
        target = pictures.rows(some_rows)
        stayed.append(
            attack_all(
                model, target.pixels, target.labels, target.index, Key(seed).fold("attack"),
                [Pgd(steps=suites.attack_steps)], batch_size=suites.batch_size, device=device,
            ).correct
        )  # fmt: skip
        watch.advance(suites.attack_steps * len(some_rows), "attack")
    seconds = torch.tensor(time.perf_counter() - started, dtype=torch.float64)
    return Outcomes(clean, confidence, under, torch.cat(stayed), seconds)


def some(pictures: Pictures, count: int) -> Int64[Tensor, "rows"]:
    """The rows of so many test pictures, every class with its share: the same for every model; all if there are fewer.

    Data sets often come sorted by class, so the first ones would not do.
    """
    if not 0 < count < len(pictures):
        return torch.arange(min(count, len(pictures)))
    classes = len(pictures.labels.unique())
    return choose(pictures.labels, max(count, classes), Key(0).fold("some test pictures").at(pictures.index))


@torch.inference_mode()
def _logits(model: nn.Module, batch: Tensor, classes: Sequence[str]) -> Tensor:
    logits = model(batch)
    if not isinstance(logits, Tensor) or logits.ndim != 2 or logits.shape[1] != len(classes):
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise UserError(
            f"the model's output has shape {shape}, and the data has {len(classes)} classes: "
            "measure a model on the classes it was trained for"
        )
    if not torch.isfinite(logits).all():
        raise UserError("the model's output is not finite (NaN or infinity): this model cannot be measured")
    return logits.float()


def save_outcomes(path: Path, outcomes: Outcomes) -> None:
    """Write outcomes as safetensors: whole or not at all."""
    from safetensors.torch import save_file

    tensors = {name: getattr(outcomes, name).contiguous() for name in Outcomes.__dataclass_fields__}
    write_file(path, lambda temporary: save_file(tensors, str(temporary)))


def load_outcomes(path: Path) -> Outcomes:
    """Read what `save_outcomes` wrote."""
    from safetensors.torch import load_file

    return Outcomes(**load_file(str(path)))


def pool(
    outcomes: Sequence[Outcomes], pictures: Pictures, classes: Sequence[str], suites: Suites, *, seed: int = 0
) -> Evaluation:
    """The figures of one method from the outcomes of its runs (one per seed), with intervals over pictures and seeds.

    Args:
        outcomes: one per run, on the same pictures.
        pictures: all test pictures.
        classes: the names of the labels.
        suites: what was measured.
        seed: of the bootstrap.
    """
    key = Key(seed).fold("bootstrap")
    clean = torch.stack([one.clean for one in outcomes])
    confidence = torch.stack([one.confidence for one in outcomes])
    worst, which = metrics.worst_class(clean.float(), pictures.labels, classes, key.fold("worst class"))
    corrupted = worst_corrupted = attacked = None
    cells: list[Cell] = []
    if suites.corruptions:
        under = torch.stack([one.corrupted for one in outcomes])
        per_picture = under.float().mean(dim=(1, 2))
        corrupted = metrics.accuracy(per_picture, key.fold("corrupted"))
        kept = pictures.labels[some(pictures, suites.corrupted_pictures)]
        worst_corrupted, _ = metrics.worst_class(per_picture, kept, classes, key.fold("worst class corrupted"))
        cells = [
            Cell(name, severity, metrics.accuracy(under[:, row, column], key.fold(name).fold(severity)))
            for row, name in enumerate(suites.corruptions)
            for column, severity in enumerate(suites.severities)
        ]
    if suites.attacked_pictures:
        attacked = metrics.accuracy(torch.stack([one.attacked for one in outcomes]), key.fold("attacked"))
    return Evaluation(
        clean=metrics.accuracy(clean, key.fold("clean")),
        corrupted=corrupted,
        attacked=attacked,
        calibration_error=metrics.calibration(confidence, clean, key.fold("calibration")),
        worst_class=worst,
        worst_class_name=classes[which],
        worst_class_corrupted=worst_corrupted,
        cells=tuple(cells),
    )


def mean(outcome: Tensor) -> float | None:
    """The share of outcomes that were right; None where nothing was measured."""
    return outcome.double().mean().item() if outcome.numel() else None


def environment(device: torch.device | str) -> Environment:
    """Where this process runs."""
    device = torch.device(device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    return Environment(
        mechaug=VERSION,
        python=".".join(map(str, sys.version_info[:3])),
        torch=torch.__version__,
        platform=f"{platform.system()} {platform.machine()}",
        device=name,
        threads=torch.get_num_threads(),
    )
