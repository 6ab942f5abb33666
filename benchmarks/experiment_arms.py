"""The arms of `experiments.py`: what was tried, as data."""

from collections.abc import Mapping
from typing import Any, Final

from mechaug import mechanisms as m
from mechaug.heuristics import AugMix
from mechaug.mechanisms.base import Mechanism
from mechaug.training.methods import Method, method
from mechaug.training.objectives import JSD, CrossEntropy, Objective

OBJECT: Final = m.VIEWS["object"]
CONSISTENT: Final = CrossEntropy("clean") + 12 * JSD(views=2)

# What is seen of an object of 32 pixels, each strong enough to be seen and weak enough to keep the label.
GEOMETRY: Final = (m.Viewpoint(), m.LensDistortion(view=OBJECT))
LIGHT: Final = (m.Exposure(exposure_ev=(-2.5, 1.5)), m.Illuminant(), m.Shadow(), m.Falloff())
AIR: Final = (m.Haze(visibility_m=(30.0, 500.0), distance_m=(10.0, 30.0), view=OBJECT), m.Snow(view=OBJECT))
LENS: Final = (
    m.Defocus(view=OBJECT), m.GaussianScale(scale_permille=(0.0, 40.0)), m.MotionBlur(view=OBJECT),
    m.LateralChromatic(), m.Glare(view=OBJECT),
)  # fmt: skip
SENSOR: Final = (m.Sensor(iso=(400.0, 25600.0)), m.Demosaic())
PROCESS: Final = (m.ToneCurve(), m.ColourMatrix(), m.WhiteBalance(), m.Sharpen())
CODEC: Final = (m.Jpeg(), m.Rescale(), m.BitDepth())
ALL: Final[tuple[Mechanism[Any], ...]] = (*GEOMETRY, *LIGHT, *AIR, *LENS, *SENSOR, *PROCESS, *CODEC)


def steps(*options: Mechanism[Any]) -> Mechanism[Any]:
    """One to three of the options, one after another."""
    one = m.OneOf(*options)
    return m.Chain(one, m.Maybe[Any](one, 2 / 3), m.Maybe[Any](one, 1 / 2))


def mixture(*options: Mechanism[Any], skip: float = 1.0) -> m.Mix:
    """Three such chains as exposures of one film, and the picture itself."""
    return m.Mix(steps(*options), steps(*options), steps(*options), skip=skip)


def _arm(
    name: str, what: str, augmentation: Mechanism[Any], objective: Objective = CONSISTENT, crops: bool = True
) -> Method:
    return Method(name, name, "mechanism", what, crops, augmentation, objective)


_ARMS = (
    method("flip-crop"),
    method("augmix-jsd"),
    method("camera-jsd"),
    _arm("band-jsd", "BandDropout alone, JSD 12 over two views", m.BandDropout()),
    _arm("band-augmix-jsd", "AugMix, then BandDropout, JSD 12 over two views", m.Chain(AugMix(), m.BandDropout())),
    _arm("mix-jsd", "mixtures in linear light of three chains of 1 to 3 of all mechanisms, JSD 12 over two views",
         mixture(*ALL)),
    _arm("mix-band-jsd", "the same, then BandDropout on every second picture",
         m.Chain(mixture(*ALL), m.Maybe[Any](m.BandDropout(), 0.5))),
    _arm("steps-jsd", "one chain of 1 to 3 of all mechanisms without mixing, JSD 12 over two views", steps(*ALL)),
    _arm("steps-band-jsd", "the same, then BandDropout on every second picture",
         m.Chain(steps(*ALL), m.Maybe[Any](m.BandDropout(), 0.5))),
    _arm("mix-all", "the mixtures with cross-entropy on the clean picture and one view",
         mixture(*ALL), CrossEntropy("all")),
    _arm("mix-band-weak-jsd", "mix-band-jsd with JSD 6",
         m.Chain(mixture(*ALL), m.Maybe[Any](m.BandDropout(), 0.5)), CrossEntropy("clean") + 6 * JSD(views=2)),
    _arm("mix-band-noise-jsd", "mix-band-jsd, then the sensor's noise on every second picture",
         m.Chain(mixture(*ALL), m.Maybe[Any](m.BandDropout(), 0.5), m.Maybe[Any](m.Sensor(iso=(400.0, 12800.0)), 0.5))),
)  # fmt: skip

ARMS: Final[Mapping[str, Method]] = {arm.name: arm for arm in _ARMS}
