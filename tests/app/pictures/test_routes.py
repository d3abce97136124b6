"""Addresses of pictures: who gets them, what comes, how long it may be kept, and what is said when there is nothing."""

import asyncio
import gzip
import io
import json

import numpy as np
import pytest
import tornado.httpclient
import tornado.httpserver
import tornado.testing
import tornado.web
from astropy.io import fits
from PIL import Image

from tests.app.aside import run_aside
from tests.logins import cookie_header
from triptych.app.context import AppContext
from triptych.app.pictures import thumbnails
from triptych.app.pictures.packets import read_packet
from triptych.app.pictures.routes import PictureCache, routes
from triptych.app.pictures.version import picture_version
from triptych.app.web.auth import StoreAuth
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.image_ids import ccdnum_of, expnum_of, image_id_of
from triptych.pipeline.pixels.sky_levels import levels
from triptych.pipeline.store.store import LabelStore

EXPNUM, S31, S7, N30 = 900001, 90000103, 90000131, 90000161


def context_of(folder):
    catalog = Catalog.open(folder)
    return AppContext(catalog, LabelStore(catalog.labels_url()))


@pytest.fixture
def app(survey_folder):
    app = context_of(survey_folder)
    yield app
    app.store.close()


def fetch_all(app, paths, user="amy"):
    """Answers to several requests at once; user None = not logged in."""

    async def fetch():
        web = tornado.web.Application(routes(app), cookie_secret=app.secret)
        web.auth_provider = StoreAuth(app)
        socket, port = tornado.testing.bind_unused_port()
        server = tornado.httpserver.HTTPServer(web)
        server.add_socket(socket)
        headers = {"Accept-Encoding": "gzip"}
        if user:
            headers["Cookie"] = cookie_header(app, user)
        client = tornado.httpclient.AsyncHTTPClient(force_instance=True)
        more = {"headers": headers, "raise_error": False, "decompress_response": False}
        try:
            asked = [client.fetch(f"http://127.0.0.1:{port}{path}", **more) for path in paths]
            return await asyncio.gather(*asked)
        finally:
            client.close()
            server.stop()

    return run_aside(fetch())


def fetch(app, path, user="amy"):
    return fetch_all(app, [path], user)[0]


ADDRESSES = (
    "/picture/geometry/decam.json",
    f"/picture/mosaic/{EXPNUM}.bin",
    f"/picture/mosaic/{EXPNUM}.jpg?s=faint&w=200",
    f"/picture/thumb/{S31}?s=stars",
    f"/picture/ccd/{S31}.bin",
    f"/picture/dqmask/{EXPNUM}.bin",
    f"/picture/dqmask/ccd/{S31}.bin",
    f"/picture/near/{EXPNUM}.json",
)


def test_nobody_without_a_login_gets_a_picture(app):
    for answer in fetch_all(app, ADDRESSES, None):
        assert answer.code == 403, answer.effective_url
        assert len(answer.body) < 100


def test_packet_of_an_exposure_comes_compressed(app):
    answer = fetch(app, f"/picture/mosaic/{EXPNUM}.bin?v=1")
    assert answer.code == 200
    assert answer.headers["Content-Encoding"] == "gzip"
    header, sections = read_packet(gzip.decompress(answer.body))
    assert header["expnum"] == EXPNUM
    assert header["layers"] == 61
    assert sections["pixels"].size == 61 * header["rows"] * header["columns"]


def test_pictures_are_jpegs_of_the_size_asked_for(app):
    mosaic, thumb = fetch_all(app, [f"/picture/mosaic/{EXPNUM}.jpg?s=sky&w=320", f"/picture/thumb/{S7}?s=faint"])
    assert Image.open(io.BytesIO(mosaic.body)).size[0] == 320
    picture = Image.open(io.BytesIO(thumb.body))
    assert picture.format == "JPEG"
    assert picture.size[0] == 2 * picture.size[1]


def test_only_an_address_with_a_version_may_be_kept_for_ever(app):
    with_version, without = fetch_all(app, [f"/picture/thumb/{S31}?v=1", f"/picture/thumb/{S31}"])
    assert "immutable" in with_version.headers["Cache-Control"]
    assert with_version.headers["Cache-Control"].startswith("private")
    assert "no-cache" in without.headers["Cache-Control"]


def test_what_is_not_there_is_said(app):
    paths = [
        "/picture/mosaic/5.bin",
        f"/picture/thumb/{N30}",
        f"/picture/thumb/{S31}?s=fainted",
        f"/picture/mosaic/{EXPNUM}.jpg?w=9999",
        "/picture/geometry/decm.json",
        "/picture/ccd/501.bin",
        "/picture/dqmask/5.bin",
        "/picture/dqmask/ccd/501.bin",
        "/picture/near/5.json",
    ]
    answers = fetch_all(app, paths)
    assert [answer.code for answer in answers] == [404, 404, 400, 400, 404, 404, 404, 404, 404]
    texts = [answer.body.decode() for answer in answers]
    assert "no exposure 5" in texts[0]
    assert "no CCD number 61" in texts[1]
    assert "faint" in texts[2]
    assert "2400" in texts[3]
    assert "decam" in texts[4]


def test_many_at_once_are_all_answered(app):
    paths = [f"/picture/thumb/{image_id_of(EXPNUM + i % 8, 1 + i % 60)}?s=faint" for i in range(120)]
    assert {answer.code for answer in fetch_all(app, paths)} == {200}


