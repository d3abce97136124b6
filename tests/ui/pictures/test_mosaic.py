"""Mosaic and thumbnails of Explore in a real browser."""

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.ui.conftest import no_answer
from tests.ui.waiting import painted, wait_until
from triptych.app.pictures import packets
from triptych.pipeline.camera import DECAM
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore

EXPNUM = 900001
BACKGROUND = 10
S7 = DECAM.slot("S7")


def mosaic_of(page, expnum=EXPNUM):
    """The mosaic's element, when it shows this exposure."""
    found = page.locator(f"#mosaic-panel .mosaic[data-expnum='{expnum}']")
    expect(found).to_have_count(1)
    return found


def run(page, script, argument=None):
    """Run `script` (a function of the mosaic and one argument) in the page."""
    return page.locator("#mosaic-panel .pane").evaluate(
        f"(el, argument) => ({script})(el.parentNode.mosaic, argument)", argument
    )


def place_of(page, ccdname, across=0.5, down=0.25):
    """Point of the page (CSS pixels) at a part of a CCD."""
    x, y = run(
        page,
        """(m, [name, across, down]) => {
            const { rect } = m.ccds.find(ccd => ccd.ccdname === name), box = m.root.getBoundingClientRect();
            const at = (c, view, size) => (c - view) * m.view.scale + size / 2;
            return [box.left + at(rect[0] + across * rect[2], m.view.x, m.width) / m.ratio,
                    box.top + at(rect[1] + down * rect[3], m.view.y, m.height) / m.ratio];
        }""",
        [ccdname, across, down],
    )
    return x, y


def grey_at(page, x, y, size=5):
    """Mean grey of a few pixels of the page."""
    clip = {"x": round(x) - size // 2, "y": round(y) - size // 2, "width": size, "height": size}
    return float(np.asarray(Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("L"), float).mean())


def test_every_ccd_is_in_its_place(open_page):
    page = open_page("amy", f"/?focus={EXPNUM}&stretch=faint")
    mosaic_of(page)
    assert len(run(page, "m => m.ccdnames()")) == 61
    for name in ("S31", "S29", "N31", "N29", "N1", "S4"):
        assert grey_at(page, *place_of(page, name)) > 50, name
    assert grey_at(page, *place_of(page, "S7", 0.5, 0.25)) > 50
    assert grey_at(page, *place_of(page, "S7", 0.5, 0.75)) < 40, "half of S7 recorded nothing"
    assert grey_at(page, *place_of(page, "S31", -0.5, 0.5), 3) == pytest.approx(BACKGROUND, abs=2)


def test_changing_the_stretch_asks_for_nothing(open_page):
    page = open_page("amy", f"/?focus={EXPNUM}&stretch=faint")
    mosaic_of(page)
    asked = []
    page.on("request", lambda request: asked.append(request.url) if "/picture/mosaic" in request.url else None)
    before = grey_at(page, *place_of(page, "S4"))
    page.keyboard.press("s")
    run(page, "m => m.setStretch('stars')")
    painted(page)
    assert grey_at(page, *place_of(page, "S4")) < before
    run(page, "m => { m.setStretch('faint'); m.setInvert(true); m.setLimits(-1, 1); m.setScaleMode('ccd'); }")
    painted(page)
    assert run(page, "m => m.screen()")["limits"] == [-1, 1]
    assert not asked


def test_a_prefetched_exposure_is_there_in_the_next_frame(open_page):
    page = open_page("amy", f"/?focus={EXPNUM}")
    mosaic_of(page)
    result = run(
        page,
        """async m => {
            const ofMosaics = one => one.name.includes('/picture/mosaic/');
            const asked = () => performance.getEntriesByType('resource').filter(ofMosaics).length;
            // the thumbnails of the page have wishes of their own, which may replace this one
            while (![900002, 900003].every(expnum => m.pictures.peek(expnum))) await m.prefetch([900002, 900003]);
            const before = asked();
            const painted = m.show(900002), { expnum, state } = m.root.dataset;
            await painted;
            return { expnum, state, asked: asked() - before };
        }""",
    )
    assert result == {"expnum": "900002", "state": "shown", "asked": 0}


def test_an_exposure_that_is_not_there_is_never_shown_as_another(open_page):
    page = open_page("amy", f"/?focus={EXPNUM}")
    page.expected_problems += ["404"]
    mosaic_of(page)
    run(page, "m => m.show(5)")
    failed = page.locator("#mosaic-panel .mosaic[data-state=failed]")
    expect(failed).to_contain_text("no exposure 5")
    assert run(page, "m => m.ccdnames()") == []


def test_the_tag_tells_ccd_and_value(open_page, server):
    page = open_page("amy", f"/?focus={EXPNUM}")
    mosaic_of(page)
    page.mouse.move(*place_of(page, "N4", 0.31, 0.62))
    tag = page.locator("#mosaic-panel .tag")
    expect(tag).to_contain_text("N4")
    shown = float(re.search(r"N4\s*([\d,.]+) ADU", tag.inner_text().replace("\n", " "))[1].replace(",", ""))
    ccdnums, pixels = Catalog.open(server.run).preview(EXPNUM)
    image = pixels[list(ccdnums).index(DECAM.number("N4"))]
    ny, nx = image.shape
    row, column = int((1 - 0.31) * ny), int(0.62 * nx)
    near = image[row - 2 : row + 3, column - 2 : column + 3]
    assert np.abs(near - shown).min() < 1


def test_zoom_at_the_cursor_drag_and_back(open_page):
    page = open_page("amy", f"/?focus={EXPNUM}")
    mosaic_of(page)
    x, y = (round(value) for value in place_of(page, "S10"))
    page.mouse.move(x, y)
    before = place_of(page, "S10")
    for _ in range(2):
        page.mouse.wheel(0, -240)
    wait_until(page, lambda: run(page, "m => m.screen().zoom") > 2.8)
    now = place_of(page, "S10")
    assert np.hypot(now[0] - before[0], now[1] - before[1]) < 2.5, "what is under the cursor stays there"
    x, y = (round(value) for value in now)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 40, steps=4)
    page.mouse.up()
    moved = place_of(page, "S10")
    assert np.hypot(moved[0] - x - 60, moved[1] - y - 40) < 3
    page.mouse.dblclick(x, y)
    assert run(page, "m => m.screen().zoom") == 1


