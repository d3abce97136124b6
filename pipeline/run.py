"""All steps in order, from files to candidates. Clusters and maps are skipped if they are up to date."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier import candidates, predict, train
from triptych.pipeline.embedding import embed
from triptych.pipeline.errors import StageMissing, StageStale
from triptych.pipeline.ingest import ingest
from triptych.pipeline.vectors import clusters, maps

Bar = Callable[[str], AbstractContextManager]


def is_fresh(catalog: Catalog, kind: str) -> bool:
    """True if the run has a current stage of that kind, made from parents that are still current."""
    try:
        catalog.refresh().stage(kind)
    except (StageMissing, StageStale):
        return False
    return True


def ready(catalog: Catalog, kinds: Sequence[str]) -> bool:
    """True if the run has an up-to-date current stage of each of these kinds."""
    return all(is_fresh(catalog, kind) for kind in kinds)


def run(
    catalog: Catalog,
    store,
    sources: Sequence[str | Path],
    *,
    sample: int = 20,
    backbone: str = "triptych",
    classifier: str = train.DEFAULT,
    rule: str = candidates.DEFAULT,
    seed: int = 0,
    bar: Bar = lambda title: nullcontext(None),
) -> None:
    """Ingest `sources`, embed, train and predict if there are labels, find candidates, cluster and map.

    store : a LabelStore. Without any label or vote in it, training, prediction and candidates are skipped.
    bar : called with a title, returns a context manager whose value is the step's `progress` function.
    """
    if sources:
        with bar("ingest") as progress:
            ingest.ingest(catalog, sources, sample=sample, seed=seed, progress=progress)
    with bar("embed") as progress:
        embed.embed(catalog.refresh(), backbone=backbone, progress=progress)
    if store.revision():
        with bar("train") as progress:
            train.train(catalog.refresh(), store, classifier=classifier, seed=seed, progress=progress)
        with bar("predict") as progress:
            predict.predict(catalog.refresh(), progress=progress)
        candidates.find(catalog.refresh(), rule=rule)
    place(catalog, seed=seed, bar=bar)


def place(catalog: Catalog, *, seed: int = 0, bar: Bar = lambda title: nullcontext(None)) -> None:
    """Make clusters and both maps, each only if it is missing or was made from an older embedding."""
    if not is_fresh(catalog, "cluster"):
        with bar("cluster") as progress:
            clusters.cluster(catalog.refresh(), seed=seed, progress=progress)
    for dims in (2, 3):
        if not is_fresh(catalog, f"map{dims}d"):
            with bar(f"map {dims}-D") as progress:
                maps.make_map(catalog.refresh(), dims=dims, seed=seed, progress=progress)
