"""One page: all rooms in one frame, bound to one Session.

The frame is our own template (static/frame/page.html with theme.css), not a ready-made one. It has four advantages.
The page appears before any script has run. It is a fifth as large as with a component library. Its layout is that of an
image viewer: it fills the window and never scrolls. Tests find every element under its own name.

Each room is a section. A room that is not shown takes no part in the layout, and its components start when it is first
opened.
"""

import asyncio
import importlib.util
import logging
import secrets
from functools import partial

import panel as pn
import param
from markupsafe import Markup

from triptych.app.rooms.jobs import next_step, says
from triptych.app.session import COLOURINGS, LEAD_ROOMS, ROOMS, STRETCHES, Session, attempt
from triptych.app.web.auth import PAGES, login_of_cookie
from triptych.app.web.component import EsModule, assets_base
from triptych.app.web.faults import note
from triptych.pipeline.errors import LabelError, TriptychError

log = logging.getLogger("triptych")

POLL_MILLISECONDS = 2000
# room -> its name and the letter that opens it, together with Shift
ROOM_TABS = {
    "explore": ("Explore", "E"),
    "review": ("Review", "R"),
    "clusters": ("Clusters", "C"),
    "adjudicate": ("Adjudicate", "A"),
    "agreement": ("Agreement", "G"),
    "model": ("Model", "M"),
    "export": ("Export", "X"),
    "lead": ("Lead", "L"),
}
CAMERA_LABELS = {"decam": "DECam", "mosaic3": "Mosaic-3", "90prime": "90Prime"}
# scripts that the browser fetches while it still reads the page
FRAME_MODULES = ("basics/lasting_socket.js", "frame/load.js", "frame/shell.js", "frame/keys.js", "frame/shortcuts.js")
ROOM_MODULES = {
    "explore": ("map/legend.js", "map/map.js", "sheets/thumbs.js", "mosaic/component.js", "mosaic/mosaic.js"),
    "review": ("rooms/review/review.js", "evidence/evidence.js", "frame/outbox.js", "mosaic/mosaic.js"),
    "clusters": ("rooms/clusters/clusters.js",),
    "adjudicate": ("rooms/adjudicate/adjudicate.js",),
    "agreement": ("rooms/agreement/agreement.js",),
    "model": ("rooms/model/model.js",),
    "export": ("rooms/export/export.js",),
    "lead": ("rooms/lead/lead.js",),
}
# addresses that a room needs first; the browser asks for them while it still reads the page
FIRST_ASKED = {
    "review": ("api/queue",),
    "adjudicate": ("adjudicate/queue",),
    "agreement": ("agreement/report?unit=&blanks=0",),
    "model": ("model/overview",),
    "export": ("export/summary", "export/difference/majority/any", "export/preview/bad_expid/majority"),
    "lead": ("lead/overview",),
}
FIRST_ASKED_BY_OTHERS = FIRST_ASKED | {"export": ("export/mine/summary",)}  # for users who are not leads
# place in page.html -> (module, class) of the view that fills it; its only argument is the session
VIEWS = {
    "legend": ("triptych.app.rooms.explore.map_view", "LegendView"),
    "map": ("triptych.app.rooms.explore.map_view", "MapView"),
    "thumbs": ("triptych.app.rooms.explore.image_view", "ThumbsView"),
    "mosaic": ("triptych.app.rooms.explore.image_view", "MosaicView"),
    "review": ("triptych.app.rooms.review.view", "ReviewView"),
    "clusters": ("triptych.app.rooms.clusters.view", "ClustersView"),
    "adjudicate": ("triptych.app.rooms.adjudicate.view", "AdjudicateView"),
    "agreement": ("triptych.app.rooms.agreement.view", "AgreementView"),
    "model": ("triptych.app.rooms.model.view", "ModelView"),
    "export": ("triptych.app.rooms.export.view", "ExportView"),
    "lead": ("triptych.app.rooms.lead.view", "LeadView"),
}


