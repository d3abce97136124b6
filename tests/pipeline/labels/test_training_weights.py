"""The basis of a label, its weight, and labels that never count."""

from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests import vectors
from tests.pipeline.labels.test_training_set import label, panel_votes, tables
from triptych.pipeline.classifier import model_files, predict, train
from triptych.pipeline.labels import training_weights
from triptych.pipeline.labels.recipe import Recipe
from triptych.pipeline.labels.training_set import read_labels, read_training_set, training_set
from triptych.pipeline.labels.training_weights import BASES, WEIGHTS
from triptych.pipeline.retraining import gain
from triptych.pipeline.store.store import LabelStore, Vote, open_store

INSPECTORS = ("amy", "ben", "cai")
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # making an example smaller takes minutes here


@pytest.fixture
def store():
    with LabelStore("sqlite://") as store:
        yield store


@pytest.fixture
def run(tmp_path):
    catalog, truth = vectors.make(tmp_path / "run")
    with open_store(catalog) as store:
        vectors.teach(store, truth)
        yield catalog, store, truth


def learn(store, n: int = 6, **options):
    ccds, exposures = tables(n)
    return training_set(
        ccds, exposures, store.votes(), store.labels(), decisions=store.adjudications(), **options
    ).table


def of_exposure(table) -> dict[int, tuple[str, float]]:
    assert (table.groupby("expnum")[["basis", "weight"]].nunique() == 1).all(axis=None)
    return {int(e): (b, w) for e, b, w in table[["expnum", "basis", "weight"]].itertuples(index=False)}


def bulk(store, expnum, judgement="bad", inspectors=("amy", "ben")):
    reasons = ("PSF",) if judgement == "bad" else ()
    own = {"expnum": expnum, "judgement": judgement, "reasons": reasons, "via": "bulk", "blind": False}
    store.cast_many([Vote(inspector=name, **own) for name in inspectors])


def test_what_a_label_rests_on(store):
    panel_votes(store, 1, ["bad", "bad"])
    bulk(store, 2)
    panel_votes(store, 3, ["bad"])
    bulk(store, 3, inspectors=("ben",))
    panel_votes(store, 4, ["bad", "good", "unsure"])
    store.adjudicate("decam", 4, "lea", "bad", plver="V5", reasons=("PSF",), comment="plain")
    label(store, [(5, "", "PSF", "trailed"), (6, "", "good", "good")])
    label(store, [(6, "", "good", "good")], kind="truth", source="truth.csv")
    assert of_exposure(learn(store)) == {
        1: ("votes", WEIGHTS["votes"]),
        2: ("bulk_votes", WEIGHTS["bulk_votes"]),
        3: ("single_vote", WEIGHTS["single_vote"]),
        4: ("decision", 1.0),
        5: ("label_list", WEIGHTS["label_list"]),
        6: ("truth", WEIGHTS["truth"]),  # of several lists the surest one
    }


def test_a_decision_counts_in_full_and_a_bulk_vote_less_than_an_agreed_one():
    assert set(BASES) == {
        *("decision", "votes", "single_vote", "bulk_votes", "truth", "annotation", "label_list", "unlisted")
    }
    assert all(0 < weight <= 1 for weight in WEIGHTS.values())
    assert WEIGHTS["decision"] == 1
    assert WEIGHTS["bulk_votes"] < WEIGHTS["single_vote"] < WEIGHTS["votes"] <= WEIGHTS["decision"]


def test_who_changed_a_bulk_vote_by_an_own_look_has_looked(store):
    bulk(store, 1)
    panel_votes(store, 1, ["bad", "bad"])
    assert of_exposure(learn(store)) == {1: ("votes", 1.0)}


def test_a_single_vote_that_decides_and_one_that_others_contradict(store):
    panel_votes(store, 1, ["bad"])
    panel_votes(store, 2, ["bad", "good", "good"])
    found = of_exposure(learn(store, policy="any"))
    assert found[1] == ("single_vote", WEIGHTS["single_vote"])
    assert found[2] == ("single_vote", pytest.approx(0.35 * WEIGHTS["single_vote"]))


