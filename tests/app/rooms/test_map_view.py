"""The map's Python side and the session: in step in both directions, and never round in circles."""

import numpy as np
import pytest

from triptych.app.context import AppContext
from triptych.app.map.points import map_table
from triptych.app.map.regions import packed
from triptych.app.map.selections import kept_bits
from triptych.app.rooms.explore.map_view import LegendView, MapView
from triptych.app.session import Session
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.image_ids import ccdnum_of
from triptych.pipeline.store.store import LabelStore


@pytest.fixture
def session(survey_folder):
    catalog = Catalog.open(survey_folder)
    store = LabelStore(catalog.labels_url())
    app = AppContext(catalog, store)
    yield Session(app, app.accounts.user("amy"))
    store.close()


@pytest.fixture
def view(session):
    """A MapView that keeps what it would send to the browser in `view.sent`."""
    view = MapView(session)
    view.sent = []
    view._send_msg = view.sent.append
    return view


def indices_of(session, image_ids):
    return map_table(session.survey).index_of(image_ids)


def test_a_lasso_selects_in_the_session_and_does_not_come_back(view, session):
    wanted = session.survey.images_of(900003)[:20]
    view._handle_msg({"type": "select", "gesture": "lasso", "focus": -1, "indices": indices_of(session, wanted)})
    assert session.selection.tolist() == sorted(wanted.tolist())
    assert "lasso" in session.selection_how
    assert session.focus is None
    assert view.sent == []


def test_many_points_come_as_bits(view, session):
    wanted = session.survey.image_ids[::2]
    state = np.zeros(len(session.survey.image_ids), np.uint8)
    state[indices_of(session, wanted)] = 1
    bits = np.packbits(state, bitorder="little")
    view._handle_msg({"type": "select", "gesture": "box", "bits": bits.tobytes()})
    assert session.selection.tolist() == wanted.tolist()


def test_a_click_also_focuses_the_image(view, session):
    image_id = int(session.survey.images_of(900002)[5])
    (i,) = indices_of(session, [image_id])
    view._handle_msg({"type": "select", "gesture": "click", "focus": int(i), "indices": [int(i)]})
    assert (session.focus, session.focus_ccd) == session.survey.ccd_of(image_id)
    assert view.focus == 900002
    assert view.focus_ccd == ccdnum_of(image_id)


def test_a_step_is_heard_when_its_focus_is_known_and_also_when_it_fails(view, session, monkeypatch):
    (i,) = indices_of(session, [int(session.survey.images_of(900002)[5])])
    focus_when_heard = []
    view.param.watch(lambda event: focus_when_heard.append(view.focus), "heard")
    view._handle_msg({"type": "focus", "index": int(i), "step": 1})
    view._handle_msg({"type": "hello"})
    assert view.heard == 1
    assert focus_when_heard == [900002]

    def fails(*focus):
        raise RuntimeError("a fault of the server")

    monkeypatch.setattr(session, "focus_on", fails)
    with pytest.raises(RuntimeError):
        view._handle_msg({"type": "focus", "index": 0, "step": 2})
    assert view.heard == 2, "else this map would follow no other view any more"


def test_another_views_selection_goes_to_the_browser_once(view, session):
    session.select(session.survey.images_of(900005), "elsewhere")
    session.select(session.survey.images_of(900005)[::-1], "the same in another order")
    assert len(view.sent) == 1
    assert np.array_equal(view.sent[0]["indices"], indices_of(session, session.survey.images_of(900005)))
    assert view.sent[0]["indices"].dtype == np.uint32


def test_a_page_that_draws_again_gets_the_selection(view, session):
    session.select(session.survey.images_of(900005)[:3], "")
    view.sent.clear()
    view._handle_msg({"type": "hello"})
    assert len(view.sent[0]["indices"]) == 3


def test_colouring_and_isolation_are_one_thing_for_map_and_legend(view, session):
    legend = LegendView(session)
    legend.isolate = ["PSF"]
    assert session.isolate == ("PSF",)
    assert view.isolate == ["PSF"]
    legend.colour_by = "cluster"
    assert session.colour_by == view.colour_by == "cluster"
    assert session.isolate == ()
    assert view.isolate == legend.isolate == []
    session.colour_by = "verdict"
    assert legend.colour_by == "verdict"
    assert legend.page_key == view.page_key


def test_a_colouring_that_does_not_exist_is_refused_with_a_message(view, session):
    view.colour_by = "clouds"
    assert session.colour_by == view.colour_by == "reason"
    assert "clouds" in session.notice


def test_addresses_of_codes_change_only_when_the_codes_may(view, session):
    before = dict(view.colour_urls)
    session.revision += 1
    changed = {name for name, url in view.colour_urls.items() if url != before[name]}
    votes = {"verdict", "disagreement", "pending", "contradiction"}
    assert changed == {"reason", *votes}
    session.assisted = False
    assert all("opinion" not in url for url in view.colour_urls.values())
    before = dict(view.colour_urls)
    session.revision += 1
    changed = {name for name, url in view.colour_urls.items() if url != before[name]}
    assert changed == {"reason", "prediction", "probability", *votes}


def test_dims_go_both_ways(view, session):
    view.dims = 3
    assert session.dims == 3
    session.dims = 2
    assert view.dims == 2


def test_a_lasso_told_by_its_outline_alone_selects_the_same_and_does_not_come_back(view, session):
    whole = f"r.2.0.{packed([-2, -2, 4, 0, 0, 4, -4, 0])}"
    view._handle_msg({"type": "select", "gesture": "lasso", "focus": -1, "text": whole})
    assert np.array_equal(session.selection, session.survey.image_ids)
    assert session.region == whole
    assert view.sent == []


def test_a_long_selection_of_another_view_goes_as_an_address(view, session, monkeypatch):
    monkeypatch.setattr("triptych.app.rooms.explore.map_view.MOST_SENT", 10)
    wanted = session.survey.images_of(900003)
    session.select(wanted, "elsewhere")
    token = view.sent[-1]["url"].split("/")[-1].removesuffix(".bin")
    bits = np.frombuffer(kept_bits(session.user, token), np.uint8)
    assert np.array_equal(np.flatnonzero(np.unpackbits(bits, bitorder="little")), indices_of(session, wanted))


def test_a_text_that_is_no_selection_is_said(view, session):
    view._handle_msg({"type": "select", "gesture": "lasso", "focus": -1, "text": "r.2.zebra"})
    assert "lasso the points again" in session.notice
