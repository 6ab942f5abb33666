"""Fit: a scene from a folder of photographs, so that augmentation is as strong as the place a model will work in.

Every picture is measured on its own; what they have in common becomes the law of a scene's variable, free of the
measurements' own errors. What the pictures do not determine is named, with the reason, and keeps its prior.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final, final

from mechaug import mechanisms as m
from mechaug.scenes.estimates import BLUR_DOUBT, HAZE_DISTANCE_M, estimates_of
from mechaug.scenes.estimators.base import Estimate
from mechaug.scenes.estimators.exif import TAGS
from mechaug.scenes.estimators.measures import Measures
from mechaug.scenes.fit_folder import Folder, measure_folder
from mechaug.scenes.fit_reference import PHOTOGRAPHS, Reference, error_of_mean, reference_of
from mechaug.scenes.fit_variable import Fitted, fit_exact, fit_haze, fit_measured, fit_read_noise
from mechaug.scenes.roots import Sometimes
from mechaug.scenes.scene import Scene
from mechaug.scenes.variable import Variable
from mechaug.watch import Silent, Watch

PRIORS: Final[Mapping[str, Variable]] = {
    variable.name: variable
    for variable in (
        Variable("cast_mired", "mired", (100.0, 400.0), low=40.0, high=599.0),
        Variable("visibility_m", "m", Sometimes(0.05, (50.0, 2000.0), math.inf, "log"), scale="log", low=1.0),
        Variable("scale_permille", "permille", (0.0, 20.0), low=0.0),
        Variable("exposure_ev", "EV", (-3.0, 2.0), low=-10.0, high=10.0),
        Variable("white_e", "e⁻", (94.0, 6000.0), scale="log", low=1.0),
        Variable("read_noise_e", "e⁻", 3.0, low=0.0),
        Variable("quality", "", (10.0, 95.0), low=1.0, high=100.0),
    )
}
"""What holds where the pictures do not say: the mechanisms' own laws, white being that of `Sensor` from ISO 6400 to
100; and fog in one picture of twenty, since `Haze` is for pictures that have some."""


@final
@dataclass(frozen=True)
class Fit:
    """What a folder of photographs says about its place.

    Attributes:
        folder: what was read of it.
        reference: what its pictures are compared with.
        variables: what was found, in the order that light travels; then what cameras wrote.
        scene: to train with: the fitted laws, and the priors of what is not identified.
    """

    folder: Folder
    reference: Reference
    variables: tuple[Fitted, ...]
    scene: Scene

    def __getitem__(self, name: str) -> Fitted:
        """What was found about a variable."""
        return next(fitted for fitted in self.variables if fitted.variable.name == name)


def fit_folder(
    path: Path | str, *, reference: Reference = PHOTOGRAPHS, limit: int | None = None, watch: Watch | None = None
) -> Fit:
    """Fit a scene to the photographs of a folder and of those in it.

    Args:
        path: the folder.
        reference: what its pictures are compared with; best, the pictures that are to be augmented.
        limit: look at so many pictures at most, from all over the folder.
        watch: told of progress.

    Raises:
        UserError: there is no such folder, or no picture in it can be read.
    """
    return fit_measures(measure_folder(Path(path), limit=limit, watch=watch or Silent()), reference)


def reference_folder(path: Path | str, *, limit: int | None = None, watch: Watch | None = None) -> Reference:
    """The pictures of a folder as what others are compared with.

    Args:
        path: the folder; best, of the pictures that are to be augmented.
        limit: look at so many pictures at most, from all over the folder.
        watch: told of progress.

    Raises:
        UserError: there is no such folder, no picture in it can be read, or too few.
    """
    folder = measure_folder(Path(path), limit=limit, watch=watch or Silent())
    return reference_of(folder.measures, f"the pictures in {path}")


def fit_measures(folder: Folder, reference: Reference = PHOTOGRAPHS) -> Fit:
    """Fit a scene to what was measured."""
    read = fit_read_noise(PRIORS["read_noise_e"], [measures.noise for measures in folder.measures])
    read_noise_e = float(read.variable.law) if isinstance(read.variable.law, int | float) else None
    rows = [estimates_of(measures, reference, read_noise_e) for measures in folder.measures]
    columns: dict[str, list[Estimate]] = {}
    for estimate in (estimate for row in rows for estimate in row):
        columns.setdefault(estimate.name, []).append(estimate)

    def compared(name: str, spread: float, doubt: float = 0.0) -> Fitted:
        error, doubt = error_of_mean(spread, reference), math.hypot(reference.doubt, doubt)
        return fit_measured(PRIORS[name], columns[name], reference_error=error, doubt=doubt)

    variables = (
        compared("cast_mired", reference.mired[1]),
        fit_haze(PRIORS["visibility_m"], columns["visibility_m"], reference.name),
        compared("scale_permille", 0.0, BLUR_DOUBT),
        compared("exposure_ev", reference.log2_luminance[1]),
        fit_measured(PRIORS["white_e"], columns["white_e"]),
        read,
        fit_exact(PRIORS["quality"], columns["quality"]),
        *(fit_exact(_written(name), columns[name]) for name in TAGS),
    )
    return Fit(folder, reference, variables, _scene(variables, folder.measures))


def _written(name: str) -> Variable:
    tag = TAGS[name]
    return Variable(name, tag.unit, (tag.low, tag.high), scale="log", low=tag.low, high=tag.high)


def _scene(fitted: Sequence[Fitted], measures: Sequence[Measures]) -> Scene:
    """The chain that makes pictures like these out of those of the reference.

    What cameras wrote is in it where they wrote it, for mechanisms that may be added: `white_e` already is what an ISO
    setting and a full well come to.
    """
    variables = [f.variable for f in fitted if f.variable.name in PRIORS or f.status == "fitted"]
    width = round(median(m.width for m in measures))
    # Noise was measured at the pixels of the files; pictures that are smaller have the mean of several of them.
    view = m.View(frame_px=width)
    sampled = [m.jpeg.subsampling for m in measures if m.jpeg is not None]
    chain = m.Chain(
        m.Illuminant(mired="cast_mired"),
        m.Haze(visibility_m="visibility_m", distance_m=HAZE_DISTANCE_M),
        m.GaussianScale(scale_permille="scale_permille"),
        m.Exposure(exposure_ev="exposure_ev"),
        m.Sensor(iso=100.0, full_well_e="white_e", read_noise_e="read_noise_e", view=view),
        m.Jpeg(quality="quality", subsampling="4:4:4" if sampled and _mostly(sampled, "4:4:4") else "4:2:0"),
    )
    return Scene(tuple(variables), chain)


def _mostly(values: Sequence[str], value: str) -> bool:
    return 2 * values.count(value) > len(values)
