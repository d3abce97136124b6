"""Each inspector's queue: the exposures that wait for their vote, the order, and what is mixed in.

An inspector chooses an order and a packet, or takes those that the lead chose.

A queue must not tell an inspector what others said of an exposure that they have not judged. The rule of votes needs
two exceptions. An exposure that needs no more votes leaves the queue. An exposure that needs the whole panel comes
forward, together with a random control. For the same reason only leads may choose the order by split votes. In blind
mode nobody may choose an order or packet that tells the model's opinion.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from triptych.app.judging.queue_table import candidates_of, facets_of, once_per_survey, order_of, table_of
from triptych.app.judging.reprocessed import overtaken, with_what_came_back
from triptych.app.judging.viewer import Viewer
from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.votes.queue_order import (
    FACETS,
    ORDERS,
    in_packet,
    mixed,
    packet_text,
    parse_packet,
    seed_of,
    slots,
    sums_by_value,
)
from triptych.pipeline.votes.vote_rule import (
    ASKED,
    LATER,
    SETTLED,
    asked_of,
    counted,
    drawn_for_control,
    settings_of,
    vote_progress,
)

SETTINGS = "queue"  # name of a setting: without an owner it is the lead's choice for all, else the owner's choice
ASSIGNED = "queue assigned"  # packet that the lead gave an account
REPEATS_AHEAD = 200  # repeats are handed out only among this many next answers
BEFORE_ALL = 10  # larger than any other number in the sorting of `queue_for`: these exposures come first
DOUBTFUL = "doubtful"  # the facet whose packets hold more than candidates


@dataclass(frozen=True)
class Queue:
    """One user's queue now.

    expnums : exposures that wait, in order    voted : judged exposures of the packet    order, packet : those in use
    """

    expnums: tuple[int, ...]
    voted: tuple[int, ...]
    order: str
    packet: str


def queue_of(viewer: Viewer):
    """expnums (list of int) that wait for this user's vote, in order: see `queue_for`."""
    return list(queue_for(viewer).expnums)


def unjudged(viewer: Viewer):
    """expnums (a set) that this user has not judged, among all that any of their queues may hold."""
    offered = candidates_of(viewer.survey)
    own = viewer.store.ballots(viewer.catalog.camera, viewer.name)["expnum"]
    known = known_in(viewer.app, viewer.survey, {})
    return ({*offered.tolist(), *known.tolist()} - set(own)) | set(viewer.asked_again())


def queue_for(viewer: Viewer):
    """The Queue of one user now. The store notes which repeats it hands out."""
    settings = settings_in_force(viewer.app)
    order, packet = choice_of(viewer, settings)
    ballots = ballots_of(viewer.app, viewer.survey)
    own = ballots[ballots["inspector"] == viewer.name]
    judged = own["expnum"].to_numpy(np.int64)
    seed = seed_of(viewer.catalog.name, viewer.name, order, settings.seed)
    whole = order_of(viewer.survey, order, seed, division_of(ballots) if order == "split" else None)
    cut = parse_packet(packet)
    offered, first = with_what_came_back(viewer, offered_in(viewer.app, viewer.survey, cut), cut, ballots, settings)
    known = known_in(viewer.app, viewer.survey, cut)
    whole = whole[np.isin(whole, offered) | np.isin(whole, known)]
    left = whole[np.isin(whole, offered) & ~np.isin(whole, judged)]
    stage = stages_of(viewer, left, ballots, settings)
    later = (stage == LATER).astype(int) - BEFORE_ALL * np.isin(left, first)
    if viewer.can_vote:
        later += 2 * np.isin(left, list(taken_by_others(viewer)))
    asked = stage != SETTLED
    found = left[asked][np.argsort(later[asked], kind="stable")].tolist()
    if viewer.can_vote:
        rank = {expnum: place for place, expnum in enumerate(whole.tolist())}
        unseen = known[~np.isin(known, judged)].tolist()
        found = mix_in(viewer, found, unseen, own, rank, settings, packet)
    voted = whole[np.isin(whole, judged) & ~np.isin(whole, found)].tolist()
    viewer.app.queues[viewer.name] = {
        "order": order,
        "packet": packet,
        "places": {e: i for i, e in enumerate(found)},
    }
    return Queue(tuple(found), tuple(voted), order, packet)


