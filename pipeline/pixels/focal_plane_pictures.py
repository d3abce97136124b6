"""Reads focal-plane pictures (JPEG, PNG) as CCD images, with a table of tiles beside them.

A picture shows a whole exposure as seen on the sky, North up and East left. Its tiles file says where each CCD is
(`ccdnum,x0,y0,x1,y1`, in pixels, x1 and y1 exclusive). The exposure number is in the picture's name. Values are grey
levels, 0 to 255, not ADU. CCD images are turned into array orientation, like FITS pixels.
"""

import re
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage

from triptych.pipeline.camera import Camera
from triptych.pipeline.pixels.hdus import Unusable
from triptych.pipeline.pixels.headers import DIGITS

SUFFIXES = (".jpg", ".jpeg", ".png")
COLUMNS = ("ccdnum", "x0", "y0", "x1", "y1")
PICTURE_PIXELS = 150_000_000  # 62 CCDs of DECam, binned by 2, make 139 million
TILES_BYTES = 1 << 20  # a line for each of 62 CCDs makes 2 kB
OVERLAP = 1.5  # the areas of all tiles, in units of the picture's; slightly rotated CCDs may overlap a little
# a pixel is blank if all its neighbours this near are within this many grey levels of the ground between the tiles
BLANK_NEIGHBOURHOOD = 7
BLANK_TOLERANCE = 8


def is_picture_name(path: str | Path) -> bool:
    """Whether the name of a file is that of a focal-plane picture."""
    return str(path).lower().endswith(SUFFIXES)


def expnum_of_name(path: str | Path) -> int:
    """Exposure number in a picture's name: 158660 in `Ghost_img_D00158660.jpg` and in `158660.png`.

    Unusable if there is no number or several.
    """
    stem = Path(path).stem
    found = re.findall(r"(?<![A-Za-z0-9])D(\d{6,})(?!\d)", stem) or re.findall(r"\d{4,}", stem)
    if len(set(found)) == 1 and len(found[0]) > DIGITS:
        raise Unusable(
            "no_expnum", f"a number of more than {DIGITS} digits in the file's name; name it like D00158660.jpg"
        )
    if len(set(found)) != 1 or not int(found[0]):
        several = f"several numbers ({', '.join(found)})" if found else "no number of four digits or more"
        raise Unusable("no_expnum", f"{several} in the file's name; name it like D00158660.jpg")
    return int(found[0])


def tiles_path(path: str | Path) -> Path:
    """The tiles file of a picture. Unusable if there is none.

    It is `<the picture's name>_tiles.csv`, else the one `*_tiles.csv` whose prefix the picture's name begins with, else
    the only one in the folder.
    """
    path = Path(path)
    found = _tiles_in(path.parent, path.parent.stat().st_mtime_ns)
    for candidate in found:
        if candidate.name == f"{path.stem}_tiles.csv":
            return candidate
    prefixed = [each for each in found if path.name.lower().startswith(each.name[: -len("_tiles.csv")].lower())]
    choice = prefixed or found
    if len(choice) != 1:
        names = f"{len(found)} tiles files, but none is this picture's" if found else "no tiles file beside it"
        raise Unusable("no_tiles", f"{names}; write {path.stem}_tiles.csv with columns {','.join(COLUMNS)}")
    return choice[0]


@lru_cache(maxsize=64)
def _tiles_in(folder: Path, changed_ns: int) -> tuple[Path, ...]:
    """All tiles files of a folder. changed_ns : when the folder changed last, which is only a key of the cache."""
    return tuple(sorted(folder.glob("*_tiles.csv")))


def read_tiles(path: Path, camera: Camera) -> pd.DataFrame:
    """Tiles in order of ccdnum: COLUMNS, int64. Unusable if the file has no such columns or unknown CCD numbers."""
    try:
        if path.stat().st_size > TILES_BYTES:
            raise Unusable(
                "no_tiles", f"{path.name} has more than {TILES_BYTES >> 20} MB; it needs a line for each CCD"
            )
        tiles = pd.read_csv(path)
        missing = [name for name in COLUMNS if name not in tiles]
        if missing:
            raise Unusable("no_tiles", f"{path.name} has no column {', '.join(missing)} (it has {', '.join(tiles)})")
        tiles = tiles[list(COLUMNS)].astype(np.int64)
    except (OSError, ValueError) as error:
        raise Unusable("no_tiles", f"{path.name} cannot be read: {str(error).splitlines()[0]}") from None
    unknown = sorted(set(tiles.ccdnum) - set(camera.by_number))
    if unknown or tiles.ccdnum.duplicated().any():
        problem = f"has CCD numbers that {camera.title} does not have: {unknown}" if unknown else "names a CCD twice"
        raise Unusable("no_tiles", f"{path.name} {problem}")
    return tiles.sort_values("ccdnum", ignore_index=True)


