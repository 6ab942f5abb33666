"""Evaluation: what happened to each test picture, and the figures with intervals that follow from it."""

from mechaug.evaluation.attacks import Attack, Attacked, attack_all
from mechaug.evaluation.attacks_auto import auto_attack
from mechaug.evaluation.attacks_pgd import Fgsm, Pgd
from mechaug.evaluation.corruptions import corrupt
from mechaug.evaluation.result import Measurement, Result, read_result, write_result
from mechaug.evaluation.run import CorruptedPictures, Outcomes, Suites, measure, pool

__all__ = [
    "Attack", "Attacked", "CorruptedPictures", "Fgsm", "Measurement", "Outcomes", "Pgd", "Result", "Suites",
    "attack_all", "auto_attack", "corrupt", "measure", "pool", "read_result", "write_result",
]  # fmt: skip
