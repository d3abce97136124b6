"""Candidate rules, their scaling and the score of an exposure."""

import numpy as np
import pandas as pd
import pytest

from tests import vectors
from triptych.pipeline.classifier import candidates, predict, train
from triptych.pipeline.errors import BadInput, UnknownName
from triptych.pipeline.image_ids import image_id_of
from triptych.pipeline.store.store import open_store


def prediction(rows) -> pd.DataFrame:
    """rows: (expnum, number of CCDs, {reason: probability of a CCD}); the rest of its probability is for good."""
    found = []
    for expnum, n, chances in rows:
        for ccd in range(n):
            own = {**chances, "good": 1 - sum(chances.values())} if chances else {"good": 1.0}
            reason = max(own, key=own.get)
            found.append(
                {
                    "image_id": image_id_of(expnum, ccd + 1 + (0 if chances else 20)),
                    "expnum": expnum,
                    "reason": reason,
                    "probability": own[reason],
                    "p_good": own["good"],
                    **{f"p_{name}": own.get(name, 0.0) for name in ("PSF", "Noise")},
                }
            )
    return pd.DataFrame(found)


def scored(rows, rule):
    table = prediction(rows)
    return candidates.score(table, table.image_id, rule=rule).set_index("expnum")


@pytest.mark.parametrize(
    ("n_ccds", "paper", "published"), [(20, 10, 3), (61, 31, 10), (13, 7, 2), (7, 4, 2), (6, 3, 1), (1, 1, 1)]
)
def test_rules_ask_for_the_same_share_of_any_number_of_ccds(n_ccds, paper, published):
    assert candidates.RULES["paper"].needed(n_ccds) == paper
    assert candidates.RULES["published"].needed(n_ccds) == published


def test_published_takes_three_of_twenty_and_paper_ten():
    rows = []
    for expnum, n_bad in enumerate([0, 2, 3, 9, 10], start=1):
        rows += [(expnum, n_bad, {"PSF": 1.0}), (expnum, 20 - n_bad, {})]
    for rule, sent in (("published", [3, 4, 5]), ("paper", [5])):
        table = scored(rows, rule)
        assert sorted(candidates.chosen(table.reset_index()).expnum) == sent
        assert table.n_bad_ccds.tolist() == [10, 9, 3, 2, 0]
        assert table["rank"].tolist() == [1, 2, 3, 4, 5]
        assert table.index.tolist() == [5, 4, 3, 2, 1]
        assert set(table.rule) == {rule}


def test_six_of_seven_neighbours_are_not_above_the_cut():
    table = scored([(1, 20, {"PSF": 6 / 7}), (2, 20, {"PSF": 1.0})], "published")
    assert table.n_bad_ccds[1] == 0
    assert table.bad_probability[1] == pytest.approx(6 / 7)
    assert table.bad_probability[2] == 1.0


def test_bad_probability_is_the_highest_cut_that_still_sends_the_exposure():
    rows = [(1, 2, {"PSF": 1.0}), (1, 3, {"PSF": 5 / 7}), (1, 15, {})]
    table = scored(rows, "published")
    assert table.bad_probability[1] == pytest.approx(5 / 7)
    assert table.max_probability[1] == 1.0


def test_mixed_reasons_count_under_any_reason_only():
    rows = [(1, 20, {"PSF": 4 / 7, "Noise": 3 / 7})]
    assert scored(rows, "published").n_bad_ccds[1] == 0
    assert scored(rows, "any_reason").n_bad_ccds[1] == 20


def whole(rows, chances) -> pd.DataFrame:
    """`prediction` of exposures 1, 2, ..., and the probability of each."""
    table = prediction(rows)
    return table.assign(exposure_probability=table.expnum.map(dict(enumerate(chances, start=1))))


