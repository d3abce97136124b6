"""The verb that probes an embedding."""

from pathlib import Path
from typing import Annotated

import typer

from triptych.app.verbs.common import Labels, Policy, Run, Seed, open_run, open_store
from triptych.app.verbs.progress import bar


def probe(
    run: Run,
    target: Annotated[
        str,
        typer.Option(
            help="reasons; bad (or good); or a number: seeing, sky, airmass, exptime, or a numeric column of the "
            "run's tables."
        ),
    ] = "reasons",
    kind: Annotated[
        str, typer.Option(help="linear; or attentive, which combines the CCDs of an exposure by learned attention.")
    ] = "linear",
    level: Annotated[
        str,
        typer.Option(
            help="ccd or exposure; by default a linear probe answers for CCDs, an attentive one for exposures."
        ),
    ] = "",
    folds: Annotated[int, typer.Option(help="Number of folds of exposures. Each is held out once.")] = 5,
    curve: Annotated[
        bool, typer.Option("--curve", help="Also measure quality against the number of labelled exposures.")
    ] = False,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Methods that the curve compares: a classifier, linear, attentive, 'linear of exposures' or "
            "'attentive of exposures'; may be given several times."
        ),
    ] = None,
    draws: Annotated[int, typer.Option(help="How often the labelled exposures of the curve are drawn.")] = 3,
    policy: Policy = "majority",
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
    seed: Seed = 0,
    labels: Labels = "",
) -> None:
    """Measure what a simple model can read from the vectors.

    It predicts reasons, good or bad, or numbers such as the seeing, for exposures that it has not seen.
    """
    import json as json_format

    from triptych.pipeline.evaluation import label_curve, probes

    catalog = open_run(run)
    with bar("probe") as progress, open_store(catalog, labels) as store:
        metrics = probes.probe(
            catalog,
            store,
            target=target,
            kind=kind,
            level=level or None,
            folds=folds,
            curve=curve,
            draws=draws,
            methods=tuple(method) if method else label_curve.METHODS,
            policy=policy,
            seed=seed,
            progress=progress,
        )
    print(probes.as_text(metrics))
    if json:
        json.write_text(json_format.dumps(metrics, indent=1) + "\n")
