"""The map in a real browser: what it draws, what gestures select, and that other views follow both ways."""

import math

import pytest
from playwright.sync_api import expect

from tests import survey
from tests.ui.conftest import wait_ready
from tests.ui.waiting import wait_until
from triptych.app.palette import REASON_COLOURS
from triptych.pipeline.image_ids import expnum_of

GHOST, PUT_AWAY = REASON_COLOURS["Ghost_Scatter"], "#30363d"

# The element that carries the map's hooks lies inside a shadow root; the last line gives them to a function.
HOOKS = """(() => {
  const all = root => [...root.querySelectorAll('*')].flatMap(e => e.shadowRoot ? [e, ...all(e.shadowRoot)] : [e]);
  const map = all(document).find(e => e.__map)?.__map;
  return (%s)(map);
})()"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of this file's own: nine exposures."""
    from tests.ui.conftest import serving

    folder = tmp_path_factory.mktemp("map")
    survey.make(folder / "run", exposures=9)
    with serving(folder / "run", "--no-worker") as served:
        yield served


class Map:
    """One page's map: its hooks, and gestures in CSS pixels of its surface."""

    def __init__(self, page):
        self.page = page
        self.surface = page.locator(".map .surface")
        page.locator(".map[data-ready]").wait_for()

    def ask(self, function):
        """Result of a JavaScript function of the hooks, e.g. 'm => m.selection()'."""
        return self.page.evaluate(HOOKS % function)

    def places(self):
        return self.ask("m => Array.from({length: m.set().n}, (_, i) => m.project(i))")

    def selection(self):
        return set(self.ask("m => m.selection()"))

    def wait(self, function, **more):
        self.page.wait_for_function(f"() => {HOOKS % function}", **more)

    def settled(self):
        self.wait("m => !m.moving()")

    def at(self, x, y):
        box = self.surface.bounding_box()
        return box["x"] + x, box["y"] + y

    def key(self, key):
        self.surface.focus()
        self.page.keyboard.press(key)

    def drag(self, points, keys=()):
        mouse = self.page.mouse
        mouse.move(*self.at(*points[0]))
        for key in keys:
            self.page.keyboard.down(key)
        mouse.down()
        for point in points[1:]:
            mouse.move(*self.at(*point), steps=3)
        mouse.up()
        for key in keys:
            self.page.keyboard.up(key)

    def click(self, i, keys=()):
        x, y, _ = self.places()[i]
        for key in keys:
            self.page.keyboard.down(key)
        self.page.mouse.click(*self.at(x, y))
        for key in keys:
            self.page.keyboard.up(key)


@pytest.fixture
def open_map(open_page):
    return lambda user="amy", path="/", **more: Map(open_page(user, path, **more))


def inside(places, polygon, margin=2.0):
    """(indices inside, indices too near to an edge to say) by the even-odd rule."""
    found, unsure = set(), set()
    for i, (x, y, _) in enumerate(places):
        crossings, nearest = 0, math.inf
        for (ax, ay), (bx, by) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
            if (ay > y) != (by > y) and x < ax + (bx - ax) * (y - ay) / (by - ay):
                crossings += 1
            along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / max(1e-9, (bx - ax) ** 2 + (by - ay) ** 2)
            along = min(1.0, max(0.0, along))
            nearest = min(nearest, math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay)))
        if nearest < margin:
            unsure.add(i)
        elif crossings % 2:
            found.add(i)
    return found, unsure


