"""`mechaug corrupt`: write a corrupted test set, in the layout of the published benchmarks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mechaug.commands.options import Count, device_of, say
from mechaug.errors import UserError


@dataclass(frozen=True)
class Corrupt:
    """Write the common corruptions of a test split to the disk: CIFAR-10-C's .npy files, or ImageNet-C's folders."""

    data: str
    """What to corrupt, as in `mechaug study`; its test split is used."""
    out: Path
    """Folder of the corrupted set; started again with the same options, it goes on where it stopped."""
    names: tuple[str, ...] = ("c",)
    """Corruptions by name; c is the fifteen, c-extra the four beside them, c-bar the ten of C̄."""
    severities: tuple[Literal[1, 2, 3, 4, 5], ...] = (1, 2, 3, 4, 5)
    """Which severities, in the layout of folders."""
    layout: Literal["auto", "npy", "folder"] = "auto"
    """npy as CIFAR-10-C, folder as ImageNet-C; auto is that of the source."""
    profile: Literal["auto", "cifar", "imagenet"] = "auto"
    """Whose parameters; auto is CIFAR-10-C's for pictures below 100 pixels, else ImageNet-C's."""
    frost: Path | None = None
    """Folder with the benchmark's frost1.png to frost5.jpg; without it frost is drawn, and says so."""
    frost_sixth: bool = False
    """Draw from frost6.jpg of that folder as well, which the published code never does."""
    otherwise: tuple[Literal["rounded", "swapped", "centred", "normalised", "resaved"], ...] = ()
    """Depart from the published code: levels rounded and not cut down; pixels of glass blur swapped and not copied;
    streaks of motion and snow both ways; kernels of defocus that sum to 1; pictures through JPEG of quality 85."""
    limit: Count = None
    """Only so many test pictures, every class with its share."""
    shard: str = "1/1"
    """This process's share of the work, such as 2/4; the order in which shares are done makes no difference."""
    image_size: Count = None
    """Side of the pictures, for folders of larger ones."""
    seed: int = 0
    """Of all that is drawn."""
    device: str = "auto"
    """cpu, cuda, or auto for cuda where there is one."""

    def run(self) -> None:
        """Write what is missing."""
        from mechaug.data.sources import load
        from mechaug.evaluation.corruptions import Variant, drawn_frost, load_frost, profile_of
        from mechaug.evaluation.export import Manifest, export
        from mechaug.progress import Line

        shard = _shard(self.shard)
        data = load(self.data, image_size=self.image_size, train_size=0, test_size=self.limit)
        profile = profile_of(*data.test.pixels.shape[2:]) if self.profile == "auto" else self.profile
        layout = self.layout
        if layout == "auto":
            layout = "folder" if self.data.startswith("folder:") else "npy"
        names = _names(self.names, profile)
        ice = drawn_frost() if self.frost is None else load_frost(self.frost, sixth=self.frost_sixth)
        textures = ("official six" if self.frost_sixth else "official") if ice.official else "procedural"
        variant = Variant(**dict.fromkeys(self.otherwise, True))
        manifest = Manifest(self.data, len(data.test), layout, profile, self.seed, textures, variant)
        try:
            with Line() as line:
                written = export(
                    data.test, data.classes, self.out, manifest, names, self.severities,
                    shard=shard, ice=ice, device=device_of(self.device), watch=line,
                )  # fmt: skip
        except ValueError as error:  # pictures that a corruption does not take, such as those larger than the textures
            raise UserError(str(error)) from error
        if "frost" in names:
            say(f"frost: {textures} textures")
        say(f"{written} written to {self.out}" if written else f"nothing was missing in {self.out}")


def _names(given: tuple[str, ...], profile: Literal["cifar", "imagenet"]) -> tuple[str, ...]:
    """The corruptions that are meant, each once.

    Raises:
        UserError: there is none of that name, or it is not in the benchmark of this profile.
    """
    from mechaug.evaluation.corruptions import EXTRA_NAMES, NAMES, bar_names, find_corruption

    groups = {"c": NAMES, "c-extra": EXTRA_NAMES, "c-bar": bar_names(profile)}
    names = tuple(dict.fromkeys(one for name in given for one in groups.get(name, (name,))))
    try:
        for name in names:
            find_corruption(name).setting(1, profile)
    except ValueError as error:
        raise UserError(str(error)) from error
    return names


def _shard(text: str) -> tuple[int, int]:
    """(i, n) of "i/n", counted from 0.

    Raises:
        UserError: it is not of this form.
    """
    part, slash, of = text.partition("/")
    if slash and part.isdigit() and of.isdigit() and 1 <= int(part) <= int(of):
        return int(part) - 1, int(of)
    raise UserError(f"--shard {text!r} is not a share such as 2/4: from 1/n to n/n")
