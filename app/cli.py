"""`triptych VERB`: parse, call one function, print. Panel is loaded only to serve."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from app.progress import bar, console
from pipeline.errors import TriptychError

app = typer.Typer(
    name="triptych",
    help="Find and judge the bad exposures of an imaging survey.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
labels_app = typer.Typer(
    help="Import label lists and earlier inspections; show what the store holds.", no_args_is_help=True
)
user_app = typer.Typer(help="Accounts of inspectors, leads and viewers.", no_args_is_help=True)
app.add_typer(labels_app, name="labels")
app.add_typer(user_app, name="user")

Run = Annotated[Path, typer.Argument(help="The run folder.", metavar="RUN")]
Sources = Annotated[list[Path], typer.Argument(help="FITS files, folders of them, or folders of focal-plane pictures.")]
Labels = Annotated[str, typer.Option(help="Address of the label store; the run's own labels.db by default.")]
LEFT_OUT = ("of_no_ccd", "not_in_run", "not_finite", "without_vector", "run_images_without")
Seed = Annotated[int, typer.Option(help="Everything random follows from this number.")]

# Shared by train and evaluate: how the training set is made up.
Policy = Annotated[str, typer.Option(help="How votes become labels: any, majority, unanimous or posterior.")]
GoodPool = Annotated[
    str,
    typer.Option(
        help="What teaches good: labelled; unlisted adds CCDs of exposures in no list that pass the survey's cuts; "
        "published adds all CCDs of an exposure of which one passes."
    ),
]
GoodExposures = Annotated[int, typer.Option(help="How many unlisted exposures are drawn; 0 takes all.")]
GoodCcds = Annotated[int, typer.Option(help="How many CCDs of each drawn exposure; 0 takes all.")]
Balance = Annotated[
    str,
    typer.Option(
        help="none; or published: leave out 2/3 of the clouds, 1/2 of the ghosts, 1/4 of the NObjects images."
    ),
]
Upweight = Annotated[
    bool,
    typer.Option(help="Count the reasons that a balance thinned out 3, 2 and 4/3 times, as was meant but not done."),
]
SurveyCcds = Annotated[
    list[Path] | None,
    typer.Option(help="survey-ccds table (FITS) with ccd_cuts and perhaps ebv; may be given several times."),
]


def open_run(folder: Path):
    from pipeline.catalog import Catalog

    return Catalog.open(folder)


def open_store(catalog, labels: str = ""):
    from pipeline.labels import LabelStore

    return LabelStore(labels or catalog.labels_url())


def say(text: str) -> None:
    console.print(text, soft_wrap=True)


@app.command()
def demo(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Where the demonstration survey lies or will lie.")] = Path(
        "runs/demo"
    ),
    port: Annotated[int, typer.Option(help="Port of the dashboard on localhost.")] = 5006,
    exposures: Annotated[int, typer.Option(help="How many exposures to simulate.")] = 64,
    seed: Seed = 0,
    serve: Annotated[bool, typer.Option(help="Start the dashboard when all is made.")] = True,
) -> None:
    """Simulate a small survey, run everything, and serve the dashboard."""
    from app import demo as demonstration

    demonstration.prepare(run, exposures=exposures, seed=seed, bar=bar)
    if serve:
        from app import server

        say(demonstration.welcome(port))
        server.serve(run, port=port)


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder for the simulated exposures.")],
    exposures: Annotated[int, typer.Option(help="How many exposures.")] = 60,
    seed: Seed = 0,
    binning: Annotated[int, typer.Option(help="1 is full size (4094 x 2046 a CCD); 8 makes small files.")] = 8,
) -> None:
    """Make exposures in the Community Pipeline's format with planted defects, and their truth table."""
    from pipeline.simulate import simulate as make

    with bar("simulate") as progress:
        truth = make(out, exposures=exposures, seed=seed, binning=binning, progress=progress)
    bad = truth.loc[truth.reason != "good", "expnum"].nunique()
    say(f"{truth.expnum.nunique()} exposures in {out}, {bad} of them with a defect; truth in {out / 'truth.csv'}")


