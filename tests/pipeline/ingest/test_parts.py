"""An ingest in parts: the same bytes as one machine's, whoever is killed and when, and what `join` refuses."""

import gzip
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import fits_makers as make
from tests import warm
from tests.killing import command, finish
from triptych.pipeline import dask_cluster
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput, CatalogError
from triptych.pipeline.ingest import ingest as ingest_module
from triptych.pipeline.ingest import parts, units
from triptych.pipeline.ingest.ingest import ingest

N_PARTS = 4
ROOT = Path(__file__).parents[3]


def mask_of(path: Path, expnum: int) -> None:
    flags = np.zeros(make.SHAPE, np.int32)
    flags[:24] = 4
    make.write(path, make.primary(expnum), *(make.image(name, flags) for name in make.CCDS))


def write_files(folder: Path) -> None:
    """Exposures in every form in which files occur, some of them damaged."""
    for expnum in range(101, 117):
        make.exposure(folder / f"night-{expnum % 3}" / f"mos_{expnum:08d}.fits", expnum, packed=expnum % 2 == 0)
    for name in make.CCDS:  # files of one CCD each, with names that belong together, and with names that do not
        make.exposure(folder / f"k4m_00000200_{name}.fits", 200, ccds=(name,))
        make.exposure(folder / f"{name}-of-it.fits", 201, ccds=(name,))
    for expnum in (210, 211):
        time = f"160311_10{expnum}0"
        make.exposure(folder / f"k4m_{time[:13]}_ooi_zd_v1.fits", expnum)
        mask_of(folder / f"k4m_{time[:13]}_ood_zd_v1.fits", expnum)
    make.exposure(folder / "copy.fits", 105)
    make.exposure(folder / "newer.fits", 106, PLVER="V5.0")
    (folder / "empty.fits").write_bytes(b"")
    (folder / "torn.fits").write_bytes((folder / "copy.fits").read_bytes()[:-9000])
    (folder / "zipped.fits.gz").write_bytes(
        gzip.compress((folder / "night-2" / "mos_00000101.fits").read_bytes()[:4000])
    )
    (folder / "nothing").mkdir()


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sky") / "files"
    write_files(folder)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory, files) -> Catalog:
    """The run that one machine makes."""
    run = Catalog.create(tmp_path_factory.mktemp("whole") / "run", camera="mosaic3")
    ingest(run, files, workers=1)
    return run


@pytest.fixture
def run(tmp_path) -> Catalog:
    return Catalog.create(tmp_path / "run", camera="mosaic3")


def contents(run: Catalog) -> dict[str, bytes]:
    """Every file of a run by name, except run.json, which has the time."""
    found = {path.relative_to(run.path).as_posix(): path for path in run.path.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != "run.json" and "lock" not in name}


def read_all(run: Catalog, files, n: int = N_PARTS) -> list[parts.PartReport]:
    return [parts.ingest_part(run, files, (k, n), workers=1) for k in range(1, n + 1)]


