"""What a lead does with accounts, and how far the inspectors are."""

import re
import shutil

import numpy as np
import pytest

from triptych.app.context import AppContext
from triptych.app.judging import queue
from triptych.app.judging.viewer import Viewer
from triptych.app.rooms.adjudicate.routes import queue_answer as adjudicate_answer
from triptych.app.rooms.agreement.routes import report_for as agreement_for
from triptych.app.rooms.export.routes import Choice, own_summary, summary, tables_of, write_list
from triptych.app.rooms.jobs import in_words, jobs
from triptych.app.rooms.lead import accounts, progress
from triptych.app.rooms.lead import queue as lead_queue
from triptych.app.rooms.lead.routes import overview
from triptych.app.rooms.model.report import news_since
from triptych.app.rooms.review.routes import queue_answer
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import TriptychError
from triptych.pipeline.export.explain import plain
from triptych.pipeline.store.logins import Actor
from triptych.pipeline.store.store import LabelStore, Vote
from triptych.pipeline.votes.agreement_report import of_run


@pytest.fixture
def app(survey_folder, tmp_path):
    shutil.copytree(survey_folder, tmp_path / "run", ignore=shutil.ignore_patterns("previews"))
    catalog = Catalog.open(tmp_path / "run")
    store = LabelStore(catalog.labels_url())
    store.retract(store.votes()["vote_id"].tolist(), "ben")
    yield AppContext(catalog, store)
    store.close()


def cast(app, name, expnums, judgement="good", **more):
    for expnum in expnums:
        app.store.cast(Vote(expnum=expnum, inspector=name, judgement=judgement, plver="V5.5LS", **more))


def of(found, name):
    return next(one for one in found["inspectors"] if one["name"] == name)


def test_an_account_is_added_with_a_password_that_is_shown_once(app):
    made = accounts.add(app, Actor("lea"), " dora ", "inspector")
    assert re.fullmatch(r"(?:[a-z2-9]{4}-){3}[a-z2-9]{4}", made["password"])
    assert app.store.check_password("dora", made["password"]).role == "inspector"
    assert accounts.add(app, Actor("lea"), "eve", "viewer", "a long secret")["password"] == ""
    assert app.store.check_password("eve", "a long secret")
    for name, role, password, says in (
        ("dora", "viewer", "", "already an account"),
        ("fay", "boss", "", "known: viewer, inspector, lead"),
        ("fay", "viewer", "short", "at least 8"),
        ("f y", "viewer", "", "cannot be an account name"),
    ):
        with pytest.raises(TriptychError, match=says):
            accounts.add(app, Actor("lea"), name, role, password)


def test_an_account_that_is_switched_off_has_no_rights_at_once(app):
    lead = Actor("lea", "192.0.2.7")
    assert app.accounts.user("amy")
    accounts.change(app, lead, "amy", active=False)
    assert app.accounts.user("amy") is None
    accounts.change(app, lead, "amy", active=True, role="viewer")
    assert app.accounts.user("amy").role == "viewer"
    password = accounts.change(app, lead, "amy", password="")["password"]
    assert app.store.check_password("amy", password)


def test_a_lead_cannot_take_away_his_own_rights(app):
    lead = Actor("lea", "192.0.2.7")
    for wanted in ({"active": False}, {"role": "viewer"}):
        with pytest.raises(TriptychError, match="another lead"):
            accounts.change(app, lead, "lea", **wanted)
    with pytest.raises(TriptychError, match="Did you mean 'amy'"):
        accounts.change(app, lead, "ammy", active=False)


def test_progress_counts_votes_and_what_is_left_of_each_inspector(app):
    expnums = [int(expnum) for expnum in app.survey().candidates.index]
    cast(app, "amy", expnums[:2], screen={"seconds": 4.0})
    cast(app, "amy", expnums[2:3], "unsure", screen={"seconds": 1.0})
    cast(app, "ben", expnums[:1])
    found = progress.progress(app, app.survey())
    amy = of(found, "amy")
    assert (amy["voted"], amy["left"], amy["pace_seconds"]) == (3, len(expnums) - 3, 4.0)
    assert amy["unsure"] == pytest.approx(1 / 3)
    assert amy["hours_left"] >= 0
    assert (of(found, "cai")["voted"], of(found, "cai")["hours_left"], of(found, "cai")["last_utc"]) == (0, None, None)
    assert (found["n_exposures"], found["n_votes"], found["n_started"], found["n_done"]) == (len(expnums), 4, 3, 0)
    for facet in found["packets"]:
        assert sum(value["n"] for value in facet["values"]) == len(expnums)
        assert sum(value["n_votes"] for value in facet["values"]) == 4
    assert [one["name"] for one in found["inspectors"]] == ["amy", "ben", "cai"]


def test_the_pace_leaves_pauses_out():
    times = ["2026-01-01T20:00:00.0Z", "2026-01-01T20:00:02.0Z", "2026-01-01T22:00:00.0Z", "2026-01-01T22:00:04.0Z"]
    assert progress.seconds_between(times) == 3.0
    assert progress.seconds_between(times[:1]) is None
    assert progress.seconds_between(times[1:3]) is None


