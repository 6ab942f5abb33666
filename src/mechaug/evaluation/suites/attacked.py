"""Worst cases: attacks on the pictures' values, and what they leave right."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

import torch

from mechaug.evaluation import metrics
from mechaug.evaluation.attacks import Attack, attack_all
from mechaug.evaluation.attacks_auto import Doubt, auto_attack, cautions, randomised, standard
from mechaug.evaluation.attacks_pgd import Pgd
from mechaug.evaluation.result import Figure
from mechaug.evaluation.suites.base import Advance, Outcome, Scores, Subject, Suite, Target, Tensors, Told, some, stack
from mechaug.keys import Key

PIXEL_ATTACKS: Final = ("pgd", "autoattack", "autoattack-rand")
"""The suites that this file holds, by name."""

_OF_GRADIENTS: Final[tuple[Doubt, ...]] = ("random", "no gradient")
"""What to doubt where PGD alone was run: the other doubts are of AutoAttack's own attacks."""

_TITLES: Final = {"autoattack": "AutoAttack", "autoattack-rand": "AutoAttack for randomised models"}


@final
@dataclass(frozen=True)
class Attacked(Suite):
    """Accuracy under PGD, or under AutoAttack in its standard version or in that for randomised models.

    Attributes:
        attack: which one.
        pictures: how many are attacked, at most.
        epsilon_levels: radius of the L∞ ball in levels of 255.
        steps: of PGD; AutoAttack takes its own.
    """

    attack: Literal["pgd", "autoattack", "autoattack-rand"]
    pictures: int = 500
    epsilon_levels: float = 8.0
    steps: int = 20

    @property
    def name(self) -> str:
        return self.attack

    @property
    def title(self) -> str:
        return f"PGD-{self.steps}" if self.attack == "pgd" else _TITLES[self.attack]

    @property
    def gradients(self) -> bool:
        return True

    def describe(self) -> str:
        ball = f"L∞ {self.epsilon_levels:g}/255"
        if self.attack == "pgd":
            step = f"step {self.epsilon_levels / 4:g}/255"
            return (
                f"accuracy under PGD-{self.steps}, {ball}, {step}, one random start (Madry et al., ICLR 2018); "
                "a single attack bounds robustness from above"
            )
        if self.attack == "autoattack-rand":
            return (
                f"accuracy under AutoAttack, version for randomised models, {ball}: APGD-CE and APGD-DLR with "
                "gradients averaged over 20 answers of the model, the second on what the first left right (Croce & "
                "Hein, ICML 2020); the picture that is found is judged by one answer"
            )
        return (
            f"accuracy under AutoAttack, standard version, {ball}: APGD-CE, APGD-T, FAB-T and Square, each on what the "
            "ones before left right (Croce & Hein, ICML 2020)"
        )

    def parts(self) -> tuple[str, ...]:
        """One."""
        return ("all",)

    def passes(self, part: str, target: Target) -> float:  # noqa: ARG002
        """Of PGD exactly; of AutoAttack when half of the pictures are left to the later attacks."""
        count = len(some(target.pictures, self.pictures))
        if self.attack == "pgd":
            return count * (2 + 3 * self.steps)
        if self.attack == "autoattack-rand":
            return count * 1.5 * 3 * 100 * 20
        return count * (3 * 100 + 0.5 * (3 * 900 + 4 * 900 + 5000))

    def measure(self, part: str, subject: Subject, target: Target, advance: Advance) -> Tensors:
        """Which attack broke each picture, on the pictures that `some` chooses."""
        chosen = target.pictures.rows(some(target.pictures, self.pictures))
        attacks = self._attacks()
        share = self.passes(part, target) / max(len(chosen), 1) / (1 + len(attacks))
        watch = Told(advance, share)
        arguments = (subject.model, chosen.pixels, chosen.labels, chosen.index, Key(subject.seed).fold("attack"))
        options = {"device": subject.device, "batch_size": subject.batch_size}
        if self.attack == "pgd":
            doubts = cautions(subject.model, chosen.pixels, chosen.labels, **options)
            doubts = [one for one in doubts if one.doubt in _OF_GRADIENTS]
            attacked = attack_all(*arguments, attacks, watch=watch, **options)
        else:
            found = auto_attack(*arguments, attacks, watch=watch, **options)
            attacked, doubts = found.attacked, found.cautions
        text = "\n".join(one.sentence for one in doubts).encode()
        return {"broken_by": attacked.broken_by, "cautions": torch.tensor(list(text), dtype=torch.uint8)}

    def score(self, outcomes: Sequence[Outcome], target: Target, key: Key) -> Scores:  # noqa: ARG002
        """The accuracy under all of them, and after each."""
        broken_by = stack(outcomes, "all", "broken_by")
        key = key.fold("attacked")
        headline = metrics.accuracy(broken_by == -1, key)
        # PGD of earlier versions left none.
        kept = [outcome["all"].get("cautions", torch.zeros(0)) for outcome in outcomes]
        texts = [bytes(one.tolist()).decode() for one in kept]
        doubts = dict.fromkeys(f"{self.title}: {line}" for text in texts for line in text.splitlines())
        if self.attack == "pgd":
            return Scores(cautions=tuple(doubts), headline=headline)
        figures = [
            Figure(self.name, "", "accuracy on the same pictures, clean", metrics.accuracy(broken_by != -2, key))
        ]
        for place, attack in enumerate(self._attacks()):
            left = (broken_by == -1) | (broken_by > place)
            figures.append(Figure(self.name, "", f"accuracy after {attack.name}", metrics.accuracy(left, key)))
        return Scores(figures=tuple(figures), cautions=tuple(doubts), headline=headline)

    def _attacks(self) -> tuple[Attack, ...]:
        epsilon = self.epsilon_levels / 255
        if self.attack == "pgd":
            return (Pgd(epsilon, epsilon / 4, self.steps),)
        return standard(epsilon) if self.attack == "autoattack" else randomised(epsilon)
