"""Vectors that were computed elsewhere, in the formats that other programs write."""

import h5py
import numpy as np
import pandas as pd
import pytest

from tests import vectors
from triptych.pipeline.camera import CAMERAS
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.embedding import external
from triptych.pipeline.errors import BadInput, UnknownName
from triptych.pipeline.image_ids import ccdnum_of, image_id_of
from triptych.pipeline.vectors import clusters, maps, placing, similar


@pytest.fixture
def run(tmp_path):
    """A run, its true vectors by image_id, and the table of its images as a sample table, in another order."""
    catalog, truth = vectors.make(tmp_path / "run", exposures=12)
    drawn = catalog.stage("embedding").array(mmap=False)
    order = np.random.default_rng(0).permutation(len(truth))
    table = pd.DataFrame(
        {"image_filename": "x.fits", "expnum": truth.expnum, "ccdnum": ccdnum_of(truth.image_id), "label": 0}
    )
    return catalog, drawn, table.iloc[order].reset_index(drop=True), drawn[order]


def published(path, vectors_, rows):
    """A file in the format that the published code wrote."""
    with h5py.File(path, "w") as file:
        group = file.create_group("images")
        for row in rows:
            group.create_dataset(f"idx_{row}_label_{row % 3}", data=vectors_[row][None].astype(np.float64))


def holds(stage, catalog, drawn, image_ids=None):
    keys = stage.table("keys")
    ids = np.sort(catalog.ccds().image_id if image_ids is None else image_ids)
    rows = pd.Index(catalog.ccds().image_id).get_indexer(ids)
    assert keys.image_id.tolist() == ids.tolist()
    assert list(keys) == ["image_id", "expnum", "ccdname"]
    assert keys.ccdname.ne("").all()
    np.testing.assert_allclose(stage.array(), drawn[rows])
    assert catalog.stage("embedding").stage_id == stage.stage_id


def test_hdf5_as_published(run, tmp_path):
    catalog, drawn, table, shuffled = run
    table.to_csv(tmp_path / "sample.csv", index=False)
    published(tmp_path / "0_worker_embeds.h5", shuffled, range(len(table)))
    holds(external.bring_in(catalog, tmp_path / "0_worker_embeds.h5"), catalog, drawn)


def test_hdf5_of_several_workers_with_gaps(run, tmp_path):
    catalog, drawn, table, shuffled = run
    folder = tmp_path / "node"
    folder.mkdir()
    table.to_csv(folder / "sample.csv", index=False)
    published(folder / "0_worker_embeds.h5", shuffled, range(0, 30))
    published(folder / "1_worker_embeds.h5", shuffled, range(40, len(table)))
    stage = external.bring_in(catalog, folder)
    present = np.r_[0:30, 40 : len(table)]
    holds(stage, catalog, drawn, image_id_of(table.expnum, table.ccdnum).iloc[present])
    assert stage.parameters["run_images_without"] == 10


@pytest.mark.parametrize("kind", [".keys.csv", ".csv", ".keys.parquet"])
def test_npy_with_a_table(run, tmp_path, kind):
    catalog, drawn, table, shuffled = run
    np.save(tmp_path / "vectors.npy", shuffled.astype(np.float16))
    names = dict(enumerate(vectors.NAMES, 1))
    ids = catalog.ccds().set_index("image_id").ccdname
    keys = pd.DataFrame(
        {"expnum": table.expnum, "ccdname": ids.loc[image_id_of(table.expnum, table.ccdnum)].to_numpy()}
    )
    assert set(keys.ccdname) == set(names.values())
    path = tmp_path / f"vectors{kind}"
    keys.to_csv(path, index=False) if kind.endswith("csv") else keys.to_parquet(path)
    real = external.image_ids(keys, "decam")
    stage_ids = dict(zip(keys.ccdname, ccdnum_of(real), strict=True))
    assert stage_ids["S1"] == 25  # by the camera's own numbers, whatever the run calls them
    keys = table.assign(image_id=image_id_of(table.expnum, table.ccdnum))[["image_id"]]
    keys.to_csv(path, index=False) if kind.endswith("csv") else keys.to_parquet(path)
    holds(external.bring_in(catalog, tmp_path / "vectors.npy"), catalog, drawn.astype(np.float16))


@pytest.mark.parametrize("shape", ["list", "columns"])
def test_parquet(run, tmp_path, shape):
    catalog, drawn, table, shuffled = run
    if shape == "list":
        frame = table.assign(embedding=list(shuffled))
    else:
        frame = pd.concat([table, pd.DataFrame(shuffled, columns=[f"f{i}" for i in range(shuffled.shape[1])])], axis=1)
    frame.to_parquet(tmp_path / "vectors.parquet")
    holds(external.bring_in(catalog, tmp_path / "vectors.parquet"), catalog, drawn)


