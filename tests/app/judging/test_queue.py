"""Queues of a real run and store: packets, shuffles, leases, repeats and known answers that nothing gives away."""

import json
import shutil

import numpy as np
import pytest

from tests import survey
from triptych.app.context import AppContext
from triptych.app.judging import evidence, queue, repeats, votes
from triptych.app.judging.queue_table import facets_of, galactic_latitude
from triptych.app.judging.viewer import Viewer
from triptych.app.rooms.export import routes as export_routes
from triptych.app.rooms.lead import queue as lead_queue
from triptych.app.rooms.review import queue_routes, routes
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import TriptychError
from triptych.pipeline.export.explain import plain
from triptych.pipeline.store.store import LabelStore, Vote
from triptych.pipeline.votes.queue_order import ORDERS

AGE = 40


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("queue") / "run"
    survey.make(folder, exposures=124)
    shutil.rmtree(folder / "previews")
    return folder


@pytest.fixture
def app(run, tmp_path):
    """A run with 70 candidates, of which many look alike, and a store of its own."""
    shutil.copy(run / "labels.db", tmp_path / "labels.db")
    store = LabelStore(f"sqlite:///{tmp_path / 'labels.db'}")
    store.retract(store.votes()["vote_id"].tolist(), "ben")
    yield AppContext(Catalog.open(run), store)
    store.close()


def user(app, name):
    return app.store.user(name)


def waiting(app, name):
    return queue.queue_of(Viewer(app, user(app, name), app.survey()))


def cast(app, name, expnum, judgement="good", **more):
    return votes.cast(Viewer(app, user(app, name), app.survey()), expnum, judgement, **more)


def keep(app, **values):
    lead_queue.keep_settings(app, app.survey(), values)


def text(value):
    return json.dumps(plain(value), sort_keys=True)


def test_everybody_gets_every_candidate_in_an_order_of_his_own(app):
    candidates = set(app.survey().candidates.index)
    found = {name: waiting(app, name) for name in ("amy", "ben", "cai")}
    assert all(set(one) == candidates for one in found.values())
    assert found["amy"] != found["ben"] != found["cai"]
    assert waiting(app, "amy") == found["amy"]


@pytest.mark.parametrize("order", [name for name in ORDERS if name != "split"])
def test_an_inspector_chooses_an_order_and_a_vote_takes_only_its_exposure_out(app, order):
    queue.choose_queue(Viewer(app, user(app, "amy"), app.survey()), order=order)
    before = waiting(app, "amy")
    cast(app, "ben", before[0])
    cast(app, "amy", before[1])
    assert waiting(app, "amy") == [before[0], *before[2:]]


def test_similar_exposures_stand_in_a_row(app):
    queue.choose_queue(Viewer(app, user(app, "amy"), app.survey()), order="similar")
    reasons = facets_of(app.survey()).loc[waiting(app, "amy"), "reason"].to_numpy()
    changes = (reasons[1:] != reasons[:-1]).sum()
    assert changes < 0.2 * len(reasons)


def test_the_order_by_split_votes_is_for_leads_and_finds_them(app):
    amy = user(app, "amy")
    with pytest.raises(TriptychError, match="'split' is not a order"):
        queue.choose_queue(Viewer(app, amy, app.survey()), order="split")
    app.store.keep_setting(queue.SETTINGS, {"order": "split"}, owner="amy")
    assert queue.choice_of(Viewer(app, amy))[0] == "score"
    third = waiting(app, "lea")[30]
    cast(app, "amy", third, "good")
    cast(app, "ben", third, "bad", reasons=["PSF"])
    queue.choose_queue(Viewer(app, user(app, "lea"), app.survey()), order="split")
    assert waiting(app, "lea")[0] == third


def test_where_the_model_is_hidden_nothing_is_offered_that_tells_its_opinion(app):
    app.blind = True
    offered = queue.choices(Viewer(app, user(app, "amy"), app.survey()))
    assert offered["order"] == "random"
    assert [order["name"] for order in offered["orders"]] == ["similar", "night", "random"]
    assert "reason" not in [facet["name"] for facet in offered["facets"]]
    with pytest.raises(TriptychError, match="way to cut packets"):
        queue.choose_queue(Viewer(app, user(app, "amy"), app.survey()), packet="reason=PSF")
    keep(app, order="score", packet="reason=PSF")
    assert queue.choice_of(Viewer(app, user(app, "amy"))) == ("random", "")


