"""Verbs that place images among the others: clusters and maps."""

from pathlib import Path
from typing import Annotated

import typer

from triptych.app.verbs.common import Run, Seed, open_run, say
from triptych.app.verbs.progress import bar

MOST = 100_000  # as in `triptych.pipeline.vectors.sample`, which is not imported here as it would slow every command
Sample = Annotated[
    int,
    typer.Option("--sample", help="In a run of more images, so many are computed and the others placed among them."),
]


def cluster(
    run: Run,
    min_cluster_size: Annotated[
        int,
        typer.Option(
            help="Smallest number of clustered images in a cluster; 0 = by the preset and the size of the run."
        ),
    ] = 0,
    preset: Annotated[
        str,
        typer.Option(
            help="default (15 principal components, size by the run) or published (100 components, size 5 to 500)."
        ),
    ] = "default",
    place: Annotated[
        bool, typer.Option("--place", help="Keep the clusters and only assign new images to them.")
    ] = False,
    most: Sample = MOST,
    seed: Seed = 0,
) -> None:
    """Group similar images with HDBSCAN. Reports how good and how stable the clusters are."""
    from triptych.pipeline.vectors import clusters, frozen_stages

    with bar("cluster") as progress:
        if place:
            stage = clusters.place(open_run(run), progress=progress)
        else:
            stage = clusters.cluster(
                open_run(run),
                preset=preset,
                min_cluster_size=min_cluster_size or None,
                most=most,
                seed=seed,
                progress=progress,
            )
    table = stage.table(columns=["cluster"])
    say(f"cluster/{stage.stage_id}: {table.cluster.max() + 1} clusters, {(table.cluster < 0).sum()} images in none")
    if place:
        say(f"{frozen_stages.n_new(stage)} new images; the clusters are those of {_frozen(stage)}")
        return
    _say_sampled(stage, "clustered")
    metrics = stage.json("metrics")
    stability = metrics["stability"]
    figures = [metrics["silhouette"], metrics["dbcv"], stability["ari_mean"]]
    words = ["not available" if figure is None else f"{figure:.3f}" for figure in figures]
    say(f"silhouette {words[0]}, DBCV {words[1]} (n = {metrics['measured_on']})")
    say(
        f"stability {words[2]}: adjusted Rand index of {stability['draws']} random samples "
        f"of {stability['images']} images"
    )


def _say_sampled(stage, verb: str) -> None:
    """Say how many images were computed, if the others were placed among them."""
    from triptych.pipeline.vectors import sample

    if sampled := stage.parameters.get("sampled"):
        say(sample.words(sampled, stage.info["rows"], verb))


def _frozen(stage) -> str:
    return stage.parameters.get("frozen", stage.stage_id)


def make_map(
    run: Run,
    dims: Annotated[int, typer.Option(help="Dimensions of the map, 2 or 3.")] = 2,
    seed: Seed = 0,
    preset: Annotated[
        str,
        typer.Option(
            help="default (perplexity 30, openTSNE) or published (perplexity 50, scikit-learn, min-max scaling)."
        ),
    ] = "default",
    gradient: Annotated[
        str,
        typer.Option(
            help="auto, bh (Barnes-Hut), fft (2-D only) or exact (every pair, for a GPU; auto uses it there)."
        ),
    ] = "auto",
    place: Annotated[bool, typer.Option("--place", help="Keep the map and only place new images on it.")] = False,
    how: Annotated[
        str,
        typer.Option(help="With --place: transform (optimised) or median (of the neighbours' places; fast)."),
    ] = "transform",
    most: Sample = MOST,
) -> None:
    """Make a map of the images with t-SNE.

    In two or three dimensions. With --place, add new images to the current map.
    """
    if place:
        return _place_on_map(run, dims, how)
    from triptych.pipeline.vectors import maps

    with bar(f"map {dims}-D") as progress:
        stage = maps.make_map(
            open_run(run), dims=dims, preset=preset, gradient=gradient, most=most, seed=seed, progress=progress
        )
    say(f"{stage.kind}/{stage.stage_id}: {stage.info['rows']} images")
    _say_sampled(stage, "laid out")
    if "sampled" in stage.parameters:
        _say_trust(stage)


def _place_on_map(run: Path, dims: int, how: str) -> None:
    from triptych.pipeline.vectors import frozen_stages, placing

    with bar(f"place {dims}-D") as progress:
        stage = placing.place(open_run(run), dims=dims, how=how, progress=progress)
    if not (new := frozen_stages.n_new(stage)):
        say(f"{stage.kind}/{stage.stage_id}: nothing new to place")
        return
    say(f"{stage.kind}/{stage.stage_id}: {new} new of {stage.info['rows']} images, on {_frozen(stage)}")
    _say_trust(stage)


def _say_trust(stage) -> None:
    table = stage.table(columns=["placed", "trust"])
    trust = table.trust[table.placed]
    say(f"trust in the places: median {trust.median():.2f}; {(trust < 0.5).mean():.0%} below 0.5")
