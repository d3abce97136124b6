"""The verb that reads exposures as they arrive."""

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
    """Becomes true at the first Ctrl-C or SIGTERM. A second one ends the process as usual."""

    def __init__(self):
        self.asked = False
        self.before = {number: signal.signal(number, self.ask) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask(self, number, _frame) -> None:
        self.asked = True
        self.give_back()
        # not through Python's streams, which fail if the signal comes while one of them is being written
        os.write(2, b"stopping after this step; once more stops at once\n")

    def give_back(self) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def __call__(self) -> bool:
        return self.asked


def watch(
    run: Run,
    folders: Annotated[
        list[Path], typer.Argument(help="Folders in which exposures arrive, or files.", metavar="FOLDER")
    ],
    every: Annotated[float, typer.Option(help="Seconds between two passes.")] = 60.0,
    quiet: Annotated[float, typer.Option(help="Seconds that a file must be unchanged before it is read.")] = 10.0,
    once: Annotated[bool, typer.Option("--once", help="Make one pass, then end.")] = False,
    rule: Annotated[
        str, typer.Option(help="Candidate rule: see `triptych candidates --help`. Default: the run's rule.")
    ] = "",
    keep: Annotated[
        int,
        typer.Option(help="Remove old stages that nothing refers to, except this many of each kind; 0 = remove none."),
    ] = 0,
    labels: Labels = "",
) -> None:
    """Process new exposures as they arrive.

    Each pass ingests, embeds, places, predicts and finds candidates, with the current model. Stop it with Ctrl-C; run
    it again to continue.
    """
    from triptych.pipeline import watch as watching
    from triptych.pipeline.catalog.catalog import Catalog

    catalog = Catalog.create(run)
    stop = Stop()
    shown = bar if console.is_terminal else lambda title: nullcontext(None)  # no bars in a log
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
