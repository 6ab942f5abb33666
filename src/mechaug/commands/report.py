"""`mechaug report`: a page from results."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mechaug.commands.options import say
from mechaug.errors import UserError


@dataclass(frozen=True)
class Report:
    """Write one HTML page from results that are already there."""

    results: Annotated[tuple[Path, ...], tyro.conf.Positional]
    """result.json files, or folders that hold one."""
    out: Path = Path("report.html")
    """The page to write."""

    def run(self) -> None:
        """Write the page."""
        from mechaug.reports.html import write
        from mechaug.spec import SpecError

        if not self.results:
            raise UserError("give at least one result.json, or a folder that holds one")
        paths = [path / "result.json" if path.is_dir() else path for path in self.results]
        for path in paths:
            if not path.is_file():
                raise UserError(f"there is no result {path}: give the result.json that a study or an evaluation wrote")
        try:
            write(paths, self.out)
        except SpecError as error:
            raise UserError(str(error)) from error
        say(f"report: {self.out}")
