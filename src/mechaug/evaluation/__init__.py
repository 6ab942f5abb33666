"""Evaluation: what happened to each test picture, and the figures with intervals that follow from it."""

from mechaug.evaluation.attacks import attacked_correct, pgd
from mechaug.evaluation.corruptions import corrupt
from mechaug.evaluation.result import Measurement, Result, read_result, write_result
from mechaug.evaluation.run import CorruptedPictures, Outcomes, Suites, measure, pool

__all__ = [
    "CorruptedPictures", "Measurement", "Outcomes", "Result", "Suites", "attacked_correct", "corrupt", "measure",
    "pgd", "pool", "read_result", "write_result",
]  # fmt: skip
