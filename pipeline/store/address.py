"""Where a label store is: an address, or a file that holds the address, so that a password need not be typed."""

import os
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from triptych.pipeline.errors import LabelError

VARIABLE = "TRIPTYCH_LABELS"  # environment variable with what --labels would say
FILE = "@"


def address_of(catalog, labels: str = "") -> str:
    """The address of a run's label store. labels : what somebody gave; '' = what `run.json` says, else its own file.

    @FILE stands for the first line of a file. LabelError if the file cannot be read or is empty.
    """
    text = labels or catalog.labels_url()
    if not text.startswith(FILE):
        return text
    path = Path(text.removeprefix(FILE)).expanduser()
    try:
        lines = path.read_text().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(f"the address of the label store cannot be read from {path}: {error}") from None
    if not lines[0].strip():
        raise LabelError(f"{path} is empty; write the address of the label store into its first line")
    return lines[0].strip()


def parse(address: str) -> sa.URL:
    """LabelError if it is no address. The message does not repeat it, as it may hold a password."""
    try:
        found = sa.make_url(address)
    except (SQLAlchemyError, ValueError):
        raise LabelError(
            "that is no database address; try sqlite:///labels.db or postgresql://USER@HOST/DATABASE"
        ) from None
    written_out = found.query.get("password")  # libpq takes it there, too; everybody else hides only the other one
    if isinstance(written_out, str):
        found = found.difference_update_query(["password"]).set(password=written_out)
    return found


def without_password(address: sa.URL) -> str:
    """The address of a PostgreSQL database as its own programs take it, without the password."""
    names = ("username", "host", "port", "database", "query")
    return sa.URL.create("postgresql", **{name: getattr(address, name) for name in names}).render_as_string()


def from_environment() -> str:
    """What the environment says about --labels; '' = nothing."""
    return os.environ.get(VARIABLE, "")
