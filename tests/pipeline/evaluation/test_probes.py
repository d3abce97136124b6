"""Probes of an embedding: their targets, the sources of these, and how many labels they need."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from tests import vectors
from triptych.app.verbs import probe as verbs_probe
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput, LabelError, UnknownName
from triptych.pipeline.evaluation import attentive_probe, label_curve, probe_metrics, probe_models, probes
from triptych.pipeline.evaluation.probe_targets import of_labels, read_target
from triptych.pipeline.store.store import open_store


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """24 exposures of six CCDs, their labels, and numbers of which the vectors contain some."""
    catalog, truth = vectors.make(tmp_path_factory.mktemp("probes") / "run", spread=0.5)
    stage = catalog.stage("embedding")
    seen = np.array(stage.array())
    rng = np.random.default_rng(5)
    ccds = catalog.ccds()
    level = rng.uniform(1, 3, 25)
    seen[:, 0] = level[truth.expnum] + rng.normal(0, 0.02, len(truth))
    with catalog.new_stage("embedding", "numbers") as writer:
        writer.write_array(seen)
        writer.write_table(stage.table("keys"), "keys")
    ccds["sky_median_adu"] = 10 ** level[ccds.expnum]
    ccds["fwhm_pix"], ccds["naxis1"], ccds["naxis2"] = 2 + level[ccds.expnum], 1023, 2047
    exposures = catalog.exposures()
    exposures["airmass"] = rng.uniform(1, 2, len(exposures))
    exposures["dec"] = 10 * level[exposures.expnum]
    catalog.write_tables(exposures=exposures, ccds=ccds)
    with open_store(catalog) as store:
        vectors.teach(store, truth)
    return catalog.path, truth


@pytest.fixture
def run(made, tmp_path):
    """The test's own copy of the run, its label store and the truth."""
    folder, truth = made
    catalog = Catalog.open(shutil.copytree(folder, tmp_path / "run"))
    with open_store(catalog) as store:
        yield catalog, store, truth


def read(catalog, store, name):
    return read_target(catalog, store, name, catalog.stage("embedding").table("keys"))


# ---- targets


def test_targets_come_from_labels_and_tables(run):
    catalog, store, truth = run
    reasons, bad = read(catalog, store, "reasons"), read(catalog, store, "bad")
    assert set(reasons.labels) == {"PSF", "Ghost_Scatter", "Clouds_transparency", "good"}
    assert reasons.labels[-1] == "good"
    assert list(reasons.table.value) == [(reason,) for reason in truth.sort_values("image_id").reason]
    assert bad.labels == ("bad", "good")
    whole = reasons.exposures().set_index("expnum").value
    assert whole[1] == ("PSF",)
    assert whole[2] == ("good",)
    seeing = read(catalog, store, "seeing")
    width = catalog.ccds().fwhm_pix.iloc[0]
    # the CCDs of this run are half as long as the detector's, so their pixels are twice as wide
    assert seeing.table.value.iloc[0] == pytest.approx(width * 0.262 * 2)
    assert (seeing.goal, seeing.unit) == ("number", "arcsec")
    assert read(catalog, store, "dec").table.value.iloc[0] == pytest.approx(catalog.exposures()["dec"].iloc[0])


def test_positive_numbers_with_a_long_tail_are_logarithms(run):
    catalog, store, _ = run
    assert read(catalog, store, "sky").logarithm
    assert not read(catalog, store, "airmass").logarithm
    ccds = catalog.ccds()
    ccds.loc[3, "sky_median_adu"] = -0.2
    catalog.write_tables(ccds=ccds)
    assert read(catalog, store, "sky").logarithm
    assert len(read(catalog, store, "sky").table) == len(ccds) - 1


