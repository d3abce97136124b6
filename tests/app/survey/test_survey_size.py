"""What a page, a vote and the next exposure cost on a survey of 60,000 images: rows and paintings are counted."""

from collections import Counter

import numpy as np
import pytest

from benchmarks.speed.map_runs import drawn_points, make_run
from triptych.app.dashboard import build_page
from triptych.app.judging.queue import queue_of
from triptych.app.judging.viewer import Viewer
from triptych.app.rooms.explore import image_view
from triptych.app.rooms.review.routes import exposure_answer
from triptych.app.session import Session
from triptych.app.site.runs import make_app
from triptych.pipeline.catalog import catalog, stage
from triptych.pipeline.store.store import LabelStore, Vote

IMAGES = 60_000
CCDS = 61
AMY = "amy"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("size") / "run"
    make_run(folder, *drawn_points(IMAGES))
    return folder


@pytest.fixture
def app(run):
    app = make_app(run)
    app.pulse()
    app.survey()
    viewer = Viewer(app, app.store.user(AMY))
    exposure_answer(viewer, queue_of(viewer)[0], assisted=True)
    viewer.knowledge()
    viewer.readable_labels()
    yield app
    app.store.close()


@pytest.fixture
def work(monkeypatch):
    """Counts what is read and painted: rows of tables by how they were read, votes, labels, images coloured."""
    found = Counter()

    def counts(module, name, key, size=len):
        real = getattr(module, name)

        def counted(*args, **options):
            answer = real(*args, **options)
            found[key] += size(answer)
            return answer

        monkeypatch.setattr(module, name, counted)

    counts(stage, "read_table", "rows of whole tables")
    counts(catalog, "read_table", "rows of whole tables")
    counts(stage, "rows_of", "rows of exposures")
    counts(catalog, "rows_of", "rows of exposures")
    counts(LabelStore, "votes", "votes")
    counts(LabelStore, "labels", "labels")
    counts(image_view, "paint", "images painted", lambda painted: len(painted.codes))
    return found


def vote(app, expnum, who="ben"):
    app.store.cast(Vote(expnum=int(expnum), inspector=who, judgement="good"))


def test_the_next_exposure_reads_its_own_images_and_no_others(app, work):
    viewer = Viewer(app, app.store.user(AMY))
    queue = queue_of(viewer)
    work.clear()
    for expnum in queue[1:6]:
        exposure_answer(viewer, expnum, assisted=True)
    assert work["rows of whole tables"] == 0
    assert 0 < work["rows of exposures"] <= 5 * CCDS
    assert work["labels"] == 0
    assert work["votes"] <= 10
    work.clear()
    exposure_answer(viewer, queue[1], assisted=True)
    assert work["rows of exposures"] == 0, "an exposure that was shown is kept"


def test_a_page_reads_no_table_again(app, work):
    user = app.store.user(AMY)
    build_page(app, user, {})
    work.clear()
    build_page(app, user, {"room": "review"})
    assert work["rows of whole tables"] == work["labels"] == work["votes"] == 0
    assert work["rows of exposures"] <= CCDS


def test_a_vote_is_all_that_is_read_after_a_vote(app, work):
    viewer = Viewer(app, app.store.user(AMY))
    candidates = app.survey().candidates.index
    for expnum in candidates[:10]:
        vote(app, expnum)
    viewer.knowledge()
    work.clear()
    vote(app, candidates[10])
    viewer.knowledge()
    viewer.readable_labels()
    assert work["votes"] == 1
    assert work["labels"] == 0


@pytest.mark.parametrize("room", ["review", "clusters", "model"])
def test_a_vote_paints_nothing_in_a_room_without_colours(app, work, room):
    session = Session(app, app.store.user(AMY))
    image_view.ThumbsView(session)
    session.poll(app.pulse())
    session.select(app.survey().image_ids[:5000], "many")
    session.show(room=room)
    work.clear()
    vote(app, app.survey().candidates.index[20])
    session.revision = app.store.revision()
    assert work["images painted"] == 0
    session.show(room="explore")
    assert work["images painted"] == image_view.PAGE, "what was missed, once"


def test_only_shown_thumbnails_are_painted_in_explore(app, work):
    session = Session(app, app.store.user(AMY))
    image_view.ThumbsView(session)
    session.select(app.survey().image_ids[:5000], "many")
    work.clear()
    vote(app, app.survey().candidates.index[21])
    session.revision = app.store.revision()
    assert work["images painted"] == image_view.PAGE


def test_memory_holds_a_few_columns_of_each_image(app):
    survey = app.survey()
    frames = {name: getattr(survey, name) for name in ("ccds", "prediction", "map2d", "map3d", "cluster")}
    each = {name: frame.memory_usage(index=False, deep=True).sum() / IMAGES for name, frame in frames.items()}
    assert sum(each.values()) < 100, each
    for frame in frames.values():
        assert frame.index is survey.ccds.index or np.shares_memory(
            frame.index.to_numpy(), survey.ccds.index.to_numpy()
        )