def test_the_rule_exposure_is_the_default_and_asks_for_the_exposures_own_probability():
    """Many bad CCDs with a low probability are not sent, few with a high one are. Every CCD counts, sampled or not."""
    rows = [(1, 12, {"PSF": 0.9}), (1, 8, {}), (2, 1, {"Noise": 0.8}), (2, 19, {}), (3, 20, {})]
    table = whole(rows, [0.3, 0.7, 0.1])
    assert candidates.DEFAULT == "exposure"
    scored = candidates.score(table, table.image_id[:5])
    assert scored.expnum.tolist() == [2, 1, 3]
    assert scored["rank"].tolist() == [1, 2, 3]
    by_expnum = scored.set_index("expnum")
    assert by_expnum.bad_probability.to_dict() == {1: 0.3, 2: 0.7, 3: 0.1}
    assert by_expnum.n_ccds.tolist() == [20, 20, 20]
    assert by_expnum.n_bad_ccds.to_dict() == {1: 12, 2: 1, 3: 0}
    assert by_expnum.max_probability.to_dict() == pytest.approx({1: 0.9, 2: 0.8, 3: 0})
    assert by_expnum.reasons.to_dict() == {1: "PSF", 2: "Noise", 3: ""}
    sent = candidates.chosen(scored)
    assert sent.expnum.tolist() == [2]
    assert set(sent.rule) == {"exposure"}


def test_a_bad_exposure_without_a_bad_ccd_has_a_reason_all_the_same():
    """The reason that its CCDs name most, taken together."""
    rows = [(1, 20, {"PSF": 0.1, "Noise": 0.3}), (2, 20, {"PSF": 0.3, "Noise": 0.1}), (3, 20, {"PSF": 0.3})]
    table = whole(rows, [0.9, 0.8, 0.2])
    scored = candidates.score(table, table.image_id).set_index("expnum")
    assert scored.n_bad_ccds.tolist() == [0, 0, 0]
    assert scored.reasons.to_dict() == {1: "Noise", 2: "PSF", 3: ""}


def test_one_half_is_not_more_than_one_half():
    table = whole([(1, 20, {"PSF": 0.9})], [0.5])
    assert candidates.chosen(candidates.score(table, table.image_id)).empty


def test_a_prediction_of_an_older_model_says_what_to_do():
    table = prediction([(1, 20, {"PSF": 1.0})])
    with pytest.raises(BadInput, match="run `triptych train` and `triptych predict` again"):
        candidates.score(table, table.image_id)
    assert candidates.score(table, table.image_id, rule="published").bad_probability[0] == 1


@pytest.mark.parametrize("classifier", ["knn", "mixed"])
def test_candidates_of_a_run_are_its_bad_exposures(tmp_path, classifier):
    catalog, truth = vectors.make(tmp_path / "run")
    with open_store(catalog) as store:
        vectors.teach(store, truth)
        train.train(catalog, store, classifier=classifier)
    prediction = predict.predict(catalog).table()
    stage = candidates.find(catalog)
    assert stage.parameters["rule"] == "exposure"
    every = stage.table("exposures_scored").set_index("expnum")
    own = prediction.groupby("expnum").exposure_probability.first()
    pd.testing.assert_series_equal(every.bad_probability.sort_index(), own, check_names=False)
    bad = truth[truth.reason != "good"].groupby("expnum").reason.first()
    assert stage.table().set_index("expnum").reasons.sort_index().to_dict() == bad.to_dict()


def test_only_sampled_ccds_count_and_every_exposure_is_scored(tmp_path):
    catalog, truth = vectors.make(tmp_path / "run")
    ccds = catalog.ccds()
    ccds["sampled"] = ccds.ccdname != "N1"
    catalog.write_tables(ccds=ccds)
    with open_store(catalog) as store:
        vectors.teach(store, truth)
        train.train(catalog, store)
    predict.predict(catalog)
    stage = candidates.find(catalog, rule="paper")
    every, table = stage.table("exposures_scored"), stage.table()
    assert set(every.expnum) == set(truth.expnum)
    assert (every.n_ccds == 5).all()
    assert list(every.columns[:8]) == [
        "expnum",
        "rank",
        "n_bad_ccds",
        "n_ccds",
        "max_probability",
        "bad_probability",
        "reasons",
        "rule",
    ]
    really_bad = set(truth.expnum[truth.reason != "good"])
    assert len(table) > 0
    assert set(table.expnum) <= really_bad
    assert set(table.reasons) <= {"PSF", "Ghost_Scatter", "Clouds_transparency"}
    assert (np.diff(every.bad_probability) <= 0).all()
    with pytest.raises(UnknownName, match="paper, published"):
        candidates.find(catalog, rule="papers")
