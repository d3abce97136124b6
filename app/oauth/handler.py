"""The way to an OAuth provider and back: authorization code with `state` and PKCE (RFC 6749, 7636, 9700).

Panel has login handlers for OAuth, and this takes from them where each provider is and how it calls a person. It does
not take their way of logging in, for three reasons: they leave the provider's tokens in the browser's cookies, where
nobody can end them; they use PKCE only without a secret; and an answer with an apostrophe in it, as in a name, breaks
them. Here a token is used once, to ask who somebody is, and forgotten. What they get is a login of the label store, as
with a password: it ends by the same log-out, closing and revoking.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import re
import secrets
import time
from urllib.parse import urlencode

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.httputil import url_concat

from triptych.app.oauth.provider import Provider
from triptych.app.web.auth import DoorHandler, page
from triptych.app.web.place import COOKIE
from triptych.app.web.tries import WINDOW_SECONDS

log = logging.getLogger("triptych")

PATH = "login/oauth"  # below the run's page
MINUTES = 10  # that somebody has at the provider
ANSWER_SECONDS = 15.0
ANSWER_BYTES = 1 << 20
LONGEST_NAME = 200
_ERROR = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class ProviderFault(Exception):
    """The provider did not say who somebody is. The text is for the log, and has nothing secret in it."""


class OAuthHandler(DoorHandler):
    """GET without a query, or with ?next=, leads to the provider, which leads back with ?code= or ?error= and ?state=.

    A cookie binds both halves together: it holds `state`, the verifier of PKCE and where to go on, is signed, goes to
    this address only, and is used once. It is SameSite=Lax, because whoever comes back comes from another site.
    """

    @property
    def provider(self) -> Provider:
        return self.app.oauth

    @property
    def cookie(self):
        """(name, path) of the cookie that binds the halves together."""
        place = self.app.place
        return place.cookie.replace(COOKIE, "oauth", 1), place.root + PATH

    @property
    def redirect_uri(self) -> str:
        return self.provider.redirect or f"{self.request.protocol}://{self.request.host}{self.app.place.root}{PATH}"

    async def get(self):
        self.set_header("Cache-Control", "no-store")
        if any(self.get_query_argument(name, None) is not None for name in ("code", "error", "state")):
            return await self.come_back()
        return self.go()

    def go(self):
        """Lead the browser to the provider."""
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        name, path = self.cookie
        begun = json.dumps({"state": state, "verifier": verifier, "next": self.next_url()})
        self.keep_cookie(name, begun, MINUTES / 1440, samesite="Lax", path=path)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code",
            "client_id": self.provider.key,
            "redirect_uri": self.redirect_uri,
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        if self.provider.scopes:
            asked["scope"] = " ".join(self.provider.scopes)
        self.redirect(url_concat(self.provider.authorize_url, asked))

    async def come_back(self):
        """Ask the provider who has come back, and let them in if they have an account."""
        begun, address = self.take_cookie(), self.request.remote_ip or ""
        state = self.get_query_argument("state", "")
        if not begun or not hmac.compare_digest(begun["state"].encode(), state.encode()):
            return self.refuse(400, "This log-in was not begun in this browser, or too long ago. Try again.")
        if not self.app.tries.addresses.take(address):
            self.set_header("Retry-After", str(int(WINDOW_SECONDS)))
            return self.refuse(429, "Too many tries. Wait a minute, then try again.")
        error = self.get_query_argument("error", "")
        if error:
            said = error if _ERROR.fullmatch(error) else "an error"
            await asyncio.to_thread(self.app.store.note_failure, "", address, f"{self.provider.name} said {said}")
            return self.refuse(403, f"{self.provider.name} did not let you in ({said}). Try again.")
        try:
            name = await who(self.provider, self.get_query_argument("code", ""), begun["verifier"], self.redirect_uri)
        except ProviderFault as fault:
            log.warning("OAuth: %s", fault)
            await asyncio.to_thread(self.app.store.note_failure, "", address, f"no answer of {self.provider.name}")
            return self.refuse(
                502, f"{self.provider.name} did not say who you are. Try again, or ask {self.provider.ask}."
            )
        user, why = await asyncio.to_thread(self.app.store.check_oauth, name, self.provider.name, address)
        if user is None:
            return self.refuse(403, self.words_for(name, why))
        self.user = user  # whom the log names
        self.app.tries.addresses.give_back(address)
        await self.log_in(user, address, self.provider.name)
        # A redirect would still count as coming from the provider, so the browser would not send our strict cookie.
        return self.finish(page("outside/entered.html", next_url=begun["next"], root=self.app.place.root))

    def take_cookie(self) -> dict:
        """What the cookie of the first half holds, {} if there is none. It cannot be used again."""
        name, path = self.cookie
        value = self.get_signed_cookie(name, max_age_days=MINUTES / 1440)
        self.clear_cookie(name, path=path)
        return json.loads(value) if value else {}

    def words_for(self, name, why):
        """What to say to somebody who may not come in, and whom they may ask."""
        ask = self.provider.ask
        if why == "closed":
            return f"The account of {name} is closed. Ask {ask} to open it."
        return (
            f"{self.provider.name} knows you as {name}, and no account here has this name. Ask {ask} for one: they "
            f"make it with `triptych user add RUN {name} --oauth`."
        )

    def refuse(self, status, text):
        self.set_status(status)
        title = "You are not logged in"
        more = {"title": title, "error_type": title, "error_msg": text, "login": True}
        self.finish(page("outside/error.html", root=self.app.place.root, of_run=False, **more))


async def who(provider: Provider, code: str, verifier: str, redirect_uri: str) -> str:
    """The name of whoever got this code from the provider. ProviderFault if it does not say one."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "client_id": provider.key,
        "code_verifier": verifier,
    }
    if provider.secret:
        form["client_secret"] = provider.secret
    client = AsyncHTTPClient(force_instance=True, max_body_size=ANSWER_BYTES)
    try:
        token = await ask(client, HTTPRequest(provider.token_url, "POST", body=urlencode(form)))
        if provider.user_url:
            access = token.get("access_token")
            if not isinstance(access, str):
                raise ProviderFault(
                    f"no access_token from {provider.token_url} ({token.get('error', 'no error')!r:.80})"
                )
            headers = {"Authorization": provider.bearer(access)}
            said = await ask(client, HTTPRequest(provider.user_url, headers=headers))
        else:
            said = claims_of(provider, token.get("id_token"))
    finally:
        client.close()
    return name_in(provider, said)


