"""Verbs that place new images and take vectors from elsewhere, as a person types them."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests import vectors
from triptych.app.cli import app


def type_in(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return " ".join(result.stderr.split())


@pytest.fixture
def run(tmp_path):
    catalog, truth = vectors.make(tmp_path / "run", exposures=30, spread=0.7)
    drawn = catalog.stage("embedding").array(mmap=False)
    for name, rows in (("first", truth.expnum <= 24), ("all", truth.expnum > 0)):
        frame = pd.DataFrame({"image_id": truth.image_id[rows], "vector": list(drawn[rows])})
        frame.to_parquet(tmp_path / f"{name}.parquet")
    return tmp_path


def test_from_vectors_to_a_map_with_new_images_on_it(run):
    folder = run / "run"
    assert "144 vectors of length 40, 36 run images without" in type_in(
        "embed", folder, "--from", run / "first.parquet"
    )
    assert "stability" in (said := type_in("cluster", folder))
    assert "silhouette" in said
    assert "DBCV" in said
    assert "144 images" in type_in("map", folder)
    assert "nothing new" in type_in("map", folder, "--place")
    type_in("embed", folder, "--from", run / "all.parquet")
    said = type_in("map", folder, "--place", "--how", "median")
    assert "36 new of 180 images, on tsne-001" in said
    assert "trust" in said
    assert "36 new images" in type_in("cluster", folder, "--place")


def test_published_presets(run):
    folder = run / "run"
    assert "clusters" in type_in("cluster", folder, "--preset", "published")
    assert "180 images" in type_in("map", folder, "--preset", "published")


def test_vectors_make_a_run_of_their_own(run):
    np.save(run / "vectors.npy", np.eye(12, 5) + 1)
    pd.DataFrame({"expnum": range(1, 13), "ccdname": "N4"}).to_csv(run / "vectors.csv", index=False)
    type_in("embed", run / "new", "--from", run / "vectors.npy")
    result = CliRunner().invoke(app, ["similar", str(run / "new"), "3-N4", "-k", "2"])
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        ("map", ["--place", "--how", "--preset", "--gradient"]),
        ("cluster", ["--place", "--preset"]),
        ("embed", ["--from"]),
    ],
)
def test_help_explains_every_option(verb, options, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = CliRunner().invoke(app, [verb, "--help"]).output
    for option in options:
        line = next(line for line in shown.splitlines() if line.strip().startswith(option))
        assert len(line.split()) > 4
