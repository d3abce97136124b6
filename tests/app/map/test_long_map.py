"""A long map is encoded once, kept as files in the run, and sent piece by piece; a long selection goes as bits."""

import shutil

import numpy as np
import pytest

from triptych.app.context import AppContext
from triptych.app.judging.viewer import Viewer
from triptych.app.map import points
from triptych.app.map.selections import images_of_region, keep_bits, kept_bits
from triptych.app.session import Session
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.store.store import LabelStore


@pytest.fixture
def app(survey_folder, tmp_path, monkeypatch):
    """An AppContext on a run whose map counts as long."""
    monkeypatch.setattr(points, "LONG", 100)
    points.table_of.cache.clear()
    catalog = Catalog.open(shutil.copytree(survey_folder, tmp_path / "run"))
    store = LabelStore(catalog.labels_url())
    yield AppContext(catalog, store)
    store.close()
    points.table_of.cache.clear()


def test_the_files_hold_what_was_encoded_and_old_ones_go(app):
    survey = app.survey()
    stale = app.catalog.path / points.FOLDER / "0123456789ab"
    stale.mkdir(parents=True)
    table = points.map_table(survey)
    encoded = points.encoded(survey, table.version)
    assert isinstance(table.places[2], np.memmap)
    assert np.array_equal(table.image_ids, encoded.image_ids)
    assert np.array_equal(table.ids, encoded.ids)
    assert table.half == encoded.half
    for dims in (2, 3):
        assert np.array_equal(table.places[dims], encoded.places[dims])
    assert np.array_equal(table.images.by_id, encoded.images.by_id)
    assert [path.name for path in stale.parent.iterdir()] == [table.version]


def test_a_second_start_reads_the_files_and_not_the_tables(app, monkeypatch):
    survey = app.survey()
    first = points.map_table(survey)
    points.table_of.cache.clear()
    monkeypatch.setattr(points, "encoded", lambda *_: pytest.fail("encoded again"))
    assert np.array_equal(points.map_table(survey).image_ids, first.image_ids)


def test_a_run_that_may_only_be_read_is_drawn_all_the_same(app, monkeypatch):
    def refuse(table, folder):
        raise PermissionError("read only")

    monkeypatch.setattr(points, "save_table", refuse)
    assert len(points.map_table(app.survey())) == len(app.survey().image_ids)


def test_a_box_on_the_map_as_text_selects_the_same_for_everybody(app):
    survey = app.survey()
    table = points.map_table(survey)
    from triptych.app.map.regions import packed

    whole = f"r.2.0.{packed([-2, -2, 4, 0, 0, 4, -4, 0])}"
    for name in ("amy", "lea"):
        session = Session(app, app.accounts.user(name))
        session.select_region(whole, "in a box")
        assert np.array_equal(session.selection, survey.image_ids)
        assert (session.region, session.query) == (whole, "")
    only = f"{whole}.f.band%3Ag"
    in_g = images_of_region(Viewer(app, app.accounts.user("amy"), survey), only, (), assisted=True)
    assert set(expnum_of(in_g)) == set(survey.exposures.index[survey.exposures["band"] == "g"])
    assert len(table) == len(survey.image_ids)


def test_what_is_selected_later_wins_over_a_slow_region(app):
    waiting = []
    session = Session(app, app.accounts.user("amy"), runner=lambda work, done: waiting.append((work, done)))
    session.select_region("r.i.AA", "slow")
    session.select(session.survey.images_of(900002), "quick")
    for work, done in waiting:
        done(work())
    assert session.selection_how == "quick"


def test_a_search_and_what_was_added_to_it_are_both_in_the_address(app):
    session = Session(app, app.accounts.user("amy"))
    session.search("900003")
    one = int(session.survey.images_of(900001)[0])
    from triptych.app.map.regions import text_of_images

    session.select_region("a" + text_of_images([one])[1:], "clicked on the map")
    assert session.query == "900003"
    assert set(session.selection) == {one, *session.survey.images_of(900003)}
    again = Session(app, app.accounts.user("ben"))
    again.search(session.query)
    again.select_region(session.region)
    assert np.array_equal(np.sort(again.selection), np.sort(session.selection))


def test_kept_bits_are_for_the_user_who_made_them(app):
    amy, ben = app.accounts.user("amy"), app.accounts.user("ben")
    token = keep_bits(amy, 20, [1, 9, 19])
    assert np.flatnonzero(
        np.unpackbits(np.frombuffer(kept_bits(amy, token), np.uint8), bitorder="little")
    ).tolist() == [1, 9, 19]
    assert kept_bits(ben, token) is None
    assert kept_bits(amy, "0") is None
