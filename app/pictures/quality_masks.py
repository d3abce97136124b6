"""Data-quality masks for drawing: the meaning of the Community Pipeline's values, binned to the pixels of a preview.

The values are those of the NOIRLab Data Handbook: codes since pipeline version 3.5.0, bits before. A binned pixel is
called a texel. It is a uint16: bits 0 to 9 are the classes that occur in it; bits 10 to 15 are the flagged share of its
detector pixels in units of 1/63, rounded up.
"""

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from triptych.app.palette import MASK_COLOURS

SHARE_BITS = 6
FIRST_WITH_CODES = (3, 5)
NOTHING = "nothing recorded"


@dataclass(frozen=True)
class MaskClass:
    """One meaning of a mask's value. code : its value since 3.5.0; bit : its value before; 0 = it had no value"""

    name: str
    label: str
    code: int
    bit: int


# If several classes hold in a pixel, the first one is shown.
CLASSES = (
    MaskClass("saturated", "saturated", 3, 2),
    MaskClass("bleed", "bleed trail", 4, 64),
    MaskClass("bad", "bad pixel", 1, 1),
    MaskClass("no_value", "no value", 2, 0),
    MaskClass("cosmic_ray", "cosmic ray", 5, 16),
    MaskClass("streak", "long streak", 8, 0),
    MaskClass("difference", "differs from other exposures", 7, 128),
    MaskClass("low_weight", "low weight", 6, 0),
    MaskClass("interpolated", "interpolated", 0, 4),
    MaskClass("other", "value of no documented meaning", 0, 0),
)
OTHER = len(CLASSES) - 1


def version_of(plver):
    """(major, minor) of a pipeline version such as 'V4.8.2a' or 'V5.5LS'; () if there is none."""
    found = re.search(r"(\d+)\.(\d+)", str(plver))
    return tuple(map(int, found.groups())) if found else ()


def classes_of(values, plver):
    """uint16 array of the same shape, with a bit for each class of CLASSES. values : integers, 0 = not flagged"""
    values = np.asarray(values)
    bits = np.zeros(values.shape, np.uint16)
    version = version_of(plver)
    if version and version < FIRST_WITH_CODES:
        known = 0
        for i, one in enumerate(CLASSES):
            if one.bit:
                bits |= np.where(values & one.bit, np.uint16(1 << i), np.uint16(0))
                known |= one.bit
        return bits | np.where(values & ~known, np.uint16(1 << OTHER), np.uint16(0))
    table = np.full(10, 1 << OTHER, np.uint16)
    table[0] = 0
    for i, one in enumerate(CLASSES):
        if one.code:
            table[one.code] = 1 << i
    return table[np.where((values < 0) | (values > 9), 9, values).astype(np.intp)]


