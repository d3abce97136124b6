"""Pretraining on a survey's own previews: the same weights after any number of stops, and a backbone."""

import json

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from tests import survey
from triptych.app.verbs import pretrain as verbs_pretrain
from triptych.pipeline.camera import CAMERAS
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.embedding import backbones, embed, masked_training, pretrain, preview_vit
from triptych.pipeline.embedding.pretrain import PretrainSettings
from triptych.pipeline.errors import BadInput, UnknownName

DECAM = CAMERAS["decam"]
SMALL = PretrainSettings(steps=4, size=32, patch=4, width=32, depth=1, batch=8, every=2, most_images=200)


def small(**changes) -> PretrainSettings:
    return PretrainSettings(**{**SMALL.__dict__, **changes})


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Catalog:
    return survey.make(tmp_path_factory.mktemp("pretrain") / "run", exposures=4)


@pytest.fixture(scope="module")
def trained(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "simmim"
    return folder, pretrain.pretrain([run], folder, SMALL, device="cpu")


def weights(folder) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_the_folder_holds_a_model_its_story_and_its_pictures(trained):
    folder, story = trained
    written = {path.name for path in folder.iterdir()}
    assert written == {"config.json", "model.safetensors", "triptych.json", "reconstructions.png"}
    assert json.loads((folder / "triptych.json").read_text()) == story
    assert [row["step"] for row in story["losses"]] == [2, 4]
    assert all(np.isfinite([row["loss"], row["held_out"]]).all() for row in story["losses"])
    assert story["held_out_exposures"] == 1
    assert story["exposures"] == 4
    assert (folder / "reconstructions.png").read_bytes().startswith(b"\x89PNG")


def test_transformers_reads_the_folder(trained):
    from transformers import ViTForMaskedImageModeling

    model = ViTForMaskedImageModeling.from_pretrained(trained[0], local_files_only=True)
    assert sum(p.numel() for p in model.parameters()) == trained[1]["weights"]


@pytest.mark.parametrize("objective", sorted(pretrain.OBJECTIVES))
def test_killed_and_started_again_gives_the_same_weights(run, tmp_path, objective):
    class Killed(Exception):
        pass

    def kill_after_three(done, total, text=""):
        if done == 3:
            raise Killed

    settings = small(objective=objective, mask=(0.3, 0.9))
    whole = pretrain.pretrain([run], tmp_path / "whole", settings, device="cpu")
    with pytest.raises(Killed):
        pretrain.pretrain([run], tmp_path / "cut", settings, device="cpu", progress=kill_after_three)
    assert [path.name for path in (tmp_path / "cut").iterdir()] == ["checkpoint.npz"]
    done = []
    story = pretrain.pretrain(
        [run], tmp_path / "cut", settings, device="cpu", progress=lambda d, t, text="": done.append(d)
    )
    assert [d for d in done if d] == [3, 4]  # the third is repeated: the checkpoint was written after the second
    assert weights(tmp_path / "cut") == weights(tmp_path / "whole")
    assert story == whole


def test_a_finished_model_is_left_alone_and_another_one_is_refused(run, trained):
    folder, story = trained
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert pretrain.pretrain([run], folder, SMALL, device="cpu") == story
    assert (folder / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(BadInput, match=r"seed 0, not 1; name a new folder"):
        pretrain.pretrain([run], folder, small(seed=1), device="cpu")


def test_training_learns_to_paint_what_goes_on_behind_the_mask(tmp_path):
    catalog = survey.make(tmp_path / "run", exposures=4)
    rng = np.random.default_rng(0)
    across = np.linspace(-1, 1, 32)
    for expnum in catalog.exposures().expnum:
        ccdnums, pixels = catalog.preview(expnum)
        slopes = rng.choice([-60, 60], (len(ccdnums), 1, 1))
        catalog.write_preview(expnum, ccdnums, rng.normal(1000, 5, pixels.shape) + slopes * across)
    story = pretrain.pretrain([catalog], tmp_path / "m", small(steps=80, every=80, rate=0.003), device="cpu")
    assert story["held_out_error"] < 0.7 * story["held_out_error_of_the_median"]


def test_blank_pixels_teach_nothing():
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.normal(size=(2, 8, 8)).astype(np.float32))
    masked = torch.zeros((2, 4), dtype=torch.bool)
    masked[:, 1] = True  # upper right
    painted = torch.zeros_like(images, requires_grad=True)
    expected = images[:, :4, 4:].abs().mean()
    assert masked_training.painting_loss(painted, images, masked, 4).item() == pytest.approx(expected.item(), rel=1e-5)
    images[0, :4, 4:] = torch.nan
    loss = masked_training.painting_loss(painted, images, masked, 4)
    loss.backward()
    assert loss.item() == pytest.approx(images[1, :4, 4:].abs().mean().item(), rel=1e-5)
    assert torch.isfinite(painted.grad).all()
    assert not painted.grad[0].any()
    assert masked_training.painting_loss(painted, torch.full_like(images, torch.nan), masked, 4).item() == 0


def test_masks_hide_the_share_asked_for():
    rng = np.random.default_rng(0)
    assert (masked_training.draw_masks(50, 128, (0.6, 0.6), rng).sum(1) == 77).all()
    shares = masked_training.draw_masks(500, 128, (0.2, 0.8), rng).mean(1)
    assert shares.min() < 0.25
    assert shares.max() > 0.75
    assert masked_training.draw_masks(9, 2, (0.01, 0.99), rng).sum(1).tolist() == [1] * 9
    assert pretrain.parse_mask("0.6") == (0.6, 0.6)
    assert pretrain.parse_mask("0.3-0.9") == (0.3, 0.9)


def test_prepared_pixels_know_neither_units_nor_exposure_time():
    rng = np.random.default_rng(0)
    pixels = rng.normal(400, 10, (5, 64, 32)).astype(np.float32)
    pixels[2] += 30  # a brighter CCD stays brighter
    pixels[3, :, 16:] = np.nan
    prepared = preview_vit.prepare(pixels, (32, 16))
    assert prepared.shape == (5, 32, 16)
    assert np.allclose(prepared, preview_vit.prepare(pixels * 7.5 + 3000, (32, 16)), atol=1e-3, equal_nan=True)
    assert np.median(prepared[2]) > 1
    assert np.isnan(prepared[3, :, 8:]).all()
    assert np.isnan(preview_vit.prepare(np.full_like(pixels, np.nan), (32, 16))).all()


@pytest.mark.slow
def test_as_a_backbone_it_gives_the_same_vectors_in_one_process_or_two(trained, tmp_path):
    name = f"preview-vit:{trained[0]}"
    stages = []
    for workers in (1, 2):
        catalog = survey.make(tmp_path / str(workers), exposures=8)
        stages.append(embed.embed(catalog, backbone=name, workers=workers))
    assert stages[0].stage_id == "preview-vit-simmim-002"
    assert stages[0].array().shape == (488, 64)
    assert np.isfinite(stages[0].array()).all()
    assert stages[0].array().std(0).min() > 0
    assert stages[0].digest == stages[1].digest


def test_tokens_are_one_per_patch_and_their_digest_follows_the_weights(run, trained, tmp_path):
    loaded = backbones.open_backbone(f"preview-vit:{trained[0]}")[1]
    ccdnums, pixels = run.preview(run.exposures().expnum[0])
    pixels = pixels.copy()
    pixels[1] = np.nan
    tokens = loaded.tokens(pixels)
    assert tokens.shape == (61, 8 * 4, 32)
    vectors = loaded.vectors(DECAM, ccdnums, pixels)
    assert np.isfinite(vectors).all()
    assert np.allclose(vectors[:, :32], tokens.mean(1), atol=1e-5)
    pretrain.pretrain([run], tmp_path / "other", small(seed=1), device="cpu")
    assert backbones.open_backbone(f"preview-vit:{tmp_path / 'other'}")[1].digest != loaded.digest


def test_the_same_weights_read_images_of_another_size(trained):
    model = preview_vit.open_model(trained[0])[0]
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 32, 16)).astype(np.float32))
    with torch.inference_mode():
        same = preview_vit.encode(preview_vit.resized(model, (32, 16)), images)
        assert torch.allclose(same, preview_vit.encode(model, images), atol=1e-5)
        assert preview_vit.encode(preview_vit.resized(model, (16, 8)), images[:, ::2, ::2]).shape == (2, 4 * 2, 32)


