"""Bulk votes and undo, through the functions that every room uses."""

import pytest

from triptych.app.context import AppContext
from triptych.app.judging import votes
from triptych.app.judging.viewer import Viewer
from triptych.app.rooms.review import routes
from triptych.app.web.bodies import VoteBody
from triptych.pipeline.errors import LabelError
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.store.accounts import User
from triptych.pipeline.store.store import LabelStore

AMY = User(name="amy", role="inspector")
BEN = User(name="ben", role="inspector")
FIRST = 900001


@pytest.fixture
def app(fresh_survey):
    from triptych.pipeline.catalog.catalog import Catalog

    catalog = Catalog.open(fresh_survey)
    with LabelStore(catalog.labels_url()) as store:
        yield AppContext(catalog, store)


def cast(app, expnum, judgement, **more):
    return votes.cast(Viewer(app, AMY, app.survey()), expnum, judgement, **more)


def bulk(app, expnums, judgement="bad", user=AMY, batch_id="one", how="lasso", **more):
    reasons = () if judgement == "good" else ("PSF",)
    return votes.cast_batch(
        Viewer(app, user, app.survey()), expnums, judgement, batch_id=batch_id, how=how, reasons=reasons, **more
    )


def current(app, user=AMY):
    own = votes.own_votes(Viewer(app, user))
    return {row.expnum: row.judgement for row in own[own["ccdname"] == ""].itertuples()}


def test_a_bulk_vote_is_stored_once_and_says_that_it_is_one(app):
    expnums = [FIRST, FIRST + 1, FIRST + 2]
    answer = bulk(app, expnums)
    assert (answer["n"], answer["skipped"], len(answer["vote_ids"])) == (3, [], 3)
    assert bulk(app, expnums)["vote_ids"] == answer["vote_ids"], "the same batch again is the same batch"
    own = votes.own_votes(Viewer(app, AMY))
    assert set(own["via"]) == {"bulk"}
    assert {screen["batch"] for screen in own["screen"]} == {"one"}
    assert own["reasons"].tolist() == [("PSF",)] * 3


def test_a_vote_says_what_it_replaced_but_not_of_one_that_is_asked_for_again(app):
    def judge(judgement, name, **more):
        body = VoteBody(expnum=FIRST, judgement=judgement, client_vote_id=name, **more)
        return routes.cast_one(Viewer(app, AMY, app.survey()), body)["replaced"]

    assert judge("bad", "one", reasons=["PSF"]) is None
    assert judge("bad", "one", reasons=["PSF"]) is None, "the same one again"
    before = judge("good", "two")
    assert (before["judgement"], before["reasons"], before["client_vote_id"]) == ("bad", ["PSF"], "one")
    (vote_id,) = votes.own_votes(Viewer(app, AMY), FIRST)["vote_id"]
    app.store.hand_out("amy", app.catalog.camera, {FIRST: vote_id})
    assert judge("unsure", "three") is None, "it looks as if they had never judged it"


def test_a_bulk_vote_leaves_single_votes_and_strange_exposures_out_and_replaces_bulk_ones(app):
    cast(app, FIRST, "good")
    bulk(app, [FIRST + 1], batch_id="earlier", judgement="good")
    answer = bulk(app, [FIRST, FIRST + 1, 1])
    assert [item["expnum"] for item in answer["skipped"]] == [FIRST, 1]
    assert (answer["n"], answer["n_replaced"]) == (1, 1)
    assert current(app) == {FIRST: "good", FIRST + 1: "bad"}


def test_a_batch_is_undone_as_one_step_and_gives_earlier_votes_back(app):
    bulk(app, [FIRST + 1], batch_id="earlier", judgement="good")
    bulk(app, [FIRST, FIRST + 1, FIRST + 2])
    taken = votes.take_back(Viewer(app, AMY), batch_id="one")
    assert (sorted(taken["expnums"]), taken["restored"]) == ([FIRST, FIRST + 1, FIRST + 2], [FIRST + 1])
    assert current(app) == {FIRST + 1: "good"}
    assert votes.take_back(Viewer(app, AMY), batch_id="one") is None
    assert len(app.store.votes(inspector="amy", current=False)) == 5, "nothing is deleted"


def test_undo_without_a_name_takes_a_whole_batch_and_then_what_came_before(app):
    cast(app, FIRST, "good")
    bulk(app, [FIRST + 1, FIRST + 2])
    assert sorted(votes.take_back(Viewer(app, AMY))["expnums"]) == [FIRST + 1, FIRST + 2]
    assert votes.take_back(Viewer(app, AMY))["expnums"] == [FIRST]
    assert votes.take_back(Viewer(app, AMY)) is None


