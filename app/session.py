"""All state of one browser tab, and everything that can be done in it. It imports param, not panel.

Views read the parameters and call the methods. No view keeps state of its own or touches the store. Slow work goes
through `runner`: in a test it runs at once, behind a page it runs outside the event loop.
"""

import param

from triptych.app.colours.colours import COLOURINGS
from triptych.app.judging import votes
from triptych.app.judging.evidence import evidence_of
from triptych.app.judging.queue import queue_of
from triptych.app.judging.viewer import Viewer
from triptych.app.map import regions, selections
from triptych.app.survey import search
from triptych.app.web.faults import fault_of
from triptych.pipeline.errors import BadInput, LabelError, choose

ROOMS = ("explore", "review", "clusters", "adjudicate", "agreement", "model", "export", "lead")
LEAD_ROOMS = ("adjudicate", "lead")  # only leads may enter them and use their routes
STRETCHES = ("faint", "stars", "sky")
MOST_PICKED = 24  # images that "similar" averages over when a whole region is selected


def run_now(work, done):
    """The simplest runner: do the work here, then call `done`."""
    done(work())


class Session(param.Parameterized):
    """One tab of one user. What they may do is looked up whenever they do it.

    app : app.context.AppContext    user : pipeline.store.accounts.User, as they were when the tab was opened
    runner : callable (work, done). work() may take long and touches no parameter; done(result) sets parameters
    """

    survey = param.Parameter(
        doc="triptych.app.survey.survey.Survey that this tab shows; replaced when new predictions are accepted."
    )
    room = param.Selector(default="explore", objects=list(ROOMS))
    selection = param.Parameter(doc="(n,) int64 image_ids, in the order to show them.")
    selection_how = param.String(default="", doc="How the selection came about, in words for its heading.")
    query = param.String(default="", doc="The search that made the selection; '' when something else did.")
    region = param.String(default="", doc="The selection, or its changes since the search; see app.map.regions.")
    focus = param.Integer(default=None, allow_None=True, doc="expnum of the exposure in focus.")
    focus_ccd = param.String(default="", doc="ccdname within the focused exposure.")
    not_here = param.Integer(default=None, allow_None=True, doc="expnum that an address asked for and the run lacks.")
    cluster = param.Integer(default=None, allow_None=True, doc="The cluster that is open in its room.")
    colour_by = param.Selector(default="reason", objects=list(COLOURINGS))
    dims = param.Selector(default=2, objects=[2, 3])
    stretch = param.Selector(default="faint", objects=list(STRETCHES))
    isolate = param.ClassSelector(class_=tuple, default=(), doc="Legend labels that are shown; () = all.")
    assisted = param.Boolean(default=True, doc="Show the model's opinion before the vote.")
    notice = param.String(default="", doc="Last message to the user.")
    revision = param.Integer(default=0, doc="Revision of the store that this tab has seen.")
    explored = param.Integer(default=0, doc="Revision that Explore shows: the newest while that room is open.")
    jobs = param.Parameter(default=(), doc="Jobs of the run as dicts, newest last.")
    new_prediction = param.String(default="", doc="Prediction stage that waits to be accepted; '' = none.")

    def __init__(self, app, user, runner=run_now, **params):
        self.app, self.name_of_user, self.runner = app, user.name, runner
        self._selecting = 0
        params.setdefault("survey", app.survey_for(user))
        params.setdefault("selection", search.no_images())
        super().__init__(**params)
        self.param.watch(self._follow_votes, ["revision", "room"])

    def _follow_votes(self, *_events):
        """Colours of the map and of thumbnails follow the votes only where somebody sees them."""
        if self.room == "explore" and self.explored != self.revision:
            self.explored = self.revision

    @property
    def user(self):
        """The pipeline.store.accounts.User of this tab, in the role that they have now. LabelError without an active
        account."""
        user = self.app.accounts.user(self.name_of_user)
        if user is None:
            raise LabelError(f"the account {self.name_of_user} is closed; ask a lead")
        return user

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
        """Select images, in this order, and return how many were selected. Images that the run does not have are left
        out.

        query, region : how an address names the selection. Without either, a short list of images is its own region
        """
        picked = search.known_images(self.survey, image_ids)
        if region is None:
            region = "" if query else regions.text_of_images(picked)
        self._selecting += 1
        self.param.update(selection=picked, selection_how=how, query=query, region=region)
        return len(picked)

    def select_region(self, text, how="", done=None):
        """Change the selection by one or several steps of a region: see app.map.regions. done : called afterwards"""
        regions.parse(text)
        viewer, chosen, assisted = self.viewer, self.selection, self.assisted
        self._selecting += 1
        turn = self._selecting
        alone = text.startswith("r")
        region, query = regions.joined("" if alone else self.region, text), "" if alone else self.query

        def selected(image_ids):
            if turn == self._selecting and viewer.survey is self.survey:  # no later selection, and the same tables
                self.select(image_ids, how, query=query if region else "", region=region)
            if done:
                done()

        self.run(
            lambda: selections.images_of_region(viewer, text, chosen, assisted=assisted),
            selected,
        )

    def focus_on(self, expnum, ccdname=""):
        """Put one exposure in focus, and one of its CCDs if named. None = no exposure."""
        expnum = None if expnum is None else int(expnum)
        if expnum is not None and expnum not in self.survey.exposures.index:
            return self.say(f"Exposure {expnum} is not in this run.")
        named = str(ccdname or "") if expnum is not None else ""
        self.param.update(focus=expnum, focus_ccd=named, not_here=None if expnum is not None else self.not_here)

    def search(self, text):
        """Select what a text names, and return the number of images: see app.survey.search.find."""
        labels = self.viewer.readable_labels
        found = search.find(self.survey, text, predicted=self.assisted, labels=labels)
        if found.expnum is not None:
            self.focus_on(found.expnum, found.ccdname)
        if not len(found.image_ids):
            self.say(found.problem)
            return 0
        return self.select(found.image_ids, found.how, query=text.strip())

    def show_similar(self):
        """Select the images most similar to the CCD in focus, or else to the selection. One image per exposure."""
        picked = self.picked_images()
        if not len(picked):
            return self.say("Pick an image first: click a point, a thumbnail or a CCD.")
        self.run(lambda: search.similar_images(self.catalog, picked), self._select_similar)

    def _select_similar(self, image_ids):
        self.select(image_ids, "most similar, one per exposure")

    def show_candidates(self):
        """Search for the candidates and put the most suspicious CCD of the first in focus. A new page starts so."""
        if self.assisted and len(self.survey.candidates) and self.search(search.CANDIDATES):
            self.focus_on(*self.survey.ccd_of(self.selection[0]))

    def picked_images(self):
        """image_ids that "similar" starts from: the CCD in focus, or else images spread over the selection."""
        image_id = self.survey.image_of(self.focus, self.focus_ccd) if self.focus and self.focus_ccd else None
        if image_id is not None:
            return search.as_ids([image_id])
        step = max(1, len(self.selection) // MOST_PICKED)
        return self.selection[::step][:MOST_PICKED]

    def clear(self):
        """Clear the selection and the focus, and show every class of the legend."""
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
        """Take back the last judgement and put that exposure in focus again."""
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
        """Put the next exposure of the queue in focus, and return its expnum. None at the end."""
        waiting = [expnum for expnum in self.queue() if expnum != self.focus]
        if not waiting:
            self.say("No exposure left in your queue.")
            return None
        self.focus_on(waiting[0])
        return waiting[0]

    def evidence(self, expnum):
        """What this user may know about an exposure now, as plain values: see app.judging.evidence.evidence_of."""
        return evidence_of(self.viewer, int(expnum), assisted=self.assisted)

    # ---- learning

    def retrain(self, policy="majority"):
        """Ask for new predictions from all votes. The worker process runs the job. LabelError for all but leads."""
        if not self.viewer.is_lead:
            raise LabelError("only a lead can start a retraining; ask one")
        self.run(
            lambda: self.store.ask_job("retrain", {"policy": policy}, self.user.name, self.app.run_key), self._asked
        )

    def _asked(self, job_id):
        self.say("Retraining asked for; this page will offer the new predictions.")

    def cancel_job(self, job_id):
        """Stop a job that waits or runs. LabelError for all but leads."""
        if not self.viewer.is_lead:
            raise LabelError("only a lead can stop a job")
        self.run(lambda: self.store.cancel_job(job_id), lambda _: self.say("Stopping."))

    def poll(self, pulse):
        """Take over what changed elsewhere: the store, the jobs, and predictions that the user may accept.

        The user's other tab may have accepted new predictions: all tabs of one user show the same.
        pulse : app.context.Pulse
        """
        accepted = self.app.accepted_by(self.name_of_user)
        if accepted is not None and accepted != self.survey.prediction_id:
            self.run(lambda: self.app.survey(accepted), self._accepted)
        offered = pulse.prediction_id if pulse.prediction_id != self.survey.prediction_id else ""
        changed = {"revision": pulse.revision, "jobs": pulse.jobs, "new_prediction": offered}
        self.param.update(**{name: value for name, value in changed.items() if getattr(self, name) != value})

    def accept_prediction(self):
        """Show the new predictions."""
        if self.new_prediction:
            wanted = self.new_prediction
            self.run(lambda: self.app.accept(self.user, wanted), self._accepted)

    def _accepted(self, survey):
        if survey.prediction_id == self.survey.prediction_id:
            return
        self.param.update(survey=survey, new_prediction="")
        self.say(f"Now showing predictions {survey.prediction_id}.")

    # ---- talking

    def say(self, text):
        """Show a message, even if it is the same as the last one."""
        if text == self.notice:
            self.param.trigger("notice")
        else:
            self.notice = text

    def run(self, work, done):
        """Do slow work through the runner. An error becomes a message, so that the page does not break."""
        self.runner(lambda: attempt(work), lambda outcome: self.finish(outcome, done))

    def finish(self, outcome, done=lambda _result: None):
        """Pass the result of `attempt` on, or say what the error says."""
        result, error = outcome
        if error is None:
            done(result)
        else:
            self.say(fault_of(error).text)

    def show(self, **values):
        """Set parameters from an address or from a browser's message. An unknown value is refused, with the known ones
        named."""
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
    """(result of the work, None), or (None, error) if the work raises an error that a line of text can explain."""
    try:
        return work(), None
    except Exception as error:
        if fault_of(error).status == 500:
            raise
        return None, error
