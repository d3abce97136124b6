"""The watch takes in what arrives. Stopped, killed or hindered at any point, it ends with the same run."""

import io
import resource
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from tests import nights
from tests.killing import appears, command, finish, kill
from tests.pipeline.test_rerun import assert_same
from triptych.app.judging.viewer import Viewer
from triptych.app.verbs import watch as verbs_watch
from triptych.pipeline.catalog import extension, previews, retention
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier import candidates, predict_newer, train
from triptych.pipeline.classifier import predict as predict_classifier
from triptych.pipeline.errors import CatalogError, UnknownName
from triptych.pipeline.ingest.arrivals import Arrivals
from triptych.pipeline.store.store import Vote, open_store
from triptych.pipeline.vectors import clusters, maps, reduction, similar
from triptych.pipeline.watch import WatchSettings, watch

NEW = (113, 114, 115, 117)  # 114 and 117 are bad


@pytest.fixture(scope="module")
def season(tmp_path_factory) -> Path:
    """A run with every stage. Do not write to it."""
    folder = tmp_path_factory.mktemp("season")
    nights.first_season(folder)
    return folder / "run"


@pytest.fixture
def run(season, tmp_path) -> Catalog:
    shutil.copytree(season, tmp_path / "run")
    return Catalog.open(tmp_path / "run")


@pytest.fixture
def night(tmp_path) -> Path:
    (tmp_path / "night").mkdir()
    return tmp_path / "night"


def arrive(night: Path, expnums=NEW) -> None:
    for expnum in expnums:
        nights.write(night, expnum)


def one_pass(run: Catalog, *folders, once=True, **settings) -> list:
    with open_store(run) as store:
        return list(watch(run, store, folders, WatchSettings(**{"quiet": 0, **settings}), once=once))


def texts(events, kind: str) -> list[str]:
    return [event.text for event in events if event.kind == kind]


def files(run: Catalog) -> dict[str, int]:
    """Every file of the run and when it was written, except the label store and lock files."""
    found = [path for path in run.path.rglob("*") if path.is_file() and "labels.db" not in path.name]
    return {path.relative_to(run.path).as_posix(): path.stat().st_mtime_ns for path in found if path.suffix != ".lock"}


# ---- what a pass does


def test_new_exposures_come_into_the_queue_and_nothing_else_moves(run, night):
    before = {kind: run.stage(kind) for kind in ("map2d", "map3d", "cluster", "model")}
    arrive(night)
    [event] = one_pass(run, night)
    assert event.kind == "pass"
    assert {name: event.counts[name] for name in ("exposures", "quarantined", "entered", "left")} == {
        "exposures": 4,
        "quarantined": 0,
        "entered": 2,
        "left": 0,
    }
    assert event.text.startswith("4 exposures in, 0 to quarantine, 2 candidates entered, ")
    run.refresh()
    assert {114, 117} <= set(run.stage("candidates").table().expnum)
    assert set(run.stage("prediction").table().expnum) == {*nights.FIRST, *NEW}
    assert run.stage("model", fresh=False).stage_id == before["model"].stage_id
    for kind in ("map2d", "map3d", "cluster"):
        table, old = run.stage(kind).table(), before[kind].table()
        assert len(table) == 4 * (len(nights.FIRST) + len(NEW))
        pd.testing.assert_frame_equal(table[~table.placed][list(old)].reset_index(drop=True), old, check_dtype=False)


def test_nothing_new_changes_no_file(run, night):
    arrive(night)
    one_pass(run, night)
    was = files(run)
    assert [(event.kind, event.text) for event in one_pass(run, night)] == [("idle", "nothing new")]
    assert files(run) == was


def test_two_passes_predict_as_one(run, night, tmp_path):
    arrive(night)
    other = Catalog(shutil.copytree(run.path, tmp_path / "other"), run.info)
    one_pass(other, night)
    for expnum in NEW[1:]:
        (night / f"{expnum}.fits").rename(tmp_path / f"{expnum}.fits")
    one_pass(run, night)
    for expnum in NEW[1:]:
        (tmp_path / f"{expnum}.fits").rename(night / f"{expnum}.fits")
    one_pass(run, night)
    for kind in ("prediction", "candidates", "cluster"):
        pd.testing.assert_frame_equal(run.refresh().stage(kind).table(), other.refresh().stage(kind).table())


