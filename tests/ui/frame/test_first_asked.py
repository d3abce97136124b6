"""What a page asks for while it still loads is what its room asks for first, and is asked for once."""

import pytest

from tests.ui.conftest import wait_ready
from triptych.app.dashboard import FIRST_ASKED, FIRST_ASKED_BY_OTHERS

STANDS = """name => { const stands = root => [...root.querySelectorAll('*')].some(
    node => node.matches('.fill[data-ready]') || (node.shadowRoot && stands(node.shadowRoot)));
    return stands(document.getElementById(name)); }"""
ASKED = """() => performance.getEntriesByType('resource').map(
    entry => entry.name.replace(document.baseURI.split('?')[0], ''))"""


@pytest.mark.parametrize(
    ("user", "expected"),
    [("lea", FIRST_ASKED), ("amy", {"review": FIRST_ASKED["review"], "export": FIRST_ASKED_BY_OTHERS["export"]})],
)
def test_a_room_asks_once_for_what_was_fetched_ahead(open_page, user, expected):
    page = open_page(user, "/")
    warnings = []
    page.on("console", lambda message: warnings.append(message.text))
    for room, addresses in expected.items():
        page.goto(page.url.split("?")[0] + f"?room={room}")
        wait_ready(page)
        page.wait_for_function(STANDS, arg=room)
        page.wait_for_function(f"ahead => ({ASKED})().filter(name => ahead.includes(name)).length", arg=list(addresses))
        page.wait_for_load_state("networkidle")
        asked = page.evaluate(ASKED)
        assert {address: asked.count(address) for address in addresses} == dict.fromkeys(addresses, 1), room
    assert not [text for text in warnings if "preload" in text]
