"""Logging in through an OAuth provider: only who has an account, only what was begun here, only on to our own pages."""

import base64
import json
import re
import time
from urllib.parse import parse_qs, urlsplit

import pytest

from tests import survey
from tests.app.oauth.fake_provider import KEY, FakeProvider
from tests.app.test_server import ROOT, STYLE, Browser
from tests.ui.conftest import serving
from triptych.app.oauth import handler
from triptych.app.oauth.provider import PROVIDERS, Provider, read_provider
from triptych.app.web.place import COOKIE
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput, TriptychError
from triptych.pipeline.store.store import open_store

NAME = "amy@example.org"
DOOR = "/login/oauth"


@pytest.fixture(scope="module")
def provider():
    with FakeProvider() as one:
        yield one


@pytest.fixture(scope="module")
def served(tmp_path_factory, provider):
    folder = tmp_path_factory.mktemp("oauth")
    survey.make(folder / "run", exposures=4)
    file = folder / "oauth.toml"
    file.touch(mode=0o600)
    file.write_text(provider.toml())
    with open_store(Catalog.open(folder / "run")) as store:
        store.add_user(NAME, None, "inspector")
        store.add_user("closed@example.org", None)
        store.set_active("closed@example.org", False)
    with serving(folder / "run", "--no-worker", "--oauth", str(file), "--prefix", "/triptych") as server:
        yield server


@pytest.fixture(autouse=True)
def as_before(provider):
    provider.person, provider.refuses, provider.token_answer, provider.user_answer = {"email": NAME}, "", None, None


@pytest.fixture
def door(served):
    return Browser(served.url)


