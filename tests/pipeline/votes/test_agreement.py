"""Agreement of a run: pairs, groups, reasons, single votes, inspectors; and the figures of real inspectors."""

import json
from itertools import combinations

import krippendorff
import numpy as np
import pandas as pd
import pytest
from statsmodels.stats import inter_rater

from triptych.pipeline.labels.readers import import_file
from triptych.pipeline.store.store import LabelStore, Vote
from triptych.pipeline.votes import agreement, inspectors
from triptych.pipeline.votes.agreement_report import NOBODYS, report
from triptych.pipeline.votes.blind_votes import BAD, GOOD, MISSING, ballots
from triptych.pipeline.votes.coefficients import dice_bad, tally
from triptych.pipeline.votes.sorted_votes import opinions

WORDS = {"b": "bad", "g": "good", "u": "unsure"}


@pytest.fixture
def store(tmp_path):
    with LabelStore(f"sqlite:///{tmp_path / 'labels.db'}") as opened:
        yield opened


def judge(store, letters: dict[str, str], reasons=("PSF",), first=1, **more) -> None:
    """Everybody judges exposures first, first + 1, ...: {"amy": "bbg..."}; '.' is no vote."""
    votes = [
        Vote(
            expnum=first + place,
            inspector=name,
            judgement=WORDS[letter],
            reasons=reasons if letter == "b" else (),
            screen={"seconds": 2.0 + place % 3},
            **more,
        )
        for name, own in letters.items()
        for place, letter in enumerate(own)
        if letter != "."
    ]
    store.cast_many(votes)


def table_of(store, n=40) -> pd.DataFrame:
    """An exposures table: half in g in January, half in z in February."""
    half = np.arange(n) < n // 2
    bands, nights = np.where(half, "g", "z"), np.where(half, 20200105, 20200211)
    return pd.DataFrame({"camera": "decam", "expnum": np.arange(1, n + 1), "band": bands, "night": nights})


def test_groups_pairs_and_reasons_are_those_of_their_own_exposures(store):
    judge(store, {"amy": "b" * 10 + "g" * 30, "ben": "b" * 5 + "g" * 35, "cai": "b" * 10 + "g" * 10 + "." * 20})
    found = report(store.votes(current=False), table_of(store), resamples=50)
    bands = {row["group"]: row for row in found["groups"]["band"]}
    assert {name: row["n"] for name, row in bands.items()} == {"g": 20, "z": 20}
    assert bands["g"]["figures"]["dice"]["value"] == pytest.approx(40 / 50)
    assert bands["z"]["figures"]["dice"]["why"] == agreement.FEW_BAD
    assert [row["group"] for row in found["groups"]["month"]] == ["2020-01", "2020-02"]
    pairs = {(row["first"], row["second"]): row for row in found["pairs"]}
    assert {key: (row["n"], row["n_both"], row["n_first"]) for key, row in pairs.items()} == {
        ("amy", "ben"): (40, 5, 5),
        ("amy", "cai"): (20, 10, 0),
        ("ben", "cai"): (20, 5, 0),
    }
    (psf,) = found["reasons"]
    assert (psf["reason"], psf["n"], psf["votes"]) == ("PSF", 10, 25)
    assert psf["figures"]["same"]["value"] == pytest.approx(40 / 50)
    assert json.loads(json.dumps(found))["n_votes"] == 100


def test_people_may_agree_that_it_is_bad_and_not_why(store):
    judge(store, {"amy": "b" * 12}, reasons=("PSF",))
    judge(store, {"ben": "b" * 12}, reasons=("Noise",))
    rows = {row["reason"]: row for row in agreement.by_reason(ballots(store.votes(current=False)), resamples=20)}
    assert rows["PSF"]["figures"]["same"]["value"] == 0
    assert rows["PSF"]["figures"]["bad"]["value"] == 1


def test_exposures_that_rest_on_one_vote_and_those_that_split(store):
    judge(store, {"amy": "bbbgu.", "ben": "bg.gg.", "cai": "bb..gb"})
    table = agreement.single_votes(opinions(store.votes())).set_index("expnum")
    assert table.kind.to_dict() == {2: "divided", 3: "one vote", 5: "unsure", 6: "one vote"}
    assert table.bad_by[2] == ("amy", "cai")
    assert table.good_by[2] == ("ben",)


def test_the_posterior_believes_the_better_inspectors(store):
    """Dee answers at random; if Dee and one other inspector form the majority, it is not believed."""
    rng = np.random.default_rng(2)
    truth = rng.random(200) < 0.4
    letters = {name: "".join(np.where(truth, "b", "g")) for name in ("amy", "ben")}
    slip = rng.random(200) < 0.05
    letters["ben"] = "".join(np.where(truth ^ slip, "b", "g"))
    letters["dee"] = "".join(rng.choice(["b", "g"], 200))
    judge(store, letters)
    found = ballots(store.votes(current=False))
    fitted = agreement.posterior(found, resamples=50)
    rates = {name: figures["sensitivity"]["value"] for name, figures in fitted["inspectors"].items()}
    assert rates["amy"] > 0.9 > 0.7 > rates["dee"]
    unlike = agreement.unlike_majority(found, fitted["probability"])
    assert 0 < len(unlike) <= slip.sum()
    assert set(unlike.expnum - 1) <= set(np.flatnonzero(slip))


