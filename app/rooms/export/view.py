"""The Export room. The browser asks `routes` for its numbers, and only while the room is open."""

from triptych.app.rooms.room import RoomView


class ExportView(RoomView):
    """Policies and their differences, format, preview and download."""

    _module = "rooms/export/export.js"
