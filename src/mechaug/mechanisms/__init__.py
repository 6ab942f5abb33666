"""Mechanisms: causes that change the picture and not its meaning, in the order that light travels."""

from collections.abc import Mapping
from typing import get_args

from mechaug.mechanisms import presets
from mechaug.mechanisms.atmosphere import Haze, HazeParams
from mechaug.mechanisms.base import Domain, Group, Mechanism, Parameters, Semigroup, Structure, parameters
from mechaug.mechanisms.cameras import CAMERAS, Camera, sensor_of
from mechaug.mechanisms.codec import Jpeg, JpegParams
from mechaug.mechanisms.compose import (
    Chain,
    Maybe,
    Mix,
    MixParams,
    OneOf,
    OneOfParams,
)
from mechaug.mechanisms.distortion import LateralChromatic, LateralChromaticParams, LensDistortion, LensDistortionParams
from mechaug.mechanisms.glare import Glare, GlareParams
from mechaug.mechanisms.illumination import (
    Exposure,
    ExposureParams,
    Falloff,
    FalloffParams,
    Illuminant,
    IlluminantParams,
)
from mechaug.mechanisms.isp import (
    ColourMatrix,
    ColourMatrixParams,
    Denoise,
    DenoiseParams,
    Sharpen,
    SharpenParams,
    WhiteBalance,
    WhiteBalanceParams,
)
from mechaug.mechanisms.lens_dirt import LensDirt, LensDirtParams, LensDrops, LensDropsParams
from mechaug.mechanisms.light import to_light, to_picture
from mechaug.mechanisms.mixed_light import MixedLight, MixedLightParams
from mechaug.mechanisms.mosaic import Demosaic, DemosaicParams
from mechaug.mechanisms.motion import MotionBlur, MotionBlurParams, SubjectMotion, SubjectMotionParams
from mechaug.mechanisms.occlusion import Occlusion, OcclusionParams
from mechaug.mechanisms.optics import Defocus, DefocusParams, Vignetting, VignettingParams
from mechaug.mechanisms.parts import ChainParams, overlapping, with_view
from mechaug.mechanisms.precipitation import Rain, RainParams, Snow, SnowParams
from mechaug.mechanisms.pupil import Aberration, AberrationParams, Diffraction, DiffractionParams
from mechaug.mechanisms.reflection import Reflection, ReflectionParams
from mechaug.mechanisms.resampling import BitDepth, BitDepthParams, Rescale, RescaleParams
from mechaug.mechanisms.rotation import CameraRotation, CameraRotationParams, Perspective, PerspectiveParams
from mechaug.mechanisms.scale_space import BandDropout, BandDropoutParams, GaussianScale, GaussianScaleParams
from mechaug.mechanisms.sensor import Sensor, SensorParams
from mechaug.mechanisms.shadow import Shadow, ShadowParams
from mechaug.mechanisms.shutter import RollingShutter, RollingShutterParams
from mechaug.mechanisms.spectrum import SpectralSlope, SpectralSlopeParams
from mechaug.mechanisms.tone import Gamma, GammaParams, ToneCurve, ToneCurveParams
from mechaug.mechanisms.view import VIEWS, View
from mechaug.mechanisms.viewpoint import Viewpoint, ViewpointParams

CHAIN_ORDER: tuple[type[Mechanism], ...] = (
    Viewpoint, CameraRotation, Perspective, Occlusion, Illuminant, Falloff, MixedLight, Shadow, Haze, Rain, Snow,
    Reflection, LensDrops, LensDirt, LensDistortion, LateralChromatic, Aberration, Diffraction, Defocus, Glare,
    Vignetting, GaussianScale, SpectralSlope, MotionBlur, SubjectMotion, RollingShutter, Exposure, Sensor, Demosaic,
    WhiteBalance, ColourMatrix, Gamma, ToneCurve, Denoise, Sharpen, BandDropout, Rescale, BitDepth, Jpeg,
)  # fmt: skip
"""The mechanisms in the order that light travels; each can be made without arguments."""


def _parameters_of(kind: type[Mechanism]) -> type[Parameters]:
    """The record that a mechanism draws: what stands in the brackets of `class Haze(Semigroup[HazeParams])`."""
    return get_args(kind.__orig_bases__[0])[0]  # type: ignore[attr-defined]


TYPES: Mapping[str, type] = {
    cls.__name__: cls
    for cls in (
        *CHAIN_ORDER, *map(_parameters_of, CHAIN_ORDER),
        Chain, ChainParams, Maybe, OneOf, OneOfParams, Mix, MixParams, View,
    )
}  # fmt: skip
"""What may occur in a stored mechanism or in stored parameters, by name."""

__all__ = [
    "CAMERAS",
    "CHAIN_ORDER",
    "TYPES",
    "VIEWS",
    "Aberration",
    "AberrationParams",
    "BandDropout",
    "BandDropoutParams",
    "BitDepth",
    "BitDepthParams",
    "Camera",
    "CameraRotation",
    "CameraRotationParams",
    "Chain",
    "ChainParams",
    "ColourMatrix",
    "ColourMatrixParams",
    "Defocus",
    "DefocusParams",
    "Demosaic",
    "DemosaicParams",
    "Denoise",
    "DenoiseParams",
    "Diffraction",
    "DiffractionParams",
    "Domain",
    "Exposure",
    "ExposureParams",
    "Falloff",
    "FalloffParams",
    "Gamma",
    "GammaParams",
    "GaussianScale",
    "GaussianScaleParams",
    "Glare",
    "GlareParams",
    "Group",
    "Haze",
    "HazeParams",
    "Illuminant",
    "IlluminantParams",
    "Jpeg",
    "JpegParams",
    "LateralChromatic",
    "LateralChromaticParams",
    "LensDirt",
    "LensDirtParams",
    "LensDistortion",
    "LensDistortionParams",
    "LensDrops",
    "LensDropsParams",
    "Maybe",
    "Mechanism",
    "Mix",
    "MixParams",
    "MixedLight",
    "MixedLightParams",
    "MotionBlur",
    "MotionBlurParams",
    "Occlusion",
    "OcclusionParams",
    "OneOf",
    "OneOfParams",
    "Parameters",
    "Perspective",
    "PerspectiveParams",
    "Rain",
    "RainParams",
    "Reflection",
    "ReflectionParams",
    "Rescale",
    "RescaleParams",
    "RollingShutter",
    "RollingShutterParams",
    "Semigroup",
    "Sensor",
    "SensorParams",
    "Shadow",
    "ShadowParams",
    "Sharpen",
    "SharpenParams",
    "Snow",
    "SnowParams",
    "SpectralSlope",
    "SpectralSlopeParams",
    "Structure",
    "SubjectMotion",
    "SubjectMotionParams",
    "ToneCurve",
    "ToneCurveParams",
    "View",
    "Viewpoint",
    "ViewpointParams",
    "Vignetting",
    "VignettingParams",
    "WhiteBalance",
    "WhiteBalanceParams",
    "overlapping",
    "parameters",
    "presets",
    "sensor_of",
    "to_light",
    "to_picture",
    "with_view",
]
