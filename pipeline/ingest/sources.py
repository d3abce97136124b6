"""Finds the files to ingest, and makes one record of each from its headers.

Folders are searched with all subfolders. Hidden names and other kinds of files are skipped. A file that is reached
twice, through two sources or a link, counts once.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from triptych.pipeline.camera import Camera, Ccd, camera
from triptych.pipeline.errors import BadInput
from triptych.pipeline.pixels import fits, focal_plane_pictures, headers, planes
from triptych.pipeline.pixels.hdus import ImageHdu, Scanned, Unusable, look

SMALLEST_SIDE = 8  # pixels; anything smaller is not an image
LARGEST_SIDE = 1.25  # in units of the camera's CCD; raw frames have overscan

# problem -> what it means, for the summary at the end and the screen; there are no other problems
PROBLEMS: dict[str, str] = {
    "empty": "the file has no bytes",
    "not_fits": "the file is not a FITS file",
    "truncated": "the file ends too early",
    "damaged": "bytes that are not as they were written",
    "extra_bytes": "bytes behind the file that were not read; the exposure is there",
    "unreadable": "the file or folder cannot be read",
    "empty_folder": "the folder has no file that can be ingested",
    "no_expnum": "no exposure number",
    "unknown_camera": "the camera is not known",
    "contradiction": "headers that contradict one another",
    "calibration": "a bias, dark, flat or focus frame, not the sky",
    "stack": "several exposures combined, not one",
    "no_image": "no image of a CCD",
    "no_tiles": "a focal-plane picture without a usable tiles file",
    "unknown_ccd": "an image whose CCD is not known",
    "wrong_shape": "an image of the wrong shape",
    "too_large": "larger than any exposure is, or than this machine can hold",
    "corrupt_pixels": "pixels that cannot be decoded",
    "all_nan": "an image with no recorded pixel",
    "duplicate_ccd": "the CCD is already there from another image",
    "duplicate_exposure": "the exposure is already there from another file",
}


@dataclass
class FileRecord:
    """What the headers of a file say.

    problems : [ccdname, problem, detail]. images : dicts, see `_ccd`. more : of a file with several exposures, the
    `expnum`, `facts`, `images` and `problems` of each further one.
    """

    path: str
    digest: str
    product: str = "bad"  # image, picture, mask, other, or bad
    camera: str = ""
    expnum: int = -1
    processing: str = ""
    facts: dict = field(default_factory=dict)
    images: list = field(default_factory=list)
    problems: list = field(default_factory=list)
    more: list = field(default_factory=list)

    @property
    def expnums(self) -> set[int]:
        """The exposures that the file belongs to; {-1} if none is known."""
        return {self.expnum, *(one["expnum"] for one in self.more)}

    def parts(self) -> list["FileRecord"]:
        """One record for each exposure in the file."""
        return [replace(self, **own, more=[]) for own in ({}, *self.more)]

    def as_dict(self) -> dict:
        """The record for the JSON of the manifest."""
        return asdict(self)


def find_files(sources: str | Path | Iterable[str | Path]) -> tuple[list[str], list[FileRecord]]:
    """Absolute paths of all files in the sources, sorted, and records of folders that are empty or cannot be read.

    BadInput if a source does not exist.
    """
    sources = [sources] if isinstance(sources, str | Path) else list(sources)
    for source in sources:
        if not os.path.lexists(source):
            raise BadInput(f"{source} does not exist; give a file or folder that exists")
    if not sources:
        raise BadInput("nothing to ingest; name at least one file or folder")
    found, folders = set(), []
    for source in sources:
        path = os.path.realpath(source)
        if not os.path.isdir(path):
            found.add(path)
            continue
        inside, refused = _walk(path)
        found.update(inside)
        folders += [_bad_folder(folder, "unreadable", detail) for folder, detail in refused]
        if not inside and not refused:
            folders.append(_bad_folder(path, "empty_folder", "it has no FITS file and no picture"))
    return sorted(found), folders


def _walk(top: str) -> tuple[set[str], list[tuple[str, str]]]:
    found, refused, seen = set(), [], set()

    def refuse(error: OSError) -> None:
        refused.append((error.filename, error.strerror))

    for folder, subfolders, names in os.walk(top, onerror=refuse, followlinks=True):
        real = os.path.realpath(folder)
        subfolders[:] = [] if real in seen else sorted(name for name in subfolders if not name.startswith("."))
        seen.add(real)
        for name in names:
            if not name.startswith(".") and (fits.is_fits_name(name) or focal_plane_pictures.is_picture_name(name)):
                found.add(os.path.realpath(os.path.join(folder, name)))
    return found, refused


def _bad_folder(path: str, problem: str, detail: str) -> FileRecord:
    return FileRecord(path, problem, product="folder", problems=[["", problem, detail]])


def digest_of(path: str) -> str:
    """Size and modification time of a file, and of a picture's tiles file; '' if the file cannot be accessed."""
    try:
        digest = _stamp(path)
        if focal_plane_pictures.is_picture_name(path):
            digest += " " + _stamp(focal_plane_pictures.tiles_path(path))
        return digest
    except Unusable:
        return digest
    except OSError:
        return ""