def test_a_packet_is_a_part_of_the_queue_and_its_counts_say_what_is_left(app):
    amy, tables = user(app, "amy"), app.survey()
    band = {
        v["value"]: v
        for f in queue.choices(Viewer(app, amy, tables))["facets"]
        if f["name"] == "band"
        for v in f["values"]
    }
    queue.choose_queue(Viewer(app, amy, tables), packet="band=g")
    found = waiting(app, "amy")
    assert set(tables.exposures.loc[found, "band"]) == {"g"}
    assert len(found) == band["g"]["n"] == band["g"]["left"]
    cast(app, "amy", found[0])
    cast(app, "ben", found[1])
    after = {
        v["value"]: v
        for f in queue.choices(Viewer(app, amy, tables))["facets"]
        if f["name"] == "band"
        for v in f["values"]
    }
    assert after["g"] == {"value": "g", "n": band["g"]["n"], "left": band["g"]["n"] - 1}
    answer = routes.queue_answer(Viewer(app, amy, tables))
    assert answer["total"] == band["g"]["n"]
    with pytest.raises(TriptychError, match="no exposure of the queue"):
        queue.choose_queue(Viewer(app, amy, tables), packet="band=g;month=1999-01")


def test_a_packet_from_the_lead_holds_until_its_owner_chooses_and_again_when_it_is_renewed(app):
    amy = user(app, "amy")
    keep(app, packet="band=z")
    assert queue.choice_of(Viewer(app, amy))[1] == "band=z"
    queue.assign(app, app.survey(), "amy", "band=r")
    assert queue.choice_of(Viewer(app, amy))[1] == "band=r"
    queue.choose_queue(Viewer(app, amy, app.survey()), packet="")
    assert queue.choice_of(Viewer(app, amy))[1] == ""
    queue.assign(app, app.survey(), "amy", "band=i")
    assert queue.choice_of(Viewer(app, amy))[1] == "band=i"
    queue.assign(app, app.survey(), "amy", None)
    assert queue.choice_of(Viewer(app, amy))[1] == "band=z"


def test_galactic_latitude_of_the_pole_and_the_centre():
    found = galactic_latitude([192.8595, 266.405, np.nan], [27.1283, -28.936, 0.0])
    assert found[0] == pytest.approx(90, abs=0.01)
    assert found[1] == pytest.approx(0, abs=0.05)
    assert np.isnan(found[2])


def test_what_somebody_looks_at_comes_last_for_the_others_until_he_is_done(app):
    first = waiting(app, "ben")[0]
    queue.look(Viewer(app, user(app, "amy")), first)
    assert waiting(app, "ben")[-1] == first
    assert first in waiting(app, "amy")[:-1]
    queue.look(Viewer(app, user(app, "amy")), None)
    assert waiting(app, "ben")[0] == first
    queue.look(Viewer(app, user(app, "vic")), first)
    assert app.store.leases().empty


def test_a_vote_records_order_packet_and_place(app):
    queue.choose_queue(Viewer(app, user(app, "amy"), app.survey()), order="night", packet="band=z")
    found = waiting(app, "amy")
    assert queue.place_of(Viewer(app, user(app, "amy")), found[2]) == {
        "order": "night",
        "packet": "band=z",
        "position": 2,
    }
    app.queues.clear()
    assert queue.place_of(Viewer(app, user(app, "amy")), found[2])["position"] is None


# ---- repeats


@pytest.fixture
def practised(app):
    """Amy has judged 50 exposures, ben some of them; every fifth place is a repeat. Returns her first 10."""
    keep(app, repeats=0.2, repeat_age=AGE)
    found = waiting(app, "amy")
    common = {"inspector": "amy", "judgement": "bad", "plver": "V5.5LS", "reasons": ("PSF",), "comment": "trailed-ring"}
    own = [Vote(expnum=expnum, screen={"seconds": 2.0}, **common) for expnum in found[:50]]
    bens = [Vote(expnum=expnum, inspector="ben", judgement="good", plver="V5.5LS") for expnum in found[:20]]
    app.store.cast_many([*own, *bens])
    return found[:10]


