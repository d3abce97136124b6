"""The verb that measures how well the inspectors agree."""

from pathlib import Path
from typing import Annotated

import typer

from triptych.app.verbs.common import Labels, Run, Seed, open_run, open_store, say


def agreement(
    run: Run,
    unit: Annotated[
        str,
        typer.Option(
            help="What is compared: exposure, or ccd for imported answers on every CCD. Default: by the votes."
        ),
    ] = "",
    blanks_are_good: Annotated[
        bool,
        typer.Option(
            "--blanks-are-good",
            help="Count a blank of an imported inspection as good: assume that the inspector saw every exposure.",
        ),
    ] = False,
    inspected: Annotated[
        int,
        typer.Option(help="With --blanks-are-good: number of exposures inspected, if the import names fewer."),
    ] = 0,
    resamples: Annotated[int, typer.Option(help="Number of bootstrap resamples for the intervals.")] = 1000,
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
    seed: Seed = 0,
    labels: Labels = "",
) -> None:
    """Measure how well the inspectors agree. Uses only blind votes that were cast one by one.

    Prints alpha, AC1, Dice on bad and kappas with bootstrap intervals, by pair, band, month and reason. Also prints
    each inspector's pace, consistency, sensitivity and specificity.
    """
    import json as json_format

    from triptych.pipeline.votes.agreement_report import of_run
    from triptych.pipeline.votes.agreement_text import as_text

    catalog = open_run(run)
    options = {"unit": unit, "blanks_are_good": blanks_are_good, "resamples": resamples, "seed": seed}
    found = of_run(catalog, open_store(catalog, labels), inspected=inspected or None, **options)
    print(as_text(found))
    if json:
        json.write_text(json_format.dumps(found, indent=1) + "\n")
        say(f"all figures in {json}")
