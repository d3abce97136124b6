"""The Review room: one browser component that uses the routes and follows the session."""

import param

from triptych.app.pictures.version import picture_version
from triptych.app.web.component import EsModule


class ReviewView(EsModule):
    """Queue, mosaic, evidence and verdict bar. It reads the session and calls its methods, and keeps no state."""

    _module = "rooms/review/review.js"

    user = param.String(doc="Name that signs the votes.")
    role = param.String(doc="Role of the user.")
    room = param.String(doc="Name of the open room. Only this room reacts to keys.")
    focus = param.Integer(default=None, allow_None=True, doc="expnum of the exposure on screen.")
    not_here = param.Integer(default=None, allow_None=True, doc="expnum that an address asked for and the run lacks.")
    assisted = param.Boolean(default=True, doc="Whether the model's opinion is shown before the vote.")
    stretch = param.String(default="faint")
    survey_version = param.String(doc="New when the user accepts new predictions.")
    picture_version = param.String(doc="New when pixels change; part of every picture's address.")

    def __init__(self, session, **params):
        super().__init__(
            user=session.user.name,
            role=session.user.role,
            room=session.room,
            focus=session.focus,
            not_here=session.not_here,
            assisted=session.assisted,
            stretch=session.stretch,
            survey_version=session.survey.version,
            picture_version=picture_version(session.catalog),
            **params,
        )
        self._session = session
        names = ["room", "focus", "not_here", "assisted", "stretch", "survey"]
        session.param.watch(self._follow_session, names)
        self.param.watch(self._tell_session, ["focus", "not_here", "assisted", "stretch"])

    def _follow_session(self, *events):
        values = {event.name: event.new for event in events}
        if "survey" in values:
            values["survey_version"] = values.pop("survey").version
            values["picture_version"] = picture_version(self._session.catalog)
        self.param.update(**{name: value for name, value in values.items() if getattr(self, name) != value})

    def _tell_session(self, *events):
        session = self._session
        for event in events:
            if event.new == getattr(session, event.name):
                continue
            if event.name == "focus":
                session.focus_on(event.new)
            else:
                session.show(**{event.name: event.new})
        self.assisted = session.assisted

    def _handle_msg(self, message):
        if isinstance(message, dict) and message.get("say"):
            self._session.say(str(message["say"]))
