"""`mechaug show`: what each mechanism does to a photograph."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mechaug.commands.options import Count, say

View = Literal["auto", "photograph", "object", "phone", "dash", "surveillance", "drone"]


@dataclass(frozen=True)
class Show:
    """Draw a contact sheet of every mechanism on a photograph, from neutral to strong, with units."""

    photo: Annotated[Path, tyro.conf.Positional]
    """The photograph."""
    out: Path = Path("sheet.png")
    """The picture to write, .png or .jpg."""
    only: tuple[str, ...] = ()
    """Mechanisms by name, such as Haze Rain; by default all, in the order that light travels."""
    size: Count = None
    """Side to which the photograph is cut; by default its own, at most 224."""
    view: View = "auto"
    """What the picture was taken with; auto is a whole photograph, or one object cut out of it below 65 pixels."""
    seed: int = 0
    """Of the noise."""

    def run(self) -> None:
        """Draw the sheet."""
        from mechaug.reports.show import show

        show(self.photo, self.out, only=self.only, view=self.view, size=self.size, seed=self.seed)
        say(f"contact sheet: {self.out}")
