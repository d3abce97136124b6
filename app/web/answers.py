"""The base of every route that answers with JSON."""

import asyncio
import json

import tornado.web

from triptych.app.web.auth import PrivateHandler
from triptych.app.web.bodies import MOST_BYTES, Some, parsed, whole_number
from triptych.pipeline.export.explain import plain


class ApiHandler(PrivateHandler):
    """A route that answers JSON, or one line of text if an exception is raised (see app.web.faults)."""

    async def answer(self, work, *arguments):
        """Do work(*arguments) in a thread and send its result as JSON."""
        result = await asyncio.to_thread(work, *arguments)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(plain(result), allow_nan=False))

    @property
    def assisted(self) -> bool:
        """Whether the page shows the model's opinion before the vote: ?assisted=1. Always False in blind mode."""
        return self.get_query_argument("assisted", "0") == "1" and not self.app.blind

    def body(self, kind: type[Some], *, most: int = MOST_BYTES) -> Some:
        """The JSON object that was sent, as `kind` of app.web.bodies. BadInput if it is anything else.

        most : bytes; status 413 if there are more
        """
        if len(self.request.body) > most:
            raise tornado.web.HTTPError(413, f"this is too long: {len(self.request.body)} bytes, and at most {most}")
        return parsed(self.request.body, kind)

    def number(self, name: str, default: int) -> int:
        """A whole number of the address; `default` if it is absent or not one."""
        return whole_number(self.get_query_argument(name, ""), default)