def test_the_rule_is_the_runs_own_unless_named(run, night):
    arrive(night, NEW[:1])
    one_pass(run, night, rule="any_reason")
    assert run.refresh().stage("candidates").parameters["rule"] == "any_reason"
    arrive(night)
    one_pass(run, night)
    assert run.refresh().stage("candidates").parameters["rule"] == "any_reason"
    with pytest.raises(UnknownName, match="candidate rule"):
        one_pass(run, night, rule="anything")


def test_votes_stay_and_who_judged_is_not_asked_again(run, night):
    from triptych.app.context import AppContext
    from triptych.app.judging.queue import queue_for

    with open_store(run) as store:
        store.add_user("amy", "password of hers", "inspector")
        store.cast(Vote(camera="mosaic3", expnum=102, inspector="amy", judgement="bad", reasons=("PSF",)))
        before = store.votes()
        arrive(night)
        one_pass(run, night)
        pd.testing.assert_frame_equal(store.votes(), before)
        app = AppContext(run.refresh(), store, secret="of a test")
        waits = queue_for(Viewer(app, app.accounts.user("amy"), app.survey())).expnums
        assert {114, 117} <= set(waits)
        assert 102 not in waits


# ---- a large run: only what is new is computed and written


def grow_without_end(monkeypatch) -> None:
    """Every stage that can extends an earlier one, as those of large runs do."""
    monkeypatch.setattr(extension, "LEAST", 1)
    monkeypatch.setattr(extension, "SHARE", 10.0)


def night_by_night(run: Catalog, night: Path) -> None:
    """Three passes: an exposure, two more, and one of these again with other pixels."""
    night.mkdir(exist_ok=True)
    arrive(night, NEW[:1])
    one_pass(run, night)
    arrive(night, NEW[1:3])
    one_pass(run, night)
    again = nights.write(night, 119).rename(night / f"{NEW[1]}.fits")
    fits.setval(again, "EXPNUM", value=NEW[1])
    one_pass(run, night)
    run.refresh()


def test_a_large_run_reads_the_same_as_one_that_is_written_whole(run, night, tmp_path, monkeypatch):
    whole = Catalog(shutil.copytree(run.path, tmp_path / "whole"), run.info)
    night_by_night(whole, tmp_path / "other")
    grow_without_end(monkeypatch)
    night_by_night(run, night)
    for kind in ("embedding", "prediction", "cluster", "map2d", "map3d"):
        grown, stage = run.stage(kind), whole.stage(kind)
        assert grown.base is not None
        assert stage.base is None
        name = "keys" if kind == "embedding" else "table"
        pd.testing.assert_frame_equal(grown.table(name), stage.table(name))
    np.testing.assert_array_equal(run.stage("embedding").array(), whole.stage("embedding").array())
    for name in ("table", "exposures_scored"):
        grown, other = (one.stage("candidates").table(name) for one in (run, whole))
        pd.testing.assert_frame_equal(grown, other)
    again = candidates.score(run.stage("prediction"), [], rule="exposure")
    pd.testing.assert_frame_equal(run.stage("candidates").table("exposures_scored"), again, check_dtype=False)


def test_a_grown_run_is_trained_mapped_and_searched_as_any_other(run, night, tmp_path, monkeypatch):
    whole = Catalog(shutil.copytree(run.path, tmp_path / "whole"), run.info)
    night_by_night(whole, tmp_path / "other")
    grow_without_end(monkeypatch)
    night_by_night(run, night)
    found = []
    for one in (run, whole):
        with open_store(one) as store:
            train.train(one, store)
            predict_classifier.predict(one)
            clusters.cluster(one)
            maps.make_map(one, iterations=20)
        picked = one.ccds_of([NEW[2]]).image_id.to_numpy()[:2]
        near = similar.similar(one, picked, k=5)
        found.append((one.stage("prediction").table(), one.stage("cluster").table(), near))
        assert one.stage("map2d").info["rows"] == one.stage("embedding").info["rows"]
    for grown, other in zip(*found, strict=True):
        pd.testing.assert_frame_equal(grown, other)


