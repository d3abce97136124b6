"""The Model room: what the last retraining changed and why, all earlier models, and what would help most next."""

import param

from triptych.app.rooms.room import RoomView


class ModelView(RoomView):
    """Its content comes from static/rooms/model/model.js, which asks the routes /model/..."""

    _module = "rooms/model/model.js"

    new_prediction = param.String(doc="Prediction stage that the user of this page may accept; '' = none.")
    work = param.Dict(default={}, doc="State, text and progress of the newest retraining; {} = none.")

    FOLLOWED = (*RoomView.FOLLOWED, "new_prediction")

    def __init__(self, session, **params):
        super().__init__(session, work=newest_retraining(session.jobs), **params)
        session.param.watch(self._show_work, ["jobs"])

    def _show_work(self, event):
        self.work = newest_retraining(event.new)

    def _handle_msg(self, message):
        """{accept: true}: accept the offered predictions. For other messages see RoomView."""
        if message.get("accept"):
            self.session.accept_prediction()
        super()._handle_msg(message)


def newest_retraining(jobs):
    """{job_id, state, text, progress, asked_by} of the newest retraining among jobs; {} = none."""
    for job in reversed(jobs):
        if job["kind"] == "retrain":
            names = ("job_id", "state", "text", "progress", "asked_by")
            return {name: job[name] for name in names} | {"progress": float(job["progress"] or 0)}
    return {}
