"""`mechaug train`: one net, one augmentation, one model."""

from dataclasses import dataclass, field
from pathlib import Path

from mechaug.commands.config import study_config
from mechaug.commands.options import Training, say


@dataclass(frozen=True)
class Train:
    """Train one net by one augmentation and keep its model: what a study does for each method and seed."""

    data: str = "signs"
    """What to train on, as in `mechaug study`."""
    out: Path = Path("runs/train")
    """Folder of the model; started again with the same options, it goes on where it stopped."""
    method: str = "camera"
    """What to train by; `mechaug review` lists everything."""
    seed: int = 0
    """Of the weights, the order and the augmentation."""
    training: Training = field(default_factory=Training)

    def run(self) -> None:
        """Train, or go on with it."""
        from mechaug.evaluation.run import Suites
        from mechaug.job import claim, load_data, train_method
        from mechaug.progress import Line

        config = study_config(
            self.data, self.training, methods=(self.method,), seeds=(self.seed,), suites=Suites(), test_size=0
        )
        with claim(config, self.out), Line() as line:
            fitted = train_method(
                config, load_data(config), config.chosen[0], self.seed, self.out, line,
                checkpoint_seconds=self.training.checkpoint_seconds,
            )  # fmt: skip
        say(
            f"trained {fitted.steps} steps in {fitted.seconds:.0f} s ({fitted.images_per_second:,.0f} pictures/s)\n"
            f"model: {self.out / 'model.safetensors'}"
        )
