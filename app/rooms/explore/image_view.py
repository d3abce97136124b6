"""Thumbnails of the selection, and the mosaic of the exposure in focus. Both read the session and call its methods."""

import numpy as np
import param

from triptych.app.colours.colours import COLOURINGS, paint
from triptych.app.judging.contact_sheet import sheet_of
from triptych.app.judging.viewer import Viewer
from triptych.app.pictures.version import picture_version
from triptych.app.survey import search
from triptych.app.web.component import EsModule
from triptych.pipeline import camera as cameras
from triptych.pipeline.errors import TriptychError, choose
from triptych.pipeline.image_ids import expnum_of

PAGE = 300  # names and colours are sent for this many thumbnails at a time
MOST_THUMBS = 60_000
LONG = 100_000  # longer selections are ordered in a thread
SIMILAR = "most similar, one per exposure"
FACTS = ("band", "exptime", "mjd_obs", "night", "airmass", "object", "n_ccds")


class ThumbsView(EsModule):
    """The selected images in a scrolling grid. A click puts one in focus, Shift-click picks a range, arrows move."""

    _module = "sheets/thumbs.js"

    total = param.Integer(default=0, doc="Images in the selection.")
    how = param.String(doc="How the selection came about.")
    sorted_by = param.String(default="expnum")
    sorts = param.List(default=["expnum"], doc="Orders that this user may choose now.")
    grid = param.Dict(default={}, doc="key (a number for this order and colouring), and `rows_of` the first page.")
    focus = param.Integer(default=-1, doc="image_id of the CCD in focus; -1 = none.")
    focus_expnum = param.Integer(default=-1)
    focus_place = param.Integer(default=-1, doc="Index in the order of the image in focus; -1 = not selected.")
    stretch = param.String(default="stars")
    picture_version = param.String()
    aspect = param.Number(default=2.0, doc="Width over height of a CCD on the sky.")
    exposures = param.Integer(default=0, doc="Exposures in the selection.")
    has_images = param.Boolean(default=True, doc="Whether the run has any image.")
    can_vote = param.Boolean(default=False, doc="Whether this user may judge the images on a contact sheet.")

    def __init__(self, session, **params):
        self.session = session
        self._order = search.no_images()
        self._key = 0
        catalog = session.catalog
        ny, nx = cameras.camera(catalog.camera).ccd_shape
        shown = {"stretch": session.stretch, "picture_version": picture_version(catalog), "aspect": round(ny / nx, 3)}
        can_vote, has_images = session.viewer.can_vote, len(session.survey.ccds) > 0
        super().__init__(can_vote=can_vote, has_images=has_images, **shown, **params)
        session.param.watch(self._reorder, ["selection"])
        session.param.watch(self._renew, ["survey", "assisted"])
        session.param.watch(self._recolour, ["colour_by"])
        session.param.watch(self._votes_changed, ["explored"])
        session.param.watch(self._follow_focus, ["focus", "focus_ccd"])
        session.param.watch(lambda event: self.param.update(stretch=event.new), ["stretch"])
        self._reorder()
        self._follow_focus()

    # ---- order and colours

    def _reorder(self, *events):
        session = self.session
        sorts = sorts_for(session)
        preferred = "distance" if "distance" in sorts else "probability"
        self._sort(preferred if preferred in sorts else "expnum", sorts)

    def _sort(self, sorted_by, sorts):
        session = self.session
        survey, selection = session.survey, session.selection

        def work():
            return ordered(survey, selection, sorted_by), n_exposures(selection)

        def done(found):
            if selection is session.selection:
                self._order, exposures = found
                heading = {"total": len(selection), "how": session.selection_how, "exposures": exposures}
                self.param.update(sorts=list(sorts), sorted_by=sorted_by, **heading)
                self._follow_focus()
                self._recolour()

        if len(selection) > LONG:
            session.run(work, done)
        else:
            done(work())

    def _renew(self, *events):
        survey = self.session.survey
        self.param.update(picture_version=picture_version(self.session.catalog), has_images=len(survey.ccds) > 0)
        sorts = sorts_for(self.session)
        self._sort(self.sorted_by if self.sorted_by in sorts else "expnum", sorts)

    def _votes_changed(self, event):
        if "store" in COLOURINGS[self.session.colour_by].needs and len(self._order):
            self._recolour()

    def _recolour(self, *events):
        self._key += 1
        key, order = self._key, self._order
        if not len(order):
            self.grid = {"key": key}
            return
        self._paint(order[:PAGE], lambda rows: self._place(key, rows))

    def _place(self, key, rows):
        if key == self._key:
            self.grid = {"key": key, "shown": len(self._order), **rows}

    def _paint(self, image_ids, done):
        session = self.session
        viewer, colour_by, assisted, sorted_by = session.viewer, session.colour_by, session.assisted, self.sorted_by
        session.run(lambda: rows_of(viewer, image_ids, colour_by, sorted_by, assisted=assisted), done)

    def _send_page(self, key, start):
        if key == self._key and 0 <= start < len(self._order):
            ids = self._order[start : start + PAGE]
            self._paint(ids, lambda rows: self._send_msg({"kind": "page", "key": key, "start": start, **rows}))

    def _send_sheet(self, picked):
        """Send the contact sheet of the picked images, or of the whole selection in its order if none is picked."""
        session = self.session
        viewer = session.viewer
        chosen = picked if len(picked) else self._order if len(self._order) == self.total else session.selection
        how = session.selection_how or "picked"
        session.run(
            lambda: sheet_of(viewer, chosen),
            lambda sheet: self._send_msg({"kind": "sheet", "how": how, "stage": viewer.survey.prediction_id, **sheet}),
        )

    # ---- focus

    def _follow_focus(self, *events):
        session = self.session
        expnum = -1 if session.focus is None else session.focus
        image_id = session.survey.image_of(expnum, session.focus_ccd) if expnum >= 0 and session.focus_ccd else None
        found = np.flatnonzero(self._order == image_id if image_id is not None else expnum_of(self._order) == expnum)
        self.param.update(
            focus=-1 if image_id is None else image_id,
            focus_expnum=expnum,
            focus_place=int(found[0]) if len(found) else -1,
        )

    # ---- from the browser

    def _handle_msg(self, message):
        """Kinds of messages: page (send rows from an index on), focus, sort, keep (select only the picked images),
        judge (send a contact sheet), similar, clear."""
        session, kind = self.session, message.get("kind")
        picked = np.asarray(message.get("image_ids", ()), np.int64)
        try:
            if kind == "page":
                self._send_page(int(message["key"]), int(message["start"]))
            elif kind == "focus":
                session.focus_on(*session.survey.ccd_of(int(message["image_id"])))
            elif kind == "sort":
                choose(message["by"], self.sorts, "order")
                self._sort(message["by"], self.sorts)
            elif kind == "keep":
                session.select(picked, "picked")
            elif kind == "judge":
                self._send_sheet(picked)
            elif kind == "similar" and len(picked):
                picked = picked[:24]
                session.run(
                    lambda: search.similar_images(session.catalog, picked),
                    lambda found: session.select(found, SIMILAR),
                )
            elif kind == "similar":
                session.show_similar()
            elif kind == "clear":
                session.clear()
        except TriptychError as error:
            session.say(str(error))