def test_a_new_exposure_costs_a_large_run_no_more_than_itself(run, night, monkeypatch):
    grow_without_end(monkeypatch)
    arrive(night, NEW[:1])
    one_pass(run, night)  # the first time, the clusters and maps of a small run are prepared for placing
    done = {"opened": [], "predicted": 0, "scored": 0, "fitted": 0}
    content_of, answers = previews.content_of, predict_classifier.predict_images
    scored = candidates._scored

    def opened(catalog, expnum):
        done["opened"].append(int(expnum))
        return content_of(catalog, expnum)

    def predicted(model, vectors, keys, **options):
        done["predicted"] += len(vectors)
        return answers(model, vectors, keys, **options)

    def scoring(prediction, counted, rule):
        done["scored"] += prediction.expnum.nunique()
        return scored(prediction, counted, rule)

    def fitted(*_, **__):
        done["fitted"] += 1

    monkeypatch.setattr(previews, "content_of", opened)
    monkeypatch.setattr(predict_classifier, "predict_images", predicted)
    monkeypatch.setattr(candidates, "_scored", scoring)
    monkeypatch.setattr(clusters, "fit", fitted)
    monkeypatch.setattr(reduction, "fit_reduction", fitted)
    arrive(night, NEW[1:2])
    one_pass(run, night)
    run.refresh()
    n_ccds = len(run.ccds_of([NEW[1]]))
    assert done == {"opened": [NEW[1]], "predicted": n_ccds, "scored": 2, "fitted": 0}
    for kind in ("embedding", "prediction", "cluster", "map2d", "map3d"):
        stage = run.stage(kind)
        assert stage.info["extends"]["rows"] == (n_ccds if kind in ("cluster", "map2d", "map3d") else 2 * n_ccds)
        assert stage.info["rows"] == n_ccds * (len(nights.FIRST) + 2)


def test_nothing_is_built_on_a_stage_whose_parent_was_removed_by_hand(run, night):
    first, model = run.stage("embedding"), run.stage("model")
    arrive(night, NEW[:1])
    one_pass(run, night)
    shutil.rmtree(run.refresh().stage("embedding").path)
    assert predict_newer.following(run, first, model) is None
    shutil.rmtree(run.stages("prediction")[-1].path)
    earlier = run.stages("prediction")[0]
    assert candidates._scored_since(run, earlier, "exposure") is None


def test_what_a_stage_extends_is_not_removed(run, night, monkeypatch):
    grow_without_end(monkeypatch)
    passes(run, night)
    with open_store(run) as store:
        retention.remove(run, store, keep=1, page_seconds=-60)
    for kind in ("embedding", "prediction", "cluster", "map2d", "map3d"):
        stage = run.stage(kind)
        assert stage.base in run.stages(kind)
        assert len(stage.table("keys" if kind == "embedding" else "table")) == stage.info["rows"]
    assert run.stages("embedding")[0].stage_id == "triptych-001"
    assert len(run.stages("prediction")) < 5


# ---- files that are not complete


def test_a_file_is_complete_when_it_has_not_changed_for_a_while(tmp_path):
    now = [0.0]
    arrivals = Arrivals(10, {}, clock=lambda: now[0])
    path = tmp_path / "a.fits"
    path.write_bytes(b"one")
    assert not arrivals.look([str(path)])
    now[0] = 6
    path.write_bytes(b"more")
    assert not arrivals.look([str(path)])
    now[0] = 12
    assert not arrivals.look([str(path)])
    assert arrivals.waiting == {str(path)}
    now[0] = 16
    assert arrivals.look([str(path)])
    assert not arrivals.waiting
    arrivals.note_read()
    assert not arrivals.look([str(path)])
    path.chmod(0o400)  # rights may be what was missing
    now[0] = 17
    arrivals.look([str(path)])
    now[0] = 30
    assert arrivals.look([str(path)])
    arrivals.note_read()
    assert arrivals.look([])  # gone


