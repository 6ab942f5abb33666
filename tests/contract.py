"""One row per mechanism: what the contract tests try it on, and what they allow it.

Laws are chosen inside what is differentiable (nothing clips), and strong enough that every parameter matters.
"""

from mechaug import mechanisms as m
from mechaug.testing import Case

CASES: dict[str, Case] = {
    # Two bilinear interpolations against one leave the difference of smoothing; borders are mirrored, not composed.
    "viewpoint": Case(m.Viewpoint(), composition_tolerance=0.01, margin=0.25),
    "exposure": Case(m.Exposure(exposure_ev=(-2.0, -0.2))),
    "haze": Case(m.Haze()),
    # A sensor a few millimetres wide, so that the blur is pixels wide at 32 × 32.
    "defocus": Case(m.Defocus(f_number=(1.4, 4.0), focus_m=(1.0, 2.0), object_m=(3.0, 9.0), picture_width_mm=4.0)),
    "sensor": Case(m.Sensor(iso=(100.0, 400.0), full_well_e=(3000.0, 9000.0), read_noise_e=(1.0, 5.0))),
    "jpeg": Case(m.Jpeg(), smooth=m.Jpeg(rounding="soft")),
    "chain": Case(m.Chain(m.Viewpoint(), m.Exposure(exposure_ev=(-2.0, -0.2)), m.Haze(), m.Haze())),
    "maybe": Case(m.Maybe(m.Haze(), 0.75)),
    "one of": Case(m.OneOf(m.Haze(), m.Exposure(exposure_ev=(-2.0, -0.2)), weights=(1.0, 2.0)), static=False),
    "mix": Case(m.Mix(m.Haze(), m.Chain(m.Viewpoint(), m.Haze()))),
}
