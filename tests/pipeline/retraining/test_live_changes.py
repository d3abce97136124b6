"""What votes change between two fits. A state that may be lost at any time agrees with a full prediction."""

import json
import shutil
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests import vectors
from tests.killing import PATIENCE_SECONDS, command, kill
from triptych.app.cli import app as command_line
from triptych.app.worker import LiveWork, WorkerProcess
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier import model_files, predict, train
from triptych.pipeline.classifier.predict import predict_images
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.labels.training_set import read_training_set
from triptych.pipeline.retraining import live_cache, live_changes
from triptych.pipeline.retraining.live_changes import follow
from triptych.pipeline.retraining.live_tables import LabelledRows
from triptych.pipeline.retraining.live_written import written
from triptych.pipeline.store.store import Vote, open_store

GHOSTS = "Ghost_Scatter"


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    return made(tmp_path_factory.mktemp("once") / "run")


@pytest.fixture
def run(once, tmp_path):
    """A run with a model of neighbours. Its labels have no ghosts yet."""
    catalog, ghosts = once
    return Catalog.open(shutil.copytree(catalog.path, tmp_path / "run")), ghosts


def made(folder, **more):
    catalog, truth = vectors.make(folder, exposures=30, **more)
    ghosts = truth.expnum[truth.reason == GHOSTS].unique()
    with open_store(catalog) as store:
        vectors.teach(store, truth[~truth.expnum.isin(ghosts)])
        train.train(catalog, store, classifier="knn")
    predict.predict(catalog)
    return catalog, sorted(int(expnum) for expnum in ghosts)


def vote(store, expnum, judgement="bad", reasons=(GHOSTS,), names=("amy", "ben")):
    for name in names:
        said = reasons if judgement == "bad" else ()
        store.cast(Vote(expnum=expnum, inspector=name, judgement=judgement, reasons=said))


def full(catalog, store):
    """A full prediction with the reduction of the model and today's training set."""
    stage = catalog.stage("model")
    model, embedding = model_files.read_model(stage), catalog.stage("embedding")
    taught = read_training_set(catalog, store).table
    keys = embedding.table("keys")
    places = np.searchsorted(keys.image_id, taught.image_id)
    reduced = model.reduction.apply(embedding.array())[places]
    return predict_images(replace(model, training=taught, vectors=reduced), embedding.array(), keys)


def check(found, before, after):
    """The table lists the differences of two prediction tables."""
    other = (before.reason != after.reason) | (before.probability != after.probability)
    other |= before.p_good != after.p_good
    expected = after[other].groupby("expnum").image_id.agg(list)
    assert dict(zip(found.table.expnum, found.table.image_ids.map(list), strict=True)) == expected.to_dict()
    for when, table in (("before", before), ("after", after)):
        bad = (1 - table.p_good).groupby(table.expnum).mean()
        np.testing.assert_allclose(found.table[f"bad_probability_{when}"], bad[found.table.expnum])
        assert found.table[f"n_bad_{when}"].tolist() == [
            int((table.reason[table.expnum == expnum] != "good").sum()) for expnum in found.table.expnum
        ]


def test_a_verdict_tells_what_it_changes_and_why(run):
    catalog, ghosts = run
    with open_store(catalog) as store:
        before = catalog.stage("prediction").table()
        first = follow(catalog, store)
        assert first.info["made"]
        assert first.table.empty
        vote(store, ghosts[0])
        found = follow(catalog, store)
        assert not found.info["made"]
        check(found, before, full(catalog, store))
        assert set(ghosts[1:]) <= set(found.table.expnum)
        assert found.info["revision"] == store.revision()
        near = found.table[found.table.expnum == ghosts[1]].iloc[0]
        assert {expnum_of(int(cause)) for cause in near.causes} == {ghosts[0]}
        assert near.reason_after == GHOSTS
        label = found.labels.set_index("image_id").loc[near.causes[0]]
        assert (label.what, label.reasons_before, label.reasons_after) == ("new", "", GHOSTS)
        again = written(catalog)
        assert again.info == found.info
        assert again.table.expnum.tolist() == found.table.expnum.tolist()


