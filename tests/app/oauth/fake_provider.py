"""An OAuth provider on this computer: it asks nobody for a password and says what a test wants it to say.

with FakeProvider() as provider:
    provider.person = {"email": "amy@example.org"}     # who sits before the browser
    provider.toml()                                    # the file that describes it

It checks what a real one checks: the client, its secret, the redirect address, and that a code is used once, with the
verifier of PKCE that fits.
"""

import base64
import hashlib
import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

KEY, SECRET = "triptych-of-the-tests", "a secret of the tests"


class FakeProvider:
    """person : what /userinfo says    refuses : error that /authorize leads back with, "" = none

    token_answer : (status, bytes) instead of a token    id_token : whether the token says who it is
    asked : (path, {name: value}) of each request
    """

    def __init__(self):
        self.person: dict = {"email": "amy@example.org"}
        self.refuses, self.token_answer, self.user_answer = "", None, None
        self.asked: list[tuple[str, dict]] = []
        self.codes: dict[str, dict] = {}
        self.tokens: set[str] = set()

    def __enter__(self):
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider.answer(self, parse_qs(urlsplit(self.path).query))

            def do_POST(self):
                provider.answer(self, parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()

    def toml(self, **more) -> str:
        given = {
            "provider": "generic",
            "key": KEY,
            "secret": SECRET,
            "label": "the observatory",
            "ask": "Cecilia",
        } | more
        lines = [f"{name} = {json.dumps(value)}" for name, value in given.items()]
        params = {"AUTHORIZE_URL": "authorize", "TOKEN_URL": "token", "USER_URL": "userinfo"}
        return "\n".join([*lines, "[params]", *(f'{name} = "{self.url}/{path}"' for name, path in params.items())])

    def answer(self, handler, query):
        path = urlsplit(handler.path).path
        values = {name: one for name, (one, *_) in query.items()}
        self.asked.append((path, values))
        if path == "/authorize":
            return self.authorize(handler, values)
        found = self.token(values) if path == "/token" else self.userinfo(handler.headers["Authorization"] or "")
        status, body = found if isinstance(found[1], bytes) else (found[0], json.dumps(found[1]).encode())
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def authorize(self, handler, values):
        assert values["client_id"] == KEY
        assert values["response_type"] == "code"
        back = {"state": values["state"]}
        if self.refuses:
            back["error"] = self.refuses
        else:
            back["code"] = code = secrets.token_hex(8)
            self.codes[code] = values
        handler.send_response(302)
        handler.send_header("Location", f"{values['redirect_uri']}?{urlencode(back)}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def token(self, values):
        if self.token_answer:
            return self.token_answer
        begun = self.codes.pop(values["code"], None)
        digest = hashlib.sha256(values["code_verifier"].encode()).digest()
        fits = begun is not None and (
            begun["code_challenge"] == base64.urlsafe_b64encode(digest).decode().rstrip("=")
            and begun["redirect_uri"] == values["redirect_uri"]
            and (values["client_id"], values["client_secret"]) == (KEY, SECRET)
        )
        if not fits:
            return 400, {"error": "invalid_grant"}
        token = secrets.token_hex(8)
        self.tokens.add(token)
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": 60}

    def userinfo(self, authorization):
        if self.user_answer:
            return self.user_answer
        known = authorization.removeprefix("Bearer ") in self.tokens
        return (200, self.person) if known else (401, {"error": "invalid_token"})
