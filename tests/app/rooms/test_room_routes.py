"""Adjudicate, Clusters and Export over real HTTP: each role gets what is its own, and a decision arrives once."""

import hashlib
import json
import shlex
import uuid

import pytest

from tests.app.test_server import Browser
from tests.killing import finish
from tests.ui.conftest import serving
from triptych.app.server import make_app
from triptych.pipeline.store.store import Vote

LEADS_ONLY = ("/adjudicate/queue", "/adjudicate/exposure/900003", "/export/difference/any/majority")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    from tests import survey

    folder = tmp_path_factory.mktemp("rooms")
    survey.make(folder / "run", exposures=8)
    with serving(folder / "run", "--no-worker") as server:
        yield server


@pytest.fixture
def store(served):
    app = make_app(served.run)
    yield app.store
    app.store.close()


def door(served, name) -> Browser:
    browser = Browser(served.url)
    browser.log_in(name)
    return browser


def vote(store, expnum, **judgements):
    said = {"plver": "V5.5LS", "comment": "zebra", "screen": {"seconds": 2.5, "stretch": "sky"}}
    for name, judgement in judgements.items():
        reasons = ("PSF",) if judgement == "bad" else ()
        store.cast(Vote(expnum=expnum, inspector=name, judgement=judgement, reasons=reasons, **said))


def post(browser, path, values):
    return browser.ask(path, json.dumps(values).encode(), Origin=browser.url, Content_Type="application/json")


@pytest.mark.parametrize("name", ["amy", "vic"])
def test_decisions_and_lists_are_for_leads(served, store, name):
    vote(store, 900003, ben="bad", cai="good")
    browser = door(served, name)
    for path in LEADS_ONLY:
        answer = browser.ask(path)
        assert answer.status == 403, path
        assert "zebra" not in answer.text
    for path in ("/adjudicate/decision", "/adjudicate/retract"):
        assert post(browser, path, {"expnum": 900003, "judgement": "bad", "comment": "no"}).status == 403
    assert store.adjudications(current=False).empty


def test_every_role_sees_clusters_and_its_own_votes(served, store):
    vote(store, 900003, ben="bad", cai="good")
    for name, can_vote in (("amy", True), ("lea", True), ("vic", False)):
        browser = door(served, name)
        answer = json.loads(browser.ask("/clusters/list?assisted=1").text)
        assert answer["can_vote"] is can_vote
        first = answer["clusters"][0]["cluster"]
        one = json.loads(browser.ask(f"/clusters/one/{first}?count=3").text)
        assert len(one["exposures"]) == 3
        assert "zebra" not in json.dumps([answer, one])
        assert json.loads(browser.ask("/export/mine/summary").text)["votes"] == []
    assert door(served, "amy").ask("/clusters/one/4711").status == 400


def test_a_decision_needs_a_reason_arrives_once_and_can_be_taken_back(served, store):
    vote(store, 900003, amy="bad", ben="good", cai="unsure")
    lead = door(served, "lea")
    queue = json.loads(lead.ask("/adjudicate/queue").text)
    (item,) = [item for item in queue["items"] if item["expnum"] == 900003]
    assert {"split", "unsure"} <= set(item["states"])
    assert item["own"] is False
    shown = json.loads(lead.ask("/adjudicate/exposure/900003").text)
    assert [(one["inspector"], one["judgement"]) for one in shown["votes"]] == [
        ("amy", "bad"), ("ben", "good"), ("cai", "unsure"),
    ]  # fmt: skip
    assert shown["votes"][0]["screen"] == {"seconds": 2.5, "stretch": "sky"}
    decision = {"expnum": 900003, "judgement": "bad", "client_vote_id": uuid.uuid4().hex}
    answer = post(lead, "/adjudicate/decision", decision)
    assert answer.status == 400
    assert "say why" in answer.text
    decision |= {"comment": "plain trailing", "reasons": ["PSF"], "votes_seen": shown["votes"][0]["vote_ids"]}
    first, again = (json.loads(post(lead, "/adjudicate/decision", decision).text) for _ in range(2))
    assert first == again
    (made,) = store.adjudications().to_dict("records")
    assert (made["lead"], made["judgement"], made["reasons"], made["plver"]) == ("lea", "bad", ("PSF",), "V5.5LS")
    queue = json.loads(lead.ask("/adjudicate/queue").text)
    assert 900003 not in {item["expnum"] for item in queue["items"]}
    assert [one["comment"] for one in queue["decisions"]] == ["plain trailing"]
    listed = lead.ask("/export/file/bad_expid/majority").text
    assert "900003 PSF # 1 of 3 bad, 1 good, 1 unsure, decided by lea" in listed
    assert post(lead, "/adjudicate/retract", {"adjudication_id": first["adjudication_id"]}).status == 200
    assert "decided by" not in lead.ask("/export/file/bad_expid/majority").text
    assert len(store.adjudications(current=False)) == 1, "it stays on record"


