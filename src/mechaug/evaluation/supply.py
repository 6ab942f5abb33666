"""Where corrupted test pictures come from: from files where there are some, published or exported, else made here."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, final

from mechaug.data.pictures import Pictures
from mechaug.evaluation.corruptions import PUBLISHED, Frost, Variant, corrupt
from mechaug.evaluation.official import available, is_published, read_corrupted
from mechaug.keys import Key
from mechaug.types import Bytes

Origin: TypeAlias = Literal["official", "regenerated"]
"""What a figure is labelled with: published files, or pictures that mechaug made, here or before."""


@final
@dataclass(frozen=True)
class Supply:
    """Corrupted versions of test pictures.

    Attributes:
        folder: of files that are preferred to pictures made here, as in `official.available`; None for none.
        ice: textures for frost; drawn ones if None.
        variant: in what pictures made here depart from the published code.
        seed: of the draws.
    """

    folder: Path | None = None
    ice: Frost | None = None
    variant: Variant = PUBLISHED
    seed: int = 0

    def origin(self, name: str) -> Origin:
        """Where the pictures of a corruption come from.

        Raises:
            UserError: there is no such folder.
        """
        return "official" if self._on_disk(name) and is_published(self._folder) else "regenerated"

    def note(self, names: Sequence[str]) -> str:
        """What a reader must know of the pictures of some corruptions, as one sentence without its full stop.

        Raises:
            UserError: as `origin`.
        """
        official = [name for name in names if self.origin(name) == "official"]
        if len(official) == len(names):
            return f"published files, from {self._folder}"
        said = "regenerated: not the published files"
        if official:
            said = f"published files for {', '.join(official)}, the others regenerated"
        if "frost" in names and "frost" not in official and not self._on_disk("frost"):
            textures = "the benchmark's" if self.ice is not None and self.ice.official else "drawn"
            said += f"; textures of frost are {textures}"
        changes = [change for change, on in vars(self.variant).items() if on]
        return f"{said}; unlike the published code: {', '.join(changes)}" if changes else said

    def get(
        self, pictures: Pictures, name: str, severity: int, *, total: int, classes: Sequence[str] | None = None,
        device: str = "cpu",
    ) -> Bytes:  # fmt: skip
        """Some test pictures under a corruption, on the device.

        Args:
            pictures: the clean ones.
            name: of the corruption.
            severity: 1 to 5.
            total: how many pictures the whole test split has.
            classes: as in `read_corrupted`.
            device: where to make them.

        Raises:
            UserError: files are damaged, or are not those of this test split.
            ValueError: as `corrupt`.
        """
        if self._on_disk(name):
            return read_corrupted(self._folder, name, severity, pictures, total=total, classes=classes).to(device)
        key = Key(self.seed).fold("corruptions").at(pictures.index)
        return corrupt(pictures.pixels.to(device), name, severity, key, ice=self.ice, variant=self.variant)

    def _on_disk(self, name: str) -> bool:
        return self.folder is not None and bool(available(self.folder, (name,), none=True))

    @property
    def _folder(self) -> Path:
        assert self.folder is not None
        return self.folder
