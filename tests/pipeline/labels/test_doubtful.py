"""Labels that are likely wrong: what contradicts them, what an answer changes, and what is recorded."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier.predict import predict
from triptych.pipeline.classifier.train import train
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.labels.doubtful import WHYS, doubtful_labels, listed_both, summary
from triptych.pipeline.labels.imported import LABEL_NAMES, ReadOptions
from triptych.pipeline.labels.readers import READERS, guess_kind
from triptych.pipeline.labels.training_set import read_training_set
from triptych.pipeline.store.store import LabelStore, Vote

FIRST = 900001  # of tests.survey: every second exposure is good, those between are bad


def listed(*rows):
    names = ["camera", "expnum", "ccdname", "reason", "raw", "source", "kind"]
    own = [("decam", expnum, ccdname, reason, reason, source, "list") for expnum, ccdname, reason, source in rows]
    return pd.DataFrame(own, columns=names)


def test_an_exposure_in_a_good_list_and_in_a_bad_one_is_listed_and_how_sure_depends_on_what_they_name():
    found = listed_both(
        listed(
            (1, "", "good", "release.csv"),
            (1, "", "", "bad_expid.txt"),
            (2, "", "good", "release.csv"),
            (2, "N10", "Noise", "ccd.txt"),
            (3, "", "good", "release.csv"),
            (4, "", "PSF", "bad_expid.txt"),
            (5, "N10", "good", "truth.csv"),
            (5, "N10", "Streak", "streak.txt"),
            (6, "N10", "good", "truth.csv"),
            (6, "N11", "Ghost_Scatter", "truth.csv"),
            (6, "", "Ghost_Scatter", "bad_expid.txt"),
        )
    ).set_index("expnum")
    assert found["sure"].to_dict() == {1: 1.0, 2: 0.5, 5: 1.0}
    assert found["ccdnames"].to_dict() == {1: "", 2: "N10", 5: "N10"}
    assert found.loc[1, "sentence"] == "release.csv says good; bad_expid.txt says bad, without a known reason."
    assert found.loc[2, "sentence"] == "release.csv says good of the whole exposure; ccd.txt says Noise of N10."


def test_what_is_listed_as_suspicious_contradicts_nothing(fresh_survey):
    catalog = Catalog.open(fresh_survey)
    with LabelStore(catalog.labels_url()) as store:
        before = doubtful_labels(catalog, store)
        expnum = int(catalog.exposures().expnum.iloc[1])
        frame = listed((expnum, "", "", "odd.csv")).drop(columns=["source", "kind"])
        store.import_labels(frame, source="odd.csv", kind="suspicious")
        assert len(doubtful_labels(catalog, store)) == len(before)


@pytest.fixture
def relabelled(tmp_path):
    """A run with right labels on all but two exposures, and a model that was trained on these labels."""
    from tests import survey

    catalog = survey.make(tmp_path / "run", exposures=24)
    exposures = catalog.exposures().expnum.to_numpy()
    truth = catalog.stage("prediction").table().merge(catalog.ccds()[["image_id"]], on="image_id")
    store = LabelStore(catalog.labels_url())
    store.retract(store.votes()["vote_id"].tolist(), "ben")
    # tests.survey has labelled the first quarter; the second follows, with one exposure wrong of each kind
    second = truth[truth.expnum.isin(exposures[6:16])].copy()
    wrong_good, wrong_bad = int(exposures[6]), int(exposures[7])
    second.loc[second.expnum == wrong_good, "reason"] = "good"
    second.loc[second.expnum == wrong_bad, "reason"] = "PSF"
    second = second[["expnum", "ccdname", "reason"]].assign(camera="decam", raw=second.reason)
    store.import_labels(second, source="second.csv", kind="truth")
    train(catalog, store, classifier="knn")
    predict(catalog)
    yield catalog.refresh(), store, wrong_good, wrong_bad
    store.close()


def test_wrong_labels_stand_out_from_their_neighbours_and_right_ones_do_not(relabelled):
    catalog, store, wrong_good, wrong_bad = relabelled
    found = doubtful_labels(catalog, store)
    assert set(found.why) == {"neighbours"}
    assert set(found.expnum) == {wrong_good, wrong_bad}
    assert found.set_index("expnum").loc[wrong_bad, "says"] == "PSF"
    assert found.sure.between(0.5, 1).all()
    assert found.sure.is_monotonic_decreasing
    assert (expnum_of(found.image_id) == found.expnum).all()
    assert summary(found) == {
        "n": 2,
        "in_run": 2,
        "answered": 0,
        "why": dict.fromkeys(WHYS, 0) | {"neighbours": 2},
    }


def test_a_verdict_settles_a_doubt_corrects_the_training_set_and_leaves_the_label_on_record(relabelled):
    catalog, store, wrong_good, wrong_bad = relabelled
    before = store.labels()

    def taught(expnum):
        table = read_training_set(catalog, store).table
        return set(table.loc[table.expnum == expnum, "reasons"].explode())

    assert taught(wrong_bad) == {"PSF"}
    for name in ("amy", "ben"):
        store.cast(Vote(camera="decam", expnum=wrong_bad, inspector=name, judgement="good"))
        store.cast(
            Vote(
                camera="decam",
                expnum=wrong_good,
                inspector=name,
                judgement="bad",
                reasons=("Clouds_transparency",),
            )
        )
    assert doubtful_labels(catalog, store).empty
    assert taught(wrong_bad) == {"good"}
    assert "Clouds_transparency" in taught(wrong_good)
    answered = doubtful_labels(catalog, store, answered=True)
    assert answered.groupby("expnum").answer.first().to_dict() == {wrong_good: "bad", wrong_bad: "good"}
    pd.testing.assert_frame_equal(store.labels(), before)


def test_votes_that_do_not_decide_yet_are_a_doubt_and_a_decision_settles_it(relabelled):
    catalog, store, _, _ = relabelled
    right = int(catalog.exposures().expnum.iloc[9])  # a good one
    frame = listed((right, "", "good", "release.csv")).drop(columns=["source", "kind"])
    store.import_labels(frame, source="release.csv", kind="good")
    store.cast(Vote(camera="decam", expnum=right, inspector="amy", judgement="bad", reasons=("PSF",)))
    found = doubtful_labels(catalog, store)
    row = found[(found.why == "votes") & (found.source == "release.csv")].iloc[0]
    assert row.sentence == "release.csv says good; 1 of 1 vote says bad."
    assert row.from_votes
    assert np.isclose(row.sure, 2 / 3)
    store.cast(Vote(camera="decam", expnum=right, inspector="ben", judgement="good"))
    assert right not in set(doubtful_labels(catalog, store).expnum)


def test_a_label_that_rests_on_one_vote_is_compared_with_its_neighbours_too(tmp_path):
    from tests import survey

    catalog = survey.make(tmp_path / "run", exposures=24)
    store = LabelStore(catalog.labels_url())
    truth = catalog.stage("prediction").table()
    rows = truth[truth.expnum.isin(catalog.exposures().expnum.iloc[6:16])]
    rows = rows[["expnum", "ccdname", "reason"]].assign(camera="decam", raw=rows.reason)
    store.import_labels(rows, source="second.csv", kind="truth")
    train(catalog, store, classifier="knn")
    predict(catalog)
    good = int(catalog.exposures().expnum.iloc[19])  # in no list
    vote = Vote(camera="decam", expnum=good, inspector="amy", judgement="bad", reasons=("Ghost_Scatter",))
    store.cast(vote)
    found = doubtful_labels(catalog, store, policy="any").set_index("expnum")
    assert found.loc[good, "from_votes"]
    assert found.loc[good, "says"] == "Ghost_Scatter"
    assert "amy" in found.loc[good, "source"]
    assert good not in doubtful_labels(catalog, store).expnum.to_numpy()
    store.close()


def test_the_command_lists_them_and_prints_json(relabelled):
    from triptych.app.cli import app

    catalog, _, wrong_good, wrong_bad = relabelled
    shown = CliRunner().invoke(app, ["labels", "doubtful", str(catalog.path)])
    assert shown.exit_code == 0
    assert str(wrong_bad) in shown.output
    answer = json.loads(CliRunner().invoke(app, ["labels", "doubtful", str(catalog.path), "--json"]).output)
    assert {row["expnum"] for row in answer["labels"]} == {wrong_good, wrong_bad}
    assert answer["summary"]["in_run"] == 2


@pytest.mark.slow
def test_the_real_lists_contradict_each_other_on_4928_exposures(real_data):
    """With the one line of processing-y07.txt that names an exposure and no CCD, and is skipped, they are 4,929."""
    names = ("decam-bad_expid.txt", "bad_expid.txt", "psf_rongpu_decam-bad_expid.txt")
    bad = [real_data / "labels" / name for name in names] + sorted((real_data / "labels/delve_exclude").glob("*.txt"))
    tables = []
    for path in [*bad, real_data / "metadata/decam_dr10_good_exp.csv.gz"]:
        kind = guess_kind(path)
        table = pd.DataFrame(READERS[kind](path, ReadOptions()).labels, columns=LABEL_NAMES)
        tables.append(table.drop_duplicates().assign(camera="decam", source=path.name, kind=kind))
    found = listed_both(pd.concat(tables, ignore_index=True))
    assert len(found) == 4928
    assert found["sure"].value_counts().to_dict() == {1.0: 2976, 0.5: 1952}