def test_a_file_that_still_grows_is_left(run, night):
    arrive(night, NEW[:2])
    grows = night / f"{NEW[0]}.fits"

    def grow() -> bool:
        with open(grows, "ab") as handle:
            handle.write(b"\0" * 2880)
        return False

    events = one_pass(run, night, quiet=0.5, stop=grow)
    assert events[-1].counts["exposures"] == 1
    assert set(run.refresh().stage("prediction").table().expnum) == {*nights.FIRST, NEW[1]}
    assert len(run.quarantine()) == 0
    assert texts(events, "note") == ["1 file still changing; will be read when unchanged for 0.5 s"]


def test_a_broken_file_goes_to_quarantine_and_is_read_again_when_it_changes(run, night):
    arrive(night)
    whole = (night / "114.fits").read_bytes()
    (night / "114.fits").write_bytes(whole[: len(whole) * 3 // 5])
    [event] = one_pass(run, night)
    assert (event.counts["exposures"], event.counts["quarantined"]) == (3, 1)
    assert list(run.quarantine().problem) == ["truncated"]
    assert 114 not in set(run.exposures().expnum)
    (night / "114.fits").write_bytes(whole)
    [event] = one_pass(run, night)
    assert event.counts["exposures"] == 1
    assert len(run.quarantine()) == 0
    assert len(run.refresh().stage("prediction").table()) == 4 * (len(nights.FIRST) + len(NEW))


# ---- what may stand in the way


def test_a_folder_that_is_not_there_is_said_once_and_waited_for(run, night, tmp_path):
    gone = tmp_path / "gone"
    with open_store(run) as store:
        events = watch(run, store, [gone], WatchSettings(quiet=0, every=0.05, stop=lambda: len(seen) > 2), once=False)
        seen = [next(events)]
        assert (seen[0].kind, "does not exist" in seen[0].text) == ("trouble", True)
        arrive(night)
        night.rename(gone)
        seen.append(next(events))
        assert (seen[1].kind, seen[1].counts["exposures"]) == ("pass", 4)
        seen.append(None)
        last = next(events)
        assert last.kind == "stopped"
        assert "1 pass done, 4 exposures in" in last.text


def test_an_empty_folder_is_waited_for(tmp_path, night):
    run = Catalog.create(tmp_path / "new", camera="mosaic3")
    assert texts(one_pass(run, night), "note") == [f"{night} has no exposure yet; waiting"]
    assert len(run.quarantine()) == 0


def test_without_a_model_and_maps_exposures_are_embedded_only(tmp_path, night):
    run = Catalog.create(tmp_path / "new", camera="mosaic3")
    arrive(night)
    events = one_pass(run, night)
    assert "there is no model yet" in texts(events, "note")[0]
    assert set(run.refresh().info["current"]) == {"embedding"}
    assert run.stage("embedding").info["rows"] == 16


def test_a_model_of_another_backbone_predicts_nothing(run, night):
    from triptych.pipeline.embedding import embed

    embed.embed(run, backbone="statistics")
    arrive(night)
    notes = texts(one_pass(run, night), "note")
    assert any("was trained on vectors of another backbone" in note and "triptych train" in note for note in notes)
    assert any("`triptych map --dims 2" in note for note in notes)
    run.refresh()
    assert run.stage("embedding").info["rows"] == 4 * (len(nights.FIRST) + len(NEW))
    assert run.stage("prediction", fresh=False).info["rows"] == 4 * len(nights.FIRST)


def test_vectors_from_elsewhere_are_not_guessed(run, night):
    with run.new_stage("embedding", "external-x", parameters={"backbone": "external"}) as writer:
        writer.write_array(run.stages("embedding")[0].array()[:])
        writer.write_table(run.stages("embedding")[0].table("keys"), "keys")
    arrive(night)
    [event] = one_pass(run, night)
    assert event.kind == "trouble"
    assert "were computed elsewhere" in event.text
    assert set(NEW) <= set(run.exposures().expnum)


def test_one_watch_of_a_run_at_a_time(run, night):
    with open_store(run) as store:
        first = watch(run, store, [night], WatchSettings(quiet=0, every=0.05))
        next(first)
        with pytest.raises(CatalogError, match="is already watched by process"):
            one_pass(run, night)
        first.close()
        one_pass(run, night)
    assert not (run.path / ".watch.lock").exists()


def test_a_full_disk_is_one_line_and_the_next_pass_goes_on(run, night):
    arrive(night)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = dict(run.info["current"])
    with open_store(run) as store:
        store.users()
        events = watch(run, store, [night], WatchSettings(quiet=0, every=0.05))
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # no file may grow beyond this, as on a full disk
        try:
            hindered = next(events)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert hindered.kind == "trouble"
        assert "\n" not in hindered.text
        assert "no space left" in hindered.text
        assert run.refresh().info["current"] == before
        event = next(events)
        assert (event.kind, event.counts["entered"]) == ("pass", 2)
        events.close()


def test_a_model_that_comes_meanwhile_is_the_one_that_predicts(run, night):
    arrive(night)
    asked = []

    def somebody_trains() -> bool:
        asked.append(1)
        if len(asked) == 4:
            with open_store(run) as store:
                train.train(Catalog.open(run.path), store, classifier="knn")
        return False

    events = one_pass(run, night, stop=somebody_trains)
    assert texts(events, "trouble") == []
    run.refresh()
    assert run.stage("prediction").parent("model").name == "knn"
    assert run.stage("prediction").info["rows"] == 4 * (len(nights.FIRST) + len(NEW))


def test_predictions_on_yesterdays_vectors_are_made_up_for(run, night):
    """As if a retraining started before a pass and ended after it."""
    old = dict(run.info["current"])
    arrive(night)
    with open_store(run) as store:
        events = watch(run, store, [night], WatchSettings(quiet=0, every=0.05))
        next(events)
        run.set_info(current={kind: old[kind] for kind in ("model", "prediction", "candidates")})
        assert next(events).counts["entered"] == 2
        events.close()
    assert set(NEW) <= set(run.refresh().stage("prediction").table().expnum)


# ---- stopped and killed


def test_stopped_after_any_step_the_run_is_as_before_and_the_next_watch_finishes_it(run, night, tmp_path):
    arrive(night)
    calm = Catalog(shutil.copytree(run.path, tmp_path / "calm"), run.info)
    one_pass(calm, night)
    pointers = dict(run.info["current"])
    stopped = []
    for after in (0, *range(20)):
        asked = iter(range(100))
        events = one_pass(run, night, stop=lambda: next(asked) >= after)  # noqa: B023
        if events[-1].kind != "stopped":
            break
        stopped.append(events[-1].text)
        assert run.refresh().info["current"] == pointers
    assert [text.split(";")[0] for text in stopped] == [
        "stopped after ingest",
        "stopped after embed",
        "stopped after cluster",
        "stopped after map2d",
        "stopped after map3d",
        "stopped after predict",
        "stopped before the new stages became current",
    ]
    assert "the same command goes on from here" in stopped[0]
    assert_same(run.path, calm.path)


@pytest.mark.slow
def test_killed_at_any_moment_and_started_again_it_is_the_same_run(run, night, tmp_path):
    arrive(night)
    calm = shutil.copytree(run.path, tmp_path / "calm")
    words = ["--once", "--quiet", "0"]
    finish("watch", calm, night, *words)
    before, after = dict(run.info["current"]), Catalog.open(calm).info["current"]
    for pattern in (
        "previews/*/*.npz",
        "embedding/*/*",
        "cluster/*/*",
        "map2d/*/*",
        "prediction/*/*",
        "candidates/*/*",
    ):
        there = len(list(run.path.glob(pattern)))
        kill(command("watch", run.path, night, *words), appears(run.path, pattern, there + 1))
        assert run.refresh().info["current"] in (before, after)  # never some of each
    finish("watch", run.path, night, *words)
    assert_same(run.path, calm)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_asked_to_with_a_line_that_says_what_is_done(run, night, number):
    arrive(night)
    process = command("watch", run.path, night, "--quiet", "0", "--every", "0.2")
    lines = [process.stdout.readline()]
    process.send_signal(number)
    said = lines[0] + process.communicate(timeout=60)[0]
    assert process.returncode == 0, said
    assert "4 exposures in, 0 to quarantine, 2 candidates entered" in said
    assert "stopping after this step" in said
    assert "1 pass done, 4 exposures in; the same command goes on from here" in said


def test_being_asked_to_end_while_a_line_is_written_loses_nothing(monkeypatch, capfd):
    class Interrupted(io.RawIOBase):
        written = b""

        def writable(self):
            return True

        def write(self, piece):
            if not stop.asked:
                signal.raise_signal(signal.SIGTERM)
            self.written += bytes(piece)
            return len(piece)

    raw = Interrupted()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BufferedWriter(raw)))
    stop = verbs_watch.Stop()
    try:
        verbs_watch.say("4 exposures in")
        sys.stderr.flush()
    finally:
        stop.give_back()
    assert raw.written == b"4 exposures in\n"
    assert stop()
    assert "stopping after this step" in capfd.readouterr().err


