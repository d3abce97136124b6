"""The base of every route that answers with JSON."""

import asyncio
import json

import tornado.web

from triptych.app.web.auth import PrivateHandler
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

    def body(self) -> dict:
        """The JSON object that was sent. Status 400 if it is anything else."""
        try:
            values = json.loads(self.request.body)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise tornado.web.HTTPError(400, "send one JSON object")
        return values
