"""Routes of pictures, for logged-in users only:

    /picture/geometry/<camera>.json       slots of a camera
    /picture/mosaic/<expnum>.bin          previews of all CCDs as a packet (gzip); the browser stretches them
    /picture/mosaic/<expnum>.jpg?s=&w=    the same as a small JPEG; s = stretch, w = width in pixels
    /picture/thumb/<image_id>?s=          one CCD as a JPEG
    /picture/ccd/<image_id>.bin           one CCD at full resolution, from its file, as a packet (gzip)
    /picture/dqmask/<expnum>.bin          the data-quality mask at the resolution of the preview (gzip)
    /picture/dqmask/ccd/<image_id>.bin    the same of one CCD at full resolution
    /picture/near/<expnum>.json           exposures to compare it with: same field, band, night

The browser may keep an answer with `v=` (picture_version) in its address for ever. A few threads of their own make the
pictures, so that neither the event loop nor the threads that store votes wait for them. The last pictures are kept in
memory.
"""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import tornado.web
from cachetools import LRUCache, cached

from triptych.app.pictures import packets, quality_masks, thumbnails
from triptych.app.pictures.sky_measured import Plane
from triptych.app.survey.around import nearby
from triptych.app.web.auth import PrivateHandler
from triptych.app.web.bodies import whole_number
from triptych.pipeline import camera as cameras
from triptych.pipeline.errors import BadInput, TriptychError, choose
from triptych.pipeline.image_ids import ccdnum_of, expnum_of
from triptych.pipeline.pixels import images

PICTURE_BYTES = 192 * 2**20
PLANE_BYTES = 128 * 2**20
WIDTHS = (40, 2400)

threads = ThreadPoolExecutor(max(2, min(6, os.cpu_count() or 2)), thread_name_prefix="pictures")