def same(run: Catalog, whole: Catalog) -> None:
    ours, theirs = contents(run), contents(whole)
    assert sorted(ours) == sorted(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert run.refresh().info["ingest"] == whole.info["ingest"]


def test_parts_and_a_join_make_what_one_machine_makes(run, files, whole, monkeypatch):
    monkeypatch.setattr(ingest_module, "FEW_TABLES", 5)
    reports = read_all(run, files)
    assert sum(report.n_new > 0 for report in reports) > 1
    assert not (run.path / "ccds.parquet").exists()  # until then, readers see the run as it was
    report = parts.join(run)
    assert report.n_new == len(whole.exposures()) > 16
    same(run, whole)
    again = parts.join(run)
    assert (again.n_new, again.n_skipped) == (0, report.n_new)
    same(run, whole)


def test_parts_in_parallel_killed_at_any_moment(run, files, whole):
    """Kill each part a few times at random moments, then the join, and let the last try end."""
    chance = random.Random(7)
    words = [("ingest", run.path, files, "--part", f"{k}/{N_PARTS}") for k in range(1, N_PARTS + 1)]
    n_units, killed = len(units.units_of(p for p in map(str, files.rglob("*.fits*")))), 0
    for _ in range(3):
        wanted = len(list((run.path / ".parts" / "units").rglob("*.json"))) + chance.randint(1, 4)
        running = [command(*each) for each in words]
        while any(each.poll() is None for each in running):
            if len(list((run.path / ".parts" / "units").rglob("*.json"))) >= min(wanted, n_units):
                break
        for each in running:
            killed += each.poll() is None
            each.kill()
            each.wait()
            each.stdout.close()
    assert killed
    running = [command(*each) for each in words]
    for each in running:
        said, _ = each.communicate()
        assert each.returncode == 0, said
    join = command("join", run.path)
    while not list(run.path.glob("previews/*/*.npz")) and join.poll() is None:
        pass
    join.kill()
    join.wait()
    join.stdout.close()
    finish("join", run.path)
    same(run, whole)


def test_a_local_cluster_makes_what_one_machine_makes(run, files, whole):
    with warm.dask_workers():
        report = parts.ingest_on_cluster(run, files, "local", workers=2)
    assert report.n_new == len(whole.exposures())
    same(run, whole)


def test_workers_and_the_command_on_a_cluster_are_killed(run, files, whole):
    """Kill the command in the middle, then a worker while the same command runs again."""
    with warm.dask_workers(), dask_cluster._embedded(2) as cluster:
        client = command("ingest", run.path, files, "--scheduler", cluster.scheduler_address)
        while len(list((run.path / ".parts").rglob("*.json"))) < 4 and client.poll() is None:
            pass
        assert client.poll() is None
        client.kill()
        client.wait()
        client.stdout.close()
        kept = {path: path.stat().st_mtime_ns for path in (run.path / ".parts" / "units").rglob("*.json")}
        seen = []

        def progress(done, total, text=""):
            if not seen:
                os.kill(next(worker.pid for worker in cluster.workers.values() if worker.pid), 9)
                seen.extend(path for path in kept if path.stat().st_mtime_ns == kept[path])

        parts.ingest_on_cluster(run, files, cluster.scheduler_address, progress=progress)
    assert seen
    same(run, whole)


def test_what_is_finished_is_not_read_again_by_another_number_of_parts(run, files, whole):
    read_all(run, files)
    first = parts.ingest_part(run, files, (1, 2), workers=1)
    # only what could not be read is tried again
    assert first.n_kept > 5
    assert first.n_new == 0
    with pytest.raises(CatalogError, match=r"part 2 of 2 missing"):
        parts.join(run)
    parts.ingest_part(run, files, (2, 2), workers=1)
    parts.join(run)
    same(run, whole)


def test_a_join_killed_before_and_after_the_parts_are_put_away(run, files, whole, monkeypatch):
    read_all(run, files)

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(parts.PartsFolder, "close", killed)
        with pytest.raises(KeyboardInterrupt):
            parts.join(run)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)  # when the first file that was joined is removed
        with pytest.raises(KeyboardInterrupt):
            parts.PartsFolder(run).close()
    assert list((run.path / ".parts-joined").iterdir())
    assert parts.join(run).n_new == 0
    same(run, whole)


def test_later_files_are_read_by_later_parts_only(tmp_path, files):
    folder = tmp_path / "files"
    shutil.copytree(files, folder)
    one, run = (Catalog.create(tmp_path / name, camera="mosaic3") for name in ("one", "run"))
    ingest(one, folder, workers=1)
    read_all(run, folder)
    parts.join(run)
    make.exposure(folder / "mos_00000301.fits", 301)
    make.exposure(folder / "night-0" / "mos_00000102.fits", 102, ccds=("CCD1",), PLVER="V4.9")
    (folder / "k4m_00000200_CCD2.fits").unlink()
    ingest(one, folder, workers=1)
    reports = read_all(run, folder)
    assert sum(report.n_new for report in reports) == 2  # the join reads the one that has lost a file
    assert parts.join(run).n_new == 3
    for name in ("exposures", "ccds", "quarantine", "star_shapes", "exposure_shapes", "ingested"):
        assert (run.path / f"{name}.parquet").read_bytes() == (one.path / f"{name}.parquet").read_bytes()
    assert contents(run).keys() == contents(one).keys()
    assert run.preview_path(102).read_bytes() == one.preview_path(102).read_bytes()


def test_an_ingest_of_one_machine_goes_on_in_parts(run, files, whole, monkeypatch):
    """One that was killed has the headers of all files, and the pixels of some."""

    def kill_at_the_sixth(done, total, text=""):
        if text.startswith("exposure") and done == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(ingest_module, "SAVE_EVERY_SECONDS", 0)
    monkeypatch.setattr(ingest_module, "SAVE_SHARE", 1e9)
    with pytest.raises(KeyboardInterrupt):
        ingest(run, files, workers=1, progress=kill_at_the_sixth)
    before = len(run.exposures())
    reports = read_all(run, files)
    assert 0 < sum(report.n_new for report in reports) < len(whole.exposures())
    assert parts.join(run).n_new == len(whole.exposures()) - before
    same(run, whole)


# ---- what is refused


