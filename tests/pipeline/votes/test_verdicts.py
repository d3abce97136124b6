"""Votes to verdicts: each policy, whole exposures and single CCDs, people who disagree or have not voted, decisions."""

import itertools

import pandas as pd
import pytest

from triptych.pipeline.errors import UnknownName
from triptych.pipeline.votes.sorted_votes import opinions
from triptych.pipeline.votes.verdicts import (
    POLICIES,
    VERDICT_COLUMNS,
    VERDICTS,
    bad_ccds,
    ccd_verdicts,
    verdicts,
)

WORDS = {"b": "bad", "g": "good", "u": "unsure"}


def votes(*rows) -> pd.DataFrame:
    """(expnum, inspector, judgement[, ccdname[, reasons]]) rows as the store gives them."""
    full = [(*row, *("", ())[len(row) - 3 :]) for row in rows]
    frame = pd.DataFrame(full, columns=["expnum", "inspector", "judgement", "ccdname", "reasons"])
    return frame.assign(camera="decam", plver="", vote_id=range(1, len(frame) + 1))


def panel_of(letters: str) -> pd.DataFrame:
    """One exposure judged by as many people as there are letters: panel_of("bbg")."""
    return votes(*((1, f"inspector-{n}", WORDS[letter]) for n, letter in enumerate(letters)))


@pytest.mark.parametrize(
    ("letters", "any_", "majority", "unanimous"),
    [
        ("b", "bad", "open", "open"),
        ("g", "open", "open", "open"),
        ("u", "open", "open", "open"),
        ("bb", "bad", "bad", "open"),
        ("gg", "open", "good", "open"),
        ("bg", "bad", "open", "open"),
        ("bbb", "bad", "bad", "bad"),
        ("bbg", "bad", "bad", "split"),
        ("bgg", "bad", "good", "split"),
        ("ggg", "good", "good", "good"),
        ("bgu", "bad", "split", "split"),
        ("ggu", "split", "good", "split"),
        ("guu", "split", "split", "split"),
        ("bbgg", "bad", "split", "split"),  # a fourth vote: half is not more than half
        ("bbbg", "bad", "bad", "split"),
        ("bggg", "bad", "good", "split"),
    ],
)
def test_three_inspectors(letters, any_, majority, unanimous):
    found = {policy: verdicts(panel_of(letters), policy, 3).verdict[0] for policy in ("any", "majority", "unanimous")}
    assert found == {"any": any_, "majority": majority, "unanimous": unanimous}


def test_a_larger_panel_needs_more():
    frame = panel_of("bbbb")
    assert verdicts(frame, "majority", panel=8).verdict[0] == "open"
    assert verdicts(panel_of("bbbbb"), "majority", panel=8).verdict[0] == "bad"
    assert verdicts(frame, "unanimous", panel=4).verdict[0] == "bad"


def test_a_verdict_says_who_voted_and_why():
    frame = votes(
        (1, "cai", "good"),
        (1, "amy", "bad", "", ("Noise", "PSF")),
        (1, "ben", "bad", "", ("PSF",)),
    )
    row = verdicts(frame, "majority").iloc[0]
    assert (row.n_bad, row.n_good, row.n_unsure) == (2, 1, 0)
    assert row.inspectors == ("amy", "ben", "cai")
    assert row.reasons == ("PSF", "Noise")


def test_the_newest_vote_of_an_inspector_counts():
    frame = votes((1, "amy", "bad"), (1, "amy", "good")).assign(plver=["V5.4", "V5.5"])
    assert verdicts(frame, "any", panel=1).verdict[0] == "good"


def test_exposures_of_two_cameras_are_two_exposures():
    frame = votes((1, "amy", "bad"), (1, "amy", "good")).assign(camera=["decam", "mosaic3"])
    assert verdicts(frame, "any", panel=1).verdict.tolist() == ["bad", "good"]


def test_votes_on_ccds_add_up_to_an_opinion_of_the_exposure():
    frame = votes(
        (1, "amy", "good", "N1"),
        (1, "amy", "bad", "N2", ("Noise",)),
        (2, "amy", "good", "N1"),
        (2, "amy", "unsure", "N2"),
        (3, "amy", "good", "N1"),
        (4, "amy", "good", ""),
        (4, "amy", "bad", "N1"),  # what was said of the whole exposure counts
    )
    found = opinions(frame).set_index("expnum")
    assert found.judgement.to_dict() == {1: "bad", 2: "unsure", 3: "good", 4: "good"}
    assert found.reasons[1] == ("Noise",)


