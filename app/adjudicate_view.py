"""The Adjudicate room: what the votes do not decide. For leads; all it shows comes from app.adjudicate_routes."""

from app.room_view import RoomView


class AdjudicateView(RoomView):
    """Queue, votes side by side, mosaic and the decision."""

    _module = "adjudicate.js"
