"""Verbs that learn from labels and votes: train, predict, candidates, evaluate, similar, retrain."""

from pathlib import Path
from typing import Annotated

import typer

from triptych.app.verbs.common import (
    Labels,
    Policy,
    Run,
    Seed,
    TrainingOptions,
    open_run,
    open_store,
    say,
    takes_training_options,
)
from triptych.app.verbs.progress import bar


@takes_training_options
def train(
    run: Run,
    policy: Policy = "majority",
    classifier: Annotated[
        str,
        typer.Option(
            help="mixed (linear and forest; the default), linear, forest, two_step (good or bad, then the reason), knn "
            "(nearest neighbours; the default with --search) or published (knn with one training image per label)."
        ),
    ] = "",
    *,
    training: TrainingOptions,
    search: Annotated[
        bool, typer.Option(help="First search for the best parameters of knn in the published space, by halving.")
    ] = False,
    search_by: Annotated[
        str, typer.Option(help="Score that the search maximises: accuracy (as published) or macro_f1.")
    ] = "accuracy",
    search_candidates: Annotated[
        int, typer.Option(help="Number of settings at the start of the search; 0 = as many as the labels allow.")
    ] = 0,
    test_share: Annotated[
        float, typer.Option(help="Share of the labelled exposures to test on instead of training on; published: 0.3.")
    ] = 0.0,
    split: Annotated[
        str, typer.Option(help="Draw the test share by exposure, or by image (only to show the leak).")
    ] = "exposure",
    seed: Seed = 0,
    labels: Labels = "",
) -> None:
    """Fit a classifier on all labels and votes."""
    from triptych.pipeline.classifier.train import Search
    from triptych.pipeline.classifier.train import train as train_classifier

    catalog = open_run(run)
    with bar("train") as progress:
        stage = train_classifier(
            catalog,
            open_store(catalog, labels),
            policy=policy,
            classifier=classifier,
            **training.chosen(),
            searching=Search(search_by, search_candidates) if search else None,
            test_share=test_share,
            split=split,
            seed=seed,
            progress=progress,
        )
    say(f"model/{stage.stage_id}: trained on {len(stage.table('training'))} images")
    for why, n in stage.json("report").get("left_out", {}).items():
        if n:
            say(f"not used, {why}: {n:,}")
    if search:
        found = stage.json("search")
        best = ", ".join(f"{name} {value}" for name, value in found["best"].items())
        say(f"{found['candidates']} settings in {found['trials']} trials; used: {best}")
        say(
            f"{found['by']} in {found['folds']} folds of exposures: {found['found']['score']:.3f} for the best found, "
            f"{found['given']['score']:.3f} for {classifier}"
        )
    if test_share:
        test = stage.json("test")
        say(
            f"tested on {test['images']} images split by {test['split']}: "
            f"macro F1 {test['ccd']['macro_f1']:.3f}, accuracy {test['ccd']['accuracy']:.3f}"
        )


def predict(run: Run) -> None:
    """Predict the probability of each reason for every image.

    Also predicts the probability that the whole exposure is bad, and lists the nearest labelled images.
    """
    from triptych.pipeline.classifier.predict import predict as predict_images

    with bar("predict") as progress:
        stage = predict_images(open_run(run), progress=progress)
    say(f"prediction/{stage.stage_id}: {stage.info['rows']} images")


def candidates(
    run: Run,
    rule: Annotated[
        str,
        typer.Option(
            help="exposure (probability of the exposure > 0.5), published (>= 3 of 20 CCDs at > 0.9), paper (>= 10 of "
            "20) or any_reason (like published, with all reasons of a CCD together)."
        ),
    ] = "exposure",
) -> None:
    """Choose the exposures that go to inspection, by a rule."""
    from triptych.pipeline.classifier import candidates as rules

    stage = rules.find(open_run(run), rule=rule)
    scored = stage.table("exposures_scored")
    say(f"candidates/{stage.stage_id}: {len(stage.table())} of {len(scored)} exposures")


@takes_training_options
def evaluate(
    run: Run,
    policy: Policy = "majority",
    classifier: Annotated[
        str,
        typer.Option(
            help="Name of a classifier (see `triptych train --help`), or model: the classifier of the current model."
        ),
    ] = "mixed",
    rule: Annotated[str, typer.Option(help="Candidate rule to report first; all are measured.")] = "exposure",
    cut: Annotated[
        list[float] | None,
        typer.Option(help="Also report the images above this probability. Can be repeated. Default: 0.9."),
    ] = None,
    leak: Annotated[
        bool, typer.Option(help="Also split by image, as published, to show how much that flatters.")
    ] = False,
    compare: Annotated[
        str, typer.Option(help="Other classifiers to measure in the same folds, separated by commas: published,knn.")
    ] = "",
    *,
    training: TrainingOptions,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
    pages: Annotated[
        Path | None,
        typer.Option(help="Also write evaluation.html, a page that needs no other files, into this folder."),
    ] = None,
    seed: Seed = 0,
    labels: Labels = "",
) -> None:
    """Measure a classifier on exposures that did not teach it.

    Reports precision, recall, F1 and support per reason and per exposure, calibration, false alarms, the confusion
    matrix and plots.
    """
    import json as json_format

    from triptych.pipeline.evaluation import evaluate as evaluation

    catalog = open_run(run)
    with bar("evaluate") as progress:
        metrics = evaluation.evaluate(
            catalog,
            open_store(catalog, labels),
            policy=policy,
            classifier=classifier,
            rule=rule,
            **training.chosen(),
            cuts=tuple(cut) if cut else evaluation.CUTS,
            show_leak=leak,
            compare=[name.strip() for name in compare.split(",") if name.strip()],
            seed=seed,
            progress=progress,
        )
    print(evaluation.as_text(metrics))
    if pages:
        from triptych.app.evaluation.page import write_pages

        say(f"page in {write_pages(catalog.refresh().stage('evaluation', metrics['stage']), pages)}")
    if json:
        json.write_text(json_format.dumps(metrics, indent=1) + "\n")


def similar(
    run: Run,
    images: Annotated[list[str], typer.Argument(metavar="EXPNUM-CCDNAME", help="One image or several.")],
    k: Annotated[int, typer.Option("-k", "--k", help="Number of images to list.")] = 36,
) -> None:
    """List the images most similar to the given ones. One per exposure."""
    from triptych.pipeline.vectors import similar as search

    catalog = open_run(run)
    table = search.similar(catalog, search.image_ids(catalog, images), k=k)
    print(table.to_string(index=False))


def retrain(
    run: Run,
    policy: Policy = "majority",
    labels: Labels = "",
) -> None:
    """Train again on the votes and show what changed.

    Makes a new model, predictions and candidates, with the classifier, the training recipe and the rule of the current
    ones.
    """
    from triptych.pipeline.retraining.retrain import retrain as again

    catalog = open_run(run)
    with bar("retrain") as progress:
        report = again(catalog, open_store(catalog, labels), policy=policy, progress=progress)
    say(str(report))
