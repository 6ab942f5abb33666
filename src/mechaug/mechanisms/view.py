"""The view: what turns metres, degrees and seconds into pixels of a picture."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final


@final
@dataclass(frozen=True)
class View:
    """The camera that a picture was taken with, and the part of its frame that the picture shows.

    A hand's tremor of a tenth of a degree is many pixels of a whole photograph, a fraction of one in a thumbnail of it,
    and again many in a thumbnail of one object cut out of it. The camera is rectilinear: a point at an angle θ from the
    axis lands at the focal length times tan θ.

    Args:
        hfov_deg: horizontal field of view of the whole frame, degrees, between 0 and 180.
        crop: the share of the frame's width that the picture shows, at most 1.
        frame_px: pixels across the whole frame, as the camera takes it.
        sensor_width_mm: width of the whole frame on the sensor, millimetres.
        aspect: width over height of the whole frame.

    Default: a 50 mm lens on full frame (36 mm, 24 megapixels), the whole photograph.

    Raises:
        ValueError: a number is outside its range.

    Example:
        >>> round(View(hfov_deg=90.0).focal_px(200))
        100
    """

    hfov_deg: float = 39.6
    crop: float = 1.0
    frame_px: int = 6000
    sensor_width_mm: float = 36.0
    aspect: float = 1.5

    def __post_init__(self) -> None:
        if not 0 < self.hfov_deg < 180:
            raise ValueError(f"View(hfov_deg=…) is an angle between 0 and 180 degrees, not {self.hfov_deg!r}")
        if not 0 < self.crop <= 1:
            raise ValueError(f"View(crop=…) is a share of the frame's width, over 0 and at most 1, not {self.crop!r}")
        for name in ("frame_px", "sensor_width_mm", "aspect"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise ValueError(f"View({name}=…) is greater than 0 and finite, not {value!r}")

    @property
    def focal_length_mm(self) -> float:
        """The lens, millimetres."""
        return self.sensor_width_mm / (2 * math.tan(math.radians(self.hfov_deg) / 2))

    @property
    def pitch_um(self) -> float:
        """The distance between the sensor's pixels, micrometres."""
        return 1e3 * self.sensor_width_mm / self.frame_px

    @property
    def picture_width_mm(self) -> float:
        """The width on the sensor of what the picture shows, millimetres."""
        return self.crop * self.sensor_width_mm

    @property
    def focal_widths(self) -> float:
        """The focal length in widths of the picture."""
        return self.focal_length_mm / self.picture_width_mm

    @property
    def half_diagonal(self) -> float:
        """From the optical axis to the frame's corner, in widths of the picture."""
        return math.hypot(1.0, 1 / self.aspect) / (2 * self.crop)

    def focal_px(self, width: int) -> float:
        """The focal length in pixels of a picture of `width` pixels: what one radian near the axis covers."""
        return self.focal_widths * width

    def pixels_per_mm(self, width: int) -> float:
        """Pixels of a picture of `width` pixels per millimetre on the sensor."""
        return width / self.picture_width_mm

    def binning(self, width: int) -> float:
        """How many of the sensor's pixels, along one side, were averaged into one of the picture's; at least 1."""
        return max(1.0, self.frame_px * self.crop / width)

    def room(self, height: int, width: int) -> tuple[float, float]:
        """How far from the optical axis the centre of the picture may lie within the frame, to the right and down.

        Args:
            height: of the picture, pixels.
            width: of the picture, pixels.

        Returns:
            Both in widths of the picture; 0 where the picture fills the frame.
        """
        across, down = 1 / self.crop, 1 / (self.crop * self.aspect)
        return max(0.0, (across - 1) / 2), max(0.0, (down - height / width) / 2)


VIEWS: Final[Mapping[str, View]] = {
    "photograph": View(),
    # What CIFAR-10 and other object data sets show: one object, a tenth of the width of a photograph that an APS-C
    # camera took at 35 mm. At 32 pixels the focal length is about 510 of them.
    "object": View(hfov_deg=35.3, crop=0.1, frame_px=4272, sensor_width_mm=22.3),
    # 26 mm equivalent; 12 megapixels binned from 48 on a sensor of 9.8 mm × 7.3 mm.
    "phone": View(hfov_deg=69.4, frame_px=4032, sensor_width_mm=9.8, aspect=4 / 3),
    # 1/2.8 inch, 1920 pixels of 2.9 µm behind a wide lens.
    "dash": View(hfov_deg=110.0, frame_px=1920, sensor_width_mm=5.57, aspect=16 / 9),
    # The same sensor behind a 2.8 mm lens.
    "surveillance": View(hfov_deg=90.0, frame_px=1920, sensor_width_mm=5.57, aspect=16 / 9),
    # 1 inch, 20 megapixels of 2.4 µm, 24 mm equivalent.
    "drone": View(hfov_deg=73.7, frame_px=5472, sensor_width_mm=13.2),
}
"""Views by name: what common pictures are taken with."""
