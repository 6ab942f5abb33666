"""`mechaug fit`: a scene from the photographs of a place, which says how strong augmentation should be."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mechaug.commands.options import Count, say


@dataclass(frozen=True)
class Fit:
    """Fit a scene to photographs from where a model will work, so that augmentation is as strong as that place."""

    folder: Annotated[Path, tyro.conf.Positional]
    """Folder of photographs; no labels are needed, and folders in it are looked into."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("scene.json")
    """The scene to write; mechaug.scenes.read_scene reads it."""
    page: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """A page that shows what was measured against what was fitted; by default beside the scene, as .html."""
    reference: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Folder of the pictures that are to be augmented, which those of the place are compared with; by default what
    1,000 ordinary photographs read."""
    limit: Count = None
    """Look at so many pictures at most, from all over the folder."""

    def run(self) -> None:
        """Measure, fit, and write the scene and its page."""
        from mechaug.errors import UserError
        from mechaug.files import check_place
        from mechaug.progress import Line
        from mechaug.reports.fit import print_fit, write_fit
        from mechaug.scenes import PHOTOGRAPHS, fit_folder, reference_folder, write_scene

        page = self.out.with_suffix(".html") if self.page is None else self.page
        if page.resolve() == self.out.resolve():
            raise UserError(f"scene and page would both be {page}: give --out a name that ends with .json")
        # Before the work, which takes minutes.
        check_place(self.out)
        check_place(page)
        with Line() as line:
            reference = PHOTOGRAPHS
            if self.reference is not None:
                reference = reference_folder(self.reference, limit=self.limit, watch=line)
            fit = fit_folder(self.folder, reference=reference, limit=self.limit, watch=line)
        write_scene(fit.scene, self.out)
        write_fit(fit, page, self.out.name)
        print_fit(fit)
        say(f"\nscene: {self.out}\npage: {page}")
