"""Estimates: what one picture's measures say about its causes, against a reference, each with its error."""

import math
from typing import Final

from mechaug.mechanisms.colour import BALANCED_MIRED
from mechaug.scenes.estimators import illuminant, jpeg, noise
from mechaug.scenes.estimators.base import Estimate, known, missing
from mechaug.scenes.estimators.blur import GAIN, LARGEST
from mechaug.scenes.estimators.exif import TAGS
from mechaug.scenes.estimators.measures import Measures
from mechaug.scenes.fit_reference import Reference

VALID_EV: Final = (-4.0, 2.0)
"""Beyond, most of a picture is black or clipped."""

VALID_BLUR_PX: Final = (0.3, 12.0)
"""Standard deviations of blur."""

_JOINED: Final = 1 / 3
"""Wide blur joins edges that the reference tells apart, so that pictures differ more: by so much more for every square
pixel. From 0 to 4 square pixels photographs differ by 0.35 to 0.83."""

BLUR_DOUBT: Final = 0.2
"""How well the error of a blur is known, as a share of it: it differs between sets of pictures, and with the blur."""

_OF_EDGES: Final = 0.1
"""Of a blur's variance: how well a picture's edges tell it under noise and compression, on dead leaves."""

VALID_VEIL: Final = (0.05, 0.95)
"""1 − t: outside there is no haze to be seen, or nothing else."""

HAZE_DISTANCE_M: Final = 50.0
"""The distance at which a visibility is stated: only distance over visibility is seen."""

_OPTICAL: Final = -math.log(0.05)
"""Optical depth at the visibility, where 5 % of the contrast is left (WMO-No. 8)."""


def estimates_of(measures: Measures, reference: Reference, read_noise_e: float | None = None) -> tuple[Estimate, ...]:
    """What a picture says about its causes: light, colour, blur, noise, air, codec, and what its camera wrote.

    The errors hold those of the assumption: how much pictures of the reference differ among each other.

    Args:
        measures: of the picture.
        reference: what pictures of the same world read when nothing is wrong.
        read_noise_e: where it is known of the camera.
    """
    return (
        exposure_ev(measures, reference),
        cast_mired(measures, reference),
        scale_permille(measures, reference),
        noise.white_e(measures.noise, read_noise_e),
        visibility_m(measures, reference),
        quality(measures),
        *(written(measures, name) for name in TAGS),
    )


def exposure_ev(measures: Measures, reference: Reference) -> Estimate:
    """How much lighter the picture is than the reference."""
    mean, spread = reference.log2_luminance
    level = measures.level
    value = level.log2_luminance - mean
    if level.reason:
        # What is clipped was lighter, or darker, than what is left of it.
        within = (value, math.inf) if level.white_share > level.black_share else (-math.inf, value)
        return missing(
            "exposure_ev", "EV", "linear", VALID_EV, level.reason, within=within, assumption=reference.assumption
        )
    return known("exposure_ev", "EV", value, spread, "linear", VALID_EV, reference.assumption)


def cast_mired(measures: Measures, reference: Reference) -> Estimate:
    """The colour of the light that the white balance has left."""
    valid = illuminant.VALID
    if measures.colour.rgb is None:
        return missing("cast_mired", "mired", "linear", valid, measures.colour.reason, assumption=reference.assumption)
    mean, spread = reference.mired
    value = illuminant.mired_of(measures.colour.rgb, reference.rgb) - mean + BALANCED_MIRED
    return known("cast_mired", "mired", value, spread, "linear", valid, reference.assumption)