def test_a_target_that_cannot_be_asked_for_says_why(run, tmp_path):
    catalog, store, _ = run
    with pytest.raises(UnknownName, match=r"'airmas' is not a target of a probe.*Did you mean 'airmass'"):
        read(catalog, store, "airmas")
    catalog.write_tables(ccds=catalog.ccds().assign(fwhm_pix=np.nan))
    with pytest.raises(BadInput, match="no header of this run has the width of stars"):
        read(catalog, store, "seeing")
    catalog.write_tables(exposures=catalog.exposures().assign(exptime=90.0))
    with pytest.raises(BadInput, match="exptime has 1 different values on 24"):
        read(catalog, store, "exptime")
    bare, _ = vectors.make(tmp_path / "bare")
    with (
        open_store(bare) as empty,
        pytest.raises(LabelError, match="two of each are needed; vote, or run `triptych la"),
    ):
        read(bare, empty, "reasons")


# ---- what a probe reads


@pytest.mark.parametrize("kind", ["linear", "attentive"])
@pytest.mark.parametrize("level", ["ccd", "exposure"])
def test_reasons_are_read(run, kind, level):
    catalog, store, _ = run
    found = probes.probe(catalog, store, kind=kind, level=level, folds=2)
    assert found[level]["macro_f1"] > 0.9
    assert found[level]["n"] == (144 if level == "ccd" else 24)
    assert found["exposure"]["bad"]["recall"] == 1
    assert found["exposure"]["average_precision"] == pytest.approx(1)
    assert ("ccd" in found) == (level == "ccd")


@pytest.mark.parametrize("kind", ["linear", "attentive"])
def test_a_number_that_the_vectors_hold_is_read_and_another_is_not(run, kind):
    catalog, store, _ = run
    sky = probes.probe(catalog, store, target="sky", kind=kind, folds=3)
    airmass = probes.probe(catalog, store, target="airmass", kind=kind, folds=3)
    assert sky["exposure"]["r2"] > {"linear": 0.9, "attentive": 0.4}[kind]  # sixteen exposures teach
    assert sky["target"]["logarithm"]
    assert airmass["exposure"]["r2"] < 0.2


@pytest.mark.parametrize("kind", ["linear", "attentive"])
def test_nothing_is_read_from_an_exposure_of_its_own(tmp_path, kind):
    """Vectors that show only which exposure an image belongs to teach nothing about other exposures."""
    catalog, truth = vectors.make(tmp_path / "run", exposures=24, spread=0)
    own = np.random.default_rng(0).normal(size=(25, 8))
    with catalog.new_stage("embedding", "leaky") as writer:
        writer.write_array(own[truth.expnum].astype(np.float32))
        writer.write_table(truth[["image_id", "expnum", "ccdname"]], "keys")
    with open_store(catalog) as store:
        vectors.teach(store, truth[truth.ccdname.isin(["N1", "N2"])])
        found = probes.probe(catalog, store, kind=kind, level="ccd", folds=2)
    assert found["ccd"]["macro_f1"] < 0.5


def test_the_reference_strength_is_taken_as_given(run):
    catalog, store, _ = run
    stage, target = catalog.stage("embedding"), read(catalog, store, "reasons")
    given = probe_models.fit_probe(stage.array(), stage.table("keys"), target, strength=0.01)
    chosen = probe_models.fit_probe(stage.array(), stage.table("keys"), target)
    assert given.chosen == 0.01
    assert chosen.chosen in probe_models.STRENGTHS
    assert np.abs(given.weights["matrix"]).sum() <= np.abs(chosen.weights["matrix"]).sum() + 1e-9


def test_linear_probe_is_scikit_learns(run):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    catalog, store, _ = run
    stage, target = catalog.stage("embedding"), read(catalog, store, "reasons")
    keys, seen = stage.table("keys"), np.array(stage.array(), float)
    probe = probe_models.fit_probe(seen, keys, target, strength=0.1)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    theirs.fit(seen, [own[0] for own in target.table.value])
    said = probe_models.ask_probe(probe, seen, keys)
    np.testing.assert_array_equal(said.reason, theirs.predict(seen))
    np.testing.assert_allclose(said.probability, theirs.predict_proba(seen).max(axis=1), atol=2e-3)


