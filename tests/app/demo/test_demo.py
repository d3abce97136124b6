"""What `triptych demo` leaves: a survey on which made-up people have worked, so that each room says something.

The survey itself is drawn, not simulated; tests/ui/scenarios/test_whole_way.py and tests/project/test_wheel.py have a
simulated one.
"""

import shutil
from contextlib import nullcontext

import pandas as pd
import pytest

from tests import survey
from triptych.app.context import AppContext
from triptych.app.demo import demo, past
from triptych.app.demo.people import INSPECTORS, LEAD, PASSWORD
from triptych.app.judging import queue
from triptych.app.judging.viewer import Viewer
from triptych.app.rooms.adjudicate import routes as adjudicate
from triptych.app.rooms.agreement import routes as agreement
from triptych.app.rooms.export import routes as export
from triptych.app.rooms.lead import routes as lead_routes
from triptych.app.rooms.model import report as model_report
from triptych.app.rooms.review import routes as review
from triptych.pipeline import clock
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier import candidates, predict, train
from triptych.pipeline.errors import BadInput
from triptych.pipeline.labels import readers
from triptych.pipeline.retraining import models
from triptych.pipeline.store.store import LabelStore, open_store

EXPOSURES = 60
CREATED = "2026-03-01T20:00:00Z"
NAMES = [one.name for one in INSPECTORS]


class Killed(BaseException):
    """A kill, as far as what is written is concerned: nothing more is."""


def drawn(folder) -> Catalog:
    """A survey as the demonstration's steps leave it, before anybody has worked on it."""
    catalog = survey.make(folder, exposures=EXPOSURES)
    catalog.set_info(created=CREATED)
    truth = catalog.stage("model").table("training").explode("reasons").rename(columns={"reasons": "reason"})
    (folder / "exposures").mkdir()
    truth[["expnum", "ccdname", "reason"]].to_csv(folder / "exposures" / "truth.csv", index=False)
    odd = truth[truth.reason == "good"].groupby("expnum").size().loc[lambda n: n == 61].index[::5]
    pd.DataFrame({"expnum": odd, "kind": "crowded_field"}).to_csv(folder / "exposures" / "suspicious.csv", index=False)
    shutil.rmtree(folder / "previews")
    with open_store(catalog) as store:
        for name in survey.USERS:
            store.set_active(name, False)
        for path in demo.last_season(folder / "exposures", folder):
            readers.import_file(store, path, camera="decam", catalog=catalog)
        train.train(catalog, store, classifier="knn")  # quick, and taught by the last season alone
    predict.predict(catalog.refresh())
    candidates.find(catalog.refresh())
    return catalog.refresh()