def test_labels_that_go_or_turn_are_causes_too(run):
    catalog, ghosts = run
    with open_store(catalog) as store:
        before = catalog.stage("prediction").table()
        taught = int(before.expnum[before.reason == "PSF"].iloc[0])
        vote(store, taught, "good")
        check(follow(catalog, store), before, full(catalog, store))
        found = follow(catalog, store)
        turned = found.labels[found.labels.expnum == taught]
        assert set(turned.what) == {"changed"}
        assert "PSF" in set(turned.reasons_before)
        assert set(turned.reasons_after) == {"good"}
        vote(store, taught, "unsure")
        vote(store, ghosts[0], "good")
        check(follow(catalog, store), before, full(catalog, store))


def test_many_rounds_of_votes_are_a_full_prediction(run):
    catalog, _ = run
    rng, labelled = np.random.default_rng(1), LabelledRows(catalog)
    with open_store(catalog) as store:
        before = catalog.stage("prediction").table()
        for turn in range(4):
            for expnum in rng.choice(np.arange(1, 31), 3, replace=False):
                kind = rng.choice(["good", "bad", "bad"])
                vote(
                    store, int(expnum), kind, (str(rng.choice([GHOSTS, "PSF"])),), ("amy", "ben", "cai")[: turn % 2 + 2]
                )
            labelled.follow(store)
            found = follow(catalog, store, labelled=labelled, threads=turn % 2 + 1)
            check(found, before, full(catalog, store))


def test_rows_of_labelled_exposures_make_the_same_training_set(run):
    catalog, ghosts = run
    labelled = LabelledRows(catalog)
    with open_store(catalog) as store:
        for expnum in ghosts[:3]:
            vote(store, expnum, reasons=())
            labelled.follow(store)
            one, other = read_training_set(labelled, store), read_training_set(catalog, store)
            pd.testing.assert_frame_equal(one.table, other.table)
            assert one.answers == other.answers
        everything = catalog.exposures().expnum
    assert 0 < len(labelled.ccds_of(everything)) < len(catalog.ccds_of(everything))


def broken(folder, how):
    if how == "half a file":
        path = folder / "distances.npy"
        path.write_bytes(path.read_bytes()[:5000])
    elif how == "no file":
        (folder / "slots.npy").unlink()
    elif how == "killed in a change":
        (folder / "changing").touch()
    elif how == "another start of the machine":
        plain = json.loads((folder / "state.json").read_text())
        (folder / "state.json").write_text(json.dumps({**plain, "started": "then"}))
    elif how == "no JSON":
        (folder / "state.json").write_text("{")
    elif how == "other neighbours":
        numbers = np.load(folder / "numbers.npy", mmap_mode="r+")
        numbers[:, :7] = numbers[:, 6::-1]
    elif how == "neighbours that are none":
        np.load(folder / "numbers.npy", mmap_mode="r+")[:] = 10**6
    else:
        shutil.rmtree(folder)


WAYS = ["half a file", "no file", "killed in a change", "another start of the machine", "no JSON", "other neighbours"]
WAYS += ["neighbours that are none", "nothing"]


@pytest.mark.parametrize("how", WAYS)
def test_a_state_that_is_lost_or_damaged_is_made_again(run, how):
    catalog, ghosts = run
    with open_store(catalog) as store:
        before = catalog.stage("prediction").table()
        follow(catalog, store)
        vote(store, ghosts[0])
        broken(catalog.live_folder / "state", how)
        found = follow(catalog, store)
        assert found.info["made"]
        check(found, before, full(catalog, store))
        assert not follow(catalog, store).info["made"]


def test_another_model_makes_another_state(run):
    catalog, ghosts = run
    with open_store(catalog) as store:
        follow(catalog, store)
        vote(store, ghosts[0])
        train.train(catalog, store, classifier="knn")
        predict.predict(catalog)
        found = follow(catalog, store)
        assert found.info["made"]
        assert found.info["model"] == "knn-002"
        assert found.table.empty


