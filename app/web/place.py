"""Where a run is on its server: the path of its addresses, and the name of its cookie.

A page names all addresses relative to itself. Only what the server sends with a whole path needs a Place: redirects,
cookies and the pages for people without a login.
"""

import hashlib
import re
from dataclasses import dataclass

from triptych.pipeline.errors import BadInput

COOKIE = "login"
_PART = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Place:
    """Where one run is.

    site : the path before everything of the server, '' or e.g. '/triptych'
    run : the path of the run below it, '' or e.g. '/dr10'
    cookie : name of the cookie of a login
    """

    site: str = ""
    run: str = ""
    cookie: str = COOKIE

    @property
    def prefix(self) -> str:
        """The path before every address of the run, without a slash at its end."""
        return self.site + self.run

    @property
    def root(self) -> str:
        """The path of the run's page."""
        return f"{self.prefix}/"

    @property
    def site_root(self) -> str:
        """The path below which everything of the server is. Cookies are sent to it and to nothing else."""
        return f"{self.site}/"


def site_of(prefix: str) -> str:
    """A prefix as it is used: '' or '/triptych', from 'triptych', '/triptych/' and the like.

    BadInput if it cannot be one.
    """
    parts = [part for part in prefix.strip().split("/") if part]
    if not all(map(_PART.fullmatch, parts)):
        raise BadInput(f"{prefix!r} cannot be a prefix; use letters, digits and . _ - between slashes, e.g. /triptych")
    return "".join(f"/{part}" for part in parts)


def is_part(name: str) -> bool:
    """Whether a name can be one part of a path as it stands."""
    return _PART.fullmatch(name) is not None


def cookie_of(site: str, store: str) -> str:
    """Name of the cookie of a login to a label store. Servers beside each other on one host keep theirs apart.

    store : address of the label store, without its password
    """
    return f"{COOKIE}-{hashlib.sha256(f'{site} {store}'.encode()).hexdigest()[:8]}"
