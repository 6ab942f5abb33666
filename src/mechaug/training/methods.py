"""Methods: what a study compares. Each is an augmentation with its loss, under one name."""

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from mechaug import mechanisms as m
from mechaug.errors import UserError
from mechaug.heuristics.augmix import AugMix
from mechaug.mechanisms.base import Mechanism
from mechaug.mechanisms.compose import overlapping
from mechaug.scenes import library
from mechaug.training.objectives import JSD, CrossEntropy, Objective

Family: TypeAlias = Literal["mechanism", "heuristic", "baseline"]

JSD_WEIGHT: Final = 12.0
"""Of the Jensen–Shannon loss beside the cross-entropy (Hendrycks et al., ICLR 2020)."""


@dataclass(frozen=True)
class Method:
    """One way to train.

    Attributes:
        name: as on the command line.
        title: as in a table.
        family: what its augmentation follows.
        description: one sentence.
        crops: whether the recipe's flip and crop come first.
        augmentation: makes the views; None where there are none.
        objective: the loss.
    """

    name: str
    title: str
    family: Family
    description: str
    crops: bool
    augmentation: Mechanism[Any] | None
    objective: Objective

    @property
    def sees(self) -> tuple[str, ...]:
        """The common corruptions of which a relative is in this method's training."""
        return () if self.augmentation is None else overlapping(self.augmentation)


def object_camera() -> m.Chain:
    """The camera for a small picture of one object, cut out of a larger photograph.

    What an object of 32 pixels went through: it was seen a little aside, through some air, out of focus, over- or
    under-exposed, by a small sensor, and stored by a codec. Each stage happens to a third of the pictures only, so that
    the sharp and the clean stay in training; that share was chosen on the embedded data set.
    """
    stages: tuple[m.Mechanism[Any], ...] = (
        m.Viewpoint(),
        m.Haze(visibility_m=(60.0, 1000.0), distance_m=(10.0, 30.0)),
        m.Defocus(f_number=(1.4, 5.6), view=m.View(crop=1 / 9)),
        m.Exposure(exposure_ev=(-2.0, 1.0)),
        m.Sensor(iso=(100.0, 6400.0)),
        m.Jpeg(quality=(20.0, 95.0)),
    )
    return m.Chain(*(m.Maybe[Any](stage, 0.35) for stage in stages))


METHODS: Final[tuple[Method, ...]] = (
    Method(
        "none", "No augmentation", "baseline", "Pictures as they are.", False, None, CrossEntropy("clean")
    ),
    Method(
        "flip-crop", "Flip and crop", "baseline", "Random crops of the padded picture, mirrored where that keeps the "
        "meaning; every method but 'none' starts from it.", True, None, CrossEntropy("clean")
    ),
    Method(
        "augmix", "AugMix", "heuristic", "Mixtures of chains of image operations, cross-entropy on the mixture alone "
        "(Hendrycks et al., ICLR 2020).", True, AugMix(), CrossEntropy("augmented")
    ),
    Method(
        "augmix-jsd", "AugMix + JSD", "heuristic", "AugMix with its Jensen–Shannon consistency over the clean picture "
        "and two mixtures, as published (Hendrycks et al., ICLR 2020).", True, AugMix(),
        CrossEntropy("clean") + JSD_WEIGHT * JSD()
    ),
    Method(
        "camera", "Camera", "mechanism", "The chain of image formation with its units: viewpoint, haze, defocus, "
        "exposure, sensor, codec; cross-entropy on the clean picture and on one of the camera's.", True,
        object_camera(), CrossEntropy("all")
    ),
    Method(
        "camera-jsd", "Camera + JSD", "mechanism", "The same camera with the Jensen–Shannon consistency over the clean "
        "picture and two of its pictures.", True, object_camera(), CrossEntropy("clean") + JSD_WEIGHT * JSD()
    ),
    Method(
        "scene", "Scene", "mechanism", "Objects cut out of an amateur's photographs, where little light causes blur "
        "and noise together; cross-entropy on the clean picture and on one of the scene's.", True,
        library.object_crop(), CrossEntropy("all")
    ),
)  # fmt: skip
"""Every method that a study can name."""


def method(name: str) -> Method:
    """The method of a name.

    Raises:
        UserError: there is none; the message lists those that exist.
    """
    for candidate in METHODS:
        if candidate.name == name:
            return candidate
    raise UserError(f"there is no method {name!r}; the methods are {', '.join(known.name for known in METHODS)}")
