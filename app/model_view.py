"""Model: what the last retraining changed and why, every earlier model, and what would help most next."""

from app.room_view import RoomView


class ModelView(RoomView):
    """Filled by static/model.js, which asks /model/..."""

    _module = "model.js"
