"""What the routes take: values of the wrong type, out of range, not finite or too large never reach the store."""

import json

import pytest

from tests import survey
from tests.app.test_server import Browser
from tests.ui.conftest import serving
from triptych.app.web import bodies
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput
from triptych.pipeline.store.store import Vote, open_store

VOTE = {"expnum": 900002, "judgement": "good", "client_vote_id": "one"}


def read(kind, text):
    return bodies.parsed(text if isinstance(text, bytes) else text.encode(), kind)


def vote(**changes):
    return json.dumps({**VOTE, **changes})


def test_a_vote_of_a_page_is_taken_as_it_is():
    screen = {
        "expnum": 900002,
        "stretch": "faint",
        "scale_mode": "all",
        "invert": False,
        "limits": [-2.5, 8],
        "zoom": 1.25,
    }
    screen |= {"ccd": "", "ccds_opened": ["N1"], "masks": ["data_quality"], "blinked_with": [900001], "names": True}
    screen |= {"assisted": True, "model_shown": True, "score": 0.25, "seconds": 3, "pictures": False}
    body = read(bodies.VoteBody, vote(screen=screen, reasons=[], ccdnames=["N1"], comment=""))
    assert body.given()["screen"] == screen
    assert body.given("ccdnames", "reasons") == {"ccdnames": ["N1"], "reasons": []}


def test_what_is_null_is_not_given_and_unknown_keys_are_dropped():
    body = read(bodies.VoteBody, vote(screen={"stage": None, "forged": "x" * 9}, more=1))
    assert body.given("screen") == {"screen": {}}
    assert not hasattr(body, "more")


def test_a_null_of_the_screen_that_says_something_is_on_record():
    body = read(bodies.VoteBody, vote(screen={"score": None, "limits": None, "seconds": 2.0}))
    assert body.given("screen") == {"screen": {"score": None, "limits": None, "seconds": 2.0}}
    assert "limits" not in read(bodies.VoteBody, vote(screen={"seconds": 2.0})).given("screen")["screen"]


BAD_SCREENS = [
    '{"seconds": 1e999}',
    '{"seconds": NaN}',
    '{"seconds": "3"}',
    '{"seconds": -1}',
    '{"seconds": true}',
    '{"stage": ["x"]}',
    '{"stage": "' + 65 * "x" + '"}',
    '{"ccds_opened": "abcd"}',
    '{"ccds_opened": [1]}',
    json.dumps({"ccds_opened": ["N1"] * 201}),
    '{"score": 2}',
    '{"zoom": -Infinity}',
    '{"looks": {"x": 1}}',
    '{"looks": {"900001": 1e999}}',
    '{"limits": {"low": 1}}',
    "[]",
    '"x"',
]


@pytest.mark.parametrize("screen", BAD_SCREENS, ids=lambda text: text[:30])
def test_a_screen_that_no_page_could_show_is_refused(screen):
    with pytest.raises(BadInput, match=r"cannot be taken: screen") as caught:
        read(bodies.VoteBody, vote()[:-1] + f', "screen": {screen}}}')
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


BAD_BODIES = [
    (bodies.VoteBody, {"judgement": "good"}),
    (bodies.VoteBody, {**VOTE, "expnum": "900002"}),
    (bodies.VoteBody, {**VOTE, "expnum": 1.5}),
    (bodies.VoteBody, {**VOTE, "expnum": True}),
    (bodies.VoteBody, {**VOTE, "expnum": 10**30}),
    (bodies.VoteBody, {**VOTE, "judgement": {}}),
    (bodies.VoteBody, {**VOTE, "reasons": "PSF"}),
    (bodies.VoteBody, {**VOTE, "reasons": [[]]}),
    (bodies.VoteBody, {**VOTE, "comment": 2001 * "x"}),
    (bodies.VoteBody, {**VOTE, "client_vote_id": 7}),
    (bodies.BatchBody, {"expnums": [], "judgement": "good", "batch_id": "b", "how": "lasso"}),
    (bodies.BatchBody, {"expnums": 900001, "judgement": "good", "batch_id": "b", "how": "lasso"}),
    (bodies.BatchBody, {"expnums": [900001], "judgement": "good", "batch_id": " ", "how": "lasso"}),
    (bodies.UndoBody, {"expnum": "x"}),
    (bodies.DecisionBody, {"expnum": 1, "judgement": "bad", "votes_seen": ["x"]}),
    (bodies.RetractBody, {}),
    (bodies.ChoicesBody, {"packet": ["band=g"]}),
    (bodies.LookBody, {"expnum": -1}),
    (bodies.OwnSettingsBody, {"keys": {"review": [1]}}),
    (bodies.QueueSettingsBody, {"seed": -1}),
    (bodies.QueueSettingsBody, {"unknown": 1}),
    (bodies.DrawBody, {"kind": "known", "n": 0}),
    (bodies.DrawBody, {"kind": "known", "n": 1e9}),
    (bodies.AccountBody, {"name": 5}),
    (bodies.AccountBody, {"name": "amy", "active": "yes"}),
    (bodies.JobBody, {"ask": "delete"}),
    (bodies.JobBody, {"cancel": "1"}),
    (bodies.ModelBody, {"model": None}),
]


