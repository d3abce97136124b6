"""The Agreement room: how well the inspectors agree, and what rests on one vote. Numbers: app.agreement_routes."""

from app.room_view import RoomView


class AgreementView(RoomView):
    """Figures with their intervals, pairs, reasons, bands, months, people, and the exposures behind them."""

    _module = "rooms/agreement/agreement.js"
