"""How far a verb has come: bars on a terminal, and now and then a line where there is none, as in a log."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Report = Callable[..., None]
LINE_SECONDS = 10.0  # between two lines about one step
console = Console(stderr=True, highlight=False)


@contextlib.contextmanager
def bar(title: str) -> Iterator[Report]:
    """Show how far one step has come; yields `report(done, total, text="")` for the function that works."""
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
    """The same in lines: one when the step starts, one when it ends, and one each LINE_SECONDS at most between."""
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
    """12 s, 3:05, 1:02:03."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
