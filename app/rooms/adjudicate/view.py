"""The Adjudicate room, for leads: exposures that the votes do not decide. See app.rooms.adjudicate.routes."""

import param

from triptych.app.rooms.room import RoomView


class AdjudicateView(RoomView):
    """Queue, votes side by side, mosaic and the decision."""

    _module = "rooms/adjudicate/adjudicate.js"

    focus = param.Integer(default=None, allow_None=True, doc="expnum of the exposure in focus.")

    FOLLOWED = (*RoomView.FOLLOWED, "focus")

    def __init__(self, session, **params):
        super().__init__(session, **params)
        self.param.watch(self._tell_session, ["focus"])

    def _tell_session(self, event):
        if event.new != self.session.focus:
            self.session.focus_on(event.new)
