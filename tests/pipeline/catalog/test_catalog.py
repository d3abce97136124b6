"""The run folder: whole or not at all, pointers that move in one step, parents that are checked."""

import json

import numpy as np
import pandas as pd
import pytest

from triptych.pipeline.catalog import tables
from triptych.pipeline.catalog.catalog import CCD_COLUMNS, EXPOSURE_COLUMNS, Catalog
from triptych.pipeline.errors import CatalogError, StageMissing, StageStale, UnknownName
from triptych.pipeline.image_ids import image_id_of


@pytest.fixture
def catalog(tmp_path):
    return Catalog.create(tmp_path / "run")


def write(catalog, kind="embedding", name="tiny", parents=(), value=1.0, **options):
    with catalog.new_stage(kind, name, parents=parents, parameters={"value": value}, **options) as writer:
        writer.write_array(np.full((3, 2), value, np.float32))
        writer.write_table(pd.DataFrame({"image_id": [1, 2, 3]}), "keys")
    return writer.stage


def test_a_new_run_has_empty_tables_with_their_columns(catalog):
    assert list(catalog.exposures().columns) == list(EXPOSURE_COLUMNS)
    assert list(catalog.ccds().columns) == list(CCD_COLUMNS)
    assert catalog.panel == 3


def test_not_a_run(tmp_path):
    with pytest.raises(CatalogError, match="triptych ingest"):
        Catalog.open(tmp_path)
    (tmp_path / "file.txt").write_text("mine")
    with pytest.raises(CatalogError, match="not a run folder"):
        Catalog.create(tmp_path)


def test_tables_are_sorted_and_typed(catalog):
    catalog.write_tables(exposures=pd.DataFrame({"expnum": [5, 2], "extra": [1, 2], "airmass": [None, 1.5]}))
    table = catalog.exposures()
    assert table.expnum.tolist() == [2, 5]
    assert table["filter"].tolist() == ["", ""]
    assert np.isnan(table.airmass[1])
    assert table.extra.tolist() == [2, 1]


def test_preview_round_trip_in_order_of_ccd(catalog):
    pixels = np.stack([np.full((4, 2), 7, np.float32), np.full((4, 2), np.nan, np.float32)])
    catalog.write_preview(12, [40, 3], pixels)
    ccdnums, stored = catalog.preview(12)
    assert ccdnums.tolist() == [3, 40]
    assert np.isnan(stored[0]).all()
    assert (stored[1] == 7).all()
    with pytest.raises(CatalogError, match="has no exposure 13"):
        catalog.preview(13)
    assert (catalog.ccd_preview(12, 40) == 7).all()
    assert np.isnan(catalog.ccd_preview(12, 3)).all()
    with pytest.raises(KeyError, match="no CCD number 41"):
        catalog.ccd_preview(12, 41)


def test_stages_count_up_and_the_newest_is_current(catalog):
    assert write(catalog).stage_id == "tiny-001"
    assert write(catalog, value=2.0).stage_id == "tiny-002"
    assert catalog.stage("embedding").array()[0, 0] == 2.0
    catalog.make_current(catalog.stage("embedding", "tiny-001"))
    assert Catalog.open(catalog.path).stage("embedding").array()[0, 0] == 1.0
    assert [stage.stage_id for stage in catalog.stages("embedding")] == ["tiny-001", "tiny-002"]


