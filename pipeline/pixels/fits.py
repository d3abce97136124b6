"""FITS files: which images they have, and their pixels.

`scan` reads the headers of a file and finds out whether it is empty, truncated or not FITS at all, without reading a
pixel. `read_pixels` reads one image, plain or tile-compressed. Nothing in this file knows about cameras or exposures.
"""

import gzip
import math
import os
import re
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

import fitsio
import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from triptych.pipeline.errors import BadInput
from triptych.pipeline.memory import memory_bytes

SUFFIXES = (".fits", ".fit", ".fts", ".fits.fz", ".fits.gz", ".fit.gz", ".fz")
# archive names such as c4d_131122_030338_ooi_z_ls9.fits.fz: processing letter, product letter; PRODTYPE in headers
ARCHIVE_NAME = re.compile(r"[a-z0-9]{3}_\d{6}_\d{6}_[a-z]([a-z])([a-z])[_.]")
PRODUCT_LETTERS = {"i": "image", "d": "mask", "w": "weight"}
PRODUCT_WORDS = {"image": "image", "dqmask": "mask", "wtmap": "weight", "expmap": "other", "resampled": "image"}
PLANE_NAMES = {
    **dict.fromkeys(("IMAGE", "SCI"), "image"),
    **dict.fromkeys(("MASK", "MSK", "DQ", "BPM"), "mask"),
    **dict.fromkeys(("WEIGHT", "WGT", "WHT", "VAR", "ERR"), "weight"),
}


HEADER_BYTES = 16 << 20  # of one HDU; the longest headers of the archives have 0.2 MB
HDUS = 4096  # 62 CCDs with image, mask and weight are 186
# of a gzipped file, which the library unpacks into memory as a whole; 64 CCDs of DECam with mask and weight are 14 GB
# in 64 bits
UNPACKED_BYTES = 16 << 30
BEHIND_BYTES = 16 << 20  # after the last HDU of a gzipped file
PIXELS = 1 << 28  # of one image; the largest CCDs have 111 million


class Unusable(BadInput):
    """A file or CCD that goes to quarantine. problem : one of `sources.PROBLEMS`."""

    def __init__(self, problem: str, detail: str = ""):
        super().__init__(f"{problem}: {detail}" if detail else problem)
        self.problem = problem
        self.detail = detail

    def __reduce__(self):
        return Unusable, (self.problem, self.detail)


@dataclass(frozen=True)
class ImageHdu:
    """One image in a file: HDU index, header, shape of the array, and what it is (image, mask, weight.

    '' = not said).
    """

    hdu: int
    header: fits.Header
    shape: tuple[int, ...]
    plane: str

    @property
    def name(self) -> str:
        """EXTNAME as written, or ''."""
        return text(self.header, "EXTNAME")


def is_fits_name(path: str | Path) -> bool:
    """Whether the name of a file is that of a FITS file."""
    return str(path).lower().endswith(SUFFIXES)


def text(header: fits.Header, key: str) -> str:
    """A header value as stripped text; '' if it is missing, undefined or unreadable."""
    try:
        value = header.get(key, "")
    except (fits.VerifyError, ValueError):
        return ""
    return "" if value is None or isinstance(value, fits.card.Undefined) else str(value).strip()


def product_of(path: str | Path, primary: fits.Header) -> tuple[str, str]:
    """What a file holds (image, mask, weight or other), and the archive's processing letter (o, k, r, ... or '').

    The archive's file name decides if the file has one, because headers of mask files are often copied from the image.
    """
    found = ARCHIVE_NAME.search(Path(path).name.lower())
    if found:
        return PRODUCT_LETTERS.get(found.group(2), "other"), found.group(1)
    processing = "r" if text(primary, "PROCTYPE").lower() == "raw" else ""
    return PRODUCT_WORDS.get(text(primary, "PRODTYPE").lower(), "image"), processing