def test_ccds_judged_one_by_one_by_a_panel_are_annotations_weighed_by_their_agreement(store):
    votes = []
    for person in range(8):
        for place, name in enumerate(["N1", "N2"]):
            own = {"judgement": "bad", "reasons": ("PSF",)} if person < (8, 6)[place] else {"judgement": "good"}
            votes.append(Vote(expnum=1, ccdname=name, inspector=f"annotator {person}", via="import", **own))
    store.cast_many(votes)
    found = learn(store).set_index("image_id")
    assert found.basis.tolist() == ["annotation"] * 2
    assert found.weight.tolist() == [1.0, 0.75]


def inspected(store, n: int, errors: dict[str, float], seed: int) -> np.ndarray:
    """Votes of inspectors with error rates on n exposures, and which exposures are truly bad."""
    rng = np.random.default_rng(seed)
    bad = rng.random(n) < 0.3
    votes = []
    for number, is_bad in enumerate(bad, start=1):
        for name, error in errors.items():
            own = {"judgement": "good"}
            if is_bad ^ (rng.random() < error):
                own = {"judgement": "bad", "reasons": ("PSF",)}
            votes.append(Vote(expnum=number, inspector=name, **own))
    store.cast_many(votes)
    return bad


def test_the_agreement_is_the_probability_that_the_verdict_is_right(store):
    n = 600
    bad = inspected(store, n, dict.fromkeys(INSPECTORS, 0.15), seed=1)
    found = learn(store, n=n).drop_duplicates("expnum")
    right = found.reasons.map(lambda own: own != ("good",)).to_numpy() == bad
    sure = found.weight.to_numpy()
    assert sure.mean() == pytest.approx(right.mean(), abs=0.02)
    doubted = sure < 0.9
    assert doubted.sum() > 50
    assert sure[doubted].mean() == pytest.approx(right[doubted].mean(), abs=0.1)
    np.testing.assert_allclose(sure * 20, np.round(sure * 20))


def test_with_too_few_votes_the_agreement_is_the_share_that_says_so(store):
    inspected(store, 10, {"amy": 0.0, "ben": 0.0}, seed=2)
    panel_votes(store, 11, ["bad", "bad", "good"])
    found = of_exposure(learn(store, n=11))
    assert set(found.values()) == {("votes", 1.0), ("votes", 0.65)}
    assert found[11] == ("votes", 0.65)


judgements = st.sampled_from(["good", "bad", "unsure"])
a_vote = st.tuples(st.sampled_from(["single", "bulk"]), st.sampled_from(INSPECTORS), judgements, st.booleans())


@settings(max_examples=20, deadline=None)
@given(
    st.dictionaries(st.integers(1, 6), st.lists(a_vote, max_size=4), max_size=6), st.sampled_from(["majority", "any"])
)
def test_every_weight_is_above_nothing_and_at_most_one(cast, policy):
    with LabelStore("sqlite://") as store:
        votes = []
        for expnum, judged in cast.items():
            for via, name, judgement, ticks in judged:
                own = {"inspector": name, "judgement": judgement, "via": via, "expnum": expnum}
                own["reasons"] = ("PSF",) if judgement == "bad" else ()
                votes += [Vote(**own), *([Vote(ccdname="N1", **own)] if ticks and judgement == "bad" else [])]
        store.cast_many(votes)
        table = learn(store, policy=policy)
    assert table.weight.between(0, 1, inclusive="right").all()
    assert table.weight.dtype == np.float64
    assert table.basis.isin(BASES).all()
    assert (table.weight <= table.basis.map(WEIGHTS)).all()


# ---- what was drawn to measure


said = st.lists(
    st.tuples(
        st.sampled_from([1, 2]), st.sampled_from(INSPECTORS), judgements, st.sampled_from(["", "N1", "S2"]),
        st.sampled_from(["single", "bulk", "import"]), st.sampled_from(["PSF", "Noise"]),
    ),
    max_size=8,
)  # fmt: skip


def talked_of(store, said, decided: bool, listed: bool) -> None:
    votes = []
    for expnum, name, judgement, ccdname, via, reason in said:
        own = {"reasons": (reason,) if judgement == "bad" else ()}
        votes.append(Vote(expnum=expnum, inspector=name, judgement=judgement, ccdname=ccdname, via=via, **own))
    store.import_votes(votes)  # an imported one is not taken where there is one by hand
    if decided:
        store.adjudicate("decam", 1, "lea", "bad", plver="V5", reasons=("Noise",), comment="plain")
    if listed:
        label(store, [(1, "", "PSF", "trailed"), (2, "N1", "good", "good"), (2, "", "", "strange words")])