@pytest.mark.slow
def test_a_single_pass_that_cannot_be_made_ends_with_an_error(run, tmp_path):
    process = command("watch", run.path, tmp_path / "nowhere", "--once")
    said = process.communicate()[0]
    assert process.returncode == 1
    assert "nowhere does not exist" in said


# ---- what is kept


def passes(run: Catalog, night: Path) -> None:
    for expnum in NEW:
        arrive(night, [expnum])
        one_pass(run, night)
    run.refresh()


def test_old_stages_stay_unless_asked(run, night):
    passes(run, night)
    assert [len(run.stages(kind)) for kind in retention.KINDS] == [5] * 6


def test_with_keep_what_a_later_stage_holds_too_goes(run, night):
    passes(run, night)
    with open_store(run) as store:
        assert retention.remove(run, store, keep=2) == []  # replaced just now: an open page may show them
        gone = retention.remove(run, store, keep=2, page_seconds=-60)
        assert len(gone) == 6 * 3 - 4  # the maps and clusters that were computed stay, with their embedding
        assert retention.remove(run, store, keep=2, page_seconds=-60) == []
    for kind in retention.KINDS:
        assert run.stage(kind)
        assert len(run.stages(kind)) in (2, 3)
    assert [run.stages("map2d")[0].stage_id, run.stages("embedding")[0].stage_id] == ["tsne-001", "triptych-001"]
    arrive(night, [118])
    assert one_pass(run, night, keep=2)[-1].counts["exposures"] == 1


