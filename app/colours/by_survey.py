"""Colourings that depend on the survey only: cluster, band, night."""

import numpy as np

from triptych.app import palette
from triptych.app.colours.codes import Colours, Entry, classes, quiet, ramp

MOST_CLUSTERS = 252
MOST_NIGHTS = 24  # with more nights a class is a month
MOST_TIMES = 250  # with more months a class is a year
DATES = {1: "{0}-{1:02d}-{2:02d}", 100: "{0}-{1:02d}", 10000: "{0}"}


def by_cluster(scene):
    """The HDBSCAN cluster. The MOST_CLUSTERS largest have codes of their own; all others share one code."""
    rows = scene.images.rows_in(scene.viewer.survey.cluster.index)
    labels = np.full(len(rows), -1, np.int64)
    known = rows >= 0
    labels[known] = scene.viewer.survey.cluster["cluster"].to_numpy()[rows[known]]
    found, sizes = np.unique(labels[labels >= 0], return_counts=True)
    largest = np.sort(found[np.argsort(-sizes, kind="stable")[:MOST_CLUSTERS]])
    other = len(largest) + 1
    # code_of[label + 1] is the code of a label; noise is label -1
    code_of = np.full(int(labels.max(initial=-1)) + 2, other, np.uint8)
    code_of[0] = 0
    code_of[largest + 1] = np.arange(1, len(largest) + 1)
    codes = code_of[labels + 1]
    counts = np.bincount(codes, minlength=other + 1)
    colours = (palette.UNLABELLED, *(palette.cluster_colour(int(c)) for c in largest), palette.UNLABELLED)
    entries = [
        Entry(str(c), k, k, int(counts[k]), colours[k], name=f"cluster {c}", letter=str(c), rule=f"Cluster {c}")
        for k, c in enumerate(largest, start=1)
    ]
    entries += [*quiet("smaller clusters", other, counts), *quiet("no cluster", 0, counts)]
    return Colours("cluster", "in", "categories", colours, tuple(entries), codes)


def exposure_column(scene, name):
    """A column of the exposures table, one row per exposure of the images. NaN for an exposure without a row."""
    return scene.viewer.survey.exposures[name].reindex(scene.images.exposures[0])


def by_band(scene):
    """The band, from blue to red. Bands that are not in palette.BAND_COLOURS come last."""
    bands = exposure_column(scene, "band").fillna("").astype(str)
    known = [band for band in palette.BAND_COLOURS if (bands == band).any()]
    more = sorted(set(bands) - set(known) - {""})[: len(palette.OTHER_BANDS)]
    names = [(band, palette.BAND_COLOURS[band], band[:2], f"Band {band}") for band in known]
    names += [(b, c, b[:2], f"Band {b}") for b, c in zip(more, palette.OTHER_BANDS, strict=False)]
    place = {band: code for code, (band, *_) in enumerate(names, start=1)}
    codes = bands.map(place).fillna(0).to_numpy(np.uint8)
    return classes("band", "band", scene.images.spread(codes), names, "no band")


def by_night(scene):
    """The night, in order of time. With many nights the month, and with many months the year."""
    nights = exposure_column(scene, "night").fillna(0).to_numpy(np.int64)
    for shorten in DATES:
        times = np.where(nights > 0, nights // shorten, 0)
        found = np.unique(times[times > 0])
        if len(found) <= MOST_NIGHTS or (shorten == 100 and len(found) <= MOST_TIMES):
            break
    codes = np.where(times > 0, np.searchsorted(found, times) + 1, 0).clip(max=255).astype(np.uint8)
    found = found[:255]
    colours = ramp(palette.TIME_RAMP, max(2, len(found)))
    names = []
    for time, colour in zip((found * shorten).tolist(), colours, strict=False):
        date = DATES[shorten].format(time // 10000, time // 100 % 100, time % 100)
        names.append((date, colour, "", f"{'Night' if shorten == 1 else 'Time'} {date}"))
    return classes("night", "night" if shorten == 1 else "time", scene.images.spread(codes), names, "no date")