def taught_with_two_drawn(n: int, talk, policy: str):
    """The training labels of n exposures. Exposures 1 and 2 were drawn and discussed."""
    with LabelStore("sqlite://") as store:
        inspected(store, n, dict.fromkeys(INSPECTORS, 0.2), seed=3)
        talk(store)
        ccds, exposures = tables(n)
        frames = store.votes(), store.labels()
        return training_set(ccds, exposures, *frames, decisions=store.adjudications(), drawn={1, 2}, policy=policy)


@lru_cache
def silent_of_eight(policy: str):
    return taught_with_two_drawn(8, lambda store: None, policy)


def assert_the_same(silent, talked) -> None:
    pd.testing.assert_frame_equal(silent.table, talked.table)
    assert silent.answers == talked.answers
    assert silent.report() == talked.report()
    assert not {1, 2} & (set(talked.answers) | set(talked.table.expnum))
    assert talked.left_out["exposures drawn to measure"] == 2


@settings(max_examples=10, deadline=None, phases=PHASES)
@given(said, st.booleans(), st.booleans(), st.sampled_from(["majority", "any"]))
def test_whatever_is_said_of_a_drawn_exposure_the_training_set_is_the_same(said, decided, listed, policy):
    silent = silent_of_eight(policy)
    assert_the_same(silent, taught_with_two_drawn(8, lambda store: talked_of(store, said, decided, listed), policy))


@pytest.mark.parametrize("policy", ["majority", "posterior"])
def test_nor_does_it_change_what_is_thought_of_those_who_said_it(policy):
    said = [(1, "amy", "bad", "N1", "single", "PSF"), (2, "amy", "unsure", "", "bulk", "PSF")]
    silent = taught_with_two_drawn(40, lambda store: None, policy)
    assert silent.table.weight.nunique() > 2
    assert_the_same(silent, taught_with_two_drawn(40, lambda store: talked_of(store, said, True, True), policy))


@pytest.mark.parametrize("kind", ["known", "control"])
def test_a_model_is_the_same_whatever_is_voted_on_what_was_drawn(run, kind):
    catalog, store, _ = run
    own = {"judgement": "good"} if kind == "known" else {}
    store.draw("decam", kind, [{"expnum": 1, **own}, {"expnum": 4, **own}])
    before = train.train(catalog, store)
    panel_votes(store, 1, ["good", "good", "good"])
    panel_votes(store, 4, ["bad", "bad"], reasons=("Noise",))
    panel_votes(store, 4, ["bad", "bad"], ccdname="N1", reasons=("Noise",))
    store.adjudicate("decam", 1, "lea", "bad", plver="", reasons=("Noise",), comment="plain")
    after = train.train(catalog, store)
    assert before.parameters["store_revision"] != after.parameters["store_revision"]
    files = sorted(path.name for path in before.path.iterdir() if path.name != "stage.json")
    assert files == sorted(path.name for path in after.path.iterdir() if path.name != "stage.json")
    for name in files:
        assert (before.path / name).read_bytes() == (after.path / name).read_bytes(), name
    assert not set(after.table("training").expnum) & {1, 4}
    assert after.json("report")["left_out"]["exposures drawn to measure"] == 2
    assert {1, 4} <= set(read_labels(catalog, store).answers)
    held = gain.held_out(catalog, store).set_index("expnum")
    assert set(held.index) == {1, 4}
    assert not set(held.index) & set(read_training_set(catalog, store).answers)


def test_nothing_drawn_is_taken_for_good_because_no_list_names_it(tmp_path):
    catalog, truth = vectors.make(tmp_path / "run")
    exposures = catalog.exposures().assign(ra=192.86, dec=27.13, filter="g", mjd_obs=58000.0)
    catalog.write_tables(exposures=exposures, ccds=catalog.ccds())
    with open_store(catalog) as store:
        vectors.teach(store, truth[truth.expnum <= 12])
        recipe = Recipe(good_pool="unlisted", good_ccds=0)
        store.draw("decam", "control", [{"expnum": 13}, {"expnum": 14}])
        found = train.compose_training_set(catalog, store, catalog.stage("embedding"), recipe=recipe)
    unlisted = found.table[found.table.basis == "unlisted"]
    assert set(unlisted.expnum) == set(range(15, 25))
    assert set(unlisted.weight) == {WEIGHTS["unlisted"]}