async def ask(client: AsyncHTTPClient, request: HTTPRequest) -> dict:
    """The JSON object that a provider answers. ProviderFault if it does not, also if it leads elsewhere."""
    request.headers["Accept"] = "application/json"
    request.headers["User-Agent"] = "Triptych"
    request.connect_timeout = request.request_timeout = ANSWER_SECONDS
    request.follow_redirects = False
    try:
        answer = json.loads((await client.fetch(request)).body)
    except (HTTPClientError, OSError, ValueError) as error:
        raise ProviderFault(f"{request.url}: {error}") from None
    if not isinstance(answer, dict):
        raise ProviderFault(f"{request.url} did not answer with a JSON object")
    return answer


def claims_of(provider: Provider, id_token) -> dict:
    """What an id token says. It came straight from the provider over HTTPS, so its signature need not be checked
    (OpenID Connect Core 3.1.3.7); that it is meant for us must."""
    try:
        body = id_token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        fits = provider.key in audience and claims["exp"] > time.time()
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise ProviderFault(f"no id_token from {provider.token_url} that can be read") from None
    if not fits:
        raise ProviderFault(f"the id_token from {provider.token_url} is not meant for us, or too old")
    return claims


def name_in(provider: Provider, said: dict) -> str:
    """The name of an account in what a provider says of somebody."""
    name = said.get(provider.user_key)
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        raise ProviderFault(f"{provider.name} says no {provider.user_key!r} of somebody")
    if "email" in provider.user_key and said.get("email_verified") is False:
        raise ProviderFault(f"{provider.name} has not checked whose address {provider.user_key!r} is")
    return name.strip()


def routes(app) -> list:
    """The route of this file for the server, which needs no login. app : app.context.AppContext"""
    return [(f"/{PATH}", OAuthHandler)] if app.oauth is not None else []