def test_click_focuses_and_a_second_click_enlarges(open_page):
    page = open_page("amy", f"/?focus={EXPNUM}&q={EXPNUM}")
    page.expected_problems += ["410"]
    mosaic_of(page)
    at = place_of(page, "S9")
    page.mouse.click(*at)
    expect(page.locator("#thumbs-panel .thumb.focused")).to_contain_text("900001-S9")
    page.mouse.click(*at)
    enlarged = page.locator("#mosaic-panel .mosaic[data-ccd='S9']")
    expect(enlarged).to_contain_text("preview only")
    assert grey_at(page, *at) > 15
    page.keyboard.press("Escape")
    expect(page.locator("#mosaic-panel .mosaic[data-ccd='']")).to_have_count(1)
    assert run(page, "m => m.screen().ccds_opened") == ["S9"]


def test_ticks_names_and_overlay_are_drawn(open_page):
    page = open_page("amy", f"/?focus={EXPNUM}")
    mosaic_of(page)
    marks = """m => {
        const { marks } = m.furniture;
        const { data } = marks.getContext('2d').getImageData(0, 0, marks.width, marks.height);
        return data.filter((value, i) => i % 4 === 3 && value > 0).length;
    }"""
    plain = run(page, marks)
    run(page, "m => { m.setNames(true); m.draw(); }")
    named = run(page, marks)
    run(page, "m => { m.setTicked(['S4']); m.setOverlay({ N4: { value: 0.9, colour: '#ff5030' } }); m.draw(); }")
    assert plain < named < run(page, marks)
    page.keyboard.press("m")
    expect(page.locator("#mosaic-panel button[data-key=m]")).to_have_attribute("aria-pressed", "true")


def test_losing_the_graphics_card_is_survived(open_page):
    page = open_page("amy", f"/?focus={EXPNUM}&stretch=faint")
    mosaic_of(page)
    run(
        page,
        """async m => {
            const lose = m.gl.gl.getExtension('WEBGL_lose_context');
            lose.loseContext();
            await new Promise(r => setTimeout(r, 100));
            lose.restoreContext();
            await new Promise(r => setTimeout(r, 200));
        }""",
    )
    assert grey_at(page, *place_of(page, "S4")) > 50


