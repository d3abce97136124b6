"""Small files that would fill the memory if they were believed or unpacked, and readers that must refuse them.

`read_all` runs in a process of its own, which tells how much memory the readers took.
"""

import gzip
import json
import os
import resource
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import openpyxl
from PIL import Image

from tests import fits_makers as make
from triptych.pipeline.embedding import external
from triptych.pipeline.errors import BadInput
from triptych.pipeline.ingest.sources import read_record
from triptych.pipeline.labels.imported import ReadOptions
from triptych.pipeline.labels.readers import guess_kind, read_bad_expid, read_spreadsheet, read_truth
from triptych.pipeline.labels.survey_ccds import read as read_survey_ccds
from triptych.pipeline.pixels import focal_plane_pictures

MB = 1 << 20
LARGE = 500  # MB that a bomb would take
ONE = bytes(MB)


def gzipped(path: Path, first: bytes, piece: bytes = ONE, times: int = LARGE) -> None:
    """A gzip file of `first` and many times the same piece."""
    packed = gzip.compress(piece)
    with open(path, "wb") as handle:
        handle.write(gzip.compress(first))
        for _ in range(times):
            handle.write(packed)


def header(**cards) -> bytes:
    lines = [f"{key:8s}= {value:>20}" for key, value in cards.items()]
    return "".join(line.ljust(80) for line in [*lines, "END"]).ljust(2880 * (1 + len(lines) // 36)).encode()


def sound(path: Path) -> bytes:
    return make.exposure(path).read_bytes()


def endless_header(path: Path) -> None:
    gzipped(path, b"SIMPLE  =                    T".ljust(2880), b" " * 2880 * 360)


def long_tail(path: Path) -> None:
    gzipped(path, sound(path.with_name("sound.fits")))


def huge_axes(path: Path) -> None:
    path.write_bytes(header(SIMPLE="T", BITPIX=-32, NAXIS=2, NAXIS1=10**6, NAXIS2=10**6))


def huge_axes_gzipped(path: Path) -> None:
    gzipped(path, header(SIMPLE="T", BITPIX=-32, NAXIS=2, NAXIS1=10**6, NAXIS2=10**6), times=1)


def huge_packed_axes(path: Path) -> None:
    hdu = make.image("CCD1", make.pixels("CCD1"), packed=True)
    make.write(path, make.primary(), hdu)
    text = path.read_bytes().replace(b"ZNAXIS1 =                   32", b"ZNAXIS1 =              1000000")
    path.write_bytes(text.replace(b"ZNAXIS2 =                   48", b"ZNAXIS2 =              1000000"))


def negative_axis(path: Path) -> None:
    path.write_bytes(header(SIMPLE="T", BITPIX=8, NAXIS=1, NAXIS1=-2880))


def many_hdus(path: Path) -> None:
    gzipped(path, header(SIMPLE="T", BITPIX=8, NAXIS=0), header(XTENSION="'IMAGE   '", BITPIX=8, NAXIS=0), 20_000)


def picture(path: Path, side: int) -> None:
    (path.parent / "p_tiles.csv").write_text("ccdnum,x0,y0,x1,y1\n1,0,0,100,100\n")
    Image.new("1", (side, side)).save(path)


def endless_line(path: Path, begin: str = "") -> None:
    path.write_text(begin)
    os.truncate(path, 1 << 40)  # takes no room on the disk


def workbook(path: Path) -> Path:
    book = openpyxl.Workbook()
    for row in (["expnum", "Is_bad?"], [101, "y"]):
        book.active.append(row)
    book.save(path)
    return path


def large_texts(path: Path, pieces: int = LARGE) -> None:
    with zipfile.ZipFile(workbook(path), "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.filename = str(path)
        with archive.open("xl/sharedStrings2.xml", "w") as member:
            for _ in range(pieces):
                member.write(ONE)


def lying_directory(path: Path) -> None:
    """The styles, which are read at once, are large, and the directory says that they are small."""
    original = workbook(path.with_name("original.xlsx"))
    with zipfile.ZipFile(original) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
        for member in old.infolist():
            content = old.read(member)
            if member.filename == "xl/styles.xml":
                content = content.replace(b">", b">" + b" " * LARGE * MB, 1)
            new.writestr(member.filename, content)
    info = next(one for one in zipfile.ZipFile(path).infolist() if one.filename == "xl/styles.xml")
    with zipfile.ZipFile(path) as archive, archive.open("xl/styles.xml") as member:
        checksum = zlib.crc32(member.read(4000))  # of as much as it says
    content = path.read_bytes()
    for written, said in ((info.file_size, 4000), (info.CRC, checksum)):
        assert content.count(written.to_bytes(4, "little")) >= 2
        content = content.replace(written.to_bytes(4, "little"), said.to_bytes(4, "little"))
    path.write_bytes(content)


def many_members(path: Path) -> None:
    with zipfile.ZipFile(workbook(path), "a") as archive:
        for number in range(10_001):
            archive.writestr(f"xl/media/{number}", b"")


def far_row(path: Path) -> None:
    old = workbook(path.with_name("near.xlsx"))
    with zipfile.ZipFile(old) as near, zipfile.ZipFile(path, "w") as far:
        for member in near.infolist():
            text = near.read(member)
            if member.filename == "xl/worksheets/sheet1.xml":
                text = text.replace(b'<row r="2"', b'<row r="2000000000"').replace(b'"A1:B2"', b'"A1:XFD2000000000"')
            far.writestr(member.filename, text)


def h5(path: Path, **options) -> h5py.Dataset:
    path.with_suffix(".csv").write_text("expnum,ccdnum\n1,1\n")
    file = h5py.File(path, "w")
    return file.create_group("images").create_dataset("idx_0_label_0", **options)


def long_vector(path: Path) -> None:
    h5(path, shape=(1, 10**12), dtype="f8", chunks=(1, 1000)).file.close()


def large_chunk(path: Path) -> None:
    stored = h5(path, shape=(1, 4), maxshape=(1, None), dtype="f8", chunks=(1, LARGE * MB // 8), compression="gzip")
    stored.id.write_direct_chunk((0, 0), zlib.compress(bytes(LARGE * MB), 1))
    stored.file.close()


def swelling_chunk(path: Path) -> None:
    """A chunk of 32 bytes whose packed bytes unpack to much more."""
    stored = h5(path, shape=(1, 4), dtype="f8", chunks=(1, 4), compression="gzip")
    stored.id.write_direct_chunk((0, 0), zlib.compress(bytes(LARGE * MB), 1))
    stored.file.close()


def long_array(path: Path) -> None:
    path.with_suffix(".csv").write_text("expnum,ccdnum\n1,1\n")
    np.save(path, np.zeros((1, 4), np.float32))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"(1, 4), }" + b" " * 9, b"(1000000000, 4), }"))


def survey_table(path: Path) -> None:
    table = header(XTENSION="'BINTABLE'", BITPIX=8, NAXIS=2, NAXIS1=1000, NAXIS2=10**12, PCOUNT=0, GCOUNT=1, TFIELDS=0)
    gzipped(path, header(SIMPLE="T", BITPIX=8, NAXIS=0) + table, times=1)


def recorded(path: Path) -> str:
    """What the ingest says of a file."""
    (_, problem, detail), *_ = read_record(str(path), "mosaic3").problems
    return f"{problem}: {detail}"


def said(read: Callable, *arguments) -> str:
    try:
        read(*arguments)
    except BadInput as error:
        return str(error)
    return "read"


def label_list(path: Path) -> str:
    return said(read_bad_expid, path, ReadOptions())


def truth_table(path: Path) -> str:
    return said(read_truth, path, ReadOptions())


def spreadsheet(path: Path) -> str:
    return said(read_spreadsheet, path, ReadOptions())


def vectors(path: Path) -> str:
    return said(external.read, path)


# name of the file -> (what makes it, what reads it, what is said)
BOMBS: dict[str, tuple[Callable, Callable, str]] = {
    "header.fits.gz": (endless_header, recorded, "too_large: the header of HDU 0 has no end within 16 MB"),
    "tail.fits.gz": (long_tail, recorded, "too_large: more than 16 MB follow its last HDU; gunzip the file first"),
    "axes.fits": (huge_axes, recorded, "truncated: HDU 0 ends at byte 4000000002880"),
    "axes.fits.gz": (huge_axes_gzipped, recorded, "too_large: unpacked, HDU 0 ends at 4,000 GB"),
    "axes.fits.fz": (huge_packed_axes, recorded, "wrong_shape: HDU 1 is 1000000 x 1000000 pixels"),
    "less.fits": (negative_axis, recorded, "unreadable: the header of HDU 0 says"),
    "many.fits.gz": (many_hdus, recorded, "too_large: it has more than 4096 HDUs"),
    "1234_20000.png": (
        lambda path: picture(path, 20_000),
        lambda path: said(focal_plane_pictures.read_grey, path),
        "too_large: Image size (400000000 pixels)",
    ),
    "1234_12500.png": (
        lambda path: picture(path, 12_500),
        lambda path: said(focal_plane_pictures.read_grey, path),
        "too_large: it has 12500 x 12500 pixels",
    ),
    "line.txt": (endless_line, label_list, "has a line of more than 1 MB after line 0; is it a text file?"),
    "guess.txt": (endless_line, lambda path: said(guess_kind, path), "has a line of more than 1 MB"),
    "line.csv": (lambda path: endless_line(path, "expnum,reason\n"), truth_table, "of more than 1 MB after line 1;"),
    "list.txt.gz": (
        lambda path: gzipped(path, b"1\n", (b"#" * 1000 + b"\n") * 8000, LARGE // 8),
        label_list,
        "if it is sound, gunzip it first",
    ),
    "texts.xlsx": (large_texts, spreadsheet, "so it is not opened; save the sheet with the answers as CSV"),
    "lying.xlsx": (lying_directory, spreadsheet, "cannot be read as a spreadsheet (Bad CRC"),
    "members.xlsx": (many_members, spreadsheet, "holds 10,0"),
    "far.xlsx": (far_row, spreadsheet, "read"),
    "long.h5": (long_vector, vectors, "has shape (1, 1000000000000); a vector has at most 1,000,000 features"),
    "chunk.h5": (large_chunk, vectors, "in too large chunks; write it without chunks or compression"),
    "swelling.h5": (swelling_chunk, vectors, "in too large chunks"),
    "long.npy": (long_array, vectors, "cannot be read as an array"),
    "keys.npy": (
        lambda path: (np.save(path, np.zeros((1, 4))), endless_line(path.with_suffix(".csv"), "expnum,ccdnum\n")),
        vectors,
        "has a line of more than 1 MB",
    ),
    "survey.fits.gz": (survey_table, lambda path: said(read_survey_ccds, path), "1,000,000 GB"),
}


def read_all(folder: Path, out: Path) -> None:
    """Read every bomb of a folder, and write {name: [what was said, MB of memory that it took]} to `out`."""
    found = {}
    for name, (_, read, _) in BOMBS.items():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            words = read(folder / name)
        except Exception as error:
            words = repr(error)
        found[name] = (words, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
    out.write_text(json.dumps(found))
