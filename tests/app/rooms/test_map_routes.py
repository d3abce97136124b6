"""Routes of the map: what the browser gets, who gets it, and that it is in one order."""

import io
import json

import numpy as np
import pandas as pd
import pytest
import tornado.httpclient
import tornado.httpserver
import tornado.testing
import tornado.web
from PIL import Image, ImageColor

from tests.app.aside import run_aside
from tests.logins import cookie_header
from triptych.app.colours.colours import COLOURINGS, WAITS
from triptych.app.context import AppContext
from triptych.app.judging.viewer import Viewer
from triptych.app.map.points import HALF_RANGE, NOWHERE, MapTable, drawing_order, map_table, scaled
from triptych.app.map.selections import keep_bits
from triptych.app.palette import REASON_COLOURS
from triptych.app.rooms.explore.map_routes import colour_urls, opinion_key, points_of, routes
from triptych.app.rooms.explore.map_view import chosen_points
from triptych.app.web.auth import StoreAuth
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.image_ids import expnum_of, image_id_of
from triptych.pipeline.store.store import LabelStore


@pytest.fixture
def app(survey_folder):
    catalog = Catalog.open(survey_folder)
    store = LabelStore(catalog.labels_url())
    yield AppContext(catalog, store)
    store.close()


@pytest.fixture
def get(app):
    """get(path, user) -> tornado response; user None = not logged in."""

    async def fetch(path, user):
        web = tornado.web.Application(routes(app), cookie_secret=app.secret)
        web.auth_provider = StoreAuth(app)
        socket, port = tornado.testing.bind_unused_port()
        server = tornado.httpserver.HTTPServer(web)
        server.add_socket(socket)
        headers = {}
        if user:
            headers["Cookie"] = cookie_header(app, user)
        client = tornado.httpclient.AsyncHTTPClient(force_instance=True)
        try:
            return await client.fetch(f"http://127.0.0.1:{port}/{path.lstrip('/')}", headers=headers, raise_error=False)
        finally:
            client.close()
            server.stop()

    return lambda path, user="amy": run_aside(fetch(path, user))


def header_and_codes(body):
    length = int.from_bytes(body[:4], "little")
    return json.loads(body[4 : 4 + length]), np.frombuffer(body, np.uint8, offset=4 + length)


def all_addresses(app, user="amy"):
    survey, person = app.survey(), app.accounts.user(user)
    points = points_of(survey)
    urls = colour_urls(Viewer(app, person, survey), assisted=True, revision=app.store.revision())
    pictures = [
        url.replace("colours/", "picture/").replace(".bin", ".png") + "&w=64&h=48&scale=20" for url in urls.values()
    ]
    return [points["ids"], points["flat"]["url"], points["solid"]["url"], *urls.values(), *pictures]


def test_nobody_without_a_login_gets_a_number(app, get):
    for address in all_addresses(app):
        answer = get(address, None)
        assert answer.code == 403, address
        assert len(answer.body) < 100


def test_places_of_both_maps_and_ids_are_in_one_order(app, get):
    survey = app.survey()
    points = points_of(survey)
    body = get(points["ids"]).body
    n = points["n"]
    image_ids = image_id_of(np.frombuffer(body, "<u4", n).astype(np.int64), np.frombuffer(body, "u1", n, 4 * n))
    assert np.array_equal(np.sort(image_ids), np.sort(survey.map2d.index))
    for name, frame, dims in (("flat", survey.map2d, 2), ("solid", survey.map3d, 3)):
        answer = get(points[name]["url"])
        assert "immutable" in answer.headers["Cache-Control"]
        assert "private" in answer.headers["Cache-Control"]
        places = np.frombuffer(answer.body, "<u2").reshape(n, dims).astype(float) / HALF_RANGE - 1
        wanted = frame.loc[image_ids, list("xyz"[:dims])].to_numpy()
        for axis in range(dims):
            assert np.corrcoef(places[:, axis], wanted[:, axis])[0, 1] > 0.99999
        assert np.abs(places).max() <= 1.0001
        assert np.allclose(np.abs(places).max(axis=0), points[name]["half"], atol=1e-3)


def test_an_order_that_needs_nothing_but_the_ids_and_shuffles_them():
    ids = image_id_of(np.arange(1000, dtype=np.int64), 7)
    order = drawing_order(ids)
    assert np.array_equal(order, drawing_order(ids[::-1]))
    assert np.array_equal(np.sort(order), ids)
    assert abs(order[:300].mean() - ids.mean()) < 0.1 * ids.mean()  # the first part is a fair sample
    more = drawing_order(np.r_[ids, 5])
    assert np.array_equal(more[more != 5], order)  # a new image moves no other


