"""Headers that every answer carries, Panel's and Bokeh's pages included.

The policy lets a page run only scripts of this server and the few that Panel writes into the page, which carry a nonce.
`blob:` is what Panel needs, which loads the code of a component from a blob. Styles may be inline,
because Bokeh writes them.
"""

import tornado.web
from panel.io.server import DocHandler

from triptych.app.web.fault_handler import log_fault


def policy(nonce=""):
    """The Content-Security-Policy of a page. nonce : of the scripts inside it, '' = no script"""
    scripts = f"'self' 'nonce-{nonce}' blob:" if nonce else "'none'"
    return (
        f"default-src 'self'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "font-src 'self' data:; connect-src 'self' blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )


HEADERS = {
    "Content-Security-Policy": policy(),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Headers(tornado.web.OutputTransform):
    """Adds HEADERS to every answer of an application, also to errors. What a handler has set stays."""

    def transform_first_chunk(self, status_code, headers, chunk, finishing):
        for name, value in HEADERS.items():
            if name not in headers:
                headers[name] = value
        return status_code, headers, chunk


class PageHandler(DocHandler):
    """Panel's page, with the policy that names the nonce of its scripts."""

    nonce = ""

    def get_login_url(self):
        return f"{self.application.prefix}/login"

    async def prepare(self):
        """Relative addresses need the slash at the end of the page's path."""
        await super().prepare()
        if self.request.path == self.application.prefix:
            self.redirect(f"{self.request.path}/{'?' * bool(self.request.query)}{self.request.query}", permanent=False)

    def log_exception(self, typ, value, tb):
        if isinstance(value, tornado.web.HTTPError):
            super().log_exception(typ, value, tb)
        else:
            log_fault(self, typ, value, tb)

    async def get_session(self):
        session = await super().get_session()  # pyright: ignore[reportGeneralTypeIssues]  # Tornado types it as None
        if session is not None:
            self.nonce = session.document.template_variables.get("nonce", "")
        return session

    async def get(self, *args, **kwargs):
        answer = super().get(*args, **kwargs)
        if answer is not None:  # None if it leads to the login
            await answer
        if self.nonce:
            self.set_header("Content-Security-Policy", policy(self.nonce))