def _stamp(path: str | Path) -> str:
    status = os.stat(path)
    return f"{status.st_size}-{status.st_mtime_ns}"


def read_record(path: str, default: str) -> FileRecord:
    """The record of one file, including its problems. default : the run's camera."""
    record = FileRecord(path, digest_of(path))
    try:
        if focal_plane_pictures.is_picture_name(path):
            _read_picture(record, camera(default))
        else:
            _read_fits(record, camera(default))
    except Unusable as error:
        record.problems.append(["", error.problem, error.detail])
    except MemoryError:
        record.problems.append(["", "too_large", "there is not enough memory to read it"])
    except OSError as error:
        record.problems.append(["", "unreadable", error.strerror or _first_line(error)])
    except Exception as error:  # a file of somebody else may raise anything, and costs itself only
        record.problems.append(["", "damaged", _first_line(error)])
    if any(not ccdname for ccdname, _, _ in record.problems) and not record.images:
        record.product = "bad"
    if any(problem == "unreadable" for _, problem, _ in record.problems):
        record.digest = ""  # permissions or a disk may come back while the file stays the same
    return record


def _read_picture(record: FileRecord, found: Camera) -> None:
    record.camera = found.name
    problems = []
    try:
        record.expnum = focal_plane_pictures.expnum_of_name(record.path)
    except Unusable as error:
        problems.append(error)
    try:
        tiles = focal_plane_pictures.read_tiles(focal_plane_pictures.tiles_path(record.path), found)
    except Unusable as error:
        problems.append(error)
    if problems:
        raise Unusable(problems[0].problem, "; ".join(error.detail for error in problems))
    record.product = "picture"
    record.facts = headers.exposure_facts([], found)
    for tile in tiles.itertuples():
        shape = (int(tile.x1 - tile.x0), int(tile.y1 - tile.y0))
        name = found.name_of(tile.ccdnum)
        record.images.append(_ccd(-1, "tile", name, int(tile.ccdnum), shape, None))


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def _read_fits(record: FileRecord, default: Camera) -> None:
    scanned = Scanned()
    try:
        look(record.path, scanned)
    finally:
        _identify(record, scanned, default)
    if scanned.fault:
        raise scanned.fault
    primary, images = scanned.headers[0], scanned.images
    product, record.processing = planes.product_of(record.path, primary)
    if product == "image" and not any(image.plane == "image" for image in images):
        product = planes.said_by_name(record.path) or product
    if product in ("weight", "other"):
        record.product = "other"
        return
    record.problems += [["", error.problem, error.detail] for error in scanned.problems]
    every = _two(scanned)
    found = headers.camera_of_file(every, default)
    record.expnum = headers.expnum_of(_all(scanned), found)
    if kind := headers.is_calibration(every) or planes.calibration_in_name(record.path):
        raise Unusable("calibration", kind)
    if combined := headers.is_stack(every) or planes.stack_in_name(record.path):
        raise Unusable("stack", combined)
    if not images:
        raise Unusable("no_image", "no HDU has an image")
    record.product = product
    record.facts = headers.exposure_facts(every, found)
    numbers = _read_images(record, found, primary, images)
    _check_shapes(record)
    if not record.images and not record.problems:
        raise Unusable("no_image", "it has only focus chips")
    _part(record, found, primary, images, numbers)


