"""The status and the line of text that an exception becomes. The same for every route.

    4xx    what was asked can never be done: the text says why. The browser shows it and does not ask again
    503    it cannot be done now: a busy or absent database, a full disk, a file that cannot be read, a stage that is
           being replaced. Nothing is wrong with what was asked, so the browser asks again
    500    a fault of Triptych itself. Its traceback is in the server's log, and never in the answer

What the class of an error does not say for sure counts as passing, because a vote must not be thrown away for it.
"""

import logging
from dataclasses import dataclass

from triptych.pipeline.errors import Cancelled, CatalogError, NotInstalled, StoreAway, StoreMissing, TriptychError
from triptych.pipeline.store.faults import passing_fault

PASSING = (CatalogError, StoreAway, StoreMissing, NotInstalled, Cancelled)


@dataclass(frozen=True)
class Fault:
    """status : of the answer. text : one line that says what to do"""

    status: int
    text: str


def fault_of(error: BaseException | None) -> Fault:
    """What to answer if a route raises `error`."""
    if isinstance(error, TriptychError):
        return Fault(503 if isinstance(error, PASSING) else 400, one_line(error))
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename is not None else ""
        return Fault(503, f"the server cannot read or write a file now ({error.strerror or error}{where}); try again")
    if isinstance(error, MemoryError):
        return Fault(503, "the server has no memory left for this now; try again")
    of_store = passing_fault(error) if error is not None else ""
    if of_store:
        return Fault(503, f"{of_store}; try again")
    name = type(error).__name__ if error is not None else "no answer"
    return Fault(500, f"a fault of Triptych ({name}); the server's log says more")


def one_line(text) -> str:
    """A text without line breaks."""
    return " ".join(str(text).split())


def note(log: logging.Logger, what: str, error: BaseException) -> Fault:
    """Write a fault to the log: one line, and the traceback only if it is a fault of Triptych."""
    fault = fault_of(error)
    log.warning("%s: %s", what, fault.text, exc_info=error if fault.status == 500 else None)
    return fault