def count_left(viewer: Viewer, ballots, settings):
    """How many exposures of their packet wait for this user's vote, without those that are mixed in.

    ballots : as `ballots_of` gives them
    """
    cut = parse_packet(choice_of(viewer, settings)[1])
    offered, _first = with_what_came_back(viewer, offered_in(viewer.app, viewer.survey, cut), cut, ballots, settings)
    left = offered[~np.isin(offered, ballots.loc[ballots["inspector"] == viewer.name, "expnum"].to_numpy(np.int64))]
    return int((stages_of(viewer, left, ballots, settings) != SETTLED).sum())


def mix_in(viewer: Viewer, queue, known, own, rank, settings, packet):
    """The queue (list of expnums) with repeats and known answers mixed in. It hands the repeats out in the store."""
    camera, start = viewer.catalog.camera, viewer.store.answers_given(viewer.name)
    stop = start + len(queue) + len(known)
    places = slots(
        settings.repeats, seed_of(settings.seed, viewer.name, "repeats"), start, min(stop, start + REPEATS_AHEAD)
    )
    for_known = slots(settings.known, seed_of(settings.seed, viewer.name, "known"), start, stop)
    out = viewer.store.handed_out(viewer.name, camera)
    may = repeatable(viewer, own, settings, packet)
    still = {expnum: vote_id for expnum, vote_id in out.items() if own["vote_id"].eq(vote_id).any() and expnum in rank}
    fresh = {expnum: vote_id for expnum, vote_id in may.items() if expnum not in out and expnum in rank}
    pools = [(places[: len(still)], list(still)), (places[len(still) :], list(fresh)), (for_known, known)]
    found = mixed(queue, pools, rank, start=start, seed=seed_of(settings.seed, viewer.name, "place"))
    here = set(found)
    out_now = {e: vote_id for e, vote_id in (still | fresh).items() if e in here}
    if out_now != out:
        viewer.store.hand_out(viewer.name, camera, out_now, drop=set(out) - set(out_now))
    return found


def repeatable(viewer: Viewer, own, settings, packet):
    """expnum -> vote_id of the user's votes that the queue may ask for again.

    Such a vote is blind, was given by itself, is at least `repeat_age` votes old, and was never asked for again. The
    user was not shown others' votes on the exposure.
    """
    if settings.repeats <= 0 or own.empty:
        return {}
    single = counted(own)
    single = single.iloc[: max(0, len(single) - settings.repeat_age)]
    if single.empty:
        return {}
    again = set(viewer.store.repeats(viewer.name)["vote_id"])
    shown = viewer.store.revealed(viewer.name, viewer.catalog.camera)
    cut = parse_packet(packet)
    inside = facets_for(viewer.app, viewer.survey, cut).reindex(single["expnum"])
    may = ~single["vote_id"].isin(again) & ~single["expnum"].isin(shown)
    may &= in_packet(inside.fillna(""), cut)
    return dict(zip(single.loc[may, "expnum"].astype(int), single.loc[may, "vote_id"].astype(int), strict=True))


def ballots_of(app, survey, seconds=False):
    """Current votes on whole exposures in the pipeline version of this run: see QueueStore.ballots."""
    ballots = app.store.ballots(app.catalog.camera, seconds=seconds)
    plver = ballots["expnum"].map(survey.exposures["plver"])
    return ballots[((ballots["plver"] == plver) | (ballots["plver"] == "")) & plver.notna()]


def offered_in(app, survey, packet):
    """expnums (n,) int64 of the candidates in a packet. Without any candidates, all exposures are offered.

    A packet of doubtful labels also holds exposures that are not candidates, because nobody would look at them
    otherwise.
    """
    offered = candidates_of(survey)
    if not packet:
        return offered
    facets = facets_for(app, survey, packet)
    offered = offered_in_facet(facets, offered, DOUBTFUL if DOUBTFUL in packet else "")
    return offered[in_packet(facets.loc[offered], packet)]


def offered_in_facet(facets, offered, name):
    """expnums (n,) int64 that packets of one facet are cut from: `offered`, and for doubtful labels others as well."""
    others = facets.index[facets[name] != ""].to_numpy(np.int64) if name == DOUBTFUL else offered
    return np.concatenate([offered, others[~np.isin(others, offered)]])


