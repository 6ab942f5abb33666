"""Mechanisms: causes that change the picture and not its meaning, in the order that light travels."""

from collections.abc import Mapping

from mechaug.mechanisms.atmosphere import Haze, HazeParams
from mechaug.mechanisms.base import Domain, Group, Mechanism, Parameters, Semigroup, Structure, parameters
from mechaug.mechanisms.codec import Jpeg, JpegParams
from mechaug.mechanisms.compose import (
    Chain,
    ChainParams,
    Maybe,
    Mix,
    MixParams,
    OneOf,
    OneOfParams,
    overlapping,
    with_view,
)
from mechaug.mechanisms.illumination import Exposure, ExposureParams
from mechaug.mechanisms.light import to_light, to_picture
from mechaug.mechanisms.optics import Defocus, DefocusParams
from mechaug.mechanisms.sensor import Sensor, SensorParams
from mechaug.mechanisms.view import VIEWS, View
from mechaug.mechanisms.viewpoint import Viewpoint, ViewpointParams

CHAIN_ORDER: tuple[type[Mechanism], ...] = (Viewpoint, Haze, Defocus, Exposure, Sensor, Jpeg)
"""The mechanisms in the order that light travels; each can be made without arguments."""

TYPES: Mapping[str, type] = {
    cls.__name__: cls
    for cls in (
        *CHAIN_ORDER, ViewpointParams, ExposureParams, HazeParams, DefocusParams, SensorParams, JpegParams,
        Chain, ChainParams, Maybe, OneOf, OneOfParams, Mix, MixParams, View,
    )
}  # fmt: skip
"""What may occur in a stored mechanism or in stored parameters, by name."""

__all__ = [
    "CHAIN_ORDER",
    "TYPES",
    "VIEWS",
    "Chain",
    "ChainParams",
    "Defocus",
    "DefocusParams",
    "Domain",
    "Exposure",
    "ExposureParams",
    "Group",
    "Haze",
    "HazeParams",
    "Jpeg",
    "JpegParams",
    "Maybe",
    "Mechanism",
    "Mix",
    "MixParams",
    "OneOf",
    "OneOfParams",
    "Parameters",
    "Semigroup",
    "Sensor",
    "SensorParams",
    "Structure",
    "View",
    "Viewpoint",
    "ViewpointParams",
    "overlapping",
    "parameters",
    "to_light",
    "to_picture",
    "with_view",
]