@app.command()
def ingest(
    run: Run,
    sources: Sources,
    camera: Annotated[str, typer.Option(help="Camera of a new run, used where a file does not say.")] = "decam",
    sample: Annotated[int, typer.Option(help="CCDs per exposure that count for the candidate rules.")] = 20,
    seed: Seed = 0,
) -> None:
    """Read files or folders into the run: tables, previews, quarantine. Again = only what is new or changed."""
    from pipeline.camera import CAMERAS
    from pipeline.catalog import Catalog
    from pipeline.errors import choose
    from pipeline.ingest import ingest as read

    choose(camera, CAMERAS, "camera")
    catalog = Catalog.create(run, camera=camera)
    with bar("ingest") as progress:
        report = read(catalog, sources, sample=sample, seed=seed, progress=progress)
    say(str(report))


@app.command()
def embed(
    run: Run,
    backbone: Annotated[
        str, typer.Option(help="Name of a backbone, of a hub model, or a folder with one.")
    ] = "triptych",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    only_sampled: Annotated[bool, typer.Option(help="Only the sampled CCDs of each exposure.")] = False,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Take vectors that were computed elsewhere: HDF5 (group images, idx_<row>_label_<n>), .npy or "
            "Parquet, or a folder of them. HDF5 and .npy need a table beside them with the same name, .csv or "
            ".parquet, that has image_id, or expnum and ccdname or ccdnum; its rows are counted from 0.",
        ),
    ] = None,
) -> None:
    """Turn every CCD image into a vector. Can be stopped and started again at any time."""
    if source:
        return _embed_from(run, source)
    from pipeline.embedding import embed as make

    with bar("embed") as progress:
        stage = make(open_run(run), backbone=backbone, device=device, only_sampled=only_sampled, progress=progress)
    say(f"embedding/{stage.stage_id}: {stage.info['rows']} vectors")


def _embed_from(run: Path, source: Path) -> None:
    from pipeline.catalog import Catalog
    from pipeline.external import bring_in

    with bar("embed") as progress:
        stage = bring_in(Catalog.create(run), source, progress=progress)
    given = stage.parameters
    left = {name.replace("_", " "): given[name] for name in LEFT_OUT if given[name]}
    counts = "".join(f", {count} {name}" for name, count in left.items())
    say(f"embedding/{stage.stage_id}: {stage.info['rows']} vectors of length {given['dim']}{counts}")


@labels_app.command("import")
def labels_import(
    run: Run,
    files: Annotated[list[Path], typer.Argument(help="Label lists, earlier inspections (CSV, XLSX), truth tables.")],
    kind: Annotated[str, typer.Option(help="What the files are; guessed from their contents by default.")] = "",
    inspector: Annotated[str, typer.Option(help="Whose answers a spreadsheet holds, where it does not say.")] = "",
    maybe: Annotated[str, typer.Option(help="What `maybe` and `y?` count as: unsure or bad.")] = "unsure",
    camera: Annotated[str, typer.Option(help="Camera of the files; the run's by default.")] = "",
    labels: Labels = "",
) -> None:
    """Read label lists and earlier inspections into the label store, with their source."""
    from pipeline.catalog import Catalog
    from pipeline.label_lists import import_file

    catalog = Catalog.create(run, camera=camera or "decam")
    store = open_store(catalog, labels)
    for path in files:
        report = import_file(
            store,
            path,
            kind=kind or None,
            camera=camera or catalog.camera,
            inspector=inspector or None,
            maybe=maybe,
            catalog=catalog,
        )
        say(str(report))


