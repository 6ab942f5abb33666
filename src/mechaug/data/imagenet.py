"""The class names of ImageNet-1k, in the order of a net's outputs."""

from functools import cache
from importlib.resources import files


@cache
def wnids() -> tuple[str, ...]:
    """The 1,000 WordNet identifiers, sorted: the i-th is the class of output i."""
    text = files("mechaug.data").joinpath("imagenet_wnids.txt").read_text(encoding="ascii")
    return tuple(line for line in text.splitlines() if not line.startswith("#"))
