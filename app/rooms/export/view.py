"""The Export room. All of its numbers come from `routes`, so the browser asks only when the room is open."""

from triptych.app.rooms.room import RoomView


class ExportView(RoomView):
    """Policies and what differs between them, format, preview and download."""

    _module = "rooms/export/export.js"