# ---- the weights reach the fit


def doubted(truth: pd.DataFrame, share: float, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Training rows in which the labels of some exposures are wrong, and which rows these are."""
    rng = np.random.default_rng(seed)
    table = truth.assign(reasons=[(reason,) for reason in truth.reason], source="", provenance="truth", basis="truth")
    wrong = table.expnum.isin(rng.choice(table.expnum.unique(), round(share * table.expnum.nunique()), replace=False))
    flipped = np.where(table.reason == "good", "Noise", "good")
    table["reasons"] = [(new,) if hit else own for own, new, hit in zip(table.reasons, flipped, wrong, strict=True)]
    return table.drop(columns="reason").assign(weight=1.0), wrong.to_numpy()


@pytest.mark.parametrize("classifier", ["knn", "linear", "forest", "mixed", "two_step"])
def test_labels_that_hardly_count_hardly_harm(tmp_path, classifier):
    catalog, truth = vectors.make(tmp_path / "run", exposures=36, spread=2.0)
    stage = catalog.stage("embedding")
    table, wrong = doubted(truth, 0.4)
    bad = truth.assign(bad=truth.reason != "good").groupby("expnum").bad.any()
    answers = {int(e): bool(hit) ^ bool(wrong[truth.expnum.to_numpy() == e][0]) for e, hit in bad.items()}
    right = []
    for weight in (1.0, 0.02):
        weighed = table.assign(weight=np.where(wrong, weight, 1.0))
        model = train.learn(stage.array(), stage.table("keys"), weighed, answers, classifier=classifier)
        said = train.predict_images(model, stage.array(), stage.table("keys"))
        chance = said.groupby("expnum").exposure_probability.first()
        right.append([(said.reason == truth.reason).mean(), ((chance > 0.5) == bad).mean()])
    assert (np.array(right[1]) >= np.array(right[0])).all(), right
    assert right[1][0] > right[0][0] + 0.05


def test_labels_that_all_rest_on_the_same_count_as_without_weights(run):
    catalog, _, truth = run
    stage = catalog.stage("embedding")
    table, _ = doubted(truth, 0.0)
    bad = truth.assign(bad=truth.reason != "good").groupby("expnum").bad.any()
    answers = {int(e): bool(hit) for e, hit in bad.items()}
    said = []
    for own in (table.drop(columns="weight"), table.assign(weight=0.7)):
        model = train.learn(stage.array(), stage.table("keys"), own, answers)
        said.append(train.predict_images(model, stage.array(), stage.table("keys")))
    pd.testing.assert_frame_equal(*said, check_exact=True)


@pytest.mark.parametrize("classifier", ["knn", "mixed"])
def test_weights_survive_writing_and_a_second_run_is_bit_for_bit_the_same(run, classifier):
    catalog, store, _ = run
    for expnum in range(1, 13):
        panel_votes(store, expnum, [("good", "bad")[(expnum + n) % 3 == 0] for n in range(3)])
    bulk(store, 13)
    stages = [train.train(catalog, store, classifier=classifier) for _ in range(2)]
    assert stages[0].digest == stages[1].digest
    table = train.embedded(read_training_set(catalog, store), catalog.stage("embedding").table("keys"))[0]
    read = model_files.read_model(stages[0]).training
    assert read.weight.tolist() == table.weight.tolist()
    assert read.basis.tolist() == table.basis.tolist()
    assert len(set(read.weight)) > 2
    assert stages[0].json("report")["basis"] == {name: int(n) for name in BASES if (n := (table.basis == name).sum())}


def test_a_stage_from_before_labels_were_weighed_reads_and_predicts(run):
    catalog, store, _ = run
    stage = train.train(catalog, store)
    expected = predict.predict(catalog).table()
    path = stage.path / "training.parquet"
    pd.read_parquet(path).drop(columns=["basis", "weight"]).to_parquet(path)
    model = model_files.read_model(stage)
    assert set(model.training.weight) == {1.0}
    assert set(model.training.basis) == {""}
    embedding = catalog.stage("embedding")
    said = train.predict_images(model, embedding.array(), embedding.table("keys"))
    np.testing.assert_array_equal(said.p_good, expected.p_good)


def test_weights_are_a_literal_table():
    assert training_weights.WEIGHTS is WEIGHTS
    assert list(WEIGHTS) == list(BASES)
