"""Which HDUs a FITS file has, from its headers, without a pixel being read; and what is wrong with the file.

A damaged header costs its own HDU where the next one can be found again. The libraries count the HDUs of such a file
differently, refuse it, or never come back from the damaged one. So its images are known by the place of their bytes.
"""

import gzip
import warnings
import zlib
from dataclasses import dataclass, field, replace
from io import BufferedIOBase
from pathlib import Path

from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from triptych.pipeline.errors import BadInput
from triptych.pipeline.memory import memory_bytes
from triptych.pipeline.pixels import checksums, packed_files
from triptych.pipeline.pixels.planes import plane_of
from triptych.pipeline.pixels.words import text

BLOCK = 2880
HEADER_BYTES = 16 << 20  # of one HDU; the longest headers of the archives have 0.2 MB
HDUS = 4096  # 62 CCDs with image, mask and weight are 186
# of a packed file, which the library unpacks into memory as a whole; 64 CCDs of DECam with mask and weight are 14 GB
# in 64 bits
UNPACKED_BYTES = 16 << 30
BEHIND_BYTES = 16 << 20  # after the last HDU of a packed file
MOST = 999  # axes, or columns of a table, by the standard
AGAIN = "fetch the file again"


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
    """One image in a file.

    hdu : its index. shape : of the array, without leading axes of length 1. plane : image, mask, weight, '' = not said.
    span : first byte and end of the HDU if another one of the file is damaged, else None. datasum : first byte and
    number of the data's bytes, and the sum that they must have; None if the header does not say. damage : what is wrong
    with its data, if that is known already.
    """

    hdu: int
    header: fits.Header
    shape: tuple[int, ...]
    plane: str
    span: tuple[int, int] | None = None
    datasum: tuple[int, int, int] | None = None
    damage: str = ""

    @property
    def name(self) -> str:
        """EXTNAME as written, or ''."""
        return text(self.header, "EXTNAME")


@dataclass
class Scanned:
    """What was found in a file so far.

    headers : of the HDUs that could be read, the primary first. problems : what costs less than the file. fault : what
    costs the whole file, if anything does.
    """

    headers: list[fits.Header] = field(default_factory=list)
    images: list[ImageHdu] = field(default_factory=list)
    problems: list[Unusable] = field(default_factory=list)
    fault: Unusable | None = None


def scan(path: str | Path, *, unpacked: float = UNPACKED_BYTES) -> tuple[fits.Header, list[ImageHdu]]:
    """Primary header and all images of a FITS file, from its headers only. Unusable if the file is damaged.

    unpacked : most bytes of a packed file, unpacked; half of the memory is another limit
    """
    found = Scanned()
    look(path, found, unpacked=unpacked)
    if found.fault:
        raise found.fault
    return found.headers[0], found.images


