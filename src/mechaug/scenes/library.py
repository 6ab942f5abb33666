"""Ready scenes: the places that pictures come from, each as data with the sources of its laws.

Common to all: `ev100` is the light's exposure value, of which a meter errs by `metering_error_ev` (½ EV, what scenes
that are not grey on average do to it); the camera's programme chooses f-number, time and ISO setting; `cast_mired` is
what an automatic white balance leaves of the light's colour, 40 % of it with an error of 8 mired (gain errors of about
5 %). A mechanism without a variable keeps its own laws.
"""

import math
from typing import Any, Final

from torch.distributions import LogNormal, Normal

from mechaug import mechanisms as m
from mechaug.mechanisms.colour import BALANCED_MIRED
from mechaug.scenes.balance import Balance
from mechaug.scenes.camera import CAMERAS, Camera, Ev100
from mechaug.scenes.relations import Band, Linear, Lookup, Power, Relation, Sometimes
from mechaug.scenes.scene import Scene
from mechaug.scenes.sky import LIGHT_COLOUR, MIXED_COLOUR, daylight
from mechaug.scenes.variable import Variable

_CAST_LEFT: Final = 0.4
"""The part of a light's colour that a white balance leaves."""

# At a fixed bit rate a codec spends on noise what detail then lacks: from quality 75 in clean pictures to 25 at a gain
# of 36 dB. No source: the course is what surveillance video looks like.
_RATE_CONTROL: Final = Lookup((100.0, 800.0, 6400.0), (75.0, 50.0, 25.0), spread=8.0, at_scale="log")


def driving() -> Scene:
    """A camera behind a windscreen, at all hours.

    - hour_h: 5 to 23, when nearly all trips are made (National Household Travel Survey, 2017); latitude 45°.
    - visibility_m: fog in one picture of twenty; it dims the light too, see `sky`.
    - rain_mm_h: in one picture of ten, 0.5 (light) to 30 (violent; American Meteorological Society's glossary).
    - street_lux: 2 to 20 lux on lit roads (EN 13201-2, classes M and P), from 0.5 on others, headlights included.
    - speed_m_s: up to 36 m/s; what drivers keep in fog falls to 3 to 14 m/s at 50 m.
    - crossing_m_s: what of the speed is across the line of sight, a fifth in the median.
    - distance_m: 8 to 80 m, where signs and other cars are read.
    - camera: 1/2.8 inch behind a wide fixed lens.
    """
    camera = CAMERAS["dash"]
    view = camera.view()
    variables = (
        *daylight((5.0, 23.0), latitude_deg=45.0, fog_share=0.05),
        Variable("street_lux", "lux", (0.5, 20.0), scale="log", low=0.01),
        _illuminance("daylight_lux", "street_lux"),
        *_light_and_camera(camera, LIGHT_COLOUR),
        Variable("rain_mm_h", "mm/h", Sometimes(0.1, (0.5, 30.0), 0.0, "log"), low=0.0, high=300.0),
        Variable(
            "speed_m_s", "m/s", Band((50.0, 200.0, 1000.0), (3.0, 5.0, 5.0), (14.0, 22.0, 36.0), at_scale="log"),
            ("visibility_m",), low=0.0, high=70.0,
        ),
        Variable("crossing_m_s", "m/s", Power((1.0,), 0.2, 0.5), ("speed_m_s",), low=0.0, high=70.0),
        Variable("distance_m", "m", (8.0, 80.0), scale="log", low=1.0, high=1e5),
    )  # fmt: skip
    chain = m.Chain(
        m.Illuminant(mired="cast_mired"),
        m.Haze(visibility_m="visibility_m", distance_m="distance_m", view=view),
        m.Rain(rate_mm_h="rain_mm_h", exposure_s="exposure_s", f_number="f_number", view=view),
        m.SubjectMotion(
            exposure_s="exposure_s", speed_m_s="crossing_m_s", distance_m="distance_m", direction_deg=(-20.0, 20.0),
            view=view,
        ),
        m.MotionBlur(exposure_s="exposure_s", angular_speed_deg_s=(0.0, 8.0), view=view),
        m.Exposure(exposure_ev="exposure_ev"),
        camera.sense(),
        m.ToneCurve(),
        m.Jpeg(quality=(20.0, 80.0)),
    )  # fmt: skip
    return Scene(variables, chain)


