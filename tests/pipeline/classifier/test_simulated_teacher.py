"""The simulated teacher: which learners use it, and what it is made from."""

import numpy as np
import pandas as pd
import pytest

from tests import vectors
from triptych.pipeline.classifier import predict, simulated_teacher, train
from triptych.pipeline.classifier.surroundings import surrounded
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.labels.recipe import Recipe
from triptych.pipeline.reasons import GOOD, REASONS
from triptych.pipeline.store.store import open_store


def keys_and_truth(exposures: int = 6, ccds: int = 40):
    """Exposure 1 is bad on all CCDs, 2 on half of them. The others are good; 6 is a suspicious one."""
    from triptych.pipeline.camera import camera

    pairs = [(expnum, ccdnum) for expnum in range(1, exposures + 1) for ccdnum in range(1, ccds + 1)]
    keys = pd.DataFrame(
        [(image_id_of(e, c), e, camera("decam").name_of(c)) for e, c in pairs],
        columns=["image_id", "expnum", "ccdname"],
    )
    reasons = np.where(keys.expnum == 1, "PSF", np.where((keys.expnum == 2) & (keys.index % 2 == 0), "Noise", GOOD))
    truth = keys[["expnum", "ccdname"]].assign(reason=reasons)
    both = truth[truth.expnum == 1].assign(reason="Bad_CCD").iloc[:3]
    values = np.random.default_rng(0).normal(0, 1, (len(keys), 5)).astype(np.float32)
    return values, keys, pd.concat([truth, both], ignore_index=True)


def test_a_few_ccds_of_every_kind_teach():
    values, keys, truth = keys_and_truth()
    found = simulated_teacher.gather(values, keys, truth, [6], "decam", seed=0)
    images, reasons = found["images"], found["reasons"]
    assert images.shape == (len(reasons), 17)
    counts = pd.Series(reasons).value_counts()
    assert counts["Noise"] == simulated_teacher.OF_A_MIXED
    assert counts["Bad_CCD|PSF"] == 3
    assert counts["PSF"] == simulated_teacher.OF_A_MIXED
    assert (
        counts[GOOD]
        == simulated_teacher.OF_A_MIXED + 3 * simulated_teacher.OF_ONE_KIND + simulated_teacher.OF_AN_ODD_ONE
    )
    whole = surrounded(values, keys, "decam").astype(np.float16)
    assert all((whole == image).all(axis=1).any() for image in images[:10])
    assert found["planes"].shape == (6, 20)
    assert found["plane_reasons"].tolist() == ["Bad_CCD|PSF", "Noise", GOOD, GOOD, GOOD, GOOD]
    again = simulated_teacher.gather(values, keys, truth, [6], "decam", seed=0)
    assert all((again[name] == own).all() for name, own in found.items())


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Use another file than the one installed with the program; afterwards the usual one again."""
    path = tmp_path / "teacher.npz"
    monkeypatch.setattr(simulated_teacher, "FILE", path)
    simulated_teacher._stored.cache_clear()
    yield path
    simulated_teacher._stored.cache_clear()


def test_what_was_written_is_read_for_its_own_backbone_and_camera(elsewhere):
    assert simulated_teacher.teacher_for("seen-1", "decam") is None
    simulated_teacher._stored.cache_clear()
    values, keys, truth = keys_and_truth()
    parts = [simulated_teacher.gather(values, keys, truth, [6], "decam", seed=seed) for seed in (0, 1)]
    simulated_teacher.write(parts, digest="seen-1", camera="decam", note="drawn", path=elsewhere)
    found = simulated_teacher.teacher_for("seen-1", "decam")
    np.testing.assert_array_equal(found.images, np.concatenate([own["images"] for own in parts]).astype(np.float32))
    assert len(found.reasons) == len(found.images)
    planes = found.of_planes()
    assert len(planes.images) == len(planes.reasons) == 12
    assert planes.reasons[0] == ("Bad_CCD", "PSF")
    assert set(found.reasons) == {("PSF",), ("Bad_CCD", "PSF"), ("Noise",), (GOOD,)}
    assert found.labels == tuple(name for name in (*REASONS, GOOD) if name in ("PSF", "Bad_CCD", "Noise", GOOD))
    assert found.note == "drawn"
    assert simulated_teacher.teacher_for("seen-2", "decam") is None
    assert simulated_teacher.teacher_for("seen-1", "mosaic3") is None


def test_the_one_that_comes_with_the_program():
    found = simulated_teacher.teacher_for("triptych-1", "decam")
    assert found.images.dtype == np.float32
    assert len(found.images) == len(found.reasons) > 1000
    assert np.isfinite(found.images).all()
    assert set(found.labels) <= {*REASONS, GOOD}
    assert len(found.labels) > 10


def test_it_is_no_label_no_neighbour_and_no_row_of_the_training_table(elsewhere, tmp_path):
    """Only the linear learner uses the teacher, and `simulated=False` turns it off."""
    catalog, truth = vectors.make(tmp_path / "run", exposures=12, dim=8, spread=3.0)
    stage = catalog.stage("embedding")
    with catalog.new_stage("embedding", "drawn", parameters={"digest": "seen-1"}) as writer:
        writer.write_array(stage.array())
        writer.write_table(stage.table("keys"), "keys")
    other, known = vectors.make(tmp_path / "other", exposures=120, dim=8, spread=3.0)
    part = simulated_teacher.gather(
        other.stage("embedding").array(), other.stage("embedding").table("keys"), known, [], "decam", seed=0
    )
    simulated_teacher.write([part], digest="seen-1", camera="decam", note="drawn", path=elsewhere)
    with open_store(catalog) as store:
        vectors.teach(store, truth)
        with_it = train.train(catalog, store, classifier="linear")
        without = train.train(catalog, store, classifier="linear", recipe=Recipe(simulated=False))
    pd.testing.assert_frame_equal(with_it.table("training"), without.table("training"))
    assert set(with_it.table("training").image_id) <= set(truth.image_id)
    assert with_it.json("report") == without.json("report")
    assert [step["simulated"] for step in with_it.json("head")["steps"]] == [True]
    assert [step["simulated"] for step in without.json("head")["steps"]] == [False]
    predictions = []
    for model in (with_it, without):
        catalog.make_current(model)
        predictions.append(predict.predict(catalog).table())
    assert predictions[0].neighbour_ids.map(list).equals(predictions[1].neighbour_ids.map(list))
    right = [(own.reason.to_numpy() == truth.reason.to_numpy()).mean() for own in predictions]
    assert right[0] > right[1]