@pytest.mark.parametrize("classifier", ["published", "mixed"])
def test_other_classifiers_are_followed_by_their_neighbours(tmp_path, classifier):
    catalog, truth = vectors.make(tmp_path / "run", exposures=12)
    with open_store(catalog) as store:
        vectors.teach(store, truth[truth.expnum > 4])
        train.train(catalog, store, classifier=classifier)
        predict.predict(catalog)
        assert follow(catalog, store).table.empty
        vote(store, 2, reasons=(GHOSTS, "PSF"))
        found = follow(catalog, store)
        assert found.info["learners"] == (classifier == "mixed")
        assert found.info["added"] == (2 if classifier == "published" else 1) * 6
        vote(store, 2, "unsure")
        assert follow(catalog, store).table.empty


@pytest.mark.slow
def test_killed_while_it_follows_it_is_made_again_or_as_it_was(tmp_path):
    catalog, ghosts = made(tmp_path / "run", dim=20)
    with open_store(catalog) as store:
        before = catalog.stage("prediction").table()
        state = catalog.live_folder / "state"
        kill(command("live", catalog.path), lambda: any(catalog.live_folder.glob(".aside-*/reduced.npy")))
        assert not state.exists()
        follow(catalog, store)
        assert not list(catalog.live_folder.glob(".aside-*"))
        vote(store, ghosts[0])
        kill(command("live", catalog.path), (state / "changing").exists)
        found = follow(catalog, store)
        assert found.info["made"]
        check(found, before, full(catalog, store))


def test_the_worker_follows_votes_between_jobs(run):
    catalog, ghosts = run
    with open_store(catalog) as store:
        worker = WorkerProcess(catalog.path, store.url)
        worker.start()
        try:
            wait_for(lambda: followed(catalog, store), "the worker never followed the labels")
            vote(store, ghosts[0])
            wait_for(lambda: followed(catalog, store), "the worker never followed the votes")
        finally:
            worker.stop()
        found = written(catalog)
        assert set(ghosts[1:]) <= set(found.table.expnum)
        check(found, catalog.stage("prediction").table(), full(catalog, store))


def wait_for(true, otherwise: str) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < until, otherwise
        time.sleep(0.1)


def followed(catalog, store) -> bool:
    found = written(catalog)
    return found is not None and found.info["revision"] == store.revision()


def test_the_worker_looks_only_where_something_is_new(run):
    catalog, ghosts = run
    with open_store(catalog) as store:
        work = LiveWork(Catalog.open(catalog.path), store)
        assert work.look()
        assert not work.look()
        vote(store, ghosts[0])
        assert work.look()
        assert not work.look()
        store.ask_job("retrain", {}, "lea", str(catalog.path))
        live_cache.forget(catalog)
        vote(store, ghosts[1])
        assert not work.look()  # a job waits, and making the state anew would take long
        assert written(catalog).info["revision"] < store.revision()


def test_what_cannot_be_followed_says_why(run):
    catalog, _ = run
    with open_store(catalog) as store:
        work = LiveWork(Catalog.open(catalog.path), store)
        embedding = catalog.stage("embedding")
        with catalog.new_stage("embedding", "other") as writer:
            writer.write_array(np.array(embedding.array()))
            writer.write_table(embedding.table("keys"), "keys")
        assert work.look()
        assert "triptych retrain" in written(catalog).info["error"]
        assert not work.look()


def test_a_run_without_predictions_is_left_alone(tmp_path):
    catalog, _ = vectors.make(tmp_path / "run", exposures=6)
    with open_store(catalog) as store:
        assert not LiveWork(catalog, store).look()
    assert written(catalog) is None


def test_the_verb_prints_the_list(run):
    catalog, ghosts = run
    with open_store(catalog) as store:
        live_changes.follow(catalog, store)
        vote(store, ghosts[0])
    result = CliRunner().invoke(command_line, ["live", str(catalog.path), "--shown", "3"], catch_exceptions=False)
    lines = result.stdout.splitlines()
    assert len(lines) == 4
    assert lines[1].split("\t")[-1] == str(ghosts[0])
    assert "labels: 6 added" in result.stderr
