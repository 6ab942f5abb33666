"""`mechaug evaluate`: say how robust a model is."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import tyro

from mechaug.commands.options import Count, Net, SuiteSizes, command_line, device_of, limits_of, print_ranking, say
from mechaug.errors import UserError


@dataclass(frozen=True)
class Evaluate:
    """Measure how robust any classifier is, suite by suite, and write result.json and report.html.

    Each suite is kept as it ends: the same command goes on after a kill, and other suites into the same folder are
    added to the result. What a suite costs, in passes of a picture through the model (a gradient counts as two more):
    clean 1, calibration 0, c 75, c-extra 20, c-bar 50 for each picture; pgd 62, autoattack 300 to 13,000,
    autoattack-rand (for models whose answer is random) 6,000 to 12,000 for each of --attack-size; stability 341,
    mechanism 170 for each of --probe-size; fourier 480 (below 100 pixels) or 2,000 for each of half of --probe-size;
    shift and ood 1 for each of their pictures.
    """

    model: str
    """A folder or file that mechaug wrote; package.module:function that returns a net on [0, 1] pictures, with its
    normalisation inside; an .onnx file; timm:NAME; weights (safetensors, or torch.save of a state dict) with --net; or,
    with --trust, a TorchScript file or a .pt2 of torch.export."""
    data: str = "signs"
    """What to measure on, as in `mechaug study`; its test split is used. Classes are found among the model's outputs
    by name, ImageNet's 1,000 by the wnids of its folders."""
    out: Path = Path("runs/evaluate")
    """Folder of the result; what lies there of the same model and data is kept."""
    suites: tuple[str, ...] = ("clean", "c", "pgd", "calibration")
    """What to measure: clean, c, c-extra, c-bar, pgd, autoattack, autoattack-rand, stability, fourier, calibration,
    ood, shift, mechanism."""
    sizes: SuiteSizes = field(default_factory=SuiteSizes)
    shift: tuple[str, ...] = ()
    """Shifted sets of the same classes or some of them: set:PATH (PATH/<class>/*, such as ImageNet-V2, -R, -A, -Sketch
    or a part of CINIC-10), domains:PATH (PATH/<domain>/<class>/*, each domain a set), cifar10.1:PATH, or any source."""
    ood: tuple[str, ...] = ()
    """Folders of pictures of none of the classes."""
    test_size: Count = None
    """Measure only on so many test pictures."""
    image_size: Count = None
    """Side of the pictures, for folders of larger ones; by default the model's, where it says so."""
    skip_bad: bool = False
    """Leave out pictures that cannot be read."""
    net: Annotated[Net | None, tyro.conf.arg(metavar="NAME")] = None
    """Architecture of a file that holds weights alone."""
    trust: bool = False
    """Open a TorchScript or torch.export file: both can run code that whoever made them chose."""
    classes: Path | None = None
    """File with the names of the model's outputs, one a line, where they cannot be found out."""
    sees: tuple[str, ...] = ()
    """Corruptions of which the model's training had a relative; a model of mechaug's knows."""
    groups: Path | None = None
    """File with a group for each picture of the test split in order, one a line or an empty line: fairness is judged by
    them too, clean and under corruption."""
    batch_size: int | None = None
    """Pictures through the model at once; not given: 256, and fewer on a CPU where they are large."""
    device: str = "auto"
    """cpu, cuda, or auto for cuda where there is one."""

    def run(self) -> None:
        """Measure the model and write its page; under torchrun every process takes its share of the parts."""
        import contextlib

        from mechaug.config import EvaluationConfig
        from mechaug.evaluation.suites import choose_suites
        from mechaug.job import evaluate_model
        from mechaug.progress import Line
        from mechaug.reports.html import write
        from mechaug.training.team import gathered
        from mechaug.watch import Silent

        if self.batch_size is not None and self.batch_size < 1:
            raise UserError(f"--batch-size {self.batch_size}: at least one picture goes through the model at once")
        config = EvaluationConfig(
            model=self.model, data=self.data, net=self.net, trust=self.trust,
            suites=choose_suites(self.suites, limits_of(
                self.sizes, shift=self.shift, elsewhere=self.ood, skip_bad=self.skip_bad
            )),
            classes=_lines(self.classes, "--classes"), sees=self.sees or None, groups=_lines(self.groups, "--groups"),
            test_size=self.test_size, image_size=self.image_size, skip_bad=self.skip_bad,
            device=device_of(self.device), batch_size=self.batch_size,
        )  # fmt: skip

        def command(suites: Sequence[str]) -> str:
            """The command that measures such suites, among which may be what a killed run left."""
            return command_line("evaluate", replace(self, suites=tuple(suites)))

        with gathered(config.device) as (team, device), contextlib.ExitStack() as held:
            watch = held.enter_context(Line()) if team.leads else Silent()
            own = replace(config, device=device)
            result = evaluate_model(own, self.out, command=command, watch=watch, team=team)
        if not team.leads:
            return
        write([self.out / "result.json"], self.out / "report.html")
        print_ranking(result)
        say(f"\nreport: {self.out / 'report.html'}")


def _lines(path: Path | None, option: str) -> tuple[str, ...] | None:
    if path is None:
        return None
    try:
        return tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{option} {path} cannot be read ({error}): give a text file with one name a line") from error
