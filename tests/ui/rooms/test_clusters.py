"""The Clusters room: rows, one open cluster, its images on the map, one judgement for all that were looked at."""

from playwright.sync_api import expect

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import LabelStore


def open_room(open_page, user="amy", address="/?room=clusters"):
    page = open_page(user, address)
    page.wait_for_function("() => window.__clusters && window.__clusters.open() !== null")
    expect(page.locator(".clusters .grid")).to_have_attribute("data-state", "shown")
    return page


def opened(page):
    return page.evaluate("() => window.__clusters.open()")


def test_rows_order_filters_and_keys(open_page):
    page = open_room(open_page)
    shown = page.evaluate("() => window.__clusters.shown()")
    expect(page.locator(".clusters .row")).to_have_count(len(shown) + 1)  # and noise apart
    assert opened(page) == shown[0]
    page.keyboard.press("ArrowDown")
    page.wait_for_function("cluster => window.__clusters.open() === cluster", arg=shown[1])
    page.wait_for_function("cluster => location.search.includes(`cluster=${cluster}`)", arg=shown[1])
    page.get_by_label("Order").select_option("number")
    assert page.evaluate("() => window.__clusters.shown()") == sorted(shown)
    page.get_by_label("With").select_option("Ghost_Scatter")
    assert 0 < len(page.evaluate("() => window.__clusters.shown()")) <= len(shown)
    expect(page.locator(".clusters .count")).to_contain_text("clusters")
    expect(page.locator(".clusters .tile").first).to_be_visible()


def test_an_address_opens_a_cluster_and_its_images_go_to_the_map(open_page):
    page = open_room(open_page, address="/?room=clusters&cluster=2")
    assert opened(page) == 2
    images = page.evaluate(
        "async () => (await (await fetch('/clusters/list')).json()).clusters.find(c => c.cluster === 2).n_images"
    )
    page.keyboard.press("o")
    page.wait_for_function("() => document.body.dataset.room === 'explore'")
    expect(page.locator("#thumbs-panel")).to_contain_text("cluster 2")
    expect(page.locator("#thumbs-panel")).to_contain_text(f"{images}")


def test_one_judgement_for_a_cluster_is_a_bulk_vote(open_page, server):
    page = open_room(open_page, "cai", "/?room=clusters&cluster=1")
    total = page.locator(".clusters .tile").count()
    page.keyboard.press("a")
    sheet = page.locator("dialog.contact-sheet")
    expect(sheet).to_be_visible()
    sheet.get_by_role("button", name="bad").first.click()
    sheet.locator("[data-reason=Ghost_Scatter], [data-name=Ghost_Scatter]").first.click()
    confirm = sheet.locator("[data-verb=confirm]")
    expect(confirm).to_be_enabled()
    confirm.click()
    expect(sheet).to_have_count(0)
    expect(page.locator(".clusters .tile .j-bad")).to_have_count(total)
    expect(page.locator(".clusters header")).to_contain_text("judged them all")
    with LabelStore(Catalog.open(server.run).labels_url()) as store:
        votes = store.votes(inspector="cai")
    assert len(votes) == total
    assert set(votes.via) == {"bulk"}
    assert all(screen["cluster"] == 1 for screen in votes.screen)


def test_a_viewer_looks_and_does_not_judge(open_page):
    page = open_room(open_page, "vic")
    expect(page.locator(".clusters [data-verb=judge]")).to_have_count(0)
    page.keyboard.press("a")
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.locator(".clusters .tile").first.click()
    page.wait_for_function("() => document.body.dataset.room === 'explore' && location.search.includes('focus=')")
