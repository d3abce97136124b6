"""A list of CCD images, and the row of each in other tables.

The rows are found once and kept, because maps of millions of images are recoloured often.
"""

from functools import cached_property

import numpy as np

from triptych.pipeline.image_ids import expnum_of


class ImageSet:
    """A list of CCD images. image_ids : (n,) int64, each once, in any order"""

    def __init__(self, image_ids):
        self.image_ids = np.asarray(image_ids, np.int64)
        self._rows = {}

    def __len__(self):
        return len(self.image_ids)

    @cached_property
    def by_id(self):
        """(n,) int32: the indices that sort the list by image_id."""
        return np.argsort(self.image_ids, kind="stable").astype(np.int32)

    @cached_property
    def exposures(self):
        """((m,) int64 sorted expnums, (n,) int32 index of each image's exposure among them)."""
        in_order = expnum_of(self.image_ids[self.by_id])
        first = np.ones(len(in_order), bool)
        first[1:] = in_order[1:] != in_order[:-1]
        group = np.empty(len(in_order), np.int32)
        group[self.by_id] = np.cumsum(first, dtype=np.int32) - 1
        return in_order[first], group

    def spread(self, by_exposure):
        """(n, ...): the value of each image's exposure. by_exposure : (m, ...) values in the order of `exposures`"""
        return np.asarray(by_exposure)[self.exposures[1]]

    def index_of(self, image_ids):
        """(k,) int64, sorted: indices in the list of those image_ids that it holds."""
        wanted = np.unique(np.asarray(image_ids, np.int64))
        found = self.places_of(wanted)
        return np.sort(found[found >= 0])

    def places_of(self, image_ids):
        """(k,) int64: index of each image in the list; -1 if it is not in the list."""
        wanted = np.asarray(image_ids, np.int64)
        if not len(self):
            return np.full(len(wanted), -1, np.int64)
        places = np.searchsorted(self.image_ids, wanted, sorter=self.by_id)
        found = self.by_id[np.minimum(places, len(self) - 1)].astype(np.int64)
        return np.where(self.image_ids[found] == wanted, found, -1)

    def rows_in(self, index):
        """(n,) int32: row of each image in a table; -1 if the table does not hold it.

        index : the table's index (pandas), image_ids in rising order. The rows are kept as long as this object exists
        """
        kept = self._rows.get(id(index))
        if kept is None or kept[0] is not index:
            kept = self._rows[id(index)] = (index, self._find_rows(index.to_numpy()))
        return kept[1]

    def _find_rows(self, known):
        if len(known) == len(self) and np.array_equal(known, self.image_ids[self.by_id]):
            rows = np.empty(len(self), np.int32)
            rows[self.by_id] = np.arange(len(self), dtype=np.int32)
            return rows
        if not len(known):
            return np.full(len(self), -1, np.int32)
        rows = np.minimum(np.searchsorted(known, self.image_ids), len(known) - 1)
        return np.where(known[rows] == self.image_ids, rows, -1).astype(np.int32)
