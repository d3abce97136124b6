"""The Agreement room: how well the inspectors agree. Its numbers come from app.rooms.agreement.routes."""

from triptych.app.rooms.room import RoomView


class AgreementView(RoomView):
    """Figures with intervals, by pair, reason, band, month and inspector, and the exposures behind them."""

    _module = "rooms/agreement/agreement.js"