def test_only_a_lead_annuls_a_vote_and_says_why(served, store):
    vote(store, 900003, amy="bad", ben="good")
    number = int(store.votes(inspector="amy", expnum=900003).vote_id.iloc[0])
    for name in ("amy", "vic"):
        assert post(door(served, name), "/explain/annul", {"vote_id": number, "why": "no"}).status == 403
    lead = door(served, "lea")
    for values, words in (
        ({"vote_id": number}, "say why"),
        ({"vote_id": number, "why": " "}, "say why"),
        ({"vote_id": 10**9, "why": "x"}, "there is no vote"),
        ({"why": "x"}, "vote_id"),
    ):
        answer = post(lead, "/explain/annul", values)
        assert answer.status == 400
        assert words in answer.text
    for _twice in range(2):
        answer = post(lead, "/explain/annul", {"vote_id": number, "why": "a slip"})
        assert json.loads(answer.text) == {"expnum": 900003}
    assert "amy" not in set(store.votes(expnum=900003)["inspector"])


def test_bad_decisions_are_refused_in_one_line(served):
    lead = door(served, "lea")
    for values, words in (
        ({"expnum": 1, "judgement": "bad", "comment": "x"}, "nobody voted on exposure 1"),
        ({"expnum": 900003, "judgement": "meh", "comment": "x"}, "decision"),
        ({"expnum": 900003, "judgement": "bad", "comment": "x", "reasons": ["Noisy"]}, "Did you mean 'Noise'"),
        ({"judgement": "bad"}, "the decision cannot be taken: expnum"),
    ):
        answer = post(lead, "/adjudicate/decision", values)
        assert answer.status == 400
        assert words in answer.text


def test_a_lead_is_told_that_one_vote_is_his_own(served, store):
    vote(store, 900005, lea="bad", amy="good")
    shown = json.loads(door(served, "lea").ask("/adjudicate/exposure/900005").text)
    assert shown["own"] is True
    store.retract(int(store.votes(inspector="lea").vote_id.iloc[-1]), "lea")


def test_what_differs_between_two_policies(served, store):
    vote(store, 900007, amy="bad", ben="bad", cai="good")
    lead = door(served, "lea")
    found = json.loads(lead.ask("/export/difference/majority/unanimous").text)
    assert 900007 in {row["expnum"] for row in found["only_one"]["exposures"]}
    assert found["only_other"]["count"] == 0
    counts = {policy["name"]: policy for policy in json.loads(lead.ask("/export/summary").text)["policies"]}
    assert counts["majority"]["listed"] - counts["unanimous"]["listed"] == found["only_one"]["count"]
    only = json.loads(lead.ask("/export/summary?reason=Wonky").text)
    assert all(policy["listed"] == 0 for policy in only["policies"])
    assert lead.ask("/export/summary?reason=Wonkey").status == 400


def test_the_command_that_is_shown_writes_the_same_bytes(served, store, tmp_path):
    vote(store, 900007, amy="bad", ben="bad", cai="good")
    lead = door(served, "lea")
    for path in ("bad_expid/majority", "parquet/any?reason=PSF&reason=Wonky&old=1"):
        shown = json.loads(lead.ask(f"/export/preview/{path}").text)
        words = shlex.split(shown["command"])
        assert words[0] == "triptych"
        finish(*words[1:-1], tmp_path / words[-1])
        assert hashlib.sha256((tmp_path / words[-1]).read_bytes()).hexdigest() == shown["sha256"]
