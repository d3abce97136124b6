"""Ready runs of real people's answers."""

import os
from pathlib import Path
from typing import Annotated

import typer

from triptych.app.progress import bar
from triptych.app.verbs import say


def example(
    name: Annotated[str, typer.Argument(help="dr11 or ghosts.", metavar="NAME")],
    out: Annotated[Path, typer.Argument(help="The run folder to make.", metavar="OUT")],
    data: Annotated[
        Path | None, typer.Option(help="Folder of real data; TRIPTYCH_REAL_DATA, else ../shared/data by default.")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Also embed, train, predict, cluster and map, where there are pixels.")
    ] = False,
) -> None:
    """Make a ready run of real answers. dr11: three inspectors of 939 exposures; ghosts: eight annotators of 30."""
    from triptych.pipeline import examples

    folder = data or Path(os.environ.get("TRIPTYCH_REAL_DATA", "../shared/data"))
    catalog = examples.make(name, out, folder, whole=whole, bar=bar)
    say(f"{catalog.path}: {examples.EXAMPLES[name].about}")
    say(f"now `triptych user add {out} NAME --role lead`, then `triptych serve {out}`; or `triptych agreement {out}`")