def test_what_is_not_labelled_does_not_teach_but_is_seen(run):
    """An attentive probe also uses CCDs without a label, and predicts for them."""
    catalog, _, truth = run
    stage, keys = catalog.stage("embedding"), catalog.stage("embedding").table("keys")
    few = of_labels("reasons", truth[truth.ccdname != "S2"].assign(reasons=truth.reason.map(lambda own: (own,))))
    probe = probe_models.fit_probe(stage.array(), keys, few, kind="attentive", level="ccd")
    said = probe_models.ask_probe(probe, stage.array(), keys)
    assert list(said.image_id) == list(keys.image_id)
    assert (said.reason[keys.ccdname == "S2"] == "good").mean() > 0.9


def test_two_labels_of_one_image_share_it(run):
    catalog, _, truth = run
    stage = catalog.stage("embedding")
    both = truth.assign(reasons=[("PSF", "Noise") if own == "PSF" else (own,) for own in truth.reason])
    target = of_labels("reasons", both)
    probe = probe_models.fit_probe(stage.array(), stage.table("keys"), target)
    said = probe_models.ask_probe(probe, stage.array(), stage.table("keys"))
    twofold = said[(truth.reason == "PSF").to_numpy()]
    assert twofold[["p_PSF", "p_Noise"]].to_numpy().mean() == pytest.approx(0.5, abs=0.05)


def test_a_probe_taught_one_label_says_that(run):
    catalog, store, _ = run
    stage, target = catalog.stage("embedding"), read(catalog, store, "reasons")
    good = target.of([2, 4])
    for kind in probe_models.KINDS:
        probe = probe_models.fit_probe(stage.array(), stage.table("keys"), good, kind=kind)
        said = probe_models.ask_probe(probe, stage.array(), stage.table("keys"))
        assert (said.reason == "good").all()
        assert said.filter(like="p_").notna().all().all()


def test_vectors_that_are_no_numbers_are_refused(run):
    catalog, store, _ = run
    stage, target = catalog.stage("embedding"), read(catalog, store, "reasons")
    seen = np.array(stage.array())
    seen[3, 1] = np.nan
    for kind in probe_models.KINDS:
        with pytest.raises(BadInput, match="1 of 144 vectors hold NaN or infinity; run `triptych embed` again"):
            probe_models.fit_probe(seen, stage.table("keys"), target, kind=kind)


# ---- attention


def needles(n=48, t=9, seed=0):
    """Sequences of noise. Each has one token of one of two kinds, at a random place; only this token shows the kind."""
    rng = np.random.default_rng(seed)
    tokens, kind = rng.normal(0, 1, (n, t, 6)), np.arange(n) % 2
    where = rng.integers(0, t, n)
    tokens[np.arange(n), where] = np.where(kind[:, None] > 0, 4.0, -4.0) * np.array([1, -1, 1, -1, 0, 0])
    return tokens.astype(np.float32), np.eye(2)[kind], where


def test_attention_finds_the_token_that_tells():
    tokens, targets, _ = needles()
    mask = np.ones(tokens.shape[:2], bool)
    model = attentive_probe.fit_attentive(tokens, mask, targets)
    fresh, true, where = needles(seed=1)
    chances, looked = attentive_probe.apply_attentive(model, fresh, mask)
    assert (chances.argmax(1) == true.argmax(1)).mean() > 0.9
    np.testing.assert_allclose(chances.sum(1), 1)
    np.testing.assert_allclose(looked.sum(1), 1, atol=1e-5)
    assert looked[np.arange(len(where)), where].mean() > 2 / tokens.shape[1]


def test_what_the_mask_leaves_out_is_not_looked_at(monkeypatch):
    monkeypatch.setattr(attentive_probe, "EPOCHS", 30)
    tokens, targets, _ = needles()
    mask = np.ones(tokens.shape[:2], bool)
    mask[:, -2:] = False
    model = attentive_probe.fit_attentive(tokens, mask, targets, members=1)
    changed = tokens.copy()
    changed[:, -2:] = np.nan
    said, looked = attentive_probe.apply_attentive(model, tokens, mask)
    again, _ = attentive_probe.apply_attentive(model, changed, mask)
    np.testing.assert_array_equal(said, again)
    assert np.abs(looked[:, -2:]).max() == 0


