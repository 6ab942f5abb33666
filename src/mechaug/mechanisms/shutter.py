"""Shutter: the rows of a picture are not all taken at the same time."""

import math
from dataclasses import dataclass
from typing import final

import torch

from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms.base import (
    Mechanism,
    Parameters,
    check_laws,
    draw_quantities,
    neutral_quantities,
    parameters,
)
from mechaug.mechanisms.view import View
from mechaug.mechanisms.warp import keep_still, pixel_places, row_homography_places, sample_light
from mechaug.types import Image, PerImage


@parameters
class RollingShutterParams(Parameters):
    """How the camera turned while the frame was read out.

    Attributes:
        readout_ms: from the first row of the whole frame to its last, milliseconds.
        pan_deg_s: turn about the vertical axis, degrees per second; positive pans to the right.
        tilt_deg_s: turn about the horizontal axis, degrees per second; positive tilts up.
        vibration_deg: amplitude of a vibration about the vertical axis, degrees.
        vibration_hz: its frequency.
        vibration_phase: where in its period it is when the picture's middle row is read, turns.
    """

    readout_ms: PerImage
    pan_deg_s: PerImage
    tilt_deg_s: PerImage
    vibration_deg: PerImage
    vibration_hz: PerImage
    vibration_phase: PerImage


@final
@dataclass(frozen=True)
class RollingShutter(Mechanism[RollingShutterParams]):
    """The sensor is read row by row while the camera turns: uprights lean, heights stretch, vibration makes jelly.

    The row at height y is taken at the time t = readout · y, y in frame heights from the picture's middle row. The
    camera has by then turned by pan·t + A·(sin(2π(f·t + phase)) − sin(2π·phase)) and tilted by tilt·t, and the row sees
    the scene through the homography K R K⁻¹ of that turn, which near the axis shifts it by focal length times angle
    (Ringaby and Forssén, "Efficient video rectification and stabilisation for cell-phones", IJCV 96(3), 2012,
    likewise have a camera turn and not move). The exposure of each row is taken to be short. Light is interpolated
    bilinearly; what lies beyond the picture is mirrored at its edge.

    Args:
        readout_ms: law of the readout time of the whole frame, milliseconds; 0 is a global shutter.
        pan_deg_s: law of the pan, degrees per second.
        tilt_deg_s: law of the tilt, degrees per second.
        vibration_deg: law of the vibration's amplitude, degrees.
        vibration_hz: law of the vibration's frequency, Hz.
        vibration_phase: law of its phase, turns.
        view: gives the focal length, and the share of the frame's rows that the picture covers.

    Default prior: readout in 10 to 30 ms, as phones and most cameras without a stacked sensor; pans within ±60°/s and
    half as much of tilt, as of a hand that follows something; a tenth of a degree of vibration from 30 to 120 Hz, as
    engines and rotors make it.
    """

    readout_ms: Law = quantity((10.0, 30.0), "ms", neutral=0.0, low=0.0, high=1e4, held=20.0)
    pan_deg_s: Law = quantity((-60.0, 60.0), "°/s", neutral=0.0, sweep=(50.0, 300.0))
    tilt_deg_s: Law = quantity((-30.0, 30.0), "°/s", neutral=0.0, sweep=(50.0, 300.0))
    vibration_deg: Law = quantity((0.0, 0.1), "°", neutral=0.0, low=0.0, high=45.0, sweep=(0.2, 1.0))
    vibration_hz: Law = quantity((30.0, 120.0), "Hz", neutral=0.0, scale="log", low=0.0, high=1e4, held=100.0)
    vibration_phase: Law = quantity((0.0, 1.0), "turns", neutral=0.0, held=0.0)
    view: View = View()

    domain = "light"
    structure = "none"
    overlaps = ("elastic_transform",)

    def __post_init__(self) -> None:
        check_laws(self)

    def sample(self, key: Key) -> RollingShutterParams:
        return RollingShutterParams(**draw_quantities(self, key))

    def neutral(self, batch: int) -> RollingShutterParams:
        return RollingShutterParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: RollingShutterParams) -> Image:
        height, width = x.shape[-2:]
        _, down = pixel_places(height, width, params.readout_ms)
        time_s = params.readout_ms[:, None] * down * (1e-3 * self.share(height, width) * width / height)
        turns = params.vibration_phase[:, None]
        swing = torch.sin((params.vibration_hz[:, None] * time_s + turns) * (2 * math.pi))
        swing = swing - torch.sin(turns * (2 * math.pi))
        pan_deg = params.pan_deg_s[:, None] * time_s + params.vibration_deg[:, None] * swing
        angles = torch.stack((pan_deg, params.tilt_deg_s[:, None] * time_s)) * (math.pi / 180)
        (cos_p, cos_t), (sin_p, sin_t) = torch.cos(angles).unbind(), torch.sin(angles).unbind()
        # The rays (right, down, ahead/f) of each row, tilted and then panned, as in `CameraRotation`.
        focal = self.view.focal_widths
        ahead, lower = cos_t + sin_t * (down / focal), cos_t * down - sin_t * focal
        across = torch.stack((cos_p, torch.zeros_like(cos_p), sin_p / -focal), dim=1)
        along = torch.stack((sin_p * ahead * focal, lower, cos_p * ahead), dim=1)
        seen = sample_light(x, row_homography_places(across.to(x.dtype), along.to(x.dtype), width))
        turning = torch.stack((params.pan_deg_s, params.tilt_deg_s, params.vibration_deg)).any(0)
        return keep_still(seen, x, turning & (params.readout_ms != 0))

    def share(self, height: int, width: int) -> float:
        """The share of the frame's rows, and of its readout time, that a picture of this size covers; at most 1."""
        return min(1.0, height / width * self.view.crop * self.view.aspect)
