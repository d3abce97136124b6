"""From votes and imported labels to a training set."""

import pandas as pd
import pytest

from triptych.pipeline.image_ids import expnum_of, image_id_of
from triptych.pipeline.labels.training_set import PROVENANCES, tells_votes, training_set
from triptych.pipeline.store.store import LabelStore, Vote

NAMES = ["N1", "N2", "S1", "S2"]


def tables(n_exposures: int = 4, plver: str = "V5"):
    """Exposures 1, 2, ... of four CCDs each, as tables of a run."""
    exposures = pd.DataFrame({"expnum": range(1, n_exposures + 1), "camera": "decam", "plver": plver})
    ccds = pd.DataFrame(
        [(image_id_of(e, c + 1), e, name) for e in exposures.expnum for c, name in enumerate(NAMES)],
        columns=["image_id", "expnum", "ccdname"],
    )
    return ccds, exposures


@pytest.fixture
def store(tmp_path):
    with LabelStore(f"sqlite:///{tmp_path / 'labels.db'}") as store:
        yield store


def label(store, rows, kind="bad_expid", source="list"):
    frame = pd.DataFrame(rows, columns=["expnum", "ccdname", "reason", "raw"]).assign(camera="decam")
    store.import_labels(frame, source=source, kind=kind)


def panel_votes(store, expnum, judgements, ccdname="", reasons=("PSF",), plver=""):
    for inspector, judgement in zip(["amy", "ben", "cai"], judgements, strict=False):
        own = reasons if judgement == "bad" else ()
        store.cast(
            Vote(expnum=expnum, inspector=inspector, judgement=judgement, ccdname=ccdname, reasons=own, plver=plver)
        )


def taught(found) -> dict:
    return {
        image: (reasons, source)
        for image, reasons, source in found.table[["image_id", "reasons", "provenance"]].itertuples(index=False)
    }


def learn(store, **options):
    ccds, exposures = tables()
    return training_set(ccds, exposures, store.votes(), store.labels(), **options)


def test_nothing_known_teaches_nothing(store):
    found = learn(store)
    assert found.table.empty
    assert found.answers == {}


def test_lists_teach_the_ccds_or_the_exposures_they_name(store):
    label(store, [(1, "", "PSF", "trailed"), (2, "N2", "Noise", "noise"), (2, "N2", "PSF", "psf")])
    label(store, [(3, "S1", "good", "good")], kind="truth")
    found = learn(store)
    assert taught(found) == {
        **{100 + c: (("PSF",), "label_list") for c in (1, 2, 3, 4)},
        202: (("PSF", "Noise"), "label_list"),
        303: (("good",), "truth"),
    }
    assert found.answers == {1: True, 2: True, 3: False}


def test_unmapped_words_are_reported_and_never_good(store):
    label(store, [(1, "", "", "bright sky"), (2, "N1", "", "4map problems"), (9, "", "", "not in this run")])
    label(store, [(1, "N1", "good", "good"), (2, "N1", "Noise", "noise")], source="other")
    found = learn(store)
    assert taught(found) == {201: (("Noise",), "label_list")}
    assert found.unmapped == {"bright sky": 1, "4map problems": 1}
    assert found.left_out["images listed both as good and as bad"] == 1


def test_lists_that_disagree_teach_nothing(store):
    label(store, [(1, "", "good", "good")], source="good list")
    label(store, [(1, "N1", "PSF", "psf")], source="bad list")
    found = learn(store)
    assert sorted(taught(found)) == [102, 103, 104]
    assert found.left_out["images listed both as good and as bad"] == 1


def test_a_bad_verdict_teaches_with_the_ticked_ccds(store):
    panel_votes(store, 1, ["bad", "bad", "good"])
    panel_votes(store, 1, ["bad", "bad"], ccdname="N2", reasons=("Ghost_Scatter",))
    assert taught(learn(store)) == {102: (("Ghost_Scatter",), "ticked")}


