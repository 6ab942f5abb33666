"""IPMix: chains of operations on the whole picture or on patches, which are mixed with a mixing set pixel by pixel.

Huang et al., "IPMix: Label-preserving data augmentation method for training robust classifiers", NeurIPS 2023: chains,
operations and draws are those of the published experiments on CIFAR. Patches are in shares of the side, so that they
grow with the picture; where a mixture leaves [0, 1] it is cut off (the published code lets its bytes wrap around).
"""

from dataclasses import dataclass, field
from typing import ClassVar, Final, final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mechaug.fields import noise_field
from mechaug.heuristics.augmix import apply_everyday
from mechaug.heuristics.base import About, Citation, Heuristic
from mechaug.heuristics.chains import NOTHING, run
from mechaug.heuristics.levels import to_levels, to_picture
from mechaug.heuristics.mixing_set import MixingSet
from mechaug.heuristics.pixmix import added_up, draw_shares, mixing_crops, multiplied
from mechaug.keys import Key
from mechaug.mechanisms.base import Parameters, parameters, per_image
from mechaug.types import Image, PerImage, Seeds

NAMES: Final = (
    "equalize", "posterize", "rotate", "solarize", "shear_x", "shear_y", "translate_x", "translate_y", "mirror",
    "invert",
)  # fmt: skip
"""The operations on whole pictures."""

SIDES: Final = (1 / 8, 1 / 4, 1 / 2, 1.0)
"""Of patches, in shares of the picture's side: 4, 8, 16 and 32 pixels of 32."""

ADD, MULTIPLY, PIXELS, ELEMENTS = range(4)
"""How a patch is mixed: as a sum, a product, or by taking pixels, or numbers of single channels, at random."""

_WEAKEST: Final = 0.1
_SMALLEST: Final = 1 / 16


@parameters
class IPMixParameters(Parameters):
    """One row per image.

    Attributes:
        weights: of the chains, non-negative, their sum is 1.
        mix: the share of the chains in the result, 0 to 1.
        other: a draw in [0, 1] that chooses the picture of the mixing set.
        place: two draws in [0, 1]: where that one is cropped, across and down.
        operation: of each step of each chain on the whole picture, an index into `NAMES`, or `NOTHING`.
        level: how strong it is, 0 to 10.
        sign: +1 or −1, its direction.
        patch: of each step of each chain on patches, how it mixes, or `NOTHING`.
        box: of the patch: left, top, width and height, in shares of the side.
        first: share of the picture so far in a sum, or its exponent in a product.
        second: the same for what is mixed in.
        kept: what part of the pixels stays where they are taken at random.
        seed: of which ones do.
    """

    weights: Float[Tensor, "b chains"]
    mix: PerImage
    other: PerImage
    place: Float[Tensor, "b 2"]
    operation: Int64[Tensor, "b chains steps"]
    level: Float[Tensor, "b chains steps"]
    sign: Float[Tensor, "b chains steps"]
    patch: Int64[Tensor, "b chains steps"]
    box: Float[Tensor, "b chains steps 4"]
    first: Float[Tensor, "b chains steps"]
    second: Float[Tensor, "b chains steps"]
    kept: Float[Tensor, "b chains steps"]
    seed: Seeds


