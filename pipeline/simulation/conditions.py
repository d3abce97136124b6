"""One simulated observation as values: band, night, field, seeing, and where each CCD's pixels are on the sky.

Focal-plane coordinates are u (to the right, West) and v (downwards, South) in full-resolution pixels, measured from the
centre of the camera's canvas. The array axes of a CCD follow from them by the camera's flips.
"""

from dataclasses import dataclass, field

import numpy as np

from triptych.pipeline.camera import Camera, Ccd

PIXEL_SCALE = 0.262  # arcsec per detector pixel
GAIN = 3.95  # electrons per ADU
READ_NOISE = 6.0  # electrons
SATURATION = 44000.0  # ADU

STRONG, REALISTIC = "strong", "realistic"
STRENGTHS = {
    STRONG: "as large as they get at a telescope, to be seen in a preview",
    REALISTIC: "as they mostly are, 0.5 to 3 arcsec",
}


@dataclass(frozen=True)
class Band:
    """filter : the long name for FILTER. sky : dark sky, ADU/s per detector pixel. zero_point : magnitude of 1 ADU/s.
    exptime : usual, s. seeing : usual FWHM, arcsec. extinction : mag per airmass. colour : mean r - band of a star."""

    filter: str
    sky: float
    zero_point: float
    exptime: float
    seeing: float
    extinction: float
    colour: float


BANDS: dict[str, Band] = {
    "g": Band("g DECam SDSS c0001 4720.0 1520.0", 1.4, 25.15, 90.0, 1.20, 0.19, -0.60),
    "r": Band("r DECam SDSS c0002 6415.0 1480.0", 4.0, 25.12, 90.0, 1.08, 0.10, 0.00),
    "i": Band("i DECam SDSS c0003 7835.0 1470.0", 9.0, 25.05, 90.0, 1.00, 0.06, 0.25),
    "z": Band("z DECam SDSS c0004 9260.0 1520.0", 25.0, 24.84, 100.0, 0.97, 0.06, 0.40),
    "Y": Band("Y DECam c0005 10095.0 1130.0", 20.0, 23.65, 90.0, 0.95, 0.06, 0.45),
}


@dataclass(frozen=True)
class Field:
    """A pointing. ra, dec : degrees. stars : density of stars, 1 = high Galactic latitude. seed : of its sources."""

    name: str
    ra: float
    dec: float
    propid: str
    stars: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Observation:
    """Everything that is decided before pixels are drawn. The pixels depend only on this.

    exptime : seconds. fwhm : delivered seeing, arcsec. moon : sky brightness relative to a dark sky. du, dv : dither,
    detector pixels. reasons : what is wrong, () = nothing. suspicious : what makes a good exposure look bad, '' =
    nothing. strength : 0 (just visible) to 1 (ruined). strengths : one of STRENGTHS, how large that is in star images.
    """

    expnum: int
    mjd: float
    band: str
    exptime: float
    field: Field
    airmass: float = 1.2
    fwhm: float = 1.1
    moon: float = 1.0
    du: float = 0.0
    dv: float = 0.0
    reasons: tuple[str, ...] = ()
    suspicious: str = ""
    strength: float = 0.6
    seed: int = 0
    strengths: str = STRONG

    @property
    def sky(self) -> float:
        """Expected sky level, ADU per detector pixel."""
        return BANDS[self.band].sky * self.moon * self.exptime * (0.75 + 0.25 * self.airmass)

    @property
    def noise(self) -> float:
        """Expected noise of one detector pixel, ADU."""
        return float(np.sqrt(self.sky / GAIN + (READ_NOISE / GAIN) ** 2))

    @property
    def magnitude_of_one_adu(self) -> float:
        """Magnitude of a source that gives one ADU in the exposure."""
        band = BANDS[self.band]
        return band.zero_point + 2.5 * np.log10(self.exptime) - band.extinction * (self.airmass - 1.0)

    def generator(self, *keys: int) -> np.random.Generator:
        """A random generator for this observation. The same keys give the same numbers in any process."""
        return np.random.default_rng([self.seed, self.expnum, *keys])


@dataclass(frozen=True)
class Grid:
    """Focal-plane coordinates of points on one CCD.

    y, x : (ny,), (nx,) float, detector pixels along the array axes. binning : detector pixels per point. u : (ny, 1), v
    : (1, nx) float32.
    """

    camera: Camera
    ccd: Ccd
    binning: int
    y: np.ndarray
    x: np.ndarray
    u: np.ndarray = field(init=False)
    v: np.ndarray = field(init=False)

    def __post_init__(self):
        ny, nx = self.camera.ccd_shape
        column = ny - 1 - self.y if self.camera.flip_columns else self.y
        row = nx - 1 - self.x if self.camera.flip_rows else self.x
        width, height = self.camera.canvas
        object.__setattr__(self, "u", (self.ccd.x0 + column - width / 2).astype(np.float32)[:, None])
        object.__setattr__(self, "v", (self.ccd.y0 + row - height / 2).astype(np.float32)[None, :])

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns (ny, nx) of the grid."""
        return len(self.y), len(self.x)

    @property
    def centre(self) -> tuple[float, float]:
        """u, v of the middle of the CCD."""
        return float(self.u.mean()), float(self.v.mean())

    def place(self, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Array positions (y, x) of focal-plane positions, in points of this grid."""
        ny, nx = self.camera.ccd_shape
        width, height = self.camera.canvas
        column, row = u + width / 2 - self.ccd.x0, v + height / 2 - self.ccd.y0
        y = ny - 1 - column if self.camera.flip_columns else column
        x = nx - 1 - row if self.camera.flip_rows else row
        return (y + 0.5) / self.binning - 0.5, (x + 0.5) / self.binning - 0.5


def pixel_grid(camera: Camera, ccd: Ccd, binning: int) -> Grid:
    """The grid of a CCD's binned pixels. Detector pixels that do not fill a bin are left out."""
    ny, nx = (size // binning for size in camera.ccd_shape)
    return Grid(camera, ccd, binning, *((np.arange(size) + 0.5) * binning - 0.5 for size in (ny, nx)))


def coarse_grid(grid: Grid, step: int) -> Grid:
    """A grid with a point every `step` detector pixels that covers the CCD, for light that varies slowly."""
    nodes = (np.arange(-(-size // step) + 1, dtype=float) * step for size in grid.camera.ccd_shape)
    return Grid(grid.camera, grid.ccd, step, *nodes)


def refine(values: np.ndarray, coarse: Grid, grid: Grid) -> np.ndarray:
    """Interpolate `values` linearly from the points of `coarse` to those of `grid`: (ny, nx) float32."""
    values = np.broadcast_to(values, coarse.shape).astype(np.float32)
    for axis, points in ((0, grid.y), (1, grid.x)):
        place = np.clip(points / coarse.binning, 0, values.shape[axis] - 1.001)
        low = place.astype(int)
        shape = (-1, 1) if axis == 0 else (1, -1)
        weight = (place - low).astype(np.float32).reshape(shape)
        values = values.take(low, axis) * (1 - weight) + values.take(low + 1, axis) * weight
    return values
