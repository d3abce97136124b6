"""The progress of a verb: a bar on a terminal, or a line from time to time in a log."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Report = Callable[..., None]
LINE_SECONDS = 10.0  # shortest time between two lines about one step
console = Console(stderr=True, highlight=False)


@contextlib.contextmanager
def bar(title: str) -> Iterator[Report]:
    """Show the progress of one step. Yields `report(done, total, text="")`, which the working function calls."""
    if not console.is_terminal:
        with lines(title) as report:
            yield report
        return
    columns = (
        TextColumn("{task.description:<14}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
        TextColumn("[dim]{task.fields[text]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=None, text="")

        def report(done: float, total: float, text: str = "") -> None:
            progress.update(task, completed=done, total=total, text=text)

        yield report


@contextlib.contextmanager
def lines(title: str, clock: Callable[[], float] = time.monotonic) -> Iterator[Report]:
    """The same as lines of text: one at the start, one at the end, and between them at most one each LINE_SECONDS."""
    started = spoken = clock()
    _line(f"{title} ...")

    def report(done: float, total: float, text: str = "") -> None:
        nonlocal spoken
        if clock() - spoken < LINE_SECONDS:
            return
        spoken = clock()
        about = f", {text}" if text else ""
        _line(f"{title}: {done:,.0f} of {total:,.0f} after {_duration(spoken - started)}{about}")

    yield report
    _line(f"{title}: done in {_duration(clock() - started)}")


def _line(text: str) -> None:
    console.print(text, soft_wrap=True, markup=False)


def _duration(seconds: float) -> str:
    """A time as text: 12 s, 3:05 or 1:02:03."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