def test_without_ticks_it_teaches_with_what_the_model_found_bad_and_without_that_with_all(store):
    panel_votes(store, 1, ["bad", "bad", "bad"])
    panel_votes(store, 2, ["bad", "bad", "bad"], reasons=())
    prediction = pd.DataFrame(
        {
            "image_id": [101, 102, 201, 202],
            "reason": ["Noise", "good", "Noise", "good"],
            "probability": [1.0, 1.0, 0.86, 1.0],
            "p_Noise": [1.0, 0.0, 0.86, 0.0],
        }
    )
    found = taught(learn(store, prediction=prediction))
    assert found == {101: (("PSF",), "candidate_ccds"), 201: (("Noise",), "whole_exposure")}
    assert sorted(taught(learn(store))) == [101, 102, 103, 104]


def test_a_good_verdict_outranks_a_list_and_an_open_one_does_not(store):
    label(store, [(1, "", "PSF", "psf"), (2, "", "PSF", "psf")])
    panel_votes(store, 1, ["good", "good"])
    panel_votes(store, 2, ["good"])
    found = learn(store)
    assert taught(found)[101] == (("good",), "whole_exposure")
    assert taught(found)[201] == (("PSF",), "label_list")
    assert found.answers == {1: False, 2: True}
    assert found.table.source[0] == "majority of amy, ben"


def test_policy_decides(store):
    panel_votes(store, 1, ["bad", "good", "good"])
    assert taught(learn(store))[101][0] == ("good",)
    assert taught(learn(store, policy="any"))[101][0] == ("PSF",)


def test_eight_annotators_of_ccds_are_a_panel_of_eight(store):
    votes = []
    for person in range(8):
        for ccd, name in enumerate(NAMES):
            bad = person < (5, 4, 3, 0)[ccd]
            own = {"judgement": "bad" if bad else "good", "reasons": ("Ghost_Scatter",) if bad else ()}
            votes.append(Vote(expnum=1, ccdname=name, inspector=f"annotator {person}", via="import", **own))
    store.cast_many(votes)
    found = learn(store)
    assert taught(found) == {
        101: (("Ghost_Scatter",), "annotation"),
        103: (("good",), "annotation"),
        104: (("good",), "annotation"),
    }
    assert found.left_out["CCDs with a split verdict"] == 1


def test_votes_on_another_pipeline_version_do_not_teach(store):
    panel_votes(store, 1, ["bad", "bad", "bad"], plver="V4")
    panel_votes(store, 2, ["bad", "bad", "bad"], plver="V5")
    found = learn(store)
    assert sorted({expnum_of(image) for image in taught(found)}) == [2]
    assert found.left_out["votes on another pipeline version"] == 3


def test_a_bad_verdict_without_any_reason_is_counted_and_keeps_a_list_from_saying_good(store):
    label(store, [(1, "N1", "good", "good")], kind="truth")
    panel_votes(store, 1, ["bad", "bad", "bad"], reasons=())
    found = learn(store)
    assert found.table.empty
    assert found.left_out["bad images without a reason"] == 4
    assert found.answers == {1: True}


def test_a_decision_of_a_lead_teaches_as_a_judgement_of_the_whole_exposure(store):
    panel_votes(store, 1, ["bad", "good"], ccdname="N1")  # judged by CCD only
    panel_votes(store, 2, ["bad", "good", "unsure"], reasons=("Noise",))
    assert 2 not in learn(store).answers
    plver = {int(row.expnum): row.plver for row in tables()[1].itertuples()}
    store.adjudicate("decam", 1, "lea", "good", plver=plver[1], comment="normal")
    store.adjudicate("decam", 2, "lea", "bad", plver=plver[2], comment="plain")
    store.adjudicate("decam", 3, "lea", "bad", plver="V0.1", reasons=("PSF",), comment="of an earlier processing")
    found = learn(store, decisions=store.adjudications())
    assert found.answers == {1: False, 2: True}
    reasons = found.table.groupby("expnum").reasons.agg(set).to_dict()
    assert reasons == {1: {("good",)}, 2: {("Noise",)}}
    assert set(found.table.source) == {"decision of lea"}


@pytest.mark.parametrize("provenance", [*PROVENANCES, "", None, "of a kind that comes later"])
def test_a_label_tells_votes_unless_it_comes_from_a_list(provenance):
    rows = pd.DataFrame({"provenance": [provenance], "basis": [""]})
    assert tells_votes(rows).tolist() == [provenance not in ("label_list", "truth", "unlisted")]
    assert tells_votes(rows.drop(columns="provenance")).all()
    assert tells_votes(rows.assign(provenance="truth", basis="single_vote")).all()