def test_a_failed_stage_leaves_nothing(catalog):
    def fail():
        with catalog.new_stage("embedding", "tiny") as writer:
            writer.write_array(np.zeros((2, 2)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list((catalog.path / "embedding").iterdir()) == []
    with pytest.raises(StageMissing, match="triptych embed"):
        catalog.stage("embedding")


def test_a_stage_whose_writer_was_killed_before_its_last_step_is_none(catalog):
    """It has all files, with the contents that the new stage would have, but it still has its temporary name."""
    ready = write(catalog)
    ready.path.rename(ready.path.with_name(".aside-tiny-4711-123456789"))
    assert catalog.stages("embedding") == []
    again = write(catalog)
    assert again.path == catalog.path / "embedding" / "tiny-001"
    assert again.path.is_dir()


def test_same_contents_same_digest(catalog):
    assert write(catalog).digest == write(catalog).digest
    assert write(catalog).digest != write(catalog, value=3.0).digest


def test_a_stage_of_an_older_parent_is_stale(catalog):
    first = write(catalog)
    write(catalog, "cluster", "hdbscan", parents=[first])
    assert catalog.stage("cluster").parent("embedding").stage_id == "tiny-001"
    write(catalog, value=2.0)
    with pytest.raises(StageStale, match="triptych cluster"):
        catalog.stage("cluster")
    assert catalog.stage("cluster", fresh=False).stage_id == "hdbscan-001"


def test_a_parent_changed_on_disk_is_an_error(catalog):
    first = write(catalog)
    write(catalog, "cluster", "hdbscan", parents=[first])
    path = first.path / "stage.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "digest": "other"}))
    with pytest.raises(StageStale, match="a different embedding/tiny-001"):
        catalog.stage("cluster", fresh=False)


def test_unknown_kind_names_the_nearest(catalog):
    with pytest.raises(UnknownName, match="Did you mean 'prediction'"):
        catalog.stage("predictions")


def test_rows_are_those_of_the_main_table(catalog):
    with catalog.new_stage("candidates", "published") as writer:
        writer.write_table(pd.DataFrame({"expnum": [1, 2]}))
        writer.write_table(pd.DataFrame({"expnum": range(9)}), "exposures_scored")
    assert writer.stage.info["rows"] == 2


def ccd_rows(expnums, version: float) -> pd.DataFrame:
    rows = [
        {"image_id": image_id_of(e, n), "expnum": e, "ccdnum": n, "ccdname": f"N{n}"} for e in expnums for n in (1, 2)
    ]
    return pd.DataFrame(rows, columns=["image_id", "expnum", "ccdnum", "ccdname"]).assign(fwhm_pix=version)


@pytest.mark.parametrize("group", [1, 3, 65_536])
def test_rows_of_exposures_are_replaced_as_if_the_table_were_written_whole(tmp_path, monkeypatch, group):
    monkeypatch.setattr(tables, "ROW_GROUP", group)
    whole, changed = (Catalog.create(tmp_path / name) for name in ("whole", "changed"))
    expected = ccd_rows([1, 3, 5, 7], 1.0)
    changed.replace_rows("ccds", [1, 3, 5, 7], expected)
    steps = [([9], [9]), ([3, 4], [3, 4]), ([5, 8], []), ([2, 9, 11], [2, 11]), ([1, 2, 3, 4, 7, 11], []), ([6], [6])]
    for version, (replaced, present) in enumerate(steps, start=2):
        rows = ccd_rows(present, version)
        changed.replace_rows("ccds", replaced, rows.sample(frac=1, random_state=0))
        expected = pd.concat([expected[~expected.expnum.isin(replaced)], rows], ignore_index=True)
        whole.write_tables(ccds=expected)
        assert (changed.path / "ccds.parquet").read_bytes() == (whole.path / "ccds.parquet").read_bytes()
    assert changed.ccds().expnum.tolist() == [6, 6]


def test_a_table_of_an_earlier_version_is_replaced_too(tmp_path):
    catalog = Catalog.create(tmp_path / "run")
    ccd_rows([1, 2], 1.0).to_parquet(catalog.path / "ccds.parquet", index=False)
    catalog.replace_rows("ccds", [2, 3], ccd_rows([3], 2.0))
    found = catalog.ccds()[["expnum", "fwhm_pix", "hdu_name"]].drop_duplicates()
    assert found.values.tolist() == [[1, 1, ""], [3, 2, ""]]
