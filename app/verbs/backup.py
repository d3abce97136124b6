"""Verbs that back up the label store and put a backup back."""

import getpass
from pathlib import Path
from typing import Annotated

import typer

from triptych.app.verbs.common import Labels, Run, open_run, say


def backup(
    run: Run,
    out: Annotated[Path, typer.Option("-o", "--out", help="File to write, such as labels-2026-11-30.zip.")],
    labels: Labels = "",
) -> None:
    """Back up votes, decisions, labels and accounts.

    The run may be served and people may vote meanwhile. Labels in PostgreSQL are backed up by pg_dump.
    """
    from triptych.pipeline.backup import back_up

    state = back_up(open_run(run), out, labels)
    say(f"{out}: the label store at revision {state.revision}, with vote {state.last_vote} as the newest")


def restore(
    run: Run,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup that `triptych backup` wrote.")],
    labels: Labels = "",
) -> None:
    """Put a backup in the place of the label store.

    Stop the server first. The store that was there is kept under another name.
    """
    from triptych.pipeline.backup import restore as put_back

    state, before = put_back(open_run(run), file, getpass.getuser(), labels)
    kept = f"; the store that was there is now {before}" if before else ""
    say(f"the label store is at revision {state.revision}, with vote {state.last_vote} as the newest{kept}")
