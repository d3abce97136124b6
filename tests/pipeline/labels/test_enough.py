"""How many images of a class long lists teach."""

import numpy as np
import pandas as pd
import pytest

from tests.pipeline.labels.test_training_set import label, panel_votes, tables
from triptych.pipeline.labels import enough
from triptych.pipeline.labels.training_set import read_labels, read_training_set, training_set
from triptych.pipeline.store.store import LabelStore

FEW = 12  # images of a class, in place of 12,000


@pytest.fixture
def store(tmp_path):
    with LabelStore(f"sqlite:///{tmp_path / 'labels.db'}") as store:
        yield store


def learn(store, n_exposures, most=FEW, **options):
    ccds, exposures = tables(n_exposures)
    return training_set(ccds, exposures, store.votes(), store.labels(), most=most, **options)


def good(store, expnums, source="good list"):
    label(store, [(e, "", "good", "good") for e in expnums], source=source)


def test_a_short_list_teaches_whole(store):
    good(store, [1, 2, 3])
    found = learn(store, 5)
    assert len(found.table) == 12
    assert not found.left_out[enough.WHY]


def test_a_long_list_teaches_as_many_as_enough_and_says_how_many_it_left_out(store):
    good(store, range(1, 41))
    found = learn(store, 40)
    assert len(found.table) == FEW
    assert found.left_out[enough.WHY] == 160 - FEW
    assert found.report()["left_out"][enough.WHY] == 160 - FEW
    assert set(found.answers) == set(found.table.expnum)


def test_the_same_images_are_drawn_when_the_survey_grows(store):
    good(store, range(1, 41))
    before = set(learn(store, 40).table.image_id)
    good(store, range(41, 51), source="a further list")
    after = set(learn(store, 50).table.image_id)
    assert len(before & after) >= FEW / 2


def test_at_most_so_many_ccds_of_an_exposure_of_a_long_list():
    rows = pd.DataFrame({"image_id": np.arange(100), "expnum": np.arange(100) // 20, "reason": "good"})
    kept = rows[enough.enough(rows, most=15, each=3)]
    assert kept.groupby("expnum").size().tolist() == [3] * 5
    kept = rows[enough.enough(rows, most=9, each=3)]
    assert len(kept) == 9
    assert (kept.groupby("expnum").size() <= 3).all()


def test_bad_classes_are_drawn_one_by_one_and_an_image_of_two_classes_stays_whole():
    rows = pd.DataFrame(
        {"image_id": np.arange(60), "expnum": np.arange(60) // 4, "reason": ["PSF"] * 50 + ["Noise"] * 10}
    )
    rows = pd.concat([rows, pd.DataFrame({"image_id": range(5), "expnum": 0, "reason": "Noise"})], ignore_index=True)
    kept = rows[enough.enough(rows, most=20, each=6)]
    assert len(kept[kept.reason == "Noise"]) == 15
    assert 20 <= len(kept[kept.reason == "PSF"]) <= 25
    both = kept[kept.image_id < 5]
    assert sorted(both.reason) == ["Noise"] * 5 + ["PSF"] * 5


def test_what_inspectors_said_is_never_left_out(store):
    good(store, range(1, 41))
    for expnum in (7, 8, 9):
        panel_votes(store, expnum, ["good"] * 3)
    label(store, [(12, "N2", "Noise", "noise")], source="bad list")
    found = learn(store, 40)
    judged = found.table[found.table.provenance == "whole_exposure"]
    assert sorted(judged.expnum.unique()) == [7, 8, 9]
    assert len(judged) == 12
    assert found.left_out["images listed both as good and as bad"] == 1
    assert {7, 8, 9} <= set(found.answers)


class Reading:
    """A run that counts the exposures whose CCDs are read."""

    camera, panel = "decam", 3

    def __init__(self, n):
        self._ccds, self._exposures = tables(n)
        self.read = []

    def exposures(self):
        return self._exposures.assign(n_ccds=4)

    def ccds_of(self, expnums, columns):
        self.read += list(expnums)
        return self._ccds.loc[self._ccds.expnum.isin(expnums), list(columns)]

    def has(self, kind):
        return False


def test_ccds_are_read_only_of_exposures_that_may_teach(store):
    n = 5 * enough.MOST_IMAGES // 4
    good(store, range(1, n + 1))
    run = Reading(n + 1000)
    found = read_training_set(run, store)
    assert len(found.table) == enough.MOST_IMAGES
    assert len(run.read) == enough.MOST_IMAGES / 4


def test_what_is_known_of_some_exposures_is_all_that_is_read(store):
    good(store, range(1, 41))
    run = Reading(50)
    found = read_labels(run, store, only=[3, 4, 45])
    assert found.answers == {3: False, 4: False}
    assert sorted(run.read) == [3, 4]
