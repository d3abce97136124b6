"""`triptych train` and `triptych evaluate` as a person types them."""

import json
from dataclasses import fields

import pytest
import typer.main
from typer.testing import CliRunner

from tests import vectors
from triptych.app.cli import app
from triptych.app.verbs.common import TrainingOptions
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import UnknownName
from triptych.pipeline.store.store import open_store


@pytest.fixture
def run(tmp_path):
    catalog, truth = vectors.make(tmp_path / "run", exposures=12)
    with open_store(catalog) as store:
        vectors.teach(store, truth)
    return catalog.path


def type_in(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_search_says_what_it_found_and_the_model_keeps_it(run):
    result = type_in("train", run, "--search", "--search-candidates", 2, "--search-by", "macro_f1", "--seed", 5)
    assert "2 settings in" in result.stderr
    assert "for the best found" in result.stderr
    assert Catalog.open(run).stage("model").json("search")["seed"] == 5
    assert type_in("predict", run).exit_code == 0


def test_a_published_training_set_with_its_test_share(run):
    words = ["--classifier", "published", "--balance", "published", "--upweight", "--test-share", 0.3]
    result = type_in("train", run, *words)
    assert "split by exposure: macro F1" in result.stderr.replace("\n", " ")
    stage = Catalog.open(run).stage("model")
    assert stage.parameters["upweight"] is True
    assert "weight" in stage.table("training")
    assert type_in("predict", run).exit_code == 0


def test_evaluate_shows_cuts_and_leak_and_writes_json(run, tmp_path):
    words = ["--classifier", "knn", "--leak", "--cut", 0.5, "--cut", 0.8]
    result = type_in("evaluate", run, *words, "--json", tmp_path / "figures.json")
    assert "above 0.8" in result.stdout
    assert "The leak" in result.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert list(figures["ccd"]["cuts"]) == ["0.5", "0.8"]
    assert {"ccd", "exposure", "suspicious", "spread", "split", "labels", "classifier", "leak"} < set(figures)
    with pytest.raises(UnknownName, match="Did you mean 'published'"):
        type_in("evaluate", run, "--classifier", "publishd")


@pytest.mark.parametrize("verb", ["train", "evaluate"])
def test_every_training_option_is_an_option_of_the_verbs_that_train(verb):
    shown = {own.name: own for own in typer.main.get_command(app).commands[verb].params}
    for option in fields(TrainingOptions):
        assert shown[option.name].default == option.default
        assert shown[option.name].help


def test_a_training_option_reaches_the_training(run):
    type_in("train", run, "--good-pool", "unlisted", "--good-exposures", 2, "--good-ccds", 1)
    given = Catalog.open(run).stage("model").parameters
    assert (given["good_pool"], given["good_exposures"], given["good_ccds"]) == ("unlisted", 2, 1)