class Shell(EsModule):
    """Connects the frame with the session: rooms, search, messages, jobs, address."""

    _module = "frame/shell.js"

    room = param.String()
    focus = param.Integer(default=None, allow_None=True)
    focus_ccd = param.String()
    query = param.String()
    region = param.String(doc="The selection as text for the address.")
    isolate = param.List(default=[], doc="Legend labels that are shown; [] = all.")
    cluster = param.Integer(default=None, allow_None=True)
    colour_by = param.String()
    dims = param.Integer(default=2)
    assisted = param.Boolean(default=True)
    notice = param.String()
    said = param.Integer(doc="Number of messages so far. It makes the browser show the same message a second time.")
    job = param.Dict(default={}, doc="The job to show: job_id, state, text, progress, error (or next step); {} = none.")
    new_prediction = param.String()
    run = param.String()
    role = param.String()
    pictures = param.String(default=None, allow_None=True, doc="See pictures_text; None until the survey changes.")

    SHARED = ("room", "focus", "focus_ccd", "query", "region", "cluster", "colour_by", "dims", "assisted")
    SHARED += ("new_prediction",)
    FROM_BROWSER = ("room", "assisted")

    def __init__(self, session, **params):
        self.session = session
        self._dismissed = set()
        shared = {name: getattr(session, name) for name in self.SHARED}
        fixed = {"role": session.user.role, "run": run_label(session.survey)}
        told = {"notice": session.notice, "said": int(bool(session.notice))}  # what opening the address had to say
        super().__init__(sizing_mode="fixed", width=0, height=0, **shared, **fixed, **told, **params)
        self.isolate = list(session.isolate)
        self.job = job_to_show(session.jobs)
        session.param.watch(self._follow, list(self.SHARED))
        session.param.watch(lambda event: self.param.update(isolate=list(event.new)), ["isolate"])
        session.param.watch(self._say, ["notice"], onlychanged=False)
        session.param.watch(self._show_job, ["jobs"])
        session.param.watch(self._renew, ["survey"])
        self.param.watch(self._lead, list(self.FROM_BROWSER))

    def _follow(self, *events):
        self.param.update(**{event.name: event.new for event in events})

    def _renew(self, event):
        self.param.update(run=run_label(event.new), pictures=pictures_text(event.new))

    def _lead(self, *events):
        self._do(lambda: self.session.show(**{event.name: event.new for event in events}))
        self.param.update(assisted=self.session.assisted)

    def _say(self, event):
        self.param.update(notice=event.new, said=self.said + 1)

    def _show_job(self, event):
        self.job = job_to_show(event.new, self._dismissed)

    def _handle_msg(self, data):
        verb = data.get("verb")
        session = self.session
        if verb == "search":
            self._do(lambda: session.search(str(data["text"])))
        elif verb == "cancel_job":
            self._dismissed.add(data["job_id"])
            self._do(lambda: session.cancel_job(data["job_id"]))
            self.job = job_to_show(session.jobs, self._dismissed)
        elif verb == "show":
            self._do(lambda: open_address(session, data["values"]))
        elif verb in ("clear", "retrain", "accept_prediction"):
            self._do(getattr(session, verb))

    def _do(self, act):
        self.session.finish(attempt(act))


class Placeholder(EsModule):
    """A line of text in a room whose view is not installed."""

    _module = "frame/placeholder.js"
    text = param.String()


class Page(pn.Template):
    """A template with a short text of its own.

    Panel asks for this text at each panel that is added. The full text takes a tenth of the time that a page needs.
    """

    def __repr__(self):
        return f"Page({', '.join(self._render_items)})"


def build_page(app, user, arguments=None, runner=None):
    """(template, session): the page of one user as a Panel template, and its Session.

    app : app.context.AppContext    user : pipeline.store.accounts.User
    arguments : query of the address as name -> text    runner : see app.session.Session
    """
    session = Session(app, user, **({"runner": runner} if runner else {}), assisted=not app.blind)
    session.poll(app.pulse())
    open_address(session, arguments or {})
    template = Page((PAGES / "frame/page.html").read_text())
    for place, (module, name) in VIEWS.items():
        if place not in LEAD_ROOMS or user.role == "lead":
            template.add_panel(place, make_view(module, name, session))
    template.add_panel("shell", Shell(session))
    values = {
        "assets_base": assets_base(),
        "logo": Markup((PAGES / "frame/logo.svg").read_text()),
        "rooms": [(room, *ROOM_TABS[room]) for room in rooms_of(user)],
        "modules": [*FRAME_MODULES, *ROOM_MODULES[session.room]],
        "asked": (FIRST_ASKED if user.role == "lead" else FIRST_ASKED_BY_OTHERS).get(session.room, ()),
        "room": session.room,
        "query": session.query,
        "run": run_label(session.survey),
        "user": user.name,
        "role": user.role,
        "beside": bool(app.place.run),
        "assisted": session.assisted,
        "pictures": pictures_text(session.survey),
        "nonce": secrets.token_urlsafe(16),
    }
    for name, value in values.items():
        template.add_variable(name, value)
    return template, session


def make_view(module, name, session):
    """The view of a place, or a placeholder if its module does not exist."""
    if importlib.util.find_spec(module) is None:
        return Placeholder(text=f"{module} is not installed.")
    return getattr(importlib.import_module(module), name)(session)


def rooms_of(user):
    """Names of the rooms that this user may enter, in the order of their tabs."""
    return [room for room in ROOMS if room not in LEAD_ROOMS or user.role == "lead"]