@labels_app.command("show")
def labels_show(run: Run, labels: Labels = "") -> None:
    """Count what the label store holds: labels by source and reason, votes by inspector, verdicts by policy."""
    from pipeline import consensus

    catalog = open_run(run)
    store = open_store(catalog, labels)
    frame, votes = store.labels(), store.votes()
    if len(frame):
        counts = frame.groupby(["source", "reason"]).size().reset_index(name="labels")
        _print_frame(counts, "Imported labels")
    if len(votes):
        _print_frame(votes.groupby(["inspector", "judgement", "via"]).size().reset_index(name="votes"), "Votes")
        rows = []
        for policy in consensus.POLICIES:
            verdict = consensus.verdicts(votes, policy, panel=catalog.panel).verdict.value_counts()
            rows.append({"policy": policy, **{name: int(verdict.get(name, 0)) for name in consensus.VERDICTS}})
        import pandas as pd

        _print_frame(pd.DataFrame(rows), f"Exposures by verdict (panel of {catalog.panel})")
    if not len(frame) and not len(votes):
        say("the label store is empty; `triptych labels import` fills it from lists, the dashboard from votes")


@app.command()
def train(
    run: Run,
    policy: Policy = "majority",
    classifier: Annotated[
        str, typer.Option(help="knn, or published: the same with an image of several labels taught as several images.")
    ] = "knn",
    good_pool: GoodPool = "labelled",
    good_exposures: GoodExposures = 2000,
    good_ccds: GoodCcds = 6,
    balance: Balance = "none",
    upweight: Upweight = False,
    survey_ccds: SurveyCcds = None,
    search: Annotated[
        bool, typer.Option(help="First search for the best parameters over the published space, by halving.")
    ] = False,
    search_by: Annotated[
        str, typer.Option(help="What the search maximises: accuracy, as published, or macro_f1.")
    ] = "accuracy",
    search_candidates: Annotated[
        int, typer.Option(help="How many settings the search starts with; 0 as many as the labels allow.")
    ] = 0,
    test_share: Annotated[
        float, typer.Option(help="Share of the labelled exposures that is tested and does not teach; published 0.3.")
    ] = 0.0,
    split: Annotated[
        str, typer.Option(help="What the test share is drawn by: exposure; or image, only to show how that leaks.")
    ] = "exposure",
    seed: Seed = 0,
    labels: Labels = "",
) -> None:
    """Fit the classifier on all labels and votes of the store."""
    from pipeline import classify
    from pipeline.recipe import Recipe
    from pipeline.survey_ccds import read

    catalog = open_run(run)
    recipe = Recipe(good_pool, balance, upweight, good_exposures, good_ccds)
    with bar("train") as progress:
        stage = classify.train(
            catalog,
            open_store(catalog, labels),
            policy=policy,
            classifier=classifier,
            recipe=recipe,
            survey=read(survey_ccds) if survey_ccds else None,
            searching=classify.Search(search_by, search_candidates) if search else None,
            test_share=test_share,
            split=split,
            seed=seed,
            progress=progress,
        )
    say(f"model/{stage.stage_id}: trained on {len(stage.table('training'))} images")
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


@app.command()
def predict(run: Run) -> None:
    """Probability of each reason for every CCD image, with the labelled neighbours it rests on."""
    from pipeline import classify

    with bar("predict") as progress:
        stage = classify.predict(open_run(run), progress=progress)
    say(f"prediction/{stage.stage_id}: {stage.info['rows']} images")