def phone() -> Scene:
    """A telephone in the hand, indoors and outdoors.

    - hour_h: 7 to 23, when people are up; latitude 45°.
    - outdoors: half of the pictures.
    - sky_share: all of the daylight outdoors; indoors 0.5 to 5 % of it, the usual daylight factors (BS 8206-2).
    - lamp_lux: indoors 30 to 750 lux, from a living room to a desk (EN 12464-1); outdoors street lamps and signs.
    - tremor_deg_s: median 1.3 °/s, two thirds between 0.7 and 2.4: held cameras turn at 0.5 to 3 °/s.
    - subject_m, focus_m: 0.5 to 10 m, and a focus that errs by a tenth of it.
    - camera: a 1.4 µm sensor behind f/1.73.
    """
    return _hand_held(CAMERAS["pixel-4"], crop=1.0, hours=(7.0, 23.0), quality=(80.0, 95.0))


def object_crop() -> Scene:
    """One object, cut out of an amateur's photograph and made small: what CIFAR-10 and its like show.

    As `phone`, with a single-lens reflex camera at 35 mm; the object is a tenth of the frame's width, so that what is
    small in the frame is large in the picture. Two codecs are one here, at the quality of pictures from the web.
    """
    return _hand_held(CAMERAS["canon-70d"], crop=0.1, hours=(7.0, 23.0), quality=(40.0, 95.0))


def surveillance() -> Scene:
    """A fixed camera over a yard or a street, day and night.

    - hour_h: all of them; latitude 45°.
    - street_lux: 0.5 to 30 lux, an unlit corner to a lit entrance (EN 13201-2, EN 12464-2).
    - crossing_m_s: people, 1.4 m/s in the median, and cars at several times that.
    - distance_m: 3 to 30 m.
    - quality: falls with the gain, because the bit rate is fixed.
    """
    camera = CAMERAS["surveillance"]
    view = camera.view()
    variables = (
        *daylight((0.0, 24.0), latitude_deg=45.0, fog_share=0.05),
        Variable("street_lux", "lux", (0.5, 30.0), scale="log", low=0.01),
        Variable(
            "illuminance_lux",
            "lux",
            Linear((1.0, 1.0)),
            ("daylight_lux", "street_lux"),
            scale="log",
            low=0.01,
            high=2e5,
        ),
        *_light_and_camera(camera, LIGHT_COLOUR),
        Variable("crossing_m_s", "m/s", LogNormal(math.log(1.4), 0.7), low=0.0, high=40.0),
        Variable("distance_m", "m", (3.0, 30.0), scale="log", low=0.5, high=1e4),
        Variable("quality", "", _RATE_CONTROL, ("iso",), low=5.0, high=95.0),
    )
    chain = m.Chain(
        m.Illuminant(mired="cast_mired"),
        m.Haze(visibility_m="visibility_m", distance_m="distance_m", view=view),
        m.SubjectMotion(exposure_s="exposure_s", speed_m_s="crossing_m_s", distance_m="distance_m", view=view),
        m.Exposure(exposure_ev="exposure_ev"),
        camera.sense(),
        m.ToneCurve(),
        m.Rescale(factor=(1.0, 2.0)),
        m.Jpeg(quality="quality"),
    )
    return Scene(variables, chain)


def drone() -> Scene:
    """A camera under a small aircraft that looks down by day.

    - hour_h: 9 to 16, when the sun is up all year: flights are made in sight; latitude 45°.
    - altitude_m: 15 to 120 m, the ceiling of the open category (Regulation (EU) 2019/947).
    - ground_speed_m_s: 0 to 15, what survey flights are made at.
    - visibility_m: no fog, where none may fly; but the haze of the air below counts, at 120 m.
    - vibration_deg_s: what a gimbal leaves, 0.2 to 3 °/s.
    """
    camera = CAMERAS["drone"]
    view = camera.view()
    variables = (
        *daylight((9.0, 16.0), latitude_deg=45.0, fog_share=0.02),
        _illuminance("daylight_lux"),
        *_light_and_camera(camera, LIGHT_COLOUR),
        Variable("altitude_m", "m", (15.0, 120.0), scale="log", low=2.0, high=1e4),
        Variable("ground_speed_m_s", "m/s", (0.0, 15.0), low=0.0, high=60.0),
        Variable("vibration_deg_s", "°/s", (0.2, 3.0), scale="log", low=0.0),
    )
    chain = m.Chain(
        m.Viewpoint(rotation_deg=(-180.0, 180.0), log2_scale=0.0, shift_x=0.0, shift_y=0.0),
        m.Illuminant(mired="cast_mired"),
        m.Haze(visibility_m="visibility_m", distance_m="altitude_m", view=view),
        m.Defocus(f_number="f_number", focus_m=(30.0, 1000.0), object_m="altitude_m", view=view),
        m.SubjectMotion(
            exposure_s="exposure_s", speed_m_s="ground_speed_m_s", distance_m="altitude_m",
            direction_deg=(-180.0, 180.0), view=view,
        ),
        m.MotionBlur(exposure_s="exposure_s", angular_speed_deg_s="vibration_deg_s", view=view),
        m.Exposure(exposure_ev="exposure_ev"),
        camera.sense(),
        m.ToneCurve(),
        m.Jpeg(quality=(70.0, 95.0)),
    )  # fmt: skip
    return Scene(variables, chain)


