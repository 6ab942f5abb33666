"""What can be measured of a model: one suite a file, by the names that the command line knows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mechaug.errors import UserError
from mechaug.evaluation.corruptions import SEVERITIES
from mechaug.evaluation.suites.attacked import PIXEL_ATTACKS, Attacked
from mechaug.evaluation.suites.base import Outcome, Scores, Subject, Suite, Target, some
from mechaug.evaluation.suites.clean import Calibration, Clean
from mechaug.evaluation.suites.corrupted import Corrupted, Family
from mechaug.evaluation.suites.elsewhere import Elsewhere, Shift
from mechaug.evaluation.suites.frequency import Frequency
from mechaug.evaluation.suites.stable import Stable
from mechaug.evaluation.suites.worst import Worst

__all__ = [
    "DEFAULT", "KNOWN", "TYPES", "Limits", "Outcome", "Scores", "Subject", "Suite", "Target", "choose_suites", "some",
]  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """How much of the test set each kind of suite takes, and what else they need.

    Attributes:
        corrupted: pictures under corruptions.
        attacked: pictures under attack.
        probed: pictures for stability and mechanisms, and at most half as many for frequencies.
        epsilon_levels: radius of the attacks' L∞ ball in levels of 255.
        severities: of corruptions.
        other: pictures of each shifted set, and of each set from elsewhere.
        files: folder of corrupted pictures, or None.
        frost: folder of the benchmark's frost textures, or None.
        shift: sources of shifted sets.
        elsewhere: sources of pictures from elsewhere.
        skip_bad: leave out pictures of these sets that cannot be read.
    """

    corrupted: int = 10_000
    attacked: int = 500
    probed: int = 200
    epsilon_levels: float = 8.0
    severities: tuple[int, ...] = SEVERITIES
    other: int = 10_000
    files: str | None = None
    frost: str | None = None
    shift: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    skip_bad: bool = False


def _corrupted(family: Family, limits: Limits) -> Corrupted:
    return Corrupted(family, (), limits.severities, limits.corrupted, limits.files, limits.frost)


KNOWN: Final[Mapping[str, Callable[[Limits], Suite]]] = MappingProxyType({
    "clean": lambda _: Clean(),
    "c": lambda limits: _corrupted("c", limits),
    "c-extra": lambda limits: _corrupted("c-extra", limits),
    "c-bar": lambda limits: _corrupted("c-bar", limits),
    "pgd": lambda limits: Attacked("pgd", limits.attacked, limits.epsilon_levels),
    "autoattack": lambda limits: Attacked("autoattack", limits.attacked, limits.epsilon_levels),
    "autoattack-rand": lambda limits: Attacked("autoattack-rand", limits.attacked, limits.epsilon_levels),
    "stability": lambda limits: Stable(limits.probed),
    "fourier": lambda limits: Frequency(max(1, limits.probed // 2)),
    "calibration": lambda _: Calibration(),
    "ood": lambda limits: Elsewhere(limits.elsewhere, limits.other, limits.skip_bad),
    "shift": lambda limits: Shift(limits.shift, limits.other, limits.skip_bad),
    "mechanism": lambda limits: Worst(limits.probed),
})  # fmt: skip
"""Every suite by name, in the order in which they run."""

TYPES: Final[Mapping[str, type]] = MappingProxyType({
    kind.__name__: kind
    for kind in (Attacked, Calibration, Clean, Corrupted, Elsewhere, Frequency, Shift, Stable, Worst)
})  # fmt: skip
"""What a stored suite may be, by name."""

DEFAULT: Final = ("clean", "c", "pgd", "calibration")
"""What is measured unless something else is asked for."""


def choose_suites(names: Sequence[str], limits: Limits | None = None) -> tuple[Suite, ...]:
    """Suites by name, in the order of `KNOWN`, with `Clean`, which the others build on.

    Raises:
        UserError: there is no such suite, or it lacks the pictures that it needs.
    """
    limits = limits or Limits()
    for name in names:
        if name not in KNOWN:
            raise UserError(f"there is no suite {name!r}: choose from {', '.join(KNOWN)}")
    for name, sources, option in (("shift", limits.shift, "--shift"), ("ood", limits.elsewhere, "--ood")):
        if name in names and not sources:
            raise UserError(f"the suite {name} needs pictures: name their sources by {option}")
    if not limits.attacked:
        names = [name for name in names if name not in PIXEL_ATTACKS]
    wanted = {"clean", *names} | ({"shift"} if limits.shift else set()) | ({"ood"} if limits.elsewhere else set())
    return tuple(make(limits) for name, make in KNOWN.items() if name in wanted)
