"""The common corruptions by name: the words in which a mechanism says what it is a relative of.

A net that was trained with a mechanism is not surprised by the corruption's relatives of it; what is measured on them
is coverage, not transfer.
"""

from typing import Final

COMMON_CORRUPTIONS: Final = (
    "gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise",
    "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "gaussian_blur",
    "snow", "frost", "fog", "brightness", "spatter",
    "contrast", "saturate", "elastic_transform", "pixelate", "jpeg_compression",
)  # fmt: skip
"""C: the fifteen corruptions and the four that are held out for validation (Hendrycks & Dietterich, ICLR 2019)."""

BAR_CORRUPTIONS: Final = (
    "blue_noise_sample", "brownish_noise", "checkerboard_cutout", "inverse_sparkles", "sparkles",
    "pinch_and_twirl", "ripple", "circular_motion_blur", "lines", "transverse_chromatic_abberation",
    "caustic_refraction", "perlin_noise", "plasma_noise", "cocentric_sine_waves", "single_frequency_greyscale",
)  # fmt: skip
"""C̄: the corruptions of the CIFAR and the ImageNet set, spelled as published (Mintun, Kirillov & Xie, NeurIPS 2021)."""