def test_an_inspector_is_measured_against_decisions_known_answers_and_himself(store):
    judge(store, {"amy": "b" * 15 + "g" * 15, "ben": "g" * 30})
    for expnum in range(1, 13):
        store.adjudicate("decam", expnum, "lea", "bad")
    for expnum in range(16, 30):
        store.adjudicate("decam", expnum, "lea", "good")
    votes = store.votes(current=False)
    own = votes[votes.inspector == "amy"].vote_id.to_numpy()[:20]
    again = ["bad"] * 15 + ["good"] * 3 + ["bad"] * 2
    repeats = pd.DataFrame({"vote_id": own, "inspector": "amy", "judgement": again})
    known = pd.DataFrame({"camera": "decam", "expnum": [1, 2], "judgement": "bad"})
    rows = inspectors.inspector_table(ballots(votes), votes, repeats, store.adjudications(), known)
    amy, ben = rows
    assert amy["against_leads"]["sensitivity"]["value"] == 1
    assert ben["against_leads"]["sensitivity"]["value"] == 0
    assert amy["against_leads"]["specificity"]["n"] == 14
    assert amy["against_known"]["sensitivity"] == {**inspectors.rate(2, 2), "why": inspectors.FEW}
    assert amy["consistency"]["value"] == pytest.approx(0.9)
    assert ben["consistency"]["value"] is None
    assert amy["pace"]["seconds"] == 3
    assert [(block["of"], block["n"]) for block in amy["drift"]["blocks"]] == [("1", 30)]


def test_wilson_intervals_are_those_of_statsmodels():
    from statsmodels.stats.proportion import proportion_confint

    for hits, trials in ((0, 12), (7, 20), (199, 200), (50, 50)):
        found = inspectors.rate(hits, trials)
        assert (found["low"], found["high"]) == pytest.approx(proportion_confint(hits, trials, method="wilson"))


def test_a_report_for_one_inspector_names_nobody_else(store):
    judge(store, {"amy": "b" * 12 + "g" * 18, "ben": "b" * 6 + "g" * 24, "cai": "g" * 30})
    votes, exposures = store.votes(current=False), table_of(store)
    for name in ("amy", NOBODYS):
        text = json.dumps(report(votes, exposures, names=name, resamples=20))
        assert "ben" not in text
        assert "cai" not in text
        assert ("amy" in text) == bool(name)
    (own,) = report(votes, exposures, names="amy", resamples=20)["pairs"]
    assert (own["first"], own["n"], own["n_first"]) == ("amy", 24, 6)  # six ties of the others are no majority


def test_nothing_at_all_is_reported_as_such(store):
    found = report(store.votes(current=False), table_of(store), resamples=20)
    assert (found["n_votes"], found["pairs"], found["people"], found["listed"]) == (0, [], [], [])
    assert found["figures"]["alpha"]["why"] == agreement.FEW


# ---- real people


def imported(store, path):
    import_file(store, path)
    return store.votes(current=False)


def test_the_eight_annotators_agree_as_published_implementations_say(store, real_data):
    found = ballots(imported(store, real_data / "focal_planes/ghosts/ghost_annotations.csv"), unit="ccd")
    table = pd.read_csv(real_data / "focal_planes/ghosts/ghost_annotations.csv")
    marks = table[table.ccdnum != 61].pivot(index=["expnum", "ccdnum"], columns="annotator", values="marked_fraction")
    marks = (marks.to_numpy() > 0.02).astype(int)
    figures = agreement.headline(found, resamples=200)["figures"]
    assert found.answers.shape == marks.shape == (1830, 8)
    assert figures["alpha"]["value"] == pytest.approx(krippendorff.alpha(marks.T, level_of_measurement="nominal"))
    counts, _ = inter_rater.aggregate_raters(marks)
    assert figures["fleiss"]["value"] == pytest.approx(inter_rater.fleiss_kappa(counts))
    same = [(marks[:, a] == marks[:, b]).mean() for a, b in combinations(range(8), 2)]
    both = sum((marks[:, a] & marks[:, b]).sum() for a, b in combinations(range(8), 2))
    either = sum((marks[:, a] + marks[:, b]).sum() for a, b in combinations(range(8), 2))
    assert figures["raw"]["value"] == pytest.approx(np.mean(same))
    assert figures["dice"]["value"] == pytest.approx(2 * both / either)
    share = marks.mean()
    chance = 2 * share * (1 - share)
    assert figures["ac1"]["value"] == pytest.approx((np.mean(same) - chance) / (1 - chance))
    for row in agreement.pairs(found, resamples=10):
        columns = [found.inspectors.index(row[name]) for name in ("first", "second")]
        expected = inter_rater.cohens_kappa(inter_rater.to_table(marks[:, columns], bins=2)[0], return_results=False)
        assert row["figures"]["kappa"]["value"] == pytest.approx(expected)


