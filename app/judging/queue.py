"""Each inspector's queue: which exposures wait for their vote, in which order, and what is mixed in among them.

An inspector chooses an order and a packet, or takes those that the lead chose. Nothing in a queue depends on what
others said of an exposure that they have not judged, but for two things that the rule of votes needs: an exposure that
needs no more votes leaves it, and one that needs the whole panel comes forward, together with a random control. The
order by split votes is therefore offered to leads alone. Where the model's opinion is hidden before the vote, orders
and packets that would tell it are not offered either.
"""

from dataclasses import dataclass, replace

import numpy as np

from triptych.app.judging.queue_table import candidates_of, facets_of, once_per_survey, order_of, table_of
from triptych.app.judging.reprocessed import overtaken, with_what_came_back
from triptych.app.judging.viewer import Viewer
from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.votes.queue_order import (
    FACETS,
    ORDERS,
    has_value,
    in_packet,
    mixed,
    packet_text,
    parse_packet,
    seed_of,
    slots,
    values_in,
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

SETTINGS = "queue"  # name of a setting: everybody's is the lead's, an account's is what its owner chose
ASSIGNED = "queue assigned"  # packet that the lead gave an account
REPEATS_AHEAD = 200  # places of a queue in which repeats are handed out at once
LEASE_SECONDS = 120.0
BEFORE_ALL = 10  # places in the sorting below: before what waits, whatever the rule of votes says of it
DOUBTFUL = "doubtful"  # the facet whose packets hold more than candidates


@dataclass(frozen=True)
class Queue:
    """One user's queue now.

    expnums : what waits, in order    voted : what of the packet was judged    order, packet : names in force
    """

    expnums: tuple[int, ...]
    voted: tuple[int, ...]
    order: str
    packet: str


def queue_of(viewer: Viewer):
    """expnums (ints) that wait for this user's vote, in their order: see `queue_for`."""
    return list(queue_for(viewer).expnums)


def unjudged(viewer: Viewer):
    """expnums (a set) that this user has not judged, of all that any of their queues may ever hold."""
    offered = candidates_of(viewer.survey)
    own = viewer.store.ballots(viewer.catalog.camera, viewer.name)["expnum"]
    known = known_in(viewer.app, viewer.survey, {})
    return ({*offered.tolist(), *known.tolist()} - set(own)) | set(viewer.asked_again())


def queue_for(viewer: Viewer):
    """The queue of one user as it is now; what it mixes in is noted in the store.

    app : app.context.AppContext    survey : app.survey.survey.Survey    user : pipeline.store.accounts.User
    """
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
    """How many exposures wait for this user's vote in their packet; without what is mixed in.

    ballots : as `ballots_of` gives them
    """
    cut = parse_packet(choice_of(viewer, settings)[1])
    offered, _first = with_what_came_back(viewer, offered_in(viewer.app, viewer.survey, cut), cut, ballots, settings)
    left = offered[~np.isin(offered, ballots.loc[ballots["inspector"] == viewer.name, "expnum"].to_numpy(np.int64))]
    return int((stages_of(viewer, left, ballots, settings) != SETTLED).sum())


def mix_in(viewer: Viewer, queue, known, own, rank, settings, packet):
    """The queue with repeats and known answers at their places; hands the repeats out."""
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
    """expnum -> vote_id of the user's votes that may be asked for again.

    Blind, given one by one, long ago, on which nothing of others was shown since, and not asked for again before.
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
    """expnums (n,) int64 of the candidates of a packet (of all exposures where there are no candidates).

    A packet of doubtful labels holds exposures that are no candidates too: nobody else would look at them.
    """
    offered = candidates_of(survey)
    if not packet:
        return offered
    facets = facets_for(app, survey, packet)
    offered = offered_in_facet(facets, offered, DOUBTFUL if DOUBTFUL in packet else "")
    return offered[in_packet(facets.loc[offered], packet)]


def offered_in_facet(facets, offered, name):
    """expnums (n,) int64 that packets by one facet are cut from: those of `offered`, by doubtful labels others too."""
    others = facets.index[facets[name] != ""].to_numpy(np.int64) if name == DOUBTFUL else offered
    return np.concatenate([offered, others[~np.isin(others, offered)]])


def known_in(app, survey, packet):
    """expnums (n,) int64 of the exposures with a known answer in this run and packet."""
    drawn = app.store.draws(app.catalog.camera, "known")["expnum"].to_numpy(np.int64)
    drawn = drawn[np.isin(drawn, survey.exposures.index)]
    return drawn[in_packet(facets_for(app, survey, packet).loc[drawn], packet)]


def facets_for(app, survey, packet):
    """One column of texts per facet, by expnum; which labels are doubtful only where the packet asks."""
    return facets_of(survey, app if DOUBTFUL in packet else None)


def division_of(ballots):
    """How divided the votes are, by expnum: the smaller side, and half of each unsure."""
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
    """expnums (a set) that get the whole panel's votes; candidates that are new join it by the same draw."""
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
    """Names of the accounts that are meant to vote."""
    return [user.name for user in app.store.users() if user.active and user.role == "inspector"]


def taken_by_others(viewer: Viewer):
    """expnums (a set) that somebody else has on screen."""
    leases = viewer.store.leases(viewer.catalog.camera)
    return set(leases.loc[leases["inspector"] != viewer.name, "expnum"])


# ---- choosing


def settings_in_force(app):
    """What the lead decided, as pipeline.votes.vote_rule.QueueSettings."""
    settings = settings_of(app.store.setting(SETTINGS))
    hidden = app.blind and settings.order and ORDERS[settings.order].tells
    return replace(settings, order="") if hidden else settings


def choice_of(viewer: Viewer, settings=None):
    """(order, packet) in force for a user: their own, else what the lead chose for them or for all."""
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
    """Keep what a user chooses; refuses what they may not know and packets that hold nothing. Returns `choices`."""
    chosen = dict(viewer.store.setting(SETTINGS, {}, owner=viewer.name))
    if order is not None:
        offered = [name for name, known in ORDERS.items() if viewer.may_know(known.tells)]
        chosen["order"] = choose(order, offered, "order of your queue")
    if packet is not None:
        chosen["packet"] = checked_packet(viewer, packet)
    viewer.store.keep_setting(SETTINGS, chosen, owner=viewer.name)
    return choices(viewer)


def assign(app, survey, name, packet):
    """Give an account a packet; None takes it back. What its owner chose before gives way."""
    user = app.store.user(name)
    choose(name, [known.name for known in app.store.users()], "account")
    packet = None if packet is None else checked_packet(Viewer(app, user, survey), packet)
    app.store.keep_setting(ASSIGNED, packet, owner=name)
    chosen = {key: value for key, value in app.store.setting(SETTINGS, {}, owner=name).items() if key != "packet"}
    app.store.keep_setting(SETTINGS, chosen, owner=name)


def checked_packet(viewer: Viewer, text):
    """A packet as text in its usual form, if this user may ask for it and it holds something."""
    packet = parse_packet(text)
    for name in packet:
        choose(name, [facet.name for facet in FACETS.values() if viewer.may_know(facet.tells)], "way to cut packets")
    if packet and not len(offered_in(viewer.app, viewer.survey, packet)):
        raise BadInput(f"no exposure of the queue is in the packet {packet_text(packet)}; choose another")
    return packet_text(packet)


def choices(viewer: Viewer):
    """What a user may choose, as plain values.

    order, packet : in force; assigned : packet from the lead or None; orders : [{name, rule}]
    facets : [{name, label, values: [{value, n, left}]}]; left : of n exposures those without this user's vote
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
        carried = {value: has_value(values, value) for value in values_in(values)}
        counts = [{"value": v, "n": int(has.sum()), "left": int((waits & has).sum())} for v, has in carried.items()]
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
    """Note that this user has an exposure on screen (None: nothing any more); others get it later."""
    if not viewer.can_vote:
        return
    if expnum is None:
        viewer.store.release(viewer.name, viewer.catalog.camera)
    else:
        viewer.store.lease(viewer.name, viewer.catalog.camera, int(expnum), LEASE_SECONDS)


def place_of(viewer: Viewer, expnum):
    """What a vote records of the queue: order, packet, and the place that the exposure had in it (None: not in it)."""
    queue = viewer.app.queues.get(viewer.name)
    if queue is None:
        order, packet = choice_of(viewer)
        queue = {"order": order, "packet": packet, "places": {}}
    return {"order": queue["order"], "packet": queue["packet"], "position": queue["places"].get(int(expnum))}
