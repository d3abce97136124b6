"""The bases of the routes that answer one user with what they may know."""

from functools import cached_property

from triptych.app.judging.viewer import Viewer
from triptych.app.web.answers import ApiHandler
from triptych.app.web.auth import PrivateHandler


class ViewerHandler(PrivateHandler):
    """A route with `self.viewer`: the logged-in user, and the tables that their pages show.

    The tables are read at first use and stay the same for the whole request. Use `self.viewer` in the worker thread,
    as reading the tables may take long.
    """

    @cached_property
    def viewer(self) -> Viewer:
        return Viewer(self.app, self.user)


class ViewerApi(ApiHandler, ViewerHandler):
    """A route with `self.viewer` that answers JSON."""
