"""The session and its verbs, on a real run and store, without a browser and without Panel."""

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tests import survey
from triptych.app.context import AppContext
from triptych.app.judging.evidence import asks_of, bad_reasons, evidence_of
from triptych.app.judging.facts import facts_of_all
from triptych.app.judging.viewer import Viewer
from triptych.app.session import Session
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier import candidates
from triptych.pipeline.errors import BadInput, LabelError, UnknownName
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.store.store import LabelStore, Vote
from triptych.pipeline.votes.queue_order import BAND_WIDTH


@pytest.fixture
def app(survey_folder, tmp_path):
    shutil.copytree(survey_folder, tmp_path / "run", ignore=shutil.ignore_patterns("previews"))
    catalog = Catalog.open(tmp_path / "run")
    store = LabelStore(catalog.labels_url())
    yield AppContext(catalog, store)
    store.close()


def session_of(app, name, **params):
    return Session(app, app.accounts.user(name), **params)


def cast(app, inspector, expnum, judgement, **more):
    return app.store.cast(Vote(expnum=expnum, inspector=inspector, judgement=judgement, plver="V5.5LS", **more))


def test_session_needs_no_panel_and_no_torch():
    code = "import sys, triptych.app.session; "
    code += "print([m for m in ('panel', 'bokeh', 'torch', 'tornado') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_selecting_keeps_order_and_drops_what_the_run_does_not_have(app):
    session = session_of(app, "amy")
    assert session.select([90000205, 90000101, 7, 90000205], "by hand") == 2
    assert session.selection.tolist() == [90000205, 90000101]
    assert session.selection.dtype == np.int64
    assert session.selection_how == "by hand"


def test_focus_on_an_unknown_exposure_says_so_and_changes_nothing(app):
    session = session_of(app, "amy")
    session.focus_on(900001, "S4")
    session.focus_on(123)
    assert (session.focus, session.focus_ccd) == (900001, "S4")
    assert "123" in session.notice


@pytest.mark.parametrize(
    ("text", "focus", "ccd", "count"),
    [
        ("900003", 900003, "", 61),
        ("900003-S4", 900003, "S4", 61),
        ("900003-s4", 900003, "S4", 61),
        ("900", None, "", 488),
    ],
)
def test_search_by_exposure(app, text, focus, ccd, count):
    session = session_of(app, "amy")
    assert session.search(text) == count
    assert (session.focus, session.focus_ccd) == (focus, ccd)
    assert session.query == text


@pytest.fixture
def starry(app):
    """Star shapes of the first four exposures: FWHM 1.0, 1.5, 2.0 and 2.5 arcsec; the others are unknown."""
    expnums = app.catalog.exposures()["expnum"][:4]
    shapes = pd.DataFrame(
        {"expnum": expnums, "fwhm_arcsec": [1.0, 1.5, 2.0, 2.5], "fwhm_over_night": [0.8, 1.0, 1.0, 1.7]}
    )
    app.catalog.write_tables(exposure_shapes=shapes.assign(e_coherent=[0.01, 0.02, 0.2, 0.03]))
    return app, expnums.tolist()


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("fwhm > 1.4", (1, 2, 3)),
        ("FWHM>=1.5 fwhm < 2.1", (1, 2)),
        ("fwhm > 1.4, e > .1", (2,)),
        ("seeing>1.5", (3,)),
    ],
)
def test_search_by_the_shapes_of_stars(starry, text, places):
    app, expnums = starry
    session = session_of(app, "amy")
    session.search(text)
    assert {expnum_of(image_id) for image_id in session.selection.tolist()} == {expnums[place] for place in places}


def test_what_cannot_be_compared_says_what_can(app):
    session = session_of(app, "amy")
    for text, answer in (
        ("mass > 2", "fwhm, seeing, e, airmass"),
        ("fwhm > 2", "No exposure of this run has a known FWHM"),
    ):
        session.search(text)
        assert answer in session.notice


def test_facts_tell_the_shapes_of_stars_where_they_are_known(starry):
    app, expnums = starry
    known, unknown = facts_of_all(app.survey(), [expnums[3], app.catalog.exposures()["expnum"].iloc[-1]])
    assert (known["fwhm_arcsec"], known["fwhm_over_night"], known["e_coherent"]) == (2.5, 1.7, 0.03)
    assert unknown["fwhm_arcsec"] is None


