"""mechaug: augment data through the mechanisms that form a picture, and measure how robust models became.

The rooms: `mechanisms` (causes with units), `scenes` (what causes what), `heuristics` (published baselines behind the
same two verbs), `data`, `training`, `evaluation`, `reports`; `mechaug.study` is the main job, and `mechaug --help` the
command line.
"""

from typing import TYPE_CHECKING, Any

from mechaug.version import VERSION

if TYPE_CHECKING:
    from mechaug.keys import Key

__version__ = VERSION

__all__ = ["Key", "__version__"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    # torch is imported when something needs it: `mechaug --help` answers without.
    if name == "Key":
        from mechaug.keys import Key

        return Key
    raise AttributeError(f"module 'mechaug' has no attribute {name!r}")
