"""Progress of the voting, for leads only: for each inspector, and for each packet of exposures."""

from datetime import datetime

import numpy as np

from triptych.app.judging import queue
from triptych.app.judging.queue_table import candidates_of, facets_of
from triptych.app.judging.viewer import Viewer
from triptych.pipeline.votes.queue_order import FACETS, sums_by_value

PAUSE_SECONDS = 300.0  # a longer gap between two votes is a pause
RECENT = 200  # the pace is measured on this many last votes


def progress(app, survey, ballots=None):
    """{n_exposures, panel, n_done, n_started, n_votes, inspectors: [`inspector`], packets: `packets`}, plain values.

    n_exposures, n_done, n_started : of the candidates. n_votes : of all exposures of the run, as everywhere else; a
    retraining changes the candidates, and no vote is lost by it
    ballots : `queue.ballots_of` with seconds, if they were read already
    """
    settings = queue.settings_in_force(app)
    ballots = queue.ballots_of(app, survey, seconds=True) if ballots is None else ballots
    offered = candidates_of(survey)
    given = ballots[ballots["via"] != "import"]
    facets = facets_of(survey, app)
    doubtful = queue.offered_in_facet(facets, offered, queue.DOUBTFUL)
    of_all = queue.vote_progress_of(app, survey, doubtful, given, settings)
    of_queue = of_all.loc[offered]
    return {
        "n_exposures": len(offered),
        "panel": app.catalog.panel,
        "n_done": int(of_queue["settled"].sum()),
        "n_started": int((of_queue["n_votes"] > 0).sum()),
        "n_votes": len(given),
        "inspectors": [inspector(Viewer(app, user, survey), ballots, settings) for user in voters(app, ballots)],
        "packets": packets(facets, of_queue, of_all),
    }


def voters(app, ballots):
    """Active accounts with the role "inspector", and all accounts that have voted."""
    names = set(ballots["inspector"])
    return [user for user in app.store.users() if (user.active and user.role == "inspector") or user.name in names]


def inspector(viewer: Viewer, ballots, settings):
    """{name, active, voted, left, unsure, pace_seconds, hours_left, last_utc, order, packet, assigned} of one account.

    unsure : share of their votes; pace_seconds : median time on an exposure
    hours_left : time for the exposures that are left, at the mean time from vote to vote without pauses
    Each is None if there is nothing to measure.
    """
    own = ballots[(ballots["inspector"] == viewer.name) & (ballots["via"] != "import")]
    left = queue.count_left(viewer, ballots, settings)
    order, packet = queue.choice_of(viewer, settings)
    seconds = own["seconds"].dropna().tail(RECENT)
    step = seconds_between(own.loc[own["via"] == "single", "created_utc"].tail(RECENT))
    step = step if step is not None else float(seconds.mean()) if len(seconds) else None
    return {
        "name": viewer.name,
        "active": viewer.user.active,
        "voted": len(own),
        "left": left,
        "unsure": float((own["judgement"] == "unsure").mean()) if len(own) else None,
        "pace_seconds": float(seconds.median()) if len(seconds) else None,
        "hours_left": left * step / 3600 if step is not None else None,
        "last_utc": str(own["created_utc"].max()) if len(own) else None,
        "order": order,
        "packet": packet,
        "assigned": viewer.store.setting(queue.ASSIGNED, None, owner=viewer.name),
    }


def seconds_between(times):
    """Mean seconds from one time to the next, without pauses. None if there is no step that is not a pause.

    times : ISO texts in UTC, rising
    """
    moments = np.array([datetime.fromisoformat(text).timestamp() for text in times])
    steps = np.diff(moments)
    steps = steps[(steps >= 0) & (steps < PAUSE_SECONDS)]
    return float(steps.mean()) if len(steps) else None


def packets(facets, of_queue, of_all):
    """[{name, label, values: [{value, n, n_done, n_votes}]}], one for each facet. An exposure is done if it needs no
    more votes.

    facets : as `facets_of` gives them
    of_queue : `vote_progress_of` the exposures of the queue; of_all : the same with the doubtful ones
    """
    found = []
    for facet in FACETS.values():
        own = of_all if facet.name == queue.DOUBTFUL else of_queue
        column = facets.loc[own.index, facet.name]
        done = own[["settled", "n_votes"]].astype(int).assign(n=1).rename(columns={"settled": "n_done"})
        sums = sums_by_value(column, done[["n", "n_done", "n_votes"]]).rename_axis("value")
        values = sums.reset_index().to_dict("records")
        found.append({"name": facet.name, "label": facet.label, "values": values})
    return found