def test_what_is_left_follows_the_packet(app):
    tables = app.survey()
    bands = tables.exposures.loc[tables.candidates.index, "band"]
    queue.assign(app, tables, "amy", f"band={bands.iloc[0]}")
    found = progress.progress(app, tables)
    assert of(found, "amy")["left"] == (bands == bands.iloc[0]).sum()
    assert of(found, "amy")["assigned"] == f"band={bands.iloc[0]}"
    with pytest.raises(TriptychError, match="account"):
        queue.assign(app, tables, "nobody", "")


def test_the_whole_page_is_plain_values_without_a_password(app):
    app.store.ask_job("retrain", {"policy": "majority"}, "lea", app.run_key)
    found = plain(overview(app, app.survey()))
    assert {"accounts", "progress", "queue", "effect", "saved", "drawn", "jobs"} <= found.keys()
    assert "hash" not in str(found)
    assert jobs(app)[0]["state"] == "waiting"
    assert in_words({"changed": {"entered": 2, "left": 1}, "training": {"images": 9, "exposures": 3}}) == (
        "taught by 9 images of 3 exposures; 2 entered the candidates, 1 left"
    )
    assert in_words(None) == ""


def test_settings_that_hold_nothing_are_refused_and_nothing_is_kept(app):
    with pytest.raises(TriptychError, match="no exposure of the queue"):
        lead_queue.keep_settings(app, app.survey(), {"packet": "month=1999-01"})
    assert app.store.setting(queue.SETTINGS) is None
    kept = lead_queue.keep_settings(app, app.survey(), {"rule": "adaptive", "control": 0.5})["settings"]
    assert (kept["rule"], kept["control"], kept["repeats"]) == ("adaptive", 0.5, 0.04)
    assert lead_queue.draw_control(app, app.survey(), 1000, 0, "lea") + len(app.store.draws(kind="control")) > 0
    assert set(app.store.draws(kind="control")["expnum"]) == set(app.survey().candidates.index)


def test_every_room_the_verbs_and_the_store_count_the_same(app, monkeypatch):
    """Votes, verdicts and what waits for a lead: one number each, wherever it is shown."""
    tables, lead = app.survey(), Viewer(app, app.accounts.user("lea"))
    one, two, three, four = [int(expnum) for expnum in tables.candidates.index[:4]]
    five, other = [int(expnum) for expnum in tables.exposures.index if expnum not in tables.candidates.index][:2]
    cast(app, "amy", [one, two, three, five, other], "bad", reasons=("PSF",))
    cast(app, "ben", [one, two, three, other], "bad", reasons=("PSF",))
    cast(app, "cai", [one, two, four], "good")
    cast(app, "ben", [two, four], "unsure")  # a changed mind, and a further vote
    cast(app, "amy", [four], "bad", reasons=("Bad_CCD",))
    app.store.cast(Vote(expnum=four, ccdname="S4", inspector="amy", judgement="bad", reasons=("Bad_CCD",)))
    app.store.adjudicate("decam", four, "lea", "bad", plver="V5.5LS", reasons=("Bad_CCD",))

    standing = "ccdname = '' AND superseded_by IS NULL AND retracted_utc IS NULL AND via <> 'import'"
    with app.store.engine.connect() as connection:
        n_votes = connection.exec_driver_sql(f"SELECT count(*) FROM votes WHERE {standing}").scalar_one()
    viewers = [Viewer(app, app.accounts.user(name)) for name in ("amy", "ben", "cai")]
    found = progress.progress(app, tables)
    report = agreement_for(lead, "exposure", False, app.store.revision())
    long_ago = {"store_revision": -1, "created": "2000-01-01T00:00:00Z", "seconds": 0.0}
    assert n_votes == 14
    left_out = sum(report["left_out"].values())
    shown = {
        "lead": found["n_votes"],
        "lead, by inspector": sum(row["voted"] for row in found["inspectors"]),
        "review": sum(queue_answer(viewer)["n_votes"] for viewer in viewers),
        "export, own votes": sum(sum(own_summary(viewer)["counts"].values()) for viewer in viewers),
        "agreement": report["n_votes"] + left_out,
        "triptych agreement": of_run(app.catalog, app.store, unit="exposure")["n_votes"] + left_out,
        "model": news_since(lead, long_ago)["votes"],
    }
    assert shown == dict.fromkeys(shown, n_votes)
    assert news_since(lead, long_ago)["decisions"] == 1
    monkeypatch.setattr(progress, "candidates_of", lambda _survey: np.array([one]))
    assert progress.progress(app, tables)["n_votes"] == n_votes, "new candidates take no vote away"

    policies = {row["name"]: row for row in summary(app, Choice())["policies"]}
    decided = lead.knowledge().verdicts["verdict"].value_counts()
    waiting = [set(item["states"]) for item in adjudicate_answer(lead)["items"]]
    for verdict in ("bad", "good", "split", "open"):
        assert policies["majority"][verdict] == decided.get(verdict, 0), verdict
    assert sum("split" in states for states in waiting) == policies["majority"]["split"] == 1
    listed = write_list(app, "bad_expid", "majority", Choice())[0].content.decode().splitlines()
    assert len([line for line in listed if not line.startswith("#")]) == policies["majority"]["listed"]
    both = [tables_of(app)[name].set_index("expnum")["verdict"] for name in ("majority", "posterior")]
    clear = both[0].isin(["bad", "good"]) & both[1].isin(["bad", "good"])
    assert sum("posterior" in states for states in waiting) == int((clear & (both[0] != both[1])).sum())
