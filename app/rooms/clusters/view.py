"""The Clusters room: groups of images that look alike, to be judged together."""

import param

from triptych.app.rooms.clusters.table import groups_of
from triptych.app.rooms.room import RoomView


class ClustersView(RoomView):
    """All clusters with their pictures and figures. One of them is open."""

    _module = "rooms/clusters/clusters.js"

    cluster = param.Integer(default=None, allow_None=True, doc="The open cluster; None = the first one.")
    FOLLOWED = (*RoomView.FOLLOWED, "cluster")

    def __init__(self, session, **params):
        super().__init__(session, **params)
        self.param.watch(self._lead, ["cluster"])

    def _lead(self, event):
        if event.new != self.session.cluster:
            self.session.cluster = event.new

    def _handle_msg(self, message):
        """{on_map: cluster}: select its images and open Explore. For other messages see RoomView."""
        session = self.session
        if message.get("on_map") is not None:
            label = int(message["on_map"])
            survey = session.survey
            session.run(lambda: groups_of(survey).members(label), lambda found: self._on_map(label, found))
        super()._handle_msg(message)

    def _on_map(self, label, image_ids):
        if not len(image_ids):
            return self.session.say(f"There is no cluster {label}.")
        self.session.select(image_ids, f"cluster {label}" if label >= 0 else "in no cluster")
        self.session.show(room="explore")
