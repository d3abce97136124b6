"""Every model can be used again: pointers move together, nothing is deleted, and the record says who did it."""

import json
import os
import shutil
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from typer.testing import CliRunner

from tests import vectors, warm
from tests.pipeline.retraining.test_retrain import KINDS, ghosts, vote_ghosts
from triptych.app.cli import app as triptych
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier import candidates, predict, train
from triptych.pipeline.errors import CatalogError, UnknownName
from triptych.pipeline.retraining import leftovers, models, retrain
from triptych.pipeline.store import retrain_log
from triptych.pipeline.store.store import LabelStore, open_store


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder of a run with a model of neighbours, then votes, and then a retraining."""
    catalog, truth = vectors.make(tmp_path_factory.mktemp("models") / "run", exposures=24)
    with open_store(catalog) as store:
        vectors.teach(store, truth[~truth.expnum.isin(ghosts(truth))])
        train.train(catalog, store, classifier="knn")
        predict.predict(catalog)
        candidates.find(catalog)
        vote_ghosts(store, truth)
        retrain.retrain(catalog, store, by="lea")
    return catalog.path


@pytest.fixture
def run(made, tmp_path):
    shutil.copytree(made, tmp_path / "run")
    return Catalog.open(tmp_path / "run")


def current(catalog):
    return {kind: catalog.refresh().info["current"][kind] for kind in KINDS}


def test_every_model_is_listed_with_its_parts_and_figures(run):
    new, old = models.models(run)
    assert (new["model"], new["current"], new["problem"]) == ("knn-002", True, "")
    assert (old["model"], old["current"], old["prediction"], old["candidates"]) == (
        "knn-001",
        False,
        "knn-001",
        "exposure-001",
    )
    assert new["taught"]["exposures"] == old["taught"]["exposures"] + 3
    assert new["retraining"] == "knn-001"
    assert new["figures"]["recall"]["value"] > old["figures"]["recall"]["value"]
    assert new["n_candidates"] == len(run.stage("candidates").table())


def test_going_back_moves_all_pointers_and_deletes_nothing_and_forward_again_undoes_it(run):
    there, files = current(run), sorted(p for p in run.path.rglob("*.parquet"))
    models.use(run, "knn-001", by="lea", why="worse on ghosts")
    assert current(run) == {"model": "knn-001", "prediction": "knn-001", "candidates": "exposure-001"}
    run.stage("candidates")  # fresh: nothing says that it is out of date
    assert sorted(p for p in run.path.rglob("*.parquet")) == files
    models.use(run, "knn-002", by="ben")
    assert current(run) == there
    assert run.info["current"]["retraining"] == "knn-001"
    told = [(move["by"], move["why"], move["from"].get("model"), move["to"]["model"]) for move in models.moves(run)]
    assert told == [
        ("lea", "retrained", "knn-001", "knn-002"),
        ("lea", "worse on ghosts", "knn-002", "knn-001"),
        ("ben", "chosen", "knn-001", "knn-002"),
    ]


def test_the_one_in_use_chosen_again_is_no_move(run):
    models.use(run, "knn-002")
    assert len(models.moves(run)) == 1


def test_after_going_back_a_retraining_compares_with_the_model_in_use(run):
    models.use(run, "knn-001")
    with open_store(run) as store:
        report = retrain.retrain(run, store)
    assert report.before["model"].stage_id == "knn-001"
    assert report.after["model"].stage_id == "knn-002"  # the same labels teach the same model


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda run: shutil.rmtree(run.path / "prediction" / "knn-001"), "its prediction is gone"),
        (lambda run: shutil.rmtree(run.path / "candidates" / "exposure-001"), "has no candidates"),
        (lambda run: embed_again(run, 20), "embedding/drawn-002 of another backbone"),
        (lambda run: embed_again(run), "it has not predicted the newest exposures"),
    ],
)
def test_a_model_that_lacks_a_part_is_refused_and_says_what_to_do(run, break_it, says):
    was = current(run)
    break_it(run)
    with pytest.raises(CatalogError, match=says):
        models.use(run, "knn-001")
    assert current(run) == was


def embed_again(run, dims=None):
    old = run.stage("embedding")
    with run.new_stage("embedding", "drawn") as writer:
        writer.write_array(old.array()[:, :dims] * 2)
        writer.write_table(old.table("keys"), "keys")


def test_a_model_that_is_behind_predicts_what_came_since_and_is_used(run):
    embed_again(run)
    assert [row["behind"] for row in models.models(run)] == [True, True]
    steps = []
    row = models.use(run, "knn-001", by="lea", progress=lambda done, total, text="": steps.append(done / total))
    assert steps[-1] == 1
    assert current(run)["model"] == "knn-001"
    prediction, chosen = (run.stage(kind, fresh=False) for kind in ("prediction", "candidates"))
    assert (prediction.stage_id, chosen.stage_id) == (row["prediction"], row["candidates"])
    assert [parent["stage_id"] for parent in prediction.parents] == ["drawn-002", "knn-001"]
    assert chosen.parents[0]["stage_id"] == prediction.stage_id
    found = {row["model"]: row for row in models.models(run)}
    assert (found["knn-001"]["current"], found["knn-001"]["behind"], found["knn-001"]["problem"]) == (True, False, "")
    assert models.moves(run)[-1]["by"] == "lea"


def test_an_unknown_model_is_refused_with_the_known_ones(run):
    with pytest.raises(UnknownName, match="knn-001"):
        models.use(run, "knn-009")


def test_the_command_line_lists_and_goes_back(run):
    listed = CliRunner().invoke(triptych, ["models", "list", str(run.path)])
    assert listed.exit_code == 0
    assert "knn-001" in listed.output
    assert "retrained" in listed.output
    used = CliRunner().invoke(triptych, ["models", "use", str(run.path), "knn-001", "--by", "lea"])
    assert used.exit_code == 0, used.output
    assert current(run)["prediction"] == "knn-001"


# ---- two at once, and killed ones


def test_two_retrainings_asked_for_at_once_become_one(run):
    with open_store(run) as store:
        models.use(run, "knn-001")
        store.import_labels(one_more_label(run), source="more.csv", kind="truth")
    both = threading.Barrier(2)

    def ask(by):
        catalog = Catalog.open(run.path)
        with open_store(catalog) as store:
            both.wait()
            return retrain.retrain(catalog, store, by=by).summary()

    with ThreadPoolExecutor() as pool:
        first, second = pool.map(ask, ["lea", "ben"])
    assert first == second
    assert first["after"]["model"] == "knn-003"
    assert len(run.stages("model")) == 3
    assert [move["why"] for move in models.moves(run)].count("retrained") == 2  # one here, one that made the run
    with open_store(run) as store:
        told = [line["text"] for line in retrain_log.lines(store, str(run.path))]
    assert sum(text.startswith("started") for text in told) == 1


def one_more_label(run):
    labelled = run.stage("model").table("training").image_id
    row = run.ccds()[~run.ccds().image_id.isin(labelled)].head(1)
    return row[["expnum", "ccdname"]].assign(camera="decam", reason="PSF", raw="PSF")


def die_at(folder, percent):
    """Retrain in this process and kill the process at that step. The test below starts it as a process of its own."""

    def progress(done, total, text=""):
        if done >= percent:
            os.kill(os.getpid(), signal.SIGKILL)

    catalog = Catalog.open(folder)
    with LabelStore(catalog.labels_url()) as store:
        retrain.retrain(catalog, store, progress=progress)


@pytest.mark.parametrize("percent", [93, 99])
def test_killed_anywhere_the_run_is_as_it_was_and_the_next_one_clears_up(run, percent):
    models.use(run, "knn-001")
    with open_store(run) as store:
        store.import_labels(one_more_label(run), source="more.csv", kind="truth")
    was, stages = current(run), everything(run)
    process = warm.process(die_at, run.path, percent)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert current(run) == was
    for kind in KINDS:
        for stage in run.stages(kind):
            run.stage(kind, stage.stage_id)  # whole
    left = leftovers.clear_if_idle(run)
    assert everything(run) == stages
    assert left
    with open_store(run) as store:
        assert retrain.retrain(run, store).after["model"].stage_id == "knn-003"
    assert not [p.name for p in run.path.iterdir() if p.name.startswith(".retrain")]


def everything(run):
    return {
        path.relative_to(run.path).as_posix()
        for path in run.path.rglob("*")
        if not path.name.startswith(".") and "labels.db" not in path.name
    }


def test_what_a_person_made_meanwhile_is_no_leftover(run):
    leftovers.note(run, {"classifier": "knn", "seed": 0, "policy": "majority", "store_revision": 10**6})
    with open_store(run) as store:
        own = train.train(run, store, classifier="published")
    assert leftovers.clear_if_idle(run) == []
    assert json.loads((own.path / "stage.json").read_text())["name"] == "published"