@pytest.mark.parametrize(("kind", "values"), BAD_BODIES, ids=lambda value: str(value)[:60])
def test_every_body_is_checked(kind, values):
    with pytest.raises(BadInput, match="cannot be taken"):
        read(kind, json.dumps(values))


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(BadInput, match="one JSON object"):
        read(bodies.VoteBody, text)


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("", 60), ("x", 60), ("-1", 60), ("²", 60), ("9" * 5000, 60)])
def test_numbers_of_addresses(text, number):
    assert bodies.whole_number(text, 60) == number


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bodies")
    survey.make(folder / "run", exposures=4)
    with serving(folder / "run", "--no-worker") as server:
        yield server


def browser_of(served, name):
    browser = Browser(served.url)
    browser.log_in(name)
    return browser


def post(browser, path, text):
    return browser.ask(path, text.encode(), Origin=browser.url, Content_Type="application/json")


def test_nothing_that_is_wrong_reaches_the_store(served):
    amy = browser_of(served, "amy")
    bad = [vote()[:-1] + f', "screen": {screen}}}' for screen in BAD_SCREENS]
    answers = [post(amy, "/api/vote", text) for text in bad]
    assert {answer.status for answer in answers} == {400}
    assert all(answer.text.count("\n") == 1 for answer in answers)
    large = vote(comment="x", screen={"selection": 100_000 * "x"})
    assert post(amy, "/api/vote", large).status == 413
    batch = {"expnums": [900001], "judgement": "good", "batch_id": "b", "how": "lasso", "screen": {"seconds": "x"}}
    assert post(amy, "/api/votes", json.dumps(batch)).status == 400
    lea = browser_of(served, "lea")
    paths = ("/adjudicate/decision", "/lead/account/add", "/lead/draw", "/lead/assign", "/lead/job", "/model/use")
    assert {
        path: post(lea, path, '{"expnum": [], "name": 1, "n": "x", "ask": 1}').status for path in paths
    } == dict.fromkeys(paths, 400)
    assert amy.ask(f"/clusters/one/1?start={5000 * '9'}").status == 200
    with open_store(Catalog.open(served.run)) as store:
        assert store.votes(current=False, inspector="amy").empty
    good = post(amy, "/api/vote", vote(screen={"seconds": 2.5, "stage": "mixed-001"}))
    assert good.status == 200


def test_rows_that_earlier_versions_stored_take_no_page_away(served):
    wild = [
        {"seconds": float("inf"), "stage": ["x"], "ccds_opened": "abcd", "zoom": "x", "score": {}, "blinked_with": 5},
        {"seconds": "x", "stage": {"a": []}, "model_shown": 1, "batch": [1], "given_utc": 3, "answer": ["y"], "how": 1},
        {
            "ccds_opened": [["N1"]],
            "limits": "x",
            "n_batch": None,
            "restores": "x",
            "queue": [[]],
            "forged": 3_000_000 * "y",
        },
    ]
    with open_store(Catalog.open(served.run)) as store:
        for number, screen in enumerate(wild):
            said = {"expnum": 900001 + number, "plver": "V5.5LS", "screen": screen}
            for name, judgement in (("amy", "good"), ("ben", "bad"), ("cai", "good")):
                store.cast(Vote(inspector=name, judgement=judgement, reasons=("PSF",), via="bulk", **said))
        kept = store.votes(inspector="ben")["screen"].tolist()[-3:]
    assert [set(screen) for screen in kept] == [set(), set(), {"n_batch"}]
    lea, amy = browser_of(served, "lea"), browser_of(served, "amy")
    paths = [
        "/lead/overview",
        "/adjudicate/queue",
        "/agreement/report",
        "/export/summary",
        "/api/queue",
        "/export/mine",
    ]
    paths += [f"/{room}/{expnum}" for room in ("adjudicate/exposure", "explain") for expnum in (900001, 900002, 900003)]
    assert {path: lea.ask(path).status for path in paths} == dict.fromkeys(paths, 200)
    own = ["/api/queue", "/export/mine", "/export/mine/summary", "/explain/900001", "/api/exposure/900002"]
    assert {path: amy.ask(path).status for path in own} == dict.fromkeys(own, 200)
    assert max(len(lea.ask(path).body) for path in paths) < 1_000_000
    assert json.loads(post(amy, "/api/undo", "{}").text)["expnums"]