def test_search_by_night_band_and_reason_together(app):
    session = session_of(app, "amy")
    assert session.search("20170903") == session.search("2017-09-03") == 488
    band = app.survey().exposures["band"].iloc[0]
    in_band = session.search(band)
    assert in_band == 61 * (app.survey().exposures["band"] == band).sum()
    ghosts = session.search("ghost")
    predicted = app.survey().prediction
    assert ghosts == (predicted["reason"] == "Ghost_Scatter").sum() > 0
    assert "predicted Ghost Scatter" in session.selection_how
    both = session.search(f"ghost {band}")
    assert both <= min(ghosts, in_band)


def test_words_of_one_kind_are_a_list_and_those_of_several_kinds_must_all_hold(app):
    exposures = app.catalog.exposures().reset_index(drop=True)
    exposures.loc[:1, "object"] = ["DES wide hex 12", "Omega Cen"]
    app.catalog.write_tables(exposures=exposures)
    survey, search = app.survey(), session_of(app, "amy").search
    session = session_of(app, "amy")
    assert session.search("900001, 900003") == session.search("900001 900003-S4") == 2 * 61
    assert session.selection_how == "exposure 900001 or exposure 900003"
    one, other = sorted(set(exposures["band"]))[:2]
    assert session.search(f"{one} {other}") == search(one) + search(other)
    assert search("2017-09") == search("201709") == 61 * (exposures["night"] // 100 == 201709).sum()
    assert search("2019-09") == 0
    assert search("omega cen") == search('"cen"') == 61
    assert search("hex 12") == 61
    for text in ("Ghost Scatter", "ghost_scatter", "Ghost"):
        assert session.search(text) == (survey.prediction["reason"] == "Ghost_Scatter").sum()
        assert session.selection_how == "predicted Ghost Scatter"
    assert session.search("bad") == (survey.prediction["reason"] != "good").sum()
    assert session.selection_how == "predicted bad"
    assert 0 < session.search("Bad CCD 900007") < 61


def test_the_candidates_have_an_address_and_come_back_by_it(app):
    first = session_of(app, "amy")
    first.show_candidates()
    assert first.query == "candidates"
    assert expnum_of(first.selection).tolist() == app.survey().candidates.index.tolist()
    again = session_of(app, "amy")
    again.search(first.query)
    assert (again.selection.tolist(), again.selection_how) == (first.selection.tolist(), first.selection_how)
    band = app.survey().exposures["band"].loc[first.focus]
    assert 0 < again.search(f"candidates {band}") < len(first.selection)
    hidden = session_of(app, "amy", assisted=False)
    assert hidden.search("candidates") == 0
    assert "hidden" in hidden.notice


def test_search_without_assistance_uses_labels_and_not_predictions(app):
    session = session_of(app, "amy", assisted=False)
    count = session.search("ghost")
    labels = app.store.labels()
    assert count == (labels["reason"] == "Ghost_Scatter").sum() > 0
    assert session.selection_how == "labelled Ghost Scatter"


def test_search_for_nothing_says_what_can_be_searched_and_keeps_the_selection(app):
    session = session_of(app, "amy")
    session.select([90000101])
    assert session.search("zebra") == 0
    assert "zebra" in session.notice
    assert session.selection.tolist() == [90000101]


def test_queue_is_most_suspicious_first_and_without_own_votes_only(app):
    session = session_of(app, "amy")
    queue = session.queue()
    bands = np.floor(-app.survey().scored.loc[queue, "bad_probability"] / BAND_WIDTH + 1e-9)
    assert bands.is_monotonic_increasing
    cast(app, "ben", queue[0], "good")
    assert session.queue() == queue
    session.vote(queue[0], "bad", ["PSF"])
    assert session.queue() == queue[1:]
    assert sorted(session_of(app, "cai").queue()) == sorted(queue)


def test_a_vote_on_another_pipeline_version_does_not_count_as_judged(app):
    session = session_of(app, "amy")
    first = session.queue()[0]
    app.store.cast(Vote(expnum=first, inspector="amy", judgement="bad", plver="V4.0"))
    assert session.queue()[0] == first
    assert session.evidence(first)["mine"] is None


def test_vote_records_what_was_on_screen_and_the_ticked_ccds(app):
    session = session_of(app, "amy", stretch="faint")
    session.vote(900001, "bad", ["Ghost_Scatter", "PSF"], "arc", {"seconds": 2.5}, ["S4", "N4"], "abc")
    votes = app.store.votes(inspector="amy")
    whole = votes[votes["ccdname"] == ""].iloc[0]
    assert whole["reasons"] == ("PSF", "Ghost_Scatter")
    assert whole["plver"] == "V5.5LS"
    assert whole["screen"]["stretch"] == "faint"
    assert whole["screen"]["seconds"] == 2.5
    assert whole["screen"]["stage"] == "mixed-001"
    assert sorted(votes.loc[votes["ccdname"] != "", "ccdname"]) == ["N4", "S4"]
    session.vote(900001, "bad", ["Ghost_Scatter", "PSF"], "arc", {"seconds": 2.5}, ["S4", "N4"], "abc")
    assert len(app.store.votes(inspector="amy", current=False)) == 3


def test_undo_goes_back_vote_by_vote_and_shows_the_exposure(app):
    session = session_of(app, "amy")
    session.vote(900001, "bad", ["PSF"], ccdnames=["S4"])
    session.vote(900002, "good")
    session.undo()
    assert session.focus == 900002
    session.undo()
    assert session.focus == 900001
    assert app.store.votes(inspector="amy").empty
    session.undo()
    assert session.notice == "Nothing to undo."


@pytest.mark.parametrize(
    ("user", "vote", "words"),
    [
        ("vic", (900001, "good"), "viewer"),
        ("amy", (5, "good"), "not in this run"),
        ("amy", (900001, "dreadful"), "judgement"),
        ("amy", (900001, "bad", ["Gost_Scatter"]), "Ghost_Scatter"),
    ],
)
def test_a_refused_vote_is_a_message_that_says_why(app, user, vote, words):
    session = session_of(app, user)
    session.vote(*vote)
    assert words in session.notice
    assert app.store.votes(inspector=user).empty


def test_nothing_of_others_votes_before_ones_own(app):
    cast(app, "ben", 900001, "bad", reasons=("Wonky",), comment="ben's comment")
    session = session_of(app, "amy")
    before = session.evidence(900001)
    assert before["others"] is None
    assert before["verdict"] is None
    assert not {"ben", "Wonky", "ben's comment"} & set(str(before).replace("'", " ").split())
    session.vote(900001, "good")
    after = session.evidence(900001)
    assert after["others"] == [
        {"inspector": "ben", "judgement": "bad", "reasons": ["Wonky"], "comment": "ben's comment"}
    ]
    assert after["verdict"]["verdict"] in ("open", "split")
    session.undo()
    assert session.evidence(900001)["others"] is None


def test_a_vote_after_seeing_the_others_is_marked_as_not_blind(app):
    session = session_of(app, "amy")
    newest = lambda: app.store.votes(inspector="amy", expnum=900001).iloc[-1]  # noqa: E731
    cast(app, "ben", 900001, "bad", reasons=("PSF",))
    session.vote(900001, "good")
    assert newest()["blind"]
    session.undo()
    session.vote(900001, "bad", ["PSF"])
    assert not newest()["blind"], "between the two votes, ben's could be looked at"
    lead = session_of(app, "lea")
    lead.vote(900001, "good")
    lead.vote(900002, "good")
    assert app.store.votes(inspector="lea").set_index("expnum")["blind"].to_dict() == {900001: False, 900002: True}


def test_the_models_opinion_waits_for_the_vote_when_unassisted(app):
    session = session_of(app, "amy", assisted=False)
    first = session.queue()[0]
    before = session.evidence(first)
    assert before["model"] is None
    assert before["neighbours"] == []
    session.vote(first, "bad", ["PSF"])
    after = session.evidence(first)
    assert len(after["model"]["ccds"]) == 61
    assert after["model"]["rule"] == "exposure"


def test_the_models_opinion_says_why_a_candidate_is_one(app):
    session = session_of(app, "amy")
    model = session.evidence(session.queue()[0])["model"]
    assert model["is_candidate"]
    assert model["asks"] == {"whole": True, "above": 0.5, "needed": 0}
    assert model["exposure_probability"] == pytest.approx(model["bad_probability"])
    assert model["exposure_probability"] > model["asks"]["above"]
    bad = [ccd["bad_reason"] for ccd in model["ccds"].values() if ccd["p_bad"] > 0.5]
    assert len(bad) == model["n_bad"]
    assert model["n_counted"] == len(model["ccds"]) == 61
    assert max(set(bad), key=bad.count) == model["reasons"].split(",")[0]
    rest = next(e for e in app.survey().scored.index if e not in app.survey().candidates.index)
    assert not session.evidence(rest)["model"]["is_candidate"]


def test_a_ccd_whose_likeliest_reason_is_good_still_names_a_bad_one():
    rows = pd.DataFrame({"reason": ["good", "PSF"], "p_good": [0.4, 0.1], "p_PSF": [0.2, 0.8], "p_Streak": [0.3, 0.2]})
    assert bad_reasons(rows) == ["Streak", "PSF"]
    assert bad_reasons(rows[["reason", "p_good"]]) == ["", ""]


@pytest.mark.parametrize("rule", sorted(candidates.RULES))
def test_what_a_rule_asks_is_what_makes_candidates(app, rule):
    prediction = app.catalog.stage("prediction").table()
    scored = candidates.score(prediction, prediction.image_id, rule=rule)
    sent = set(candidates.chosen(scored).expnum)
    for row in scored.itertuples():
        asks = asks_of(rule, row.n_ccds)
        enough = row.bad_probability > asks["above"] if asks["whole"] else row.n_bad_ccds >= asks["needed"]
        assert enough == (row.expnum in sent)


@pytest.mark.parametrize("provenance", ["ticked", "candidate_ccds", "whole_exposure", "annotation"])
def test_neighbours_are_labelled_near_first_and_never_what_only_others_judged(app, provenance):
    session = session_of(app, "amy")
    first = session.queue()[0]
    neighbours = session.evidence(first)["neighbours"]
    assert neighbours
    assert [n["distance"] for n in neighbours] == sorted(n["distance"] for n in neighbours)
    assert all(n["expnum"] != first and n["reason"] and n["ccdname"] for n in neighbours)
    hidden = neighbours[0]["expnum"]
    cast(app, "ben", hidden, "bad", reasons=("PSF",))
    assert session.evidence(first)["neighbours"] == neighbours, "a label of a list tells nothing of votes"
    survey.teach_by_votes(app.catalog, hidden, provenance)
    vars(app.survey()).pop("training", None)  # read again
    assert hidden not in {n["expnum"] for n in session.evidence(first)["neighbours"]}
    cast(app, "amy", hidden, "bad", reasons=("PSF",))
    assert hidden in {n["expnum"] for n in session.evidence(first)["neighbours"]}


def test_similar_starts_from_the_focused_ccd_else_from_the_selection(app):
    session = session_of(app, "amy")
    session.show_similar()
    assert "Pick an image" in session.notice
    session.focus_on(900001, "S4")
    session.show_similar()
    assert len(session.selection) == len({expnum_of(image_id) for image_id in session.selection})
    assert "similar" in session.selection_how


def test_only_a_lead_retrains_and_the_same_request_twice_is_one_job(app):
    with pytest.raises(LabelError, match="lead"):
        session_of(app, "amy").retrain()
    lead = session_of(app, "lea")
    lead.retrain()
    lead.retrain()
    assert len(app.store.jobs()) == 1


def test_new_predictions_are_offered_and_change_nothing_until_accepted(app):
    session = session_of(app, "amy")
    app.page_opened(session.user)
    old = session.survey
    with app.catalog.new_stage("prediction", "mixed", parents=[app.catalog.stage("embedding")]) as writer:
        writer.write_table(app.catalog.stage("prediction").table())
    app._pulse_time = app._looked = -100
    session.poll(app.pulse())
    assert session.new_prediction == "mixed-002"
    assert session.survey is old
    assert app.survey_for(session.user).prediction_id == "mixed-001"
    other_tab = session_of(app, "amy")
    session.accept_prediction()
    assert other_tab.survey is old
    other_tab.poll(app.pulse())
    assert other_tab.survey is session.survey, "what its routes answer is of the new predictions, too"
    assert (other_tab.new_prediction, other_tab.notice) == ("", "Now showing predictions mixed-002.")
    assert session.survey.prediction_id == "mixed-002"
    assert session.new_prediction == ""
    assert app.survey_for(session.user) is session.survey
    assert app.survey_for(app.accounts.user("ben")).prediction_id == "mixed-002"


def test_sessions_share_tables_and_nothing_else(app):
    one, two = session_of(app, "amy"), session_of(app, "ben")
    assert one.survey is two.survey
    one.select([90000101])
    one.focus_on(900001)
    one.isolate = ("good",)
    assert two.selection.size == 0
    assert two.focus is None
    assert two.isolate == ()


def test_show_refuses_unknown_values_with_the_known_ones(app):
    with pytest.raises(UnknownName, match="Did you mean 'cluster'"):
        session_of(app, "amy").show(colour_by="clusters")
    with pytest.raises(BadInput, match="2 or 3 dimensions, not 7"):
        session_of(app, "amy").show(dims=7)


def test_a_run_without_any_stage_opens(tmp_path):
    catalog = Catalog.create(tmp_path / "empty")
    store = LabelStore(catalog.labels_url())
    store.add_user("amy", "long enough", "inspector")
    app = AppContext(catalog, store)
    session = session_of(app, "amy")
    assert session.queue() == []
    assert session.search("ghost") == 0
    assert session.advance() is None
    session.poll(app.pulse())
    assert session.new_prediction == ""
    store.close()


def test_in_a_blind_run_nobody_turns_the_models_opinion_on(app, monkeypatch):
    monkeypatch.setattr(app, "blind", True)
    session = session_of(app, "amy", assisted=False)
    session.show(assisted=True)
    assert not session.assisted
    assert "blind" in session.notice


def test_a_known_answer_is_found_by_no_search_and_among_no_neighbours_before_the_own_vote(app):
    session = session_of(app, "amy", assisted=False)
    count = session.search("ghost")
    known = int(expnum_of(session.selection[0]))
    here = int((expnum_of(session.selection) == known).sum())
    assert known in near_any_candidate(app, "amy")
    app.store.draw("decam", "known", [{"expnum": known, "judgement": "bad", "reasons": ["Ghost_Scatter"]}], "lea")
    assert session.search("ghost") == count - here
    assert known not in near_any_candidate(app, "amy")
    cast(app, "amy", known, "good")
    assert session.search("ghost") == count
    assert known in near_any_candidate(app, "amy")


def near_any_candidate(app, name):
    """expnums of the labelled neighbours that this user is shown of all candidates."""
    tables, user = app.survey(), app.accounts.user(name)
    found = [evidence_of(Viewer(app, user, tables), expnum, assisted=True) for expnum in tables.candidates.index]
    return {one["expnum"] for answer in found for one in answer["neighbours"]}


def test_rights_are_those_of_the_moment_and_not_of_when_the_tab_was_opened(app):
    app.store.add_user("dora", "correct horse", "lead")
    session = session_of(app, "dora")
    session.retrain()
    job_id = int(app.store.jobs()["job_id"].iloc[0])
    app.store.set_role("dora", "viewer")
    app.accounts.forget()
    for act in (session.retrain, lambda: session.cancel_job(job_id)):
        with pytest.raises(LabelError, match="only a lead"):
            act()
    session.vote(900001, "good")
    assert "dora" not in set(app.store.votes()["inspector"])
    app.store.set_role("dora", "lead")
    app.store.set_active("dora", False)
    app.accounts.forget()
    for act in (
        session.retrain,
        lambda: session.cancel_job(job_id),
        lambda: session.search("ghost"),
        lambda: session.vote(900001, "good"),
        lambda: session.evidence(900001),
        session.undo,
        session.queue,
    ):
        with pytest.raises(LabelError, match="the account dora is closed"):
            act()
    assert app.store.jobs()["state"].tolist() == ["waiting"]
