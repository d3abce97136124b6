"""Embedding: backbones by name; stages can be resumed and extended, and do not depend on how they were computed."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests import survey
from triptych.pipeline.camera import CAMERAS
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.embedding import backbones, embed, line_filters
from triptych.pipeline.errors import BadInput, CatalogError, UnknownName

DECAM = CAMERAS["decam"]


@pytest.fixture
def run(tmp_path):
    return survey.make(tmp_path / "run", exposures=3)


def noise_exposure(rng, shape=(64, 32), n_ccd=5):
    """ccdnums and (n_ccd, ny, nx) ADU of a quiet sky with stars."""
    pixels = rng.normal(1000, 10, (n_ccd, *shape)).astype(np.float32)
    for _ in range(5):
        pixels[np.arange(n_ccd), rng.integers(0, shape[0], n_ccd), rng.integers(0, shape[1], n_ccd)] += 500
    return np.array([3, 14, 28, 31, 43][:n_ccd]), pixels


def test_importing_embedding_is_cheap():
    code = "import sys, pipeline.embedding.embed; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_embed_writes_one_finite_vector_per_ccd_image(run):
    seen = []
    stage = embed.embed(run, workers=1, progress=lambda done, total: seen.append((done, total)))
    keys, vectors = stage.table("keys"), stage.array()
    ccds = run.ccds()
    assert list(keys.columns) == ["image_id", "expnum", "ccdname"]
    assert list(keys.image_id) == sorted(ccds.image_id)
    assert vectors.shape[0] == len(ccds)
    assert vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    assert seen[-1] == (len(ccds), len(ccds))
    assert run.stage("embedding").stage_id == stage.stage_id
    assert not list((run.path / "embedding").glob(".work-*"))


def test_only_sampled_embeds_only_those_with_the_same_vectors(run):
    whole = embed.embed(run, workers=1)
    sampled = embed.embed(run, workers=1, only_sampled=True)
    ccds = run.ccds()
    assert list(sampled.table("keys").image_id) == list(ccds.image_id[ccds.sampled])
    rows = np.flatnonzero(ccds.sampled)
    assert np.array_equal(sampled.array(), whole.array()[rows])


@pytest.mark.slow
def test_vectors_do_not_depend_on_the_number_of_processes(tmp_path):
    made = []
    for workers in (1, 2):
        catalog = survey.make(tmp_path / str(workers), exposures=9)
        made.append(embed.embed(catalog, workers=workers))
    assert np.array_equal(made[0].array(), made[1].array())
    assert made[0].digest == made[1].digest


def test_an_interrupted_run_goes_on_and_ends_the_same(tmp_path):
    class Stopped(Exception):
        pass

    def stop_after_two(done, total):
        if done > 61:
            raise Stopped

    whole = embed.embed(survey.make(tmp_path / "whole", exposures=3), workers=1)
    catalog = survey.make(tmp_path / "cut", exposures=3)
    before = len(catalog.stages("embedding"))
    with pytest.raises(Stopped):
        embed.embed(catalog, workers=1, progress=stop_after_two)
    assert len(catalog.stages("embedding")) == before
    (work,) = (catalog.path / "embedding").glob(".work-*")
    finished = sorted(work.glob("[!.]*.npy"))
    assert len(finished) == 2
    finished[0].write_bytes(b"half a file")  # a damaged one is computed again
    times = {path: path.stat().st_mtime_ns for path in finished}
    stage = embed.embed(catalog, workers=1)
    assert len(times) == 2
    assert stage.digest == whole.digest
    assert not work.exists()


def test_nothing_changed_gives_the_same_stage_and_a_new_exposure_only_itself(run, monkeypatch):
    first = embed.embed(run, workers=1)
    assert embed.embed(run, workers=1).stage_id == first.stage_id
    expnum = int(run.exposures().expnum.iloc[0])
    ccdnums, pixels = run.preview(expnum)
    pixels[0, :20] += 100
    run.write_preview(expnum, ccdnums, pixels)
    done = []
    second = embed.embed(run, workers=1, progress=lambda d, total: done.append(d))
    assert done == [run.ccds().shape[0]]  # one unit, the two other exposures were there already
    changed = (second.array() != first.array()).any(axis=1)
    assert set(second.table("keys").expnum[changed]) == {expnum}


def test_a_blank_ccd_and_a_blank_exposure_have_finite_vectors():
    rng = np.random.default_rng(0)
    for name in ("triptych", "statistics"):
        loaded = backbones.open_backbone(name)[1]
        ccdnums, pixels = noise_exposure(rng)
        whole = loaded.vectors(DECAM, ccdnums, pixels)
        pixels[1] = np.nan
        pixels[3, :, 16:] = np.nan
        vectors = loaded.vectors(DECAM, ccdnums, pixels)
        assert np.isfinite(vectors).all()
        assert vectors.shape == whole.shape == (5, loaded.dim)
        assert np.isfinite(loaded.vectors(DECAM, ccdnums, np.full_like(pixels, np.nan))).all()
        assert np.isfinite(loaded.vectors(DECAM, ccdnums, np.zeros_like(pixels))).all()


@pytest.mark.parametrize("shape", [(58, 28), (256, 128), (41, 51), (5, 7)])
def test_own_backbones_take_previews_of_any_size(shape):
    ccdnums, pixels = noise_exposure(np.random.default_rng(1), shape=shape)
    for name in ("triptych", "statistics"):
        loaded = backbones.open_backbone(name)[1]
        assert np.isfinite(loaded.vectors(DECAM, ccdnums, pixels)).all()


@pytest.mark.parametrize(("camera", "ccdnum"), [("mosaic3", 2), ("90prime", 4)])
def test_one_ccd_of_another_camera_is_embedded(camera, ccdnum):
    _, pixels = noise_exposure(np.random.default_rng(2), n_ccd=1)
    for name in ("triptych", "statistics"):
        loaded = backbones.open_backbone(name)[1]
        assert np.isfinite(loaded.vectors(CAMERAS[camera], np.array([ccdnum]), pixels)).all()


def test_gain_does_not_change_the_lines_that_are_seen():
    ccdnums, pixels = noise_exposure(np.random.default_rng(3))
    one, other = (line_filters.lines(DECAM, ccdnums, scale * pixels) for scale in (1, 3))
    assert np.abs(one - other).max() < 0.01


def test_a_ghost_across_ccds_moves_its_ccds_away_from_the_others():
    """A ring over the field, drawn on every CCD that it crosses, separates the CCDs by their content."""
    from triptych.pipeline import focal_plane

    rng = np.random.default_rng(4)
    ccdnums = np.array([ccd.number for ccd in DECAM.ccds if ccd.name != "N30"])
    quiet = rng.normal(1000, 10, (len(ccdnums), 58, 28)).astype(np.float32)
    ring = quiet.copy()
    corners = focal_plane.corners_of(DECAM, ccdnums)
    inside = []
    for i, (x0, y0, x1, y1) in enumerate(corners):
        y, x = np.mgrid[y0:y1, x0:x1]
        r = np.hypot(x - focal_plane.WIDTH / 2, y - focal_plane.HEIGHT / 2)
        light = 40 * ((r < 110) & (r > 45))
        inside.append((light > 0).mean())
        ring[i] += light[:, ::-1].T
    loaded = backbones.open_backbone("triptych")[1]
    moved = np.abs(loaded.vectors(DECAM, ccdnums, ring) - loaded.vectors(DECAM, ccdnums, quiet)).sum(axis=1)
    inside = np.array(inside)
    assert moved[inside > 0.5].mean() > 1.5 * moved[inside == 0].mean()


def test_unknown_names_say_what_is_known(run):
    with pytest.raises(UnknownName, match="known: triptych, statistics, dinov2-paper, dinov2-sky"):
        embed.embed(run, backbone="tryptich")
    with pytest.raises(BadInput, match="takes no model"):
        embed.embed(run, backbone="statistics:somewhere")
    with pytest.raises(BadInput, match="1 or more"):
        embed.embed(run, batch=0)


def test_an_empty_run_says_to_ingest(tmp_path):
    with pytest.raises(CatalogError, match="triptych ingest"):
        embed.embed(Catalog.create(tmp_path / "empty"))


# ---- vision transformers


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A randomly initialised DINOv2 with registers, as written by its save_pretrained."""
    import torch
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "mlp_ratio": 1}
    model = Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**sizes, patch_size=14, image_size=28))
    folder = tmp_path_factory.mktemp("models") / "tiny"
    model.save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_the_published_preparation_equals_a_direct_call(tiny_model):
    import torch
    from transformers import Dinov2WithRegistersModel

    pixels = np.random.default_rng(5).normal(3000, 20, (300, 150)).astype(np.float32)
    name, loaded = backbones.open_backbone(str(tiny_model))
    assert name == "dinov2-paper"
    assert loaded.transformer.model.config._attn_implementation == "sdpa"
    model = Dinov2WithRegistersModel.from_pretrained(tiny_model).eval()
    image = torch.from_numpy(pixels)[None, None]
    image = torch.nn.functional.interpolate(image, (2352, 1176), mode="bilinear", antialias=False)
    with torch.inference_mode():
        direct = model(pixel_values=image.expand(-1, 3, -1, -1)).last_hidden_state[:, 0].numpy()
    assert np.array_equal(loaded.vectors([pixels]), direct)


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Two small simulated exposures as files, of which three CCDs each are embedded."""
    from triptych.pipeline.simulation.simulate import simulate

    folder = tmp_path_factory.mktemp("files")
    simulate(folder, exposures=2, seed=1, binning=16)
    return folder


def of_files(folder, files):
    from triptych.pipeline.ingest.ingest import ingest

    catalog = Catalog.create(folder)
    ingest(catalog, files, sample=3, workers=1)
    return catalog


@pytest.mark.slow
def test_several_devices_and_readers_ahead_make_the_same_vectors(tmp_path, files, tiny_model, monkeypatch):
    """One device and one image at a time, as published; two devices in turn; and batches."""
    from triptych.pipeline.embedding import dinov2
    from triptych.pipeline.pixels.full_resolution import full_ccd

    monkeypatch.setattr(dinov2, "SIZE", (56, 28))
    catalog = of_files(tmp_path / "run", files)
    loaded = backbones.open_backbone(str(tiny_model))[1]
    keys = catalog.ccds().loc[lambda ccds: ccds.sampled].image_id
    plain = np.concatenate([loaded.vectors([full_ccd(catalog, i)]) for i in keys])
    one = embed.embed(catalog, backbone=str(tiny_model), device="cpu", only_sampled=True)
    two_of = of_files(tmp_path / "two", files)
    two = embed.embed(two_of, backbone=str(tiny_model), device="cpu,cpu", only_sampled=True, workers=3)
    assert list(one.table("keys").image_id) == list(keys)
    assert np.array_equal(one.array(), plain)
    assert two.digest == one.digest
    many_of = of_files(tmp_path / "many", files)
    many = embed.embed(many_of, backbone=str(tiny_model), device="cpu", only_sampled=True, batch=2)
    assert np.allclose(many.array(), plain, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_an_interrupted_run_on_two_devices_goes_on(tmp_path, files, tiny_model, monkeypatch):
    from triptych.pipeline.embedding import dinov2

    class Stopped(Exception):
        pass

    def stop_after_two(done, total):
        if done >= 2:
            raise Stopped

    monkeypatch.setattr(dinov2, "SIZE", (56, 28))
    options = {"backbone": f"dinov2-sky:{tiny_model}", "device": "cpu,cpu", "only_sampled": True}
    whole = embed.embed(of_files(tmp_path / "whole", files), **options)
    catalog = of_files(tmp_path / "cut", files)
    with pytest.raises(Stopped):
        embed.embed(catalog, **options, progress=stop_after_two)
    (work,) = (catalog.path / "embedding").glob(".work-*")
    finished = {path.name: path.stat().st_ino for path in work.glob("[!.]*.npy")}
    assert len(finished) >= 2
    kept = []

    def watch(done, total):
        kept.append(all((work / name).stat().st_ino == number for name, number in finished.items()))

    assert embed.embed(catalog, **options, progress=watch).digest == whole.digest
    assert all(kept)


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="torch compiles with a C++ compiler")
def test_a_compiled_model_is_another_one_with_nearly_the_same_vectors(tmp_path, files, tiny_model, monkeypatch):
    from triptych.pipeline.embedding import dinov2
    from triptych.pipeline.embedding.work_units import Models

    monkeypatch.setattr(dinov2, "SIZE", (56, 28))
    pixels = [np.random.default_rng(seed).normal(3000, 20, (300, 150)).astype(np.float32) for seed in range(2)]
    plain, compiled = Models(str(tiny_model)), Models(str(tiny_model), compiled=True)
    assert compiled.digest == plain.digest + "-compiled"
    assert np.allclose(compiled.of_full(pixels), plain.of_full(pixels), rtol=1e-3, atol=1e-3)
    with pytest.raises(BadInput, match="leave out --compile"):
        Models("triptych", compiled=True)


def test_a_model_without_fused_attention_is_refused(tmp_path, tiny_model, monkeypatch):
    """Plain attention would need 9.6 GB for one image of the published size."""
    from transformers import Dinov2WithRegistersModel

    from triptych.pipeline.embedding.dinov2 import VisionTransformer

    given = Dinov2WithRegistersModel.from_pretrained
    monkeypatch.setattr(
        "transformers.AutoModel.from_pretrained",
        lambda folder, **options: given(folder, **{**options, "attn_implementation": "eager"}),
    )
    with pytest.raises(BadInput, match="no fused attention"):
        VisionTransformer(tiny_model)


def test_sky_normalisation_forgets_gain_and_level_and_survives_blank_pixels():
    from triptych.pipeline.embedding.dinov2 import sky_pixels

    rng = np.random.default_rng(6)
    pixels = rng.normal(0, 1, (40, 20)).astype(np.float32)
    assert np.allclose(sky_pixels(pixels * 7 + 3000), sky_pixels(pixels), atol=0.01)
    pixels[:10] = np.nan
    assert np.isfinite(sky_pixels(pixels)).all()
    assert not sky_pixels(np.full((4, 4), np.nan, np.float32)).any()


def test_a_model_that_is_not_there_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BadInput, match=r"not a folder|neither a folder"):
        backbones.open_backbone(str(tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"no config\.json"):
        backbones.open_backbone(f"dinov2-sky:{tmp_path / 'empty'}")
    with pytest.raises(BadInput, match="dinov2-paper:FOLDER"):
        backbones.open_backbone("dinov2-paper")


def test_a_device_that_is_not_there_says_so(tiny_model, run):
    with pytest.raises(BadInput, match="--device auto"):
        embed.embed(run, backbone=str(tiny_model), device="cuda:99")


def test_raw_pixels_are_never_rounded_to_bfloat16():
    import torch

    from triptych.pipeline.embedding.dinov2 import pick_precision

    assert pick_precision("cuda", "dinov2-paper") is torch.float32
    assert pick_precision("cuda", "dinov2-sky") is torch.bfloat16
    assert pick_precision("cpu", "dinov2-sky") is torch.float32


@pytest.mark.slow
def test_the_default_backbone_finds_the_real_ghosts(real_data):
    """Leave one exposure out, with the default classifier and the majority of eight people, as in docs/backbones.md."""
    from benchmarks.accuracy import backbones as comparison

    sample, votes = comparison.real_ghosts(real_data)
    assert (len(sample.exposures), len(sample.table), votes.shape[1]) == (30, 1817, 8)
    loaded = backbones.open_backbone("triptych")[1]
    vectors = np.concatenate([loaded.vectors(DECAM, ccdnums, pixels) for ccdnums, pixels in sample.exposures])
    said = (comparison.held_out(vectors, sample.table, 30).reason == comparison.GHOST).to_numpy()
    truth = np.array([comparison.GHOST in reasons for reasons in sample.table.reasons])
    assert comparison.f1(truth, said)[2] > 0.80
