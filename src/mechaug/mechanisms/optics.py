"""Optics: what the lens does to the light that passes it."""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from mechaug.keys import Key
from mechaug.laws import Law, quantity
from mechaug.mechanisms.base import (
    Parameters,
    Semigroup,
    check_laws,
    draw_quantities,
    neutral_quantities,
    parameters,
)
from mechaug.types import Image, PerImage


@parameters
class DefocusParams(Parameters):
    """Where the lens is focused and how wide it is open.

    Attributes:
        f_number: focal length over aperture; infinity is a pinhole, which is never out of focus.
        focus_m: distance of what is sharp, metres.
        object_m: distance of what is seen, metres.
    """

    f_number: PerImage
    focus_m: PerImage
    object_m: PerImage


@final
@dataclass(frozen=True)
class Defocus(Semigroup[DefocusParams]):
    """The blur of a thin lens that is focused elsewhere.

    The circle of confusion has the diameter c = (f/N)·|d − d_f|/d·f/(d_f − f) on the sensor, with focal length f,
    f-number N, object distance d and focus distance d_f. Its disc is replaced by the Gaussian of equal variance, (c/4)²
    along each axis, so that blurs compose: variances add. The Gaussian is Lindeberg's discrete one ("Scale-space for
    discrete signals", 1990), the heat flow on the pixel lattice with mirrored borders: a semigroup exactly, at every
    width, and nowhere negative but for rounding.

    Args:
        f_number: law of the f-number.
        focus_m: law of the focus distance, metres; at least twice the focal length.
        object_m: law of the object's distance, metres.
        focal_length_mm: the lens.
        picture_width_mm: the width on the sensor that the picture covers: 36 for a whole full-frame picture, a few
            millimetres for an object cut out of one.

    Default prior: a 50 mm lens on full frame from f/1.4 to f/8, focus and object each within 1 to 20 m.
    """

    f_number: Law = quantity((1.4, 8.0), "", neutral=math.inf, scale="log", low=0.1, sweep=(8.0, 0.7))
    focus_m: Law = quantity((1.0, 20.0), "m", neutral=1.0, scale="log", low=0.01, held=1.0)
    object_m: Law = quantity((1.0, 20.0), "m", neutral=3.0, scale="log", low=0.01, held=3.0)
    focal_length_mm: float = 50.0
    picture_width_mm: float = 36.0

    domain = "light"
    structure = "semigroup"
    overlaps = ("defocus_blur", "gaussian_blur", "glass_blur", "zoom_blur", "pixelate")

    def __post_init__(self) -> None:
        check_laws(self)
        if not (self.focal_length_mm > 0 and self.picture_width_mm > 0):
            raise ValueError(
                "Defocus: focal_length_mm and picture_width_mm are lengths greater than 0, "
                f"not {self.focal_length_mm!r} and {self.picture_width_mm!r}"
            )
        nearest = self.focus_m[0] if isinstance(self.focus_m, tuple) else self.focus_m
        if isinstance(nearest, int | float) and nearest * 1e3 < 2 * self.focal_length_mm:
            raise ValueError(
                f"Defocus(focus_m=…): a lens of {self.focal_length_mm:g} mm does not focus at {nearest:g} m; "
                "the focus distance is at least twice the focal length"
            )

    def sample(self, key: Key) -> DefocusParams:
        drawn = DefocusParams(**draw_quantities(self, key))
        # A distribution may reach where no lens focuses: nearer than a magnification of one.
        return drawn.replace(focus_m=drawn.focus_m.clamp(min=2e-3 * self.focal_length_mm))

    def neutral(self, batch: int) -> DefocusParams:
        return DefocusParams(**neutral_quantities(self, batch))

    def transform(self, x: Image, params: DefocusParams) -> Image:
        variance = (self._confusion_mm(params) / (4 * self.picture_width_mm) * x.shape[-1]) ** 2
        return heat_flow(x, variance.to(x.dtype))

    def compose(self, first: DefocusParams, second: DefocusParams) -> DefocusParams:
        # The more blurred one keeps its distances; its aperture opens until the variance is the sum of both.
        c1, c2 = self._confusion_mm(first).abs(), self._confusion_mm(second).abs()
        larger = c1 >= c2
        widest = torch.where(larger, c1, c2)
        ratio = widest / torch.hypot(c1, c2).clamp(min=1e-30)
        f_number = torch.where(larger, first.f_number, second.f_number)
        return DefocusParams(
            f_number=torch.where(widest > 0, f_number * ratio, f_number),
            focus_m=torch.where(larger, first.focus_m, second.focus_m),
            object_m=torch.where(larger, first.object_m, second.object_m),
        )

    def _confusion_mm(self, params: DefocusParams) -> PerImage:
        """Diameter of the circle of confusion on the sensor, signed: positive behind the focus."""
        # The thin lens in dioptres, so that infinity is a distance like any other: |d − d_f|/(d·(d_f − f)) is
        # |1/d_f − 1/d|/(1 − f/d_f).
        focal = self.focal_length_mm
        focus, distance = 1 / (1e3 * params.focus_m), 1 / (1e3 * params.object_m)
        return focal / params.f_number * focal * (focus - distance) / (1 - focal * focus)


def heat_flow(x: Image, variance: PerImage) -> Image:
    """Gaussian blur of a given variance per image: the heat flow on the pixel lattice, mirrored at the borders.

    Args:
        x: images, shape (b, c, h, w).
        variance: squared standard deviation in pixels, shape (b,), not negative.

    Returns:
        Images of the same shape; blurring twice adds the variances exactly.
    """
    height, width = x.shape[-2:]
    rows = _heat_kernel(variance, height)
    columns = rows if width == height else _heat_kernel(variance, width)
    # Both kernels are symmetric, so no transpose is needed.
    return rows[:, None] @ x @ columns[:, None]


def _heat_kernel(variance: PerImage, length: int) -> Float[Tensor, "b n n"]:
    """exp(variance/2 · Laplacian) on a line of pixels whose ends are mirrored, one matrix per image.

    Mirroring makes the line a circle of twice the length, where the flow is a product in frequency: the eigenvalue at
    angular frequency ω is exp(−variance·(1 − cos ω)). Folding the circle back adds each pixel's mirror image.
    """
    device = variance.device
    # In float64, so that no blur is no change: the sums cancel to 0 and 1 in the last bit of float32.
    place = torch.arange(length, device=device)
    step = torch.arange(length + 1, device=device)
    decay = torch.exp(-variance.double()[:, None] * (1 - torch.cos(step.double() * (torch.pi / length))))
    # The inverse transform of an even spectrum, as a matrix product: its ends count once, all else twice.
    count = torch.where((step == 0) | (step == length), 1.0, 2.0).double()
    turns = (step[:, None] * torch.arange(2 * length, device=device)) % (2 * length)
    waves = torch.cos(turns.double() * (torch.pi / length)) * count[:, None] / (2 * length)
    kernel = (decay @ waves.to(decay.dtype)).to(variance.dtype)
    direct = (place[:, None] - place) % (2 * length)
    mirrored = place[:, None] + place + 1
    return kernel[:, direct] + kernel[:, mirrored]