def c_shape(places):
    """A C round the cloud: its mouth, open to the right, holds many points that are not inside."""
    xs, ys = sorted(p[0] for p in places), sorted(p[1] for p in places)
    left, right, top, bottom = xs[0] - 8, xs[-1] + 8, ys[0] - 8, ys[-1] + 8
    middle, upper, lower = xs[len(xs) // 6], ys[len(ys) // 4], ys[3 * len(ys) // 4]
    return [
        (left, top), (right, top), (right, upper), (middle, upper),
        (middle, lower), (right, lower), (right, bottom), (left, bottom),
    ]  # fmt: skip


@pytest.mark.parametrize("dims", [2, 3])
def test_a_c_shaped_lasso_takes_what_is_inside_and_not_what_lies_in_its_mouth(open_map, dims):
    one = open_map(path=f"/?dims={dims}")
    assert one.ask("m => m.view().dims") == dims
    places = one.places()
    shape = c_shape(places)
    wanted, unsure = inside(places, shape)
    assert 100 < len(wanted) < len(places) - 100
    one.key("l")
    one.drag([*shape, shape[0]])
    assert one.selection() - unsure == wanted - unsure
    # ... and Python heard the same: the thumbnails say how many
    expect(one.page.locator("#thumbs-panel")).to_contain_text(f"{len(one.selection())}")


def test_box_shift_alt_and_escape(open_map):
    one = open_map()
    places = one.places()
    xs, ys = sorted(p[0] for p in places), sorted(p[1] for p in places)
    first, middle, last = round(xs[0]) - 5, round(xs[len(xs) // 2]), round(xs[-1]) + 5
    top, bottom = round(ys[0]) - 5, round(ys[-1]) + 5
    unsure = {i for i, p in enumerate(places) if abs(p[0] - middle) < 2}
    left = {i for i, p in enumerate(places) if p[0] < middle} - unsure
    right = {i for i, p in enumerate(places) if p[0] > middle} - unsure
    one.key("b")
    one.drag([(first, top), (middle, bottom)])
    assert one.selection() - unsure == left
    one.drag([(middle, top), (last, bottom)], keys=["Shift"])
    assert one.selection() - unsure == left | right
    one.drag([(middle, bottom), (first, top)], keys=["Alt"])
    assert one.selection() - unsure == right
    one.key("Escape")
    assert one.selection() == set()
    expect(one.page.locator(".map .chosen")).to_be_hidden()


def test_a_click_selects_focuses_and_rings_the_exposure(open_map):
    one = open_map()
    i = one.ask("m => m.indexOf(90000304)")
    i = one.ask(f"m => m.pick(m.project({i})[0], m.project({i})[1])")  # the one on top where points lie together
    image_id = one.ask(f"m => m.imageId({i})")
    one.click(i)
    assert one.selection() == {i}
    assert len(one.ask("m => m.rings().focus")) == 61
    assert one.ask("m => m.rings().ccd") == [i]
    one.page.wait_for_function(f"() => new URLSearchParams(location.search).get('focus') === '{expnum_of(image_id)}'")


def test_what_other_views_select_and_focus_comes_to_the_map(open_map):
    one = open_map()
    one.page.get_by_role("searchbox").fill("900004")
    one.page.keyboard.press("Enter")
    one.wait("m => m.selection().length === 61")
    assert {expnum_of(one.ask(f"m => m.imageId({i})")) for i in list(one.selection())[:5]} == {900004}
    one.wait("m => m.rings().focus.length === 61")
    expect(one.page.locator(".map .chosen")).to_contain_text("61 selected")
    # the browser's own choice is not sent back to it, and not lost: until the server's next word it stays as it is
    one.key("Escape")
    chosen = "m.selection().length ? Math.floor(Number(m.imageId(m.selection()[0])) / 100) : 0"
    each_frame = f"function look() {{ selected.push({chosen}); requestAnimationFrame(look); }}"
    one.ask(f"m => {{ window.selected = []; ({each_frame})(); }}")
    one.page.get_by_role("searchbox").fill("900005")
    one.page.keyboard.press("Enter")
    one.wait(f"m => ({chosen}) === 900005")
    assert set(one.page.evaluate("selected")) <= {0, 900005}


def test_zoom_keeps_the_place_under_the_cursor(open_map):
    one = open_map()
    before = one.places()
    scale = one.ask("m => m.view().scale")
    x, y = 180, 300
    one.page.mouse.move(*one.at(x, y))
    for _ in range(5):
        one.page.mouse.wheel(0, -200)
    one.wait(f"m => m.view().scale > {3 * scale} && !m.moving()")
    now, places = one.ask("m => [m.view().scale, Array.from({ length: m.set().n }, (_, i) => m.project(i))]")
    factor = now / scale
    for a, b in zip(before, places, strict=True):
        assert b[0] - x == pytest.approx(factor * (a[0] - x), abs=6)  # a wheel event knows whole pixels only
        assert b[1] - y == pytest.approx(factor * (a[1] - y), abs=6)
    one.key("0")
    one.wait(f"m => Math.abs(m.view().scale / {scale} - 1) < 1e-6 && !m.moving()")


def test_drag_moves_the_flat_map_and_turns_the_solid_one(open_map):
    one = open_map()
    before = one.places()
    one.drag([(100, 100), (140, 130)])
    one.settled()
    after = one.places()
    assert all(abs(b[0] - a[0] - 40) < 1 and abs(b[1] - a[1] - 30) < 1 for a, b in zip(before, after, strict=True))
    one.key("3")
    one.wait("m => m.view().dims === 3 && !m.moving()")
    before = one.places()
    one.drag([(100, 100), (220, 100)])
    one.settled()
    after = one.places()
    moves = {round(b[0] - a[0]) for a, b in zip(before, after, strict=True)}
    assert len(moves) > 20  # points at different depths move differently
    assert one.ask("m => m.view().offset") == [0, 0]


def test_looking_around_asks_the_server_for_nothing(open_map):
    one = open_map(path="/?room=explore")
    one.page.wait_for_load_state("networkidle")
    one.ask("m => m.ahead()")
    asked = one.page.requests.addresses
    asked.clear()
    for key in ("ArrowLeft", "+", "+", "3", "ArrowUp", "-", "2", "0"):
        one.key(key)
    one.drag([(100, 100), (140, 130)])
    one.page.mouse.wheel(0, -300)
    one.page.locator(".legend select").select_option("probability")
    one.page.locator(".legend[data-colour-by=probability]").wait_for()
    one.page.locator(".legend .chip").first.click()
    one.settled()
    assert [url for url in asked if "/picture/thumb" not in url and not url.endswith("logo.svg")] == []


def test_the_legend_isolates_and_what_is_not_shown_is_not_picked(open_map):
    one = open_map()
    chip = one.page.locator(".legend .chip", has_text="Ghost Scatter")
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "true")
    expect(one.page.locator(".legend .chip", has_text="good")).to_have_attribute("aria-pressed", "false")
    places = one.places()
    xs, ys = [p[0] for p in places], [p[1] for p in places]
    one.key("b")
    one.drag([(min(xs) - 5, min(ys) - 5), (max(xs) + 5, max(ys) + 5)])
    expect(chip.locator("span")).to_contain_text(" of ")
    chosen, count = chip.locator("span").inner_text().replace(",", "").split(" of ")
    assert len(one.selection()) == int(chosen) == int(count)
    chip.click()
    expect(chip).to_have_attribute("aria-pressed", "false")
    expect(one.page.locator(".legend .away")).to_have_count(0)


def test_colours_are_drawn(open_map):
    """The picture itself: the legend's colours are in it, and after a selection only those of the chosen."""
    one = open_map()
    assert colours_on(one)[GHOST] > 20
    places = one.places()
    codes = one.ask("m => Array.from(m.set().codes)")
    ghost = codes[one.ask("m => m.indexOf(90000904)")]
    i = next(
        i
        for i, code in enumerate(codes)
        if code != ghost and one.ask(f"m => m.pick({places[i][0]}, {places[i][1]})") == i
    )
    one.click(i)
    one.page.mouse.move(*one.at(3, 3))
    wait_until(one.page, lambda: colours_on(one)[GHOST] < colours_on(one)[PUT_AWAY] + 20)


def colours_on(one):
    """Pixels of a screenshot of the map that are near to some colours."""
    import io

    import numpy as np
    from PIL import Image, ImageColor

    image = np.asarray(Image.open(io.BytesIO(one.surface.screenshot())).convert("RGB"), int)
    near = lambda colour: int((np.abs(image - ImageColor.getrgb(colour)).max(axis=2) < 30).sum())  # noqa: E731
    return {colour: near(colour) for colour in (GHOST, PUT_AWAY)}


def test_names_stand_where_their_class_is_thick_and_can_be_put_away(open_map):
    one = open_map()
    name = one.page.locator(".map-labels span", has_text="Ghost Scatter")
    expect(name).to_be_visible()
    box, frame = name.bounding_box(), one.surface.bounding_box()
    x, y = box["x"] + box["width"] / 2 - frame["x"], box["y"] + box["height"] / 2 - frame["y"]
    codes = one.ask("m => Array.from(m.set().codes)")
    ghost = codes[one.ask("m => m.indexOf(90000904)")]
    near = [codes[i] for i, (px, py, _) in enumerate(one.places()) if math.hypot(px - x, py - y) < 40]
    assert near.count(ghost) > len(near) / 3
    one.key("t")
    expect(name).to_be_hidden()


def test_the_card_beside_the_cursor_names_the_image(open_map):
    one = open_map()
    one.settled()
    one.ask("m => m.ahead()")  # the card says what the colours say that have come
    x, y, _ = one.places()[0]
    one.page.mouse.move(*one.at(x, y))
    i = one.ask(f"m => m.pick({x}, {y})")
    card = one.page.locator(".map-card")
    expect(card).to_be_visible()
    expect(card.locator(".name")).to_contain_text(str(expnum_of(one.ask(f"m => m.imageId({i})"))))
    expect(card.locator(".facts")).to_contain_text("labelled")
    expect(card.locator(".facts")).to_contain_text("predicted")
    one.page.mouse.move(*one.at(2, 2))
    expect(card).to_be_hidden()


def test_everything_works_from_the_keyboard(open_map):
    """Arrow keys bring a point under the cross in the middle, Enter picks it."""
    one = open_map()
    one.surface.focus()
    expect(one.page.locator(".map .cross")).to_have_css("opacity", "0.55")
    i = one.ask("m => m.pick(m.project(7)[0], m.project(7)[1])")
    for _ in range(12):
        x, y, _ = one.places()[i]
        width, height = one.ask("m => [m.camera().width, m.camera().height]")
        if abs(x - width / 2) > 31:
            one.page.keyboard.press("ArrowLeft" if x < width / 2 else "ArrowRight")
        if abs(y - height / 2) > 31:
            one.page.keyboard.press("ArrowUp" if y < height / 2 else "ArrowDown")
    one.page.keyboard.press("Enter")
    assert len(one.selection()) == 1
    assert len(one.ask("m => m.rings().focus")) == 61


def test_a_lost_graphics_context_comes_back(open_map):
    one = open_map()
    one.page.evaluate(
        HOOKS
        % """m => {
        const canvas = m.canvas(); const loss = canvas.getContext('webgl2').getExtension('WEBGL_lose_context');
        loss.loseContext(); setTimeout(() => loss.restoreContext(), 200); }"""
    )
    expect(one.page.locator(".map .note")).to_be_visible()
    expect(one.page.locator(".map .note")).to_be_hidden()
    wait_until(one.page, lambda: colours_on(one)[GHOST] > 20)


def test_without_webgl_the_server_draws_and_the_lasso_still_works(open_page):
    page = open_page("amy")
    page.add_init_script(
        """const get = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
          return kind === 'webgl2' ? null : get.call(this, kind, ...more); };"""
    )
    page.expected_problems += ["WebGL", "console error"]  # the mosaic needs it
    page.reload()
    wait_ready(page)
    one = Map(page)
    page.locator(".map .map-picture[data-loaded]").wait_for()
    expect(page.locator(".map .note")).to_contain_text("WebGL2")
    assert colours_on(one)[GHOST] > 20
    places = one.places()
    shape = c_shape(places)
    wanted, unsure = inside(places, shape)
    one.key("l")
    one.drag([*shape, shape[0]])
    assert one.selection() - unsure == wanted - unsure


def test_a_map_that_does_not_arrive_says_so_and_can_be_asked_for_again(open_page):
    page = open_page("amy")
    page.add_init_script(
        """const get = window.fetch;
        window.fetch = (url, ...more) => sessionStorage.busy && String(url).includes('places-2')
          ? Promise.resolve(new Response('busy', { status: 503 })) : get(url, ...more);"""
    )
    page.evaluate("sessionStorage.busy = '1'")
    page.reload()
    wait_ready(page)
    expect(page.locator(".map .state")).to_contain_text("The map did not arrive (HTTP 503)")
    page.evaluate("sessionStorage.clear()")
    page.locator(".map .state button").click()
    page.locator(".map[data-ready]").wait_for()
    expect(page.locator(".map .state")).to_be_hidden()


def address_of(page):
    return page.evaluate("location.pathname + location.search")


@pytest.mark.parametrize("dims", [2, 3])
def test_a_lasso_in_the_address_selects_the_same_points_for_somebody_else(open_map, dims):
    one = open_map(path=f"/?dims={dims}")
    one.key("l")
    shape = c_shape(one.places())
    one.drag([*shape, shape[0]])
    drawn = one.selection()
    assert len(drawn) > 100
    one.page.wait_for_function("() => new URLSearchParams(location.search).get('sel')")
    address = address_of(one.page)
    assert len(address) < 400
    other = open_map("ben", address)
    other.wait("m => m.selection().length > 0")
    assert other.selection() == drawn


def test_the_legend_filter_is_in_the_address_and_holds_for_a_lasso(open_map):
    one = open_map(path="/?colour=cluster&only=1")
    expect(one.page.locator(".legend .chip.alone")).to_have_count(1)
    places = one.places()
    xs, ys = [p[0] for p in places], [p[1] for p in places]
    one.key("b")
    one.drag([(min(xs) - 5, min(ys) - 5), (max(xs) + 5, max(ys) + 5)])
    drawn = one.selection()
    assert 0 < len(drawn) < len(places) / 2
    one.page.wait_for_function("() => new URLSearchParams(location.search).get('sel')")
    other = open_map("ben", address_of(one.page))
    other.wait("m => m.selection().length > 0")
    assert other.selection() == drawn


def test_every_class_is_in_the_list_of_the_legend_and_can_be_reached_by_keyboard(open_map):
    one = open_map()
    one.page.keyboard.press("o")
    listed = one.page.locator(".legend .list")
    expect(listed).to_be_visible()
    expect(listed.locator(".chip")).to_have_count(1 + len(survey.BAD_REASONS))  # good and each reason it has
    expect(listed).to_contain_text("None here")
    one.page.keyboard.press("ArrowDown")
    one.page.keyboard.press("Enter")
    one.page.keyboard.press("ArrowDown")
    one.page.keyboard.press("Shift+Enter")
    expect(listed.locator(".chip.alone")).to_have_count(2)
    one.page.keyboard.press("Escape")
    expect(listed).to_be_hidden()
    one.page.wait_for_function("() => new URLSearchParams(location.search).get('only')?.split('|').length === 2")


def test_keys_walk_through_the_selection(open_map):
    one = open_map()
    one.page.get_by_role("searchbox").fill("900004")
    one.page.keyboard.press("Enter")
    one.wait("m => m.selection().length === 61")
    one.key(".")
    expect(one.page.locator(".map-card")).to_be_visible()
    first = one.ask("m => m.rings().ccd[0]")
    one.key(".")
    second = one.ask("m => m.rings().ccd[0]")
    assert {first, second} <= one.selection()
    assert first != second
    one.key(",")
    one.key(".")
    assert one.ask("m => m.rings().ccd[0]") == second
    one.wait("m => m.heard()")  # the server has said each step again
    assert one.ask("m => m.rings().ccd[0]") == second
    one.key(",")
    assert one.ask("m => m.rings().ccd[0]") == first


def test_a_selection_becomes_one_vote_after_a_contact_sheet_and_is_undone_as_one_step(open_map, server):
    from triptych.pipeline.catalog.catalog import Catalog
    from triptych.pipeline.store.store import LabelStore

    def votes():
        store = LabelStore(Catalog.open(server.run).labels_url())
        try:
            return store.votes(inspector="cai", current=True)
        finally:
            store.close()

    one = open_map("cai")
    page = one.page
    page.get_by_role("searchbox").fill("cluster 1")
    page.keyboard.press("Enter")
    expect(page.locator("#thumbs-panel .judge")).to_contain_text("Judge 2")
    page.keyboard.press("Shift+J")
    sheet = page.locator("dialog.contact-sheet")
    tiles = sheet.get_by_role("option")
    expect(tiles.first).to_be_visible()
    offered = tiles.count()
    assert offered > 1
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    expect(tiles.nth(1)).to_have_attribute("aria-selected", "false")
    confirm = sheet.locator("[data-verb=confirm]")
    expect(confirm).to_be_disabled()
    page.keyboard.press("b")
    expect(confirm).to_contain_text("Choose a reason")
    page.keyboard.press("5")
    expect(confirm).to_contain_text(f"Mark {offered - 1} exposure")
    expect(confirm).to_contain_text("bad, all CCDs: Ghost")
    left_out = int(tiles.nth(1).get_attribute("data-expnum"))
    page.keyboard.press("Enter")
    expect(page.locator(".undo-offer")).to_contain_text(f"Marked {offered - 1} exposure")
    stored = votes()
    assert len(stored) == offered - 1
    assert set(stored["via"]) == {"bulk"}
    assert left_out not in set(stored["expnum"])
    expect(sheet).to_have_count(0)
    page.keyboard.press("Shift+J")
    expect(sheet).to_have_count(1)
    expect(sheet.locator(".tile.out")).to_have_count(offered - 1)  # judged before: left out until taken in
    page.keyboard.press("Escape")
    expect(sheet).to_have_count(0)
    page.keyboard.press("z")
    expect(page.locator(".undo-offer")).to_contain_text("Taken back")
    assert votes().empty
