"""FITS files: their images and the pixels of these, plain or tile-compressed.

`look` in `hdus` finds the images from the headers. Nothing in this file knows about cameras or exposures.
"""

import io
import math
import os
import warnings
from collections.abc import Callable
from pathlib import Path

import fitsio
import numpy as np
from astropy.io import fits

from triptych.pipeline.pixels import compressed_tiles, packed_files
from triptych.pipeline.pixels.hdus import ImageHdu, Scanned, Unusable, look, scan
from triptych.pipeline.pixels.planes import product_of
from triptych.pipeline.pixels.words import text

__all__ = ("ImageHdu", "PixelReader", "Scanned", "Unusable", "look", "product_of", "scan", "text")

PLAIN = (".fits", ".fit", ".fts", ".fz")
SUFFIXES = (*PLAIN, *(f"{plain}{packed}" for plain in PLAIN for packed in (".gz", ".bz2")))
PIXELS = 1 << 28  # of one image; the largest CCDs have 111 million


def is_fits_name(path: str | Path) -> bool:
    """Whether the name of a file is that of a FITS file."""
    return str(path).lower().endswith(SUFFIXES)


class PixelReader:
    """Reads images of one FITS file, which is opened once. Use it in a `with` block.

    A damaged HDU may keep a library busy for ever, so the others are then read by the place of their bytes. sound :
    whether the file is known to have none; None = look.
    """

    def __init__(self, path: str | Path, sound: bool | None = None):
        self.path = os.fspath(path)
        self._file = None
        self._content: bytes | None = None
        self._by_place: dict[int, ImageHdu] | None = {} if sound else None
        self._headers: dict[int, fits.Header] = {}

    def __enter__(self) -> "PixelReader":
        try:
            self._file = fitsio.FITS(self.path)
        except Exception:  # of any kind, on damaged bytes
            self._file = None  # then astropy reads the file, or says better what is wrong with it
        return self

    def __exit__(self, *_) -> None:
        if self._file is not None:
            self._file.close()
        self._content = None

    def header(self, hdu: int) -> fits.Header:
        """Header of one HDU. Unusable if it cannot be read."""
        self._placed()
        if hdu in self._headers:
            return self._headers[hdu]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return fits.getheader(self._source(), hdu)
        except Exception as error:  # on damaged bytes a reader may raise anything; the file is at fault
            raise Unusable("unreadable", f"header of HDU {hdu}: {_first_line(error)}") from None

    def read(self, hdu: int) -> np.ndarray:
        """Pixels (ny, nx) of one image as stored: native byte order, any numeric type, scaled, with NaN.

        Unusable if they cannot be read.
        """
        if self._placed():
            return self._alone(hdu)
        if self._file is not None:
            try:
                _check_size(hdu, self._file[hdu].get_dims())
                return _plane(np.asarray(self._file[hdu].read()))
            except (Unusable, MemoryError):
                raise
            except Exception:  # of any kind, on damaged bytes; astropy may read them, or says better what is wrong
                pass
        return self._by_astropy(hdu, self._source, hdu)

    def read_float(self, hdu: int, blank: float | None = None) -> np.ndarray:
        """The same as float32, with NaN where an integer image has the value `blank`, see `blank_value`.

        fitsio knows no BLANK in scaled integers, so astropy reads these.
        """
        pixels = self.read(hdu)
        if blank is not None and pixels.dtype.kind == "f" and not self._placed():
            pixels = self._by_astropy(hdu, self._source, hdu)
        return as_float(pixels, blank)

    def _placed(self) -> dict[int, ImageHdu]:
        """The images of a file with a damaged HDU, by their own; {} if there is none."""
        if self._by_place is None:
            self._by_place = {}
            if packed_files.packer_of(self.path) or not compressed_tiles.is_whole(self.path):
                found = Scanned()
                look(self.path, found)
                self._by_place = {image.hdu: image for image in found.images if image.span}
                self._headers = {image.hdu: image.header for image in found.images}
        return self._by_place

    def _alone(self, hdu: int) -> np.ndarray:
        span = self._placed()[hdu].span if hdu in self._placed() else None
        if span is None:
            raise Unusable("damaged", f"HDU {hdu} is no image, or damaged")
        return self._of_span(hdu, span)

    def read_span(self, hdu: int, span: tuple[int, int], blank: float | None = None) -> np.ndarray:
        """The same of an HDU of a file in which another one is damaged.

        span : its first byte and its end in the file, which may be packed.
        """

        return as_float(self._of_span(hdu, span), blank)

    def _of_span(self, hdu: int, span: tuple[int, int]) -> np.ndarray:
        def alone() -> io.BytesIO:
            with packed_files.opened(self.path) as (handle, _):
                handle.seek(span[0])
                before = fits.PrimaryHDU().header.tostring().encode() if span[0] else b""
                return io.BytesIO(before + handle.read(span[1] - span[0]))

        return self._by_astropy(hdu, alone, 0 if span[0] == 0 else 1)

    def _source(self) -> str | io.BytesIO:
        """What astropy is to open: the path, or what is in a packed file, which is unpacked once."""
        if self._content is None and packed_files.packer_of(self.path):
            self._content = packed_files.unpacked(self.path)
        return self.path if self._content is None else io.BytesIO(self._content)

    def _by_astropy(self, hdu: int, source: Callable[[], str | io.BytesIO], place: int) -> np.ndarray:
        """Pixels of the HDU at a place in a source. hdu : what it is called in messages."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with fits.open(source()) as hdus:
                    header = hdus[place].header
                    _check_size(hdu, [header.get(f"NAXIS{axis}", 0) for axis in range(1, header.get("NAXIS", 0) + 1)])
                    pixels = hdus[place].data
        except Unusable:
            raise
        except Exception as error:  # on damaged bytes a decoder may raise anything; the file is at fault
            gone = isinstance(error, OSError) and error.errno  # of the disk, not of the bytes
            raise Unusable("unreadable" if gone else "corrupt_pixels", f"HDU {hdu}: {_first_line(error)}") from None
        if pixels is None or pixels.dtype.kind not in "iuf":
            raise Unusable("corrupt_pixels", f"HDU {hdu} has no numbers")
        return _plane(pixels.astype(pixels.dtype.newbyteorder("="), copy=False))


def _plane(pixels: np.ndarray) -> np.ndarray:
    """An image without leading axes of length 1."""
    while pixels.ndim > 2 and len(pixels) == 1:
        pixels = pixels[0]
    return pixels


def _check_size(hdu: int, axes) -> None:
    if math.prod(map(int, axes)) > PIXELS:
        written = " x ".join(str(side) for side in axes)
        raise Unusable("too_large", f"HDU {hdu} is {written} pixels, more than any CCD has")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def read_pixels(path: str | Path, hdu: int) -> np.ndarray:
    """Pixels (ny, nx) of one image of a file as stored, in native byte order. Unusable if they cannot be read."""
    with PixelReader(path) as reader:
        return reader.read(hdu)


def blank_value(header: fits.Header) -> float | None:
    """The value for `nothing recorded` in an integer image, scaled like the pixels; None if there is none."""
    blank = header.get("BLANK", header.get("ZBLANK"))
    if not isinstance(blank, int) or header.get("ZBITPIX", header.get("BITPIX", 0)) < 0:
        return None
    return float(blank * header.get("BSCALE", 1) + header.get("BZERO", 0))


def as_float(pixels: np.ndarray, blank: float | None = None) -> np.ndarray:
    """Pixels as float32, with NaN where an integer image has the value `blank`."""
    values = np.ascontiguousarray(pixels, dtype=np.float32)
    if blank is not None and pixels.dtype.kind in "iu":
        values = np.where(pixels == blank, np.float32(np.nan), values)
    return values
