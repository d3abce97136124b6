"""What the map's colours say, and above all what they do not say to whom."""

import json
import shutil
import struct

import numpy as np
import pytest

from tests import survey
from triptych.app.colours.colours import COLOURINGS, WAITS, paint
from triptych.app.context import AppContext
from triptych.app.judging.viewer import Viewer
from triptych.app.map.points import map_table
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.image_ids import expnum_of
from triptych.pipeline.store.store import LabelStore, Vote

FIRST = 900001  # of eight exposures; odd ones are bad; the last but one has a vote by ben


@pytest.fixture
def app(survey_folder, tmp_path):
    """An AppContext on a made-up run of eight exposures, this test's own copy."""
    catalog = Catalog.open(shutil.copytree(survey_folder, tmp_path / "run"))
    store = LabelStore(catalog.labels_url())
    yield AppContext(catalog, store)
    store.close()


def painted(app, name, colour_by, assisted=True):
    """label -> set of expnums that carry it, for one user."""
    survey = app.survey()
    image_ids = map_table(survey).image_ids
    colours = paint(Viewer(app, app.accounts.user(name), survey), colour_by, image_ids, assisted=assisted)
    assert sum(entry.count for entry in colours.entries) == len(image_ids)
    found = {}
    for entry in colours.entries:
        inside = (colours.codes >= entry.first) & (colours.codes <= entry.last)
        assert inside.sum() == entry.count
        found[entry.label] = set(expnum_of(image_ids[inside]).tolist())
    return found


def cast(app, inspector, expnum, judgement, reasons=(), **more):
    return app.store.cast(
        Vote(expnum=expnum, inspector=inspector, judgement=judgement, reasons=reasons, plver="V5.5LS", **more)
    )


def test_every_colouring_gives_one_code_per_image_and_a_colour_for_each(app):
    survey = app.survey()
    image_ids = map_table(survey).image_ids
    for name in COLOURINGS:
        colours = paint(Viewer(app, app.accounts.user("amy"), survey), name, image_ids, assisted=True)
        assert colours.codes.dtype == np.uint8
        assert colours.codes.shape == image_ids.shape
        assert colours.codes.max() < len(colours.palette)
        assert all(len(colour) == 7 and colour[0] == "#" for colour in colours.palette)


def test_the_bytes_hold_header_and_codes(app):
    survey = app.survey()
    colours = paint(
        Viewer(app, app.accounts.user("amy"), survey), "cluster", map_table(survey).image_ids, assisted=True
    )
    content = colours.tobytes()
    (length,) = struct.unpack("<I", content[:4])
    header = json.loads(content[4 : 4 + length])
    assert header["colour_by"] == "cluster"
    assert "codes" not in header
    assert np.array_equal(np.frombuffer(content, np.uint8, offset=4 + length), colours.codes)


def test_verdict_stays_open_until_the_own_vote(app):
    voted = FIRST + 6
    cast(app, "cai", voted, "bad", ("PSF",))
    assert voted in painted(app, "amy", "verdict")["open"]  # two of three say bad, and amy has not looked
    cast(app, "amy", voted, "good")
    assert voted in painted(app, "amy", "verdict")["bad"]


def test_verdict_is_hidden_again_when_the_own_vote_is_taken_back(app):
    for name in ("ben", "cai"):
        cast(app, name, FIRST, "bad", ("PSF",))
    own = cast(app, "amy", FIRST, "unsure")
    assert FIRST in painted(app, "amy", "verdict")["bad"]
    app.store.retract(own.vote_id, "amy")
    assert FIRST in painted(app, "amy", "verdict")["open"]


def test_an_exposure_that_others_judged_looks_like_one_that_nobody_did(app):
    before = {name: painted(app, "amy", name) for name in COLOURINGS}
    cast(app, "ben", FIRST, "bad", ("PSF",))
    cast(app, "cai", FIRST, "bad", ("PSF",))
    cast(app, "cai", FIRST, "bad", ("PSF",), ccdname="N4")
    for name in set(COLOURINGS) - {"reason"}:
        assert painted(app, "amy", name) == before[name], name