def look(path: str | Path, found: Scanned, *, unpacked: float = UNPACKED_BYTES) -> None:
    """Fill `found` with what the headers of a file say. What is known of damage does not raise."""
    path, walk = Path(path), None
    try:
        size = path.stat().st_size
        if size == 0:
            raise Unusable("empty", "the file has no bytes")
        with packed_files.opened(path) as (handle, packed):
            walk = _Walk(
                handle, None if packed else size, min(unpacked, memory_bytes() // 2) if packed else None, found
            )
            walk.go()
            if packed:
                _check_rest(handle)
    except Unusable as error:
        found.fault = error
    except EOFError:
        found.fault = Unusable("truncated", f"the packed file ends too early; {AGAIN}")
    except gzip.BadGzipFile as error:
        if walk and walk.whole and str(error).startswith(packed_files.NO_MORE):
            found.problems.append(Unusable("extra_bytes", "bytes that are not gzip follow the FITS file; not read"))
        else:
            found.fault = Unusable("damaged", f"gzip: {error}; {AGAIN}")
    except zlib.error as error:
        found.fault = Unusable("damaged", f"gzip: {error}; {AGAIN}")
    except OSError as error:
        if error.errno is None:  # of bz2
            found.fault = Unusable("damaged", f"bzip2: {error}; {AGAIN}")
        else:
            found.fault = Unusable("unreadable", error.strerror or str(error))


class _NoHeader(Exception):
    """A header that cannot be read. header : what could be read of it."""

    def __init__(self, problem: str, detail: str, header: fits.Header | None = None):
        super().__init__(detail)
        self.problem, self.detail, self.header = problem, detail, header


class _Walk:
    """Goes through the HDUs of a file.

    size : of the file, None if it is packed. most : bytes of a packed file. whole : whether the last HDU that was begun
    is complete.
    """

    def __init__(self, handle: BufferedIOBase, size: int | None, most: float | None, found: Scanned):
        self.handle, self.size, self.most, self.found = handle, size, most, found
        self.whole = self.lost = False
        self.n_hdus = 0
        self.rest = b""  # what stands behind the last HDU
        self.data = (0, 0)  # first byte and end of the last data

    def go(self) -> None:
        at = 0
        while at is not None:
            at = self._hdu(at)
        if not any(problem.problem == "damaged" for problem in self.found.problems):
            self.found.images[:] = [replace(image, span=None) for image in self.found.images]
        self._check_number()

    def _hdu(self, at: int) -> int | None:
        """Note the HDU that begins at a byte, and return where the next one should; None if there is none."""
        self.handle.seek(at)
        block = self.handle.read(160)
        if not block:
            return None
        index = self.n_hdus
        if index == HDUS:
            raise Unusable("too_large", f"it has more than {HDUS} HDUs")
        if not block.startswith(b"XTENSION=" if index else b"SIMPLE  ="):
            if index == 0:
                raise Unusable("not_fits", f"it begins with {block[:16]!r}")
            return self._behind(at, block)
        self.whole = False
        self.n_hdus += 1
        self.handle.seek(at)
        read = _HeaderBytes(self.handle, index)
        try:
            header = _header(read, index)
            count = _data_size(header, index)
        except _NoHeader as error:
            if index == 0:
                if error.header is not None:
                    self.found.headers.append(error.header)
                raise Unusable(error.problem, error.detail) from None
            return self._resume(at + BLOCK, error.detail)
        self.found.headers.append(header)
        start = at + read.count
        end = start + count
        if self.most is not None and end > self.most:
            raise Unusable("too_large", f"unpacked, HDU {index} ends at {end / 1e9:,.0f} GB; gunzip the file first")
        if self.size is not None and end > self.size:
            raise Unusable("truncated", f"HDU {index} ends at byte {end}, the file at {self.size}; {AGAIN}")
        after, said = end + -end % BLOCK, checksums.datasum_of(header, read.written())
        damage = self._go_past(index, start, end, said)
        self.whole, self.data = True, (start, end)
        try:
            image = _image(index, header)
        except MemoryError:
            raise
        except Exception as error:  # a damaged card may raise anything, and costs this HDU
            self._note(f"HDU {index}: {_first_line(error)}")
            return after
        if image is not None:
            sum_of = None if said is None or self.size is None else (start, min(after, self.size) - start, said)
            self.found.images.append(replace(image, span=(at, after), datasum=sum_of, damage=damage))
        return after

    def _go_past(self, index: int, start: int, end: int, said: int | None) -> str:
        """Read past the data of an HDU of a packed file. Return what is wrong with them."""
        after = end + -end % BLOCK
        if self.size is not None:
            return ""
        if said is None:
            self.handle.seek(after)
            total = 0
        else:
            total = checksums.sum_of_stream(self.handle, after - start)
        if end > start and self.handle.tell() < after - BLOCK:
            raise Unusable("truncated", f"HDU {index} ends at byte {after}, the file at {self.handle.tell()}; {AGAIN}")
        return "" if said is None or checksums.agree(total, said) else damage_of(index, said, total)

    def _behind(self, at: int, block: bytes) -> int | None:
        """What stands where an HDU should begin. The standard allows other records after the last HDU."""
        self.rest = block
        if block[80:89] != b"BITPIX  =":
            return None
        self.n_hdus += 1
        return self._resume(at + BLOCK, f"HDU {self.n_hdus - 1} begins with {block[:9]!r}, not with XTENSION=")

    def _resume(self, at: int, detail: str) -> int | None:
        """Note a damaged HDU, and return where the next header begins behind it; None if none does."""
        self._note(detail)
        self.lost = True
        self.handle.seek(at)
        while block := self.handle.read(BLOCK):
            if block.startswith(b"XTENSION="):
                return at
            at += len(block)
            if self.most is not None and at > self.most:
                raise Unusable("too_large", f"unpacked, it has more than {at / 1e9:,.0f} GB; gunzip the file first")
        return None

    def _note(self, detail: str) -> None:
        self.found.problems.append(Unusable("damaged", f"{detail}; what it holds is left out, {AGAIN}"))

    def _check_number(self) -> None:
        """Compare the number of HDUs with NEXTEND. Cut-outs of one CCD keep that card from the whole file."""
        n_extensions = self.n_hdus - 1
        said = text(self.found.headers[0], "NEXTEND")
        if self.lost or not said.isdecimal() or len(said) > 6 or int(said) <= n_extensions:
            return
        if not self.rest and n_extensions < 2:
            return
        behind = "; bytes that are no HDU follow" if self.rest else ""
        detail = f"NEXTEND in HDU 0 is {said}, but the file has {n_extensions} extensions{behind}; {AGAIN}"
        self.found.problems.append(Unusable("truncated", detail))
        if self.rest and not self.rest.strip(b"\0") and self.size is not None and self.found.images:
            start, end = self.data
            self.handle.seek(max(start, end - BLOCK))
            last = self.found.images[-1]
            if last.hdu == n_extensions and not self.handle.read(min(BLOCK, end - start)).strip(b"\0"):
                damage = f"HDU {last.hdu}: its data end in zeros, like the rest of the file; {AGAIN}"
                self.found.images[-1] = replace(last, damage=damage)


def damage_of(index: int, said: int, found: int) -> str:
    """What to say of data that are not those that their header was written for."""
    return f"HDU {index}: DATASUM is {said}, but its data give {found}; {AGAIN}"


def _first_line(error: Exception) -> str:
    words = error.args[0] if isinstance(error, KeyError) and error.args else error
    return (str(words).strip() or type(error).__name__).splitlines()[0][:200]


def _data_size(header: fits.Header, index: int) -> int:
    try:
        _check_number_of(header, "NAXIS")
        _check_number_of(header, "TFIELDS")
        size = int(header.data_size)
    except MemoryError:
        raise
    except Exception as error:  # a damaged card may raise anything
        raise _NoHeader("unreadable", f"the header of HDU {index}: {_first_line(error)}", header) from None
    if size < 0:
        raise _NoHeader("unreadable", f"the header of HDU {index} says that it has less than no pixels", header)
    return size


def _check_number_of(header: fits.Header, key: str) -> int:
    """The number of axes or columns. ValueError if it is more than a library will ever come to the end of."""
    number = int(header.get(key, 0))
    if not 0 <= number <= MOST:
        raise ValueError(f"{key} is {number}, not 0 to {MOST}")
    return number


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
        self.handle, self.index, self.count = handle, index, 0
        self.blocks: list[bytes] = []

    def read(self, count: int) -> bytes:
        if self.count + count > HEADER_BYTES:
            detail = f"the header of HDU {self.index} has no end within {HEADER_BYTES >> 20} MB"
            if self.index:
                raise _NoHeader("damaged", detail)
            raise Unusable("too_large", detail)
        block = self.handle.read(count)
        if self.blocks and block.startswith(b"XTENSION="):
            detail = f"the header of HDU {self.index} has no END card before HDU {self.index + 1} begins"
            raise _NoHeader("damaged", f"{detail}; {AGAIN}", _begun(self.written()))
        self.count += len(block)
        self.blocks.append(block)
        return block

    def written(self) -> bytes:
        """The header's bytes so far."""
        return b"".join(self.blocks)


def _begun(written: bytes) -> fits.Header:
    """The cards of a header that has no end, as far as they can be read."""
    cards = [written[at : at + 80].decode("latin-1") for at in range(0, len(written), 80)]
    return fits.Header([fits.Card.fromstring(card) for card in cards if card.isascii() and card[8:10] == "= "])


def _header(read: _HeaderBytes, index: int) -> fits.Header:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            header = fits.Header.fromfile(read, endcard=True)
    except (OSError, EOFError, ValueError) as error:
        if read.handle.read(1) == b"":
            _check_begun(read, index)
            raise Unusable("truncated", f"the header of HDU {index} has no end; {AGAIN}") from None
        raise _NoHeader("unreadable", f"the header of HDU {index}: {_first_line(error)}") from None
    if index == 0 and "SIMPLE" in header and "BITPIX" not in header:
        raise Unusable("not_fits", "the first header has no BITPIX")
    return header


def _check_begun(read: _HeaderBytes, index: int) -> None:
    """_NoHeader if a header without end is followed by all the bytes that it promises: then only its END is lost."""
    if index == 0:
        return
    begun = _begun(read.written())
    if 0 < _data_size(begun, index) <= read.count - BLOCK:
        raise _NoHeader("damaged", f"the header of HDU {index} has no END card", begun)


def _image(index: int, header: fits.Header) -> ImageHdu | None:
    """The image of an HDU; None if it is a table or empty."""
    packed = bool(header.get("ZIMAGE", False))
    if not packed and str(header.get("XTENSION", "IMAGE")).strip() != "IMAGE":
        return None
    axes = _check_number_of(header, "ZNAXIS" if packed else "NAXIS")
    if axes == 0:
        return None
    shape = tuple(int(header[f"{'ZNAXIS' if packed else 'NAXIS'}{axis}"]) for axis in range(axes, 0, -1))
    if packed and min((int(value) for value in header["ZTILE*"].values()), default=1) < 1:
        raise ValueError("a ZTILE card is less than 1")  # by which a library divides
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    return ImageHdu(index, header, shape, plane_of(header))