def test_without_webgl_a_ready_made_picture_is_shown(open_page):
    page = open_page("amy", "/?stretch=faint")
    page.add_init_script(
        """const get = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
            return kind === 'webgl2' ? null : get.call(this, kind, ...more);
        };"""
    )
    page.goto(page.url.split("?")[0] + f"?focus={EXPNUM}&stretch=faint")
    mosaic_of(page)
    picture = "m => [...m.furniture.plain.values()].some(image => image.complete && image.naturalWidth)"
    wait_until(page, lambda: run(page, picture))
    painted(page)
    assert grey_at(page, *place_of(page, "S4")) > 50
    assert grey_at(page, *place_of(page, "S31", -0.5, 0.5), 3) == pytest.approx(BACKGROUND, abs=3)


# ---- looking


def picture_of(page):
    """Grey levels of the mosaic's pixels as the browser shows them, without its marks."""
    box = page.locator("#mosaic-panel .mosaic")
    box.evaluate("el => { for (const other of el.children) if (!other.matches('canvas.pixels')) other.hidden = true; }")
    shown = np.asarray(Image.open(io.BytesIO(box.screenshot())).convert("L"), float)
    box.evaluate("el => { for (const other of el.children) other.hidden = false; }")
    return shown


def test_a_frame_drawn_ahead_is_the_frame_drawn_now(open_page):
    page = open_page("amy", f"/?focus={EXPNUM}&stretch=faint")
    mosaic_of(page)
    run(page, "async m => { await m.prefetch([900002]); await m.show(900002); }")
    drawn = picture_of(page)
    run(page, "async m => { await m.show(900001); m.ahead.forget(); m.ahead.want([900002]); }")
    wait_until(page, lambda: run(page, "m => Boolean(m.ahead.frames.get(900002)?.whole)"))
    run(page, "async m => { m.ahead.painted = m.ahead.paint(900002, m.look(m.view)); await m.show(900002); }")
    assert run(page, "m => m.ahead.painted"), "it has the look that is asked for"
    assert np.abs(picture_of(page) - drawn).max() <= 2
    frames = run(page, "m => [...m.ahead.frames.values()].reduce((sum, f) => sum + 4 * f.width * f.height, 0)")
    assert frames <= 64 * 2**20


def test_blinking_shows_another_exposure_and_picks_nothing_in_it(open_page):
    page = open_page("amy", f"/?focus={EXPNUM}&stretch=faint")
    mosaic_of(page)
    own = picture_of(page)
    page.keyboard.press("d")
    seen = page.locator("#mosaic-panel .mosaic:not([data-blink=''])")
    expect(seen).to_have_count(1)
    expect(seen.locator(".blinked")).to_contain_text(f"a vote goes to {EXPNUM}")
    other = int(seen.get_attribute("data-blink"))
    assert other != EXPNUM
    wait_until(page, lambda: run(page, "m => Boolean(m.other?.picture)"))
    wait_until(page, lambda: np.abs(picture_of(page) - own).max() > 20)
    run(page, "m => { m.pickedWhat = []; m.onPick(pick => m.pickedWhat.push(pick)); }")
    page.mouse.click(*place_of(page, "S9"))
    assert run(page, "m => [m.pickedWhat.length, m.expnum, m.screen().blinked_with]") == [0, EXPNUM, [other]]
    page.keyboard.press("Escape")
    expect(page.locator("#mosaic-panel .mosaic[data-blink='']")).to_have_count(1)
    page.mouse.move(5, 5)
    wait_until(page, lambda: np.abs(picture_of(page) - own).max() <= 2)


def test_the_mask_names_what_it_shows_and_hatches_what_recorded_nothing(open_page):
    page = open_page("amy", f"/?focus={EXPNUM}&stretch=faint")
    mosaic_of(page)
    dark = grey_at(page, *place_of(page, "S7", 0.5, 0.75), 15)
    page.keyboard.press("q")
    legend = page.locator("#mosaic-panel .legend")
    expect(legend).to_contain_text("nothing recorded")
    expect(legend).to_contain_text("No data-quality mask")
    wait_until(page, lambda: grey_at(page, *place_of(page, "S7", 0.5, 0.75), 15) > dark + 10)
    assert grey_at(page, *place_of(page, "S4")) > 50, "pixels stay under it"
    assert run(page, "m => m.screen().masks") == ["nothing_recorded"]
    page.keyboard.press("q")
    expect(legend).to_be_hidden()