def scale_permille(measures: Measures, reference: Reference) -> Estimate:
    """The standard deviation of the blur, in thousandths of the width.

    At most that where it cannot be told from 0; at least that where it leaves too few edges to read.
    """
    edges = measures.edges
    per_pixel = 1e3 / measures.width
    low, high = (per_pixel * end for end in VALID_BLUR_PX)
    middle, spread = reference.edge_px2
    share = spread / GAIN

    def error_of(variance: float) -> float:
        # The median of some hundred edges has an error of its own, which is what is left where the reference's pictures
        # are all alike.
        return math.hypot(share * (1 + _JOINED * max(variance, 0.0)), _OF_EDGES * max(variance, 0.0))

    if edges.reason:
        # Before the last halving the edges could be read, and were too wide.
        variance = max((LARGEST - middle) / GAIN, 0.0)
        certain = max(variance - 2 * error_of(variance), 0.0)
        pixel = per_pixel * 2.0 ** (edges.halvings - 1)
        return missing(
            "scale_permille", "permille", "linear", (low, high), edges.reason,
            within=(pixel * math.sqrt(certain), math.inf) if edges.halvings else (-math.inf, math.inf),
            assumption=reference.assumption,
            # No blur is wider than the picture.
            unread=(pixel * math.sqrt(variance), 1e3) if edges.halvings else None,
        )  # fmt: skip
    # In pixels of the size at which the edges were read; sharp edges read there what they do anywhere.
    size = 2.0**edges.halvings
    variance = (edges.variance_px2 / size**2 - middle) / GAIN
    error = error_of(variance)
    if variance < 2 * error:
        # The variance at which both are equal: what is less is never read as a value, whatever the picture.
        slope = math.sqrt(1 - 4 * _OF_EDGES**2) - 2 * _JOINED * share
        limit = math.sqrt(2 * share / slope) if slope > 0 else math.inf
        most = per_pixel * size * math.sqrt(max(variance, 0.0) + 2 * error)
        return missing(
            "scale_permille", "permille", "linear", (low, high),
            f"its edges are as sharp as those of {reference.name}, as far as these differ among each other",
            within=(0.0, most), assumption=reference.assumption, unread=(0.0, per_pixel * size * limit),
        )  # fmt: skip
    deviation = math.sqrt(variance)
    return known(
        "scale_permille", "permille", per_pixel * size * deviation, per_pixel * size * error / (2 * deviation),
        "linear", (low, high), reference.assumption,
    )  # fmt: skip


def visibility_m(measures: Measures, reference: Reference) -> Estimate:
    """The meteorological visibility, if all that is seen is 50 m away."""
    valid = tuple(sorted(HAZE_DISTANCE_M * _OPTICAL / -math.log1p(-veil) for veil in VALID_VEIL))
    assumption = (
        f"air alike before everything, at {HAZE_DISTANCE_M:g} m, as bright as the brightest places, and darkest places "
        f"as dark as those of {reference.name}; flare and low-contrast processing look the same"
    )
    middle, usual = reference.veil
    if measures.veil <= max(usual, VALID_VEIL[0]):
        return missing(
            "visibility_m", "m", "log", (valid[0], valid[1]),
            f"its darkest places are no lighter than those of 95 % of {reference.name}",
            within=(valid[1], math.inf), assumption=assumption,
        )  # fmt: skip
    # A picture that is white all over is veiled by all there is.
    veil = min((measures.veil - middle) / (1 - middle), 0.999)
    depth = -math.log1p(-veil)
    # What differs between pictures of the reference, carried to the logarithm of the depth.
    error = (usual - middle) / 1.645 / ((1 - veil) * depth)
    return known(
        "visibility_m", "m", HAZE_DISTANCE_M * _OPTICAL / depth, error, "log", (valid[0], valid[1]), assumption
    )


def quality(measures: Measures) -> Estimate:
    """The quality that the file's own tables are made by."""
    valid = (1.0, 100.0)
    tables = measures.jpeg
    if measures.exif is None:
        return missing("quality", "", "linear", valid, "pixels alone do not say how they were compressed")
    if tables is None:
        return missing("quality", "", "linear", valid, "it is no JPEG file")
    if tables.exact:
        return known("quality", "", float(tables.quality), 0.0, "linear", valid)
    if tables.distance > jpeg.NEAR:
        return missing("quality", "", "linear", valid, f"it has {jpeg.quality_text(tables)}")
    return known("quality", "", float(tables.quality), 0.0, "linear", valid, f"it has {jpeg.quality_text(tables)}")


def written(measures: Measures, name: str) -> Estimate:
    """What the camera wrote, by its name in `TAGS`."""
    tag = TAGS[name]
    valid = (tag.low, tag.high)
    if measures.exif is not None and name in measures.exif.values:
        return known(name, tag.unit, measures.exif.values[name], 0.0, "log", valid)
    ignored = [note for note in (measures.exif.notes if measures.exif else ()) if name in note]
    reason = ignored[0] if ignored else "its EXIF does not say" if measures.exif else "there is no file with EXIF"
    return missing(name, tag.unit, "log", valid, reason)
