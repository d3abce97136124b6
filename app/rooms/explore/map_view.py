"""The map and its legend in the page. Both read the session and call its methods.

Browser and session keep each other up to date. `_drawn` remembers what the browser shows, and only a different
selection is sent to it, so that no message goes back to its sender.
"""

import numpy as np
import param

from triptych.app.colours.colours import COLOURINGS
from triptych.app.map.points import map_table
from triptych.app.map.regions import joined
from triptych.app.map.selections import keep_bits
from triptych.app.pictures.version import picture_version
from triptych.app.rooms.explore.map_routes import colour_urls, points_of
from triptych.app.survey.search import CANDIDATES_SHOWN
from triptych.app.web.component import EsModule
from triptych.pipeline.errors import TriptychError
from triptych.pipeline.image_ids import ccdnum_of

HOW = {"lasso": "in a lasso", "box": "in a box", "click": "clicked on the map", "clear": ""}
MOST_SENT = 4000  # most points that a message lists; for longer selections it holds an address


class ColouredView(EsModule):
    """Base of the map and the legend: the colours of one session."""

    page_key = param.String(doc="The same for all components of one page.")
    colour_urls = param.Dict(default={}, doc="Name of a colouring -> address of its codes.")
    colour_by = param.String(default="reason")
    isolate = param.List(default=[], doc="Legend labels that are shown; [] = all.")

    __abstract = True

    def __init__(self, session, **params):
        self.session = session
        super().__init__(
            page_key=f"{id(session):x}",
            colour_by=session.colour_by,
            isolate=list(session.isolate),
            colour_urls=self._urls(),
            **params,
        )
        session.param.watch(self._recolour, ["colour_by", "isolate"])
        session.param.watch(self._renew, ["survey", "explored", "assisted"])
        self.param.watch(self._lead, ["colour_by", "isolate"])

    def _urls(self):
        session = self.session
        return colour_urls(session.viewer, assisted=session.assisted, revision=session.explored)

    def _recolour(self, *events):
        self.param.update(colour_by=self.session.colour_by, isolate=list(self.session.isolate))

    def _renew(self, *events):
        urls = self._urls()
        if urls != self.colour_urls:
            self.colour_urls = urls

    def _lead(self, *events):
        values = {event.name: event.new for event in events}
        if "isolate" in values or "colour_by" in values:
            values["isolate"] = tuple(values.get("isolate", ()))
        try:
            self.session.show(**{k: v for k, v in values.items() if v != getattr(self.session, k)})
        except TriptychError as error:
            self.session.say(str(error))
            self._recolour()


class LegendView(ColouredView):
    """The choice of colouring and the legend, across the top of Explore."""

    _module = "map/legend.js"
    _mount = "mountLegend"

    options = param.Dict(default={one.name: one.text for one in COLOURINGS.values()}, doc="Colouring -> its text.")