def open_address(session, values):
    """Set a session to what an address asks for: ?room=review&focus=243671&ccd=S7&q=...&sel=...&colour=...&dims=3."""
    if values.get("room"):
        open_room(session, values["room"])
    if values.get("colour") in COLOURINGS:
        session.colour_by = values["colour"]
    if values.get("stretch") in STRETCHES:
        session.stretch = values["stretch"]
    if str(values.get("dims")) in ("2", "3"):
        session.dims = int(values["dims"])
    if values.get("only"):
        session.isolate = tuple(values["only"].split("|"))
    if values.get("q"):
        session.search(values["q"])
    if values.get("sel"):
        open_selection(session, values["sel"])
    if str(values.get("cluster", "")).lstrip("-").isdigit():
        session.cluster = int(values["cluster"])
    session.not_here = None
    if values.get("focus"):
        open_exposure(session, str(values["focus"]), values.get("ccd", ""))
    if not values:
        session.show_candidates()


def open_room(session, room):
    """Enter the room that an address names, or say why not."""
    if room in rooms_of(session.user):
        session.room = room
    elif room in ROOMS:
        session.say(f"The room {ROOM_TABS[room][0]} is for leads only; ask one to change your role.")
    else:
        session.say(f"There is no room {room[:40]!r}: choose one of the tabs.")


def open_exposure(session, text, ccdname):
    """Put the exposure that an address names in focus. One that is not in the run is noted, so that no other one is
    judged in its place."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else None
    if number is not None and number in session.survey.exposures.index:
        session.focus_on(number, ccdname)
        return
    session.param.update(focus=None, focus_ccd="", not_here=number)
    session.say(f"There is no exposure {text[:20]} in this run. The search finds those that there are.")


def open_selection(session, text):
    """Select the region that an address names. Called after the search of the address."""
    try:
        session.select_region(text, "as in the address")
    except TriptychError as error:
        session.say(str(error))


def run_label(survey):
    """One line with the camera, the run and the model on screen."""
    camera = CAMERA_LABELS.get(survey.catalog.camera, survey.catalog.camera)
    model = f"model {survey.prediction_id}" if survey.prediction_id else "no predictions yet"
    return f"{camera} · run {survey.catalog.name} · {model}"


def pictures_text(survey):
    """Which exposures have pictures, as text for static/basics/has_pictures.js.

    '' = all, '+1 2' = only exposures 1 and 2, '-1 2' = all except exposures 1 and 2
    """
    without = survey.not_pictured
    if not len(without):
        return ""
    sign, named = ("+", survey.pictured) if len(survey.pictured) < len(without) else ("-", without)
    return sign + " ".join(map(str, named.tolist()))


def job_to_show(jobs, dismissed=()):
    """The job that the top bar shows: one that waits or runs, or else the newest one if it failed. {} = none."""
    for job in reversed(jobs):
        if job["job_id"] in dismissed and job["state"] not in ("waiting", "running"):
            continue
        if job["state"] in ("waiting", "running"):
            progress = float(job["progress"] or 0)
            return {"job_id": int(job["job_id"]), "state": job["state"], "text": f"{job['kind']}: {says(job)}"} | {
                "progress": progress,
                "error": next_step(job),
            }
        if job["state"] == "failed":
            short = {"job_id": int(job["job_id"]), "state": "failed", "progress": 0.0, "error": job["error"]}
            return short | {"text": f"{job['kind']} failed: {job['error']}"[:80]}
        return {}
    return {}


def page_runner(document):
    """A runner (see app.session.Session) that works in a thread and then calls `done` where the page may be changed."""
    tasks = set()

    async def work_aside(work, done):
        try:
            result = await asyncio.to_thread(work)
        except Exception as error:
            fault = note(log, "a page's work failed", error)
            result = None, TriptychError(f"That did not work: {fault.text}.")
        document.add_next_tick_callback(partial(done, result))

    def runner(work, done):
        task = asyncio.get_running_loop().create_task(work_aside(work, done))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return runner


def document_id_of(document):
    """The id by which the server knows the document of a page."""
    context = document.session_context
    assert context is not None  # the server asks for a page
    return context.id


def looked_at(document):
    """Whether a browser is connected to a page. A closed page is kept for a while, but is not updated."""
    session = document.session_context.session
    return session is not None and session.connection_count > 0


def serve_page(app):
    """Build the page for the current request. The server calls this once per tab."""
    document = pn.state.curdoc
    assert document is not None  # the server calls this for a document
    user, login = login_of_cookie(app, pn.state.cookies.get(app.place.cookie))
    if user is None or login is None:  # it ended between the request and now
        raise LabelError("log in again")
    arguments = {name: values[-1].decode() for name, values in pn.state.session_args.items()}
    page_id = app.page_id(user, login)
    app.page_opened(user)
    template, session = build_page(app, user, arguments)
    session.runner = page_runner(document)
    document_id = document_id_of(document)
    app.documents[document_id] = page_id

    def destroyed(_context):
        app.documents.pop(document_id, None)
        app.page_closed(user)

    document.on_session_destroyed(destroyed)

    async def poll():
        if not looked_at(document):
            return
        session.poll(await asyncio.to_thread(app.pulse))

    # Panel awaits an async function here, although its type says that the function returns nothing.
    pn.state.add_periodic_callback(poll, period=POLL_MILLISECONDS)  # pyright: ignore[reportArgumentType]
    return template