def test_the_place_of_a_token_can_tell():
    rng = np.random.default_rng(2)
    places = rng.uniform(-4, 4, (60, 8, 2))
    tokens = rng.normal(size=(60, 8, 5)).astype(np.float32)
    targets = np.where(np.hypot(*np.moveaxis(places, -1, 0)) > 3, 1.0, -1.0)[..., None]
    mask = np.ones((60, 8), bool)
    wanted = {"goal": "number", "per": "token", "members": 2}
    knowing = attentive_probe.fit_attentive(tokens[:40], mask[:40], targets[:40], places=places[:40], **wanted)
    said, _ = attentive_probe.apply_attentive(knowing, tokens[40:], mask[40:], places=places[40:])
    blind = attentive_probe.fit_attentive(tokens[:40], mask[:40], targets[:40], **wanted)
    guessed, _ = attentive_probe.apply_attentive(blind, tokens[40:], mask[40:])
    error, of_blind = (((own - targets[40:]) ** 2).mean() for own in (said, guessed))
    assert error < 0.6 * of_blind


def test_shapes_that_do_not_belong_together_are_refused():
    tokens, targets, _ = needles()
    mask = np.ones(tokens.shape[:2], bool)
    with pytest.raises(BadInput, match="do not match"):
        attentive_probe.fit_attentive(tokens, mask[:, :4], targets)
    with pytest.raises(BadInput, match="no target is known"):
        attentive_probe.fit_attentive(tokens, mask, np.full_like(targets, np.nan))
    with pytest.raises(BadInput, match="3 heads"):
        attentive_probe.fit_attentive(tokens, mask, targets, heads=3)


# ---- figures


def test_numbers_are_measured_on_the_scale_they_are_learned_on():
    truth = np.array([10.0, 100.0, 1000.0])
    exact = probe_metrics.number_figures(truth, truth, logarithm=True)
    assert (exact["r2"], exact["rmse"], exact["rank"]) == pytest.approx((1, 0, 1))
    tenfold = probe_metrics.number_figures(truth, 10 * truth, logarithm=True)
    assert (tenfold["rmse"], tenfold["mae"]) == pytest.approx((1, 1))
    assert probe_metrics.number_figures(truth, np.full(3, truth.mean()), logarithm=False)["r2"] == pytest.approx(0)


def test_an_exposure_is_bad_when_two_of_its_ccds_are(run):
    catalog, store, truth = run
    target = read(catalog, store, "reasons")
    table = truth.sort_values("image_id")[["image_id", "expnum", "ccdname"]].reset_index(drop=True)
    table["reason"] = "good"
    table.loc[[0, 1, 2, 6], "reason"] = ["Noise", "PSF", "PSF", "PSF"]
    table["p_good"] = np.where(table.reason == "good", 0.9, 0.2)
    found = probe_metrics.exposures_of(table, target).set_index("expnum")
    assert found.reason[1] == "PSF"
    assert found.reason[2] == "good"
    assert found.bad_score[1] == pytest.approx(0.8)
    assert found.bad_score[2] == pytest.approx(0.45)


# ---- stage


@pytest.mark.parametrize(("kind", "target"), [("linear", "reasons"), ("attentive", "sky"), ("linear", "bad")])
def test_a_stage_holds_predictions_figures_plots_and_the_probe(run, kind, target, monkeypatch):
    monkeypatch.setattr(attentive_probe, "EPOCHS", 30)  # how well it answers is not asked here
    catalog, store, _ = run
    found = probes.probe(catalog, store, target=target, kind=kind, folds=2)
    again = probes.probe(catalog, store, target=target, kind=kind, folds=2)
    stage, second = catalog.stage("probe", found["stage"]), catalog.stage("probe")
    assert stage.digest == second.digest  # the same seed, the same bytes
    assert {**found, "stage": ""} == {**again, "stage": ""}
    assert json.loads((stage.path / "metrics.json").read_text())["split"] == found["split"]
    table = stage.table()
    assert set(table) >= {"expnum", "true", "fold"}
    assert table.groupby("expnum").fold.nunique().max() == 1
    plots = {path.name for path in stage.path.glob("*.png")}
    assert plots == ({"numbers.png"} if target == "sky" else {"confusion.png", "reasons.png", "reliability.png"})
    probe = probes.read_probe(stage)
    embedding = catalog.stage("embedding")
    said = probe_models.ask_probe(probe, embedding.array(), embedding.table("keys"))
    assert len(said) == (24 if kind == "attentive" else 144)
    assert not list(stage.path.glob("*.pkl"))
    assert found["probe"]["level"] in probes.as_text(found)