def read_grey(path: str | Path) -> np.ndarray:
    """A picture as (height, width) float32 grey levels, 0 to 255. Unusable if it cannot be read."""
    try:
        with warnings.catch_warnings(category=Image.DecompressionBombWarning, action="ignore"):
            opened = Image.open(path, formats=("JPEG", "PNG"))
        with opened as picture:
            if picture.width * picture.height > PICTURE_PIXELS:
                raise Unusable("too_large", f"it has {picture.width} x {picture.height} pixels")
            if picture.mode.startswith("I"):  # 16 bits, which Pillow would clip
                return np.asarray(picture, dtype=np.float32) / 257
            return np.asarray(picture.convert("L"), dtype=np.float32)
    except FileNotFoundError:
        raise
    except OSError as error:
        problem = "truncated" if "truncated" in str(error) else "unreadable"
        raise Unusable(problem, str(error).splitlines()[0]) from None
    except (Image.DecompressionBombError, MemoryError) as error:
        raise Unusable("too_large", (str(error) or "there is not enough memory to read it").splitlines()[0]) from None
    except (ValueError, SyntaxError) as error:
        raise Unusable("unreadable", str(error).splitlines()[0]) from None


def cut_tiles(grey: np.ndarray, tiles: pd.DataFrame, camera: Camera) -> dict[int, np.ndarray]:
    """CCD images of a picture by ccdnum, each (ny, nx) float32 grey levels in array orientation, NaN where blank.

    Blank is what looks like the ground between the tiles. A tile that is blank all over is left out: that CCD was dead
    or absent. Half a blank tile is a CCD image with nothing recorded there. Unusable if the tiles do not fit.
    """
    outside = (tiles.x0 < 0) | (tiles.y0 < 0) | (tiles.x1 > grey.shape[1]) | (tiles.y1 > grey.shape[0])
    if outside.any() or ((tiles.x1 <= tiles.x0) | (tiles.y1 <= tiles.y0)).any():
        raise Unusable("wrong_shape", f"the tiles do not fit a picture of {grey.shape[1]} x {grey.shape[0]} pixels")
    if ((tiles.x1 - tiles.x0) * (tiles.y1 - tiles.y0)).sum() > OVERLAP * grey.size:
        raise Unusable("wrong_shape", "the tiles overlap; each CCD must have its own part of the picture")
    ground = _ground(grey, tiles)
    images = {}
    for tile in tiles.itertuples():
        shown = grey[tile.y0 : tile.y1, tile.x0 : tile.x1].copy()
        shown[_blank(shown, ground)] = np.nan
        if not np.isnan(shown).all():
            images[int(tile.ccdnum)] = from_display(shown, camera)
    return images


def from_display(shown: np.ndarray, camera: Camera) -> np.ndarray:
    """Turn one CCD as displayed (North up, East left) into array orientation. The inverse of `images.display`."""
    shown = shown[::-1] if camera.flip_rows else shown
    shown = shown[:, ::-1] if camera.flip_columns else shown
    return np.ascontiguousarray(shown.T)


def _ground(grey: np.ndarray, tiles: pd.DataFrame) -> float:
    """Grey level between the tiles; NaN if the tiles cover everything."""
    between = np.ones(grey.shape, dtype=bool)
    for tile in tiles.itertuples():
        between[tile.y0 : tile.y1, tile.x0 : tile.x1] = False
    return float(np.median(grey[between])) if between.any() else np.nan


def _blank(shown: np.ndarray, ground: float) -> np.ndarray:
    """(height, width) bool: pixels whose whole neighbourhood is at the level of the ground."""
    if not np.isfinite(ground):
        return np.zeros(shown.shape, dtype=bool)
    flat = np.abs(shown - ground) <= BLANK_TOLERANCE
    if flat.mean() > 0.98:  # in a blank tile, compression of the picture changes a few pixels
        return np.ones(shown.shape, dtype=bool)
    side = BLANK_NEIGHBOURHOOD
    padded = np.pad(flat, side, mode="symmetric")
    return ndimage.binary_opening(padded, np.ones((side, side)))[side:-side, side:-side]
