"""The documentation in a browser, opened as files: dark at first, light on request, searched, from no other host."""

import re

import pytest
from playwright.sync_api import expect

from tests import documentation


@pytest.fixture
def page_of_site(contexts):
    """The first page of the site; nothing may be asked of any host, and nothing may fail."""
    context = contexts.new()
    problems = []
    context.on("request", lambda asked: problems.append(asked.url) if asked.url.startswith("http") else None)
    context.on("weberror", lambda error: problems.append(str(error.error)))
    page = context.new_page()
    page.goto((documentation.site() / "index.html").as_uri())
    yield page
    context.close()
    assert not problems


@pytest.mark.slow
def test_dark_at_first_and_light_on_request(page_of_site):
    body = page_of_site.locator("body")
    expect(body).to_have_css("background-color", "rgb(13, 17, 23)")
    page_of_site.get_by_title("Light", exact=True).click()
    expect(body).to_have_css("background-color", "rgb(255, 255, 255)")


@pytest.mark.slow
def test_search_finds_a_command(page_of_site):
    page_of_site.get_by_role("textbox", name="Search").fill("adjudicate")
    page_of_site.locator(".md-search-result__link", has_text="Adjudicate").first.click()
    expect(page_of_site).to_have_url(re.compile(r"\.html\?h=adjudicate"))
