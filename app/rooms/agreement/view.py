"""The Agreement room: how well the inspectors agree, and what rests on one vote. Numbers: app.rooms.agreement.routes."""

from triptych.app.rooms.room import RoomView


class AgreementView(RoomView):
    """Figures with their intervals, pairs, reasons, bands, months, people, and the exposures behind them."""

    _module = "agreement.js"
