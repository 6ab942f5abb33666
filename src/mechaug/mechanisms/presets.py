"""Presets: whole chains of image formation for the views that pictures commonly have.

Each mechanism happens to some of the pictures only, so that sharp and clean ones stay among them, and each draws on its
own: what nature couples (little light, long exposure, noise) is the business of scenes.
"""

from collections.abc import Sequence
from typing import Any, Final

from mechaug.mechanisms.atmosphere import Haze
from mechaug.mechanisms.base import Mechanism
from mechaug.mechanisms.codec import Jpeg
from mechaug.mechanisms.compose import Chain, Maybe
from mechaug.mechanisms.distortion import LateralChromatic, LensDistortion
from mechaug.mechanisms.glare import Glare
from mechaug.mechanisms.illumination import Exposure, Illuminant
from mechaug.mechanisms.lens_dirt import LensDirt, LensDrops
from mechaug.mechanisms.mosaic import Demosaic
from mechaug.mechanisms.motion import MotionBlur, SubjectMotion
from mechaug.mechanisms.optics import Defocus, Vignetting
from mechaug.mechanisms.precipitation import Rain
from mechaug.mechanisms.reflection import Reflection
from mechaug.mechanisms.resampling import Rescale
from mechaug.mechanisms.sensor import Sensor
from mechaug.mechanisms.shutter import RollingShutter
from mechaug.mechanisms.tone import ToneCurve
from mechaug.mechanisms.view import VIEWS, View
from mechaug.mechanisms.viewpoint import Viewpoint

SHARE: Final = 0.35
"""To how many of the pictures each mechanism of a preset happens."""


def eight_stages(view: View) -> Chain:
    """One mechanism for each of eight stages, all of them on every picture: what benchmarks time.

    Viewpoint, air, lens, motion, exposure, sensor, image processing, codec, with their usual laws.
    """
    return Chain(
        Viewpoint(),
        Haze(view=view),
        Defocus(view=view),
        MotionBlur(view=view),
        Exposure(),
        Sensor(),
        ToneCurve(),
        Jpeg(),
    )


def camera(name: str) -> Chain:
    """The chain for one of the named views (`VIEWS`).

    - photograph: a hand-held camera of good make, from indoor light to haze.
    - object: an object cut out of such a photograph and made small: what does not survive that is left out.
    - phone: a hand's tremor, mixed lamps, a small sensor and strong processing.
    - dash: speed, rain and dirt on the glass, headlights, a rolling shutter.
    - surveillance: little light, a dirty dome, a small bitrate.
    - drone: air, vibration, sun.

    Raises:
        ValueError: there is no such view.
    """
    if name not in VIEWS:
        raise ValueError(f"there is no preset {name!r}: choose from {', '.join(VIEWS)}")
    view = VIEWS[name]
    stages: dict[str, Sequence[Mechanism[Any]]] = {
        "photograph": (
            Viewpoint(), Illuminant(mired=(110.0, 300.0)), Haze(view=view), Defocus(view=view), Glare(view=view),
            Vignetting(view=view), MotionBlur(view=view), Exposure(), Sensor(), ToneCurve(), Jpeg(),
        ),
        "object": (
            Viewpoint(), Illuminant(mired=(110.0, 300.0)), Haze(distance_m=(10.0, 30.0), view=view), Defocus(view=view),
            MotionBlur(view=view), Exposure(exposure_ev=(-2.0, 1.0)), Sensor(), ToneCurve(), Rescale(), Jpeg(),
        ),
        "phone": (
            Viewpoint(), Illuminant(), Glare(view=view), Defocus(f_number=(1.5, 2.4), focus_m=(0.3, 3.0), view=view),
            MotionBlur(view=view), RollingShutter(view=view), Exposure(), Sensor(), Demosaic(), ToneCurve(), Rescale(),
            Jpeg(),
        ),
        "dash": (
            Haze(depth="ground", view=view), Rain(view=view), Reflection(), LensDrops(view=view), LensDirt(view=view),
            LensDistortion(view=view), Glare(view=view), SubjectMotion(view=view), RollingShutter(view=view),
            Exposure(), Sensor(), ToneCurve(), Jpeg(quality=(20.0, 80.0)),
        ),
        "surveillance": (
            Viewpoint(), Illuminant(), Haze(view=view), Rain(view=view), LensDirt(view=view), LensDistortion(view=view),
            SubjectMotion(view=view), Exposure(exposure_ev=(-4.0, 1.0)), Sensor(iso=(400.0, 25600.0)), ToneCurve(),
            Rescale(), Jpeg(quality=(10.0, 60.0)),
        ),
        "drone": (
            Viewpoint(rotation_deg=(-180.0, 180.0)), Haze(distance_m=(30.0, 120.0), view=view),
            LateralChromatic(view=view), Vignetting(view=view), MotionBlur(view=view),
            RollingShutter(vibration_deg=(0.0, 0.2), view=view), Exposure(), Sensor(), ToneCurve(), Jpeg(),
        ),
    }  # fmt: skip
    return Chain(*(Maybe[Any](stage, SHARE) for stage in stages[name]))
