"""Cameras: what a picture is taken with, and the auto-exposure programme that chooses aperture, time and gain.

Exposure values are those at ISO 100, EV100 = log₂(N²/t · 100/S) for the f-number N, the exposure time t in seconds and
the ISO setting S (ISO 2720).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from mechaug.mechanisms import cameras
from mechaug.mechanisms.sensor import Sensor
from mechaug.mechanisms.view import View
from mechaug.scenes.relations import Relation, Units, Values
from mechaug.scenes.variable import Variable

INCIDENT_CALIBRATION: Final = 2.5
"""Lux at EV100 = 0: the constant C = 250 of incident-light meters (ISO 2720), over ISO 100."""

Chosen: TypeAlias = Literal["f_number", "exposure_s", "iso", "exposure_ev"]
"""What an exposure programme chooses, in this order, and the error that is left."""


@final
@dataclass(frozen=True)
class Programme:
    """How a camera exposes by itself: at base ISO while it can, then with a longer time, then with gain.

    From the darkest light that base ISO can take, wide open and at the longest time, twice the light halves time and
    area of the aperture in equal parts (the programme line of single-lens reflex cameras) until one is at its limit;
    with a fixed aperture the time does it alone. Where there is less light, the gain rises, and beyond its limit the
    picture stays dark.

    Args:
        f_number: (widest, narrowest); equal for a fixed aperture.
        shutter_s: (shortest, longest) time that the programme chooses, seconds.
        iso: (base, highest).

    Raises:
        ValueError: a range is reversed or not positive.
    """

    f_number: tuple[float, float]
    shutter_s: tuple[float, float]
    iso: tuple[float, float]

    def __post_init__(self) -> None:
        for name in ("f_number", "shutter_s", "iso"):
            low, high = getattr(self, name)
            if not 0 < low <= high < math.inf:
                raise ValueError(f"Programme({name}=…) is a range (low, high) of positive numbers, not {(low, high)!r}")

    def aperture(self, ev100: Values) -> Values:
        """The f-number for a metered exposure value."""
        needed = ev100 + math.log2(self.iso[0] / 100)
        widest, narrowest = (2 * math.log2(number) for number in self.f_number)
        fastest, slowest = (-math.log2(time) for time in self.shutter_s)
        line = widest + (needed - widest - slowest) / 2
        # The shortest time leaves the rest to the aperture.
        return ((line.maximum(needed - fastest)).clamp(widest, narrowest) / 2).exp2()

    def time(self, ev100: Values, f_number: Values) -> Values:
        """The exposure time in seconds at an f-number: t = N²·100 / (S₀·2^EV), within its limits."""
        return (f_number.square() * 100 / (self.iso[0] * ev100.exp2())).clamp(*self.shutter_s)

    def gain(self, ev100: Values, f_number: Values, exposure_s: Values) -> Values:
        """The ISO setting that makes up for the rest: S = 100·N² / (2^EV·t), within its limits."""
        return (100 * f_number.square() / (ev100.exp2() * exposure_s)).clamp(*self.iso)


@final
@dataclass(frozen=True)
class AutoExposure(Relation):
    """One choice of an exposure programme, given those before it, so that do() on one makes the later ones respond.

    The parents are, in order, the exposure value and what was chosen before: f_number, exposure_s, iso. The error that
    is left is exposure_ev = log₂(t·S·2^EV / (100·N²)), negative where the picture is dark; its exposure value is that
    of the light, where the others' is what was metered.

    Args:
        programme: the camera's.
        gives: "f_number", "exposure_s", "iso" or "exposure_ev".
    """

    programme: Programme
    gives: Chosen

    def __post_init__(self) -> None:
        if self.gives not in _CHOICES:
            raise ValueError(f"AutoExposure(gives=…) is one of {', '.join(_CHOICES)}, not {self.gives!r}")

    def units(self) -> Units:
        """EV, then those of what was chosen before."""
        place = tuple(_CHOICES).index(self.gives)
        return Units(("EV", *tuple(_CHOICES.values())[:place]), _CHOICES[self.gives])

    def value(self, parents: Sequence[Values], noise: Values) -> Values:
        """The programme's choice; no chance is in it."""
        del noise
        if self.gives == "exposure_ev":
            ev100, f_number, exposure_s, iso = parents
            return (exposure_s * iso / (100 * f_number.square())).log2() + ev100
        choose = {"f_number": self.programme.aperture, "exposure_s": self.programme.time, "iso": self.programme.gain}
        return choose[self.gives](*parents)


_CHOICES: Final[Mapping[str, str]] = {"f_number": "", "exposure_s": "s", "iso": "ISO", "exposure_ev": "EV"}
"""What is chosen, in order, and its unit."""


@final
@dataclass(frozen=True)
class Ev100(Relation):
    """The exposure value of light: EV100 = log₂(E / 2.5 lux) for the illuminance E (incident light, ISO 2720)."""

    def units(self) -> Units:
        """Lux to EV."""
        return Units(("lux",), "EV")

    def value(self, parents: Sequence[Values], noise: Values) -> Values:
        """The exposure values."""
        del noise
        return (parents[0] / INCIDENT_CALIBRATION).log2()