def scan(path: str | Path, *, unpacked: float = UNPACKED_BYTES) -> tuple[fits.Header, list[ImageHdu]]:
    """Primary header and all images of a FITS file, from its headers only. Unusable if the file is damaged.

    unpacked : most bytes of a gzipped file, unpacked; half of the memory is another limit
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        if size == 0:
            raise Unusable("empty", "the file has no bytes")
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            handle = gzip.GzipFile(fileobj=raw) if packed else raw
            most = min(unpacked, memory_bytes() // 2) if packed else None
            headers = list(_headers(handle, None if packed else size, most))
            if packed:
                _check_rest(handle)
    except EOFError:
        raise Unusable("truncated", "the compressed file ends too early") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise Unusable("unreadable", str(error)) from None
    except OSError as error:
        raise Unusable("unreadable", error.strerror or str(error)) from None
    images = [image for index, header in enumerate(headers) if (image := _image(index, header))]
    return headers[0], images


def _headers(handle: BufferedIOBase, size: int | None, most: float | None) -> Iterator[fits.Header]:
    """Yield the headers one by one, and check that the data of every HDU is complete."""
    index, end = 0, 0
    while block := handle.read(80):
        if index == HDUS:
            raise Unusable("too_large", f"it has more than {HDUS} HDUs")
        word = b"SIMPLE  =" if index == 0 else b"XTENSION="
        if not block.startswith(word):
            if index == 0:
                raise Unusable("not_fits", f"it begins with {block[:16]!r}")
            return  # the standard allows other records after the last HDU
        handle.seek(end)
        header = _header(handle, index)
        end = handle.tell() + header.data_size
        if header.data_size < 0:
            raise Unusable("unreadable", f"the header of HDU {index} says that it has less than no pixels")
        if most is not None and end > most:
            raise Unusable("too_large", f"unpacked, HDU {index} ends at {end / 1e9:,.0f} GB; gunzip the file first")
        if size is not None and end > size:
            raise Unusable("truncated", f"HDU {index} ends at byte {end}, the file at {size}")
        end += -end % 2880
        handle.seek(end)
        if size is None and header.data_size and handle.tell() < end - 2880:
            raise Unusable("truncated", f"HDU {index} ends at byte {end}, the file at {handle.tell()}")
        yield header
        index += 1


def _check_rest(handle: BufferedIOBase) -> None:
    """Unusable if much follows the last HDU: it would be unpacked into memory too."""
    left = BEHIND_BYTES
    while left > 0 and (data := handle.read(min(left, 1 << 20))):
        left -= len(data)
    if left <= 0:
        raise Unusable("too_large", f"more than {BEHIND_BYTES >> 20} MB follow its last HDU; gunzip the file first")


class _HeaderBytes:
    """The bytes of one header, as astropy reads them. Unusable if it has no end within HEADER_BYTES."""

    binary = True

    def __init__(self, handle: BufferedIOBase, index: int):
        self.handle, self.index, self.left = handle, index, HEADER_BYTES

    def read(self, count: int) -> bytes:
        self.left -= count
        if self.left < 0:
            raise Unusable("too_large", f"the header of HDU {self.index} has no end within {HEADER_BYTES >> 20} MB")
        return self.handle.read(count)


def _header(handle: BufferedIOBase, index: int) -> fits.Header:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            header = fits.Header.fromfile(_HeaderBytes(handle, index), endcard=True)
            if index == 0 and "SIMPLE" in header and "BITPIX" not in header:
                raise Unusable("not_fits", "the first header has no BITPIX")
            return header
    except (OSError, EOFError, ValueError) as error:
        if handle.read(1) == b"":
            raise Unusable("truncated", f"the header of HDU {index} has no end") from None
        raise Unusable("unreadable", f"the header of HDU {index}: {error}") from None


def _image(index: int, header: fits.Header) -> ImageHdu | None:
    """The image of an HDU; None if it is a table or empty."""
    packed = bool(header.get("ZIMAGE", False))
    if not packed and header.get("XTENSION", "IMAGE").strip() != "IMAGE":
        return None
    axes = int(header.get("ZNAXIS" if packed else "NAXIS", 0))
    if axes == 0:
        return None
    shape = tuple(int(header[f"{'ZNAXIS' if packed else 'NAXIS'}{axis}"]) for axis in range(axes, 0, -1))
    word = text(header, "DES_EXT") or text(header, "EXTNAME")
    return ImageHdu(index, header, shape, PLANE_NAMES.get(word.upper(), ""))


class PixelReader:
    """Reads images of one FITS file, which is opened once. Use it in a `with` block."""

    def __init__(self, path: str | Path):
        self.path = os.fspath(path)
        self._file = None

    def __enter__(self) -> "PixelReader":
        try:
            self._file = fitsio.FITS(self.path)
        except (OSError, ValueError):
            self._file = None  # then astropy reads the file, or says better what is wrong with it
        return self

    def __exit__(self, *_) -> None:
        if self._file is not None:
            self._file.close()

    def header(self, hdu: int) -> fits.Header:
        """Header of one HDU. Unusable if it cannot be read."""
        try:
            return fits.getheader(self.path, hdu)
        except (OSError, IndexError, TypeError, ValueError) as error:
            raise Unusable("unreadable", f"header of HDU {hdu}: {error}") from None

    def read(self, hdu: int) -> np.ndarray:
        """Pixels (ny, nx) of one image as stored: native byte order, any numeric type, scaled, with NaN.

        Unusable if they cannot be read.
        """
        if self._file is not None:
            try:
                _check_size(hdu, self._file[hdu].get_dims())
                return np.asarray(self._file[hdu].read())
            except (OSError, ValueError, TypeError, IndexError):
                pass
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AstropyWarning)
                header = self.header(hdu)
                _check_size(hdu, [header.get(f"NAXIS{axis}", 0) for axis in range(1, header.get("NAXIS", 0) + 1)])
                pixels = fits.getdata(self.path, hdu)
        except Unusable:
            raise
        except Exception as error:  # on damaged bytes a decoder may raise anything; the file is at fault
            raise Unusable("corrupt_pixels", f"HDU {hdu}: {_first_line(error)}") from None
        if pixels is None or pixels.dtype.kind not in "iuf":
            raise Unusable("corrupt_pixels", f"HDU {hdu} has no numbers")
        return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


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
