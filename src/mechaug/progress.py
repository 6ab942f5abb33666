"""The progress line of the command line: what is being done, how fast, and how long it will take."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class _Rate(ProgressColumn):
    """Units per second, as "2,310 pictures/s"."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} {task.fields['unit']}/s" if speed else "")


class Line:
    """A `Watch` that draws one moving line on a terminal, and plain lines every few seconds anywhere else."""

    PLAIN_EVERY_S = 15.0

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._live = self._console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description:<10}"), BarColumn(bar_width=24), TextColumn("{task.percentage:>3.0f} %"),
            _Rate(), TextColumn("{task.fields[note]}"), TimeRemainingColumn(compact=True), TextColumn("left"),
            console=self._console, transient=True, speed_estimate_period=20.0,
        )  # fmt: skip
        self._task = None
        self._title, self._unit, self._total, self._done = "", "", 0, 0
        self._began = self._printed = time.perf_counter()

    def __enter__(self) -> "Line":
        if self._live:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, title: str, total: int, unit: str) -> None:
        """Start a new line in place of the last one."""
        self._title, self._unit, self._total, self._done = title, unit, total, 0
        self._began = self._printed = time.perf_counter()
        if self._live:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(title, total=total, unit=unit, note="")

    def advance(self, count: int, note: str = "") -> None:
        """Move the line on; off a terminal, print it now and then."""
        self._done += count
        if self._live and self._task is not None:
            self._progress.advance(self._task, count)
            if note:
                self._progress.update(self._task, note=note)
            return
        now = time.perf_counter()
        if now - self._printed >= self.PLAIN_EVERY_S:
            self._printed = now
            rate = self._done / (now - self._began)
            left = (self._total - self._done) / rate
            share = self._done / self._total
            self.say(f"  {self._title}: {share:.0%}, {rate:,.0f} {self._unit}/s, {left:.0f} s left {note}")

    def say(self, text: str) -> None:
        """Print a sentence above the line."""
        self._console.print(text, highlight=False, markup=False)