@app.command()
def cluster(
    run: Run,
    min_cluster_size: Annotated[
        int, typer.Option(help="Smallest group that is a cluster; 0 chooses by the preset and the run's size.")
    ] = 0,
    preset: Annotated[
        str,
        typer.Option(
            help="default: 15 principal components, sizes by the run; published: 100 components, clusters of 5 to 500."
        ),
    ] = "default",
    place: Annotated[
        bool, typer.Option("--place", help="Keep the clusters as they are and only assign new images to them.")
    ] = False,
    seed: Seed = 0,
) -> None:
    """Group similar images with HDBSCAN, and say how good and how stable the groups are."""
    from pipeline import clusters

    with bar("cluster") as progress:
        if place:
            stage = clusters.place(open_run(run), progress=progress)
        else:
            stage = clusters.cluster(
                open_run(run), preset=preset, min_cluster_size=min_cluster_size or None, seed=seed, progress=progress
            )
    table = stage.table()
    say(f"cluster/{stage.stage_id}: {table.cluster.max() + 1} clusters, {(table.cluster < 0).sum()} images in none")
    if place:
        say(f"{table.placed.sum() if 'placed' in table else 0} new images; the clusters are those of {_frozen(stage)}")
        return
    metrics = stage.json("metrics")
    stability = metrics["stability"]
    figures = [metrics["silhouette"], metrics["dbcv"], stability["ari_mean"]]
    words = ["not to be had" if figure is None else f"{figure:.3f}" for figure in figures]
    say(f"silhouette {words[0]}, DBCV {words[1]} (n = {metrics['measured_on']})")
    say(f"stability {words[2]}: adjusted Rand index of {stability['draws']} parts of {stability['images']} images")


def _frozen(stage) -> str:
    return stage.parameters.get("frozen", stage.stage_id)


@app.command("map")
def make_map(
    run: Run,
    dims: Annotated[int, typer.Option(help="2 or 3.")] = 2,
    seed: Seed = 0,
    preset: Annotated[
        str,
        typer.Option(
            help="default: perplexity 30, openTSNE; published: perplexity 50, scikit-learn, after min-max scaling."
        ),
    ] = "default",
    gradient: Annotated[
        str,
        typer.Option(
            help="auto, bh (Barnes-Hut), fft (two dimensions only) or exact (every pair; for a GPU, which auto uses)."
        ),
    ] = "auto",
    place: Annotated[
        bool, typer.Option("--place", help="Keep the map as it is and only give new images a place on it.")
    ] = False,
    how: Annotated[
        str,
        typer.Option(
            help="With --place: transform (optimised) or median (of the neighbours' places; a millisecond each)."
        ),
    ] = "transform",
) -> None:
    """Lay the images out with t-SNE in two or three dimensions, or add new images to the map there is."""
    if place:
        return _place_on_map(run, dims, how)
    from pipeline import maps

    with bar(f"map {dims}-D") as progress:
        stage = maps.make_map(open_run(run), dims=dims, preset=preset, gradient=gradient, seed=seed, progress=progress)
    say(f"{stage.kind}/{stage.stage_id}: {stage.info['rows']} images")


def _place_on_map(run: Path, dims: int, how: str) -> None:
    from pipeline import placing

    with bar(f"place {dims}-D") as progress:
        stage = placing.place(open_run(run), dims=dims, how=how, progress=progress)
    table = stage.table()
    if "placed" not in table or not table.placed.any():
        say(f"{stage.kind}/{stage.stage_id}: nothing new to place")
        return
    trust = table.trust[table.placed]
    say(f"{stage.kind}/{stage.stage_id}: {len(trust)} new of {len(table)} images, on {_frozen(stage)}")
    say(f"trust in the new places: median {trust.median():.2f}; {(trust < 0.5).mean():.0%} below 0.5")


@app.command()
def candidates(
    run: Run,
    rule: Annotated[
        str, typer.Option(help="published (>= 3 of 20 CCDs at > 0.9) or paper (>= 10 of 20).")
    ] = "published",
) -> None:
    """List the exposures that a named rule sends to inspection."""
    from pipeline import candidates as rules

    stage = rules.find(open_run(run), rule=rule)
    scored = stage.table("exposures_scored")
    say(f"candidates/{stage.stage_id}: {len(stage.table())} of {len(scored)} exposures")