def test_full_resolution_comes_from_the_file_and_its_loss_is_said(fresh_survey, tmp_path):
    pixels = np.random.default_rng(0).normal(500, 20, (64, 32)).astype(np.float32)
    source = tmp_path / "one.fits"
    primary = fits.PrimaryHDU()
    primary.header.update({"EXPNUM": EXPNUM, "INSTRUME": "DECam"})
    image = fits.ImageHDU(pixels, name="S31")
    image.header["CCDNUM"] = 3
    fits.HDUList([primary, image]).writeto(source)
    catalog = Catalog.open(fresh_survey)
    ccds = catalog.ccds()
    chosen = ccds.image_id == S31
    ccds.loc[chosen, ["source", "image_hdu", "hdu_name"]] = [str(source), 1, "S31"]
    catalog.write_tables(ccds=ccds)
    app = context_of(fresh_survey)
    try:
        answer = fetch(app, f"/picture/ccd/{S31}.bin")
        assert answer.code == 200, answer.body
        header, sections = read_packet(gzip.decompress(answer.body))
        values = header["zero"] + header["step"] * sections["pixels"].reshape(64, 32)
        assert np.abs(values - pixels).max() < 0.05 * header["sigma"]
        source.unlink()
        gone, never = fetch_all(app, [f"/picture/ccd/{S31}.bin", f"/picture/ccd/{S7}.bin"])
        assert gone.code == 410
        assert "has gone" in gone.body.decode()
        assert never.code == 410
        assert "file" in never.body.decode()
    finally:
        app.store.close()


def test_a_new_preview_gives_a_new_picture_and_a_new_version(fresh_survey):
    app = context_of(fresh_survey)
    try:
        cache = PictureCache(app)
        before, version = cache.thumbnail(S31, "faint"), picture_version(app.catalog)
        assert cache.thumbnail(S31, "faint") is before
        ccdnums, pixels = app.catalog.preview(EXPNUM)
        pixels[:, :20] += 500
        app.catalog.write_preview(EXPNUM, ccdnums, pixels)
        app.catalog.set_info(replaced=1)  # as an ingest does
        assert cache.thumbnail(S31, "faint") != before
        assert picture_version(app.catalog) != version
    finally:
        app.store.close()


def test_geometry_is_plain_json(app):
    slots = json.loads(fetch(app, "/picture/geometry/mosaic.json").body)
    assert slots["camera"] == "mosaic3"
    assert len(slots["ccds"]) == 4


def test_without_a_mask_the_packet_says_so(app):
    exposure, ccd = fetch_all(app, [f"/picture/dqmask/{EXPNUM}.bin", f"/picture/dqmask/ccd/{S31}.bin"])
    for answer in (exposure, ccd):
        header, sections = read_packet(gzip.decompress(answer.body))
        assert "No data-quality mask" in header["note"]
        assert sections["mask"].size == 0
        assert [one["label"] for one in header["classes"]] == ["nothing recorded"]


def test_a_mask_beside_the_image_comes_with_its_legend(fresh_survey, tmp_path):
    codes = np.zeros((64, 32), np.int32)
    codes[10, 20] = 3
    source = tmp_path / "c4d_170903_000000_ood_g_v1.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(codes, name="S31")]).writeto(source)
    catalog = Catalog.open(fresh_survey)
    ccds = catalog.ccds().assign(mask_source="", mask_hdu=-1)
    ccds.loc[ccds.image_id == S31, ["mask_source", "mask_hdu"]] = [str(source), 1]
    catalog.write_tables(ccds=ccds)
    app = context_of(fresh_survey)
    try:
        header, sections = read_packet(gzip.decompress(fetch(app, f"/picture/dqmask/{EXPNUM}.bin").body))
        assert sections["mask"].size == 61 * 64 * 32
        assert np.count_nonzero(sections["mask"]) == 1
        shares = {one["name"]: one["share"] for one in header["classes"]}
        assert shares["saturated"] == pytest.approx(1 / 2048)
        assert len(header["without"]) == 60
    finally:
        app.store.close()


def test_exposures_to_compare_with_tell_nothing_of_votes(app):
    near = json.loads(fetch(app, f"/picture/near/{EXPNUM}.json").body)["near"]
    assert near
    assert EXPNUM not in [one["expnum"] for one in near]
    assert set(near[0]) == {"expnum", "band", "exptime", "object", "alike", "words"}


def test_a_thumbnail_from_its_ccd_alone_is_the_one_from_the_whole_exposure(tmp_path):
    from triptych.pipeline.ingest.ingest import ingest
    from triptych.pipeline.simulation.simulate import simulate

    simulate(tmp_path / "fits", exposures=1, seed=3, binning=16)
    catalog = Catalog.create(tmp_path / "run")
    ingest(catalog, tmp_path / "fits")
    app = context_of(catalog.path)
    try:
        cache = PictureCache(app)
        for image_id in app.survey().ccds.index[[0, 30, 60]].tolist():
            whole = cache.plane(expnum_of(image_id))
            for stretch in ("faint", "stars", "sky"):
                expected = thumbnails.thumbnail(whole, whole.index(ccdnum_of(image_id)), stretch)
                assert cache.thumbnail(image_id, stretch) == expected
            alone = cache.plane_of_ccd(image_id, "faint")
            assert len(alone.ccdnums) == 1
            assert np.array_equal(alone.pixels[0], whole.pixels[whole.index(ccdnum_of(image_id))], equal_nan=True)
            assert (alone.sky, alone.sigma) == (whole.sky, whole.sigma)
            skies, noise = levels(catalog.preview(expnum_of(image_id))[1])[:2]
            off = np.abs(whole.skies - skies)  # the preview is rounded, the level was measured before
            assert np.nanmax(off / noise) < 1 / 50
            assert np.array_equal(np.isnan(whole.skies), np.isnan(skies))
    finally:
        app.store.close()
