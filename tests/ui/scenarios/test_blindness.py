"""What reaches an inspector's browser before the own vote: read whole, in every room, and compared between two worlds.

In both worlds the same inspector has cast the same vote, once on one exposure and once on another. Whoever has judged
neither must not be able to tell the two worlds apart, whatever they open.
"""

import re
import shutil

import pytest

from tests import survey
from tests.ui.conftest import wait_ready
from triptych.app.colours.colours import COLOURINGS
from triptych.app.dashboard import rooms_of
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.accounts import User
from triptych.pipeline.store.store import LabelStore, Vote

OTHER = "zephyrine"
SECRET = "zebra crossing"
JUDGED = (900001, 900003)  # in the one world, in the other
KNOWN = 900005  # amy has voted on it as well, and may know
# what differs between any two servers, and says nothing of votes
MAY_DIFFER = re.compile(r"/boot$|/login|/logout|/autoload\.js|/\?|/$|/ws|/api/jobs")


def make_world(folder, expnum):
    """Add the other inspector and her votes to a copy of the run."""
    store = LabelStore(Catalog.open(folder).labels_url())
    store.add_user(OTHER, survey.PASSWORD)
    more = {"judgement": "bad", "reasons": ("Out_of_focus",), "comment": SECRET, "plver": "V5.5LS"}
    for number, (judged, name) in enumerate([(KNOWN, "amy"), (KNOWN, OTHER), (expnum, OTHER)]):
        note = "" if judged == KNOWN else SECRET
        vote = Vote(expnum=judged, inspector=name, client_vote_id=f"vote-{number}", **(more | {"comment": note}))
        store.cast(vote)
    store.close()


def walk(page):
    """Everything that an inspector may open before a vote on JUDGED."""
    start = page.url.split("?")[0]
    for expnum in JUDGED:
        page.goto(f"{start}?focus={expnum}&q={expnum}")
        wait_ready(page)
        page.locator("#mosaic-panel .fill[data-ready]").wait_for()
        page.get_by_label("colour by").wait_for()
        for colour in COLOURINGS:
            page.get_by_label("colour by").select_option(colour)
            page.locator(f".legend[data-colour-by={colour}]").wait_for()
            page.requests.wait_for_answers()
        for room in rooms_of(User("amy", "inspector")):
            page.goto(f"{start}?room={room}&focus={expnum}")
            wait_ready(page)
            page.locator(f"#{room} .fill[data-ready]").first.wait_for()
            page.wait_for_load_state("networkidle")
            page.requests.wait_for_answers()


def read_everything(open_page, server):
    """(address -> body, websocket frames) of the whole walk."""
    page = open_page("amy", server=server, fresh=True)  # what the other world's server said must not be in its cache
    answers, frames = {}, []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(text_of(frame))))
    page.on("response", lambda answer: keep(answers, answer, server.url))
    walk(page)
    received = {path: body_of(answer) for path, answer in answers.items()}
    page.close()
    return received, frames


def keep(answers, answer, base):
    """Note an answer of the server; a blob is made in the browser, of answers that are noted already."""
    if answer.url.startswith(base):
        answers.setdefault(path_of(answer.url, base), answer)


def path_of(url, base):
    return re.sub("opinion=[0-9a-f]+", "opinion=", url.removeprefix(base))  # signed anew by each server


def body_of(answer):
    try:
        return answer.body()
    except Exception:  # a redirect has no body
        return b""


def text_of(frame):
    return frame if isinstance(frame, str) else bytes(frame).decode(errors="ignore")


@pytest.mark.slow
def test_nothing_tells_on_which_exposure_somebody_else_has_voted(open_page, serve_run, tmp_path):
    survey.make(tmp_path / "run", exposures=8)
    received = []
    for expnum in JUDGED:
        folder = tmp_path / "world" / "run"  # the same for both: pictures are addressed by folder and time
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tmp_path / "run", folder)
        make_world(folder, expnum)
        server = serve_run(folder, "--no-worker")
        answers, frames = read_everything(open_page, server)
        texts = [*frames, *(body.decode(errors="ignore") for path, body in answers.items() if "/static/" not in path)]
        assert len(answers) > 60
        assert len(frames) > 30
        for told in (SECRET, "vote-2"):
            assert not [text[:300] for text in texts if told in text], told
        received.append({path: body for path, body in answers.items() if not MAY_DIFFER.search(path)})
        server.stop()
    one, other = received
    assert sorted(set(one) ^ set(other)) == []
    assert [path for path in one if one[path] != other[path]] == []