@final
@dataclass(frozen=True)
class Camera:
    """A camera: its lens, its sensor and the programme by which it exposes.

    Attributes:
        sensor: the figures of its pixels: pitch, full well, read noise.
        focal_length_mm: of the lens.
        programme: the ranges of f-number, time and ISO setting.
        source: where the figures come from.
    """

    sensor: cameras.Camera
    focal_length_mm: float
    programme: Programme
    source: str

    def view(self, crop: float = 1.0) -> View:
        """The view of a picture that shows a share of the frame's width."""
        width = self.sensor.sensor_width_mm
        hfov = 2 * math.degrees(math.atan(width / (2 * self.focal_length_mm)))
        return View(hfov_deg=hfov, crop=crop, frame_px=self.sensor.frame_px, sensor_width_mm=width)

    def sense(self, crop: float = 1.0) -> Sensor:
        """The sensor, reading `iso` and `exposure_s`; dark current in the middle of what is common at 25 °C."""
        return cameras.sensor_of(self.sensor, iso="iso", exposure_s="exposure_s", dark_e_s=1.0, view=self.view(crop))

    def variables(self, *, ev100: str = "ev100", metered_ev: str = "metered_ev") -> tuple[Variable, ...]:
        """`f_number`, `exposure_s`, `iso` and `exposure_ev`, as the programme chooses them.

        Args:
            ev100: the variable of the light's exposure value.
            metered_ev: the variable of what the camera takes it for.
        """
        ranges = {name: getattr(self.programme, name) for name in ("f_number", "iso")}
        ranges["exposure_s"] = self.programme.shutter_s
        chosen: list[Variable] = []
        for name, unit in _CHOICES.items():
            law = AutoExposure(self.programme, name)  # type: ignore[arg-type]  (a mapping's keys are plain text)
            parents = (ev100 if name == "exposure_ev" else metered_ev, *(variable.name for variable in chosen))
            if name in ranges:
                low, high = ranges[name]
                # The aperture and the gain may be set by hand beyond the programme; the sensor knows its own limits.
                chosen.append(Variable(name, unit, law, parents, scale="log", low=low / 64, high=high * 64))
            else:
                chosen.append(Variable(name, unit, law, parents))
        return tuple(chosen)


_IMX183: Final = cameras.Camera(
    15e3, (2.7, 1.6), 0.0, 0.7, 12.0, 13.2, 5472, "a 1-inch sensor of 2.4 µm (Sony IMX183), as makers of astronomical "
    "cameras state it: full well 15 ke⁻, read noise 2.7 to 1.6 e⁻"
)  # fmt: skip

_MAKER: Final = "lens, shutter and ISO from the manufacturer's specification; longest automatic time: "

CAMERAS: Final[Mapping[str, Camera]] = {
    "canon-5d4": Camera(
        cameras.CAMERAS["canon-5d4"], 50.0, Programme((1.8, 22.0), (1 / 8000, 1 / 50), (100.0, 32000.0)),
        _MAKER + "one over the focal length"
    ),
    "nikon-d850": Camera(
        cameras.CAMERAS["nikon-d850"], 85.0, Programme((1.8, 16.0), (1 / 8000, 1 / 85), (64.0, 25600.0)),
        _MAKER + "one over the focal length"
    ),
    "canon-70d": Camera(
        cameras.CAMERAS["canon-70d"], 35.0, Programme((2.0, 22.0), (1 / 8000, 1 / 50), (100.0, 12800.0)),
        _MAKER + "one over the equivalent focal length"
    ),
    "pixel-4": Camera(
        cameras.CAMERAS["sony-imx363"], 4.38, Programme((1.73, 1.73), (1 / 12000, 1 / 15), (55.0, 6400.0)),
        "f-number and focal length as in its EXIF; the times and the highest ISO are an assumption"
    ),
    "dash": Camera(
        cameras.CAMERAS["small-pixel"], 2.0, Programme((1.8, 1.8), (1 / 12000, 1 / 30), (100.0, 6400.0)),
        "generic: a wide fixed lens, 30 pictures a second, gain up to 36 dB"
    ),
    "surveillance": Camera(
        cameras.CAMERAS["small-pixel"], 2.8, Programme((1.6, 1.6), (1 / 10000, 1 / 25), (100.0, 12800.0)),
        "generic: a fixed lens of 2.8 mm, 25 pictures a second, gain up to 42 dB"
    ),
    "drone": Camera(
        _IMX183, 8.8, Programme((2.8, 11.0), (1 / 8000, 1 / 100), (100.0, 3200.0)),
        "DJI Phantom 4 Pro: lens, shutter and automatic ISO from its specification; longest automatic time: an "
        "assumption for a camera that flies"
    ),
}  # fmt: skip
"""Cameras by name."""
