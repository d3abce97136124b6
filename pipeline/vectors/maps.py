"""Makes the map of a run: t-SNE of all its images, or of a sample with the others placed among them (see `sample`)."""

from collections.abc import Callable

import numpy as np

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.errors import choose
from triptych.pipeline.memory import Needs
from triptych.pipeline.vectors import placing, rest, sample, tsne

# How the images outside the sample are placed: a name in placing.PLACINGS.
REST = "median"


def make_map(
    catalog: Catalog,
    *,
    dims: int = 2,
    preset: str = "default",
    perplexity: float | None = None,
    iterations: int | None = None,
    gradient: str = "auto",
    most: int = sample.MOST,
    seed: int = 0,
    jobs: int | None = None,
    progress: Callable | None = None,
) -> Stage:
    """Map the current embedding; write and return the stage `map2d` or `map3d`, with the rows of the embedding.

    preset : a name in PRESETS. perplexity, iterations (after 250 exaggerated ones) : by default those of the preset.
    most : in a run of more images, a sample of so many is laid out, and the others are placed among it; then the table
    has the columns `placed` and `trust`. BadInput if `most` is below sample.LEAST.
    """
    how = tsne.PRESETS[choose(preset, tsne.PRESETS, "map preset")]
    perplexity, iterations = perplexity or how.perplexity, iterations or how.iterations
    embedding = catalog.stage("embedding")
    vectors, keys = embedding.array(), embedding.table("keys", ["image_id"])
    rows = sample.sampled_rows(keys.image_id.to_numpy(), most, seed)
    report = progress or (lambda *_: None)
    needed = needs(len(rows), len(keys))
    needed.must_fit(f"a map of {len(rows):,} images", "give a smaller number to --sample")
    report(0, 1, f"{len(rows):,} of {len(keys):,} images are laid out; {needed}")
    own = rest.taken(vectors, rows)
    reduction = how.reduction(own, seed)
    reduced = reduction.apply(own)
    options = {"dims": dims, "perplexity": perplexity, "iterations": iterations, "seed": seed, "gradient": gradient}
    places = how.draw(reduced, **options, jobs=jobs, progress=progress)
    parameters = {**options, "preset": preset, "theta": tsne.THETA if preset == "default" else 0.5}
    kept = None
    if len(rows) == len(keys):
        table = tsne.map_table(keys, places)
    else:
        parameters |= {"sampled": len(rows), "rest": REST}
        everywhere, trust = np.empty((len(keys), dims), np.float32), np.ones(len(keys))
        everywhere[rows] = places
        placed = np.ones(len(keys), bool)
        placed[rows] = False
        landmarks = placing.FrozenMap(reduced, places, jobs=1)  # one thread each, as blocks are placed in threads

        def place(some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return landmarks.place(some, REST)

        for at, (found, its_trust) in rest.blocks_of(
            place, reduction, vectors, placed, threads=jobs, progress=progress
        ):
            everywhere[at], trust[at] = found, its_trust
        table = tsne.map_table(keys, everywhere).assign(placed=placed, trust=trust)
        kept = placing.Landmarks(reduction, reduced, np.asarray(places, np.float32))
    with catalog.new_stage(f"map{dims}d", "tsne", parents=[embedding], parameters=parameters) as writer:
        writer.write_table(table)
        if kept:
            writer.write_arrays(kept.arrays(), placing.FILE)
    return writer.stage


def needs(n_laid_out: int, n: int) -> Needs:
    """The memory that a map takes, as measured with 100,000 of up to 5.67 million images in two dimensions."""
    return Needs(n_bytes=0.45e9 + 9_000 * n_laid_out + 75 * n)
