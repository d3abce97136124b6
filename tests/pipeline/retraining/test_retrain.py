"""A retraining turns votes into new candidates. If it is stopped at any point, it leaves nothing behind."""

from dataclasses import replace

import pytest

from tests import vectors
from triptych.pipeline.classifier import candidates, model_files, predict, prediction_table, train
from triptych.pipeline.errors import Cancelled
from triptych.pipeline.labels.recipe import Recipe
from triptych.pipeline.retraining import retrain
from triptych.pipeline.store.store import Vote, open_store

KINDS = ("model", "prediction", "candidates")


@pytest.fixture
def run(tmp_path):
    """A run whose labels have no ghosts yet."""
    catalog, truth = vectors.make(tmp_path / "run", exposures=36)
    with open_store(catalog) as store:
        vectors.teach(store, truth[~truth.expnum.isin(truth.expnum[truth.reason == "Ghost_Scatter"])])
        train.train(catalog, store)
        predict.predict(catalog)
        candidates.find(catalog)
        yield catalog, store, truth


def ghosts(truth):
    return sorted(set(truth.expnum[truth.reason == "Ghost_Scatter"]))


def vote_ghosts(store, truth):
    """Two of three inspectors vote bad on half of the ghost exposures and tick their CCDs."""
    voted = ghosts(truth)[:3]
    votes = []
    for expnum in voted:
        for inspector in ("amy", "ben"):
            own = {"inspector": inspector, "judgement": "bad", "reasons": ("Ghost_Scatter",), "expnum": int(expnum)}
            votes += [Vote(**own), *(Vote(ccdname=name, **own) for name in vectors.NAMES[:4])]
    store.cast_many(votes)
    return voted


def state(catalog):
    catalog.refresh()
    files = {p.relative_to(catalog.path).as_posix() for p in catalog.path.rglob("*") if "labels.db" not in p.name}
    return dict(catalog.info["current"]), {name for name in files if name not in KINDS}


def test_votes_teach_a_new_reason(run):
    catalog, store, truth = run
    vote_ghosts(store, truth)
    steps = []
    before = {kind: catalog.stage(kind) for kind in KINDS}
    report = retrain.retrain(catalog, store, progress=lambda *step: steps.append(step))
    assert {kind: stage.stage_id for kind, stage in report.before.items()} == {
        kind: stage.stage_id for kind, stage in before.items()
    }
    assert {kind: catalog.stage(kind).stage_id for kind in KINDS} == {
        kind: stage.stage_id for kind, stage in report.after.items()
    }
    assert report.training["reasons"]["Ghost_Scatter"] == 12
    assert report.training["provenance"]["ticked"] == 12
    table = report.after["prediction"].table()
    found = table[table.image_id.isin(truth.image_id[truth.reason == "Ghost_Scatter"])]
    assert (found.reason == "Ghost_Scatter").mean() > 0.9
    assert set(report.changed.expnum) >= set(ghosts(truth))
    first = report.changed.iloc[0]
    assert first.change in retrain.CHANGES
    done = [step[0] for step in steps]
    assert done == sorted(done)
    assert done[-1] == 100
    summary = report.summary()
    assert summary["changed"]["entered"] == len(summary["entered"])
    assert set(report.after["candidates"].table().expnum) >= set(ghosts(truth)[3:])
    assert "entered the candidates" in str(report)


def test_again_without_news_changes_nothing(run):
    catalog, store, truth = run
    vote_ghosts(store, truth)
    first = retrain.retrain(catalog, store)
    again = retrain.retrain(catalog, store)
    assert again.changed.empty
    for kind in ("model", "prediction", "candidates"):
        assert (
            again.after[kind]
            .table("training" if kind == "model" else "table")
            .equals(first.after[kind].table("training" if kind == "model" else "table"))
        )


def test_the_first_training_has_nothing_before(tmp_path):
    catalog, truth = vectors.make(tmp_path / "run")
    with open_store(catalog) as store:
        vectors.teach(store, truth)
        report = retrain.retrain(catalog, store)
    assert report.before == dict.fromkeys(KINDS)
    assert set(report.changed.change) <= {"entered", "reasons"}
    assert set(report.summary()["entered"]) == set(report.after["candidates"].table().expnum)


def test_the_rule_in_use_is_kept(run):
    catalog, store, _ = run
    candidates.find(catalog, rule="paper")
    assert retrain.retrain(catalog, store).after["candidates"].parameters["rule"] == "paper"


