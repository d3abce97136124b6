"""Identity and facts from headers."""

import math

import pytest
from astropy.io.fits import Header

from triptych.pipeline.camera import BOK, DECAM, MOSAIC3
from triptych.pipeline.pixels import headers
from triptych.pipeline.pixels.fits import ImageHdu, Unusable, product_of


@pytest.mark.parametrize(
    ("camera", "cards", "expnum"),
    [
        (DECAM, {"EXPNUM": 941420}, 941420),
        (DECAM, {"EXPNUM": " 00941420 "}, 941420),
        (DECAM, {"EXPNUM": 941420.0}, 941420),
        (DECAM, {"FILENAME": "DECam_00149774_40"}, 149774),
        (DECAM, {"EXPNUM": 0, "DTACQNAM": "/data_local/images/DTS/2014A-0073/DECam_00297893.fits.fz"}, 297893),
        (DECAM, {"FILENAME": "D00239652_g_c01_r2345p01_immasked.fits"}, 239652),
        (DECAM, {"EXPNUM": 9999999999999999}, 9999999999999999),
        (DECAM, {"EXPNUM": "9007199254740993.0"}, 9007199254740993),
        (MOSAIC3, {"DTACQNAM": "/data4/observer/mos3.77690.fits"}, 77690),
        # legacypipe, mosaic.py: early in MzLS EXPNUM is blank
        (MOSAIC3, {"EXPNUM": None, "OBSID": "kp4m.20160125T082555", "DTACQNAM": "mos3.5.fits"}, 160125082555),
        (MOSAIC3, {"EXPNUM": 77690, "OBSID": "kp4m.20160125T082555"}, 77690),
        (BOK, {"DTACQNAM": "/descache/bass/20170429/d7873.0103.fits"}, 78730103),
    ],
)
def test_exposure_numbers(camera, cards, expnum):
    assert headers.expnum_of([Header(), Header(cards)], camera) == expnum


@pytest.mark.parametrize(
    "cards",
    [
        *({}, {"EXPNUM": "none"}, {"EXPNUM": -5}, {"FILENAME": "dec12345_N1.fits"}),
        *({"OBSID": "kp4m.20160125T082555"}, {"EXPNUM": "1" * 17}, {"FILENAME": "DECam_" + "1" * 20}),
    ],
)
def test_no_exposure_number(cards):
    with pytest.raises(Unusable) as caught:
        headers.expnum_of([Header(cards)], DECAM)
    assert caught.value.problem == "no_expnum"


def ccd(camera, primary=None, **cards):
    found = headers.ccd_of(ImageHdu(3, Header(cards), (40, 20), ""), camera, primary)
    return found and found.name


def test_ccds():
    assert ccd(DECAM, EXTNAME="n12") == "N12"
    assert ccd(DECAM, EXTNAME="COMPRESSED_IMAGE", CCDNUM=40) == "N9"
    assert ccd(DECAM, DETPOS="S7") == "S7"
    assert ccd(MOSAIC3, EXTNAME="ccd3", CCDNUM=3) == "CCD3"
    assert ccd(DECAM, EXTNAME="FS1", CCDNUM=72) is None
    assert ccd(DECAM, CCDNUM=72) is None
    assert ccd(DECAM, primary=Header({"CCDNUM": 1}), EXTNAME="SCI") == "S29"
    for cards in ({}, {"EXTNAME": "N32"}, {"CCDNUM": 80}, {"EXTNAME": "N12", "CCDNUM": 44}):
        with pytest.raises(Unusable, match="unknown_ccd"):
            ccd(DECAM, **cards)


def test_facts_with_gaps():
    facts = headers.exposure_facts([Header({"DATE-OBS": "2013-11-22T03:03:38.303484", "FILTER": "bokr"})], DECAM)
    assert facts["mjd_obs"] == pytest.approx(56618.12752666)
    assert (facts["night"], facts["band"], facts["object"]) == (20131121, "r", "")
    assert math.isnan(facts["ra"])
    assert math.isnan(facts["airmass"])
    facts = headers.exposure_facts([Header({"TELRA": "-00:30:00", "TELDEC": "-00:30:00", "BAND": "Y"})], DECAM)
    assert (facts["dec"], facts["band"], facts["night"]) == (-0.5, "Y", -1)
    assert headers.exposure_facts([Header({"RA": 12.5, "DEC": "nonsense"})], DECAM)["ra"] == 12.5


