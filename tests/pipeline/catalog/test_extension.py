"""A stage that extends another reads like one that was written whole."""

import shutil

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.pipeline.catalog import extension, joined
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.extension import Following
from triptych.pipeline.errors import StageStale
from triptych.pipeline.image_ids import expnum_of, image_id_of

EXPOSURES = st.sets(st.integers(1, 12), max_size=8)


def ids_of(exposures, ccds: int) -> np.ndarray:
    return np.array([image_id_of(expnum, ccd) for expnum in sorted(exposures) for ccd in range(1, ccds + 1)], np.int64)


def values_of(image_ids: np.ndarray, version: int) -> np.ndarray:
    return np.stack([image_ids, image_ids * 0 + version], axis=1).astype(np.float32)


def keys_of(image_ids: np.ndarray, version: int) -> pd.DataFrame:
    expnums = expnum_of(image_ids)
    names = pd.Series([f"N{number % 100}" for number in image_ids], dtype="str")
    return pd.DataFrame({"image_id": image_ids, "expnum": expnums, "ccdname": names, "version": version})


def merged(base: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    both = pd.concat([base[~base.expnum.isin(own.expnum)], own])
    return both.sort_values("image_id", ignore_index=True)


def new_stage(catalog: Catalog, exposures, version: int, follows: Following | None = None):
    ids = ids_of(exposures, 3 if version == 1 else 2)
    with catalog.new_stage("embedding", "made", parameters={"digest": "a"}) as writer:
        if follows:
            follows.write_array(writer, values_of(ids, version), keys_of(ids, version))
            follows.write_table(writer, keys_of(ids, version), "keys")
        else:
            writer.write_array(values_of(ids, version))
            writer.write_table(keys_of(ids, version), "keys")
    return writer.stage


def following(stage, exposures, whole: bool) -> Following:
    return Following(stage, np.array(sorted(exposures), np.int64), whole)


# ---- two arrays read as one


@given(EXPOSURES, EXPOSURES, st.data())
def test_joined_rows_are_sliced_and_indexed_as_one_array(base, own, data):
    base_ids, own_ids = ids_of(base, 3), ids_of(own, 2)
    spans = joined.spans_of(base_ids, own_ids)
    rows = joined.JoinedRows(values_of(base_ids, 1), values_of(own_ids, 2), spans)
    table = merged(keys_of(base_ids, 1), keys_of(own_ids, 2))
    expected = np.stack([table.image_id, table.version], axis=1).astype(np.float32)
    assert rows.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(rows), expected)
    ends = st.none() | st.integers(-40, 40)
    part = slice(data.draw(ends), data.draw(ends), data.draw(st.sampled_from([None, 1, 2, -1])))
    np.testing.assert_array_equal(rows[part], expected[part])
    np.testing.assert_array_equal(rows[part, 1], expected[part, 1])
    if len(expected):
        some = data.draw(st.lists(st.integers(-len(expected), len(expected) - 1)))
        np.testing.assert_array_equal(rows[np.array(some, int)], expected[np.array(some, int)])
        np.testing.assert_array_equal(rows[some[0] if some else 0], expected[some[0] if some else 0])
        mask = np.arange(len(expected)) % 3 == 1
        np.testing.assert_array_equal(rows[mask], expected[mask])
        with pytest.raises(IndexError, match="of an array of"):
            rows[len(expected)]


# ---- stages


@pytest.mark.parametrize("whole", [False, True])
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_stage_that_follows_reads_as_its_rows_and_the_earlier_ones(tmp_path_factory, whole, data):
    catalog = Catalog.create(tmp_path_factory.mktemp("run") / "run")
    first, second, third = (data.draw(EXPOSURES.filter(bool)) for _ in range(3))
    stage = new_stage(catalog, first, 1)
    expected = stage.table("keys")
    for version, changed in ((2, second), (3, third)):
        stage = new_stage(catalog, changed, version, following(stage, changed, whole))
        expected = merged(expected, keys_of(ids_of(changed, 2), version))
    assert (stage.base is None) == whole
    assert stage.info["rows"] == len(expected)
    pd.testing.assert_frame_equal(stage.table("keys"), expected)
    some = stage.table("keys", ["version", "ccdname"], categories=("ccdname",))
    pd.testing.assert_frame_equal(some.astype({"ccdname": "str"}), expected[["version", "ccdname"]])
    np.testing.assert_array_equal(stage.array()[:, 0], expected.image_id.to_numpy(np.float32))
    np.testing.assert_array_equal(stage.array()[:, 1], expected.version.to_numpy(np.float32))
    asked = [1, 5, 6, 12]
    found = stage.rows_of(asked, ["image_id", "version"], "keys")
    wanted = expected.loc[expected.expnum.isin(asked), ["image_id", "version"]]
    pd.testing.assert_frame_equal(found, wanted.reset_index(drop=True))
    batches = [batch.to_pandas() for batch in stage.batches(4, ["version", "image_id"], "keys")]
    assert max(map(len, batches)) <= 4
    pd.testing.assert_frame_equal(pd.concat(batches, ignore_index=True), expected[["version", "image_id"]])


def test_own_files_hold_the_changed_exposures_only_and_a_base_extends_nothing(tmp_path):
    catalog = Catalog.create(tmp_path / "run")
    first = new_stage(catalog, range(1, 10), 1)
    second = new_stage(catalog, [20], 2, following(first, [20], whole=False))
    third = new_stage(catalog, [21], 3, following(second, [21], whole=False))
    assert [len(joined.ids_of_file(stage.path / "keys.parquet")) for stage in (first, second, third)] == [27, 2, 4]
    assert third.base == first
    assert third.info["extends"]["after"]
    assert extension.differing(second, third, "keys").tolist() == [20, 21]
    assert extension.differing(first, third, "keys").tolist() == [20, 21]


def test_what_is_small_or_has_outgrown_its_base_is_written_whole(tmp_path, monkeypatch):
    catalog = Catalog.create(tmp_path / "run")
    stage = new_stage(catalog, range(1, 11), 1)  # 30 rows
    assert Following.of(stage, np.array([20]), 1).whole
    monkeypatch.setattr(extension, "LEAST", 30)
    monkeypatch.setattr(extension, "SHARE", 0.1)
    assert not Following.of(stage, np.array([20]), 3).whole
    assert Following.of(stage, np.array([20]), 4).whole
    second = new_stage(catalog, [20], 2, following(stage, [20], whole=False))
    assert not Following.of(second, np.array([21]), 1).whole
    assert Following.of(second, np.array([21]), 2).whole


def test_a_base_that_was_changed_is_not_read(tmp_path):
    catalog = Catalog.create(tmp_path / "run")
    first = new_stage(catalog, [1, 2], 1)
    second = new_stage(catalog, [3], 2, following(first, [3], whole=False))
    shutil.rmtree(first.path)
    new_stage(catalog, [1, 4], 1)
    shutil.move(catalog.path / "embedding" / "made-003", first.path)
    with pytest.raises(StageStale, match=f"{first.stage_id} was changed since {second.stage_id}"):
        catalog.stage("embedding", second.stage_id).table("keys")
