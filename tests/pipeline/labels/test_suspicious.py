"""Lists of suspicious good exposures: they are read, kept out of training, and counted by kind."""

import pandas as pd
import pytest

from tests import vectors
from triptych.pipeline.errors import BadInput
from triptych.pipeline.evaluation.evaluate import evaluate
from triptych.pipeline.evaluation.report_text import as_text
from triptych.pipeline.labels.readers import guess_kind, import_file
from triptych.pipeline.labels.suspicious import SuspiciousList, false_alarms, suspicious
from triptych.pipeline.labels.training_set import read_training_set
from triptych.pipeline.store.store import open_store

LISTED = "expnum,kind\n2,Satellite trail\n4,bright-star\n6,\nx7,moon\n8,bright-star\n"


@pytest.fixture
def listed(tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text(LISTED)
    return path


def test_a_list_is_recognised_and_its_bad_lines_are_named(tmp_path, listed):
    catalog, _truth = vectors.make(tmp_path / "run")
    assert guess_kind(listed) == "suspicious"
    with open_store(catalog) as store:
        report = import_file(store, listed)
        again = import_file(store, listed)
        labels = store.labels()
    assert labels.raw.tolist() == ["satellite_trail", "bright_star", "bright_star"]
    assert set(labels.reason) == {""}
    assert "2 bright_star" in str(report)
    assert "line 4 skipped: exposure 6 without a kind" in str(report)
    assert "'x7' is not an exposure number" in str(report)
    assert "not in the vocabulary" not in str(report)
    assert (report.labels_added, again.labels_added) == (3, 0)
    empty = tmp_path / "empty.csv"
    empty.write_text("expnum,sort\n")
    with pytest.raises(BadInput, match="no column kind"):
        import_file(store, empty, kind="suspicious")


def test_it_neither_teaches_nor_contradicts(tmp_path, listed):
    catalog, truth = vectors.make(tmp_path / "run")
    with open_store(catalog) as store:
        vectors.teach(store, truth)
        before = read_training_set(catalog, store)
        import_file(store, listed)
        after = read_training_set(catalog, store)
    pd.testing.assert_frame_equal(before.table, after.table)
    assert (before.answers, before.report()) == (after.answers, after.report())


def test_shares_and_means_by_kind():
    prediction = pd.DataFrame({"expnum": [1, 1, 2, 2, 3, 3, 4, 4], "reason": ["good", "PSF", *["good"] * 5, "PSF"]})
    scored = {
        "some": pd.DataFrame(
            {"expnum": [1, 2, 3, 4], "bad_probability": [0.9, 0.1, 0.2, 0.4], "sent": [True, False, False, True]}
        )
    }
    labels = pd.DataFrame(
        [(1, "trail"), (2, "trail"), (2, "star"), (4, "star"), (9, "star"), (1, "trail")], columns=["expnum", "raw"]
    ).assign(camera="decam", kind="suspicious")
    exposures = pd.DataFrame({"expnum": [1, 2, 3, 4], "camera": "decam"})
    answers = {1: False, 2: False, 3: False, 4: True}
    known = suspicious(labels, exposures, answers)
    assert known.table.to_dict("list") == {"expnum": [2, 1, 2], "kind": ["star", "trail", "trail"]}
    assert known.judged_bad == 1
    found = false_alarms(prediction, scored, known, answers)
    assert found["kinds"]["trail"] == {
        "n_exposures": 2,
        "n_ccds": 4,
        "ccds_called_bad": 0.25,
        "rules": {"some": {"sent": 1, "share": 0.5, "mean_bad_probability": 0.5}},
    }
    assert (found["any"]["n_exposures"], found["plain"]["n_exposures"]) == (2, 1)
    nothing = false_alarms(prediction, scored, SuspiciousList(known.table[:0]), answers)
    assert nothing["any"]["n_exposures"] == nothing["any"]["rules"]["some"]["share"] == 0


def test_evaluation_predicts_suspicious_exposures_that_have_no_label(tmp_path, listed):
    catalog, truth = vectors.make(tmp_path / "run", spread=0.5)
    with open_store(catalog) as store:
        vectors.teach(store, truth[truth.expnum != 8])
        import_file(store, listed)
        found = evaluate(catalog, store, classifier="knn")
    assert found["suspicious"]["kinds"]["bright_star"]["n_exposures"] == 2
    assert found["suspicious"]["any"]["n_ccds"] == 18
    assert found["suspicious"]["plain"]["n_exposures"] == 9
    assert found["exposure"]["n"] == 23
    assert found["split"]["images"] == 138
    assert "bright_star" in as_text(found)
