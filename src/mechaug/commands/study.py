"""`mechaug study`: the main job."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import tyro

from mechaug.commands.config import study_config
from mechaug.commands.options import (
    Count,
    Counts,
    Names,
    SuiteSizes,
    Training,
    command_line,
    limits_of,
    print_ranking,
    say,
)

if TYPE_CHECKING:
    from mechaug.config import StudyConfig
    from mechaug.evaluation.result import Result
    from mechaug.protocol import Honest
    from mechaug.watch import Watch

METHODS = ("flip-crop", "augmix-jsd", "camera")

T = TypeVar("T")


@dataclass(frozen=True)
class Study:
    """Train one net by several augmentations, measure each, and write one page that shows who wins where."""

    data: str = "signs"
    """Pictures: signs (embedded), signs:RHO (tied to its illuminant by RHO), cifar10:PATH, folder:PATH, npz:FILE or
    npy:FOLDER; domains:PATH@NAME holds one domain of PATH/<domain>/<class>/ out, and domains:PATH each in turn."""
    data_name: str = ""
    """What the pictures are called on the page, where they are not what their source is known for: a copy that went
    through another codec, or a part of them."""
    out: Path = Path("runs/study")
    """Folder of the study; started again with the same options, it goes on where it stopped."""
    methods: Names = None
    """Who is compared, by name; `mechaug review` lists everyone. By default flip-crop augmix-jsd camera; with
    --protocol honest the rivals of --mechanism, by default none flip-crop trivialaugment augmix-jsd prime-jsd pixmix
    mixup cutmix. METHOD:unseen and METHOD:no-FAMILY are arms that never saw a relative of C, or of a family of C."""
    seeds: Counts = None
    """One training per method and seed, by default seed 0, or 0 1 2 with --protocol honest; three or more say how much
    figures vary between trainings."""
    protocol: Literal["plain", "honest"] = "plain"
    """honest compares --mechanism with its rivals whole, without relatives of C, and without one family at a time, at
    equal epochs and again at equal wall time: two studies on one page."""
    mechanism: str = "mechanistic"
    """The method that the honest protocol, and the comparison over domains held out in turn, is about."""
    test_size: Count = None
    """Measure only on so many test pictures."""
    suites: Names = None
    """What to measure, as in `mechaug evaluate`, with its costs; by default clean c pgd calibration, and with
    --protocol honest c-bar too."""
    sizes: SuiteSizes = field(default_factory=SuiteSizes)
    shift: tuple[str, ...] = ()
    """Shifted sets of the same classes, as in `mechaug evaluate`."""
    ood: tuple[str, ...] = ()
    """Folders of pictures of none of the classes."""
    overlap_draws: int = 0
    """Measure how near each augmentation comes to each corruption, from so many draws (Mintun et al., NeurIPS 2021);
    1,000 is usual, and 0 leaves it at what mechanisms declare. Needs the method flip-crop."""
    ray: Annotated[str | None, tyro.conf.arg(metavar="STR")] = None
    """Spread trainings by Ray: auto for a cluster that runs here or else for this machine's cores, or the address of
    one whose machines all see --out. Needs `pip install 'mechaug[ray]'`."""
    training: Training = field(default_factory=Training)

    def run(self) -> None:
        """Run the study, or what is left of it, and write its page."""
        from mechaug.evaluation.suites import DEFAULT, choose_suites
        from mechaug.progress import Line
        from mechaug.protocol import RIVALS, SEEDS, SUITES, Honest
        from mechaug.reports.html import write

        honest = None
        if self.protocol == "honest":
            honest = Honest(self.mechanism, RIVALS if self.methods is None else self.methods)
        suites = _given(self.suites, DEFAULT if honest is None else SUITES)
        config = study_config(
            self.data, self.training, methods=_given(self.methods, METHODS) if honest is None else honest.methods,
            seeds=_given(self.seeds, (0,) if honest is None else SEEDS),
            suites=choose_suites(suites, limits_of(
                self.sizes, shift=self.shift, elsewhere=self.ood, skip_bad=self.training.skip_bad
            )),
            test_size=self.test_size, overlap_draws=self.overlap_draws, data_name=self.data_name,
        )  # fmt: skip
        with Line() as line:
            found = self._results(config, honest, line)
        page = self.out / "report.html"
        write([self.out / place / "result.json" for place in found], page)
        for result in found.values():
            print_ranking(result)
        say(f"\nreport: {page}")

    def _results(self, config: "StudyConfig", honest: "Honest | None", watch: "Watch") -> "dict[str, Result]":
        """The results by their folders within the study's."""
        from mechaug.data.shifted import domains_root
        from mechaug.domains import run_domains
        from mechaug.errors import UserError
        from mechaug.protocol import run_honest
        from mechaug.study import run_study

        command, seconds, spread = command_line("study", self), self.training.checkpoint_seconds, None
        if self.ray is not None:
            from mechaug.spread import Spread

            spread = Spread(self.ray, checkpoint_seconds=seconds)
        domains = domains_root(self.data)
        if domains is not None:
            if honest is not None:
                raise UserError(
                    "the honest protocol holds one domain out at a time: name it, as in "
                    f"--data {self.data}@NAME, or leave --protocol honest out"
                )
            about = self.mechanism if self.mechanism in config.methods else config.methods[0]
            return run_domains(
                config, domains, self.out, about=about, command=command, watch=watch, checkpoint_seconds=seconds,
                spread=spread,
            )  # fmt: skip
        if honest is None:
            result = run_study(
                config, self.out, command=command, watch=watch, checkpoint_seconds=seconds, spread=spread
            )
            return {"": result}
        both = run_honest(
            config, honest, self.out, command=command, watch=watch, checkpoint_seconds=seconds, spread=spread
        )
        return dict(zip(("epochs", "time"), both, strict=True))


def _given(value: T | None, default: T) -> T:
    # Nothing named at all is not the same as an empty list, which is refused.
    return default if value is None else value