def sorts_for(session):
    """Orders that this user may choose. Probability only if they may know the model's opinion before their vote."""
    sorts = ["expnum"]
    if len(session.survey.prediction) and session.viewer.may_hear_opinion(assisted=session.assisted, voted=False):
        sorts.insert(0, "probability")
    if len(session.survey.cluster):
        sorts.append("cluster")
    if session.selection_how == SIMILAR:
        sorts.insert(0, "distance")
    return sorts


def ordered(survey, image_ids, sorted_by):
    """(n,) int64: at most MOST_THUMBS image_ids in an order.

    sorted_by : probability (likeliest bad first), expnum, cluster, or distance (as given)
    """
    if sorted_by == "probability":
        p_good = np.nan_to_num(search.column_at(survey.prediction, "p_good", image_ids), nan=2.0)
        if len(image_ids) > MOST_THUMBS:
            kept = np.sort(np.argpartition(p_good, MOST_THUMBS)[:MOST_THUMBS])
            image_ids, p_good = image_ids[kept], p_good[kept]
        image_ids = image_ids[np.lexsort((image_ids, p_good))]
    elif sorted_by == "cluster":
        cluster = search.column_at(survey.cluster, "cluster", image_ids, -1).astype(int)
        image_ids = image_ids[np.lexsort((image_ids, np.where(cluster < 0, np.iinfo(int).max, cluster)))]
    elif sorted_by == "expnum":
        image_ids = np.sort(image_ids)
    return image_ids[:MOST_THUMBS]


def n_exposures(image_ids):
    """Number of exposures that these images belong to."""
    expnums = expnum_of(image_ids)
    if (expnums[1:] >= expnums[:-1]).all():
        return int(np.count_nonzero(np.diff(expnums, prepend=-1)))
    return len(np.unique(expnums))


def rows_of(viewer: Viewer, image_ids, colour_by, sorted_by, *, assisted):
    """Names and colours of some images, as plain values.

    Returns lists with one item per image: ids, names, codes, values (text of what they are sorted by); and of the
    codes: palette, letters, titles.
    """
    colours = paint(viewer, colour_by, image_ids, assisted=assisted)
    marked = {
        code: entry for entry in colours.entries if not entry.quiet for code in range(entry.first, entry.last + 1)
    }
    return {
        "ids": [int(image_id) for image_id in image_ids],
        "names": search.column_at(viewer.survey.ccds, "ccdname", image_ids, "").tolist(),
        "codes": colours.codes.tolist(),
        "values": values_of(viewer.survey, image_ids, sorted_by),
        "palette": list(colours.palette),
        "letters": {str(code): entry.letter for code, entry in marked.items()},
        "titles": {str(code): entry.name or entry.label for code, entry in marked.items()},
    }


