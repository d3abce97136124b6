"""The Lead room in a real browser: accounts, everybody's queue, jobs; and the bar of the queue in Review."""

import uuid

import pytest
from playwright.sync_api import expect

from tests.ui.conftest import log_in, log_out
from tests.ui.waiting import painted
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore

SERVER_OPTIONS = ()  # with a worker, for the retraining
# The server answers which choices there are; the page gets that answer when the test wants it.
HOLD_BACK = """() => {
  const real = window.fetch, held = window.__held = {};
  const gone = new Promise(resolve => { held.let_go = resolve; });
  window.fetch = async (input, options) => {
    const answer = await real(input, options);
    if (String(input).endsWith('queue/choices') && !options?.body) { held.came = true; await gone; }
    return answer;
  };
}"""


@pytest.fixture
def store(server):
    opened = LabelStore(Catalog.open(server.run).labels_url())
    yield opened
    opened.close()


def test_an_account_is_made_used_and_switched_off(open_page, server, store):
    page, name = open_page("lea", "/?room=lead"), f"dora{uuid.uuid4().hex[:6]}"
    page.get_by_role("button", name="Add an account").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Add", exact=True).click()
    password = page.locator("dialog output").inner_text()
    page.get_by_role("button", name="Done").click()
    expect(page.get_by_role("row", name=name)).to_be_visible()
    dora = open_page(name, "/?room=export", password=password)
    expect(dora.get_by_role("tab", name="Lead")).to_have_count(0)
    page.get_by_role("button", name=f"Switch {name} off").click()
    expect(page.get_by_role("button", name=f"Switch {name} on")).to_be_visible()
    dora.expected_problems.extend(["403", "401"])
    assert dora.request.get(f"{server.url}/api/queue").status == 403
    # the page goes to the login by itself; closed while it is on the way, it would hang
    expect(dora.get_by_role("button", name="Log in")).to_be_visible()
    page.expected_problems.append("400")
    page.get_by_role("button", name="Add an account").click()
    page.get_by_label("Name").fill(name)
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("already an account")


def test_settings_show_their_effect_before_they_are_kept(open_page, store):
    page = open_page("lea", "/?room=lead")
    effect = page.locator(".effect")
    expect(effect).to_contain_text("This asks for")
    page.get_by_label("Adaptive").check()
    expect(effect).to_contain_text("Kept, this would ask for")
    expect(effect).to_contain_text("in the control")
    assert store.setting("queue") is None
    page.get_by_role("button", name="Keep for everybody").click()
    expect(page.locator("#toast")).to_contain_text("Kept")
    expect(page.get_by_text("votes not asked for")).to_be_visible()
    assert store.setting("queue")["rule"] == "adaptive"
    page.get_by_label("Everybody votes").check()
    page.get_by_role("button", name="Keep for everybody").click()
    expect(page.get_by_text("It is off")).to_be_visible()


def test_known_answers_are_drawn_and_a_retraining_is_asked_for_and_cancelled(open_page, store):
    page = open_page("lea", "/?room=lead")
    page.get_by_role("button", name="Draw").first.click()
    expect(page.get_by_text("4 drawn.")).to_be_visible()
    assert len(store.draws(kind="known")) == 4
    page.get_by_role("button", name="Retrain from the votes").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".jobs")).to_contain_text("cancelled")


def test_only_leads_get_the_room_and_its_routes(open_page, server):
    page = open_page("amy", "/?room=lead")
    expect(page.get_by_role("tab", name="Explore")).to_have_attribute("aria-selected", "true")
    page.expected_problems.append("403")
    asked = "fetch('/lead/overview').then(answer => answer.status)"
    assert page.evaluate(asked) == 403
    for route in ("account/add", "account/change", "assign", "queue/effect", "queue/settings", "draw", "job"):
        sent = "{method: 'POST', body: '{}', headers: {'X-Triptych-User': 'amy'}}"
        asked = f"fetch('/lead/{route}', {sent}).then(answer => answer.status)"
        assert page.evaluate(asked) == 403
    log_out(page, server)
    page.goto(server.url)
    log_in(page, "lea")
    page.wait_for_function("() => document.body?.dataset.ready === '1'")
    expect(page.get_by_role("tab", name="Lead")).to_be_visible()


def test_an_inspector_chooses_order_and_packet_by_keyboard(open_page, store):
    store.keep_setting("queue", {}, owner="ben")
    page = open_page("ben", "/?room=review")
    bar = page.locator(".queue-bar button")
    expect(bar).to_contain_text("most suspicious first")
    whole = page.evaluate("__review.queue()")
    page.keyboard.press("o")
    expect(page.get_by_role("dialog", name="Your queue")).to_be_visible()
    page.get_by_role("button", name="night by night").press("Enter")
    expect(bar).to_contain_text("night by night")
    band = page.locator("dialog [data-facet=band]").first
    name = band.get_attribute("data-value")
    band.press("Enter")
    expect(bar).to_contain_text(f"night by night · {name}")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.wait_for_function("n => __review.queue().length < n", arg=len(whole))
    part = page.evaluate("__review.queue()")
    assert set(part) < set(whole)
    assert page.evaluate("__review.shown()") == part[0]
    page.wait_for_function("() => fetch('/api/queue/order').then(a => a.json()).then(a => a.order.length > 0)")
    assert store.setting("queue", owner="ben") == {"order": "night", "packet": f"band={name}"}
    page.reload()
    expect(bar).to_contain_text(f"night by night · {name}")


def test_an_older_answer_does_not_undo_a_choice(open_page, store):
    store.keep_setting("queue", {}, owner="ben")
    page = open_page("ben", "/?room=review")
    bar = page.locator(".queue-bar button")
    expect(bar).to_contain_text("most suspicious first")
    page.evaluate(HOLD_BACK)
    page.keyboard.press("o")
    page.wait_for_function("() => window.__held.came")
    page.get_by_role("button", name="night by night").click()
    expect(bar).to_contain_text("night by night")
    page.evaluate("() => { window.__held.let_go(); return fetch('api/queue/order').then(answer => answer.json()); }")
    painted(page)
    expect(bar).to_contain_text("night by night")


def test_what_is_on_screen_is_leased_and_let_go(open_page, store):
    page = open_page("cai", "/?room=review")
    page.wait_for_function("() => window.__review?.shown()")
    with page.expect_response("**/api/queue/look"):
        page.keyboard.press("ArrowRight")
    shown = page.evaluate("__review.shown()")
    leases = store.leases()
    assert leases.loc[leases["inspector"] == "cai", "expnum"].tolist() == [shown]
    with page.expect_response("**/api/queue/look"):
        page.get_by_role("tab", name="Explore").click()
    assert "cai" not in store.leases()["inspector"].tolist()
