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
        """Train, or go on with it; under torchrun every process takes its share of each batch."""
        import contextlib

        from mechaug.job import claim, load_data, train_method
        from mechaug.progress import Line
        from mechaug.training.team import gathered
        from mechaug.watch import Silent

        config = study_config(
            self.data, self.training, methods=(self.method,), seeds=(self.seed,), suites=(), test_size=0
        )
        with gathered(config.device) as (team, device), contextlib.ExitStack() as held:
            watch = Silent()
            if team.leads:
                held.enter_context(claim(config, self.out))
                watch = held.enter_context(Line())
            team.wait()
            fitted = train_method(
                config, load_data(config), config.chosen[0], self.seed, self.out, watch,
                checkpoint_seconds=self.training.checkpoint_seconds, device=device, team=team,
            )  # fmt: skip
        if team.leads:
            say(
                f"trained {fitted.steps} steps in {fitted.seconds:.0f} s ({fitted.images_per_second:,.0f} pictures/s)\n"
                f"model: {self.out / 'model.safetensors'}"
            )
