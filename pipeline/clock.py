"""What time it is, for the dates of what is written: stages, votes, decisions, jobs.

It is the present, unless somebody writes a made-up past: see `telling`. What must not be fooled, locks and heartbeats,
asks the system itself.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime

_tell: ContextVar[Callable[[], float]] = ContextVar("tell", default=time.time)


def now() -> float:
    """Seconds since 1970."""
    return _tell.get()()


def utc() -> str:
    """The moment as ISO text in UTC, whole seconds: 2026-11-30T12:00:00Z."""
    return datetime.fromtimestamp(int(now()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_exactly() -> str:
    """The same with microseconds; such texts sort by time."""
    return text_of(now())


def text_of(seconds: float) -> str:
    """A moment in seconds since 1970, as `utc_exactly` writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds_of(text: str) -> float:
    """Seconds since 1970 of a text that `utc` or `utc_exactly` gave."""
    return datetime.fromisoformat(text).timestamp()


@contextlib.contextmanager
def telling(tell: Callable[[], float]) -> Iterator[None]:
    """In this block, and in this thread, it is as late as `tell()` says, in seconds since 1970."""
    before = _tell.set(tell)
    try:
        yield
    finally:
        _tell.reset(before)


def stopped(moment: float) -> Callable[[], float]:
    """A clock for `telling` that stands at `moment`, seconds since 1970."""
    return lambda: moment


def from_then(moment: float) -> Callable[[], float]:
    """A clock for `telling` that begins at `moment`, seconds since 1970, and goes on as fast as time does."""
    ago = time.time() - moment
    return lambda: time.time() - ago