def test_undo_goes_back_step_by_step_over_changed_minds(app):
    ccdname = app.survey().ccds.loc[image_id_of(FIRST, 32), "ccdname"]
    cast(app, FIRST, "good")
    cast(app, FIRST + 1, "unsure")
    cast(app, FIRST, "bad", reasons=["PSF"], ccdnames=[ccdname], comment="see there")
    cast(app, FIRST, "unsure")
    votes.undo(Viewer(app, AMY))
    own = votes.own_votes(Viewer(app, AMY), FIRST)
    assert own["judgement"].tolist() == ["bad", "bad"], "the exposure and its ticked CCD"
    assert own["comment"].tolist()[0] == "see there"
    assert own["screen"].iloc[0]["restores"] < own["vote_id"].iloc[0]
    votes.undo(Viewer(app, AMY))
    assert current(app) == {FIRST: "good", FIRST + 1: "unsure"}
    assert len(votes.own_votes(Viewer(app, AMY), FIRST)) == 1, "the tick went with its vote"
    assert votes.undo(Viewer(app, AMY)) == FIRST + 1
    assert votes.undo(Viewer(app, AMY)) == FIRST
    assert votes.undo(Viewer(app, AMY)) is None
    record = app.store.votes(inspector="amy", expnum=FIRST, current=False)
    assert record.loc[record["ccdname"] == "", "judgement"].tolist() == ["good", "bad", "unsure", "bad", "good"]


def test_a_restored_vote_can_be_changed_and_undone_again(app):
    for judgement in ("good", "unsure"):
        cast(app, FIRST, judgement)
    votes.undo(Viewer(app, AMY))
    cast(app, FIRST, "bad", reasons=["PSF"])
    votes.undo(Viewer(app, AMY))
    assert current(app) == {FIRST: "good"}
    votes.undo(Viewer(app, AMY))
    assert current(app) == {}


def test_a_run_in_time_takes_what_was_looked_at(app):
    seen, glimpsed, unseen = FIRST, FIRST + 1, FIRST + 2
    for expnum in (seen, glimpsed):
        votes.note_look(Viewer(app, AMY), expnum)
    votes.note_look(Viewer(app, BEN), unseen)
    looks = {str(seen): 2.5, str(glimpsed): 0.1, str(unseen): 3.0}
    answer = bulk(app, [seen, glimpsed, unseen], how="run", screen={"looks": looks})
    assert [item["expnum"] for item in answer["skipped"]] == [glimpsed, unseen]
    assert votes.own_votes(Viewer(app, AMY))["screen"].iloc[0]["look_seconds"] == 2.5


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"user": User(name="vic", role="viewer")}, "cannot vote"),
        ({"how": "lassoo"}, "lasso"),
        ({"batch_id": ""}, "batch_id"),
        ({"expnums": []}, "at least one"),
        ({"expnums": range(3000)}, "too many"),
        ({"judgement": "goood"}, "good"),
        ({"how": "run", "screen": {"looks": [1]}}, "seconds by expnum"),
    ],
)
def test_a_bulk_vote_that_cannot_be_is_refused_in_one_line(app, more, says):
    with pytest.raises(LabelError if "judgement" not in more and "how" not in more else Exception, match=says):
        bulk(app, more.pop("expnums", [FIRST]), **more)
    assert current(app) == {}


def test_a_bulk_vote_after_the_others_were_shown_is_not_blind(app):
    shown, hidden = FIRST, FIRST + 1
    for expnum in (shown, hidden):
        votes.cast(Viewer(app, BEN, app.survey()), expnum, "good")
    app.note_seen(AMY, [shown])
    bulk(app, [shown, hidden])
    blind = votes.own_votes(Viewer(app, AMY)).set_index("expnum")["blind"]
    assert blind.to_dict() == {shown: False, hidden: True}


def test_an_undo_that_names_its_vote_counts_once(app):
    cast(app, FIRST, "good", client_vote_id="a")
    cast(app, FIRST, "unsure", client_vote_id="b")
    for _twice in range(2):
        votes.take_back(Viewer(app, AMY), expnum=FIRST, client_vote_id="b")
    assert current(app) == {FIRST: "good"}
    votes.take_back(Viewer(app, AMY), expnum=FIRST, client_vote_id="a")
    assert current(app) == {FIRST: "good"}, "what counts now is another row, the one that the undo brought back"
    again = votes.own_votes(Viewer(app, AMY), FIRST)["client_vote_id"].iloc[0]
    votes.take_back(Viewer(app, AMY), expnum=FIRST, client_vote_id=again)
    assert current(app) == {}
