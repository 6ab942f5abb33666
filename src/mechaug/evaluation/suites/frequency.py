"""Frequencies: where a model is sensitive, and which ones it needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import torch

from mechaug.evaluation import metrics
from mechaug.evaluation.fourier import Band, band_curve, half_plane, heat_map, heat_map_size, swap
from mechaug.evaluation.result import Figure, Grid
from mechaug.evaluation.suites.base import Advance, Outcome, Scores, Subject, Suite, Target, Tensors, Told, some, stack
from mechaug.keys import Key

_RADII: Final = (0.1, 0.2, 0.3, 0.5, 0.7)
_BANDS: Final[tuple[tuple[Band, str], ...]] = (
    ("low", "Accuracy with low frequencies only"),
    ("high", "Accuracy with high frequencies only"),
)


@final
@dataclass(frozen=True)
class Frequency(Suite):
    """The heat map of Yin et al., accuracy by band, and the swap of amplitude and phase.

    Attributes:
        pictures: how many, at most.
    """

    pictures: int = 100

    @property
    def name(self) -> str:
        return "fourier"

    @property
    def title(self) -> str:
        return "Frequencies"

    def describe(self) -> str:
        return (
            "error under one spatial frequency at a time, at the norm of Yin et al. (NeurIPS 2019); accuracy with only "
            "the frequencies below or above a share of the Nyquist frequency; and whose class is seen in pictures with "
            "the phases of one and the amplitudes of another (Chen et al., ICCV 2021)"
        )

    def parts(self) -> tuple[str, ...]:
        """Three."""
        return ("heat-map", "bands", "swap")

    def passes(self, part: str, target: Target) -> float:
        """One for each wave, by far the most; for each band; and for the swap."""
        side, _ = heat_map_size(*target.pictures.pixels.shape[-2:])
        each = {"heat-map": len(half_plane(side)), "bands": len(_BANDS) * len(_RADII), "swap": 1}
        return each[part] * len(some(target.pictures, self.pictures))

    def measure(self, part: str, subject: Subject, target: Target, advance: Advance) -> Tensors:
        """The heat map is a mean over pictures; the rest is known picture by picture."""
        chosen = target.pictures.rows(some(target.pictures, self.pictures))
        options = {"device": subject.device, "batch_size": subject.batch_size}
        if part == "heat-map":
            found = heat_map(
                subject.model, chosen.pixels, chosen.labels, chosen.index, Key(0), watch=Told(advance, 1.0), **options
            )
            return {"error": found.error, "norm": torch.tensor(found.norm)}
        if part == "bands":
            curves = {}
            for band, _ in _BANDS:
                curves[band] = band_curve(subject.model, chosen.pixels, chosen.labels, band, _RADII, **options)
                advance(len(chosen) * len(_RADII), "frequency bands")
            return curves
        swapped = swap(subject.model, chosen.pixels, chosen.labels, chosen.index, Key(0), **options)
        advance(len(chosen), "amplitude and phase")
        return {"as_phase": swapped.as_phase, "as_amplitude": swapped.as_amplitude}

    def score(self, outcomes: Sequence[Outcome], target: Target, key: Key) -> Scores:
        """The heat map as a grid, the curves and the swap as figures."""
        error = stack(outcomes, "heat-map", "error").mean(0)
        norm = float(outcomes[0]["heat-map"]["norm"])
        count, reach = len(some(target.pictures, self.pictures)), len(error) // 2
        grid = Grid(
            "fourier", "Error by frequency",
            f"error on {count} pictures with a wave of norm {norm:g} in each channel added; the mean colour is in the "
            f"centre, frequencies grow outwards to {reach} cycles per picture, across and down",
            tuple(tuple(row) for row in error.tolist()),
        )  # fmt: skip
        figures = [
            Figure(
                "fourier", heading, f"{'up to' if band == 'low' else 'beyond'} {radius:g} of Nyquist",
                metrics.accuracy(stack(outcomes, "bands", band)[:, place], key.fold(band).fold(place)),
            )
            for band, heading in _BANDS
            for place, radius in enumerate(_RADII)
        ]  # fmt: skip
        for name, title in (
            ("as_phase", "class of the phases is seen"),
            ("as_amplitude", "class of the amplitudes is seen"),
        ):
            seen = metrics.accuracy(stack(outcomes, "swap", name), key.fold(name))
            figures.append(Figure("fourier", "Phases of one, amplitudes of another", title, seen, better=""))
        return Scores(figures=tuple(figures), grids=(grid,))
