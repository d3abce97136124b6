"""The base of every handler: it answers each exception with one line of text, as app.web.faults says."""

import logging

import tornado.web
from tornado.log import app_log

from triptych.app.web.faults import Fault, fault_of, one_line

log = logging.getLogger("triptych")

RETRY_SECONDS = 2


def answer_to(error: BaseException | None) -> Fault:
    """What to answer if a handler raises `error`: as it says itself if it is an HTTPError, else as `fault_of` says."""
    if not isinstance(error, tornado.web.HTTPError):
        return fault_of(error)
    said = error.log_message % error.args if error.log_message else error.reason or ""
    return Fault(error.status_code, one_line(said))


class FaultHandler(tornado.web.RequestHandler):
    """A handler without bare errors: no traceback goes out, and what passes is 503 with Retry-After."""

    def send_error(self, status_code=500, **kwargs):
        error = kwargs.get("exc_info", (None, None, None))[1]
        super().send_error(answer_to(error).status if error is not None else status_code, **kwargs)

    def _request_summary(self):
        """What Tornado says of a request in the log, without what follows the path: a password may stand there."""
        return f"{self.request.method} {self.request.path} ({self.request.remote_ip})"

    def log_exception(self, typ, value, tb):
        fault = answer_to(value)
        if isinstance(value, tornado.web.HTTPError):
            super().log_exception(typ, value, tb)
        elif fault.status == 500:
            log_fault(self, typ, value, tb)
        else:
            log.warning("%s %s: %s", fault.status, self.request.path, fault.text)


def log_fault(handler, typ, value, tb):
    """Log a fault of Triptych. Tornado's own line would hold the whole address."""
    request = handler.request
    about = (request.method, request.path, request.remote_ip)
    app_log.error("Uncaught exception %s %s (%s)", *about, exc_info=(typ, value, tb))


def words_for(handler, status_code, kwargs) -> str:
    """What to say in `write_error` of a handler. It also sets Retry-After if one may ask again."""
    error = kwargs.get("exc_info", (None, None, None))[1]
    if status_code == 503:
        handler.set_header("Retry-After", str(RETRY_SECONDS))
    return (answer_to(error).text if error is not None else "") or handler._reason