def test_a_label_that_comes_from_votes_waits_for_the_own_vote_whoever_votes_meanwhile(app):
    exposure = FIRST + 4  # labelled in the training set, in no imported list
    assert exposure not in painted(app, "amy", "reason")["unlabelled"]
    survey.teach_by_votes(app.catalog, exposure)
    vars(app.survey()).pop("training", None)  # read again
    assert exposure in painted(app, "amy", "reason")["unlabelled"]
    cast(app, "ben", exposure, "bad", ("PSF",))
    assert exposure in painted(app, "amy", "reason")["unlabelled"]
    assert all(exposure not in found for label, found in painted(app, "amy", "reason").items() if label != "unlabelled")
    cast(app, "amy", exposure, "good")
    assert exposure not in painted(app, "amy", "reason")["unlabelled"]


def test_an_imported_label_is_nobodys_secret(app):
    cast(app, "ben", FIRST, "good")  # FIRST is in the imported list
    assert FIRST not in painted(app, "amy", "reason")["unlabelled"]


def test_a_known_answer_is_unlabelled_until_the_own_vote_and_no_secret_from_who_does_not_vote(app):
    expnum = FIRST
    before = {name: painted(app, name, "reason") for name in ("lea", "vic")}
    app.store.draw("decam", "known", [{"expnum": expnum, "judgement": "bad", "reasons": ["Ghost_Scatter"]}], "lea")
    assert painted(app, "amy", "reason")["unlabelled"] >= {expnum}
    assert not any(expnum in found for label, found in painted(app, "amy", "reason").items() if label != "unlabelled")
    assert {name: painted(app, name, "reason") for name in ("lea", "vic")} == before
    cast(app, "amy", expnum, "bad", ("PSF",))
    assert expnum in painted(app, "amy", "reason")["Ghost_Scatter"]
    assert expnum not in painted(app, "ben", "reason")["Ghost_Scatter"]


def test_model_opinion_waits_in_blind_mode(app):
    candidates = set(app.survey().candidates.index)
    assert candidates
    for colour_by in ("prediction", "probability"):
        found = painted(app, "amy", colour_by, assisted=False)
        assert found[WAITS] == candidates
        assert all(not found[label] & candidates for label in found if label != WAITS)
        assert not painted(app, "amy", colour_by, assisted=True).get(WAITS)
    one = sorted(candidates)[0]
    cast(app, "amy", one, "unsure")
    assert one not in painted(app, "amy", "prediction", assisted=False)[WAITS]


def test_lead_who_does_not_vote_sees_everything_and_one_who_votes_does_not(app):
    cast(app, "cai", FIRST + 6, "bad", ("PSF",))
    assert FIRST + 6 in painted(app, "lea", "verdict")["bad"]
    assert not painted(app, "lea", "prediction", assisted=False)[WAITS]
    cast(app, "lea", FIRST, "good")
    assert FIRST + 6 in painted(app, "lea", "verdict")["open"]
    assert painted(app, "lea", "prediction", assisted=False)[WAITS]


def test_viewer_sees_what_the_whole_panel_has_judged(app):
    for name in ("ben", "cai"):
        cast(app, name, FIRST, "bad", ("PSF",))
    assert FIRST in painted(app, "vic", "verdict")["open"]
    cast(app, "amy", FIRST, "good")
    assert FIRST in painted(app, "vic", "verdict")["bad"]


def test_votes_on_another_pipeline_version_do_not_count(app):
    for name in ("amy", "ben", "cai"):
        app.store.cast(Vote(expnum=FIRST, inspector=name, judgement="bad", reasons=("PSF",), plver="V4.8"))
    assert FIRST in painted(app, "amy", "verdict")["open"]


def test_a_ccds_own_label_comes_before_its_exposures(app):
    import pandas as pd

    rows = pd.DataFrame(
        [("decam", FIRST + 5, "", "Noise", "noise"), ("decam", FIRST + 5, "N4", "Streak", "streak")],
        columns=["camera", "expnum", "ccdname", "reason", "raw"],
    )
    app.store.import_labels(rows, source="list", kind="bad_expid")
    model = app.survey().catalog.stage("model", fresh=False)
    (model.path / "training.parquet").unlink()
    survey = app.survey("")
    colours = paint(Viewer(app, app.accounts.user("amy"), survey), "reason", survey.images_of(FIRST + 5), assisted=True)
    counts = {entry.label: entry.count for entry in colours.entries if entry.count}
    assert counts == {"Noise": 60, "Streak": 1}


