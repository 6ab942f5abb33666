"""Progress of long work: who does it tells a `Watch`; who wants to see it gives one."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Watch(Protocol):
    """Listens to a training, a measurement or a study; all methods may be called often."""

    def begin(self, title: str, total: int, unit: str) -> None:
        """A piece of work of `total` units starts; `unit` is what they are called, such as "pictures"."""
        ...

    def advance(self, count: int, note: str = "") -> None:
        """`count` more units are done; `note` is worth showing, such as the loss."""
        ...

    def say(self, text: str) -> None:
        """A sentence that stays on the screen."""
        ...


class Silent:
    """A watch that says nothing."""

    def begin(self, title: str, total: int, unit: str) -> None:
        """Nothing."""

    def advance(self, count: int, note: str = "") -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""