@pytest.mark.parametrize("classifier", ["knn", "mixed", "two_step"])
def test_the_classifier_in_use_is_kept(run, classifier):
    catalog, store, _ = run
    train.train(catalog, store, classifier=classifier)
    report = retrain.retrain(catalog, store)
    assert report.after["model"].name == classifier
    assert model_files.classifier_of(report.after["model"]) == classifier
    assert report.after["prediction"].parameters["classifier"] == classifier
    model = model_files.read_model(report.after["model"])
    assert (model.head is not None) == (classifier != "knn")
    assert len(model.head.steps if model.head else ()) == {"knn": 0, "mixed": 1, "two_step": 2}[classifier]


def test_that_no_simulation_teaches_is_kept_however_often(run):
    catalog, store, _ = run
    train.train(catalog, store, classifier="knn", recipe=Recipe(simulated=False))
    for _ in range(2):
        assert retrain.retrain(catalog, store).after["model"].parameters["simulated"] is False
    train.train(catalog, store, classifier="knn")
    assert "simulated" not in retrain.retrain(catalog, store).after["model"].parameters


def test_the_recipe_in_use_is_kept(run):
    catalog, store, _ = run
    catalog.write_tables(exposures=catalog.exposures().assign(ra=0.0, dec=-60.0))
    recipe = Recipe(good_pool="unlisted", good_exposures=3, good_ccds=2)
    first = train.train(catalog, store, classifier="knn", recipe=recipe)
    for _ in range(2):
        after = retrain.retrain(catalog, store).after["model"]
        assert Recipe.of(after.parameters) == recipe
        assert after.table("training").equals(first.table("training"))
        assert (after.table("training").provenance == "unlisted").sum() == 6


def test_the_prediction_is_that_of_predict_and_is_never_whole_in_memory(run, monkeypatch):
    catalog, store, truth = run
    vote_ghosts(store, truth)
    held, least = [], []
    answers = prediction_table.as_table
    monkeypatch.setattr(prediction_table, "BLOCK", 12)
    monkeypatch.setattr(prediction_table, "as_table", lambda *given: held.append(len(given[1])) or answers(*given))
    writes = prediction_table.pq.ParquetWriter.write_table
    monkeypatch.setattr(
        prediction_table.pq.ParquetWriter,
        "write_table",
        lambda writer, table, **given: least.append(sum(held)) or writes(writer, table, **given),
    )
    after = retrain.retrain(catalog, store, classifier="knn").after
    assert max(held) == 12
    fitted = sum(held) - len(truth)  # images that were predicted to fit the view of exposures
    assert least[0] - fitted < len(truth)  # the first block is written before the last is predicted
    predicted = predict.predict(catalog.refresh())
    assert predicted.stage_id == after["prediction"].stage_id


def test_a_classifier_that_is_named_replaces_the_one_in_use(run):
    catalog, store, _ = run
    assert retrain.retrain(catalog, store, classifier="knn").after["model"].name == "knn"


def test_what_a_search_has_found_is_kept(run):
    catalog, store, truth = run
    searched = model_files.read_model(train.train(catalog, store, searching=train.Search(candidates=4)))
    given = train.CLASSIFIERS["knn"]
    # Where the search has found nothing better, take something that no name stands for.
    found = searched.classifier if searched.classifier != given else replace(given, neighbours=3, components=10)
    embedding, training = catalog.stage("embedding"), train.read_training_set(catalog, store)
    model = train.fit_stage(catalog, embedding, training, classifier=found)
    model_files.write_model(catalog, embedding, model, {}, parameters={})
    vote_ghosts(store, truth)
    after = retrain.retrain(catalog, store).after["model"]
    assert model_files.read_model(after).classifier == found
    assert model_files.read_model(after).name == "searched"
    assert "Ghost_Scatter" in model_files.read_model(after).classes


def test_cancelled_at_any_step_it_leaves_nothing_behind(run):
    catalog, store, truth = run
    vote_ghosts(store, truth)
    was = state(catalog)
    steps = []
    fits = iter(range(9))
    with pytest.raises(Cancelled):  # within the fit of learners
        retrain.retrain(catalog, store, classifier="linear", cancelled=lambda: next(fits) >= 3)
    assert state(catalog) == was
    for stop_after in range(30):
        asked = iter(range(1000))
        try:
            retrain.retrain(
                catalog,
                store,
                classifier="knn",
                cancelled=lambda: next(asked) >= stop_after,  # noqa: B023
            )
        except Cancelled:
            steps.append(stop_after)
            assert state(catalog) == was
        else:
            break
    assert len(steps) >= 8
    assert state(catalog)[0] != was[0]


def test_an_error_while_writing_leaves_nothing_behind(run, monkeypatch):
    catalog, store, truth = run
    vote_ghosts(store, truth)
    was = state(catalog)
    monkeypatch.setattr(catalog, "set_info", lambda **_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        retrain.retrain(catalog, store)
    assert state(catalog) == was
