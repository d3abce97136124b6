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
        (MOSAIC3, {"DTACQNAM": "/data4/observer/mos3.77690.fits"}, 77690),
        (BOK, {"DTACQNAM": "/descache/bass/20170429/d7873.0103.fits"}, 78730103),
    ],
)
def test_exposure_numbers(camera, cards, expnum):
    assert headers.expnum_of([Header(), Header(cards)], camera) == expnum


@pytest.mark.parametrize("cards", [{}, {"EXPNUM": "none"}, {"EXPNUM": -5}, {"FILENAME": "dec12345_N1.fits"}])
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
