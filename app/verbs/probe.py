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
            help="reasons, bad (bad or good), or a number: seeing, sky, airmass, exptime or a column of the tables."
        ),
    ] = "reasons",
    kind: Annotated[
        str, typer.Option(help="linear, or attentive (combines all CCDs of an exposure by learned attention).")
    ] = "linear",
    level: Annotated[
        str,
        typer.Option(help="ccd or exposure. Default: ccd for a linear probe, exposure for an attentive one."),
    ] = "",
    folds: Annotated[int, typer.Option(help="Number of folds of exposures; each is held out in turn.")] = 5,
    curve: Annotated[
        bool, typer.Option("--curve", help="Also measure quality against the number of labelled exposures.")
    ] = False,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help="Method in the curve: a classifier, linear, attentive, 'linear of exposures' or 'attentive of "
            "exposures'. Can be repeated."
        ),
    ] = None,
    draws: Annotated[int, typer.Option(help="Number of random draws of the curve's labelled exposures.")] = 3,
    policy: Policy = "majority",
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
    seed: Seed = 0,
    labels: Labels = "",
) -> None:
    """Measure what a simple model can read from the vectors.

    The model predicts the reasons, good or bad, or a number such as the seeing, for exposures that did not teach it.
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
