"""The Lead room. All of its numbers come from app.rooms.lead.routes, so the browser asks only when the room is open."""

from triptych.app.rooms.room import RoomView


class LeadView(RoomView):
    """Accounts, progress, the queue's settings, known answers and control, jobs."""

    _module = "rooms/lead/lead.js"
