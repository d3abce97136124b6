"""Damaged files beside a sound one, ingested: nothing may be raised, and the sound one must come in, every time.

    python -m benchmarks.breaking.damage [--inputs 20000] [--seed 0]

Every kind of file is damaged in every region: bytes changed, zeroed, cut off, put in or taken out, blocks exchanged,
values of header cards replaced. Prints what became of the damaged files, and the first inputs that failed.
"""

import argparse
import bz2
import faulthandler
import gzip
import io
import random
import shutil
import tempfile
import time
import traceback
import warnings
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
from astropy.io import fits
from PIL import Image

from tests import fits_makers as make
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput
from triptych.pipeline.ingest.ingest import ingest
from triptych.pipeline.ingest.sources import PROBLEMS
from triptych.pipeline.pixels import compressed_tiles
from triptych.pipeline.pixels.full_resolution import full_ccd

GOOD, BAD = 102, 900001  # exposures of the sound file, and of the damaged one
TILES = "ccdnum,x0,y0,x1,y1\n4,10,5,50,35\n2,60,5,100,35\n3,10,50,50,80\n1,60,50,100,80\n"
# what a card may say that no program expects; a number, a text, or nothing at all
VALUES = (
    *("0", "-1", "1", "3", "8", "-32", "64", "-64", "99999999", "-2147483648", "99999999999999999999", "1E400", "NaN"),
    *("T", "F", "'RICE_1  '", "'GZIP_2  '", "'HCOMPRESS_1'", "'1PB(99)'", "'1QJ'", "'0X'", "''", "'", "(1,2)", "", "/"),
    *("'2013-99-99T99:99:99'", "'5h36m49s'", "'\\x00'", "0.0", "-999", "1E308", "-1E-308", "'CCD9'", "'MASK'"),
)
# Operations: (name, place 0..1, amount 0..1, seed). The place is a share of the file's length.
OPERATIONS = ("change", "zero", "cut", "insert", "delete", "exchange", "card", "key", "append")
KINDS = ("plain", "rice", "gzip", "bzip2", "planes", "sums", "several", "png", "jpeg", "tiles")
DECODER = "decoder"  # the same as `rice`, by the compiled decoder
LONG = 60  # seconds after which an input counts as one that never ends
Operation = tuple[str, float, float, int]


@cache
def sound(kind: str) -> bytes:
    """The bytes of a sound file of a kind. `tiles` is the table beside a picture."""
    if kind == "tiles":
        return TILES.encode()
    if kind in ("png", "jpeg"):
        picture = np.random.default_rng(0).integers(60, 200, (90, 120)).astype(np.uint8)
        picture[:4] = picture[40:48] = 20
        written = io.BytesIO()
        Image.fromarray(picture).save(written, kind)
        return written.getvalue()
    hdus = [make.image(name, make.pixels(name), packed=kind in ("rice", DECODER)) for name in make.CCDS]
    if kind == "planes":
        flags = np.zeros(make.SHAPE, np.int16)
        hdus = [hdus[0], make.image("CCD1", flags, EXTTYPE="MASK"), make.image("CCD1", flags * 1.0, EXTTYPE="VARIANCE")]
    if kind == "several":
        for place, hdu in enumerate(hdus):
            hdu.header["EXPNUM"] = BAD + place // 2
    primary = make.primary(None if kind == "several" else BAD, NEXTEND=len(hdus))
    written = io.BytesIO()
    fits.HDUList([primary, *hdus]).writeto(written, checksum=kind == "sums")
    content = written.getvalue()
    return {"gzip": gzip.compress, "bzip2": bz2.compress}.get(kind, bytes)(content)


def name_of(kind: str) -> str:
    """How a file of a kind is named in its folder."""
    ends = {
        "gzip": ".fits.gz",
        "bzip2": ".fits.bz2",
        "rice": ".fits.fz",
        DECODER: ".fits.fz",
        "png": ".png",
        "jpeg": ".jpg",
    }
    return f"D00{BAD}_tiles.csv" if kind == "tiles" else f"D00{BAD}{ends.get(kind, '.fits')}"


