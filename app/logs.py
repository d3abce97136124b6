"""Logs for programs: one JSON object a line. It never holds a password, cookie or token, nor what follows a `?`."""

import json
import logging
import sys
from datetime import UTC, datetime

ANSWER_FIELDS = ("account", "address", "method", "path", "status", "seconds")


class JsonLines(logging.Formatter):
    """A record as {time, level, logger, message}, and a traceback if there is one.

    What `about_answer` adds to a record stands in place of the message.
    """

    def format(self, record):
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": at, "level": record.levelname.lower(), "logger": record.name}
        line |= getattr(record, "answer", None) or {"message": record.getMessage()}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_as_json():
    """From now on, this process logs everything as JSON lines to standard error, requests and warnings included."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.root.handlers[:] = [handler]
    for known in list(logging.root.manager.loggerDict.values()):  # Panel and Bokeh have handlers of their own
        if isinstance(known, logging.Logger):
            known.handlers.clear()
            known.propagate = True
    logging.root.setLevel(logging.WARNING)
    for name in ("triptych", "tornado.access"):
        logging.getLogger(name).setLevel(logging.INFO)
    logging.captureWarnings(True)


def about_answer(*values):
    """The `extra` of a record about one answer. values : of ANSWER_FIELDS; account is '' for nobody"""
    return {"answer": dict(zip(ANSWER_FIELDS, values, strict=True))}
