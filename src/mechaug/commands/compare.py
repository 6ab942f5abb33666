"""`mechaug compare`: whether one result is better than another."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from mechaug.commands.options import say
from mechaug.errors import UserError


@dataclass(frozen=True)
class Compare:
    """Compare two results on the same pictures, picture by picture, with a verdict that may be "no difference shown".

    Differences are paired; p-values are corrected by Holm's method, for all suites together and for all corruptions
    together, and are judged at 5 %.
    """

    first: Annotated[str, tyro.conf.Positional]
    """A result.json or its folder; of several methods one, as FOLDER:METHOD."""
    second: Annotated[str, tyro.conf.Positional]
    """The other one."""
    paired_seeds: bool = False
    """Take run i of one side as belonging to run i of the other, as in one study; by default runs are resampled
    apart, which is the more careful choice."""

    def run(self) -> None:
        """Print the table of differences and the verdict of each."""
        from rich.console import Console
        from rich.table import Table

        from mechaug.evaluation.pairs import compare_sides, flip_rate, left_out, read_side

        first, second = read_side(self.first), read_side(self.second)
        found = compare_sides(first, second, paired_runs=self.paired_seeds)
        table = Table(title=f"{first.title} minus {second.title}, points", title_justify="left")
        for heading in ("measured", "difference", "95 % interval", "p, corrected", "verdict"):
            table.add_column(heading, justify="left" if heading in ("measured", "verdict") else "right")
        names = {"first is better": first.title, "second is better": second.title}
        for name, one in found.items():
            d = one.difference
            verdict = names.get(one.verdict)
            table.add_row(
                name.replace("_", " "), f"{100 * d.value:+.1f}", f"{100 * d.low:+.1f} to {100 * d.high:+.1f}",
                f"{one.corrected_p_value:.2g}", one.verdict if verdict is None else f"{verdict} is better",
            )  # fmt: skip
        Console().print(table)
        try:
            rate = flip_rate(first, second)
        except UserError as error:
            say(str(error))
        else:
            if rate is not None:
                say(f"mean flip rate (mFR) of {first.title}, with {second.title} as the baseline: {rate:.3f}")
        if apart := left_out(first, second):
            say(f"left out, not being comparable: {'; '.join(apart)}")
        count = max(one.difference.count for one in found.values())
        say(f"up to {count:,} pictures; {len(first.runs)} and {len(second.runs)} runs; {len(found)} comparisons")
