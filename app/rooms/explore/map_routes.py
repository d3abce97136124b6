"""Routes of the map: places and ids, which a browser may keep for ever, and each user's own colour codes."""

import asyncio
import hashlib
import hmac
from dataclasses import replace
from urllib.parse import urlencode

import tornado.iostream
import tornado.web

from triptych.app.colours.colours import COLOURINGS
from triptych.app.judging.handlers import ViewerHandler
from triptych.app.judging.viewer import Viewer
from triptych.app.map.colour_bytes import colour_bytes, opened
from triptych.app.map.picture import View, draw
from triptych.app.map.points import map_table
from triptych.app.map.selections import kept_bits

FIRST_PIECE = 1 << 17  # bytes; enough points for a first picture
PIECE = 1 << 20  # bytes


def routes(app):
    """[(regex, handler, arguments)] of all routes. Each needs a login."""
    given = {"app": app}
    return [
        (r"/map/([0-9a-f]+)/places-([23])\.bin", PlacesHandler, given),
        (r"/map/([0-9a-f]+)/ids\.bin", IdsHandler, given),
        (r"/map/([0-9a-f]+)/colours/([a-z_]+)\.bin", ColoursHandler, given),
        (r"/map/([0-9a-f]+)/selection/([0-9a-f]+)\.bin", SelectionHandler, given),
        (r"/map/([0-9a-f]+)/picture/([a-z_]+)\.png", PictureHandler, given),
    ]


def points_of(survey):
    """What the browser needs to fetch a survey's points, as plain values."""
    table = map_table(survey)
    answer = {
        "n": len(table),
        "ids": f"map/{table.version}/ids.bin",
        "ccdnames": {str(number): name for name, number in survey.ccd_numbers.items()},
        "empty": f"There is no map yet. Make one with: triptych map {survey.catalog.name} --dims 2",
    }
    for dims, name in ((2, "flat"), (3, "solid")):
        url = f"map/{table.version}/places-{dims}.bin"
        answer[name] = {"url": url, "half": table.half[dims]} if dims in table.places else None
    return answer


def colour_urls(viewer: Viewer, *, assisted, revision):
    """Name of a colouring -> address of its codes. The address is new whenever the codes may have changed.

    assisted : whether the model's opinion is shown before the vote. If so, the address holds `opinion_key`
    """
    table = map_table(viewer.survey)
    urls = {}
    for name, colouring in COLOURINGS.items():
        query = {"prediction": viewer.survey.prediction_id}
        if "cluster" in colouring.needs:
            query["cluster"] = viewer.survey.stages.get("cluster", "")
        if "store" in colouring.needs or (colouring.opinion and not assisted):
            query["revision"] = revision
        if colouring.opinion and assisted:
            query["opinion"] = opinion_key(viewer)
        urls[name] = f"map/{table.version}/colours/{name}.bin?{urlencode(query)}"
    return urls


def opinion_key(viewer: Viewer):
    """A key that only a page with the model's opinion gets. A request without it gets no opinion before the vote."""
    text = f"opinion {viewer.app.boot_id} {viewer.name}"
    return hmac.new(viewer.app.secret.encode(), text.encode(), hashlib.sha256).hexdigest()[:24]


class MapHandler(ViewerHandler):
    """Finds the survey and the points that an address names."""

    def survey(self):
        """The survey that this user's page shows: the one that they accepted, or the current one. Else 410."""
        accepted = self.viewer.survey
        wanted = self.get_query_argument("prediction", accepted.prediction_id)
        if wanted == accepted.prediction_id:
            return accepted
        if wanted != self.app.pulse().prediction_id:
            raise tornado.web.HTTPError(410, f"predictions {wanted!r} are no longer shown; reload the page")
        return self.app.survey(wanted)

    def table(self, survey, version):
        """The MapTable of a survey. 410 if it is not of this version."""
        table = map_table(survey)
        if table.version != version:
            raise tornado.web.HTTPError(410, "the map was made again; reload the page")
        return table

    def assisted(self):
        """Whether the page that sent the request shows the model's opinion before the vote."""
        given = self.get_query_argument("opinion", "")
        return hmac.compare_digest(given.encode(), opinion_key(self.viewer).encode())

    def finish_bytes(self, content, kind="application/octet-stream"):
        self.set_header("Content-Type", kind)
        self.finish(content)

    async def send(self, content):
        """Send bytes or an array in pieces, a small one first, without a copy of the whole.

        The browser draws a long map while it arrives, and the server answers other requests between two pieces.
        """
        whole = memoryview(content).cast("B")
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Length", str(len(whole)))
        start, step = 0, FIRST_PIECE
        try:
            while start < len(whole):
                self.write(bytes(whole[start : start + step]))
                await self.flush()
                start, step = start + step, PIECE
        except tornado.iostream.StreamClosedError:
            return
        self.finish()


class PlacesHandler(MapHandler):
    """Coordinates, (n, dims) uint16, in drawing order."""

    async def get(self, version, dims):
        table = await asyncio.to_thread(lambda: self.table(self.survey(), version))
        if int(dims) not in table.places:
            raise tornado.web.HTTPError(
                404, f"this run has no {dims}-D map; make it with triptych map RUN --dims {dims}"
            )
        self.keep_for_ever(f"{version}-{dims}")
        await self.send(table.places[int(dims)].reshape(-1).view("u1"))


class IdsHandler(MapHandler):
    """expnum (n,) uint32, then ccdnum (n,) uint8, in drawing order."""

    async def get(self, version):
        table = await asyncio.to_thread(lambda: self.table(self.survey(), version))
        self.keep_for_ever(f"{version}-ids")
        await self.send(table.ids)


class ColoursHandler(MapHandler):
    """One user's colour codes. No cache keeps them, because they may hold what only this user may know."""

    async def get(self, version, colour_by):
        if colour_by not in COLOURINGS:
            raise tornado.web.HTTPError(404, f"colour by one of: {', '.join(COLOURINGS)}")
        await self.send(await asyncio.to_thread(self.codes, version, colour_by))

    def codes(self, version, colour_by):
        survey = self.survey()
        self.table(survey, version)
        return colour_bytes(replace(self.viewer, shown=survey), colour_by, assisted=self.assisted())


class SelectionHandler(MapHandler):
    """A selection that another view made, one bit per point. Only the user who made it gets it."""

    async def get(self, version, token):
        bits = kept_bits(self.user, token)
        if bits is None:
            raise tornado.web.HTTPError(410, "this selection has gone; select again")
        await self.send(bits)


class PictureHandler(ColoursHandler):
    """The map drawn by the server, for browsers without WebGL2."""

    async def get(self, version, colour_by):
        if colour_by not in COLOURINGS:
            raise tornado.web.HTTPError(404, f"colour by one of: {', '.join(COLOURINGS)}")
        try:
            view = View.from_query({name: self.get_query_argument(name) for name in self.request.query_arguments})
        except ValueError as error:
            raise tornado.web.HTTPError(400, f"not a view of the map: {error}") from None
        self.finish_bytes(await asyncio.to_thread(self.picture, version, colour_by, view), "image/png")

    def picture(self, version, colour_by, view):
        survey = self.survey()
        table = self.table(survey, version)
        header, codes = opened(self.codes(version, colour_by))
        return draw(table, header, codes, view)
