"""The verb that says what the votes since the last fit change."""

from typing import Annotated

import typer

from triptych.app.verbs import Labels, Run, open_run, open_store, say


def live(
    run: Run,
    shown: Annotated[int, typer.Option(help="How many exposures to list.", min=1)] = 20,
    labels: Labels = "",
) -> None:
    """Say what the votes since the last fit change, and by which.

    By the nearest labelled images of each image, with the reduction of the last fit, as a full prediction would say it.
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
        f"{info['exposures']} exposures ({info['images']} CCDs) are answered otherwise by the {info['neighbours']} "
        f"neighbours of {info['model']} since it was fitted; labels: {counts}; {info['seconds']:.1f} s"
    )
    if info["learners"]:
        say(f"{info['model']} has learners besides: its own answers move with `triptych retrain {catalog.path}`")
