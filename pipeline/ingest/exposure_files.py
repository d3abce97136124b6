"""Decides which files make up which exposure: from the records of one exposure number to a plan of what to read.

The result depends only on the set of files, not on the order in which they were found.
"""

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from triptych.pipeline.ingest.sources import FileRecord
from triptych.pipeline.pixels.file_paths import written

TOGETHER = 10 / 86400  # days between the times that two files of one exposure have in their headers


@dataclass
class ExposurePlan:
    """One exposure to read.

    ccds : dicts as in FileRecord.images, with `source`, `mask_source` and `mask_hdu`, in order of ccdnum. facts : the
    exposure's row, without what comes from the pixels. problems : [path, ccdname, problem, detail] of files not used.
    """

    expnum: int
    camera: str = ""
    facts: dict = field(default_factory=dict)
    ccds: list = field(default_factory=list)
    problems: list = field(default_factory=list)
    digest: str = ""


def plan_exposure(expnum: int, records: Sequence[FileRecord], run_camera: str) -> ExposurePlan:
    """Choose what to read of one exposure.

    Files of the same processing (camera, kind, pipeline version, time) belong together, see `_groups`; each adds the
    CCDs that no earlier file has. If there are several processings, one is chosen: the run's camera before others, FITS
    before pictures, those with at least half as many CCDs as the fullest, processed before raw, then the newest
    pipeline version.
    """
    plan = ExposurePlan(int(expnum))
    images = [record for record in records if record.product in ("image", "picture") and record.images]
    masks = sorted((record for record in records if record.product == "mask"), key=lambda record: record.path)
    if not images:
        for mask in masks:
            plan.problems.append(
                [mask.path, "", "no_image", "a data-quality mask without the image that it belongs to"]
            )
        return plan
    groups = _groups(images)
    fullest = max(_n_ccds(group) for group in groups)
    ranked = sorted(groups, key=lambda group: _rank(group, fullest, run_camera))
    chosen = sorted(ranked[0], key=lambda record: (-len(record.images), record.path))
    plan.camera = chosen[0].camera
    source = written(chosen[0].path)
    plan.facts = {"expnum": plan.expnum, **_facts(chosen), "source": source, "image_filename": Path(source).name}
    _take_ccds(plan, chosen)
    for group in ranked[1:]:
        for record in sorted(group, key=lambda record: record.path):
            detail = f"{_described(record)}; instead {_described(chosen[0])} is used, from {source}"
            plan.problems.append([record.path, "", "duplicate_exposure", detail])
    _attach_masks(plan, [mask for mask in masks if mask.camera == plan.camera])
    plan.digest = _digest(plan, {record.path: record.digest for record in records})
    return plan


def _groups(records: Sequence[FileRecord]) -> list[list[FileRecord]]:
    """Files by their processing.

    Files of one camera, kind, processing and pipeline version belong together if their times are within TOGETHER of
    each other. A file without version or time joins the one group that it does not contradict; where there are several
    such groups, it stays alone.
    """
    exact: dict[tuple, list[FileRecord]] = {}
    for record in sorted(records, key=lambda record: record.path):
        exact.setdefault((*_kind(record), *_version_of(record), math.isfinite(_time(record))), []).append(record)
    groups = [group for same in exact.values() for group in _by_time(same)]
    whole = [group for group in groups if _n_unknown(group[0]) == 0]
    for group in sorted((group for group in groups if _n_unknown(group[0])), key=lambda group: _n_unknown(group[0])):
        fitting = [other for other in whole if _fit(group, other)]
        if len(fitting) == 1:
            fitting[0].extend(group)
        else:
            whole.append(group)
    return whole


def _by_time(records: list[FileRecord]) -> list[list[FileRecord]]:
    """Records of one kind and version, apart where more than TOGETHER lies between one time and the next."""
    groups: list[list[FileRecord]] = []
    for record in sorted(records, key=_time):
        near = groups and not _time(record) - _time(groups[-1][-1]) > TOGETHER
        if near:
            groups[-1].append(record)
        else:
            groups.append([record])
    return groups


def _kind(record: FileRecord) -> tuple:
    return (record.camera, record.product, record.processing)


def _version_of(record: FileRecord) -> tuple[str, str]:
    return (record.facts.get("plver", ""), record.facts.get("plprocid", ""))


def _time(record: FileRecord) -> float:
    return record.facts.get("mjd_obs", math.nan)


def _n_unknown(record: FileRecord) -> int:
    return sum(not value for value in _version_of(record)) + (not math.isfinite(_time(record)))


def _fit(group: list[FileRecord], other: list[FileRecord]) -> bool:
    """Whether two groups contradict each other in nothing."""
    first, second = group[0], other[0]
    if _kind(first) != _kind(second):
        return False
    if any(a and b and a != b for a, b in zip(_version_of(first), _version_of(second), strict=True)):
        return False
    return not min(abs(_time(a) - _time(b)) for a in group for b in other) > TOGETHER  # NaN = unknown


