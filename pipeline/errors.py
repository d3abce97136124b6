"""Every error that Triptych raises on purpose.

TriptychError
├── BadInput        a file, value or option that cannot be used
├── UnknownName     a name that is in none of our registries
├── CatalogError    a folder that is not a run, or a damaged run
│   ├── StageMissing    a stage that has not been made yet
│   └── StageStale      a stage whose parent is no longer the current one
├── LabelError      a vote or label that the store refuses
│   ├── StoreAway       a label store that cannot be used now: busy, gone or replaced; try again
│   └── StoreMissing    there is no label store at this address
├── NotInstalled    a package that is not in the plain install
└── Cancelled       work that somebody stopped

The command line prints the message of a TriptychError as one line and exits with 1, so each message says what to do.
"""

import difflib
from collections.abc import Iterable


class TriptychError(Exception):
    """Base of every error that Triptych raises on purpose."""


class BadInput(TriptychError):
    """A file, value or option that cannot be used."""


class UnknownName(TriptychError):
    """A name that is in none of our registries."""


class CatalogError(TriptychError):
    """A folder that is not a run, or a damaged run."""


class StageMissing(CatalogError):
    """A stage that has not been made yet."""


class StageStale(CatalogError):
    """A stage whose parent is no longer the current one."""


class LabelError(TriptychError):
    """A vote or label that the store refuses."""


class StoreAway(LabelError):
    """A label store that cannot be used now. Whoever sends the same vote again stores it once."""


class StoreMissing(LabelError):
    """There is no label store at an address where one must be."""


class NotInstalled(TriptychError):
    """A package that is not in the plain install."""


class Cancelled(TriptychError):
    """Work that somebody stopped."""


def in_one_line(error: TriptychError, most: int = 600) -> TriptychError:
    """The same error with its message in one line, of `most` letters: a file may hold names of several lines."""
    words = " ".join(str(error).split())
    return type(error)(words if len(words) <= most else f"{words[: most - 4]} ...")


def choose(name: str, known: Iterable[str], what: str) -> str:
    """Return `name` if it is in `known`. Otherwise raise UnknownName, with the known names and the nearest one."""
    known = list(known)
    if name in known:
        return name
    lowered = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(str(name).lower(), list(lowered), n=1)
    hint = f" Did you mean {lowered[near[0]]!r}?" if near else ""
    raise UnknownName(f"{name!r} is not a {what}; known: {', '.join(known)}.{hint}")
