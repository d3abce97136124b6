"""Paths of files as text that every table can hold.

A name of bytes that are not UTF-8 has no such text: then it is written as a URI, `file:///sky/se%F1al.fits`. No
absolute path looks like one.
"""

import os
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

URI = "file://"


def written(path: str | os.PathLike) -> str:
    """An absolute path as text: itself, or a URI if it is not UTF-8."""
    path = os.fspath(path)
    try:
        path.encode()
    except UnicodeEncodeError:
        return URI + quote(os.fsencode(path))
    return path


def path_of(text: str | os.PathLike) -> Path:
    """The path that `written` gave as text."""
    text = os.fspath(text)
    return Path(os.fsdecode(unquote_to_bytes(text.removeprefix(URI)))) if text.startswith(URI) else Path(text)


def shown(text: str) -> str:
    """Any text that a path may be part of, with bytes that are not UTF-8 as `\\\\xf1`."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")