def test_bad_values_say_what_to_give(run, tmp_path):
    for changes, words in (
        ({"steps": 0}, "steps is 0; give 1 or more"),
        ({"size": 30}, "multiple of 8"),
        ({"width": 40}, "multiple of 32"),
        ({"mask": (0.6, 1.5)}, "between 0 and 1"),
        ({"batch": 1}, "2 or more"),
    ):
        with pytest.raises(BadInput, match=words):
            pretrain.pretrain([run], tmp_path / "m", small(**changes), device="cpu")
    with pytest.raises(UnknownName, match="Did you mean 'simmim'"):
        pretrain.pretrain([run], tmp_path / "m", small(objective="simim"), device="cpu")
    with pytest.raises(BadInput, match="give one such as"):
        pretrain.parse_mask("much")
    with pytest.raises(BadInput, match="two or more"):
        pretrain.pretrain([Catalog.create(tmp_path / "empty")], tmp_path / "m", SMALL, device="cpu")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(BadInput, match="other files"):
        pretrain.pretrain([run], tmp_path / "full", SMALL, device="cpu")
    with pytest.raises(BadInput, match="triptych pretrain"):
        backbones.open_backbone("preview-vit")
    assert not (tmp_path / "m").exists()


def test_a_damaged_checkpoint_says_so(run, tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "checkpoint.npz").write_bytes(b"half a file")
    with pytest.raises(BadInput, match="delete it"):
        pretrain.pretrain([run], folder, SMALL, device="cpu")


def test_the_verb_trains_and_draws(run, tmp_path):
    app = typer.Typer()
    app.command()(verbs_pretrain.pretrain)
    words = [str(run.path), "-o", str(tmp_path / "m"), "--steps", "2", "--size", "32", "--patch", "4", "--width", "32"]
    words += ["--depth", "1", "--batch", "4", "--mask", "0.4-0.8", "--device", "cpu"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "preview-vit:" in result.stderr.replace("\n", "")
    (tmp_path / "m" / "reconstructions.png").unlink()
    assert CliRunner().invoke(app, [*words, "--pictures"]).exit_code == 0
    assert (tmp_path / "m" / "reconstructions.png").exists()
