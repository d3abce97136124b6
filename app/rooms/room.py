"""Base of a room that is one browser component and gets its numbers over HTTP, when it is open."""

import param

from triptych.app.pictures.version import picture_version
from triptych.app.web.component import EsModule


class RoomView(EsModule):
    """Reads the session, keeps no state. What the browser may ask for: see `_handle_msg`.

    A room asks its route again when `revision` (votes, decisions, labels) or `survey_version` (predictions) changes
    while `room` names it.
    """

    __abstract = True

    user = param.String()
    role = param.String()
    room = param.String(doc="Room that is open; keys are heard in this one only.")
    assisted = param.Boolean(default=True, doc="Model's opinion shown before the vote.")
    revision = param.Integer(doc="Grows with every vote.")
    survey_version = param.String(doc="Changes when new predictions were accepted.")
    picture_version = param.String(doc="Changes when the pixels do; part of every picture's address.")

    FOLLOWED = ("room", "assisted", "revision")

    def __init__(self, session, **params):
        self.session = session
        followed = {name: getattr(session, name) for name in self.FOLLOWED}
        versions = {
            "survey_version": session.survey.version,
            "picture_version": picture_version(session.catalog),
        }
        super().__init__(user=session.user.name, role=session.user.role, **followed, **versions, **params)
        session.param.watch(self._follow, list(self.FOLLOWED))
        session.param.watch(self._renew, ["survey"])

    def _follow(self, *events):
        self.param.update(**{event.name: event.new for event in events})

    def _renew(self, event):
        self.param.update(survey_version=event.new.version, picture_version=picture_version(self.session.catalog))

    def _handle_msg(self, message):
        """{say}: show a line. {select: [image_id], how}: select images. {focus, ccd}: look at. {room}: go there."""
        session = self.session
        if message.get("say"):
            session.say(str(message["say"]))
        if message.get("select") is not None:
            session.select([int(image_id) for image_id in message["select"]], str(message.get("how", "")))
        if message.get("focus") is not None:
            session.focus_on(int(message["focus"]), str(message.get("ccd") or ""))
        if message.get("room"):
            session.show(room=str(message["room"]))