def test_old_blind_votes_are_asked_for_again_and_recent_ones_are_not(app, practised):
    found = waiting(app, "amy")
    again = set(Viewer(app, user(app, "amy")).asked_again())
    assert again
    assert again <= set(practised)
    assert again == set(found) & set(app.store.ballots("decam", "amy")["expnum"])
    assert waiting(app, "amy") == found
    assert set(Viewer(app, user(app, "amy")).asked_again()) == again


def test_what_a_page_gets_of_a_repeat_is_what_it_gets_of_an_exposure_never_judged(app, practised):
    amy, tables = user(app, "amy"), app.survey()
    answer = routes.queue_answer(Viewer(app, amy, tables))
    again = Viewer(app, amy).asked_again()
    repeat = next(item for item in answer["items"] if item["expnum"] in again)
    fresh = next(item for item in answer["items"] if not item["voted"] and item["expnum"] not in again)
    assert repeat.keys() == fresh.keys()
    assert repeat["voted"] is False
    assert not again.keys() & {vote["expnum"] for vote in answer["votes"]}
    for assisted in (False, True):
        one, other = (
            evidence.evidence_of(Viewer(app, amy, tables), item["expnum"], assisted=assisted)
            for item in (repeat, fresh)
        )
        assert one.keys() == other.keys()
        for name in ("voted", "mine", "others", "verdict", "assisted", "stage"):
            assert one[name] == other[name]
        assert "trailed-ring" not in text(one)
        assert '"ben"' not in text(one)
        frames = [frame for frame in one["context"] if frame["expnum"] in again]
        assert not any(frame["mine"] for frame in frames)
    knowledge = Viewer(app, amy, tables).knowledge()
    assert not again.keys() & knowledge.own
    assert not knowledge.of_votes(np.array(list(again))).any()


def test_what_one_takes_home_does_not_list_what_is_asked_for_again_until_it_is_answered(app, practised):
    amy = user(app, "amy")
    waiting(app, "amy")
    again = set(Viewer(app, amy).asked_again())
    own = set(app.store.votes(inspector="amy")["expnum"])
    assert again
    assert again < own

    def listed():
        return {int(line.split(",")[0]) for line in export_routes.own_csv(Viewer(app, amy)).decode().splitlines()[1:]}

    assert listed() == own - again
    assert sum(export_routes.own_summary(Viewer(app, amy))["counts"].values()) == len(own - again)
    one = min(again)
    cast(app, "amy", one, "good")
    assert listed() == own - again | {one}
    line = next(
        line for line in export_routes.own_csv(Viewer(app, amy)).decode().splitlines() if line.startswith(str(one))
    )
    assert "good" in line, "as on every page: what was said last"


def test_what_is_said_of_a_repeat_is_no_vote_and_looks_like_one_ever_after(app, practised):
    amy, tables = user(app, "amy"), app.survey()
    waiting(app, "amy")
    expnum, vote_id = next(iter(Viewer(app, amy).asked_again().items()))
    before = text(app.store.votes().drop(columns="screen").to_dict("records"))
    said = cast(app, "amy", expnum, "good", client_vote_id="again", screen={"seconds": 1.0})
    assert cast(app, "amy", expnum, "good", client_vote_id="again", screen={"seconds": 1.0}) == said
    assert text(app.store.votes().drop(columns="screen").to_dict("records")) == before
    (row,) = app.store.repeats("amy").to_dict("records")
    assert (row["vote_id"], row["judgement"]) == (vote_id, "good")
    assert expnum not in waiting(app, "amy")
    assert evidence.evidence_of(Viewer(app, amy, tables), expnum, assisted=True)["mine"]["judgement"] == "good"
    last = routes.queue_answer(Viewer(app, amy, tables))["votes"][0]
    assert (last["expnum"], last["judgement"], last["seconds"]) == (expnum, "good", 1.0)
    fresh = cast(app, "amy", waiting(app, "amy")[-1], "good")
    assert repeats.receipt("again") > 0
    assert repeats.receipt(fresh.client_vote_id) != repeats.receipt("again")


