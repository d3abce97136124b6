"""The Agreement room: how well the inspectors agree, and what rests on one vote. `routes` has its numbers."""

from triptych.app.rooms.room import RoomView


class AgreementView(RoomView):
    """Figures with their intervals, pairs, reasons, bands, months, people, and the exposures behind them."""

    _module = "rooms/agreement/agreement.js"