def _two(scanned: Scanned) -> list:
    """The headers that tell of the exposure: the primary and that of the first image."""
    return [*scanned.headers[:1], *(image.header for image in scanned.images[:1])]


def _all(scanned: Scanned) -> list:
    """The primary header and those of all images."""
    return [*scanned.headers[:1], *(image.header for image in scanned.images)]


def _identify(record: FileRecord, scanned: Scanned, default: Camera) -> None:
    """Note camera and exposure number as far as the headers that could be read say them."""
    with contextlib.suppress(Unusable):
        found = headers.camera_of_file(_two(scanned), default)
        record.camera = found.name
        record.expnum = headers.expnum_of(_all(scanned), found)


def _read_images(record: FileRecord, found: Camera, primary, images: list[ImageHdu]) -> dict[int, int]:
    """Add the CCDs of a file, and return the exposure number of each, by HDU.

    A mask plane belongs to the image before it, or to the first one behind it; weight planes are skipped.
    """
    seen: dict[tuple[int, str], dict] = {}
    numbers: dict[int, int] = {}
    masks: list[ImageHdu] = []
    sky = [image for image in images if image.plane not in ("mask", "weight")]
    for image in images:
        if image.plane == "weight":
            continue
        if image.plane == "mask" and record.product == "image":
            if record.images and tuple(record.images[-1]["shape"]) == image.shape:
                record.images[-1]["mask_hdu"] = image.hdu
            elif not record.images:
                masks.append(image)
            continue
        ccd = None
        try:
            ccd = headers.ccd_of(image, found, primary if len(sky) <= 1 or image.plane else None)
            if ccd is None:
                continue
            if image.damage:
                raise Unusable("damaged", image.damage)
            _check_shape(image, found)
            number = headers.number_of(image, primary, sky) or record.expnum
            own = _ccd_of(image, ccd)
        except Unusable as error:
            record.problems.append([ccd.name if ccd else "", error.problem, error.detail])
            continue
        except MemoryError:
            raise
        except Exception as error:  # a damaged header costs its CCD only
            detail = f"HDU {image.hdu}: {_first_line(error)}"
            record.problems.append([ccd.name if ccd else "", "damaged", detail])
            continue
        numbers[image.hdu] = number
        first = seen.setdefault((number, ccd.name), own)
        if first is not own and not _is_mask_of(record, first, own):
            detail = f"HDU {image.hdu}; HDU {first['hdu']} of the same file is used"
            record.problems.append([ccd.name, "duplicate_ccd", detail])
        if first is own:
            record.images.append(own)
    for mask in masks:
        if record.images and tuple(record.images[0]["shape"]) == mask.shape and record.images[0]["mask_hdu"] < 0:
            record.images[0]["mask_hdu"] = mask.hdu
    return numbers


def _is_mask_of(record: FileRecord, first: dict, second: dict) -> bool:
    """Of two images of one CCD, whether one is the other's mask: whole numbers beside others. Note it as such."""
    if record.product != "image" or first["shape"] != second["shape"] or first["whole"] == second["whole"]:
        return False
    image, mask = (second, first) if first["whole"] else (first, second)
    hdu = mask["hdu"]
    first.update(image | {"mask_hdu": hdu if image["mask_hdu"] < 0 else image["mask_hdu"]})
    return True


