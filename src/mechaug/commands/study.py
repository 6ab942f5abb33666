"""`mechaug study`: the main job."""

from dataclasses import dataclass, field
from pathlib import Path

from mechaug.commands.config import study_config
from mechaug.commands.options import Count, Training, command_line, print_ranking, say


@dataclass(frozen=True)
class Study:
    """Train one net by several augmentations, measure each, and write one page that shows who wins where."""

    data: str = "signs"
    """Pictures: signs (embedded), signs:RHO (tied to its illuminant by RHO), cifar10:PATH, folder:PATH, npz:FILE or
    npy:FOLDER."""
    out: Path = Path("runs/study")
    """Folder of the study; started again with the same options, it goes on where it stopped."""
    methods: tuple[str, ...] = ("flip-crop", "augmix-jsd", "camera")
    """Who is compared, by name; `mechaug review` lists everyone."""
    seeds: tuple[int, ...] = (0,)
    """One training per method and seed; three or more say how much figures vary between trainings."""
    test_size: Count = None
    """Measure only on so many test pictures."""
    attack_size: int = 500
    """Attack only so many of them; 0 leaves the attack out."""
    training: Training = field(default_factory=Training)

    def run(self) -> None:
        """Run the study, or what is left of it, and write its page."""
        from mechaug.evaluation.run import Suites
        from mechaug.progress import Line
        from mechaug.reports.html import write
        from mechaug.study import run_study

        config = study_config(
            self.data, self.training, methods=self.methods, seeds=self.seeds,
            suites=Suites(attacked_pictures=self.attack_size), test_size=self.test_size,
        )  # fmt: skip
        with Line() as line:
            result = run_study(
                config, self.out, command=command_line("study", self), watch=line,
                checkpoint_seconds=self.training.checkpoint_seconds,
            )  # fmt: skip
        page = self.out / "report.html"
        write([self.out / "result.json"], page)
        print_ranking(result)
        say(f"\nreport: {page}")