def test_a_point_that_one_map_does_not_place_is_marked():
    numbers, half = scaled(np.array([[0.0, 0.0], [np.nan, np.nan], [4.0, 2.0]]))
    assert numbers[1].tolist() == [NOWHERE, NOWHERE]
    assert numbers[0].tolist() == [0, HALF_RANGE // 2]
    assert numbers[2].tolist() == [2 * HALF_RANGE, 3 * HALF_RANGE // 2]
    assert half == [1.0, 0.5]
    assert scaled(np.zeros((3, 2)))[0].tolist() == [[HALF_RANGE] * 2] * 3


def test_points_are_found_by_image_id():
    ids = drawing_order(np.arange(50, dtype=np.int64))
    table = MapTable(ids, {}, {}, "")
    assert table.index_of([7, 3, 99]).tolist() == sorted([int(np.flatnonzero(ids == i)[0]) for i in (3, 7)])
    assert MapTable(ids[:0], {}, {}, "").index_of([1]).tolist() == []


def test_each_colouring_is_served_uncached_and_in_the_order_of_the_points(app, get):
    survey = app.survey()
    table = map_table(survey)
    urls = colour_urls(Viewer(app, app.accounts.user("amy"), survey), assisted=True, revision=1)
    assert set(urls) == set(COLOURINGS)
    for name, url in urls.items():
        answer = get(url)
        assert answer.code == 200, name
        assert "no-store" in answer.headers["Cache-Control"], name
        header, codes = header_and_codes(answer.body)
        assert header["colour_by"] == name
        assert len(codes) == len(table)
    header, codes = header_and_codes(get(urls["probability"]).body)
    p_bad = 1 - survey.prediction.loc[table.image_ids, "p_good"].to_numpy()
    assert np.allclose((codes - 1.0) / 254, p_bad, atol=0.003)


def test_the_model_opinion_needs_the_key_of_a_page_that_shows_it(app, get):
    survey, amy = app.survey(), app.accounts.user("amy")
    blind = colour_urls(Viewer(app, amy, survey), assisted=False, revision=1)["prediction"]
    shown = colour_urls(Viewer(app, amy, survey), assisted=True, revision=1)["prediction"]
    waiting = {name: counts_of(get(url).body)[WAITS] for name, url in (("blind", blind), ("shown", shown))}
    assert waiting["shown"] == 0
    assert waiting["blind"] > 0
    for key in ("1", "", opinion_key(Viewer(app, app.accounts.user("ben")))):
        assert counts_of(get(f"{blind}&opinion={key}").body)[WAITS] == waiting["blind"]


def counts_of(body):
    return {entry["label"]: entry["count"] for entry in header_and_codes(body)[0]["entries"]}


def test_one_users_codes_are_not_given_to_another(app, get):
    url = colour_urls(Viewer(app, app.accounts.user("amy"), app.survey()), assisted=True, revision=1)["verdict"]
    last_but_one = app.survey().exposures.index[-2]  # ben alone has judged it
    table = map_table(app.survey())
    for name in ("ben", "amy", "lea"):
        _header, codes = header_and_codes(get(url, name).body)
        assert not codes[expnum_of(table.image_ids) == last_but_one].any()  # one vote of three decides nothing
    assert get(url, "nobody").code == 403


def test_old_addresses_say_what_to_do(app, get):
    urls = colour_urls(Viewer(app, app.accounts.user("amy"), app.survey()), assisted=True, revision=1)
    version = map_table(app.survey()).version
    assert get(urls["reason"].replace(version, "abc123")).code == 410
    gone = get(urls["reason"].replace("mixed-001", "mixed-999"))
    assert gone.code == 410
    assert b"reload" in gone.body
    assert get(urls["reason"].replace("reason", "reasson")).code == 404


def test_a_long_selection_is_only_for_the_user_who_made_it(app, get):
    table = map_table(app.survey())
    token = keep_bits(app.accounts.user("amy"), len(table), [0, 3])
    address = f"/map/{table.version}/selection/{token}.bin"
    assert get(address, "amy").body[0] == 0b1001
    assert get(address, "ben").code == 410
    assert get(address, None).code == 403


def test_the_servers_picture_shows_what_the_browser_would(app, get):
    url = colour_urls(Viewer(app, app.accounts.user("amy"), app.survey()), assisted=True, revision=1)["reason"]
    picture = url.replace("colours/", "picture/").replace(".bin", ".png")
    for more in ("&w=200&h=160&scale=70&size=3", "&w=200&h=160&scale=60&size=3&dims=3&rotation=0,0,1,0,1,0,-1,0,0"):
        answer = get(picture + more)
        assert answer.code == 200, answer.body
        assert pixels_like(answer.body, "good") > 100
        assert pixels_like(answer.body, "Ghost_Scatter") > 100
    alone = get(f"{picture}&w=200&h=160&scale=70&size=3&isolate=good")
    assert pixels_like(alone.body, "good") > 100
    assert pixels_like(alone.body, "Ghost_Scatter") == 0
    assert get(f"{picture}&w=99999&h=10&scale=1").code == 400
    assert get(f"{picture}&w=ten&h=10&scale=1").code == 400
    for wild in ("scale=1e999", "scale=nan", "scale=1&size=1e9", "scale=1&x=1e300", f"scale=1&dims={5000 * '9'}"):
        assert get(f"{picture}&w=10&h=10&{wild}").code == 400, wild


def pixels_like(png, reason):
    """Number of pixels of a 200 x 160 picture that have nearly the colour of a reason."""
    image = np.array(Image.open(io.BytesIO(png)), float)
    assert image.shape == (160, 200, 3)
    return int((np.abs(image - ImageColor.getrgb(REASON_COLOURS[reason])).max(axis=2) < 16).sum())


def test_selections_come_as_indices_or_as_bits():
    bits = np.packbits(np.isin(np.arange(20), [1, 9, 19]), bitorder="little")
    assert chosen_points({"bits": bits.tobytes()}, 20).tolist() == [1, 9, 19]
    assert chosen_points({"bits": list(bits)}, 19).tolist() == [1, 9]
    assert chosen_points({"indices": np.array([9, 1, 1, 77], np.uint32)}, 20).tolist() == [1, 9]


def test_a_run_without_a_map_says_how_to_make_one(tmp_path):
    catalog = Catalog.create(tmp_path / "run")
    catalog.write_tables(exposures=pd.DataFrame(), ccds=pd.DataFrame(), quarantine=pd.DataFrame())
    store = LabelStore(catalog.labels_url())
    points = points_of(AppContext(catalog, store).survey())
    assert points["n"] == 0
    assert points["flat"] is None
    assert "triptych map run --dims 2" in points["empty"]
    store.close()