class MapView(ColouredView):
    """All CcdImages as points, in 2-D or 3-D."""

    _module = "map/map.js"

    points = param.Dict(default={}, doc="Number of points and their addresses; see map_routes.points_of.")
    dims = param.Integer(default=2)
    focus = param.Integer(default=-1, doc="expnum of the exposure in focus; -1 = none.")
    focus_ccd = param.Integer(default=0, doc="ccdnum of the CCD in focus; 0 = none.")
    heard = param.Integer(default=0, doc="Number of the browser's last message with a focus that was handled.")
    thumb = param.String(doc="Address of an image's thumbnail, with {image_id}.")
    fallback_only = param.Boolean(default=False, doc="Let the server draw the map, as for a browser without WebGL2.")

    def __init__(self, session, **params):
        self.session = session
        self._drawn = None  # region that the browser already shows
        self._leading = False  # True while the session takes over a selection from the browser
        self._sent = None  # the points that the last message listed, None if it held an address
        super().__init__(session, points=points_of(session.survey), dims=session.dims, **self._focused(), **params)
        self._follow_pictures()
        session.param.watch(self._follow_pictures, ["stretch", "survey"])
        session.param.watch(self._follow_focus, ["focus", "focus_ccd"])
        session.param.watch(self._follow_selection, ["selection"])
        session.param.watch(lambda event: setattr(self, "dims", event.new), ["dims"])
        session.param.watch(self._follow_survey, ["survey"])
        self.param.watch(self._lead_dims, ["dims"])

    @property
    def _table(self):
        return map_table(self.session.survey)

    def _focused(self):
        session = self.session
        image_id = session.survey.image_of(session.focus, session.focus_ccd) if session.focus else None
        return {"focus": -1 if session.focus is None else session.focus, "focus_ccd": ccdnum_of(image_id or 0)}

    def _follow_focus(self, *events):
        self.param.update(**self._focused())

    def _follow_survey(self, event):
        points = points_of(event.new)
        if points != self.points:
            self._drawn = None
            self.points = points

    def _follow_pictures(self, *events):
        session = self.session
        self.thumb = f"picture/thumb/{{image_id}}?s={session.stretch}&v={picture_version(session.catalog)}"

    def _follow_selection(self, event):
        self._send_selection()

    def _send_selection(self, always=False):
        """Send the selection to the browser, unless the browser made it. always : send it in any case"""
        session, table = self.session, self._table
        selection, region = session.selection, session.region
        if not always and (self._leading or (region and region == self._drawn)):
            self._sent = None
            return
        self._drawn = None
        dim = session.selection_how != CANDIDATES_SHOWN

        def message():
            indices = table.index_of(selection)
            if len(indices) <= MOST_SENT:
                return {"type": "selection", "indices": indices, "dim": dim}
            token = keep_bits(session.user, len(table), indices)
            return {"type": "selection", "url": f"map/{table.version}/selection/{token}.bin", "dim": dim}

        if len(selection) <= MOST_SENT:
            told = message()
            same = self._sent is not None and np.array_equal(self._sent, told["indices"])
            self._sent = told["indices"]
            if always or not same:
                self._send_msg(told)
        else:
            self._sent = None
            session.run(message, lambda found: selection is session.selection and self._send_msg(found))

    def _lead_dims(self, event):
        if event.new != self.session.dims:
            self.session.show(dims=event.new)

    def _handle_msg(self, message):
        """Messages from the browser: `hello` (it has drawn the points), `focus` (on one point), `select` (points).

        select : text (a step of app.map.regions), gesture, focus, and the points if the browser found them
        step : number of a message with a focus; `heard` takes it when the message was handled
        """
        try:
            self._take(message)
        finally:
            self.heard = int(message.get("step", self.heard))

    def _take(self, message):
        table = self._table
        if message.get("type") == "hello":
            self._send_selection(always=True)
        elif message.get("type") == "focus":
            index = int(message.get("index", -1))
            if 0 <= index < len(table):
                self.session.focus_on(*self.session.survey.ccd_of(table.image_ids[index]))
        elif message.get("type") == "select":
            try:
                self._select(message)
            except TriptychError as error:
                self.session.say(str(error))

    def _select(self, message):
        session, table = self.session, self._table
        text, how = str(message.get("text", "")), HOW.get(message.get("gesture"), "")
        self._drawn = joined("" if text.startswith("r") else session.region, text) or None
        if "indices" in message or "bits" in message:
            ids = np.sort(np.asarray(table.image_ids)[chosen_points(message, len(table))])
            kept = {} if text.startswith("r") or not self._drawn else {"query": session.query}
            self._leading = True
            session.select(ids, how, region=self._drawn, **kept)
            self._leading = False
        elif text:
            session.select_region(text, how)
        focus = int(message.get("focus", -1))
        if 0 <= focus < len(table):
            session.focus_on(*session.survey.ccd_of(table.image_ids[focus]))


def chosen_points(message, n):
    """(m,) uint32, sorted: the points that a browser's message names by `indices`, or by one bit each in `bits`."""
    if "bits" in message:
        bits = np.unpackbits(as_array(message["bits"], np.uint8), bitorder="little")
        indices = np.flatnonzero(bits[:n])
    else:
        indices = np.unique(as_array(message.get("indices", ()), np.uint32))
    return indices[indices < n].astype(np.uint32)


def as_array(values, dtype):
    """Numbers of a browser's message as an array. values : bytes, a typed array or a list"""
    return np.frombuffer(values, dtype) if isinstance(values, (bytes, bytearray)) else np.asarray(values, dtype)