def test_limits_are_set_by_keys_numbers_and_handles(open_page):
    page = open_page("amy", f"/?focus={EXPNUM}&stretch=faint")
    mosaic_of(page)
    page.keyboard.press(";")
    panel = page.get_by_role("group", name="limits of the stretch")
    expect(panel).to_be_visible()
    panel.get_by_label("high limit, sky sigmas").fill("9")
    page.keyboard.press("Enter")
    assert run(page, "m => m.screen().limits") == [-3, 9]
    sigma = run(page, "m => m.picture.header.sigma")
    panel.get_by_label("low limit, in the unit of the picture").fill(str(-2 * sigma))
    page.keyboard.press("Enter")
    assert run(page, "m => m.screen().limits[0]") == pytest.approx(-2, abs=0.02)
    handle = panel.get_by_role("slider", name="high limit, sigmas")
    handle.focus()
    page.keyboard.press("ArrowLeft")
    assert run(page, "m => m.screen().limits[1]") < 9
    panel.get_by_role("button", name="Reset").click()
    assert run(page, "m => m.screen().limits") is None
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    page.keyboard.press(">")
    assert run(page, "m => m.screen().limits") == [-3.75, 6.25]


def test_a_held_key_blinks_until_it_is_let_go(open_page):
    page = open_page("amy", f"/?focus={EXPNUM}")
    mosaic_of(page)
    other, own = (page.locator(f"#mosaic-panel .mosaic{what}") for what in (":not([data-blink=''])", "[data-blink='']"))
    page.keyboard.press("d")
    expect(other).to_have_count(1)
    page.keyboard.press("d")
    expect(own).to_have_count(1)
    page.keyboard.down("d")
    page.keyboard.down("d")  # the keyboard repeats it
    expect(other).to_have_count(1)
    page.keyboard.up("d")
    expect(own).to_have_count(1)


def test_the_keyboard_goes_from_ccd_to_ccd(open_page):
    page = open_page("amy", f"/?focus={EXPNUM}")
    page.expected_problems += ["410"]
    mosaic_of(page)
    page.locator("#mosaic-panel .mosaic").focus()
    first = run(page, "m => m.keyed")
    assert first in ("S4", "N4", "S3", "N3", "S5", "N5")
    page.keyboard.press("ArrowRight")
    second = run(page, "m => m.keyed")
    assert DECAM.slot(second).x0 > DECAM.slot(first).x0
    assert DECAM.slot(second).row == DECAM.slot(first).row
    page.keyboard.press("ArrowDown")
    third = run(page, "m => m.keyed")
    assert DECAM.slot(third).y0 > DECAM.slot(second).y0
    expect(page.locator("#mosaic-panel .spoken")).to_contain_text(third)
    page.keyboard.press("Enter")
    expect(page.locator(f"#mosaic-panel .mosaic[data-ccd='{third}']")).to_have_count(1)


def test_a_server_that_does_not_answer_is_asked_again(open_page):
    page = open_page("amy", f"/?focus={EXPNUM}")
    page.expected_problems += ["ERR_FAILED", "Failed to load"]
    mosaic_of(page)
    with no_answer(page, "**/picture/mosaic/900009.bin*"):
        run(page, "m => { m.show(900009); }")
        failed = page.locator("#mosaic-panel .mosaic[data-state=failed]")
        expect(failed).to_contain_text("no connection to the server")
    mosaic_of(page, 900009)


def test_ticks_by_sweep_row_and_all_go_with_the_vote(open_page, server):
    page = open_page("amy", "/?room=review")
    page.wait_for_function("() => window.__review?.shown()")
    page.keyboard.press("Escape")
    box = page.locator(".review .mosaic[data-state=shown]")
    expect(box).to_have_count(1)
    expnum = page.evaluate("() => window.__review.shown()")
    bounds = box.bounding_box()
    middle = (bounds["x"] + bounds["width"] / 2, bounds["y"] + bounds["height"] / 2 - 20)
    page.mouse.move(middle[0] - 90, middle[1])
    page.keyboard.down("Shift")
    page.mouse.down()
    page.mouse.move(middle[0] + 90, middle[1], steps=6)
    page.mouse.up()
    page.keyboard.up("Shift")
    facts = page.locator(".review [data-part=facts]")
    expect(facts).to_contain_text(re.compile(r"ticked: [234] of 61 CCDs bad"))
    page.keyboard.press("t")
    expect(facts).to_contain_text("ticked: whole exposure bad")
    page.keyboard.press("t")
    expect(facts).not_to_contain_text("ticked")
    page.keyboard.press("l")
    expect(facts).to_contain_text(re.compile(r"ticked: [67] of 61 CCDs bad"))
    page.keyboard.press("d")
    expect(page.locator(".review .mosaic:not([data-blink=''])")).to_have_count(1)
    page.keyboard.press("b")
    expect(page.locator(".review .mosaic[data-blink='']")).to_have_count(1)
    expect(page.locator(".review [data-part=hint]")).to_contain_text("of 61 CCDs bad")
    page.keyboard.press("5")
    page.wait_for_function("old => window.__review.shown() !== old && window.__review.waiting() === 0", arg=expnum)
    expect(page.locator(".review .votes li").first).to_contain_text("of 61 CCDs bad")
    with LabelStore(Catalog.open(server.run).labels_url()) as store:
        votes = store.votes(inspector="amy")
    vote = votes[(votes.expnum == expnum) & (votes.ccdname == "")].iloc[-1]
    assert vote.judgement == "bad"
    assert vote.screen["blinked_with"]
    assert len(vote.screen["ccds_ticked"]) in (6, 7)
    assert {"limits", "scale_mode", "invert", "zoom", "masks", "ccds_opened", "seconds"} <= set(vote.screen)
    page.locator(".review .votes button").first.click()
    expect(page.locator(".review .mosaic .verdict")).to_contain_text("of 61 CCDs bad")


