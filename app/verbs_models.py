"""Verbs around the models of a run: which there are, and going over to another."""

from typing import Annotated

import typer

from app.verbs import Run, open_run, say


def show(run: Run) -> None:
    """List every model, what taught it, and its figures."""
    from rich.table import Table

    from app.progress import console
    from pipeline import models

    catalog = open_run(run)
    columns = ("model", "in use", "made", "prediction", "candidates", "taught by", "F1 of exposures", "cannot be used")
    table = Table(*columns, box=None)
    for row in models.models(catalog):
        taught, f1 = row["taught"], row["figures"].get("f1")
        table.add_row(
            row["model"],
            "yes" if row["current"] else "",
            row["created"],
            row["prediction"] or "-",
            f"{row['candidates'] or '-'} ({row['n_candidates'] or 0})",
            f"{taught.get('images', '?')} images, {taught.get('exposures', '?')} exposures",
            f"{f1['value']:.2f} ({f1['low']:.2f} to {f1['high']:.2f}, n = {row['figures']['n']})" if f1 else "-",
            row["problem"],
        )
    console.print(table, soft_wrap=True)
    for move in models.moves(catalog):
        print(f"{move['utc']}\t{move['to'].get('model', '-')}\t{move['by'] or '-'}\t{move['why']}")


def use(
    run: Run,
    model: Annotated[str, typer.Argument(help="A model that `triptych models list` names.", metavar="MODEL")],
    by: Annotated[str, typer.Option(help="Who does it, for the log.")] = "",
) -> None:
    """Go over to an earlier or later model, or back."""
    from pipeline import models

    row = models.use(open_run(run), model, by=by, why="chosen on the command line")
    say(f"model/{row['model']}, prediction/{row['prediction']}, candidates/{row['candidates']} are in use now")