def values_of(survey, image_ids, sorted_by):
    """Texts of what the images are sorted by: probability or cluster. '' for other orders and unknown values."""
    if sorted_by == "probability":
        p_bad = 1.0 - search.column_at(survey.prediction, "p_good", image_ids)
        return [f"{p:.2f}" if np.isfinite(p) else "" for p in p_bad]
    if sorted_by == "cluster":
        return [f"c{int(c)}" if c >= 0 else "" for c in search.column_at(survey.cluster, "cluster", image_ids, -1)]
    return [""] * len(image_ids)


class MosaicView(EsModule):
    """All CCDs of the exposure in focus, in their places. A click puts a CCD in focus; a second click shows it at full
    resolution."""

    _module = "mosaic/component.js"

    expnum = param.Integer(default=None, allow_None=True)
    focus_ccd = param.String()
    room = param.String(default="explore", doc="Name of the open room. The mosaic reacts to keys in Explore only.")
    camera = param.String(doc="Camera whose outline is shown while there is no exposure.")
    facts = param.Dict(default={}, doc="Header facts of the exposure, for the line above it.")
    stretch = param.String(default="stars")
    marks = param.Boolean(default=False, doc="Frame every CCD in its colour, with its probability.")
    overlay = param.Dict(default={}, doc="ccdname -> {value, label, colour}; {} = none.")
    picture_version = param.String()

    def __init__(self, session, **params):
        self.session = session
        super().__init__(
            camera=session.catalog.camera,
            stretch=session.stretch,
            room=session.room,
            picture_version=picture_version(session.catalog),
            **self._focused(),
            **params,
        )
        session.param.watch(self._follow_focus, ["focus", "focus_ccd"])
        session.param.watch(self._follow, ["stretch", "room"])
        session.param.watch(self._renew, ["survey"])
        session.param.watch(self._remark, ["focus", "colour_by", "assisted", "survey", "explored"])
        self.param.watch(self._lead, ["stretch"])
        self.param.watch(self._remark, ["marks"])

    def _focused(self):
        session = self.session
        facts = header_facts(session.survey, session.focus)
        return {"expnum": session.focus, "focus_ccd": session.focus_ccd, "facts": facts}

    def _follow_focus(self, *events):
        self.param.update(**self._focused())

    def _follow(self, *events):
        self.param.update(**{event.name: event.new for event in events})

    def _renew(self, *events):
        self.param.update(picture_version=picture_version(self.session.catalog), **self._focused())

    def _lead(self, event):
        if event.new != self.session.stretch:
            self.session.show(stretch=event.new)

    def _remark(self, *events):
        session = self.session
        if not self.marks or session.focus is None:
            self.overlay = {}
            return
        viewer, expnum, colour_by, assisted = session.viewer, session.focus, session.colour_by, session.assisted
        session.run(
            lambda: marks_of(viewer, expnum, colour_by, assisted=assisted),
            lambda overlay: self._place(expnum, overlay),
        )

    def _place(self, expnum, overlay):
        if expnum == self.session.focus:
            self.overlay = overlay if self.marks else {}

    def _handle_msg(self, message):
        session = self.session
        if message.get("kind") == "pick" and message.get("expnum") == session.focus:
            session.focus_on(session.focus, message.get("ccdname", ""))
        elif message.get("kind") == "review":
            session.show(room="review")


def header_facts(survey, expnum):
    """Header facts of one exposure as plain values. {} if there is no such exposure."""
    if expnum is None or expnum not in survey.exposures.index:
        return {}
    row = survey.exposures.loc[expnum]
    facts = {name: row[name].item() if hasattr(row[name], "item") else row[name] for name in FACTS}
    return {name: None if value != value else value for name, value in facts.items()}


def marks_of(viewer: Viewer, expnum, colour_by, *, assisted):
    """{ccdname: {colour, label}}: frames for the CCDs of an exposure.

    colour : in this colouring; label : probability that the CCD is bad. Each is left out if it is not known.
    """
    image_ids = viewer.survey.images_of(expnum)
    colours = paint(viewer, colour_by, image_ids, assisted=assisted)
    quiet = {code for entry in colours.entries if entry.quiet for code in range(entry.first, entry.last + 1)}
    bad = paint(viewer, "probability", image_ids, assisted=assisted)
    overlay = {}
    for name, code, level in zip(viewer.survey.ccds.loc[image_ids, "ccdname"], colours.codes, bad.codes, strict=True):
        mark = {"label": f"{(int(level) - 1) / 254:.2f}"} if level else {}
        if int(code) not in quiet:
            mark["colour"] = colours.palette[int(code)]
        if mark:
            overlay[str(name)] = mark
    return overlay