@app.command("run")
def run_all(
    run: Run,
    sources: Sources,
    camera: Annotated[str, typer.Option(help="Camera of a new run.")] = "decam",
    backbone: Annotated[
        str, typer.Option(help="Name of a backbone, of a hub model, or a folder with one.")
    ] = "triptych",
    rule: Annotated[str, typer.Option(help="Rule that picks the candidates.")] = "published",
    label: Annotated[
        list[Path] | None, typer.Option(help="Label list to import first; may be given several times.")
    ] = None,
    seed: Seed = 0,
    labels: Labels = "",
) -> None:
    """Everything in order: ingest, labels, embed, train, predict, candidates, cluster, both maps."""
    from pipeline.catalog import Catalog
    from pipeline.label_lists import import_file
    from pipeline.run import run as run_steps

    catalog = Catalog.create(run, camera=camera)
    store = open_store(catalog, labels)
    for path in label or []:
        say(str(import_file(store, path, camera=camera, catalog=catalog)))
    run_steps(catalog, store, sources, backbone=backbone, rule=rule, seed=seed, bar=bar)
    status(run)


@app.command()
def evaluate(
    run: Run,
    policy: Policy = "majority",
    classifier: Annotated[
        str, typer.Option(help="knn, published, or model: the parameters of the current model, such as a search found.")
    ] = "knn",
    rule: Annotated[str, typer.Option(help="Candidate rule whose figures come first.")] = "published",
    cut: Annotated[
        list[float] | None,
        typer.Option(help="Also the figures of images above this probability; may be given again; 0.9 by default."),
    ] = None,
    leak: Annotated[bool, typer.Option(help="Also split by image, as published, to show what that adds.")] = False,
    good_pool: GoodPool = "labelled",
    good_exposures: GoodExposures = 2000,
    good_ccds: GoodCcds = 6,
    balance: Balance = "none",
    upweight: Upweight = False,
    survey_ccds: SurveyCcds = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
    seed: Seed = 0,
    labels: Labels = "",
) -> None:
    """Precision, recall, F1 and support per reason with exposures left out; confusion; per exposure; plots."""
    import json as json_format

    from pipeline import evaluate as evaluation
    from pipeline.recipe import Recipe
    from pipeline.survey_ccds import read

    catalog = open_run(run)
    recipe = Recipe(good_pool, balance, upweight, good_exposures, good_ccds)
    with bar("evaluate") as progress:
        metrics = evaluation.evaluate(
            catalog,
            open_store(catalog, labels),
            policy=policy,
            classifier=classifier,
            rule=rule,
            recipe=recipe,
            survey=read(survey_ccds) if survey_ccds else None,
            cuts=tuple(cut) if cut else evaluation.CUTS,
            show_leak=leak,
            seed=seed,
            progress=progress,
        )
    print(evaluation.as_text(metrics))
    if json:
        json.write_text(json_format.dumps(metrics, indent=1) + "\n")


@app.command()
def similar(
    run: Run,
    images: Annotated[list[str], typer.Argument(metavar="EXPNUM-CCDNAME...", help="One or several picked images.")],
    k: Annotated[int, typer.Option("-k", "--k", help="How many to list.")] = 36,
) -> None:
    """List the nearest images to the picked ones, one per exposure."""
    from pipeline import similar as search

    catalog = open_run(run)
    table = search.similar(catalog, search.image_ids(catalog, images), k=k)
    print(table.to_string(index=False))


@app.command()
def retrain(
    run: Run,
    policy: Annotated[str, typer.Option(help="How votes become training labels.")] = "majority",
    labels: Labels = "",
) -> None:
    """Votes to training set to new predictions, and what changed."""
    from pipeline.retrain import retrain as again

    catalog = open_run(run)
    with bar("retrain") as progress:
        report = again(catalog, open_store(catalog, labels), policy=policy, progress=progress)
    say(str(report))


@app.command()
def export(
    run: Run,
    format: Annotated[str, typer.Option(help="bad_expid, exclude, vi, csv, ecsv, fits or parquet.")] = "bad_expid",
    policy: Annotated[str, typer.Option(help="any, majority, unanimous or posterior.")] = "majority",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="File to write; - or nothing prints text formats.")
    ] = None,
    labels: Labels = "",
) -> None:
    """Write the list that other programs read; the same store gives the same bytes."""
    from pipeline.export import export as write

    catalog = open_run(run)
    target = sys.stdout.buffer if out is None or str(out) == "-" else out
    report = write(catalog, open_store(catalog, labels), format=format, policy=policy, out=target)
    say(str(report))


