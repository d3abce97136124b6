"""The verb that takes a night's exposures in as they arrive."""

import os
import signal
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from triptych.app.verbs.common import Labels, Run, open_run, open_store, say
from triptych.app.verbs.progress import bar, console
from triptych.pipeline.errors import TriptychError


class Stop:
    """Set by the first Ctrl-C or SIGTERM; the second one ends the process as it always does."""

    def __init__(self):
        self.asked = False
        self.before = {number: signal.signal(number, self.ask) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(self, number, _frame) -> None:
        self.asked = True
        self.give_back()
        # past Python's streams: the signal may have come while one of them was written to, and they do not bear that
        os.write(2, b"stopping after this step; once more stops at once\n")

    def give_back(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        return self.asked


def watch(
    run: Run,
    folders: Annotated[
        list[Path], typer.Argument(help="Folders that exposures arrive in, or files.", metavar="FOLDER")
    ],
    every: Annotated[float, typer.Option(help="Seconds from one pass to the next.")] = 60.0,
    quiet: Annotated[float, typer.Option(help="Seconds that a file must not have changed before it is read.")] = 10.0,
    once: Annotated[bool, typer.Option("--once", help="One pass over what is there, then end.")] = False,
    rule: Annotated[str, typer.Option(help="Candidate rule; the run's by default, see `triptych candidates`.")] = "",
    keep: Annotated[
        int,
        typer.Option(
            help="Let old stages go that nothing refers to, but for the newest so many of a kind; 0 keeps all."
        ),
    ] = 0,
    labels: Labels = "",
) -> None:
    """Take new exposures in as they arrive.

    Ingest, embed, place, predict, candidates, with the current model, again and again. Can be stopped (Ctrl-C) and
    started at any time.
    """
    from triptych.pipeline import watch as watching
    from triptych.pipeline.catalog.catalog import Catalog

    catalog = Catalog.create(run)
    stop = Stop()
    shown = bar if console.is_terminal else lambda title: nullcontext(None)  # a log needs no bars
    settings = watching.WatchSettings(rule=rule or None, every=every, quiet=quiet, keep=keep, bar=shown, stop=stop)
    troubled = False
    try:
        with open_store(open_run(run), labels) as store:
            for event in watching.watch(catalog, store, folders, settings, once=once):
                troubled |= event.kind == "trouble"
                say(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {event.text}")
    finally:
        stop.give_back()
    if once and troubled:
        raise TriptychError("the pass could not be finished; see above")