def test_a_repeat_taken_back_is_asked_for_again_and_the_vote_stays(app, practised):
    amy = user(app, "amy")
    waiting(app, "amy")
    expnum = next(iter(Viewer(app, amy).asked_again()))
    cast(app, "amy", expnum, "good")
    assert votes.undo(Viewer(app, amy)) == expnum
    assert expnum in Viewer(app, amy).asked_again()
    assert app.store.votes("amy", expnum)["judgement"].tolist() == ["bad"]
    cast(app, "amy", expnum, "unsure")
    assert app.store.repeats("amy", current=False)["judgement"].tolist() == ["good", "unsure"]
    assert app.store.repeats("amy")["judgement"].tolist() == ["unsure"]
    assert repeats.last_answers(Viewer(app, amy)).popitem()[1]["judgement"] == "unsure"


def test_an_undo_after_a_later_vote_takes_that_vote_back(app, practised):
    amy = user(app, "amy")
    waiting(app, "amy")
    cast(app, "amy", next(iter(Viewer(app, amy).asked_again())), "good")
    fresh = next(e for e in waiting(app, "amy") if e not in Viewer(app, amy).asked_again())
    cast(app, "amy", fresh)
    assert votes.undo(Viewer(app, amy)) == fresh
    assert app.store.votes("amy", fresh).empty


def test_a_bulk_vote_does_not_tell_which_exposure_is_asked_for_again(app, practised):
    amy = user(app, "amy")
    found = waiting(app, "amy")
    expnum = next(iter(Viewer(app, amy).asked_again()))
    fresh = next(e for e in found if e not in Viewer(app, amy).asked_again())
    both, more = [fresh, expnum], {"batch_id": "b1", "how": "lasso", "reasons": ["Noise"]}
    answer = votes.cast_batch(Viewer(app, amy, app.survey()), both, "bad", **more)
    assert (answer["n"], answer["skipped"], len(set(answer["vote_ids"]))) == (2, [], 2)
    assert app.store.votes("amy", expnum)["via"].tolist() == ["single"]
    assert expnum not in Viewer(app, amy).asked_again()


def test_a_restarted_server_still_knows_what_it_asks_for_again(app, practised):
    waiting(app, "amy")
    again = Viewer(app, user(app, "amy")).asked_again()
    other = AppContext(app.catalog, app.store)
    assert Viewer(other, user(app, "amy")).asked_again() == again
    expnum = next(iter(again))
    cast(other, "amy", expnum, "good")
    assert len(app.store.repeats("amy")) == 1


def test_what_others_were_seen_to_say_is_not_asked_for_again(app, practised):
    app.note_seen(user(app, "amy"), practised)
    waiting(app, "amy")
    assert Viewer(app, user(app, "amy")).asked_again() == {}


def test_a_repeat_belongs_to_the_packet_that_is_judged(app, practised):
    band = app.survey().exposures.loc[practised, "band"].mode()[0]
    queue.choose_queue(Viewer(app, user(app, "amy"), app.survey()), packet=f"band={band}")
    assert set(app.survey().exposures.loc[waiting(app, "amy"), "band"]) <= {band}
    queue.choose_queue(Viewer(app, user(app, "amy"), app.survey()), packet="")


# ---- known answers


def test_known_answers_are_drawn_good_and_bad_alike_and_mixed_in_once(app):
    tables = app.survey()
    assert lead_queue.draw_known(app, tables, "truth", 20, seed=3, by="lea") == 20
    known = app.store.draws("decam", "known")
    assert known["judgement"].value_counts().to_dict() == {"good": 10, "bad": 10}
    keep(app, known=0.1)
    found = waiting(app, "amy")
    outside = set(known["expnum"]) - set(tables.candidates.index)
    mixed_in = outside & set(found)
    assert mixed_in
    assert set(tables.candidates.index) <= set(found)
    assert len(found) == len(set(found))
    answer = routes.queue_answer(Viewer(app, user(app, "amy"), tables))
    items = {item["expnum"]: item for item in answer["items"]}
    expnum = next(iter(mixed_in))
    assert len({tuple(item) for item in items.values()}) == 1
    assert "known" not in text(answer)
    cast(app, "amy", expnum, "good")
    assert expnum not in waiting(app, "amy")
    assert expnum in app.store.ballots("decam", "amy")["expnum"].tolist()


