"""Cameras: the figures of real sensors, as laws for `Sensor`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from mechaug.laws import Law
from mechaug.mechanisms.sensor import Sensor
from mechaug.mechanisms.view import View

_TOP_ISO: Final = 6400.0
"""The ISO setting of the second figure of each noise."""


@final
@dataclass(frozen=True)
class Camera:
    """What a sensor's photon transfer curves say, per pixel.

    Attributes:
        full_well_e: electrons at white at ISO 100.
        read_noise_e: standard deviation of the read noise at ISO 100 and at ISO 6400, electrons.
        row_noise_e: the same of the row noise, at ISO 100 only.
        prnu_percent: photo-response non-uniformity, per cent.
        bits: of the converter.
        sensor_width_mm: width of the sensor, millimetres.
        frame_px: pixels across it.
        source: where the figures come from.
    """

    full_well_e: float
    read_noise_e: tuple[float, float]
    row_noise_e: float
    prnu_percent: float
    bits: float
    sensor_width_mm: float
    frame_px: int
    source: str

    @property
    def pitch_um(self) -> float:
        """The distance between pixels, micrometres."""
        return 1e3 * self.sensor_width_mm / self.frame_px

    @property
    def read_noise_parts_e(self) -> tuple[float, float]:
        """Read noise before and behind the amplifier, electrons at ISO 100, that explain it at both settings.

        σ(ISO)² = before² + (behind·100/ISO)².
        """
        low, high = self.read_noise_e
        behind = (low**2 - high**2) / (1 - (100 / _TOP_ISO) ** 2)
        return math.sqrt(low**2 - behind), math.sqrt(behind)

    def view(self, *, hfov_deg: float = 39.6, crop: float = 1.0) -> View:
        """The view of a picture that was taken with this sensor: a share of its width, behind some lens."""
        return View(hfov_deg=hfov_deg, crop=crop, frame_px=self.frame_px, sensor_width_mm=self.sensor_width_mm)


_ELD: Final = (
    "photon transfer measurements of Wei et al., 'A physics-based noise formation model for extreme low-light raw "
    "denoising' (CVPR 2020); width and pixels from the manufacturer. Row noise: of the middle of their cameras' range. "
    "PRNU: of the middle of what is common"
)

CAMERAS: Final[Mapping[str, Camera]] = {
    "canon-5d4": Camera(71e3, (7.4, 1.9), 0.7, 0.5, 14.0, 36.0, 6720, _ELD),
    "canon-70d": Camera(38e3, (10.9, 1.8), 0.7, 0.5, 14.0, 22.5, 5472, _ELD),
    "nikon-d850": Camera(38e3, (3.3, 0.53), 0.7, 0.5, 14.0, 35.9, 8256, _ELD),
    "sony-a7s2": Camera(166e3, (10.0, 1.5), 0.7, 0.5, 14.0, 35.6, 4240, _ELD),
    # A telephone: 1.4 µm pixels. White at its lowest setting, ISO 55, is 6,000 e⁻; so at ISO 100 it is 3,300.
    "sony-imx363": Camera(
        6e3 * 55 / 100, (5.0, 5.0), 0.0, 0.7, 10.0, 5.64, 4032, "Google Pixel 4, as modelled and tried against its raw "
        "files in ISETCam (Lyu et al., 'Validation of image systems simulation technology using a Cornell box', 2021)"
    ),
    # No camera of its own: what `Sensor` assumes by default, with the common figures of EMVA 1288 data sheets.
    "small-pixel": Camera(
        6e3, (3.0, 3.0), 0.5, 0.7, 12.0, 5.57, 1920, "generic: a security or dash camera's pixel of 2.9 µm"
    ),
}  # fmt: skip
"""Sensors by name."""


def sensor_of(
    name: str | Camera,
    *,
    iso: Law = (100.0, 6400.0),
    view: View | None = None,
    exposure_s: Law = 1 / 60,
    dark_e_s: Law = 0.0,
) -> Sensor:
    """The sensor of a real camera.

    Its read noise falls with the ISO setting as σ² = before² + (behind·100/iso)², the two-part model whose parts are
    solved from the measurements at ISO 100 and ISO 6400.

    Args:
        name: one of `CAMERAS`, or a camera's own figures.
        iso: law of the ISO setting.
        view: what the picture shows of the sensor, for binned pixels; None where its pixels are the sensor's.
        exposure_s: law of the exposure time, seconds.
        dark_e_s: law of the dark current at 25 °C, electrons per second.

    Raises:
        ValueError: there is no such camera, or a law is outside the values that exist.
    """
    if isinstance(name, str) and name not in CAMERAS:
        raise ValueError(f"no camera {name!r}; there are {', '.join(CAMERAS)}")
    camera = CAMERAS[name] if isinstance(name, str) else name
    before, behind = camera.read_noise_parts_e
    return Sensor(
        iso=iso,
        full_well_e=camera.full_well_e,
        read_noise_e=before,
        adc_noise_e=behind,
        row_noise_e=camera.row_noise_e,
        dark_e_s=dark_e_s,
        exposure_s=exposure_s,
        prnu_percent=camera.prnu_percent,
        bits=camera.bits,
        view=view,
    )
