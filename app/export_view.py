"""The Export room. All of its numbers come from app.export_routes, so the browser asks only when the room is open."""

import param

from app.component import EsModule


class ExportView(EsModule):
    """Policy, format, counts, preview and download."""

    _module = "export.js"

    room = param.String()
    revision = param.Integer(doc="Grows with every vote: the counts are read again.")
    role = param.String()
    user = param.String()

    def __init__(self, session, **params):
        super().__init__(
            room=session.room, revision=session.revision, role=session.user.role, user=session.user.name, **params
        )
        session.param.watch(self._follow, ["room", "revision"])

    def _follow(self, *events):
        self.param.update(**{event.name: event.new for event in events})
