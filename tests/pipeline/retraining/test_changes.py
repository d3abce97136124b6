"""What changed and why: the causes are labels that really are near, figures are paired, and nothing is invented."""

import numpy as np
import pandas as pd
import pytest

from tests import vectors
from tests.pipeline.retraining.test_retrain import ghosts, vote_ghosts
from triptych.pipeline.classifier import candidates, predict, prediction_parts, train
from triptych.pipeline.image_ids import ccdnum_of, expnum_of
from triptych.pipeline.retraining import changes, gain, retrain
from triptych.pipeline.store.store import open_store


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run trained on all reasons except ghosts, then retrained with votes on half of the ghosts. Neighbours only."""
    catalog, truth = vectors.make(tmp_path_factory.mktemp("retraining") / "run", exposures=36)
    with open_store(catalog) as store:
        vectors.teach(store, truth[~truth.expnum.isin(ghosts(truth))])
        train.train(catalog, store, classifier="knn")
        predict.predict(catalog)
        candidates.find(catalog)
        voted = vote_ghosts(store, truth)
        report = retrain.retrain(catalog, store, by="lea")
    return catalog, truth, report, voted


def test_a_vote_beside_an_exposure_is_named_as_what_changed_it(done):
    _, truth, report, voted = done
    table = report.stage.table().set_index("expnum")
    taught = set(truth.image_id[truth.expnum.isin(voted)])
    for expnum in ghosts(truth)[3:]:
        row = table.loc[expnum]
        assert row["reasons_after"] == "Ghost_Scatter"
        assert row["side_after"] == "bad"
        assert len(row["causes"])
        assert set(row["causes"]) <= taught
        assert row["n_causes"] == len(row["causes"])
        assert set(row["changed_ids"]) <= set(truth.image_id[truth.expnum == expnum])
    assert all(expnum_of(cause) != expnum for expnum, causes in table.causes.items() for cause in causes)


def test_every_cause_is_a_changed_label_among_the_neighbours(done):
    _, _, report, _ = done
    labels = report.stage.table("labels")
    assert set(labels.what) == {"new"}
    near = report.after["prediction"].table().set_index("image_id").neighbour_ids
    for row in report.stage.table().itertuples():
        neighbours = {int(own) for image_id in row.changed_ids for own in near[image_id]}
        assert set(row.causes) <= neighbours & set(labels.image_id)


def test_the_report_counts_labels_and_measures_both_on_the_same_exposures(done):
    _, _, report, voted = done
    said = report.stage.json("report")
    assert said["labels"]["new"] == {"images": 12, "exposures": len(voted)}
    assert said["before"]["model"] != said["after"]["model"]
    assert said["counts"]["entered"] == report.summary()["changed"]["entered"]
    measured = said["metrics"]
    assert measured["kinds"] == {"labelled": 33}
    figure = measured["reasons"]["Ghost_Scatter"]["recall"]
    assert figure["before"]["value"] == 0
    assert figure["after"]["value"] > 0.6
    assert figure["difference"]["low"] <= figure["difference"]["value"] <= figure["difference"]["high"]
    assert report.stage.parent("prediction").stage_id == report.after["prediction"].stage_id


def prediction(rows):
    """image_id -> (p_good, reason, neighbours) as a prediction table."""
    return pd.DataFrame(
        [
            {
                "image_id": image_id,
                "expnum": expnum_of(image_id),
                "ccdname": f"S{ccdnum_of(image_id)}",
                "reason": reason,
                "probability": max(p_good, 1 - p_good),
                "p_good": p_good,
                "p_PSF": 1 - p_good,
                "exposure_probability": 1 - p_good,
                "neighbour_ids": list(near),
                "neighbour_distances": [0.1 * (1 + place) for place in range(len(near))],
            }
            for image_id, (p_good, reason, near) in rows.items()
        ]
    )


def training(rows):
    return pd.DataFrame(
        [(image_id, expnum_of(image_id), "S1", reasons, "truth", "truth") for image_id, reasons in rows.items()],
        columns=["image_id", "expnum", "ccdname", "reasons", "provenance", "basis"],
    )


def test_a_label_that_is_gone_or_changed_is_a_cause_and_a_far_one_is_not():
    old = prediction({101: (0.9, "good", [501, 601]), 201: (0.9, "good", [601]), 301: (0.9, "good", [701])})
    new = prediction({101: (0.2, "PSF", [601, 801]), 201: (0.3, "PSF", [601]), 301: (0.1, "PSF", [701])})
    found = changes.diff(
        old,
        new,
        taught_before=training({501: ["good"], 601: ["good"], 701: ["PSF"]}),
        taught_after=training({601: ["PSF"], 701: ["PSF"], 901: ["PSF"]}),
        sampled=[101, 201, 301],
        rule="exposure",
    )
    assert dict(zip(found.labels.image_id, found.labels.what, strict=True)) == {501: "gone", 601: "changed", 901: "new"}
    table = found.table.set_index("expnum")
    assert set(table.loc[1, "causes"]) == {501, 601}
    assert table.loc[2, "causes"] == [601]
    assert table.loc[3, "causes"] == []  # only a label that stayed is near: nothing is made up
    assert found.counts()["unexplained"] == 1
    assert found.counts()["changed_side"] == 3


def test_an_exposure_that_moved_without_another_name_is_listed_and_one_that_hardly_moved_is_not():
    old = prediction({101: (0.9, "good", []), 201: (0.90, "good", [])})
    new = prediction({101: (0.6, "good", []), 201: (0.89, "good", [])})
    own = training({501: ["good"]})
    found = changes.diff(old, new, taught_before=own, taught_after=own, sampled=[101, 201], rule="exposure")
    assert found.table.expnum.tolist() == [1]
    assert found.table.change.tolist() == ["probability"]
    assert found.table.changed_ids.tolist() == [[101]]
    assert found.labels.empty


def test_labels_of_an_older_model_without_weights_are_not_all_changed():
    before, after = training({501: ["good"]}), training({501: ["good"]}).assign(weight=0.7)
    assert changes.label_changes(before, after).empty
    assert changes.label_changes(after, after.assign(weight=0.4)).what.tolist() == ["changed"]


def test_a_prediction_read_in_parts_gives_what_the_whole_table_gives(tmp_path, monkeypatch):
    """Whichever way it is read, the scores, the changes and the figures are the same, and few rows are held at once."""
    catalog, truth = vectors.make(tmp_path / "run", exposures=24)
    ghosts = truth.expnum[truth.reason == "Ghost_Scatter"]
    with open_store(catalog) as store:
        vectors.teach(store, truth[~truth.expnum.isin(ghosts)])
        first = train.train(catalog, store, classifier="knn")
        old = predict.predict(catalog)
        vectors.teach(store, truth)
        second = train.train(catalog, store, classifier="knn")
        new = predict.predict(catalog)
        held = gain.held_out(catalog, store)
    taught = {"taught_before": first.table("training"), "taught_after": second.table("training")}
    sampled, rows, frame = truth.image_id.to_numpy(), [], prediction_parts._frame
    monkeypatch.setattr(prediction_parts, "BLOCK", 10)
    monkeypatch.setattr(prediction_parts, "_frame", lambda *given: rows.append(len(own := frame(*given))) or own)
    for rule in candidates.RULES:
        scored = [candidates.score(own, sampled, rule=rule) for own in (new.table(), new)]
        pd.testing.assert_frame_equal(*scored)
        tables = old.table(), new.table()
        found = [changes.diff(*pair, **taught, sampled=sampled, rule=rule) for pair in (tables, (old, new))]
        pd.testing.assert_frame_equal(found[0].table, found[1].table)
        assert len(found[0].table) > 3
        assert found[0].table.causes.map(len).max() > 0
        scores = changes.scores(old, new, sampled, rule)
        figures = [
            gain.measure(*tables, held, rule=rule, sampled=sampled),
            gain.measure(old, new, held, rule=rule, sampled=sampled),
            gain.measure(old, new, held, rule=rule, sampled=sampled, scored=scores),
        ]
        assert figures[0] == figures[1] == figures[2]
    assert max(rows) <= 10 + len(vectors.NAMES)


def test_an_exposure_longer_than_a_block_stays_whole(tmp_path, monkeypatch):
    table = pd.DataFrame({"image_id": np.arange(30), "expnum": [1] * 3 + [2] * 25 + [3] * 2})
    table.to_parquet(tmp_path / "table.parquet")
    monkeypatch.setattr(prediction_parts, "BLOCK", 4)
    parts = prediction_parts.parts_of(tmp_path / "table.parquet")
    assert [len(own) for own in parts.blocks(["image_id"])] == [3, 25, 2]
    found = pd.concat(parts.rows(np.array([1, 5, 29, 99]), ["image_id", "expnum", "absent"]))
    assert found.to_numpy().tolist() == [[1, 1], [5, 2], [29, 3]]
