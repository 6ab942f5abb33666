"""`mechaug study`: the main job."""

from dataclasses import dataclass, field
from pathlib import Path

from mechaug.commands.config import study_config
from mechaug.commands.options import Count, SuiteSizes, Training, command_line, limits_of, print_ranking, say


@dataclass(frozen=True)
class Study:
    """Train one net by several augmentations, measure each, and write one page that shows who wins where."""

    data: str = "signs"
    """Pictures: signs (embedded), signs:RHO (tied to its illuminant by RHO), cifar10:PATH, folder:PATH, npz:FILE or
    npy:FOLDER."""
    data_name: str = ""
    """What the pictures are called on the page, where they are not what their source is known for: a copy that went
    through another codec, or a part of them."""
    out: Path = Path("runs/study")
    """Folder of the study; started again with the same options, it goes on where it stopped."""
    methods: tuple[str, ...] = ("flip-crop", "augmix-jsd", "camera")
    """Who is compared, by name; `mechaug review` lists everyone."""
    seeds: tuple[int, ...] = (0,)
    """One training per method and seed; three or more say how much figures vary between trainings."""
    test_size: Count = None
    """Measure only on so many test pictures."""
    suites: tuple[str, ...] = ("clean", "c", "pgd", "calibration")
    """What to measure, as in `mechaug evaluate`, with its costs."""
    sizes: SuiteSizes = field(default_factory=SuiteSizes)
    shift: tuple[str, ...] = ()
    """Shifted sets of the same classes, as in `mechaug evaluate`."""
    ood: tuple[str, ...] = ()
    """Folders of pictures of none of the classes."""
    overlap_draws: int = 0
    """Measure how near each augmentation comes to each corruption, from so many draws (Mintun et al., NeurIPS 2021);
    1,000 is usual, and 0 leaves it at what mechanisms declare. Needs the method flip-crop."""
    training: Training = field(default_factory=Training)

    def run(self) -> None:
        """Run the study, or what is left of it, and write its page."""
        from mechaug.evaluation.suites import choose_suites
        from mechaug.progress import Line
        from mechaug.reports.html import write
        from mechaug.study import run_study

        config = study_config(
            self.data, self.training, methods=self.methods, seeds=self.seeds,
            suites=choose_suites(self.suites, limits_of(self.sizes, shift=self.shift, elsewhere=self.ood)),
            test_size=self.test_size, overlap_draws=self.overlap_draws, data_name=self.data_name,
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
