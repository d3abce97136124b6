"""What the simulator teaches: some thousand CCDs of simulated exposures, as vectors of the default backbone, with
truth.

A young survey has three exposures with a reason, or none. Simulated exposures show the linear learner what others look
like. The learner uses them only if its answers about the survey's own labels become better (see `cross_fitted_heads`).
They never count as labels: no neighbour, label or candidate comes from a simulation.
`python -m benchmarks.accuracy.simulated_teacher` makes the file again.
"""

from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from triptych.pipeline.classifier.surroundings import pooled, surrounded
from triptych.pipeline.reasons import GOOD, REASONS

FILE = Path(__file__).with_name("simulated_teacher.npz")
# How many CCDs are taken: of an exposure with one label; per label, of an exposure with several; of a good one that
# looks odd.
OF_ONE_KIND, OF_A_MIXED, OF_AN_ODD_ONE = 5, 12, 30
WEIGHT = 0.5  # of a simulated image, where an image of the survey has up to 1


@dataclass(frozen=True)
class Teacher:
    """images : (n, 3 * dim + 2) float32, see `surrounded`. reasons : (n,) tuples of labels. planes : (n_exposures,
    4 * dim) float32, see `pooled`. plane_reasons : (n_exposures,) tuples. digest : of the backbone that made the
    vectors. note : how they were made."""

    images: np.ndarray
    reasons: pd.Series
    digest: str
    camera: str
    note: str
    planes: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    plane_reasons: pd.Series = field(default_factory=lambda: pd.Series(dtype=object))

    def of_planes(self) -> "Teacher | None":
        """The same teacher with whole exposures in place of images; None if it has no exposures."""
        return replace(self, images=self.planes, reasons=self.plane_reasons) if len(self.planes) else None

    @property
    def labels(self) -> tuple[str, ...]:
        """What it teaches: reasons in the order of the vocabulary, then good."""
        taught = {label for own in self.reasons for label in own}
        return tuple(name for name in (*REASONS, GOOD) if name in taught)


@lru_cache(maxsize=1)
def _stored() -> Teacher | None:
    if not FILE.exists():
        return None
    with np.load(FILE, allow_pickle=False) as held:
        reasons, plane_reasons = (
            pd.Series([tuple(own.split("|")) for own in held[name]], dtype=object)
            for name in ("reasons", "plane_reasons")
        )
        return Teacher(
            images=held["images"].astype(np.float32),
            reasons=reasons,
            digest=str(held["digest"]),
            camera=str(held["camera"]),
            note=str(held["note"]),
            planes=held["planes"].astype(np.float32),
            plane_reasons=plane_reasons,
        )


def teacher_for(digest: str, camera: str) -> Teacher | None:
    """The simulated teacher, if it was made with the backbone of that digest for that camera; else None."""
    stored = _stored()
    return stored if stored and (stored.digest, stored.camera) == (digest, camera) else None


def gather(
    vectors: np.ndarray, keys: pd.DataFrame, truth: pd.DataFrame, odd, camera: str, seed: int
) -> dict[str, np.ndarray]:
    """Choose what teaches from one simulated run: `images`, `planes` (float16), and `reasons`, `plane_reasons` (labels
    joined by |).

    vectors : (n, dim) in the order of `keys` (`image_id, expnum, ccdname`). truth : `expnum, ccdname, reason`.
    odd : expnums of suspicious good exposures, which show what is not bad.
    """
    carried = truth.groupby(["expnum", "ccdname"]).reason.agg(lambda own: "|".join(sorted(set(own))))
    reasons = carried.reindex(pd.MultiIndex.from_frame(keys[["expnum", "ccdname"]])).to_numpy(str)
    own = pd.DataFrame({"expnum": keys.expnum.to_numpy(), "reasons": reasons})
    own["drawn"] = np.random.default_rng(seed).random(len(own))
    one_kind = own.groupby("expnum").reasons.transform("nunique") == 1
    most = np.select([own.expnum.isin(odd), one_kind], [OF_AN_ODD_ONE, OF_ONE_KIND], OF_A_MIXED)
    kept = (own.groupby(["expnum", "reasons"]).drawn.rank() <= most).to_numpy()
    expnums, planes = pooled(vectors, keys)
    bad = truth[truth.reason != GOOD].groupby("expnum").reason.agg(lambda own: "|".join(sorted(set(own))))
    return {
        "images": surrounded(vectors, keys, camera)[kept].astype(np.float16),
        "reasons": reasons[kept],
        "planes": planes.astype(np.float16),
        "plane_reasons": bad.reindex(expnums).fillna(GOOD).to_numpy(str),
    }


def write(found: list[dict[str, np.ndarray]], *, digest: str, camera: str, note: str, path: Path = FILE) -> None:
    """Write the file that `teacher_for` reads. found : results of `gather` for some runs."""
    joined = {name: np.concatenate([own[name] for own in found]) for name in found[0]}
    # the name of an array must not be `allow_pickle`, a parameter of savez_compressed
    np.savez_compressed(path, **joined, digest=digest, camera=camera, note=note)  # pyright: ignore[reportArgumentType]
