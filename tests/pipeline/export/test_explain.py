"""From an exported line back to votes, screens, models, labels and files."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from tests import survey
from triptych.app.cli import app as command_line
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput
from triptych.pipeline.export.explain import explain
from triptych.pipeline.export.explain_text import as_text
from triptych.pipeline.export.export import export
from triptych.pipeline.retraining.retrain import retrain
from triptych.pipeline.store.store import LabelStore, Vote, open_store

JUDGED = 900005


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run where three people judged 900005. One of them changed their vote, and one was asked again."""
    catalog = survey.make(tmp_path_factory.mktemp("explain") / "run", exposures=8)
    with open_store(catalog) as store:
        stage = catalog.stage("prediction").stage_id
        vote = {"expnum": JUDGED, "plver": "V5.5LS", "judgement": "bad", "reasons": ("PSF",)}
        screen = {"stage": stage, "seconds": 6.2, "stretch": "faint", "model_shown": True, "score": 0.93, "zoom": 2.0}
        store.cast(Vote(inspector="amy", **{**vote, "judgement": "good", "reasons": ()}, screen={"stage": stage}))
        screen["ccds_opened"] = ["S4"]
        whole = Vote(inspector="amy", **vote, client_vote_id="a", comment="trailed", screen=screen)
        store.cast_many([whole, *(replace(whole, ccdname=ccd, client_vote_id=f"a:{ccd}") for ccd in ("S4", "N4"))])
        number = store.cast(Vote(inspector="ben", **vote, screen={"stage": "gone-007"})).vote_id
        store.repeat(number, "ben", "unsure")
        taken = store.cast(Vote(inspector="cai", **vote)).vote_id
        store.retract(taken, "cai")
        store.cast(Vote(inspector="cai", **{**vote, "plver": "V4.0"}))
        store.note_reveals("amy", "decam", [JUDGED])
        store.adjudicate("decam", 900003, "lea", "bad", plver="V5.5LS", comment="plain", reasons=("PSF",))
    return catalog


@pytest.fixture
def store(run):
    with open_store(run) as store:
        yield store


def test_every_vote_is_there_with_what_was_on_screen(run, store):
    found = explain(run, store, JUDGED)
    said = [(vote["inspector"], vote["judgement"], vote["state"], vote["old"]) for vote in found["votes"]]
    assert said == [
        ("amy", "good", "superseded", False),
        ("amy", "bad", "current", False),
        ("ben", "bad", "current", False),
        ("cai", "bad", "retracted", False),
        ("cai", "bad", "current", True),
    ]
    amy, ben = found["votes"][1:3]
    assert (amy["ccdnames"], amy["comment"], amy["blind"]) == (["S4", "N4"], "trailed", True)
    assert amy["screen"]["ccds_opened"] == ["S4"]
    assert amy["model_then"]["stage"] == found["model"]["stage"]
    assert amy["model_then"]["exposure_probability"] == found["model"]["exposure_probability"]
    assert found["votes"][0]["until"] == amy["created_utc"]
    assert ben["model_then"] is None
    assert [one["judgement"] for one in ben["repeats"]] == ["unsure"]
    assert [one["inspector"] for one in found["reveals"]] == ["amy"]


def test_the_lines_are_those_of_the_lists(run, store):
    found = {expnum: explain(run, store, expnum)["policies"] for expnum in (900001, 900003, JUDGED, 900007)}
    for policy in ("any", "majority", "unanimous", "posterior"):
        listed = export(run, store, "bad_expid", policy).content.decode().splitlines()
        for expnum, policies in found.items():
            assert policies[policy]["lines"] == [line for line in listed if line.startswith(str(expnum))]
    assert [line.split()[0] for line in found[JUDGED]["majority"]["lines"]] == ["900005-N4", "900005-S4"]


def test_labels_neighbours_and_what_was_taught_name_their_source(run, store):
    found = explain(run, store, 900001)
    assert {(one["source"], one["kind"]) for one in found["labels"]} == {("made-up", "truth")}
    assert found["policies"]["majority"]["verdict"] is None
    assert {one["source"] for one in found["model"]["neighbours"]} == {"made-up"}
    assert 900001 not in {one["expnum"] for one in found["model"]["neighbours"]}
    assert sum(len(one["ccdnames"]) for one in found["taught"]["labels"]) == 61
    assert [stage["kind"] for stage in found["chain"]] == ["candidates", "prediction", "model", "embedding"]
    assert all(stage["digest"] and stage["current"] for stage in found["chain"])
    assert found["model"]["n_ranked"] == 8