def test_what_is_of_no_use_is_left_out_and_counted(run, tmp_path):
    catalog, drawn, table, shuffled = run
    more = pd.concat([table, pd.DataFrame({"expnum": [99, 0], "ccdnum": [1, 3]})], ignore_index=True)
    values = np.concatenate([shuffled, shuffled[:2]])
    values[3, 5] = np.nan
    frame = more[["expnum", "ccdnum"]].assign(embedding=list(values))
    pd.concat([frame, frame[:1]]).to_parquet(tmp_path / "vectors.parquet")
    stage = external.bring_in(catalog, tmp_path / "vectors.parquet")
    counts = {name: stage.parameters[name] for name in ("of_no_ccd", "not_in_run", "not_finite", "run_images_without")}
    assert counts == {"of_no_ccd": 1, "not_in_run": 1, "not_finite": 1, "run_images_without": 1}
    holds(stage, catalog, drawn, image_id_of(table.expnum, table.ccdnum).drop(3))


def test_a_run_of_nothing_but_vectors_can_be_mapped_and_searched(run, tmp_path):
    _, _, table, shuffled = run
    catalog = Catalog.create(tmp_path / "bare")
    frame = table[["expnum", "ccdnum"]].assign(embedding=list(shuffled))
    frame[table.expnum <= 9].to_parquet(tmp_path / "first.parquet")
    external.bring_in(catalog, tmp_path / "first.parquet")
    maps.make_map(catalog, iterations=100)
    clusters.cluster(catalog)
    found = similar.similar(catalog, similar.image_ids(catalog, ["3-S29"]), k=4)
    assert len(found) == 4
    frame.to_parquet(tmp_path / "all.parquet")
    external.bring_in(catalog, tmp_path / "all.parquet")
    assert placing.place(catalog, how="median").table().placed.sum() == (table.expnum > 9).sum()
    assert clusters.place(catalog).table().placed.sum() == (table.expnum > 9).sum()


def spoilt(case, folder, table, shuffled):
    path = folder / "vectors.npy"
    if case == "no table":
        np.save(path, shuffled)
    elif case == "short table":
        np.save(path, shuffled)
        table[1:].to_csv(folder / "vectors.csv")
    elif case == "table without keys":
        np.save(path, shuffled)
        table[["label"]].to_csv(folder / "vectors.csv")
    elif case == "pickle":
        np.save(path, np.array([{}], dtype=object), allow_pickle=True)
        table.to_csv(folder / "vectors.csv")
    elif case == "not an HDF5 file":
        path = folder / "vectors.h5"
        path.write_bytes(b"nothing")
        table.to_csv(folder / "vectors.csv")
    elif case == "damaged HDF5":
        path = folder / "vectors.h5"
        published(path, shuffled, range(len(shuffled)))
        content = path.read_bytes()
        path.write_bytes(b"XXXX".join(content.rsplit(b"SNOD", 1)))
        table.to_csv(folder / "vectors.csv")
    elif case == "empty group":
        path = folder / "vectors.h5"
        published(path, shuffled, [])
        table.to_csv(folder / "vectors.csv")
    elif case == "row beyond the table":
        path = folder / "vectors.h5"
        published(path, shuffled, range(len(shuffled)))
        table[:5].to_csv(folder / "vectors.csv")
    elif case == "another group":
        path = folder / "vectors.h5"
        h5py.File(path, "w").create_group("pictures").file.close()
        table.to_csv(folder / "vectors.csv")
    elif case == "two vectors of one image":
        path = folder / "vectors.parquet"
        twice = pd.concat([table, table[:1]])[["expnum", "ccdnum"]]
        twice.assign(embedding=list(np.concatenate([shuffled, shuffled[:1] + 1]))).to_parquet(path)
    elif case == "no features":
        path = folder / "vectors.parquet"
        table.to_parquet(path)
    elif case == "other images":
        path = folder / "vectors.parquet"
        table.assign(expnum=table.expnum + 1000, embedding=list(shuffled)).to_parquet(path)
    elif case == "missing":
        path = folder / "there-is-none.npy"
    else:
        path = folder
    return path


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("no table", "write vectors.csv"),
        ("short table", "give the right table"),
        ("table without keys", "expnum and ccdname or ccdnum"),
        ("pickle", "cannot be read as an array"),
        ("not an HDF5 file", "cannot be read as HDF5"),
        ("damaged HDF5", "cannot be read as HDF5"),
        ("empty group", "has no vector in its group"),
        ("row beyond the table", "has only 5 rows"),
        ("another group", "no group `images`"),
        ("two vectors of one image", "different vectors for image"),
        ("no features", "neither a column of lists"),
        ("other images", "triptych ingest"),
        ("missing", "there is no"),
        ("empty folder", "has no .h5"),
    ],
)
def test_what_cannot_be_read_is_said(run, tmp_path, case, said):
    catalog, _, table, shuffled = run
    folder = tmp_path / "given"
    folder.mkdir()
    before = catalog.stage("embedding").stage_id
    with pytest.raises(BadInput, match=said):
        external.bring_in(catalog, spoilt(case, folder, table, shuffled))
    assert catalog.refresh().stage("embedding").stage_id == before