@final
@dataclass(frozen=True)
class IPMix(Heuristic[IPMixParameters]):
    """Mix at the level of the picture, of the patch and of the pixel.

    Args:
        mixing_set: the pictures to mix in.
        severity: of the operations on whole pictures: levels are uniform in 0.1 to this.
        width: the number of chains.
        depth: at most so many steps a chain; how many is uniform from 0.
        beta: how much of the picture stays in a sum or product: the larger, the more.

    Raises:
        ValueError: an argument is outside its range.
    """

    mixing_set: MixingSet = field(default_factory=MixingSet)
    severity: int | float = 3.0
    width: int = 3
    depth: int = 3
    beta: int | float = 3.0

    overlaps = ("brightness", "contrast", "impulse_noise")
    about: ClassVar[About] = About(
        name="IPMix",
        family="mixing",
        principle="Mixes a picture with chains that change it whole or mix patches of it with fractals.",
        assumption="A picture keeps its class when parts of it are covered by structure that shows none.",
        needs="a set of pictures that are complex and show no class: a folder, or fractals drawn here",
        breaks="Small objects; and inverted and mirrored pictures mean something else in some data.",
        labels="kept by hope",
        cost="Two operations and two mixtures per picture and view; two further passes with the Jensen–Shannon loss.",
        citation=Citation(
            "huang2023ipmix",
            (
                "Huang, Zhenglin",
                "Bao, Xianan",
                "Zhang, Na",
                "Zhang, Qingqi",
                "Tu, Xiaomei",
                "Wu, Biao",
                "Yang, Xi",
            ),
            "IPMix: Label-Preserving Data Augmentation Method for Training Robust Classifiers",
            "NeurIPS",
            2023,
        ),
    )

    def __post_init__(self) -> None:
        if not _WEAKEST < self.severity <= 10:
            raise ValueError(f"IPMix(severity=…) is above {_WEAKEST} and at most 10, not {self.severity}")
        if self.width < 1 or self.depth < 1:
            raise ValueError(f"IPMix: width and depth are at least 1, not {self.width} and {self.depth}")
        if not self.beta > 0:
            raise ValueError(f"IPMix(beta=…) is positive, not {self.beta}")

    def sample(self, key: Key) -> IPMixParameters:
        """Draw chains of either kind, their steps, and the weights."""
        width, depth = self.width, self.depth
        count = width * depth
        own = key.fold("IPMix").ahead(
            whole=width, depth=width, weights=width, mix=1, other=1, place=2, pixels=2, operation=count, level=count,
            sign=count, patch=count, inside=count, first=count, second=count, side=count, corner=2 * count,
            cut=2 * count, square=count, kept=count,
        )  # fmt: skip

        def steps(values: Tensor) -> Tensor:
            return values.reshape(*values.shape[:-1], width, depth)

        whole = own.fold("whole").integers(0, 2, width) == 1
        taken = torch.arange(depth, device=key.device) < own.fold("depth").integers(0, depth + 1, width)[..., None]
        operation = steps(own.fold("operation").integers(0, len(NAMES), count))
        patch = steps(own.fold("patch").integers(0, 4, count))
        first, second = draw_shares(own, self.beta, count)
        return IPMixParameters(
            weights=own.fold("weights").dirichlet(1.0, width),
            mix=own.fold("mix").beta(1.0, 1.0),
            other=own.fold("other").uniform(),
            place=own.fold("place").uniform(0.0, 1.0, 2),
            operation=operation.masked_fill(~(taken & whole[..., None]), NOTHING),
            level=steps(own.fold("level").uniform(_WEAKEST, self.severity, count)),
            sign=1.0 - 2.0 * steps(own.fold("sign").integers(0, 2, count)).float(),
            patch=patch.masked_fill(~(taken & ~whole[..., None]), NOTHING),
            box=_draw_boxes(own, count).unflatten(-2, (width, depth)),
            first=steps(first),
            second=steps(second),
            kept=steps(own.fold("kept").uniform(0.0, 1.0, count)),
            seed=own.fold("pixels").seed(),
        )

    def neutral(self, batch: int) -> IPMixParameters:
        """No share for the chains, and nothing in them."""
        zeros = torch.zeros(batch, self.width, self.depth)
        nothing = torch.full(zeros.shape, NOTHING)
        return IPMixParameters(
            weights=torch.full((batch, self.width), 1.0 / self.width),
            mix=torch.zeros(batch),
            other=torch.zeros(batch),
            place=torch.zeros(batch, 2),
            operation=nothing,
            level=zeros,
            sign=zeros + 1.0,
            patch=nothing,
            box=torch.zeros(*zeros.shape, 4),
            first=zeros,
            second=zeros,
            kept=zeros,
            seed=torch.zeros(batch, dtype=torch.int64),
        )

    def transform(self, x: Image, params: IPMixParameters) -> Image:
        """(1 − mix) · x + mix · Σ weight · chain(x)."""
        width = params.weights.shape[1]
        level = to_levels(x).repeat_interleave(width, dim=0)
        apply_everyday(level, NAMES, *(part.flatten(0, 1) for part in (params.operation, params.level, params.sign)))
        chains = to_picture(level, x)
        owner = torch.arange(len(x), device=x.device).repeat_interleave(width)
        others = mixing_crops(self.mixing_set, x, params.other, params.place)
        patch, box, first, second, kept = (
            part.flatten(0, 1) for part in (params.patch, params.box, params.first, params.second, params.kept)
        )

        def act(code: int, so_far: Image, rows: Int64[Tensor, "n"], step: int) -> Image:
            added = others.index_select(0, owner[rows])
            if code == ADD:
                mixture = added_up(so_far, added, first[rows, step], second[rows, step])
            elif code == MULTIPLY:
                mixture = multiplied(so_far, added, first[rows, step], second[rows, step])
            else:
                # A field of its own for each step of each chain of a picture.
                seed = params.seed[owner[rows]] ^ (rows % width * params.patch.shape[2] + step)
                stays = _stays(seed, kept[rows, step], so_far.shape, shared=code == PIXELS)
                mixture = torch.where(stays, so_far, to_picture(added, x))
            return torch.where(_inside(box[rows, step], *so_far.shape[2:]), mixture, so_far)

        run(chains, patch, 4, act)
        weights = params.weights.to(x.dtype)[:, :, None, None, None]
        mixed = (weights * chains.view(len(x), width, *x.shape[1:])).sum(1)
        return torch.lerp(x, mixed, per_image(params.mix.to(x.dtype)))


def _draw_boxes(own: Key, count: int) -> Float[Tensor, "b {count} 4"]:
    """Squares of one of the sides at a uniform place, half of them cut to a rectangle of uniform width and height."""
    sides = torch.tensor(SIDES, device=own.device)[own.fold("side").integers(0, len(SIDES), count)]
    corner = own.fold("corner").uniform(0.0, 1.0, count, 2) * (1.0 - sides[..., None])
    cut = own.fold("cut").uniform(0.0, 1.0, count, 2)
    smaller = _SMALLEST + cut * (sides[..., None] - _SMALLEST)
    square = (own.fold("square").integers(0, 2, count) == 1)[..., None]
    return torch.cat((corner, torch.where(square, sides[..., None], smaller)), dim=-1)


def _inside(box: Float[Tensor, "n 4"], height: int, width: int) -> Bool[Tensor, "n 1 {height} {width}"]:
    """The pixels whose centre lies in a box."""
    left, top, across, down = (value[:, None] for value in box.unbind(1))
    x = (torch.arange(width, device=box.device) + 0.5) / width
    y = (torch.arange(height, device=box.device) + 0.5) / height
    columns, rows = (x >= left) & (x < left + across), (y >= top) & (y < top + down)
    return (rows[:, :, None] & columns[:, None, :])[:, None]


def _stays(seed: Seeds, kept: PerImage, shape: torch.Size, *, shared: bool) -> Bool[Tensor, "n c h w"]:
    """Which numbers stay, each with probability `kept`: whole pixels, or each channel for itself."""
    channels = 1 if shared else shape[1]
    field = noise_field(seed, [channels, *shape[2:]])
    return field < per_image(torch.special.ndtri(kept.double()).float())