@user_app.command("add")
def user_add(
    run: Run,
    name: Annotated[str, typer.Argument(help="Name that signs the votes.")],
    role: Annotated[str, typer.Option(help="inspector, lead or viewer.")] = "inspector",
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)] = "",
    labels: Labels = "",
) -> None:
    """Make an account, or give an existing one a new password and role."""
    store = open_store(open_run(run), labels)
    if store.user(name):
        store.set_password(name, password)
        store.set_role(name, role)
    else:
        store.add_user(name, password, role)
    say(f"{name} can log in as {role}")


@user_app.command("close")
def user_close(
    run: Run,
    name: Annotated[str, typer.Argument(help="Whose account.")],
    reopen: Annotated[bool, typer.Option(help="Let the account in again.")] = False,
    labels: Labels = "",
) -> None:
    """Keep an account out; its votes stay."""
    open_store(open_run(run), labels).set_active(name, reopen)
    say(f"{name} {'can log in again' if reopen else 'can no longer log in'}")


@user_app.command("list")
def user_list(run: Run, labels: Labels = "") -> None:
    """List the accounts."""
    for user in open_store(open_run(run), labels).users():
        print(f"{user.name}\t{user.role}\t{'active' if user.active else 'closed'}")


@app.command()
def serve(
    run: Run,
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 5006,
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "localhost",
    blind: Annotated[bool, typer.Option(help="Keep the model's opinion hidden until the inspector has voted.")] = False,
    origin: Annotated[
        list[str] | None, typer.Option(help="HOST:PORT under which browsers reach it, where that is not --address.")
    ] = None,
    tls_proxy: Annotated[
        bool, typer.Option(help="A proxy in front speaks HTTPS: cookies travel over HTTPS alone.")
    ] = False,
    labels: Labels = "",
) -> None:
    """Serve the dashboard."""
    from app import server

    server.serve(
        run, port=port, address=address, labels=labels or None, blind=blind, origins=origin or (), tls_proxy=tls_proxy
    )


@app.command()
def panel(
    run: Run,
    inspectors: Annotated[int, typer.Argument(help="How many inspectors judge each exposure.", min=1)],
) -> None:
    """Say how many inspectors' votes decide: three, unless the run says otherwise."""
    open_run(run).set_info(panel=inspectors)
    say(f"verdicts are counted against a panel of {inspectors}")


@app.command()
def status(run: Run) -> None:
    """Show the run folder as a table."""
    from pipeline.catalog import STAGE_COMMANDS

    catalog = open_run(run)
    quarantine = catalog.quarantine()
    counts = f"{len(catalog.exposures())} exposures, {len(catalog.ccds())} CCD images, {len(quarantine)} in quarantine"
    say(f"{catalog.path}  camera {catalog.camera}, {counts}")
    for problem, count in quarantine.problem.value_counts().items():
        say(f"  quarantine: {count} {problem}")
    table = Table("stage", "current", "rows", "seconds", "made from", box=None)
    for kind in STAGE_COMMANDS:
        for stage in catalog.stages(kind):
            current = "yes" if catalog.info["current"].get(kind) == stage.stage_id else ""
            parents = ", ".join(parent["stage_id"] for parent in stage.parents)
            info = stage.info
            table.add_row(f"{kind}/{stage.stage_id}", current, f"{info['rows']:,}", f"{info['seconds']:.1f}", parents)
    console.print(table)


def _print_frame(frame, title: str) -> None:
    table = Table(*map(str, frame.columns), title=title, box=None, title_justify="left")
    for row in frame.itertuples(index=False):
        table.add_row(*map(str, row))
    console.print(table)


def main() -> None:
    """Run the command line; an error that we raise on purpose is one line and exit code 1."""
    try:
        app()
    except TriptychError as error:
        print(f"triptych: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("triptych: stopped; run the same command again to go on", file=sys.stderr)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
