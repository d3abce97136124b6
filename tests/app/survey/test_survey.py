"""Which stages a page shows: those that `run.json` points at."""

import pytest

from tests import survey as runs
from triptych.app.survey.survey import Survey
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier import candidates
from triptych.pipeline.export.explain_model import stages_of
from triptych.pipeline.retraining import models


@pytest.fixture
def run(tmp_path) -> Catalog:
    runs.make(tmp_path / "run", exposures=8)
    return Catalog.open(tmp_path / "run")


def test_the_candidates_shown_are_the_current_ones_whatever_they_are_called(run):
    for rule in ("published", "exposure", "paper", "published", "exposure"):
        shown = candidates.find(run, rule=rule)
        assert run.refresh().info["current"]["candidates"] == shown.stage_id
        survey = Survey.read(run)
        assert survey.stages["candidates"] == shown.stage_id
        assert set(survey.candidates["rule"]) <= {rule}
        assert stages_of(run)["candidates"].stage_id == shown.stage_id
        assert [row["candidates"] for row in models.models(run) if row["current"]] == [shown.stage_id]


def test_tables_that_were_read_are_outdated_when_other_candidates_are_current(run):
    first = candidates.find(run)
    survey = Survey.read(run)
    assert not survey.outdated()
    candidates.find(run, rule="published")
    assert survey.outdated()
    run.make_current(first)
    assert not survey.outdated()


def test_candidates_of_another_prediction_change_nothing_on_a_page(run):
    """Pages stay with the predictions that they were opened with, and with the candidates made from these."""
    first = candidates.find(run)
    survey = Survey.read(run)
    old = run.stage("prediction")
    with run.new_stage("prediction", "other", parents=[run.stage("embedding"), old.parent("model")]) as writer:
        writer.write_table(old.table().assign(probability=0.5))
    candidates.find(run, rule="published")
    assert not survey.outdated()
    assert Survey.read(run, survey.prediction_id).stages["candidates"] == first.stage_id
