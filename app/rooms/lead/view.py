"""The Lead room. The browser asks app.rooms.lead.routes for its numbers, and only while the room is open."""

from triptych.app.rooms.room import RoomView


class LeadView(RoomView):
    """Accounts, progress, settings of the queue, known answers and control, jobs."""

    _module = "rooms/lead/lead.js"