def of(url):
    """Path and query of an address, without the path before everything."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return path.removeprefix("/triptych")


def begin(door, query=""):
    """Where the provider leads back to, after a log-in was begun in this browser."""
    answer = door.ask(DOOR + query)
    assert answer.status == 302
    there = Browser("").ask(answer.headers["Location"])
    return of(there.headers["Location"])


def come(door, query=""):
    return door.ask(begin(door, query))


def has_login(door):
    return any(cookie.name.startswith(COOKIE) for cookie in door.cookies)


def events(served, name=None):
    with open_store(Catalog.open(served.run)) as store:
        return [(one.what, one.name, one.details) for one in store.account_events(name)]


def test_the_form_offers_both_ways(door):
    form = door.ask("/login?next=/triptych/%3Froom%3Dreview").text
    assert 'name="password"' in form
    assert 'href="/triptych/login/oauth?next=/triptych/%3Froom%3Dreview"' in form
    assert "Log in with the observatory" in form


def test_who_has_an_account_comes_in_and_goes_on_where_they_wanted(door, served):
    answer = come(door, "?next=/triptych/%3Froom%3Dreview%26focus%3D900002")
    assert answer.status == 200
    assert 'content="0; url=/triptych/?room=review&amp;focus=900002"' in answer.text
    assert has_login(door)
    assert door.ask(STYLE).status == 200
    assert events(served, NAME)[-1] == ("log-in", NAME, "the observatory")
    cookies = [cookie for cookie in door.cookies if cookie.name.startswith("oauth")]
    assert cookies == [], "what binds both halves is used once"


def test_what_is_asked_of_the_provider(door, provider):
    provider.asked.clear()
    assert come(door).status == 200
    (_, asked), (_, form), (_, said) = provider.asked
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == f"{door.url}/login/oauth"
    assert asked["scope"] == "openid email profile"
    assert len(form["code_verifier"]) >= 43
    assert said == {}, "the token is in a header, as addresses are logged"


def test_no_token_stays_in_the_browser(door, provider):
    assert come(door).status == 200
    values = [cookie.value for cookie in door.cookies]
    assert not any(token in value for token in provider.tokens for value in values)
    assert all(cookie.has_nonstandard_attr("HttpOnly") for cookie in door.cookies)


def test_log_out_and_revoking_end_such_a_login(door, served):
    assert come(door).status == 200
    assert door.ask("/logout", b"", Origin=f"http://localhost:{served.port}").status == 303
    assert door.ask(STYLE).status == 403
    assert come(door).status == 200
    with open_store(Catalog.open(served.run)) as store:
        assert store.end_logins(NAME) >= 1
    give_up = time.monotonic() + 20
    while door.ask(STYLE).status == 200 and time.monotonic() < give_up:
        time.sleep(0.05)
    assert door.ask(STYLE).status == 403


def test_somebody_without_an_account_is_told_whom_to_ask(door, served, provider):
    provider.person = {"email": "new@example.org"}
    answer = come(door)
    assert answer.status == 403
    assert "knows you as new@example.org" in answer.text
    assert "Ask Cecilia" in answer.text
    assert "triptych user add RUN new@example.org --oauth" in answer.text
    assert not has_login(door)
    details = "no such account: new@example.org (the observatory)"
    assert events(served)[-1] == ("log-in failed", "", details)


def test_a_name_of_anybody_is_text_on_the_page_and_one_line_in_the_log(door, served, provider):
    provider.person = {"email": "<b>O'Brien</b>\tx\ny"}
    answer = come(door)
    assert answer.status == 403
    assert "<b>" not in answer.text
    assert "\t" not in events(served)[-1][2]


def test_a_closed_account_stays_closed(door, served, provider):
    provider.person = {"email": "closed@example.org"}
    answer = come(door)
    assert answer.status == 403
    assert "is closed" in answer.text
    assert not has_login(door)
    assert events(served)[-1] == ("log-in failed", "closed@example.org", "closed (the observatory)")


def test_nobody_gets_an_account_with_a_password_by_having_its_name_elsewhere(door, provider):
    provider.person = {"email": "amy"}
    assert come(door).status == 403
    assert not has_login(door)


def test_an_account_of_oauth_has_no_password(door):
    for password in ("", "oauth", survey.PASSWORD):
        form = {"username": NAME, "password": password, "next": "/triptych/"}
        assert door.ask("/login", form, Origin=f"http://localhost:{urlsplit(door.url).port}").status == 401


def test_a_refusal_is_told(door, served, provider):
    provider.refuses = "access_denied"
    answer = come(door)
    assert answer.status == 403
    assert "did not let you in (access_denied)" in answer.text
    assert events(served)[-1] == ("log-in failed", "", "the observatory said access_denied")


def test_what_was_not_begun_in_this_browser_or_comes_twice_is_refused(served, door, provider):
    provider.asked.clear()
    elsewhere = begin(Browser(served.url))
    assert door.ask(elsewhere).status == 400
    back = begin(door)
    state = parse_qs(urlsplit(back).query)["state"][0]
    assert door.ask(back.replace(state, state[::-1])).status == 400
    assert door.ask(back).status == 400, "what binds both halves is used once, also by a wrong state"
    for query in ("?code=x", "?state=", "?code=x&state=%C3%A9", "?error=access_denied"):
        assert door.ask(DOOR + query).status == 400
    assert "/token" not in [path for path, _ in provider.asked]
    assert not has_login(door)


@pytest.mark.parametrize(
    "answer", [(500, b"no"), (200, b"no json"), (200, b"[]"), (200, b'{"error": "bad"}'), (302, b"")]
)
def test_a_provider_that_answers_wrongly_lets_nobody_in(door, provider, answer):
    provider.token_answer = answer
    refused = come(door)
    assert refused.status == 502
    assert "Try again, or ask Cecilia" in refused.text
    assert not has_login(door)


@pytest.mark.parametrize(
    "said", [(401, {}), (200, {}), (200, {"email": 7}), (200, {"email": NAME, "email_verified": False})]
)
def test_a_provider_that_does_not_say_who_it_is_lets_nobody_in(door, provider, said):
    provider.user_answer = said
    assert come(door).status == 502
    assert not has_login(door)


def test_a_name_with_an_apostrophe_breaks_nothing(door, provider):
    provider.person = {"email": NAME, "name": "O'Brien"}
    assert come(door).status == 200


@pytest.mark.parametrize(
    "next_url", ["https://elsewhere.example", "//elsewhere.example", "/elsewhere", "/triptych/../x"]
)
def test_nothing_leads_on_to_another_site(door, next_url):
    assert door.ask(f"{DOOR}?next={next_url}").status == 400


def test_a_server_without_a_provider_has_no_such_door(tmp_path):
    survey.make(tmp_path / "run", exposures=4)
    with serving(tmp_path / "run", "--no-worker") as server:
        door = Browser(server.url)
        assert door.ask(DOOR).status == 404
        assert "login/oauth" not in door.ask("/login").text


# ---- the file


def written(folder, text, mode=0o600):
    path = folder / "oauth.toml"
    path.touch()
    path.chmod(mode)
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_provider_has_addresses_over_https(tmp_path, name):
    params = "\n".join(f'{param} = "https://example.org"' for param in PROVIDERS[name])
    found = read_provider(written(tmp_path, f'provider = "{name}"\nkey = "k"\n[params]\n{params}'))
    assert found.authorize_url.startswith("https://")
    assert found.token_url.startswith("https://")
    assert found.user_key
    assert "access_token" not in found.user_url


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('provider = "github"', "key"),
        ('provider = "gitbub"\nkey = "k"', "Did you mean 'github'"),
        ('provider = "github"\nkey = "k"\nsecrt = "s"', "secrt"),
        ('provider = "azure"\nkey = "k"', "tenant"),
        ('provider = "github', "cannot be read"),
        ('provider = "github"\nkey = "k"\nredirect = "https://x.org/"', "login/oauth"),
        ('provider = "generic"\nkey = "k"\n[params]\nAUTHORIZE_URL = "http://x.org"\nTOKEN_URL = "x"', "https://"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path, text, says):
    with pytest.raises(TriptychError, match=says):
        read_provider(written(tmp_path, text))


def test_a_file_that_others_may_read_is_refused(tmp_path):
    with pytest.raises(BadInput, match="chmod 600"):
        read_provider(written(tmp_path, 'provider = "github"\nkey = "k"', mode=0o640))
    with pytest.raises(BadInput, match="cannot be read"):
        read_provider(tmp_path / "nowhere.toml")


def test_the_secret_is_in_no_text_of_the_provider():
    assert "hush" not in repr(Provider(provider="github", key="k", secret="hush"))


def id_token(**claims):
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{body}.x"


def test_an_id_token_must_be_meant_for_us_and_fresh():
    one, soon = Provider(provider="google", key=KEY), time.time() + 60
    for audience in (KEY, ["other", KEY]):
        assert handler.claims_of(one, id_token(aud=audience, exp=soon, email=NAME))["email"] == NAME
    for wrong in (id_token(aud="other", exp=soon), id_token(aud=KEY, exp=1), id_token(exp=soon), "x", None, "a.b.c"):
        with pytest.raises(handler.ProviderFault):
            handler.claims_of(one, wrong)


def test_the_file_of_the_deploying_page_can_be_used(tmp_path):
    (text,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "deploy.md").read_text(), re.DOTALL)
    found = read_provider(written(tmp_path, text))
    assert (found.name, found.user_key, found.scopes) == ("the observatory", "username", ["read_user"])
    assert found.authorize_url == "https://gitlab.example.org/oauth/authorize"
