"""Arms of the honest protocol: the same method without the mechanisms that have seen what is measured.

A chain of image formation contains noise, blur, haze and codecs by construction; so does the common benchmark. A gain
there is coverage. What a method does for corruptions that it never saw is measured by training it again without every
mechanism that has a relative among them: without one family, or without all of C.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from mechaug.errors import UserError
from mechaug.heuristics.views import ViewMaker
from mechaug.mechanisms.base import Mechanism
from mechaug.mechanisms.box import Box
from mechaug.mechanisms.compose import Chain, Maybe, Mix, OneOf
from mechaug.mechanisms.parts import overlapping
from mechaug.mechanisms.relatives import COMMON_CORRUPTIONS
from mechaug.scenes.scene import Scene
from mechaug.training.adversarial import WorstCase
from mechaug.training.methods import Method, method

FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise", "speckle_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "gaussian_blur"),
    "weather": ("snow", "frost", "fog", "brightness", "spatter"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression", "saturate"),
}
"""The groups that the benchmark's authors put their corruptions in (Hendrycks & Dietterich, ICLR 2019)."""


def without(mechanism: Mechanism[Any], corruptions: Collection[str]) -> Mechanism[Any] | None:
    """A mechanism less every part that has a relative among the corruptions; None where nothing is left.

    What is left keeps its laws, its order and its frequencies: nothing takes the place of what went.
    """
    match mechanism:
        case Chain():
            kept = [part for part in (without(one, corruptions) for one in mechanism.mechanisms) if part is not None]
            return Chain(*kept) if kept else None
        case Maybe():
            inner = without(mechanism.mechanism, corruptions)
            return None if inner is None else Maybe[Any](inner, mechanism.probability)
        case OneOf():
            weights = mechanism.weights or (1.0,) * len(mechanism.mechanisms)
            options = [(without(one, corruptions), w) for one, w in zip(mechanism.mechanisms, weights, strict=True)]
            left = [(part, weight) for part, weight in options if part is not None and weight > 0]
            return OneOf(*(part for part, _ in left), weights=[weight for _, weight in left]) if left else None
        case Mix():
            branches = [part for part in (without(one, corruptions) for one in mechanism.branches) if part is not None]
            if not branches:
                return None
            return Mix(*branches, concentration=mechanism.concentration, skip=mechanism.skip)
        case Scene():
            # What nothing reads any more is drawn all the same, so that every other draw stays.
            chain = without(mechanism.chain, corruptions)
            return Scene(mechanism.variables, chain) if isinstance(chain, Chain) else None
        case _:
            # With what it holds: a mechanism that cannot be taken apart goes as a whole.
            return None if set(overlapping(mechanism)) & set(corruptions) else mechanism


def arm(whole: Method, name: str) -> Method:
    """One arm of a method.

    Args:
        whole: the whole method.
        name: "unseen" for what has no relative in C, or "no-" and a family of `FAMILIES`.

    Raises:
        UserError: there is no such arm, or nothing is left of the method's augmentation in it.
    """
    family = name.removeprefix("no-")
    if name != "unseen" and (name == family or family not in FAMILIES):
        known = ", ".join(("unseen", *(f"no-{family}" for family in FAMILIES)))
        raise UserError(f"there is no arm {name!r} of {whole.name}; the arms are {known}")
    gone = COMMON_CORRUPTIONS if name == "unseen" else FAMILIES[family]
    left = whole.augmentation
    if isinstance(left, WorstCase):
        rest = without(left.mechanism, gone)
        # Where no range is left to climb in, the worst of the draws is.
        steps = left.steps if rest is not None and Box(rest).names else 0
        left = None if rest is None else replace(left, mechanism=rest, steps=steps)
    elif isinstance(left, ViewMaker):
        left = None if set(left.overlaps) & set(gone) else left
    elif left is not None:
        left = without(left, gone)
    if left is None:
        raise UserError(f"nothing is left of {whole.name} in its arm {name!r}: all of it has relatives there")
    what = "only what has no relative in C" if name == "unseen" else f"nothing with a relative among {family}"
    return replace(
        whole,
        name=f"{whole.name}:{name}",
        title=f"{whole.title}, {'unseen only' if name == 'unseen' else f'no {family}'}",
        description=f"{whole.description} In this arm: {what}.",
        augmentation=left,
    )


def named(name: str) -> Method:
    """A method or an arm of one by its name, such as "camera-jsd" or "camera-jsd:no-blur".

    Raises:
        UserError: there is no such method or arm, or nothing is left in the arm.
    """
    base, colon, rest = name.partition(":")
    return arm(method(base), rest) if colon else method(base)


def left_out(name: str) -> dict[str, str]:
    """For each family of C the arm of a method that has seen nothing of it: the whole method where it never does.

    Raises:
        UserError: there is no such method.
    """
    whole = named(name)
    return {
        family: f"{name}:no-{family}" if set(whole.sees) & set(corruptions) else name
        for family, corruptions in FAMILIES.items()
    }