# ---- labels needed


def test_more_labels_are_not_worse_and_all_are_asked_about_the_same(run):
    catalog, store, _ = run
    stage, target = catalog.stage("embedding"), read(catalog, store, "reasons")
    options = {"methods": ("knn", "linear", "linear of exposures"), "sizes": (2, 6, 99), "draws": 2}
    curve = label_curve.label_curve(stage.array(), stage.table("keys"), target, **options)
    assert sorted(curve.exposures.unique()) == [2, 6, 16]
    assert len(curve) == 3 * (2 * 2 + 1)  # all exposures can be drawn in one way only
    rows = {(row["method"], row["exposures"]): row for row in label_curve.summary(curve)}
    for method in ("knn", "linear"):
        assert rows[method, 16]["ccd_macro_f1"]["mean"] > rows[method, 2]["ccd_macro_f1"]["mean"]
    assert rows["linear of exposures", 16]["ccd_macro_f1"] is None
    assert rows["linear of exposures", 16]["exposure_bad_f1"]["mean"] > 0.8
    pd.testing.assert_frame_equal(curve, label_curve.label_curve(stage.array(), stage.table("keys"), target, **options))


def test_held_exposures_never_teach(run):
    catalog, store, _ = run
    stage, target = catalog.stage("embedding"), read(catalog, store, "reasons")
    held = list(range(1, 19))
    curve = label_curve.label_curve(
        stage.array(), stage.table("keys"), target, methods=("knn",), sizes=(), draws=1, held=held
    )
    assert list(curve.exposures) == [6]
    with pytest.raises(LabelError, match="0 labelled exposures are left to teach"):
        label_curve.label_curve(stage.array(), stage.table("keys"), target, held=range(1, 25))


def test_curve_of_a_number(run):
    catalog, store, _ = run
    found = probes.probe(
        catalog, store, target="sky", folds=3, curve=True, sizes=(4,), draws=2, methods=("knn", "linear")
    )
    assert {row["method"] for row in found["curve"]} == {"linear"}
    assert found["curve"][-1]["ccd_r2"]["mean"] > 0.8
    assert (catalog.stage("probe").path / "curve.png").exists()
    assert len(catalog.stage("probe").table("curve")) == 3


# ---- the command


@pytest.fixture
def command():
    triptych = typer.Typer(pretty_exceptions_enable=False)
    triptych.command("probe")(verbs_probe.probe)
    return lambda *words: CliRunner().invoke(triptych, [str(word) for word in words])


def test_the_command(run, command, tmp_path):
    catalog, _, _ = run
    done = command(
        catalog.path, "--folds", 3, "--curve", "--method", "knn", "--draws", 1, "--json", tmp_path / "probe.json"
    )
    assert done.exit_code == 0, done.output
    assert "linear probe of reasons, asked per ccd" in done.output
    assert "| knn | 16 |" in done.output
    found = json.loads((tmp_path / "probe.json").read_text())
    assert found["ccd"]["n"] == 144
    assert Catalog.open(catalog.path).stage("probe").stage_id == found["stage"] == "linear-reasons-001"


def test_the_command_refuses_unknown_names(run, command):
    catalog, _, _ = run
    assert isinstance(command(catalog.path, "--kind", "linaer").exception, UnknownName)
    assert isinstance(command(catalog.path, "--curve", "--method", "nkk").exception, UnknownName)