def known_in(app, survey, packet):
    """expnums (n,) int64 of the exposures with a known answer in this run and packet."""
    drawn = app.store.draws(app.catalog.camera, "known")["expnum"].to_numpy(np.int64)
    drawn = drawn[np.isin(drawn, survey.exposures.index)]
    return drawn[in_packet(facets_for(app, survey, packet).loc[drawn], packet)]


def facets_for(app, survey, packet):
    """One column of texts per facet, by expnum. It looks up doubtful labels only if the packet needs them."""
    return facets_of(survey, app if DOUBTFUL in packet else None)


def division_of(ballots):
    """How divided the votes are, by expnum: the smaller of the counts of good and bad, plus half of the unsure ones."""
    counts = ballots.groupby(["expnum", "judgement"]).size().unstack(fill_value=0)
    counts = counts.reindex(columns=["good", "bad", "unsure"], fill_value=0)
    return counts[["good", "bad"]].min(axis=1) + 0.5 * counts["unsure"]


def stages_of(viewer: Viewer, expnums, ballots, settings):
    """(n,) int: ASKED, LATER or SETTLED for this user, under the rule of votes."""
    if settings.rule == "all":
        return np.full(len(expnums), ASKED)
    table = vote_progress_of(viewer.app, viewer.survey, expnums, ballots, settings)
    return asked_of(viewer.name, inspectors_of(viewer.app), table, settings, viewer.catalog.panel)


def vote_progress_of(app, survey, expnums, ballots, settings):
    """How far the votes on exposures are: see pipeline.votes.vote_rule.vote_progress. A lead's decision settles one."""
    control = control_of(app, survey, settings) if settings.rule != "all" else set()
    probability = table_of(survey)["probability"]
    table = vote_progress(expnums, counted(ballots), probability, control, settings, app.catalog.panel)
    decided = app.store.adjudications()
    decided = decided[(decided["camera"] == app.catalog.camera) & ~overtaken(survey, decided)]
    decided = set(decided["expnum"]) - control
    table["settled"] |= table.index.isin(list(decided))
    return table


def control_of(app, survey, settings):
    """expnums (a set) of the random control, which gets the votes of the whole panel.

    New candidates join it by the same draw, and the store notes them.
    """
    camera = app.catalog.camera
    wanted = once_per_survey(
        survey,
        ("control", settings.seed, settings.control),
        lambda: drawn_for_control(candidates_of(survey), settings),
    )
    drawn = set(app.store.draws(camera, "control")["expnum"])
    if not drawn.issuperset(wanted.tolist()):
        app.store.draw(camera, "control", [{"expnum": expnum} for expnum in wanted.tolist()], created_by="rule")
        drawn |= set(wanted.tolist())
    return drawn


def inspectors_of(app):
    """Names of the active accounts with the role "inspector"."""
    return [user.name for user in app.store.users() if user.active and user.role == "inspector"]


def taken_by_others(viewer: Viewer):
    """expnums (a set) that somebody else has on screen."""
    leases = viewer.store.leases(viewer.catalog.camera)
    return set(leases.loc[leases["inspector"] != viewer.name, "expnum"])


# ---- choosing


def settings_in_force(app):
    """The lead's settings, as pipeline.votes.vote_rule.QueueSettings. In blind mode without an order that tells."""
    settings = settings_of(app.store.setting(SETTINGS))
    hidden = app.blind and settings.order and ORDERS[settings.order].tells
    return replace(settings, order="") if hidden else settings


def choice_of(viewer: Viewer, settings=None):
    """(order, packet) of a user: their own choice, or else what the lead chose for them or for all."""
    settings = settings or settings_in_force(viewer.app)
    chosen = viewer.store.setting(SETTINGS, {}, owner=viewer.name)
    order = chosen.get("order") or settings.order
    if order not in ORDERS or not viewer.may_know(ORDERS[order].tells):
        order = "random" if viewer.app.blind else "score"
    packet = chosen.get("packet")
    if packet is None:
        packet = viewer.store.setting(ASSIGNED, None, owner=viewer.name)
    packet = parse_packet(settings.packet if packet is None else packet)
    return order, packet_text({name: packet[name] for name in packet if viewer.may_know(FACETS[name].tells)})


