"""Which exposures a lead is asked about, and why."""

from dataclasses import replace

import pytest

from triptych.pipeline.store.store import LabelStore, Vote
from triptych.pipeline.votes.adjudication_queue import COLUMNS, STATES, WAITING, undecided

WORDS = {"b": "bad", "g": "good", "u": "unsure"}


@pytest.fixture
def store(tmp_path):
    with LabelStore(f"sqlite:///{tmp_path / 'labels.db'}") as store:
        yield store


def cast(store, expnum, letters, **more):
    for name, letter in zip(("amy", "ben", "cai", "dee"), letters, strict=False):
        store.cast(Vote(expnum=expnum, inspector=name, judgement=WORDS[letter], plver="V5.5", **more))


def states(store, panel=3) -> dict:
    found = undecided(store.votes(), panel)
    return dict(zip(found.expnum, found.states, strict=True))


def test_each_state_by_its_votes(store):
    cast(store, 1, "bgu")
    cast(store, 2, "bbu")
    cast(store, 3, "bg")
    cast(store, 4, "bbg")
    cast(store, 5, "b", via="import")
    cast(store, 6, "b")
    cast(store, 7, "ggg")
    cast(store, 8, "bbgg")
    found = states(store)
    assert {expnum: set(own) - {"posterior"} for expnum, own in found.items()} == {
        1: {"split", "unsure"},
        2: {"unsure"},
        3: {"differ"},
        4: {"outvoted"},
        5: {"single_bad"},
        8: {"split"},
    }
    assert set(WAITING) < set(STATES)


def test_where_dawid_skene_disagrees_with_the_majority(store):
    """Two who are often wrong outvote one who is always right."""
    for expnum in range(1, 41):
        truth = "b" if expnum % 2 else "g"
        wrong = "g" if truth == "b" else "b"
        cast(store, expnum, f"{truth}{wrong if expnum % 5 == 0 else truth}{wrong if expnum % 7 == 0 else truth}{truth}")
    cast(store, 99, "bggb")
    cast(store, 100, "bggu")
    found = undecided(store.votes(), 3).set_index("expnum")
    for expnum, row in found.iterrows():
        decided = row.verdict in ("bad", "good")
        differs = decided and row.verdict != ("bad" if row.p_bad >= 0.5 else "good")
        assert ("posterior" in row.states) == differs, expnum
    assert found.loc[100, "p_bad"] > 0.5
    assert "posterior" not in found.loc[99, "states"]  # two against two decide nothing by majority


def test_without_votes_there_is_nothing(store):
    found = undecided(store.votes(), 3)
    assert list(found) == COLUMNS
    assert found.empty


def test_the_last_vote_gives_the_age_and_the_version(store):
    vote = Vote(expnum=1, inspector="amy", judgement="bad", plver="V5.5")
    store.cast(vote)
    last = store.cast(replace(vote, inspector="ben", judgement="good"))
    row = undecided(store.votes(), 3).iloc[0]
    assert (row.last_vote_utc, row.plver) == (last.created_utc, "V5.5")


def test_the_real_inspection_rests_on_single_votes(real_data, tmp_path, store):
    from triptych.pipeline.labels.readers import import_file

    import_file(store, real_data / "labels/dr11_final_selected_bad_exposures.csv", camera="decam")
    found = undecided(store.votes(), 3)
    assert found.states.map(lambda own: "single_bad" in own).sum() == 602