def _facts(records: Sequence[FileRecord]) -> dict:
    """The facts of the first record, with what it does not know from the next one that does."""
    facts = dict(records[0].facts)
    for record in records[1:]:
        for key, value in record.facts.items():
            own = facts.get(key, "")
            if own == "" or (isinstance(own, float) and math.isnan(own)) or (key == "night" and own == -1):
                facts[key] = value
    return facts


def _n_ccds(group: Sequence[FileRecord]) -> int:
    return len({image["ccdname"] for record in group for image in record.images})


def _rank(group: Sequence[FileRecord], fullest: int, run_camera: str) -> tuple:
    """A sort key; the group with the lowest key is chosen."""
    first = min(group, key=lambda record: record.path)
    plver = max(record.facts.get("plver", "") for record in group)
    newest = [(-number, [-ord(letter) for letter in word]) for number, word in _version(plver)]
    return (
        first.camera != run_camera,
        first.product == "picture",
        2 * _n_ccds(group) < fullest,
        first.processing == "r",
        first.processing not in ("", "o"),
        not newest,
        newest,
        -_n_ccds(group),
        first.path,
    )


def _version(plver: str) -> list[tuple[int, str]]:
    """`V4.8.2a` as [(4, ''), (8, ''), (2, 'a')], so that versions compare as numbers."""
    return [(int(number), word.lower()) for number, word in re.findall(r"(\d+)([A-Za-z]*)", plver)]


def _described(record: FileRecord) -> str:
    if record.product == "picture":
        return "a focal-plane picture"
    version = record.facts.get("plver") or ("raw" if record.processing == "r" else "no pipeline version")
    time = record.facts.get("mjd_obs", math.nan)
    return f"{record.camera} {version}" + (f" at MJD {time:.5f}" if math.isfinite(time) else "")


def _take_ccds(plan: ExposurePlan, chosen: Sequence[FileRecord]) -> None:
    """Take each CCD from the first file that has it. Whole numbers beside others are its mask, see `planes`."""
    taken, masks = {}, []
    fractional = {(image["ccdname"], *image["shape"]) for r in chosen for image in r.images if not image.get("whole")}
    for record in chosen:
        twice = []
        for image in record.images:
            if image.get("whole") and (image["ccdname"], *image["shape"]) in fractional:
                masks.append((record.path, image))
                continue
            if image["ccdname"] in taken:
                twice.append(image["ccdname"])
                continue
            taken[image["ccdname"]] = record.path
            has_mask = image["mask_hdu"] >= 0
            plan.ccds.append({**image, "source": record.path, "mask_source": record.path if has_mask else ""})
        if len(twice) > 1 and len(twice) == len(record.images):
            detail = f"all {len(twice)} CCDs are already there, from {taken[twice[0]]}"
            plan.problems.append([record.path, "", "duplicate_exposure", detail])
        else:
            for name in twice:
                plan.problems.append([record.path, name, "duplicate_ccd", f"taken from {taken[name]}"])
    plan.ccds.sort(key=lambda ccd: ccd["ccdnum"])
    by_name = {ccd["ccdname"]: ccd for ccd in plan.ccds}
    for path, image in masks:
        ccd = by_name[image["ccdname"]]
        if not ccd["mask_source"] and ccd["shape"] == image["shape"]:
            ccd["mask_source"], ccd["mask_hdu"] = path, image["hdu"]


def _attach_masks(plan: ExposurePlan, masks: Sequence[FileRecord]) -> None:
    """Add to each CCD where its data-quality mask is, if the mask has the image's shape."""
    by_name = {ccd["ccdname"]: ccd for ccd in plan.ccds}
    for mask in masks:
        if mask.facts.get("plprocid") != plan.facts.get("plprocid") and plan.facts.get("plprocid"):
            continue
        for image in mask.images:
            ccd = by_name.get(image["ccdname"])
            if ccd is None or ccd["mask_source"]:
                continue
            if ccd["shape"] == image["shape"]:
                ccd["mask_source"], ccd["mask_hdu"] = mask.path, image["hdu"]
            else:
                detail = f"the mask is {image['shape']} pixels, the image {ccd['shape']}; the mask is not used"
                plan.problems.append([mask.path, ccd["ccdname"], "wrong_shape", detail])


def _digest(plan: ExposurePlan, digests: dict[str, str]) -> str:
    """A digest that changes when anything that is read for this exposure changes."""
    parts = [[ccd, digests[ccd["source"]], digests.get(ccd["mask_source"], "")] for ccd in plan.ccds]
    text = json.dumps([plan.camera, plan.facts, parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