def damaged(content: bytes, operations: list[Operation]) -> bytes:
    """The same bytes after some operations."""
    for name, place, amount, seed in operations:
        rng, n = random.Random(seed), len(content)
        at, count = int(place * n), max(1, int(amount**3 * 3000))
        if name == "change":
            count = 1 + count // 20
            content = content[:at] + rng.randbytes(count) + content[at + count :]
        elif name == "zero":
            content = content[:at] + bytes(min(count, n - at)) + content[at + count :]
        elif name == "cut":
            content = content[:at]
        elif name == "insert":
            content = content[:at] + rng.randbytes(count) + content[at:]
        elif name == "delete":
            content = content[:at] + content[at + count :]
        elif name == "exchange":
            at, other = at // 2880 * 2880, int(amount * n) // 2880 * 2880
            first, second = sorted((at, other))
            if second - first >= 2880:
                one, two = content[first : first + 2880], content[second : second + 2880]
                between = content[first + 2880 : second]
                content = content[:first] + two + between + one + content[second + 2880 :]
        elif name == "append":
            content += rng.choice(
                (bytes(count), rng.randbytes(count), content[:2880], b"XTENSION= 'IMAGE   '".ljust(2880))
            )
        else:
            cards = [at for at in range(0, n, 80) if content[at + 8 : at + 10] == b"= "]
            if cards:
                card = cards[int(place * (len(cards) - 1))]
                if name == "card":
                    content = (
                        content[: card + 10] + rng.choice(VALUES).rjust(20).ljust(70).encode() + content[card + 80 :]
                    )
                else:
                    content = content[:card] + rng.randbytes(1 + count % 8) + content[card + 1 + count % 8 :]
    return content


def draw(rng: random.Random) -> tuple[str, list[Operation]]:
    """A kind of file and one to three operations."""
    weights = (2, 2, 2, 1, 1, 1, 2, 3, 2, 1)
    names = rng.choices(OPERATIONS, weights[: len(OPERATIONS)], k=rng.choice((1, 1, 1, 2, 3)))
    return rng.choice((*KINDS, DECODER)), [(name, rng.random(), rng.random(), rng.getrandbits(32)) for name in names]


class Trial:
    """A folder with a sound file, into which damaged ones are put one after the other."""

    def __init__(self, folder: Path):
        self.files, self.run = folder / "files", folder / "run"
        make.exposure(self.files / "good.fits", GOOD)

    def ingest(self, kind: str, content: bytes) -> str:
        """Ingest a damaged file of a kind. Return what became of it. AssertionError, or what was raised."""
        for path in self.files.glob(f"D00{BAD}*"):
            path.unlink()
        shutil.rmtree(self.run, ignore_errors=True)
        if kind == "tiles":
            (self.files / name_of("png")).write_bytes(sound("png"))
        elif kind in ("png", "jpeg"):
            (self.files / name_of("tiles")).write_bytes(sound("tiles"))
        (self.files / name_of(kind)).write_bytes(content)
        compressed_tiles.WORTH_LOADING = compressed_tiles.WORTH_COMPILING = -1 if kind == DECODER else 10**18
        run = Catalog.create(self.run, camera="mosaic3")
        ingest(run, self.files, workers=1)
        exposures, ccds, quarantine = run.exposures(), run.ccds(), run.quarantine()
        assert dict(zip(exposures.expnum, exposures.n_ccds, strict=True)).get(GOOD) == 4, "the sound file is not there"
        assert set(quarantine.problem) <= set(PROBLEMS), "a problem without a meaning"
        assert all(detail and "\n" not in detail for detail in quarantine.detail), "a detail that is no line"
        for row in ccds[ccds.expnum != GOOD].itertuples():
            try:
                assert full_ccd(run, row.image_id, ccds).shape == (row.naxis2, row.naxis1), "another shape"
            except BadInput:
                continue
        whole = exposures[exposures.expnum != GOOD].n_ccds.sum()
        return quarantine.problem.iloc[0] if len(quarantine) else "ingested" if whole else "passed over"


def main() -> None:
    """Run as many inputs as are asked for, and say what became of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    faulthandler.enable()
    warnings.simplefilter("ignore")
    rng, became, failed = random.Random(options.seed), Counter(), []
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(Path(folder))
        for number in range(options.inputs):
            kind, operations = draw(rng)
            print(f"\r{number + 1} of {options.inputs}: {kind} {len(failed)} failed ", end="", flush=True)
            faulthandler.dump_traceback_later(LONG, exit=True)
            try:
                became[kind, trial.ingest(kind, damaged(sound(kind), operations))] += 1
            except Exception:
                failed.append((kind, operations, traceback.format_exc()))
    faulthandler.cancel_dump_traceback_later()
    print(f"\n{options.inputs} inputs in {time.monotonic() - begun:.0f} s, {len(failed)} failed")
    for (kind, what), count in sorted(became.items()):
        print(f"{kind:8} {what:20} {count:6}")
    for kind, operations, told in failed[:10]:
        print(kind, operations, told, sep="\n")


if __name__ == "__main__":
    main()