class PictureCache:
    """Makes the pictures of one run and keeps the last ones. Thread-safe: several requests for a picture make it once.

    Each method raises KeyError if the run does not have the exposure or CCD.
    """

    def __init__(self, app):
        self.app = app
        planes: LRUCache[tuple, Plane] = LRUCache(PLANE_BYTES, getsizeof=lambda plane: plane.nbytes)
        made = LRUCache(PICTURE_BYTES, getsizeof=len)
        self._plane = cached(planes, condition=threading.Condition())(self._read_plane)
        self._picture = cached(made, condition=threading.Condition())(lambda make, *key: make(*key))

    def plane(self, expnum):
        """The app.pictures.sky_measured.Plane of an exposure. KeyError if it or its preview is not in the run."""
        survey = self.app.survey()
        if expnum not in survey.exposures.index:
            raise KeyError(f"pixels of {expnum} are not in this run: no exposure {expnum} was ingested")
        path = self.app.catalog.preview_path(expnum)
        if not path.exists() and not len(survey.images_of(expnum)):
            raise KeyError(f"no pictures of {expnum} in this run; `triptych ingest {self.app.catalog.path}` adds them")
        if not path.exists():
            raise KeyError(
                f"the preview of {expnum} has gone; `triptych ingest {self.app.catalog.path}` makes it again"
            )
        return self._plane(expnum, path.stat().st_mtime_ns)

    def plane_of_ccd(self, image_id, stretch):
        """A Plane that holds this CCD. If possible it holds no other, so that scrolling need not read whole
        exposures."""
        expnum, ccdnum = expnum_of(image_id), ccdnum_of(image_id)
        if stretch != "sky" and self._stamp(expnum) and expnum in self.app.survey().exposures.index:
            catalog = self.app.catalog
            one = Plane.of_one(ccdnum, lambda: catalog.ccd_preview(expnum, ccdnum), *self._about(expnum))
            if one is not None:
                return one
        return self.plane(expnum)

    def _read_plane(self, expnum, _stamp):
        ccdnums, pixels = self.app.catalog.preview(expnum)
        return Plane.of(ccdnums, pixels, *self._about(expnum))

    def _about(self, expnum):
        """Rows of the CCDs by number, row of the exposure, camera."""
        survey = self.app.survey()
        exposure = survey.exposures.loc[expnum]
        ccds = survey.ccd_rows(expnum).set_index("ccdnum", drop=False)
        return ccds, exposure, cameras.camera(exposure["camera"] or self.app.catalog.camera)

    def _stamp(self, expnum):
        path = self.app.catalog.preview_path(expnum)
        return path.stat().st_mtime_ns if path.exists() else 0

    def mosaic_packet(self, expnum):
        return self._picture(_mosaic_packet, expnum, self._stamp(expnum), self)

    def mosaic_jpeg(self, expnum, stretch, width):
        return self._picture(_mosaic_jpeg, expnum, self._stamp(expnum), self, stretch, width)

    def thumbnail(self, image_id, stretch):
        return self._picture(_thumbnail, image_id, self._stamp(expnum_of(image_id)), self, stretch)

    def mask(self, expnum):
        return self._picture(_mask, expnum, self._stamp(expnum), self)

    def ccd_mask(self, image_id):
        """Packet of a CCD's data-quality mask. If its file has gone, the packet's note says so."""
        exposure, _, row = self._ccd(image_id)
        return packets.compressed(packets.mask_packet(*quality_masks.ccd_mask(row.iloc[0], exposure)))

    def _ccd(self, image_id):
        survey = self.app.survey()
        if image_id not in survey.ccds.index:
            raise KeyError(f"this run has no CCD image {image_id}")
        exposure = survey.exposures.loc[expnum_of(image_id)]
        camera = cameras.camera(exposure["camera"] or self.app.catalog.camera)
        return exposure, camera, survey.ccd_rows(expnum_of(image_id)).loc[[image_id]].assign(camera=camera.name)

    def ccd_packet(self, image_id):
        """Packet of a CCD at full resolution. BadInput if its file has gone.

        It is not kept, because it is large and rarely seen twice.
        """
        exposure, camera, row = self._ccd(image_id)
        if not row["source"].iloc[0]:
            raise BadInput("the run does not say which file this CCD came from; ingest the exposure again")
        from triptych.pipeline.pixels.full_resolution import full_ccd  # FITS readers are slow to import

        pixels = full_ccd(self.app.catalog, image_id, ccds=row)
        return packets.compressed(packets.ccd_packet(pixels, row.iloc[0], exposure, camera))


def _mosaic_packet(expnum, _stamp, cache):
    return packets.compressed(packets.mosaic_packet(cache.plane(expnum)))


def _mask(expnum, _stamp, cache):
    return packets.compressed(packets.mask_packet(*quality_masks.exposure_mask(cache.plane(expnum))))


def _mosaic_jpeg(expnum, _stamp, cache, stretch, width):
    return thumbnails.small_mosaic(cache.plane(expnum), width, stretch)


def _thumbnail(image_id, _stamp, cache, stretch):
    plane = cache.plane_of_ccd(image_id, stretch)
    i = plane.index(ccdnum_of(image_id))
    if i is None:
        raise KeyError(f"exposure {expnum_of(image_id)} has no CCD number {ccdnum_of(image_id)}")
    return thumbnails.thumbnail(plane, i, stretch)


