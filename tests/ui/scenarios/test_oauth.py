"""Through an OAuth provider on another site into the room that was asked for, with cookies as a browser keeps them."""

import pytest
from playwright.sync_api import expect

from tests import survey
from tests.app.oauth.fake_provider import FakeProvider
from tests.ui.conftest import serving, wait_ready
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import open_store

NAME = "amy@example.org"


@pytest.fixture
def served(tmp_path):
    """A server on localhost whose provider is at 127.0.0.1: for a browser these are two sites."""
    survey.make(tmp_path / "run", exposures=8)
    with FakeProvider() as provider, open_store(Catalog.open(tmp_path / "run")) as store:
        store.add_user(NAME, None)
        file = tmp_path / "oauth.toml"
        file.touch(mode=0o600)
        file.write_text(provider.toml())
        with serving(tmp_path / "run", "--no-worker", "--prefix", "/triptych", "--oauth", str(file)) as server:
            yield server


def test_a_link_into_a_room_arrives_there_by_way_of_the_provider(contexts, served):
    context = contexts.new()
    page = context.new_page()
    page.goto(f"{served.url}/?room=review&focus=900003")
    page.get_by_role("link", name="Log in with the observatory").click()
    wait_ready(page)
    expect(page.locator("#review")).to_be_visible()
    assert page.url.startswith(f"{served.url}/?room=review")
    assert {cookie["sameSite"] for cookie in context.cookies()} == {"Strict"}
    expect(page.get_by_text(NAME)).to_have_count(1)
    context.close()