def test_a_decision_is_there_with_its_reason(run, store):
    found = explain(run, store, 900003)
    assert [(one["lead"], one["comment"], one["state"]) for one in found["decisions"]] == [("lea", "plain", "current")]
    assert found["policies"]["unanimous"]["lines"] == ["900003 PSF # 0 of 3 bad, decided by lea"]


def test_after_a_retraining_it_says_what_each_model_said_and_what_the_votes_taught(tmp_path):
    catalog = survey.make(tmp_path / "run", exposures=8)
    with open_store(catalog) as store:
        first = catalog.stage("prediction").stage_id
        for name in ("amy", "ben", "cai"):
            vote = {"expnum": JUDGED, "plver": "V5.5LS", "judgement": "bad", "reasons": ("PSF",)}
            store.cast(Vote(inspector=name, **vote, screen={"stage": first}))
        assert explain(catalog, store, JUDGED)["taught"]["labels"][0]["source"] == "made-up"
        retrain(catalog, store, classifier="knn")
        found = explain(Catalog.open(catalog.path), store, JUDGED)
        assert [vote["model_then"]["stage"] for vote in found["votes"]] == [first] * 3
        assert found["model"]["stage"] != first
        [label] = found["taught"]["labels"]
        assert (label["reasons"], label["source"]) == (["PSF"], "majority of amy, ben, cai")
        assert 0 < label["weight"] <= 1
        assert label["basis"] == "votes"
        assert explain(catalog, store, JUDGED, prediction=first)["model"]["stage"] == first
        assert "prediction/mixed-001 (model/mixed-001) was on screen" in as_text(found)


def test_what_taught_nothing_says_why(tmp_path):
    catalog = survey.make(tmp_path / "run", exposures=8)
    with LabelStore(f"sqlite:///{tmp_path / 'other.db'}") as store:
        for expnum in (900001, 900002, 900003, 900004):
            names = {"expnum": expnum, "inspector": "amy", "plver": "V5.5LS"}
            store.cast(Vote(judgement="bad" if expnum % 2 else "good", reasons=("PSF",) * (expnum % 2), **names))
        catalog.set_info(panel=1)
        retrain(catalog, store, classifier="knn")
        nothing = explain(catalog, store, 900006)
        assert nothing["taught"]["labels"] == []
        assert "it has neither a vote nor a label" in as_text(nothing)
        store.cast(Vote(expnum=900006, inspector="amy", plver="V5.5LS", judgement="good"))
        assert "which is now at" in as_text(explain(catalog, store, 900006))


def test_a_run_without_predictions_and_an_exposure_that_is_elsewhere(tmp_path):
    catalog = survey.make(tmp_path / "run", exposures=8)
    catalog.set_info(current={"prediction": ""})
    with open_store(catalog) as store:
        assert explain(catalog, store, 900001)["model"] is None
        store.cast(Vote(expnum=77, inspector="amy", judgement="bad", via="import"))
        found = explain(catalog, store, 77)
        assert (found["in_run"], found["exposure"]) == (False, None)
        assert found["policies"]["any"]["lines"] == ["77 unspecified # 1 of 3 bad"]
        as_text(found)
        with pytest.raises(BadInput, match="nothing is known of exposure 5"):
            explain(catalog, store, 5)


def test_the_command_prints_it_for_people_and_programs(run):
    result = CliRunner().invoke(command_line, ["explain", str(run.path), str(JUDGED), "--policy", "any"])
    assert result.exit_code == 0, result.output
    for text in (
        "Verdict: bad: PSF (policy any, panel 3",
        "looked 6.2 s",
        "shown (0.93)",
        "ticked S4 N4",
        "taken back",
    ):
        assert text in result.stdout
    result = CliRunner().invoke(command_line, ["explain", str(run.path), str(JUDGED), "--json"])
    assert json.loads(result.stdout)["expnum"] == JUDGED
