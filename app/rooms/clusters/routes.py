"""Routes of the Clusters room: all clusters in numbers, and the exposures of one cluster.

app.judging.viewer decides what a user may know of votes and of the model's opinion.
"""

import numpy as np

from triptych.app import palette
from triptych.app.judging.contact_sheet import IMAGES_EACH, facts_line, own_judgements, vocabulary
from triptych.app.judging.handlers import ViewerApi
from triptych.app.judging.viewer import Viewer
from triptych.app.rooms.clusters.table import cluster_list, groups_of
from triptych.pipeline.errors import BadInput
from triptych.pipeline.export.explain import plain
from triptych.pipeline.image_ids import expnum_of

PAGE = 60
MOST_AT_ONCE = 600  # exposures of one contact sheet


def list_answer(viewer: Viewer, assisted: bool) -> dict:
    """`cluster_list`, and whether this user may vote."""
    found = cluster_list(viewer, assisted=assisted)
    return found | {"can_vote": viewer.can_vote, "reasons": vocabulary()}


def one_answer(viewer: Viewer, label: int, *, start=0, count=PAGE, unjudged=False, assisted=False) -> dict:
    """One page of the exposures of a cluster, those with most images in it first.

    unjudged : leave out exposures that this user has judged
    Returns {cluster, total, start, exposures, colour}. total : number of exposures without those left out.
    An exposure : expnum, facts, images (at most IMAGES_EACH image_ids), n_images (in the cluster), n_ccds (in all),
    p_bad (mean over the images in the cluster; None if unknown or hidden), mine
    Raises BadInput if there is no such cluster.
    """
    groups = groups_of(viewer.survey)
    number = groups.number_of(label)
    if number is None:
        raise BadInput(f"there is no cluster {label}; `triptych cluster {viewer.catalog.path}` finds clusters")
    knowledge = viewer.knowledge()
    here = groups.pair_label == number
    expnums, n_images = groups.pair_expnum[here], groups.pair_images[here]
    kept = np.isin(expnums, viewer.survey.exposures.index.to_numpy(np.int64))
    if unjudged:
        kept &= ~np.isin(expnums, np.fromiter(knowledge.own, np.int64, len(knowledge.own)))
    order = np.lexsort((expnums[kept], -n_images[kept]))
    expnums, n_images = expnums[kept][order], n_images[kept][order]
    shown = slice(max(0, start), max(0, start) + min(count, MOST_AT_ONCE))
    members = groups.members(label)
    mine = own_judgements(viewer)
    exposures = []
    opinion = knowledge.of_opinion(expnums[shown], assisted)
    for expnum, n, seen in zip(expnums[shown].tolist(), n_images[shown].tolist(), opinion, strict=True):
        images = members[expnum_of(members) == expnum]
        p_good = viewer.survey.prediction["p_good"].reindex(images).mean() if seen else np.nan
        exposures.append(
            {
                "expnum": expnum,
                "facts": facts_line(viewer.survey, expnum),
                "images": images[:IMAGES_EACH].tolist(),
                "n_images": n,
                "n_ccds": len(viewer.survey.images_of(expnum)),
                "p_bad": round(1 - p_good, 4),
                "mine": mine.get(expnum) if expnum in knowledge.own else None,
            }
        )
    found = {"cluster": label, "total": len(expnums), "start": shown.start, "exposures": exposures}
    return plain(found | {"colour": palette.cluster_colour(label)})


class ListHandler(ViewerApi):
    """GET ?assisted=1: see `list_answer`."""

    async def get(self):
        assisted = self.assisted
        await self.answer(list_answer, self.viewer, assisted)


class OneHandler(ViewerApi):
    """GET ?start=&count=&unjudged=1&assisted=1: see `one_answer`."""

    async def get(self, label):
        options = {
            "start": self.number("start", 0),
            "count": self.number("count", PAGE),
            "unjudged": self.get_query_argument("unjudged", "0") == "1",
            "assisted": self.assisted,
        }
        await self.answer(lambda: one_answer(self.viewer, int(label), **options))


def routes(app) -> list:
    """Routes of this file for the server. app : app.context.AppContext"""
    arguments = {"app": app}
    return [
        (r"/clusters/list", ListHandler, arguments),
        (r"/clusters/one/(-?[0-9]{1,9})", OneHandler, arguments),
    ]