@pytest.mark.parametrize("mjd", [0.0, -999, 2458914.5, 99999.0, "nan", "58914.5 UTC"])
def test_times_that_cannot_be(mjd):
    facts = headers.exposure_facts([Header({"MJD-OBS": mjd})], DECAM)
    assert math.isnan(facts["mjd_obs"])
    assert facts["night"] == -1
    facts = headers.exposure_facts([Header({"MJD-OBS": mjd, "DATE-OBS": "2020-03-06T00:04:15"})], DECAM)
    assert facts["mjd_obs"] == pytest.approx(58914.00295139)
    assert facts["night"] == 20200305
    facts = headers.exposure_facts([Header({"MJD-OBS": mjd, "MJD_OBS": 58914.5})], DECAM)
    assert facts["mjd_obs"] == 58914.5


def test_dates_that_cannot_be():
    for date in ("1858-11-17T00:00:00", "2345-01-01", "yesterday", "0000-00-00T00:00:00"):
        facts = headers.exposure_facts([Header({"DATE-OBS": date})], DECAM)
        assert (math.isnan(facts["mjd_obs"]), facts["night"]) == (True, -1)


@pytest.mark.parametrize(
    ("cards", "name", "value"),
    [
        ({"EXPTIME": "90.0 sec"}, "exptime", 90.0),
        ({"EXPTIME": "90s"}, "exptime", 90.0),
        ({"EXPTIME": "9.0E1"}, "exptime", 90.0),
        ({"EXPTIME": 0}, "exptime", 0.0),
        ({"EXPTIME": -1.0, "EXPREQ": 90}, "exptime", 90.0),
        ({"EXPTIME": 1e9}, "exptime", math.nan),
        ({"EXPTIME": "90 apples"}, "exptime", math.nan),
        ({"RA": "5h36m49s"}, "ra", 84.20416667),
        ({"RA": "05 36 49.0"}, "ra", 84.20416667),
        ({"RA": "84.2d"}, "ra", 84.2),
        ({"RA": -999.0, "TELRA": 12.5}, "ra", 12.5),
        ({"RA": 400.0}, "ra", math.nan),
        ({"DEC": "-30d12m00s"}, "dec", -30.2),
        ({"DEC": "+95:00:00"}, "dec", math.nan),
        ({"DEC": -99.0}, "dec", math.nan),
        ({"AIRMASS": -999}, "airmass", math.nan),
        ({"AIRMASS": 0.0}, "airmass", math.nan),
        ({"AIRMASS": "1.21"}, "airmass", 1.21),
        ({"AIRMASS": 1e6}, "airmass", math.nan),
    ],
)
def test_numbers_with_units_and_those_that_cannot_be(cards, name, value):
    facts = headers.exposure_facts([Header(cards)], DECAM)
    assert facts[name] == pytest.approx(value, nan_ok=True)


def test_bands():
    names = ["z DECam SDSS c0004 9260.0 1520.0", "zd DECam k1038", "bokr", "g", "Y DECam c0005 10095.0 1130.0", ""]
    assert [headers.band_of(name) for name in names] == ["z", "z", "r", "g", "Y", ""]


def test_products_by_the_archive_name_then_by_header():
    image = Header({"PRODTYPE": "image"})  # as copied into mask files
    assert product_of("c4d_131122_030338_ood_z_ls9.S21.fits", image) == ("mask", "o")
    assert product_of("x/cutout_c4d_200306_000415_ori.fits.fz", image) == ("image", "r")
    assert product_of("ksb_160203_115029_oow_r_v1-ccd2.fits", image) == ("weight", "o")
    assert product_of("tu1134529.fits.fz", Header({"PRODTYPE": "dqmask"})) == ("mask", "")
    assert product_of("anything.fits", Header()) == ("image", "")
