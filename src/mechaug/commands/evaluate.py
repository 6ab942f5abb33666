"""`mechaug evaluate`: say how robust a model is."""

from dataclasses import dataclass
from pathlib import Path

from mechaug.commands.options import Count, command_line, device_of, print_ranking, say


@dataclass(frozen=True)
class Evaluate:
    """Measure a trained model on clean, corrupted and attacked pictures, and write result.json and report.html."""

    model: str
    """A model.safetensors that mechaug wrote, or package.module:function that returns a net on [0, 1] pictures."""
    data: str = "signs"
    """What to measure on, as in `mechaug study`; its test split is used."""
    out: Path = Path("runs/evaluate")
    """Folder of the result."""
    test_size: Count = None
    """Measure only on so many test pictures."""
    attack_size: int = 500
    """Attack only so many of them; 0 leaves the attack out."""
    image_size: Count = None
    """Side of the pictures, for folders of larger ones."""
    skip_bad: bool = False
    """Leave out pictures that cannot be read."""
    device: str = "auto"
    """cpu, cuda, or auto for cuda where there is one."""

    def run(self) -> None:
        """Measure the model and write its page."""
        from mechaug.data.sources import load
        from mechaug.evaluation.run import Suites
        from mechaug.job import evaluate_model
        from mechaug.progress import Line
        from mechaug.reports.html import write

        data = load(
            self.data,
            image_size=self.image_size,
            train_size=0,
            test_size=self.test_size,
            skip_bad=self.skip_bad,
        )
        with Line() as line:
            result = evaluate_model(
                self.model, data, Suites(attacked_pictures=self.attack_size), self.out,
                device=device_of(self.device), command=command_line("evaluate", self), watch=line,
            )  # fmt: skip
        write([self.out / "result.json"], self.out / "report.html")
        print_ranking(result)
        say(f"\nreport: {self.out / 'report.html'}")
