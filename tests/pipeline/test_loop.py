"""The whole loop: few labels, three rounds of votes and retraining, an exported list; better than no retraining."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.accuracy import loop
from benchmarks.accuracy.annotators import marks
from tests import skies, vectors
from triptych.pipeline import examples
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.embedding import embed
from triptych.pipeline.export import export
from triptych.pipeline.ingest import ingest
from triptych.pipeline.reasons import GOOD
from triptych.pipeline.retraining.retrain import retrain
from triptych.pipeline.store.store import LabelStore, Vote, open_store


def bad_by_majority(votes: pd.DataFrame) -> set[int]:
    """Exposures that two of three inspectors call bad, counted from the votes themselves."""
    last = votes[votes.ccdname == ""].sort_values("vote_id").drop_duplicates(["expnum", "inspector"], keep="last")
    return {int(expnum) for expnum, n in (last.judgement == "bad").groupby(last.expnum).sum().items() if n >= 2}


def listed(catalog: Catalog, store: LabelStore) -> set[int]:
    """Exposures on the list that the survey's pipeline reads, whole or in part."""
    content = export.export(catalog, store, format="bad_expid", policy="majority").content.decode()
    lines = [line.split() for line in content.splitlines() if line.strip() and not line.startswith("#")]
    return {int(line[0].split("-")[0]) for line in lines}


def assert_the_list_follows_the_votes(catalog: Catalog, store: LabelStore) -> None:
    """Up to the last vote: one more vote after the last retraining adds an exposure to the list or removes one."""
    votes = store.votes(current=False)
    assert listed(catalog, store) == bad_by_majority(votes)
    counted = votes[(votes.ccdname == "") & (votes.judgement == "bad")].groupby("expnum").size()
    expnum = int(counted.index[counted == 2][0])
    changes = votes[(votes.ccdname == "") & (votes.expnum == expnum) & (votes.judgement == "bad")].iloc[-1]
    common = {"camera": changes.camera, "expnum": expnum, "plver": changes.plver, "inspector": changes.inspector}
    assert expnum in listed(catalog, store)
    store.cast(Vote(**common, judgement="good"))
    assert expnum not in listed(catalog, store)
    assert listed(catalog, store) == bad_by_majority(store.votes(current=False))
    store.cast(Vote(**common, judgement="bad", reasons=tuple(changes.reasons)))
    assert expnum in listed(catalog, store)


def assert_nothing_that_measures_has_taught(catalog: Catalog, plan: loop.Plan) -> None:
    for stage in catalog.stages("model"):
        assert not set(stage.table("training").expnum) & set(plan.held)


def test_three_rounds_of_votes_on_drawn_vectors(tmp_path):
    catalog, truth = vectors.make(tmp_path / "run", exposures=120, spread=5.0)
    plan = loop.plan_of(truth, start=4, step=16, held_share=0.5)
    with open_store(catalog) as store:
        loop.begin(catalog, store, truth, plan, classifier="knn")
        rounds = loop.simulated_loop(catalog, store, truth, plan)
        assert [one.number for one in rounds] == [0, 1, 2, 3]
        assert [one.judged for one in rounds] == [0, 16, 32, 48]
        assert rounds[-1].gain["low"] > 0.1, [loop.number(one.f1) for one in rounds]
        assert len(catalog.stages("retraining")) == 3
        assert_nothing_that_measures_has_taught(catalog, plan)
        assert_the_list_follows_the_votes(catalog, store)
        judged = truth[truth.expnum.isin(store.votes().expnum)]
        truly = set(judged.expnum[judged.reason != GOOD])
        found = listed(catalog, store)
        assert len(found & truly) >= 0.9 * len(truly)  # three who err alone seldom err together
        assert retrain(catalog, store).after["prediction"].info["rows"] == len(truth)


@pytest.mark.slow
@pytest.mark.xdist_group("forty")  # one process makes the survey, and none waits for it
def test_three_rounds_of_votes_on_a_simulated_survey(tmp_path):
    truth = skies.truth(skies.sky(*skies.FORTY))
    catalog = loop.without_labels(skies.embedded(*skies.FORTY), tmp_path / "run")
    plan = loop.plan_of(truth, start=4, step=7, seed=1)
    with open_store(catalog) as store:
        loop.begin(catalog, store, truth, plan, teacher=False)  # who simulates the survey would know it already
        rounds = loop.simulated_loop(catalog, store, truth, plan, seed=1)
        print([loop.number(one.f1) for one in rounds])
        assert rounds[-1].f1["value"] > rounds[0].f1["value"] + 0.1
        assert [one.judged for one in rounds] == [0, 7, 14, 21]
        assert_nothing_that_measures_has_taught(catalog, plan)
        assert_the_list_follows_the_votes(catalog, store)


@pytest.mark.slow
def test_three_rounds_of_eight_annotators_on_real_ghosts(real_data, tmp_path):
    run = tmp_path / "ghosts"
    catalog = Catalog.create(run)
    ingest.ingest(catalog, [real_data / examples.GHOSTS])
    embed.embed(catalog.refresh())
    bad = marks(real_data)
    expnums = np.random.default_rng(0).permutation(np.unique(bad.index.get_level_values("expnum")))
    held, order = expnums[0::3], [int(one) for place, one in enumerate(expnums) if place % 3]
    catalog = loop.without_labels(run, tmp_path / "run")
    catalog.set_info(panel=bad.shape[1])
    with open_store(catalog) as store:
        rounds = loop.ghost_loop(catalog, store, bad, held, order, teacher=False)
        print([loop.number(one.f1) for one in rounds])
        assert rounds[-1].gain["low"] > 0
        assert [one.judged for one in rounds] == [2, 8, 14, 20]
        for stage in catalog.stages("model"):
            assert not set(stage.table("training").expnum) & set(held)
        content = export.export(catalog, store, format="exclude", policy="majority").content.decode()
        votes = bad[bad.index.get_level_values("expnum").isin(order)].sum(axis=1)
        assert rows_of(content) == {place for place, n in votes.items() if 2 * n > bad.shape[1]}


def rows_of(content: str) -> set[tuple[int, str]]:
    """(expnum, ccdname) on an exclusion list: `date expnum ccd id ccdnum reason`, with no id."""
    lines = [line.split() for line in content.splitlines() if not line.startswith("#")]
    return {(int(line[1]), line[3]) for line in lines if line}
