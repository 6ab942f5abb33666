"""One row per mechanism: what the contract tests try it on, and what they allow it.

Laws are chosen inside what is differentiable (nothing clips), and strong enough that every parameter matters.
"""

import dataclasses

from mechaug import mechanisms as m
from mechaug.testing import Case

OBJECT = m.VIEWS["object"]
# A crop, so that the place in the frame matters.
PART = m.View(crop=0.5)
# Out of focus by pixels at 32 × 32.
NEAR = {"f_number": (1.4, 4.0), "focus_m": (1.0, 2.0), "object_m": (3.0, 9.0)}
# Every part of a sensor at once. Rounding is soft: where it is hard, a last bit moves a whole step.
SENSOR = m.Sensor(
    iso=(100.0, 400.0), full_well_e=(3000.0, 9000.0), read_noise_e=(1.0, 5.0), adc_noise_e=(1.0, 9.0),
    row_noise_e=(1.0, 5.0), dark_e_s=(100.0, 900.0), exposure_s=(0.01, 0.1), temperature_c=(20.0, 40.0),
    prnu_percent=(0.5, 2.0), hot_ppm=(2e4, 6e4), bits=(4.0, 6.0), rounding="soft",
)  # fmt: skip
DARKER = m.Exposure(exposure_ev=(-2.0, -0.2))

CASES: dict[str, Case] = {
    # Two bilinear interpolations against one leave the difference of smoothing; borders are mirrored, not composed.
    "viewpoint": Case(m.Viewpoint(), composition_tolerance=0.01, margin=0.25),
    "camera rotation": Case(m.CameraRotation(), composition_tolerance=0.01, margin=0.25),
    "perspective": Case(m.Perspective()),
    "occlusion": Case(m.Occlusion(area=(0.1, 0.25), softness=(0.02, 0.08))),
    "illuminant": Case(m.Illuminant()),
    "illuminant, black bodies": Case(m.Illuminant(locus="planckian")),
    "falloff": Case(m.Falloff()),
    "mixed light": Case(m.MixedLight(contrast=(0.1, 0.4))),
    "shadow": Case(m.Shadow(breadth=(0.2, 0.5))),
    "exposure": Case(DARKER),
    "haze": Case(m.Haze()),
    # Where distances differ, layers compose for one air, and on the ground for one distance at which it ends.
    "haze, radial": Case(m.Haze(depth="radial", view=m.VIEWS["dash"], airlight=0.8)),
    "haze, ground": Case(m.Haze(depth="ground", view=m.VIEWS["dash"], airlight=0.8, distance_m=40.0)),
    "rain": Case(m.Rain(rate_mm_h=(20.0, 50.0), view=OBJECT)),
    "snow": Case(m.Snow(rate_mm_h=(0.5, 3.0), view=OBJECT)),
    "reflection": Case(m.Reflection(brighter_ev=(-1.0, 1.0), contrast=(0.2, 0.4))),
    "lens drops": Case(m.LensDrops(drop_mm=(2.0, 4.0), view=OBJECT)),
    "lens dirt": Case(m.LensDirt(view=OBJECT)),
    "lens distortion": Case(m.LensDistortion(view=PART)),
    "lateral chromatic": Case(m.LateralChromatic(view=PART)),
    "aberration": Case(m.Aberration(view=m.View(crop=0.02))),
    "aberration, resolved": Case(m.Aberration(f_number=(4.0, 5.6), view=m.View(crop=0.001))),
    "diffraction": Case(m.Diffraction(view=m.View(crop=0.004))),
    "defocus": Case(m.Defocus(**NEAR, view=OBJECT)),
    "defocus, circle": Case(m.Defocus(**NEAR, view=OBJECT, blades=0)),
    "glare": Case(m.Glare()),
    "vignetting": Case(
        m.Vignetting(natural_exponent=(1.0, 4.0), mechanical_ev=(0.5, 2.0), view=m.View(hfov_deg=74.0, crop=0.5))
    ),
    # Wide enough that the blur is pixels wide at 16 × 16.
    "gaussian scale": Case(m.GaussianScale(scale_permille=(10.0, 60.0))),
    "spectral slope": Case(m.SpectralSlope()),
    "motion blur": Case(
        m.MotionBlur(
            exposure_s=(1 / 30, 1 / 15), angular_speed_deg_s=(3.0, 10.0), tremble_deg=(10.0, 60.0), view=OBJECT
        )
    ),
    "subject motion": Case(m.SubjectMotion(speed_m_s=(1.4, 5.0), direction_deg=(5.0, 20.0), view=OBJECT)),
    "rolling shutter": Case(m.RollingShutter(vibration_deg=(0.1, 0.4))),
    "sensor": Case(SENSOR),
    "sensor, binned": Case(dataclasses.replace(SENSOR, view=m.View(frame_px=96), body=3)),
    "demosaic": Case(m.Demosaic(mosaic=(0.2, 0.8))),
    "demosaic, bilinear": Case(m.Demosaic(mosaic=(0.2, 0.8), method="bilinear")),
    "white balance": Case(m.WhiteBalance()),
    "colour matrix": Case(m.ColourMatrix(correction=(-0.8, -0.2))),
    "gamma": Case(m.Gamma()),
    "tone curve": Case(m.ToneCurve()),
    "denoise": Case(m.Denoise(noise_percent=(2.0, 8.0))),
    "sharpen": Case(m.Sharpen(amount=(0.2, 0.5))),
    "band dropout": Case(m.BandDropout(gain=(0.2, 0.8))),
    "rescale": Case(m.Rescale(factor=(1.2, 4.0))),
    "rescale, nearest": Case(m.Rescale(factor=(1.2, 4.0), up="nearest")),
    "bit depth": Case(m.BitDepth(), smooth=m.BitDepth(rounding="soft")),
    "jpeg": Case(m.Jpeg(), smooth=m.Jpeg(rounding="soft")),
    "chain": Case(m.Chain(m.Viewpoint(), DARKER, m.Haze(), m.Haze())),
    "maybe": Case(m.Maybe(m.Haze(), 0.75)),
    "one of": Case(m.OneOf(m.Haze(), DARKER, weights=(1.0, 2.0)), static=False),
    "mix": Case(m.Mix(m.Haze(), m.Chain(m.Viewpoint(), m.Haze()))),
}