def test_what_a_vote_or_a_retraining_names_stays_with_all_it_rests_on(run, night):
    passes(run, night)
    before, seen = run.stages("prediction")[1:3]
    with open_store(run) as store:
        screen = {"stage": seen.stage_id}
        vote = store.cast(Vote(camera="mosaic3", expnum=102, inspector="amy", judgement="good", screen=screen))
        store.retract(vote.vote_id, "amy")  # the record stays, and so does what it names
        job = store.ask_job("retrain", {})
        store.claim_job()
        store.finish_job(job, {"before": {"prediction": before.stage_id}})
        retention.remove(run, store, keep=1, page_seconds=-60)
    left = [stage.stage_id for stage in run.stages("prediction")]
    assert left == [before.stage_id, seen.stage_id, run.info["current"]["prediction"]]
    assert seen.parent("embedding").array().shape[0] == seen.info["rows"]
    assert any(stage.parents[0]["stage_id"] == seen.stage_id for stage in run.stages("candidates"))


def test_a_removal_that_was_killed_is_finished_by_the_next_stage(run, night):
    arrive(night, NEW[:1])
    one_pass(run, night)
    victim = run.refresh().stages("cluster")[1]
    aside = victim.path.with_name(f".aside-gone-{victim.stage_id}")
    aside.with_name(aside.name + ".lock").touch()
    victim.path.rename(aside)
    run.set_info(current={"cluster": run.stages("cluster")[0].stage_id})
    arrive(night)
    assert one_pass(run, night)[-1].kind == "pass"
    assert not list((run.path / "cluster").glob(".*"))