def binned(bits, bin):
    """Texels of a mask: (ceil(ny / bin), ceil(nx / bin)) uint16.

    bits : (ny, nx) uint16, a bit per class
    bin : detector pixels along the side of a texel. The last texel of a row or column may be smaller
    """
    rows, columns = np.arange(0, bits.shape[0], bin), np.arange(0, bits.shape[1], bin)
    flagged = (bits != 0).astype(np.int64)
    if bin > 1:
        occur = np.bitwise_or.reduceat(np.bitwise_or.reduceat(bits, rows, axis=0), columns, axis=1)
        flagged = np.add.reduceat(np.add.reduceat(flagged, rows, axis=0), columns, axis=1)
    else:
        occur = bits
    high = np.minimum(rows + bin, bits.shape[0]) - rows
    wide = np.minimum(columns + bin, bits.shape[1]) - columns
    most = (1 << SHARE_BITS) - 1
    share = -(-flagged * most // np.outer(high, wide))
    return (occur | (share << 10)).astype(np.uint16)


def read(rows, plver):
    """Yield (row, classes) for each CCD, in their order. classes : (ny, nx) uint16, None if no mask can be read

    rows : of ccds.parquet, with mask_source and mask_hdu. A file with the masks of several CCDs is opened once.
    """
    with ExitStack() as open_files:
        readers = {}
        for row in rows:
            source = row.get("mask_source", "")
            if isinstance(source, str) and source and source not in readers:
                readers[source] = _opened(source, open_files)
            yield row, _classes(readers.get(source), row, plver)


def _opened(source, open_files):
    from triptych.pipeline.pixels.file_paths import path_of
    from triptych.pipeline.pixels.fits import PixelReader, Unusable  # slow to import

    try:
        return open_files.enter_context(PixelReader(path_of(source))) if path_of(source).exists() else None
    except (Unusable, OSError):
        return None


def _classes(reader, row, plver):
    from triptych.pipeline.pixels.fits import Unusable

    try:
        values = np.asarray(reader.read(int(row["mask_hdu"]))) if reader else None
    except (Unusable, OSError, IndexError):
        return None
    if values is None or values.shape != (int(row["naxis2"]), int(row["naxis1"])):
        return None
    return classes_of(values.astype(np.int64), plver)


def legend(shares):
    """Classes for the browser: [{name, label, colour, bit, share}]. The last one, with bit None, is "nothing recorded".

    shares : flagged share of the pixels for each class, floats in the order of CLASSES; None = there is no mask
    """
    found = [
        {"name": one.name, "label": one.label, "colour": MASK_COLOURS[one.name], "bit": i, "share": float(share)}
        for i, (one, share) in enumerate(zip(CLASSES, shares if shares is not None else [], strict=False))
    ]
    nothing = {"name": "nothing", "label": NOTHING, "colour": MASK_COLOURS["nothing"], "bit": None, "share": None}
    return [*found, nothing]


def shares_of(bits):
    """(len(CLASSES),) floats: the share of the pixels in which each class occurs."""
    total = max(1, bits.size)
    return np.array([np.count_nonzero(bits & (1 << i)) for i in range(len(CLASSES))]) / total


def exposure_mask(plane):
    """(header, texels) of an exposure. texels : (n_ccd, ny, nx) uint16 like the plane's pixels, None without any mask

    plane : app.pictures.sky_measured.Plane. `note` in the header says in one line which CCDs have no mask.
    """
    texels, shares, without = None, [], []
    rows = [plane.ccds.loc[int(number)] for number in plane.ccdnums]
    for i, (row, bits) in enumerate(read(rows, plane.exposure.get("plver", ""))):
        if bits is None:
            without.append(str(row["ccdname"]))
            continue
        texels = np.zeros(plane.pixels.shape, np.uint16) if texels is None else texels
        own = binned(bits, max(1, int(row["bin"])))
        ny, nx = plane.own_part(i).shape
        texels[i, : min(ny, own.shape[0]), : min(nx, own.shape[1])] = own[:ny, :nx]
        shares.append(shares_of(bits))
    note = ""
    if texels is None:
        note = missing(rows, "exposure")
    elif without:
        note = f"no mask of {', '.join(without[:4])}{' and others' if len(without) > 4 else ''}"
    return {"classes": legend(np.mean(shares, axis=0) if shares else None), "without": without, "note": note}, texels


def missing(rows, what):
    """One line that says why there is no mask: none was ingested, or its file has gone or changed."""
    sources = sorted({row.get("mask_source", "") or "" for row in rows} - {""})
    if not sources:
        return f"No data-quality mask beside this {what}."
    return f"The mask {Path(sources[0]).name} has gone or changed; ingest it again."


def ccd_mask(row, exposure):
    """(header, texels) of one CCD at full resolution. texels : (ny, nx) uint16, None without a mask"""
    ((_, bits),) = read([row], exposure.get("plver", ""))
    note = "" if bits is not None else missing([row], "CCD")
    header = {"classes": legend(None if bits is None else shares_of(bits)), "without": [], "note": note}
    return header, None if bits is None else binned(bits, 1)