def test_parts_add_the_star_shapes_that_a_run_of_an_earlier_version_lacks(run, files, whole):
    ingest(run, files, workers=1)
    for name in ("star_shapes", "exposure_shapes"):
        (run.path / f"{name}.parquet").unlink()
    read_all(run, files)
    assert parts.join(run).n_unmeasured == len(whole.exposures())
    for k in range(1, N_PARTS + 1):
        parts.ingest_part(run, files, (k, N_PARTS), workers=1, add_shapes=True)
    assert parts.join(run).n_unmeasured == 0
    for name in ("star_shapes", "exposure_shapes", "ccds", "exposures", "quarantine"):
        assert (run.path / f"{name}.parquet").read_bytes() == (whole.path / f"{name}.parquet").read_bytes()


def test_a_join_without_parts(run):
    with pytest.raises(CatalogError, match=r"has no parts; run `triptych ingest .* --part K/N`") as caught:
        parts.join(run)
    assert "\n" not in str(caught.value)


def test_a_missing_and_an_unfinished_part_are_named(run, files):
    parts.ingest_part(run, files, (1, 4), workers=1)

    def stop(done, total, text=""):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parts.ingest_part(run, files, (3, 4), workers=1, progress=stop)
    with pytest.raises(CatalogError, match=r"^parts 2, 4 of 4 missing and part 3 of 4 not finished; .* 2/4`") as caught:
        parts.join(run)
    assert "\n" not in str(caught.value)
    assert not (run.path / "ccds.parquet").exists()


def test_a_part_that_lost_a_file_is_named(run, files):
    read_all(run, files, 2)
    next((run.path / ".parts" / "units").rglob("*.json")).write_text('{"format": 1, "st')
    with pytest.raises(CatalogError, match=r"part [12]/2 is damaged.*--part [12]/2` again"):
        parts.join(run)
    read_all(run, files, 2)
    parts.join(run)


def test_parts_with_other_options_are_refused(run, files, whole):
    parts.ingest_part(run, files, (1, 2), workers=1, sample=5)
    parts.ingest_part(run, files, (2, 2), workers=1)
    with pytest.raises(CatalogError, match=r"parts 1/2 and 2/2 had different sources, --sample or --seed"):
        parts.join(run)
    parts.ingest_part(run, files, (1, 2), workers=1)
    parts.join(run)
    same(run, whole)


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "a/b", "1/", "-1/4", "1/1000000"])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(BadInput, match=r"part"):
        parts.part_of(text)


def test_a_worker_that_sees_no_files_says_so(run, files):
    order = units.Order.of(run, fast=False)
    with pytest.raises(BadInput, match=r"does not see .*gone.fits; exposures must be in a folder that every worker"):
        units.read_unit_elsewhere(order, units.Unit("0" * 16, (str(files / "gone.fits"),)))
    with pytest.raises(BadInput, match="the same environment"):
        units.read_unit_elsewhere(units.Order(order.run, False, 1, (("triptych", "0"),)), units.Unit("0" * 16, ()))


def test_files_of_one_exposure_fall_to_one_part():
    same_exposure = [
        ("/a/c4d_160311_103249_ooi_zd_v1.fits.fz", "/b/c4d_160311_103249_ood_zd_v1.fits.fz"),
        ("/a/decam.00123456.N4.fits", "/a/decam.00123456.s31.fits.gz"),
        ("/a/DECam_00123456_01.fits", "/a/DECam_00123456_ccd62.fits.fz"),
    ]
    for one, other in same_exposure:
        assert units.key_of(one) == units.key_of(other)
    keys = [units.key_of(f"/a/{name}.fits") for name in ("obs_20160310_001", "obs_20160310_002", "101", "102")]
    assert len(set(keys)) == 4


def test_a_file_that_kills_its_reader_costs_that_file_only(run, files, whole):
    """Whoever reads one exposure dies. It goes to quarantine, the others are read, and the next try reads it."""
    bad = str(files / "night-0" / "mos_00000102.fits")
    (unit,) = units.units_of([bad])
    order = units.Order.of(run, fast=False)
    done = units.give_up(order, unit, parts.WorkerLost("the process that read it died"))
    assert done == units.Done(True, 0, 0)
    kept = units.load(run, unit.key)
    ((read, preview),) = kept.reads.values()
    assert (read.problems, preview) == ([[bad, "", "unreadable", "the process that read it died"]], None)
    read_all(run, files)
    parts.join(run)
    same(run, whole)


@pytest.mark.slow
def test_the_example_for_slurm_runs(run, files, whole):
    """Run the script of each task of an array, at the same time."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    tasks = [
        subprocess.Popen(
            ["bash", str(ROOT / "docs" / "ingest.slurm"), str(run.path), str(files)],
            env={**os.environ, "PATH": path, "SLURM_ARRAY_TASK_ID": str(k), "SLURM_ARRAY_TASK_COUNT": "2"},
            cwd=ROOT,
        )
        for k in (1, 2)
    ]
    assert [task.wait() for task in tasks] == [0, 0]
    parts.join(run)
    same(run, whole)