def test_probability_codes_are_one_minus_p_good(app):
    survey = app.survey()
    image_ids = survey.prediction.index.to_numpy()
    colours = paint(Viewer(app, app.accounts.user("amy"), survey), "probability", image_ids, assisted=True)
    assert np.allclose((colours.codes - 1.0) / 254, 1 - survey.prediction["p_good"], atol=0.5 / 254 + 1e-9)
    assert colours.palette[1] != colours.palette[255]


def test_unknown_colouring_names_the_known_ones(app):
    from triptych.pipeline.errors import UnknownName

    with pytest.raises(UnknownName, match="probability"):
        paint(Viewer(app, app.accounts.user("amy"), app.survey()), "probabilty", np.empty(0, np.int64), assisted=True)


def test_disagreement_tells_only_of_exposures_that_one_may_know(app):
    split, one, agreed = FIRST, FIRST + 1, FIRST + 2
    for inspector, said in (("amy", "bad"), ("ben", "good"), ("cai", "unsure")):
        cast(app, inspector, split, said)
    for inspector, said in (("amy", "good"), ("ben", "good"), ("cai", "bad")):
        cast(app, inspector, one, said)
    cast(app, "amy", agreed, "good")
    cast(app, "ben", agreed, "good")
    cast(app, "ben", FIRST + 3, "good")
    cast(app, "cai", FIRST + 3, "bad")
    found = painted(app, "amy", "disagreement")
    assert (found["no clear side"], found["one against the others"], found["all agree"]) == ({split}, {one}, {agreed})
    assert found["one vote"] == set()
    assert FIRST + 3 in found["not known to you"]
    assert FIRST + 3 in painted(app, "lea", "disagreement")["no clear side"]
    assert painted(app, "vic", "disagreement")["all agree"] == set()  # not judged by the whole panel


def test_pending_are_the_candidates_without_the_own_vote(app):
    candidates = set(app.survey().candidates.index)
    one = min(candidates)
    cast(app, "amy", one, "unsure")
    cast(app, "ben", min(candidates - {one}), "bad")
    found = painted(app, "amy", "pending")
    assert found["waits for you"] == candidates - {one}
    assert found["judged by you"] == {one}
    assert painted(app, "vic", "pending")["waits for you"] == set()


def test_the_model_against_people_is_unknown_where_the_verdict_is_hidden(app):
    candidates = set(app.survey().candidates.index)
    wrong = min(candidates)
    missed = min(set(app.survey().exposures.index) - candidates)
    for expnum, said in ((wrong, "good"), (missed, "bad")):
        for inspector in ("amy", "ben"):
            cast(app, inspector, expnum, said)
    for assisted in (True, False):
        found = painted(app, "amy", "contradiction", assisted=assisted)
        assert (found["model bad, people good"], found["model good, people bad"]) == ({wrong}, {missed})
    hidden = painted(app, "cai", "contradiction")
    assert {wrong, missed} <= hidden["unknown"]
    assert all(not found for label, found in hidden.items() if label != "unknown")


def test_bands_and_nights_are_those_of_the_exposures(app):
    exposures = app.survey().exposures
    bands = painted(app, "amy", "band")
    assert {label: found for label, found in bands.items() if found} == {
        band: set(rows.index) for band, rows in exposures.groupby("band")
    }
    assert painted(app, "amy", "night")["2017-09-03"] == set(exposures.index)


def test_many_nights_become_months_and_many_months_years(app, monkeypatch):
    monkeypatch.setattr("triptych.app.colours.by_survey.MOST_NIGHTS", 0)
    assert set(painted(app, "amy", "night")) == {"2017-09", "no date"}
    monkeypatch.setattr("triptych.app.colours.by_survey.MOST_TIMES", 0)
    assert set(painted(app, "amy", "night")) == {"2017", "no date"}


def test_images_in_any_order_get_the_codes_of_their_own(app):
    survey = app.survey()
    image_ids = map_table(survey).image_ids
    user = app.accounts.user("amy")
    few = image_ids[::7]
    for name in COLOURINGS:
        whole = paint(Viewer(app, user, survey), name, image_ids, assisted=True)
        part = paint(Viewer(app, user, survey), name, few, assisted=True)
        if name != "cluster":  # numbered among those shown
            assert np.array_equal(part.codes, whole.codes[::7]), name