def test_ccds_are_judged_by_those_who_judged_the_whole_exposure_too():
    frame = votes(
        (1, "amy", "bad"),
        (1, "amy", "bad", "N1", ("Noise",)),
        (1, "ben", "bad"),  # all of it
        (1, "cai", "good"),
        (1, "dee", "bad", "N2"),  # and nothing on N1
    )
    found = ccd_verdicts(frame, "majority", 3).set_index("ccdname")
    assert found.loc["N1", ["n_bad", "n_good", "verdict"]].tolist() == [2, 1, "bad"]
    assert found.loc["N2", ["n_bad", "n_good", "verdict"]].tolist() == [2, 2, "split"]  # amy ticked N1 and not N2
    assert found.reasons["N1"] == ("Noise",)


def test_bad_ccds_are_named_where_only_some_are_bad():
    frame = votes(
        *((1, name, "bad") for name in ("amy", "ben")),  # 1: all of it
        *((2, name, "bad") for name in ("amy", "ben")),
        *((2, name, "bad", "N1") for name in ("amy", "ben")),  # 2: both ticked N1
        (2, "ben", "bad", "N2"),
        *((3, name, "bad") for name in ("amy", "ben")),
        (3, "amy", "bad", "N1"),
        (3, "ben", "bad", "N2"),  # 3: bad, and no CCD has two votes
        *((4, name, "bad") for name in ("amy", "ben", "cai")),
        (4, "cai", "bad", "N1"),  # 4: two say all of it
        (5, "amy", "bad", "N1"),  # 5: one vote
        *((6, name, "bad") for name in ("amy", "ben")),
        (6, "cai", "good"),
        (6, "cai", "bad", "N1"),  # 6: a tick by somebody who calls the exposure good is not one
    )
    found = bad_ccds(frame, "majority", 3)
    assert found == {
        ("decam", 1): (),
        ("decam", 2): ("N1",),
        ("decam", 3): ("N1", "N2"),
        **dict.fromkeys([("decam", 4), ("decam", 6)], ()),
    }
    assert bad_ccds(frame, "any", 3)["decam", 5] == ("N1",)


def test_posterior_learns_whom_to_trust():
    """Dee answers at random. If the other two disagree, the more reliable of them is believed."""
    rows = []
    for expnum in range(60):
        truth = "bad" if expnum % 3 == 0 else "good"
        rows += [(expnum, "amy", truth), (expnum, "ben", truth), (expnum, "dee", ("bad", "good")[expnum % 2])]
    found = verdicts(votes(*rows), "posterior", 3).set_index("expnum")
    assert (found.verdict == ["bad" if expnum % 3 == 0 else "good" for expnum in range(60)]).all()
    assert found.p_bad.between(0, 1).all()


def test_posterior_waits_for_more_than_half_of_the_panel():
    frame = votes((1, "amy", "bad"), (2, "amy", "bad"), (2, "ben", "bad"), (3, "amy", "unsure"), (3, "ben", "unsure"))
    found = verdicts(frame, "posterior", 3).set_index("expnum")
    assert found.verdict.to_dict() == {1: "open", 2: "bad", 3: "open"}
    assert found.p_bad.isna().to_dict() == {1: False, 2: False, 3: True}


@pytest.mark.parametrize("policy", POLICIES)
def test_no_votes_give_an_empty_table(policy):
    assert list(verdicts(votes(), policy)) == VERDICT_COLUMNS
    assert list(ccd_verdicts(votes(), policy)) == [*VERDICT_COLUMNS[:2], "ccdname", *VERDICT_COLUMNS[2:]]
    assert bad_ccds(votes(), policy) == {}


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_gives_one_of_four_verdicts_in_any_order_of_votes(policy):
    frame = pd.concat([panel_of(letters).assign(expnum=n) for n, letters in enumerate(("b", "bg", "gg", "bgu", "bbb"))])
    frame["vote_id"] = range(1, len(frame) + 1)
    found = verdicts(frame, policy)
    assert set(found.verdict) <= set(VERDICTS)
    pd.testing.assert_frame_equal(found, verdicts(frame.sample(frac=1, random_state=1), policy))


def test_an_unknown_policy_is_refused_with_the_nearest():
    with pytest.raises(UnknownName, match="Did you mean 'majority'"):
        verdicts(panel_of("b"), "majorty")


# ---- decisions of a lead


def decisions(*rows) -> pd.DataFrame:
    """(expnum, judgement[, reasons[, plver]]) rows as the store gives them, by lea."""
    full = [(*row, *((), "V5.5")[len(row) - 2 :]) for row in rows]
    frame = pd.DataFrame(full, columns=["expnum", "judgement", "reasons", "plver"])
    frame["adjudication_id"] = range(1, len(frame) + 1)
    return frame.assign(camera="decam", lead="lea", comment="because")


def every_panel() -> pd.DataFrame:
    """An exposure for each way in which up to three inspectors can answer, some with ticked CCDs."""
    ways = [way for size in (1, 2, 3) for way in itertools.product("bgu", repeat=size)]
    rows = []
    for expnum, way in enumerate(ways, start=1):
        rows += [(expnum, f"inspector-{n}", WORDS[letter]) for n, letter in enumerate(way)]
        if "b" in way and expnum % 2:
            rows.append((expnum, f"inspector-{way.index('b')}", "bad", "N1", ("PSF",)))
    return votes(*rows).assign(plver="V5.5")


