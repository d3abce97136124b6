"""Headers that every answer carries, Panel's and Bokeh's pages included.

The policy lets a page run only scripts of this server and the few that Panel writes into the page, which carry a nonce.
`blob:` is what Panel needs, which loads the code of a component from a blob. Styles may be inline,
because Bokeh writes them.
"""

import asyncio
import logging

import tornado.web
from panel.io.server import DocHandler

from triptych.app.web.auth import page, provider_of
from triptych.app.web.fault_handler import log_fault
from triptych.app.web.faults import note

log = logging.getLogger("triptych")

AGAIN_SECONDS = 5  # after which a page that cannot be shown is asked for again


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
        found = super().get_session()  # None instead of something to wait for, if nobody is logged in
        session = await found if found is not None else None
        if session is not None:
            self.nonce = session.document.template_variables.get("nonce", "")
        return session

    async def get(self, *args, **kwargs):
        """The page; or why it cannot be shown now, in a page that loads itself again until it can."""
        provider = provider_of(self)
        try:
            name = provider.user_name(self)
            if name:
                await asyncio.to_thread(can_be_shown, provider.app, name)
        except Exception as error:
            return self.tell(note(log, self.request.path, error))
        answer = super().get(*args, **kwargs)
        if answer is not None:  # it is None if nobody is logged in
            await answer
        if self.nonce:
            self.set_header("Content-Security-Policy", policy(self.nonce))

    def tell(self, fault):
        """Send one line instead of the page."""
        self.set_status(fault.status)
        if fault.status == 503:
            self.set_header("Retry-After", str(AGAIN_SECONDS))
            self.set_header("Refresh", str(AGAIN_SECONDS))
        text = f"{fault.text}. This page comes by itself as soon as it can." if fault.status == 503 else fault.text
        title = "Triptych cannot show this page now"
        self.finish(page("outside/error.html", title=title, error_type=title, error_msg=text))


def can_be_shown(app, name):
    """Read what every page needs. It raises what a page would die of.

    app : app.context.AppContext    name : of the user
    """
    app.catalog.refresh()
    user = app.store.user(name)
    if user is not None:
        app.survey_for(user)
    app.pulse()
