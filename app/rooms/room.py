"""Base of a room that is one browser component. It asks for its numbers over HTTP when it is open."""

import param

from triptych.app.pictures.version import picture_version
from triptych.app.web.component import EsModule


class RoomView(EsModule):
    """A room. It reads the session and keeps no state. For messages from the browser see `_handle_msg`.

    While the room is open, it asks its route again when `revision` (votes, decisions, labels) or `survey_version`
    (predictions) changes.
    """

    __abstract = True

    user = param.String()
    role = param.String()
    room = param.String(doc="Name of the open room. Only this room reacts to keys.")
    assisted = param.Boolean(default=True, doc="Whether the model's opinion is shown before the vote.")
    revision = param.Integer(doc="Grows with every change of the store.")
    survey_version = param.String(doc="New when the user accepts new predictions.")
    picture_version = param.String(doc="New when pixels change; part of every picture's address.")

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
        """{say}: show a message. {select: [image_id], how}: select images. {focus, ccd}: put an exposure in focus.
        {room}: open a room."""
        session = self.session
        if message.get("say"):
            session.say(str(message["say"]))
        if message.get("select") is not None:
            session.select([int(image_id) for image_id in message["select"]], str(message.get("how", "")))
        if message.get("focus") is not None:
            session.focus_on(int(message["focus"]), str(message.get("ccd") or ""))
        if message.get("room"):
            session.show(room=str(message["room"]))
