"""What was on screen at a vote, as it is stored, read without trusting it.

Stores hold what earlier versions took without looking: times that are no numbers, lists that are texts, megabytes. Such
a value is left out when it is read, so that one bad row does not take a page away from everybody. The row itself stays.
"""

import json
import math
from collections.abc import Callable, Iterable

LONGEST_TEXT = 2000  # of one value
LONGEST_LIST = 2000  # of values in a list or table


def _is_number(value) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _is_time(value) -> bool:
    return _is_number(value) and value >= 0


def _is_whole(value) -> bool:
    return type(value) is int


def _is_text(value) -> bool:
    return type(value) is str and len(value) <= LONGEST_TEXT


def _is_flag(value) -> bool:
    return type(value) is bool


def _are_texts(value) -> bool:
    return type(value) is list and len(value) <= LONGEST_LIST and all(type(one) is str for one in value)


def _are_numbers(value) -> bool:
    return type(value) is list and len(value) <= LONGEST_LIST and all(map(_is_number, value))


CHECKS: dict[str, Callable[[object], bool]] = {
    **dict.fromkeys(("seconds", "look_seconds"), _is_time),
    **dict.fromkeys(("score", "zoom", "marked_fraction"), _is_number),
    **dict.fromkeys(("expnum", "cluster", "n_offered", "n_seen", "n_batch", "restores", "undoes"), _is_whole),
    **dict.fromkeys(("assisted", "model_shown", "invert", "names", "pictures"), _is_flag),
    **dict.fromkeys(("stage", "stretch", "scale_mode", "ccd", "sheet", "selection", "cluster_stage"), _is_text),
    **dict.fromkeys(("batch", "how", "given_utc", "comment", "answer"), _is_text),
    **dict.fromkeys(("ccds_opened", "ccds_ticked", "masks"), _are_texts),
    **dict.fromkeys(("blinked_with", "limits"), _are_numbers),
}


def read_screen(screen) -> dict:
    """A stored screen without the values that no page can show.

    Keys that are not known here stay if their value is a short text, a finite number, true or false, or a small table
    (such as `queue`).
    """
    if type(screen) is not dict:
        return {}
    bad = [name for name, value in screen.items() if value is not None and not CHECKS.get(name, _is_small)(value)]
    return {name: value for name, value in screen.items() if name not in bad} if bad else screen


def _is_small(value) -> bool:
    if type(value) in (list, dict):
        inside = value.values() if type(value) is dict else value
        return len(value) <= LONGEST_LIST and all(
            one is None or _is_flag(one) or _is_number(one) or _is_text(one) for one in inside
        )
    return _is_flag(value) or _is_number(value) or _is_text(value)


def read_screens(texts: Iterable[str]) -> list[dict]:
    """Stored screens as JSON texts -> their dicts, as `read_screen` gives them."""
    return [read_screen(screen) for screen in json.loads(f"[{','.join(texts)}]")]
