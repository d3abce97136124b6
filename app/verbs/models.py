"""Verbs for the models of a run: list them, use another one, and follow the votes since the last fit."""

from typing import Annotated

import typer

from triptych.app.verbs.common import Labels, Run, open_run, open_store, say
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


def live(
    run: Run,
    shown: Annotated[int, typer.Option(help="Number of exposures to list.", min=1)] = 20,
    labels: Labels = "",
) -> None:
    """Show what the votes since the last training change.

    Uses the nearest labelled images of each image. The result equals a full prediction with the reduction of the last
    training.
    """
    from triptych.pipeline.retraining.live_changes import follow

    catalog = open_run(run)
    with open_store(catalog, labels) as store:
        found = follow(catalog, store)
    info = found.info
    print("expnum\tCCDs\tbad before\tbad now\treason before\treason now\tby labels of")
    exposure_of = found.labels.set_index("image_id").expnum
    for row in found.table.head(shown).itertuples():
        by = ",".join(str(expnum) for expnum in dict.fromkeys(exposure_of[list(row.causes)]))
        bad = f"{row.bad_probability_before:.3f}\t{row.bad_probability_after:.3f}"
        print(f"{row.expnum}\t{row.n_ccds}\t{bad}\t{row.reason_before}\t{row.reason_after}\t{by}")
    counts = ", ".join(f"{info[name]} {name}" for name in ("added", "removed", "relabelled", "reweighted"))
    say(
        f"{info['exposures']} exposures ({info['images']} CCDs) have a new answer from the {info['neighbours']} "
        f"neighbours of {info['model']} since it was trained; labels: {counts}; {info['seconds']:.1f} s"
    )
    if info["learners"]:
        say(f"{info['model']} also has learners; their answers change only with `triptych retrain {catalog.path}`")