# ---- thumbnails


def test_nothing_selected_says_what_to_do(open_page):
    page = open_page("amy", "/?room=explore")
    expect(page.locator("#thumbs-panel .empty")).to_contain_text("Lasso")


def test_hundreds_of_thumbnails_scroll_without_a_gap(open_page):
    page = open_page("amy", "/?q=90000")
    grid = page.locator("#thumbs-panel .grid")
    expect(page.locator("#thumbs-panel .head")).to_contain_text("549")
    expect(page.locator("#thumbs-panel .thumb").first).to_be_visible()
    for share in (0.3, 0.6, 1.0):
        grid.evaluate("(el, share) => { el.scrollTop = share * el.scrollHeight; }", share)
        page.wait_for_function(
            """el => {
                const box = el.getBoundingClientRect();
                const inside = b => b.bottom > box.top && b.top < box.bottom;
                const seen = [...el.querySelectorAll('.thumb')].filter(t => inside(t.getBoundingClientRect()));
                const whole = t => t.querySelector('img').naturalWidth && t.querySelector('.name').textContent;
                return seen.length > 10 && seen.every(whole);
            }""",
            arg=grid.element_handle(),
            timeout=5000,
        )
    assert page.locator("#thumbs-panel .thumb").count() < 200
    assert page.locator("#thumbs-panel .thumb.gone").count() == 0


def test_arrows_move_the_focus_and_the_mosaic_follows(open_page):
    page = open_page("amy", "/?q=90000")
    page.locator("#thumbs-panel select").select_option("expnum")
    first = page.locator("#thumbs-panel .thumb[data-place='0']")
    expect(first).to_contain_text("900001-S29")
    first.click()
    mosaic_of(page, 900001)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#thumbs-panel .thumb.focused")).to_contain_text("900001-S30")
    for _ in range(60):
        page.keyboard.press("j")
    expect(page.locator("#thumbs-panel .thumb.focused")).to_contain_text("900002-")
    mosaic_of(page, 900002)


def test_picked_thumbnails_become_the_selection(open_page):
    page = open_page("amy", f"/?q={EXPNUM}")
    page.locator("#thumbs-panel select").select_option("expnum")
    thumb = "#thumbs-panel .thumb[data-place='{}']"
    expect(page.locator(thumb.format(0))).to_contain_text("S29")  # CCD 1: the new order is there
    page.locator(thumb.format(1)).click()
    page.locator(thumb.format(4)).click(modifiers=["Shift"])
    expect(page.locator("#thumbs-panel .thumb.picked")).to_have_count(4)
    page.locator("#thumbs-panel button[data-verb=keep]").click()
    expect(page.locator("#thumbs-panel .head")).to_contain_text("4 picked")
    expect(page.locator("#thumbs-panel .thumb")).to_have_count(4)
    page.locator("#thumbs-panel button[data-verb=clear]").click()
    expect(page.locator("#thumbs-panel .empty")).to_be_visible()


def test_packets_are_what_the_browser_reads(open_page, server):
    """The browser and the Python reader agree on every code."""
    page = open_page("amy", f"/?focus={EXPNUM}")
    mosaic_of(page)
    body = page.request.get(f"{server.url}/picture/mosaic/{EXPNUM}.bin").body()
    _, sections = packets.read_packet(body)
    total = run(page, "m => m.picture.pixels.reduce((sum, code) => sum + code, 0)")
    assert total == int(sections["pixels"].astype(np.int64).sum())
