"""Evaluation: what happened to each test picture, and the figures with intervals that follow from it."""

from mechaug.evaluation.attacks import Attack, Attacked, attack_all
from mechaug.evaluation.attacks_auto import auto_attack
from mechaug.evaluation.attacks_pgd import Fgsm, Pgd
from mechaug.evaluation.corruptions import corrupt
from mechaug.evaluation.intervention import Criterion, InterventionReport, intervention_report
from mechaug.evaluation.kept import Place
from mechaug.evaluation.result import Measurement, Result, read_result, write_result
from mechaug.evaluation.run import Outcomes, measure, pool
from mechaug.evaluation.suites import Limits, Subject, Suite, Target, choose_suites

__all__ = [
    "Attack", "Attacked", "Criterion", "Fgsm", "InterventionReport", "Limits", "Measurement", "Outcomes", "Pgd",
    "Place", "Result", "Subject", "Suite", "Target", "attack_all", "auto_attack", "choose_suites", "corrupt",
    "intervention_report", "measure", "pool", "read_result", "write_result",
]  # fmt: skip