def relighting() -> Scene:
    """The colour of the light alone, set and not shifted: for pictures in which it is tied to what they show.

    - hour_h: 5 to 21, from dawn to dusk; latitude 45°.
    - lamp_lux: 2 to 100 lux, what is there after sunset.
    - cast_mired: as elsewhere, but without an error of its own.
    """
    variables = (
        *daylight((5.0, 21.0), latitude_deg=45.0, fog_share=0.0),
        Variable("lamp_lux", "lux", (2.0, 100.0), scale="log", low=0.01),
        _illuminance("daylight_lux", "lamp_lux"),
        *_colour(LIGHT_COLOUR, error_mired=0.0),
    )
    return Scene(variables, m.Chain(Balance(), m.Illuminant(mired="cast_mired")))


def _illuminance(*sources: str) -> Variable:
    """All light on the scene: the sum of what its sources give."""
    return Variable("illuminance_lux", "lux", Linear((1.0,) * len(sources)), sources, scale="log", low=0.01, high=2e5)


def _light_and_camera(camera: Camera, colour: Relation) -> tuple[Variable, ...]:
    """From `illuminance_lux` to what the camera makes of it."""
    return (
        *_colour(colour, error_mired=8.0),
        Variable("ev100", "EV", Ev100(), ("illuminance_lux",)),
        Variable("metering_error_ev", "EV", Normal(0.0, 0.5), low=-3.0, high=3.0),
        Variable("metered_ev", "EV", Linear((1.0, 1.0)), ("ev100", "metering_error_ev")),
        *camera.variables(),
    )  # fmt: skip


def _colour(law: Relation, *, error_mired: float) -> tuple[Variable, ...]:
    """The light's colour, and what a white balance leaves of it."""
    left = Linear((_CAST_LEFT,), (1 - _CAST_LEFT) * BALANCED_MIRED, error_mired)
    return (
        Variable("illuminant_mired", "mired", law, ("illuminance_lux",), low=60.0, high=550.0),
        Variable("cast_mired", "mired", left, ("illuminant_mired",), low=60.0, high=550.0),
    )


def _hand_held(camera: Camera, *, crop: float, hours: tuple[float, float], quality: tuple[float, float]) -> Scene:
    view = camera.view(crop)
    indoors_low, indoors_high = 0.005, 0.05
    variables = (
        *daylight(hours, latitude_deg=45.0, fog_share=0.02),
        Variable("outdoors", "", Sometimes(0.5, 1.0, 0.0), low=0.0, high=1.0),
        Variable(
            "sky_share", "", Band((0.0, 1.0), (indoors_low, 1.0), (indoors_high, 1.0), "log"), ("outdoors",), low=0.0,
            high=1.0,
        ),
        Variable("lamp_lux", "lux", Band((0.0, 1.0), (30.0, 1.0), (750.0, 30.0), "log"), ("outdoors",), low=0.01),
        Variable("window_lux", "lux", Power((1.0, 1.0)), ("daylight_lux", "sky_share"), low=1e-4),
        _illuminance("window_lux", "lamp_lux"),
        *_light_and_camera(camera, MIXED_COLOUR),
        Variable("tremor_deg_s", "°/s", LogNormal(math.log(1.3), 0.6), low=0.0, high=100.0),
        Variable("subject_m", "m", (0.5, 10.0), scale="log", low=0.1, high=1e4),
        Variable("focus_m", "m", Power((1.0,), 1.0, 0.1), ("subject_m",), low=0.1, high=1e4),
        # Fog is outdoors.
        Variable(
            "air_distance_m", "m", Band((0.0, 1.0), (0.0, 5.0), (0.0, 60.0)), ("outdoors",), low=0.0, high=1e5
        ),
    )  # fmt: skip
    stages: tuple[m.Mechanism[Any], ...] = (
        m.Illuminant(mired="cast_mired"),
        m.Haze(visibility_m="visibility_m", distance_m="air_distance_m", view=view),
        m.Defocus(f_number="f_number", focus_m="focus_m", object_m="subject_m", view=view),
        m.MotionBlur(exposure_s="exposure_s", angular_speed_deg_s="tremor_deg_s", view=view),
        m.Exposure(exposure_ev="exposure_ev"),
        camera.sense(crop),
        m.ToneCurve(),
        m.Jpeg(quality=quality),
    )
    return Scene(variables, m.Chain(*stages))