@pytest.mark.parametrize("policy", POLICIES)
def test_without_decisions_nothing_changes(policy):
    frame, none = every_panel(), decisions()
    elsewhere = decisions((7, "bad", (), "V4.8"))  # on another pipeline version than the votes
    for nothing in (none, elsewhere):
        for make in (verdicts, ccd_verdicts):
            pd.testing.assert_frame_equal(make(frame, policy, 3), make(frame, policy, 3, nothing))
        assert bad_ccds(frame, policy, 3) == bad_ccds(frame, policy, 3, nothing)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("judgement", ["good", "bad"])
def test_when_all_is_decided_nothing_is_split_or_open(policy, judgement):
    frame = every_panel()
    everything = decisions(*((expnum, judgement) for expnum in frame.expnum.unique()))
    found = verdicts(frame, policy, 3, everything)
    assert (found.verdict == judgement).all()
    assert found.adjudicated.all()
    assert (found.lead == "lea").all()
    before = verdicts(frame, policy, 3)
    pd.testing.assert_frame_equal(
        found.drop(columns=["verdict", "adjudicated", "lead"]), before.drop(columns=["verdict", "adjudicated", "lead"])
    )
    assert set(ccd_verdicts(frame, policy, 3, everything).verdict) <= {"good", "bad"}
    named = bad_ccds(frame, policy, 3, everything)
    assert named == {} if judgement == "good" else set(named) == {("decam", int(e)) for e in frame.expnum.unique()}


def test_a_decision_keeps_the_ccds_that_were_ticked_by_those_who_called_it_bad():
    frame = votes(
        (1, "amy", "bad"),
        (1, "amy", "bad", "N1", ("Noise",)),
        (1, "ben", "good"),
        (1, "cai", "good"),
        (1, "cai", "bad", "S7"),  # by somebody who calls the exposure good
        (2, "amy", "bad"),
        (2, "ben", "good"),
    ).assign(plver="V5.5")
    bad = decisions((1, "bad", ("Bad_CCD",)), (2, "bad"))
    assert bad_ccds(frame, "majority", 3, bad) == {("decam", 1): ("N1",), ("decam", 2): ()}
    single = ccd_verdicts(frame, "majority", 3, bad).set_index("ccdname")
    assert single.verdict.to_dict() == {"N1": "bad", "S7": "good"}
    assert verdicts(frame, "majority", 3, bad).reasons.tolist() == [("Bad_CCD",), ()]
    good = decisions((1, "good"), (2, "good"))
    assert bad_ccds(frame, "any", 3, good) == {}
    assert ccd_verdicts(frame, "any", 3, good).verdict.tolist() == ["good", "good"]


def test_a_decision_that_the_votes_had_made_already_changes_no_ccd():
    frame = votes(
        *((1, name, "bad") for name in ("amy", "ben", "cai")),
        *((1, name, "bad", "N1") for name in ("amy", "ben", "cai")),
        (1, "cai", "bad", "N2"),
    ).assign(plver="V5.5")
    assert bad_ccds(frame, "majority", 3, decisions((1, "bad"))) == bad_ccds(frame, "majority", 3)


def test_a_decision_without_votes_is_a_verdict_too():
    found = verdicts(votes(), "majority", 3, decisions((5, "bad", ("PSF",))))
    assert found[["expnum", "verdict", "n_bad", "lead", "reasons"]].values.tolist() == [[5, "bad", 0, "lea", ("PSF",)]]


@pytest.mark.parametrize("seed", range(3))
def test_the_posterior_is_that_of_crowd_kit(seed):
    import numpy as np
    from crowdkit.aggregation import DawidSkene

    rng = np.random.default_rng(seed)
    truth = rng.random(200) < 0.3
    rows = []
    for number, (hit, alarm) in enumerate([(0.95, 0.05), (0.9, 0.1), (0.8, 0.15), (0.85, 0.02), (0.6, 0.3)]):
        for expnum in np.flatnonzero(rng.random(200) < 0.9):
            bad = rng.random() < (hit if truth[expnum] else alarm)
            rows.append((int(expnum), f"inspector-{number}", "bad" if bad else "good"))
    frame = votes(*rows)
    ours = verdicts(frame, "posterior", 3).set_index("expnum").p_bad
    answers = frame.rename(columns={"expnum": "task", "inspector": "worker", "judgement": "label"})
    # its bound may fall at first, which a tolerance takes for the end
    theirs = DawidSkene(n_iter=50, tol=-1).fit_predict_proba(answers[["task", "worker", "label"]])["bad"]
    assert np.allclose(ours[theirs.index], theirs, atol=1e-4)