def _part(record: FileRecord, found: Camera, primary, images: list[ImageHdu], numbers: dict[int, int]) -> None:
    """Give each exposure of a file with several its own images and facts."""
    if len(set(numbers.values())) < 2:
        record.expnum = next(iter(numbers.values()), record.expnum)
        return
    by_hdu = {image.hdu: image.header for image in images}
    groups: dict[int, list] = {}
    for image in record.images:
        groups.setdefault(numbers[image["hdu"]], []).append(image)
    parts = [
        {
            "expnum": number,
            "facts": headers.exposure_facts([by_hdu[own[0]["hdu"]], primary], found),
            "images": own,
            "problems": [],
        }
        for number, own in groups.items()
    ]
    first, *record.more = parts
    record.expnum, record.facts, record.images = first["expnum"], first["facts"], first["images"]


def _ccd_of(image: ImageHdu, ccd: Ccd) -> dict:
    return _ccd(image.hdu, image.name, ccd.name, ccd.number, image.shape, fits.blank_value(image.header)) | {
        "fwhm": headers.width_of(image.header),
        "saturation": headers.saturation_of(image.header),
        "cd": headers.scales_of(image.header),
        "span": image.span and list(image.span),
        "datasum": image.datasum and list(image.datasum),
        "whole": planes.is_whole_numbers(image.header),
    }


def _ccd(
    hdu: int,
    hdu_name: str,
    ccdname: str,
    ccdnum: int,
    shape: tuple[int, ...],
    blank: float | None,
) -> dict:
    """One CCD image of a file.

    shape : (ny, nx). blank : the value of pixels that were not recorded. mask_hdu : -1 = none. fwhm : median FWHM of
    stars in pixels; saturation : ADU; cd : CD1_1, CD1_2, CD2_1, CD2_2 in degrees per pixel; from the header, or None.
    span, datasum : see `ImageHdu`. whole : whether the pixels are integers that are not scaled.
    """
    return {
        "hdu": hdu,
        "hdu_name": hdu_name,
        "ccdname": ccdname,
        "ccdnum": ccdnum,
        "shape": list(shape),
        "blank": blank,
        "mask_hdu": -1,
        "fwhm": None,
        "saturation": None,
        "cd": None,
        "span": None,
        "datasum": None,
        "whole": False,
    }


def _check_shape(image: ImageHdu, found: Camera) -> None:
    written = " x ".join(str(side) for side in image.shape)
    if len(image.shape) != 2:
        raise Unusable("wrong_shape", f"HDU {image.hdu} has {len(image.shape)} axes ({written}), not 2")
    if min(image.shape) < SMALLEST_SIDE:
        raise Unusable("wrong_shape", f"HDU {image.hdu} is {written} pixels, too small to be an image")
    if any(side > LARGEST_SIDE * full for side, full in zip(image.shape, found.ccd_shape, strict=True)):
        full = " x ".join(str(side) for side in found.ccd_shape)
        raise Unusable("wrong_shape", f"HDU {image.hdu} is {written} pixels; a {found.title} CCD is {full}")


def _check_shapes(record: FileRecord) -> None:
    """In a file with three CCDs or more, an image is wrong if its shape differs from that of the majority."""
    shapes = Counter(tuple(image["shape"]) for image in record.images)
    if len(record.images) < 3 or len(shapes) == 1:
        return
    usual, times = shapes.most_common(1)[0]
    if 2 * times <= len(record.images):
        return
    for image in [image for image in record.images if tuple(image["shape"]) != usual]:
        record.images.remove(image)
        detail = f"HDU {image['hdu']} is {image['shape']} pixels; the other CCDs of the file are {list(usual)}"
        record.problems.append([image["ccdname"], "wrong_shape", detail])
