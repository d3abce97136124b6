"""Verbs for the models of a run: list them, and use another one."""

from typing import Annotated

import typer

from triptych.app.verbs.common import Run, open_run, say
from triptych.app.verbs.progress import bar


def show(run: Run) -> None:
    """List every model. A star marks the one in use."""
    from triptych.pipeline.retraining import models

    catalog = open_run(run)
    for row in models.models(catalog):
        taught, f1 = row["taught"], row["figures"].get("f1")
        facts = [
            row["created"],
            f"taught by {taught.get('images', '?')} images of {taught.get('exposures', '?')} exposures",
            f"{row['n_candidates'] or 0} candidates",
        ]
        if f1:
            n = row["figures"]["n"]
            facts.append(f"F1 of exposures {f1['value']:.2f} ({f1['low']:.2f} to {f1['high']:.2f}, n = {n})")
        if row["problem"]:
            facts.append(f"cannot be used: {row['problem']}")
        print(f"{'*' if row['current'] else ' '} {row['model']}\t{', '.join(facts)}")
    for move in models.moves(catalog):
        print(f"{move['utc']}\t{move['to'].get('model', '-')}\t{move['by'] or '-'}\t{move['why']}")


def use(
    run: Run,
    model: Annotated[str, typer.Argument(help="A model from `triptych models list`.", metavar="MODEL")],
    by: Annotated[str, typer.Option(help="Your name, for the log.")] = "",
) -> None:
    """Choose the model to use. It may be an earlier or a later one."""
    from triptych.pipeline.retraining import models

    with bar("predict") as progress:
        row = models.use(open_run(run), model, by=by, why="chosen on the command line", progress=progress)
    say(f"model/{row['model']}, prediction/{row['prediction']}, candidates/{row['candidates']} are in use now")