class PictureHandler(PrivateHandler):
    """Base of the routes of pictures. It makes a picture in a thread and sends it, or says why there is none."""

    def initialize(self, app, cache):
        super().initialize(app)
        self.cache = cache
        self.waiting = None

    async def answer(self, kind, make, *arguments, gzipped=False):
        """Send what make(*arguments) returns. kind : content type. gzipped : whether it is gzipped already

        Status 404 if the run does not have it, 410 if it can no longer be made.
        """
        self.waiting = asyncio.get_running_loop().run_in_executor(threads, make, *arguments)
        try:
            data = await self.waiting
        except asyncio.CancelledError:
            return
        except KeyError as error:
            raise tornado.web.HTTPError(404, _said(error)) from None
        except BadInput as error:
            raise tornado.web.HTTPError(410, _said(error)) from None
        if self.get_query_argument("v", ""):
            self.keep_for_ever()
        else:
            self.set_header("Cache-Control", "private, no-cache")
        self.set_header("Content-Type", kind)
        if gzipped:
            self.set_header("Content-Encoding", "gzip")
        self.finish(data)

    def on_connection_close(self):
        """Do not make a picture that nobody waits for any more, for example because the user scrolled on."""
        if self.waiting:
            self.waiting.cancel()

    def stretch(self):
        name = self.get_query_argument("s", "stars")
        try:
            return choose(name, images.STRETCHES, "stretch") and name
        except TriptychError as error:
            raise tornado.web.HTTPError(400, _said(error)) from None


def _said(error):
    return str(error.args[0] if isinstance(error, KeyError) and error.args else error)


class GeometryHandler(PictureHandler):
    async def get(self, name):
        try:
            slots = packets.geometry(cameras.camera(name))
        except TriptychError as error:
            raise tornado.web.HTTPError(404, _said(error)) from None
        if self.get_query_argument("v", ""):
            self.keep_for_ever()
        self.finish(slots)


class MosaicPacketHandler(PictureHandler):
    async def get(self, expnum):
        await self.answer("application/octet-stream", self.cache.mosaic_packet, int(expnum), gzipped=True)


class MosaicJpegHandler(PictureHandler):
    async def get(self, expnum):
        width = whole_number(self.get_query_argument("w", "640"), 0)
        if not WIDTHS[0] <= width <= WIDTHS[1]:
            raise tornado.web.HTTPError(400, f"w is a width of {WIDTHS[0]} to {WIDTHS[1]} pixels")
        await self.answer("image/jpeg", self.cache.mosaic_jpeg, int(expnum), self.stretch(), width)


class ThumbnailHandler(PictureHandler):
    async def get(self, image_id):
        await self.answer("image/jpeg", self.cache.thumbnail, int(image_id), self.stretch())


class CcdHandler(PictureHandler):
    async def get(self, image_id):
        await self.answer("application/octet-stream", self.cache.ccd_packet, int(image_id), gzipped=True)


class MaskHandler(PictureHandler):
    async def get(self, expnum):
        await self.answer("application/octet-stream", self.cache.mask, int(expnum), gzipped=True)


class CcdMaskHandler(PictureHandler):
    async def get(self, image_id):
        await self.answer("application/octet-stream", self.cache.ccd_mask, int(image_id), gzipped=True)


class NearHandler(PictureHandler):
    async def get(self, expnum):
        try:
            near = nearby(self.app.survey(), int(expnum))
        except KeyError as error:
            raise tornado.web.HTTPError(404, _said(error)) from None
        self.set_header("Cache-Control", "private, no-cache")
        self.finish({"near": near})


def routes(app):
    """[(regex, handler, arguments)] of the pictures of one run. app : app.context.AppContext."""
    arguments = {"app": app, "cache": PictureCache(app)}
    return [
        (r"/picture/geometry/([\w-]+)\.json", GeometryHandler, arguments),
        (r"/picture/mosaic/(\d{1,15})\.bin", MosaicPacketHandler, arguments),
        (r"/picture/mosaic/(\d{1,15})\.jpg", MosaicJpegHandler, arguments),
        (r"/picture/thumb/(\d{1,17})", ThumbnailHandler, arguments),
        (r"/picture/ccd/(\d{1,17})\.bin", CcdHandler, arguments),
        (r"/picture/dqmask/(\d{1,15})\.bin", MaskHandler, arguments),
        (r"/picture/dqmask/ccd/(\d{1,17})\.bin", CcdMaskHandler, arguments),
        (r"/picture/near/(\d{1,15})\.json", NearHandler, arguments),
    ]
