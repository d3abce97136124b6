"""Files that a route offers for download."""

import re
import unicodedata
from urllib.parse import quote

import tornado.web

NAME_LENGTH = 200  # most file systems keep 255 bytes, and a browser may add a number


def offer(handler: tornado.web.RequestHandler, name: str):
    """Let the browser save the answer of a route as a file. name : of the file, any text."""
    handler.set_header("Content-Type", "application/octet-stream")
    handler.set_header("Content-Disposition", disposition(name))


def disposition(name: str) -> str:
    """A Content-Disposition (RFC 6266) that offers a file under any name.

    `filename*` has the name as it is (RFC 8187), without slashes and control characters. `filename` is for programs
    that do not know it: ASCII, without the signs that they may read differently.
    """
    name = name.encode("utf-8", "replace").decode()
    name = "".join("_" if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") or c in "/\\" else c for c in name)
    stem, dot, ending = name.rpartition(".")
    name = f"{stem[: NAME_LENGTH - len(ending)]}{dot}{ending}"[-NAME_LENGTH:].strip(" .") or "file"
    plain = re.sub(r"[^A-Za-z0-9 !#$&'()+,.=@^_`{}~-]", "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
