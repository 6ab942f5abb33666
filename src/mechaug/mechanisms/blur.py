"""Blurs: mechanisms that spread every point of a picture's light alike, and several of them as one."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

from jaxtyping import Float
from torch import Tensor

from mechaug.keys import Key
from mechaug.mechanisms.base import Mechanism, P
from mechaug.mechanisms.parts import ChainParams
from mechaug.mechanisms.psf import convolve
from mechaug.types import Image


class Blur(Mechanism[P]):
    """A mechanism that is a convolution of light: `psf` says with what."""

    domain = "light"

    @abstractmethod
    def psf(self, x: Image, params: P) -> Float[Tensor, "b #c k k"]:
        """What becomes of a point of light: shares of it, which sum to one, around the middle; k is odd.

        Args:
            x: the images, which give their size, dtype and device.
            params: one row per image. Where they are neutral, the point stays.
        """

    def transform(self, x: Image, params: P) -> Image:
        return convolve(x, self.psf(x, params))


@final
@dataclass(frozen=True)
class Blurs(Mechanism[ChainParams]):
    """Blurs that follow one another, as one: what a `Chain` makes of neighbours.

    What lies beyond the frame, for which its mirror image stands, goes through all of them, and pictures are put
    together with those of their reach and back once.

    Args:
        blurs: in the order that light travels.
    """

    blurs: tuple[Blur[Any], ...]

    domain = "light"
    structure = "none"

    def sample(self, key: Key) -> ChainParams:
        return ChainParams(tuple(blur.sample(key) for blur in self.blurs))

    def neutral(self, batch: int) -> ChainParams:
        return ChainParams(tuple(blur.neutral(batch) for blur in self.blurs))

    def transform(self, x: Image, params: ChainParams) -> Image:
        return convolve(x, *(blur.psf(x, own) for blur, own in zip(self.blurs, params.steps, strict=True)))


def runs(
    mechanisms: Sequence[Mechanism[Any]], bare: Sequence[Mechanism[Any]]
) -> Iterator[tuple[Mechanism[Any], slice]]:
    """What a chain does step by step, and the place of the parameters that it takes: blurs next to one another are one.

    Args:
        mechanisms: of the chain.
        bare: what each of them is when it happens.
    """
    place = 0
    while place < len(mechanisms):
        row: list[Blur[Any]] = []
        for part in bare[place:]:
            if not isinstance(part, Blur):
                break
            row.append(part)
        after = place + max(1, len(row))
        yield Blurs(tuple(row)) if len(row) > 1 else mechanisms[place], slice(place, after)
        place = after