def choose_queue(viewer: Viewer, *, order=None, packet=None):
    """Keep what a user chooses. Returns `choices`.

    Raises an error for an order or packet that would tell what they may not know, and for an empty packet.
    """
    chosen = dict(viewer.store.setting(SETTINGS, {}, owner=viewer.name))
    if order is not None:
        offered = [name for name, known in ORDERS.items() if viewer.may_know(known.tells)]
        chosen["order"] = choose(order, offered, "order of your queue")
    if packet is not None:
        chosen["packet"] = checked_packet(viewer, packet)
    viewer.store.keep_setting(SETTINGS, chosen, owner=viewer.name)
    return choices(viewer)


def assign(app, survey, name, packet):
    """Give an account a packet. None takes it back. It replaces the packet that the account's owner chose before."""
    user = app.store.user(name)
    choose(name, [known.name for known in app.store.users()], "account")
    packet = None if packet is None else checked_packet(Viewer(app, user, survey), packet)
    app.store.keep_setting(ASSIGNED, packet, owner=name)
    chosen = {key: value for key, value in app.store.setting(SETTINGS, {}, owner=name).items() if key != "packet"}
    app.store.keep_setting(SETTINGS, chosen, owner=name)


def checked_packet(viewer: Viewer, text):
    """A packet as text in its standard form. Raises an error if this user may not ask for it or it is empty."""
    packet = parse_packet(text)
    for name in packet:
        choose(name, [facet.name for facet in FACETS.values() if viewer.may_know(facet.tells)], "way to cut packets")
    if packet and not len(offered_in(viewer.app, viewer.survey, packet)):
        raise BadInput(f"no exposure of the queue is in the packet {packet_text(packet)}; choose another")
    return packet_text(packet)


def choices(viewer: Viewer):
    """What a user may choose, as plain values.

    order, packet : those in use; assigned : packet from the lead or None; orders : [{name, rule}]
    facets : [{name, label, values: [{value, n, left}]}]; of n exposures, `left` have no vote of this user
    n, left : the same for all candidates
    """
    order, packet = choice_of(viewer)
    offered = candidates_of(viewer.survey)
    every = facets_of(viewer.survey, viewer.app)
    own = viewer.store.ballots(viewer.catalog.camera, viewer.name)["expnum"]
    again = list(viewer.asked_again())
    unseen = ~np.isin(offered, own) | np.isin(offered, again)
    found = []
    for facet in FACETS.values():
        if not viewer.may_know(facet.tells):
            continue
        inside = offered_in_facet(every, offered, facet.name)
        values, waits = every.loc[inside, facet.name], ~np.isin(inside, own) | np.isin(inside, again)
        sums = sums_by_value(values, pd.DataFrame({"n": 1, "left": waits.astype(int)}, index=values.index))
        counts = sums.drop(index="", errors="ignore").rename_axis("value").reset_index().to_dict("records")
        found.append({"name": facet.name, "label": facet.label, "values": counts})
    return {
        "order": order,
        "packet": packet,
        "assigned": viewer.store.setting(ASSIGNED, None, owner=viewer.name),
        "orders": [{"name": o.name, "rule": o.rule} for o in ORDERS.values() if viewer.may_know(o.tells)],
        "facets": found,
        "n": len(offered),
        "left": int(unseen.sum()),
    }


# ---- looking and voting


def look(viewer: Viewer, expnum):
    """Note that this user has an exposure on screen, so that others get it later. None = no exposure any more."""
    if not viewer.can_vote:
        return
    if expnum is None:
        viewer.store.release(viewer.name, viewer.catalog.camera)
    else:
        viewer.store.lease(viewer.name, viewer.catalog.camera, int(expnum))


def place_of(viewer: Viewer, expnum):
    """What a vote records of the queue: order, packet, and the exposure's position in it (None = not in it)."""
    queue = viewer.app.queues.get(viewer.name)
    if queue is None:
        order, packet = choice_of(viewer)
        queue = {"order": order, "packet": packet, "places": {}}
    return {"order": queue["order"], "packet": queue["packet"], "position": queue["places"].get(int(expnum))}
