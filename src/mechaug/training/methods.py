"""Methods: what a study compares. Each is an augmentation with its loss, under one name."""

from dataclasses import replace
from typing import Any, Final

from mechaug import heuristics as h
from mechaug import mechanisms as m
from mechaug.errors import UserError
from mechaug.heuristics.base import About
from mechaug.heuristics.views import Augmentation
from mechaug.scenes import library
from mechaug.training.adversarial import WorstCase
from mechaug.training.features import SupCon
from mechaug.training.mechanistic import RECIPE_WEIGHT, exposures, lean, recipe
from mechaug.training.method import Method as Method
from mechaug.training.methods_adversarial import ADVERSARIAL
from mechaug.training.objectives import JSD, CrossEntropy, Objective
from mechaug.training.steps import Extras

JSD_WEIGHT: Final = 12.0
"""Of the Jensen–Shannon loss beside the cross-entropy (Hendrycks et al., ICLR 2020)."""

AUGMAX_WEIGHT: Final = 10.0
"""The same for AugMax on CIFAR-10 (Wang et al., NeurIPS 2021)."""


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


def _heuristic(name: str, augmentation: Augmentation, objective: Objective, loss: str, title: str = "") -> Method:
    """A method that is its heuristic's card and a loss."""
    about: About = augmentation.about  # type: ignore[union-attr]
    description = f"{about.principle} Loss: {loss} ({about.citation.short})."
    return Method(name, title or about.name, "heuristic", description, True, augmentation, objective)


def _alone(name: str, augmentation: Augmentation, title: str = "") -> Method:
    return _heuristic(name, augmentation, CrossEntropy("augmented"), "cross-entropy on the augmented picture", title)


def _beside(name: str, augmentation: Augmentation) -> Method:
    loss = "the sum of the cross-entropies on the clean and on the augmented picture"
    return _heuristic(name, augmentation, CrossEntropy("clean") + CrossEntropy("augmented"), loss)


def _consistent(name: str, augmentation: Augmentation, weight: float = JSD_WEIGHT, title: str = "") -> Method:
    loss = f"cross-entropy on the clean view and {weight:g} × the Jensen–Shannon divergence of it and two others"
    return _heuristic(name, augmentation, CrossEntropy("clean") + weight * JSD(), loss, title)


METHODS: Final[tuple[Method, ...]] = (
    Method(
        "none", "No augmentation", "baseline", "Pictures as they are.", False, None, CrossEntropy("clean")
    ),
    Method(
        "flip-crop", "Flip and crop", "baseline", "Random crops of the padded picture, mirrored where that keeps the "
        "meaning; every method but 'none' starts from it.", True, None, CrossEntropy("clean")
    ),
    _alone("cutout", h.Cutout()),
    _alone("random-erasing", h.RandomErasing()),
    _alone("gaussian-noise", h.GaussianNoise()),
    _alone("patch-gaussian", h.PatchGaussian()),
    _alone("noise-mixture", h.NoiseMixture()),
    _alone("mixup", h.Mixup()),
    _alone("cutmix", h.CutMix()),
    _alone("manifold-mixup", h.ManifoldMixup()),
    _beside("regmixup", h.RegMixup()),
    _consistent("noisymix", h.NoisyMix()),
    _alone("pixmix", h.PixMix()),
    _consistent("ipmix", h.IPMix()),
    _alone("autoaugment", h.AutoAugment()),
    _alone("autoaugment-imagenet", h.AutoAugment("imagenet"), "AutoAugment (ImageNet)"),
    _alone("fast-autoaugment", h.FastAutoAugment()),
    _alone("randaugment", h.RandAugment()),
    _alone("trivialaugment", h.TrivialAugmentWide()),
    _alone("augmix", h.AugMix()),
    _consistent("augmix-jsd", h.AugMix(), title="AugMix + JSD"),
    _consistent("augmax", h.AugMax(), AUGMAX_WEIGHT),
    # As published but for the instance norm: the pictures that are worst have batch norms of their own.
    replace(
        _consistent("augmax-dual", h.AugMax(), AUGMAX_WEIGHT, title="AugMax, dual batch norm"),
        extras=Extras(two_norms=True),
    ),
    _alone("prime", h.Prime()),
    _consistent("prime-jsd", h.Prime(), title="PRIME + JSD"),
    _alone("randconv", h.RandConv()),
    _beside("apr-p", h.APRPair()),
    _alone("apr-s", h.APRSingle()),
    _beside("apr-sp", h.APRBoth()),
    _heuristic("afa", h.FourierBasis(), CrossEntropy("all"), "the mean of the cross-entropies on the clean and on the "
        "augmented picture"),
    _alone("band-dropout", h.BandDropout()),
    _alone("style-swap", h.StyleSwap()),
    _alone("mixstyle", h.MixStyle()),
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
        "mechanistic", "Mechanistic", "mechanism", "One to three mechanisms in a chain, most of them no relatives of "
        "C, mixed with the picture in linear light as exposures of one film, and on a fifth of the pictures a "
        "sensor's noise; cross-entropy on the clean picture and two such, and the Jensen–Shannon consistency over "
        "them.", True, recipe(), CrossEntropy("all") + RECIPE_WEIGHT * JSD()
    ),
    Method(
        "mechanistic-lean", "Mechanistic, lean", "mechanism", "One cause for a picture, and for two in five none: a "
        "mixture of chains of mechanisms as exposures of one film, mixed light or coloured lights in a pane, dense fog "
        "or a lens's fringes, a sensor's noise; cross-entropy on that picture alone.", True, lean(),
        CrossEntropy("augmented")
    ),
    Method(
        "exposures-jsd", "Exposures + JSD", "mechanism", "One to three of 22 mechanisms in a chain, mixed with the "
        "picture in linear light as exposures of one film, and on a third of the pictures a sensor's noise; the "
        "Jensen–Shannon consistency over the clean picture and two such.", True, exposures(),
        CrossEntropy("clean") + JSD_WEIGHT * JSD()
    ),
    Method(
        "scene", "Scene", "mechanism", "Objects cut out of an amateur's photographs, where little light causes blur "
        "and noise together; cross-entropy on the clean picture and on one of the scene's.", True,
        library.object_crop(), CrossEntropy("all")
    ),
    Method(
        "worst-case", "Worst case of the camera", "mechanism", "The camera's chain at the worst parameters within its "
        "ranges that three steps of gradient ascent find, in their own units; cross-entropy on the clean picture and "
        "on that one.", True, WorstCase(object_camera(), steps=3), CrossEntropy("all")
    ),
    Method(
        "camera-supcon", "Camera + SupCon", "mechanism", "The same camera with cross-entropy on the clean picture and "
        "on one of the camera's, and supervised contrast between the features of all (Khosla et al., NeurIPS 2020).",
        True, object_camera(), CrossEntropy("all") + SupCon()
    ),
    *ADVERSARIAL,
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
    raise UserError(f"there is no method {name!r}; `mechaug review` lists those that there are")