@pytest.fixture
def dr11(store, real_data):
    """Votes of the DR11 inspection, and its three inspectors in the order of their columns in the file."""
    path = real_data / "labels/dr11_final_selected_bad_exposures.csv"
    names = [n.removesuffix("_badexp") for n in path.open().readline().split(",") if n.endswith("_badexp")]
    return imported(store, path), names, store.imported_columns()


def test_the_dr11_answers_enter_no_agreement_by_themselves(dr11):
    found = ballots(dr11[0])
    assert len(found) == 0
    assert found.left_out["imported"] == 1344


def test_dr11_with_blanks_read_as_good_among_all_that_were_inspected(dr11):
    """3,737 exposures were inspected. The published table has the 939 that somebody called bad."""
    votes, (a, b, c), imports = dr11
    found = ballots(votes, blanks_are_good=True, inspected=3737, imports=imports)
    bad = (found.answers == BAD).sum(axis=1)
    assert [(bad >= n).sum() for n in (1, 2, 3)] == [939, 337, 68]
    assert {name: (found.answers[:, i] == BAD).sum() for i, name in enumerate(found.inspectors)} == {
        a: 710,
        b: 167,
        c: 467,
    }
    row = agreement.pair(found.of((a, c)))
    assert (row["n_both"], row["n_first"], row["n_second"]) == (240, 470, 227)
    values = {name: figure["value"] for name, figure in row["figures"].items()}
    assert values == pytest.approx({"raw": 0.813, "kappa": 0.30, "alpha": 0.30, "ac1": 0.75, "dice": 0.41}, abs=0.005)
    kappa = row["figures"]["kappa"]
    assert (kappa["low"], kappa["high"]) == pytest.approx((0.27, 0.34), abs=0.006)
    # the implementations of others, on the same table
    answers = found.of((a, c)).answers
    assert values["alpha"] == pytest.approx(krippendorff.alpha(answers.T, level_of_measurement="nominal"))
    both = inter_rater.to_table(answers // 2, bins=2)[0]
    assert values["kappa"] == pytest.approx(inter_rater.cohens_kappa(both, return_results=False))


def test_dr11_by_the_model_s_category_and_in_the_later_part(dr11):
    votes, (a, b, c), imports = dr11
    found = ballots(votes, blanks_are_good=True, imports=imports)
    assert found.only_flagged  # nothing is known of the 2,798 that nobody called bad
    of_class = pd.Series([columns["ML_reason"] for columns in imports["columns"]], imports["expnum"])
    category = found.units["expnum"].map(of_class)
    expected = {"Wonky": 0.78, "Noise": 0.62, "Out_of_focus": 0.59, "Nonoptimal_exp": 0.50, "PSF": 0.31}
    expected |= {"Clouds_transparency": 0.41, "Ghost_Scatter": 0.02}
    two = found.of((a, c))
    for name, value in expected.items():
        counted = tally(two.where(category == name), resamples=1)
        assert dice_bad(counted.patterns, counted.weights)[0] == pytest.approx(value, abs=0.005), name
    later = found.where(found.units["expnum"] >= 941510)
    bad = (later.answers == BAD).sum(axis=1)
    assert [(bad == n).sum() for n in (3, 2, 1)] == [68, 152, 127]
    for pair, value in (((a, b), 0.78), ((a, c), 0.53), ((b, c), 0.37)):
        assert agreement.pair(later.of(pair))["figures"]["dice"]["value"] == pytest.approx(value, abs=0.005)
    for inspected, kappa in ((1000, 0.44), (1600, 0.49)):
        some = ballots(votes[votes["expnum"] >= 941510], blanks_are_good=True, inspected=inspected)
        fleiss = agreement.headline(some, resamples=10)["figures"]["fleiss"]
        assert fleiss["value"] == pytest.approx(kappa, abs=0.005)


def test_dr11_exposures_that_rest_on_one_vote(dr11):
    votes, (a, _b, _c), _imports = dr11
    table = agreement.single_votes(opinions(votes[votes["superseded_by"].isna()]))
    assert table["kind"].value_counts().to_dict() == {"one vote": 602}
    alone = set(table.loc[table["bad_by"] == (a,), "expnum"])
    said = votes[(votes["inspector"] == a) & votes["expnum"].isin(alone)]
    assert said["comment"].str.match("fringing").sum() == 208
    assert said["reasons"].map(lambda reasons: "Fringing" in reasons).sum() == 210  # two name the band first


def test_imported_blanks_never_become_good_by_themselves(dr11):
    votes, names, imports = dr11
    found = ballots(votes, imports=imports)
    assert not (found.answers == GOOD).any()
    assert (found.answers == MISSING).all()
    assert len(ballots(votes, blanks_are_good=True, inspected=3737).inspectors) == len(names)
