"""Abduction from one picture: which of its causes can be told, how well, and which cannot.

Pearl's first step on the way to a counterfactual is to infer the causes from what was observed. A picture does not
determine them: of some there is an estimate with a wide error, of some a bound, and of others nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

from jaxtyping import Float
from torch import Tensor

from mechaug.scenes.estimates import estimates_of
from mechaug.scenes.estimators.base import Estimate
from mechaug.scenes.estimators.measures import measure
from mechaug.scenes.estimators.photograph import photograph_of, read_photograph
from mechaug.scenes.fit_reference import PHOTOGRAPHS, Reference


@final
@dataclass(frozen=True)
class Abduction:
    """What one picture says about its causes.

    Attributes:
        name: of the file.
        estimates: of each cause, with its error or the reason why there is none.
        white_share: of the pixels, those clipped at white: what was there is gone.
        black_share: the same at black.
        notes: sentences about what was ignored.
    """

    name: str
    estimates: tuple[Estimate, ...]
    white_share: float
    black_share: float
    notes: tuple[str, ...]

    def __getitem__(self, name: str) -> Estimate:
        """The estimate of a cause.

        Raises:
            KeyError: nothing was asked about it.
        """
        found = next((estimate for estimate in self.estimates if estimate.name == name), None)
        if found is None:
            raise KeyError(f"nothing is known about {name!r}; there are {', '.join(e.name for e in self.estimates)}")
        return found

    def __iter__(self) -> Iterator[Estimate]:
        return iter(self.estimates)

    def __str__(self) -> str:
        clipped = f"clipped: {self.white_share:.1%} at white, {self.black_share:.1%} at black"
        return "\n".join([self.name, *map(str, self.estimates), clipped, *self.notes])


def abduct(
    image: Path | str | Float[Tensor, "b 3 h w"] | Float[Tensor, "3 h w"], *, reference: Reference = PHOTOGRAPHS
) -> Abduction:
    """What can be recovered of the causes of one picture.

    Args:
        image: a file, which says more: its codec's tables and what its camera wrote; or one picture, sRGB in [0, 1].
        reference: what pictures of the same world read when nothing is wrong. Exposure, colour of the light, blur and
            haze are told against it, and their errors hold how much its pictures differ.

    Raises:
        UserError: the file cannot be read as a picture.
        ValueError: the tensor is not one picture of 3 channels in [0, 1].
    """
    photograph = photograph_of(image) if isinstance(image, Tensor) else read_photograph(Path(image))
    measures = measure(photograph)
    return Abduction(
        name=photograph.name,
        estimates=estimates_of(measures, reference),
        white_share=measures.level.white_share,
        black_share=measures.level.black_share,
        notes=measures.exif.notes if measures.exif is not None else (),
    )
