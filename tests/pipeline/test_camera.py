"""Cameras: names, numbers, slots, outages by date, nights."""

import math

import pytest

from triptych.pipeline import camera
from triptych.pipeline.camera import BOK, CAMERAS, DECAM, MOSAIC3
from triptych.pipeline.errors import UnknownName


def test_decam_names_and_numbers():
    assert len(DECAM.ccds) == 62
    assert [ccd.number for ccd in DECAM.ccds] == list(range(1, 63))
    known = {"S29": 1, "S30": 2, "S31": 3, "S25": 4, "S7": 31, "N1": 32, "N7": 38, "N12": 43, "N30": 61, "N31": 62}
    assert {name: DECAM.number(name) for name in known} == known
    assert all(DECAM.name_of(DECAM.number(name)) == name for name in DECAM.names)
    assert DECAM.number("n12") == 43


def test_decam_agrees_with_the_headers_of_a_real_exposure(real_data):
    lines = (real_data / "metadata" / "decam_ccd_layout_from_headers.csv").read_text().splitlines()[1:]
    pairs = [(line.split(",")[0], int(line.split(",")[1])) for line in lines]
    assert len(pairs) == 70
    for name, number in pairs:
        assert DECAM.is_focus(name) if name.startswith("F") else DECAM.number(name) == number


def test_decam_slots():
    assert DECAM.slot("S31").row == 1
    assert (DECAM.slot("S31").x0, DECAM.slot("S31").y0) == (8498.0, 0)
    assert (DECAM.slot("S7").x0, DECAM.slot("S7").y0) == (0.0, 11245)
    assert (DECAM.slot("N1").x0, DECAM.slot("N1").y0) == (25494.0, 13494)
    assert DECAM.slot("S28").x0 == 6373.5
    assert DECAM.slot("N29").x0 > DECAM.slot("N31").x0  # right ascension falls to the right
    assert {ccd.row for ccd in DECAM.ccds} == set(range(1, 13))


@pytest.mark.parametrize("name", CAMERAS)
def test_slots_lie_on_the_canvas_and_do_not_overlap(name):
    ccds = CAMERAS[name].ccds
    for ccd in ccds:
        assert ccd.x0 >= 0
        assert ccd.y0 >= 0
        assert ccd.x0 + ccd.width <= CAMERAS[name].canvas[0]
        assert ccd.y0 + ccd.height <= CAMERAS[name].canvas[1]
    for one in ccds:
        for other in ccds:
            apart = abs(one.x0 - other.x0) >= one.width or abs(one.y0 - other.y0) >= one.height
            assert one is other or apart


def test_small_cameras():
    assert MOSAIC3.names == BOK.names == ("CCD1", "CCD2", "CCD3", "CCD4")
    assert MOSAIC3.number("ccd3") == 3
    # measured offsets from the boresight: Mosaic-3 CCD2 north-west, CCD3 south-east; 90Prime CCD2 south-east
    assert (MOSAIC3.slot("CCD2").x0 > 0, MOSAIC3.slot("CCD2").y0 > 0) == (True, False)
    assert (MOSAIC3.slot("CCD3").x0 > 0, MOSAIC3.slot("CCD3").y0 > 0) == (False, True)
    assert (BOK.slot("CCD2").x0 > 0, BOK.slot("CCD2").y0 > 0) == (False, True)
    assert (BOK.slot("CCD3").x0 > 0, BOK.slot("CCD3").y0 > 0) == (True, False)


def test_missing_by_date():
    assert DECAM.missing("N30", 56000.0) == ""
    assert DECAM.missing("N30", 56300.0) == "dead"
    assert DECAM.missing("N30") == DECAM.missing("N30", math.nan) == "dead"
    assert DECAM.missing("S30", 57100.0) == "absent"
    assert DECAM.missing("S30", 58000.0) == DECAM.missing("S30", 56300.0) == DECAM.missing("S30") == ""
    assert DECAM.missing("S7", 57100.0) == "half"
    assert DECAM.missing("S31", 57100.0) == ""


def test_focus_chips_are_not_ccds():
    assert DECAM.is_focus("FS1")
    assert DECAM.is_focus("fn4")
    assert DECAM.is_focus("", 72)
    assert not DECAM.is_focus("N1", 32)


def test_nights_run_from_noon_to_noon():
    assert DECAM.night(56618.12752666) == 20131121  # 2013-11-22T03:03, in the archive's folder CP20131121
    assert DECAM.night(56887.97073001) == 20140818  # before midnight UTC
    assert DECAM.night(51544.99) == 20000101
    assert DECAM.night(math.nan) == -1
    assert MOSAIC3.night(57458.43945602) == 20160310


def test_camera_of_header():
    assert camera.camera_of({"INSTRUME": "DECam"}) is DECAM
    assert camera.camera_of({"INSTRUME": "Mosaic3"}) is MOSAIC3
    assert camera.camera_of({"INSTRUME": "90prime "}) is BOK
    assert camera.camera_of({"TELESCOP": "CTIO 4.0-m telescope"}) is DECAM
    assert camera.camera_of({"INSTRUME": "mosaic_1"}) is None
    assert camera.camera_of({}) is None


def test_unknown_names_say_which_are_known():
    with pytest.raises(UnknownName, match=r"decam, mosaic3, 90prime\. Did you mean 'decam'"):
        camera.camera("decm")
    with pytest.raises(UnknownName, match="DECam CCD"):
        DECAM.number("N32")
    with pytest.raises(UnknownName, match="DECam CCD number"):
        DECAM.name_of(63)
    assert camera.camera("Mosaic") is MOSAIC3
