"""Common corruptions: C (Hendrycks & Dietterich, 2019), the four beside it, and C̄ (Mintun et al., 2021)."""

from mechaug.evaluation.corruptions.bar import BAR
from mechaug.evaluation.corruptions.base import PUBLISHED, SEVERITIES, Corruption, Profile, Setting, Variant
from mechaug.evaluation.corruptions.c import CORRUPTIONS, EXTRA
from mechaug.evaluation.corruptions.frost import Frost, drawn_frost, load_frost
from mechaug.evaluation.corruptions.suite import EXTRA_NAMES, NAMES, bar_names, corrupt, find_corruption, profile_of

__all__ = [
    "BAR",
    "CORRUPTIONS",
    "EXTRA",
    "EXTRA_NAMES",
    "NAMES",
    "PUBLISHED",
    "SEVERITIES",
    "Corruption",
    "Frost",
    "Profile",
    "Setting",
    "Variant",
    "bar_names",
    "corrupt",
    "drawn_frost",
    "find_corruption",
    "load_frost",
    "profile_of",
]
