"""PixMix: a picture mixed again and again with pictures that are complex and show no class.

Hendrycks et al., "PixMix: Dreamlike pictures comprehensively improve safety measures", CVPR 2022: mixtures, operations
on pictures and draws are those of the published experiments on CIFAR. The published mixing set is of fractals and
feature visualisations; see `mixing_set` for ours.
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar, Final, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mechaug.heuristics.augmix import OPERATIONS, apply_everyday
from mechaug.heuristics.base import About, Citation, Heuristic
from mechaug.heuristics.chains import NOTHING, run
from mechaug.heuristics.levels import Levels, to_levels, to_picture
from mechaug.heuristics.mixing_set import MixingSet
from mechaug.keys import Key
from mechaug.mechanisms.base import Parameters, parameters, per_image
from mechaug.mechanisms.eager import put_back
from mechaug.types import Image, PerImage

ADD_SELF, ADD_OTHER, MULTIPLY_SELF, MULTIPLY_OTHER = range(4)
"""What a round does: adds or multiplies, an augmented copy of the picture itself or a picture of the mixing set."""

_NAMES: Final = tuple(OPERATIONS)
_WEAKEST: Final = 0.1
_TINY: Final = 5e-38
_DARKEST: Final = math.log(_TINY)


@parameters
class PixMixParameters(Parameters):
    """One row per image.

    Attributes:
        other: a draw in [0, 1] that chooses the picture of the mixing set.
        place: two draws in [0, 1]: where that one is cropped, across and down.
        round: of each round, one of the codes above, or `NOTHING`.
        first: share of the picture so far in each round, an exponent where it multiplies.
        second: the same for what is mixed in.
        operation: of each augmented copy, an index into AugMix's operations, or `NOTHING`: the one that begins, then
            one a round.
        level: how strong it is, 0 to 10.
        sign: +1 or −1, its direction.
    """

    other: PerImage
    place: Float[Tensor, "b 2"]
    round: Int64[Tensor, "b rounds"]
    first: Float[Tensor, "b rounds"]
    second: Float[Tensor, "b rounds"]
    operation: Int64[Tensor, "b copies"]
    level: Float[Tensor, "b copies"]
    sign: Float[Tensor, "b copies"]


@final
@dataclass(frozen=True)
class PixMix(Heuristic[PixMixParameters]):
    """Mix with dreamlike pictures.

    Args:
        mixing_set: the pictures to mix in.
        severity: of the operations on augmented copies: levels are uniform in 0.1 to this.
        rounds: at most so many; how many is uniform from 0.
        beta: how much of the picture stays: the larger, the more. 3 on CIFAR, 4 on ImageNet.

    Raises:
        ValueError: an argument is outside its range.
    """

    mixing_set: MixingSet = field(default_factory=MixingSet)
    severity: int | float = 3.0
    rounds: int = 4
    beta: int | float = 3.0

    overlaps = ("brightness", "contrast")
    about: ClassVar[About] = About(
        name="PixMix",
        family="mixing",
        principle="Adds or multiplies a picture, up to four times, with fractals and with augmented copies of itself.",
        assumption="A picture keeps its class under a layer of structure that shows none.",
        needs="a set of pictures that are complex and show no class: a folder, or fractals drawn here",
        breaks="Fine texture and colour, where the class rests on them.",
        labels="kept by hope",
        cost="One operation and a half and two mixtures per picture on average, and the set in memory.",
        citation=Citation(
            "hendrycks2022pixmix",
            (
                "Hendrycks, Dan",
                "Zou, Andy",
                "Mazeika, Mantas",
                "Tang, Leonard",
                "Li, Bo",
                "Song, Dawn",
                "Steinhardt, Jacob",
            ),
            "PixMix: Dreamlike Pictures Comprehensively Improve Safety Measures",
            "CVPR",
            2022,
        ),
    )

    def __post_init__(self) -> None:
        if not _WEAKEST < self.severity <= 10:
            raise ValueError(f"PixMix(severity=…) is above {_WEAKEST} and at most 10, not {self.severity}")
        if self.rounds < 1:
            raise ValueError(f"PixMix(rounds=…) is at least 1, not {self.rounds}")
        if not self.beta > 0:
            raise ValueError(f"PixMix(beta=…) is positive, not {self.beta}")

    def sample(self, key: Key) -> PixMixParameters:
        """Draw rounds, what each mixes in and in which shares."""
        rounds, copies = self.rounds, self.rounds + 1
        own = key.fold("PixMix").ahead(
            round=rounds, rounds=1, starts=1, inside=rounds, first=rounds, second=rounds, other=1, place=2,
            operation=copies, level=copies, sign=copies,
        )  # fmt: skip
        kind = own.fold("round").integers(0, 4, rounds)
        beyond = torch.arange(rounds, device=key.device) >= own.fold("rounds").integers(0, rounds + 1)[..., None]
        kind = kind.masked_fill(beyond, NOTHING)
        # A copy is made where it is used: at the start for half of the pictures, and in rounds that mix it in.
        starts = own.fold("starts").integers(0, 2, 1) == 1
        used = torch.cat((starts, (kind == ADD_SELF) | (kind == MULTIPLY_SELF)), dim=-1)
        first, second = draw_shares(own, self.beta, rounds)
        return PixMixParameters(
            other=own.fold("other").uniform(),
            place=own.fold("place").uniform(0.0, 1.0, 2),
            round=kind,
            first=first,
            second=second,
            operation=own.fold("operation").integers(0, len(_NAMES), copies).masked_fill(~used, NOTHING),
            level=own.fold("level").uniform(_WEAKEST, self.severity, copies),
            sign=1.0 - 2.0 * own.fold("sign").integers(0, 2, copies).float(),
        )

    def neutral(self, batch: int) -> PixMixParameters:
        """No round, and nothing at the start."""
        rounds, copies = torch.zeros(batch, self.rounds), torch.zeros(batch, self.rounds + 1)
        nothing = torch.full((batch, self.rounds), NOTHING)
        return PixMixParameters(
            other=torch.zeros(batch),
            place=torch.zeros(batch, 2),
            round=nothing,
            first=rounds,
            second=rounds,
            operation=torch.full((batch, self.rounds + 1), NOTHING),
            level=copies,
            sign=copies + 1.0,
        )

    def transform(self, x: Image, params: PixMixParameters) -> Image:
        """Mix, round after round; each result is cut to [0, 1], as published."""
        owners, slots = (params.operation != NOTHING).nonzero(as_tuple=True)
        copies = to_levels(x).index_select(0, owners)
        chosen = (part[owners, slots][:, None] for part in (params.operation, params.level, params.sign))
        apply_everyday(copies, _NAMES, *chosen)
        number = torch.zeros_like(params.operation)
        number[owners, slots] = torch.arange(len(owners), device=x.device)
        begun = owners[slots == 0]
        mixed = x.clone()
        put_back(mixed, begun, to_picture(copies.index_select(0, number[begun, 0]), x))
        # What each round mixes in stands among the copies, or behind them among the crops of the mixing set.
        mixes_other = (params.round == ADD_OTHER) | (params.round == MULTIPLY_OTHER)
        crops = mixes_other.any(1)
        crop = crops.cumsum(0)[:, None] - 1
        others = mixing_crops(self.mixing_set, x, params.other[crops], params.place[crops])
        sources = torch.cat((copies, others))
        source = torch.where(mixes_other, len(copies) + crop, number[:, 1:])
        adds = (params.round == ADD_SELF) | (params.round == ADD_OTHER)
        mixture = (~adds).long().masked_fill(params.round == NOTHING, NOTHING)

        def act(code: int, so_far: Image, rows: Int64[Tensor, "n"], step: int) -> Image:
            mix, added = (added_up, multiplied)[code], sources.index_select(0, source[rows, step])
            return mix(so_far, added, params.first[rows, step], params.second[rows, step])

        run(mixed, mixture, 2, act)
        return mixed


def draw_shares(own: Key, beta: float, rounds: int) -> tuple[Tensor, Tensor]:
    """The shares of each round, (b, rounds) each: both between 0 and 1, or one above 1 and the other below 0."""
    inside = own.fold("inside").integers(0, 2, rounds) == 1
    # Beta(beta, 1) near 1 and Beta(1, beta) near 0, whose inverse distribution functions are powers.
    near_one = own.fold("first").unit(rounds) ** (1.0 / beta)
    near_zero = 1.0 - own.fold("second").unit(rounds) ** (1.0 / beta)
    first = torch.where(inside, near_one, 2.0 - near_one)
    return first.float(), torch.where(inside, near_zero, -near_zero).float()


def mixing_crops(source: MixingSet, like: Tensor, other: PerImage, place: Float[Tensor, "b 2"]) -> Levels:
    """Pictures of the mixing set, cropped to the size of others: their grey levels.

    Args:
        source: the set; its pictures are an eighth larger than the longer side, as published (36 for 32).
        like: pictures of that size, on the device.
        other: draws in [0, 1] that choose the picture.
        place: draws in [0, 1] that choose the crop, across and down.
    """
    channels, height, width = like.shape[1:]
    side = max(height, width) + max(height, width) // 8
    stored = source.pictures(side, like.device)
    number = (other * len(stored)).long().clamp(max=len(stored) - 1)
    windows = stored.unfold(2, height, 1).unfold(3, width, 1)
    room = torch.tensor([windows.shape[3], windows.shape[2]], device=like.device)
    left, top = (place * room).long().minimum(room - 1).unbind(1)
    crops = windows[number, :, top, left]
    if channels == crops.shape[1]:
        return crops
    return crops.float().mean(1, keepdim=True).round().to(torch.uint8).expand(-1, channels, -1, -1)


def added_up(x: Image, other: Levels, first: PerImage, second: PerImage) -> Image:
    """A weighted sum of pictures and grey levels, about middle grey, cut to [0, 1]."""
    first, second = per_image(first.to(x.dtype)), per_image(second.to(x.dtype))
    added = (x * first).add_((1.0 - first - second) / 2.0).addcmul_(second / 255.0, other.to(x.dtype))
    return added.clamp_(0.0, 1.0)


def multiplied(x: Image, other: Levels, first: PerImage, second: PerImage) -> Image:
    """A weighted product of pictures and grey levels, in which middle grey changes nothing, cut to [0, 1]."""
    first, second = per_image(first.to(x.dtype)), per_image(second.to(x.dtype))
    # (2x)^first · (2 other)^second / 2 in one exponential. Black stays black, and does not become infinite under a
    # negative power; an exponential of what is darker still would take thirty times as long.
    constant = (first + second - 1.0) * math.log(2.0) - second * math.log(255.0)
    logarithm = x.clamp(min=_TINY).log_().mul_(first).add_(constant)
    return logarithm.addcmul_(second, other.to(x.dtype).clamp_(min=255.0 * _TINY).log_()).clamp_(_DARKEST, 0.0).exp_()
