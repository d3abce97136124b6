"""Three people at once, sixty exposures each by keyboard, a cut connection, decisions, the list: to the last vote."""

import shutil
from collections import Counter

import krippendorff
import numpy as np
import pytest

from tests import survey
from tests.ui.rooms.test_review import shown, wait_for_exposure, wait_saved
from tests.ui.waiting import ready_to_vote
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore

INSPECTORS = ("amy", "ben", "cai")
EXPOSURES = 60
CUT = range(20, 24)  # votes that ben casts without a connection
VALUE = {"good": 0, "bad": 1, "unsure": np.nan}


def answer_of(name, expnum):
    """What each of them will say: good and bad by the number, with disagreements of every kind. (judgement, reasons)"""
    place = INSPECTORS.index(name)
    if expnum % 11 == 0 and place == 2:
        return "unsure", ()
    bad = expnum % 3 == 0 or (expnum % 7 == 0 and place != 1) or (expnum % 13 == 0 and place == 1)
    return ("bad", ("Ghost_Scatter", "PSF") if expnum % 2 else ("Noise",)) if bad else ("good", ())


def vote(page, name):
    """Press the keys for the exposure on screen; return its expnum."""
    ready_to_vote(page)
    expnum = shown(page)
    judgement, reasons = answer_of(name, expnum)
    if judgement != "bad":
        page.keyboard.press(judgement[0])
    elif len(reasons) == 1:
        page.keyboard.press("b")
        page.keyboard.press("8")
    else:
        page.keyboard.press("b")
        page.keyboard.press("Shift+Digit5")
        page.keyboard.press("Shift+Digit3")
        page.keyboard.press("Enter")
    return expnum


@pytest.fixture
def served(serve_run, tmp_path):
    """A run in which every exposure waits: it has no candidates."""
    catalog = survey.make(tmp_path / "run", exposures=EXPOSURES)
    current = catalog.refresh().info["current"]
    catalog.set_info(current={kind: stage for kind, stage in current.items() if kind != "candidates"})
    shutil.rmtree(catalog.path / "candidates")
    with LabelStore(catalog.labels_url()) as store:
        (made_up,) = store.votes()["vote_id"]
        store.retract(int(made_up), "ben")
    return serve_run(tmp_path / "run", "--no-worker")


@pytest.mark.slow
def test_three_inspectors_a_lead_and_the_list_agree_to_the_last_vote(open_page, served):
    pages = {name: open_page(name, "/?room=review", server=served) for name in INSPECTORS}
    for page in pages.values():
        wait_for_exposure(page)
    pages["ben"].expected_problems.extend(["ERR_INTERNET_DISCONNECTED", "Failed to fetch", "WebSocket"])
    seen = {name: set() for name in INSPECTORS}
    for number in range(EXPOSURES):
        for name, page in pages.items():
            if name == "ben" and number == CUT.start:
                wait_saved(page)
                page.context.set_offline(True)
            expnum = vote(page, name)
            seen[name].add(expnum)
            if number + 1 < EXPOSURES:
                wait_for_exposure(page, expnum)
            if name == "ben" and number == CUT.stop - 1:
                assert page.evaluate("() => window.__review.waiting()") == len(CUT)
                page.context.set_offline(False)
    for page in pages.values():
        wait_saved(page)
    assert all(len(exposures) == EXPOSURES for exposures in seen.values()), "each exposure once"

    said = {(name, expnum): answer_of(name, expnum) for name in INSPECTORS for expnum in seen[name]}
    with LabelStore(Catalog.open(served.run).labels_url()) as store:
        votes = store.votes()
        assert len(store.votes(current=False)) == len(votes) + 1, "nothing twice, nothing changed"
    stored = {
        (row.inspector, row.expnum): (row.judgement, set(row.reasons))
        for row in votes.itertuples()
        if row.via == "single"
    }
    assert stored == {thing: (judgement, set(reasons)) for thing, (judgement, reasons) in said.items()}
    assert votes["blind"].all()

    lead = open_page("lea", "/?room=agreement", server=served)
    lead.locator("#agreement .fill[data-ready]").wait_for()
    figures = report_of(lead)
    check_agreement(figures, said)

    decided = adjudicate(lead, said)
    check_list(lead, said, decided)


def report_of(page):
    return page.evaluate("async () => (await fetch('/agreement/report')).json()")


def check_agreement(figures, said):
    """The room's alpha is that of an independent package on the same answers; every vote is counted."""
    expnums = sorted({expnum for _, expnum in said})
    answers = [[VALUE[said[name, expnum][0]] for expnum in expnums] for name in INSPECTORS]
    expected = krippendorff.alpha(reliability_data=np.array(answers, float), level_of_measurement="nominal")
    assert figures["figures"]["alpha"]["value"] == pytest.approx(expected, abs=1e-9)
    assert figures["n_votes"] == len(said)


def undecided_expnums(said):
    """Exposures that the three do not decide, by the room's rule: no majority of good or bad, or somebody unsure."""
    by_exposure = {}
    for (_name, expnum), (judgement, _reasons) in said.items():
        by_exposure.setdefault(expnum, Counter())[judgement] += 1
    return {
        expnum
        for expnum, counts in by_exposure.items()
        if counts["unsure"] or (counts["bad"] < 2 and counts["good"] < 2)
    }


def adjudicate(page, said):
    """Decide everything that waits, by keyboard: odd numbers are bad. Returns expnum -> judgement."""
    page.keyboard.press("Shift+A")
    page.wait_for_function("() => window.__adjudicate?.shown()")
    waiting = set(page.evaluate("() => window.__adjudicate.queue()"))
    assert undecided_expnums(said) <= waiting
    decided = {}
    while len(decided) < len(waiting):
        page.wait_for_function("() => window.__adjudicate.shown()")
        expnum = page.evaluate("() => window.__adjudicate.shown()")
        page.locator("#adjudicate [data-part=votes]:not(.stale)").get_by_text("amy", exact=True).wait_for()
        decided[expnum] = "bad" if expnum % 2 else "good"
        page.keyboard.press(decided[expnum][0])
        if decided[expnum] == "bad":
            page.keyboard.press("5")
        page.keyboard.press("1")
        page.wait_for_function("expnum => window.__adjudicate.shown() !== expnum", arg=expnum)
    page.wait_for_function("() => window.__adjudicate.waiting() === 0")
    return decided


def check_list(page, said, decided):
    """The downloaded list holds the majority's bad exposures and the lead's, and no other."""
    page.keyboard.press("Shift+X")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    lines = download.value.path().read_text().splitlines()
    listed = {int(line.split()[0].split("-")[0]) for line in lines if line.strip() and not line.startswith("#")}
    bad = Counter(expnum for (_name, expnum), (judgement, _reasons) in said.items() if judgement == "bad")
    expected = {expnum for expnum, n in bad.items() if n >= 2} | set(decided)
    assert listed == {expnum for expnum in expected if decided.get(expnum, "bad") == "bad"}
