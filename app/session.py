"""All state of one browser tab, and everything that can be done in it. Imports param, not panel.

Views read the parameters and call the verbs; none of them keeps state of its own or touches the store. Slow work goes
through `runner`, so that the same session runs at once in a test and off the event loop behind a page.
"""

import param

from triptych.app.colours.colours import COLOURINGS
from triptych.app.judging import votes
from triptych.app.judging.evidence import evidence_of
from triptych.app.judging.queue import queue_of
from triptych.app.judging.viewer import Viewer
from triptych.app.map import regions, selections
from triptych.app.survey import search
from triptych.pipeline.errors import BadInput, LabelError, TriptychError, choose

ROOMS = ("explore", "review", "clusters", "adjudicate", "agreement", "model", "export", "lead")
LEAD_ROOMS = ("adjudicate", "lead")  # whose routes and pages only a lead may ask for
STRETCHES = ("faint", "stars", "sky")
OPENING = "candidates, worst CCD of each"  # heading of what a new page selects; it leaves the map in full colour
MOST_PICKED = 24  # images that "similar" averages over when a whole region is selected


def run_now(work, done):
    """The simplest runner: do it here, then go on."""
    done(work())


class Session(param.Parameterized):
    """One tab of one user.

    app : app.context.AppContext    user : pipeline.store.accounts.User
    runner : callable (work, done); work() may take long and touches no parameter, done(result) sets parameters
    """

    survey = param.Parameter(
        doc="triptych.app.survey.survey.Survey that this tab shows; replaced when new predictions are accepted."
    )
    room = param.Selector(default="explore", objects=list(ROOMS))
    selection = param.Parameter(doc="(n,) int64 image_ids, in the order to show them.")
    selection_how = param.String(default="", doc="How the selection came about, in words for its heading.")
    query = param.String(default="", doc="The search that made the selection; '' when something else did.")
    region = param.String(default="", doc="The selection, or what changed it after the search, as in app.map.regions.")
    focus = param.Integer(default=None, allow_None=True, doc="expnum of the exposure that is looked at.")
    focus_ccd = param.String(default="", doc="ccdname within the focused exposure.")
    cluster = param.Integer(default=None, allow_None=True, doc="The cluster that is open in its room.")
    colour_by = param.Selector(default="reason", objects=list(COLOURINGS))
    dims = param.Selector(default=2, objects=[2, 3])
    stretch = param.Selector(default="faint", objects=list(STRETCHES))
    isolate = param.ClassSelector(class_=tuple, default=(), doc="Legend labels that are shown; () = all.")
    assisted = param.Boolean(default=True, doc="Show the model's opinion before the vote.")
    notice = param.String(default="", doc="Last message to the user.")
    revision = param.Integer(default=0, doc="Revision of the store that this tab has seen.")
    jobs = param.Parameter(default=(), doc="Jobs of the run as dicts, newest last.")
    new_prediction = param.String(default="", doc="Prediction stage that waits to be accepted; '' = none.")

    def __init__(self, app, user, runner=run_now, **params):
        self.app, self.user, self.runner = app, user, runner
        self._selecting = 0
        params.setdefault("survey", app.survey_for(user))
        params.setdefault("selection", search.no_images())
        super().__init__(**params)

    @property
    def viewer(self):
        """This user, looking at the tables of this tab."""
        return Viewer(self.app, self.user, self.survey)

    @property
    def catalog(self):
        return self.app.catalog

    @property
    def store(self):
        return self.app.store

    # ---- looking

    def select(self, image_ids, how="", query="", region=None):
        """Select images, in this order; those that the run does not have are left out.

        query, region : what an address can say of them; a short list is its own region
        """
        picked = search.known_images(self.survey, image_ids)
        if region is None:
            region = "" if query else regions.text_of_images(picked)
        self._selecting += 1
        self.param.update(selection=picked, selection_how=how, query=query, region=region)
        return len(picked)

    def select_region(self, text, how="", done=None):
        """Change the selection by one step or several of a region: see app.map.regions. done : called afterwards."""
        regions.parse(text)
        viewer, chosen, assisted = self.viewer, self.selection, self.assisted
        self._selecting += 1
        turn = self._selecting
        alone = text.startswith("r")
        region, query = regions.joined("" if alone else self.region, text), "" if alone else self.query

        def selected(image_ids):
            if turn == self._selecting and viewer.survey is self.survey:  # nothing else was selected meanwhile
                self.select(image_ids, how, query=query if region else "", region=region)
            if done:
                done()

        self.run(
            lambda: selections.images_of_region(viewer, text, chosen, assisted=assisted),
            selected,
        )

    def focus_on(self, expnum, ccdname=""):
        """Look at one exposure, and at one of its CCDs; None looks at nothing."""
        expnum = None if expnum is None else int(expnum)
        if expnum is not None and expnum not in self.survey.exposures.index:
            return self.say(f"Exposure {expnum} is not in this run.")
        self.param.update(focus=expnum, focus_ccd=str(ccdname or "") if expnum is not None else "")

    def search(self, text):
        """Find an expnum, expnum-CCD, band, night or reason, or several of these together; return the number found."""
        labels = self.viewer.readable_labels
        found = search.find(self.survey, text, predicted=self.assisted, labels=labels)
        if found.expnum is not None:
            self.focus_on(found.expnum, found.ccdname)
        if not len(found.image_ids):
            self.say(found.problem)
            return 0
        return self.select(found.image_ids, found.how, query=text.strip())

    def show_similar(self):
        """Select the images nearest to the selected ones (or to the focused CCD), one per exposure."""
        picked = self.picked_images()
        if not len(picked):
            return self.say("Pick an image first: click a point, a thumbnail or a CCD.")
        self.run(lambda: search.similar_images(self.catalog, picked), self._select_similar)

    def _select_similar(self, image_ids):
        self.select(image_ids, "most similar, one per exposure")

    def show_candidates(self):
        """Select the most suspicious image of each candidate and look at the first: what there is to do here."""
        if self.assisted and len(self.survey.candidates):
            worst = search.worst_images(self.survey, self.survey.candidates.index)
            self.select(worst, OPENING, region="")
            self.focus_on(*self.survey.ccd_of(worst[0]))

    def picked_images(self):
        """image_ids that "similar" starts from: the focused CCD, else a spread over the selection."""
        image_id = self.survey.image_of(self.focus, self.focus_ccd) if self.focus and self.focus_ccd else None
        if image_id is not None:
            return search.as_ids([image_id])
        step = max(1, len(self.selection) // MOST_PICKED)
        return self.selection[::step][:MOST_PICKED]

    def clear(self):
        """Select nothing, look at nothing, show every class."""
        self.param.update(selection=search.no_images(), selection_how="", query="", region="", isolate=())
        self.focus_on(None)

    # ---- judging

    def vote(self, expnum, judgement, reasons=(), comment="", screen=None, ccdnames=(), client_vote_id=""):
        """Store this user's judgement of one exposure."""
        screen = {"stretch": self.stretch, "assisted": self.assisted, **(screen or {})}
        more = {"reasons": reasons, "comment": comment, "screen": screen, "ccdnames": ccdnames}
        more["client_vote_id"] = client_vote_id
        viewer = self.viewer
        self.run(lambda: votes.cast(viewer, expnum, judgement, **more), self._voted)

    def _voted(self, vote):
        self.revision = int(self.store.revision())

    def undo(self):
        """Take back the last judgement and look at that exposure again."""
        viewer = self.viewer
        self.run(lambda: votes.undo(viewer), self._undone)

    def _undone(self, expnum):
        if expnum is None:
            return self.say("Nothing to undo.")
        self.revision = int(self.store.revision())
        self.focus_on(expnum)
        self.say(f"Vote on {expnum} taken back.")

    def queue(self):
        """expnums of the candidates that this user has not judged yet, most suspicious first."""
        return queue_of(self.viewer)

    def advance(self):
        """Look at the next exposure of the queue, and return it; None at the end."""
        waiting = [expnum for expnum in self.queue() if expnum != self.focus]
        if not waiting:
            self.say("No exposure left in your queue.")
            return None
        self.focus_on(waiting[0])
        return waiting[0]

    def evidence(self, expnum):
        """What this user may know about an exposure now, as plain values: see app.judging.evidence."""
        return evidence_of(self.viewer, int(expnum), assisted=self.assisted)

    # ---- learning

    def retrain(self, policy="majority"):
        """Ask for new predictions from all votes; a job that runs beside the server. For leads."""
        if not self.viewer.is_lead:
            raise LabelError("only a lead can start a retraining; ask one")
        self.run(
            lambda: self.store.ask_job("retrain", {"policy": policy}, self.user.name, self.app.run_key), self._asked
        )

    def _asked(self, job_id):
        self.say("Retraining asked for; this page will offer the new predictions.")

    def cancel_job(self, job_id):
        """Stop a job that waits or runs. For leads."""
        if not self.viewer.is_lead:
            raise LabelError("only a lead can stop a job")
        self.run(lambda: self.store.cancel_job(job_id), lambda _: self.say("Stopping."))

    def poll(self, pulse):
        """Take over what changed elsewhere: the store, jobs, and predictions on offer.

        pulse : app.context.Pulse
        """
        offered = pulse.prediction_id if pulse.prediction_id != self.survey.prediction_id else ""
        changed = {"revision": pulse.revision, "jobs": pulse.jobs, "new_prediction": offered}
        self.param.update(**{name: value for name, value in changed.items() if getattr(self, name) != value})

    def accept_prediction(self):
        """Go over to the new predictions."""
        if self.new_prediction:
            wanted = self.new_prediction
            self.run(lambda: self.app.accept(self.user, wanted), self._accepted)

    def _accepted(self, survey):
        self.param.update(survey=survey, new_prediction="")
        self.say(f"Now showing predictions {survey.prediction_id}.")

    # ---- talking

    def say(self, text):
        """Show a message, also when it is the same as the last one."""
        if text == self.notice:
            self.param.trigger("notice")
        else:
            self.notice = text

    def run(self, work, done):
        """Do slow work through the runner; a refusal becomes a message, not a broken page."""
        self.runner(lambda: attempt(work), lambda outcome: self._finish(outcome, done))

    def _finish(self, outcome, done):
        result, error = outcome
        if error is None:
            done(result)
        else:
            self.say(str(error))

    def show(self, **values):
        """Set parameters from an address or a browser's message; unknown values are refused with the known ones."""
        for name, known in (("room", ROOMS), ("colour_by", COLOURINGS), ("stretch", STRETCHES)):
            if name in values:
                choose(values[name], known, name.replace("_", " "))
        if values.get("dims", 2) not in (2, 3):
            raise BadInput(f"a map has 2 or 3 dimensions, not {values['dims']!r}")
        if values.get("assisted") and self.app.blind:
            values["assisted"] = False
            self.say("This run is judged blind: the model's opinion comes after your vote.")
        self.param.update(**values)


def attempt(work):
    """(result, None), or (None, error) where the work refuses for a reason that a person can act on."""
    try:
        return work(), None
    except TriptychError as error:
        return None, error