@pytest.fixture(scope="module", autouse=True)
def no_simulation():
    """The survey is there already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo.simulate, "simulate", lambda *_args, **_more: None)
        yield


def prepare(folder, titles=None) -> Catalog:
    def bar(title):
        (titles if titles is not None else []).append(title)
        return nullcontext(lambda *_: None)

    return demo.prepare(folder, exposures=EXPOSURES, bar=bar)


@pytest.fixture(scope="module")
def lived(no_simulation, tmp_path_factory):
    """The finished demonstration; read it, do not write to it."""
    folder, titles = tmp_path_factory.mktemp("lived") / "demo", []
    drawn(folder)
    catalog = prepare(folder, titles)
    assert titles == ["simulate", "judge", "retrain", "judge again", "decide"], "each step is told"
    return catalog


@pytest.fixture(scope="module", autouse=True)
def as_written(lived):
    """What it says before anybody looks at it: who looks is noted."""
    return written(lived)


@pytest.fixture
def app(lived):
    with open_store(lived) as store:
        yield AppContext(lived, store)


def viewer(app, name) -> Viewer:
    return Viewer(app, app.store.user(name))


def of_demo(votes: pd.DataFrame) -> pd.DataFrame:
    return votes[votes["inspector"].isin(NAMES)]


def written(catalog: Catalog) -> dict[str, object]:
    """All that the demonstration says, without the moments of its retraining and logins."""
    with open_store(catalog) as store:
        jobs = store.jobs()[["kind", "state", "asked_by", "result"]].to_dict("records")
        votes, decisions, seen = of_demo(store.votes(current=False)), store.adjudications(current=False), {}
        for name in (*NAMES, LEAD):
            seen[name] = store.revealed(name, catalog.camera)
    for screen in votes["screen"]:
        screen["queue"].pop("position")  # equals stand in a queue by lot, and the run's name is part of the lot
    votes = votes.assign(vote_id=votes["vote_id"] - votes["vote_id"].min())  # the drawn survey has one of somebody else
    info = catalog.refresh().info
    return {
        "votes": votes.to_dict("records"),
        "decisions": decisions.to_dict("records"),
        "jobs": jobs,
        "seen": seen,
        "current": info["current"],
        "moves": [{**move, "utc": ""} for move in info["moves"]],
        "candidates": catalog.stage("candidates", fresh=False).table().to_dict("records"),
        "stages": {kind: len(catalog.stages(kind)) for kind in info["current"]},
    }


# ---- what each room says


def test_three_people_have_voted_with_moderate_agreement(app):
    found = agreement.report_for(viewer(app, LEAD), "", False, 0)
    assert set(NAMES) <= set(found["inspectors"])
    alpha = found["figures"]["alpha"]
    assert alpha["why"] == ""
    assert 0.3 < alpha["value"] < 0.9
    assert alpha["low"] < alpha["value"] < alpha["high"]
    pairs = [pair for pair in found["pairs"] if {pair["first"], pair["second"]} <= set(NAMES)]
    assert len(pairs) == 3
    assert all(pair["n_both"] and pair["n_first"] + pair["n_second"] for pair in pairs), "they differ, and agree"
    assert len(found["listed"]) >= 3
    assert found["left_out"]["not blind"] == 0


def test_a_lead_has_decided_two_and_some_wait(app):
    found = adjudicate.queue_answer(viewer(app, LEAD))
    assert [row["lead"] for row in found["decisions"]] == [LEAD, LEAD]
    assert all(row["comment"] and row["votes_seen"] for row in found["decisions"])
    assert [item for item in found["items"] if set(item["states"]) & set(past.WAITING)]


def test_the_model_has_one_retraining_with_figures_before_and_after(app):
    assert [move["by"] for move in models.moves(app.catalog)] == [LEAD]
    now, before = models.models(app.catalog)[:2]
    assert now["current"]
    assert before["figures"]["f1"]
    assert now["figures"]["f1"]
    stage = app.catalog.stage("retraining", fresh=False)
    told = model_report.retraining(viewer(app, LEAD), stage.stage_id, "moved", assisted=True)
    assert told["report"]["labels"]["new"]["images"] > 0
    assert told["rows"]
    (job,) = lead_routes.overview(app, app.survey())["jobs"]
    assert (job["state"], job["asked_by"]) == ("done", LEAD)
    assert "taught by" in job["result"]


def test_the_list_has_something_confirmed_under_each_policy(app):
    policies = {row["name"]: row for row in export.summary(app, export.Choice())["policies"]}
    assert all(row["listed"] > 0 for row in policies.values())
    assert policies["majority"]["listed"] > policies["unanimous"]["listed"]
    assert policies["any"]["listed"] > policies["majority"]["listed"]
    assert policies["majority"]["decided"] > 0 or policies["majority"]["good"] > 0


def test_the_lead_sees_how_far_each_is_and_enough_is_left(app):
    told = lead_routes.overview(app, app.survey())["progress"]
    people = {row["name"]: row for row in told["inspectors"] if row["name"] in NAMES}
    assert set(people) == set(NAMES)
    for row in people.values():
        assert row["voted"] >= 15
        assert row["left"] >= told["n_exposures"] / 2
        assert 1 < row["pace_seconds"] < 30
        assert row["hours_left"] > 0
    unsure = of_demo(app.store.votes()).query("judgement == 'unsure'")
    assert len(unsure)
    assert 0 < told["n_done"] < told["n_exposures"]


# ---- that it is as if real people had done it


def test_each_voted_blind_and_sees_no_vote_of_others_before_their_own(app):
    assert of_demo(app.store.votes(current=False))["blind"].all()
    everybody = of_demo(app.store.votes(current=True))
    for name in NAMES:
        mine = viewer(app, name)
        waiting, own = queue.queue_for(mine).expnums, mine.judged()
        others = [e for e in waiting if e in set(everybody.loc[everybody["inspector"] != name, "expnum"])]
        assert not set(waiting) & own
        for expnum in waiting[:5] + tuple(others):
            shown = review.exposure_answer(mine, expnum, assisted=True)
            assert (shown["voted"], shown["others"], shown["verdict"]) == (False, None, None)
        assert len(review.queue_answer(mine)["votes"]) == len(own)


def test_votes_come_in_order_of_time_over_days_before_and_after_the_retraining(app):
    votes = of_demo(app.store.votes(current=False))
    moments = [clock.seconds_of(text) for text in votes["created_utc"]]
    assert moments == sorted(moments)
    assert clock.seconds_of(CREATED) < moments[0]
    assert len(set(votes["created_utc"].str[:10])) >= 4
    (job,) = app.store.jobs().to_dict("records")
    retrained = clock.seconds_of(job["asked_utc"])
    first, later = votes[[m < retrained for m in moments]], votes[[m > retrained for m in moments]]
    assert set(first["inspector"]) == set(later["inspector"]) == set(NAMES)
    stages = [set(own["screen"].str["stage"]) for own in (first, later)]
    assert [len(own) for own in stages] == [1, 1]
    assert stages[0] != stages[1], "what came later was judged under the new predictions"
    decided = [clock.seconds_of(text) for text in app.store.adjudications()["created_utc"]]
    assert min(decided) > moments[-1]
    for _, own in votes[votes["ccdname"] == ""].groupby("inspector"):
        steps = pd.Series([clock.seconds_of(text) for text in own["created_utc"]]).diff().to_numpy()[1:]
        assert (steps >= own["screen"].str["seconds"].to_numpy()[1:]).all(), "nobody is in two places"


def test_it_says_that_people_are_made_up(app, lived):
    assert "made up" in lived.info["about"]
    assert "made up" in demo.welcome(5006, lived)
    assert PASSWORD in demo.welcome(5006, lived)


# ---- again, and killed


def test_a_finished_one_is_left_alone(lived):
    before, titles = written(lived), []
    with open_store(lived) as store:
        revision = store.revision()
    prepare(lived.path, titles)
    assert titles == []
    assert written(lived) == before
    with open_store(lived) as store:
        assert store.revision() == revision


def killed_after(patch, place, name, calls):
    """Let the function be called so often and do its work; the next time everything ends before it."""
    work, left = getattr(place, name), [calls]

    def stops(*args, **more):
        left[0] -= 1
        if left[0] < 0:
            raise Killed
        return work(*args, **more)

    patch.setattr(place, name, stops)


MOMENTS = (
    (review, "cast_one", 0),
    (review, "cast_one", 17),
    (past.queue, "queue_for", 4),
    (LabelStore, "claim_job", 0),
    (LabelStore, "finish_job", 0),
    (review, "cast_one", 2),
    (LabelStore, "adjudicate", 0),
    (LabelStore, "adjudicate", 1),
)


def test_killed_at_any_step_one_after_the_other_another_one_says_the_same(as_written, tmp_path):
    folder = tmp_path / "of another name"
    drawn(folder)
    for place, name, calls in MOMENTS:
        with pytest.MonkeyPatch.context() as patch:
            killed_after(patch, place, name, calls)
            with pytest.raises(Killed):
                prepare(folder)
    assert written(prepare(folder)) == as_written


def test_what_an_earlier_version_made_is_served_as_it_is(tmp_path):
    catalog = drawn(tmp_path / "demo")
    (tmp_path / "demo" / demo.COMPLETE).touch()
    titles = []
    again = prepare(tmp_path / "demo", titles)
    assert titles == []
    with open_store(catalog) as store:
        assert of_demo(store.votes(current=False)).empty
    assert "made up" not in demo.welcome(5006, again)


def test_without_a_past_nobody_has_voted(tmp_path):
    drawn(tmp_path / "demo")
    catalog = demo.prepare(tmp_path / "demo", past=False, bar=lambda title: nullcontext(lambda *_: None))
    with open_store(catalog) as store:
        assert of_demo(store.votes(current=False)).empty
        assert {user.name for user in store.users() if user.active} == {*NAMES, LEAD}
    assert models.moves(catalog) == []


def test_a_finished_one_cannot_be_made_empty(lived):
    with pytest.raises(BadInput, match="name another folder"):
        demo.prepare(lived.path, past=False, bar=lambda title: nullcontext(lambda *_: None))