def test_a_page_gets_the_beginning_of_a_long_queue_and_how_long_it_is(app, monkeypatch):
    monkeypatch.setattr(routes, "SENT", 5)
    monkeypatch.setattr(queue_routes, "SENT", 5)
    monkeypatch.setattr(routes, "VOTES_SHOWN", 2)
    whole = waiting(app, "amy")
    for expnum in whole[:3]:
        cast(app, "amy", expnum)
    viewer = Viewer(app, user(app, "amy"), app.survey())
    left = waiting(app, "amy")
    answer = routes.queue_answer(viewer)
    assert [item["expnum"] for item in answer["items"] if not item["voted"]] == left[:5]
    assert sum(item["voted"] for item in answer["items"]) == 2
    assert (answer["n_left"], answer["total"]) == (len(left), len(whole))
    assert queue_routes.order_answer(viewer) == {"order": left[:5], "n_left": len(left), "total": len(whole)}


def test_the_same_seed_draws_the_same_known_answers(app, tmp_path):
    tables = app.survey()
    lead_queue.draw_known(app, tables, "truth", 10, seed=3, by="lea")
    first = app.store.draws(kind="known")["expnum"].tolist()
    with LabelStore(f"sqlite:///{tmp_path / 'other.db'}") as store:
        store.import_labels(app.store.labels(), source="made-up", kind="truth")
        other = AppContext(app.catalog, store)
        lead_queue.draw_known(other, tables, "truth", 10, seed=3, by="lea")
        assert store.draws(kind="known")["expnum"].tolist() == first
    with pytest.raises(TriptychError, match="decided by a lead is left"):
        lead_queue.draw_known(app, tables, "adjudicated", 10, seed=3, by="lea")
    app.store.adjudicate("decam", 900100, "lea", "bad", plver="V5.5LS", reasons=["PSF"])
    assert lead_queue.draw_known(app, tables, "adjudicated", 10, seed=3, by="lea") == 1
    with pytest.raises(TriptychError, match="whole number"):
        lead_queue.draw_known(app, tables, "truth", "some", seed=3, by="lea")


# ---- the adaptive rule


def test_two_votes_that_agree_take_an_exposure_out_of_the_third_queue_only_under_the_rule(app):
    expnum = waiting(app, "cai")[0]
    for name in ("amy", "ben"):
        cast(app, name, expnum, "bad", reasons=["PSF"])
    assert expnum in waiting(app, "cai")
    keep(app, rule="adaptive", control=0.0)
    assert expnum not in waiting(app, "cai")
    assert lead_queue.saved(app, app.survey())["votes_saved"] == 1
    keep(app, rule="adaptive", control=1.0)
    assert expnum in waiting(app, "cai")


def test_under_the_rule_split_votes_come_in_the_order_of_everything_else(app):
    keep(app, rule="adaptive", control=0.0)
    whole = waiting(app, "cai")
    late = whole[-1]
    cast(app, "amy", late, "good")
    cast(app, "ben", late, "bad", reasons=["PSF"])
    now = waiting(app, "cai")
    assert late in now
    scores = app.survey().scored["bad_probability"]
    place = now.index(late)
    assert scores[now[place - 1]] >= scores[late] - 0.05


def test_the_effect_of_settings_is_known_before_they_are_kept(app):
    tables = app.survey()
    n = len(tables.candidates)
    now = lead_queue.effect(app, tables, {})
    assert (now["n_exposures"], now["votes_all"]) == (n, 3 * n)
    assert now["votes_left"] == {"least": 3 * n, "expected": 3 * n, "most": 3 * n}
    then = lead_queue.effect(app, tables, {"rule": "adaptive", "control": 0.0})
    assert then["votes_left"] == {"least": 2 * n, "expected": None, "most": 3 * n}
    part = lead_queue.effect(app, tables, {"packet": "band=g"})
    assert part["n_exposures"] == (tables.exposures.loc[tables.candidates.index, "band"] == "g").sum()
    assert app.store.setting(queue.SETTINGS) is None
    assert app.store.draws().empty