def test_rows_whose_name_and_number_disagree_are_left_out_and_counted(run, tmp_path):
    catalog, drawn, table, shuffled = run
    names = {ccd.number: ccd.name for ccd in CAMERAS[catalog.camera].ccds}
    frame = table[["expnum", "ccdnum"]].assign(ccdname=table.ccdnum.map(names))
    right = frame.index >= 4
    frame.loc[~right, "ccdname"] = "S31"
    frame = frame[frame.ccdname.ne("S31") | frame.ccdnum.ne(3)]
    frame.assign(embedding=list(shuffled[frame.index])).to_parquet(tmp_path / "vectors.parquet")
    stage = external.bring_in(catalog, tmp_path / "vectors.parquet")
    wrong = (frame.ccdname == "S31") & (frame.ccdnum != 3)
    assert stage.parameters["name_and_number_disagree"] == wrong.sum() > 0
    holds(stage, catalog, drawn, image_id_of(frame.expnum[~wrong], frame.ccdnum[~wrong]))


@pytest.mark.parametrize(
    ("keys", "ids"),
    [
        ({"expnum": [7, 7.5, "x", 1e30, 99999999999999999999], "ccdnum": [43] * 5}, [743, -1, -1, -1, -1]),
        ({"expnum": [7] * 4, "ccdname": ["n12 ", "43", "N99", ""]}, [743, -1, -1, -1]),
        ({"expnum": [7] * 3, "ccdname": ["N12", "N13", "N99"], "ccdnum": [43, 43, 43]}, [743, -2, -2]),
        ({"image_id": [743, 744, 99999999999999999999], "expnum": [7] * 3, "ccdnum": [43] * 3}, [743, -2, -2]),
    ],
)
def test_identities_of_rows_are_not_guessed(keys, ids):
    assert external.image_ids(pd.DataFrame(keys), "decam").tolist() == ids


def columns(run, tmp_path, **more):
    _, _, table, shuffled = run
    features = pd.DataFrame(shuffled, columns=[f"f{i}" for i in range(shuffled.shape[1])])
    frame = pd.concat([table[["expnum", "ccdnum"]].assign(**more), features], axis=1)
    frame.to_parquet(tmp_path / "vectors.parquet")
    return tmp_path / "vectors.parquet"


def test_numbers_beside_the_features_are_no_features(run, tmp_path):
    catalog, drawn, *_ = run
    path = columns(run, tmp_path, ra=1.0, dec=2.0, mjd_obs=3.0, airmass=1.0)
    stage = external.bring_in(catalog, path)
    holds(stage, catalog, drawn)
    assert (stage.parameters["features"][:2], stage.parameters["other_columns"]) == (
        ["f0", "f1"],
        ["ra", "dec", "mjd_obs", "airmass"],
    )


def test_where_features_are_not_clear_they_are_named(run, tmp_path):
    catalog, drawn, *_ = run
    path = columns(run, tmp_path, g1=1.0, g2=2.0, ra=1.0)
    with pytest.raises(BadInput, match=r"several groups of numbered columns \(g, f\)"):
        external.read(path)
    holds(external.bring_in(catalog, path, features="f"), catalog, drawn)
    assert external.read(path, features="ra,g2").taken == ("ra", "g2")
    with pytest.raises(BadInput, match="has no columns 'h'"):
        external.read(path, features="h")


def test_other_endings_are_refused(run, tmp_path):
    (tmp_path / "vectors.pkl").write_bytes(b"")
    with pytest.raises(UnknownName, match=r"\.npy, \.parquet"):
        external.bring_in(run[0], tmp_path / "vectors.pkl")
