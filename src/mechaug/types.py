"""Array types with their shapes; `b` images of `c` channels, `h` rows and `w` columns."""

from typing import TypeAlias

from jaxtyping import Float, Int64, UInt8
from torch import Tensor

Image = Float[Tensor, "b c h w"]
"""A batch of pictures (sRGB in [0, 1]) or of light (linear RGB, white = 1.0); the name of the argument says which."""

Bytes = UInt8[Tensor, "b c h w"]
"""A batch of stored pictures, 0..255."""

PerImage = Float[Tensor, "b"]
"""One real number per image."""

Seeds = Int64[Tensor, "b"]
"""One noise seed per image: a noise field is stored as its seed, not as its values."""

Labels = Int64[Tensor, "b"]
"""One class index per image."""

Logits = Float[Tensor, "b k"]
"""One row of unnormalised log-probabilities per image, `k` classes."""

Targets: TypeAlias = Labels | Float[Tensor, "b k"]
"""One class index per image, or one row of class shares per image."""
