"""Routes of the Lead room, for leads only."""

from triptych.app.judging import queue
from triptych.app.rooms.jobs import jobs
from triptych.app.rooms.lead import accounts, progress
from triptych.app.rooms.lead import queue as lead_queue
from triptych.app.web.answers import ApiHandler
from triptych.app.web.bodies import AccountBody, AssignBody, DrawBody, JobBody, QueueSettingsBody
from triptych.pipeline.errors import BadInput, choose
from triptych.pipeline.store.accounts import ROLES


def overview(app, survey):
    """Everything that the room shows, as plain values."""
    ballots = queue.ballots_of(app, survey, seconds=True)
    return {
        "about": app.catalog.about,
        "accounts": accounts.accounts(app),
        "roles": list(ROLES),
        "progress": progress.progress(app, survey, ballots),
        "queue": lead_queue.settings(app),
        "effect": lead_queue.effect(app, survey, {}, ballots),
        "saved": lead_queue.saved(app, survey, ballots),
        "drawn": lead_queue.drawn(app, survey),
        "jobs": jobs(app),
    }


class LeadHandler(ApiHandler):
    roles = ("lead",)

    @property
    def survey(self):
        return self.app.survey_for(self.user)


class OverviewHandler(LeadHandler):
    """GET: see `overview`."""

    async def get(self):
        await self.answer(lambda: overview(self.app, self.survey))


class AddHandler(LeadHandler):
    """POST {name, role, password}: add an account. Without a password one is made up and sent back, once."""

    async def post(self):
        await self.answer(self.add, self.body(AccountBody))

    def add(self, body):
        return accounts.add(self.app, self.actor, body.name, body.role or "", body.password or "")


class ChangeHandler(LeadHandler):
    """POST {name, role, active, password}: change what is given. password "" makes one up and sends it back, once."""

    async def post(self):
        await self.answer(self.change, self.body(AccountBody))

    def change(self, body):
        return accounts.change(self.app, self.actor, body.name, **body.given("role", "active", "password"))


class AssignHandler(LeadHandler):
    """POST {name, packet}: give an account a packet. null takes it back. Answers the progress."""

    async def post(self):
        await self.answer(self.assign, self.body(AssignBody))

    def assign(self, body):
        queue.assign(self.app, self.survey, body.name, body.packet)
        return progress.progress(self.app, self.survey)


class EffectHandler(LeadHandler):
    """POST {settings}: what these settings would do. Nothing is kept."""

    async def post(self):
        values = self.body(QueueSettingsBody).given()
        await self.answer(lambda: lead_queue.effect(self.app, self.survey, values))


class SettingsHandler(LeadHandler):
    """POST {settings}: keep these settings."""

    async def post(self):
        values = self.body(QueueSettingsBody).given()
        await self.answer(lambda: lead_queue.keep_settings(self.app, self.survey, values))


class DrawHandler(LeadHandler):
    """POST {kind, source, n, seed}: draw more known answers or more control. Answers {added, drawn}."""

    async def post(self):
        await self.answer(self.draw, self.body(DrawBody))

    def draw(self, body):
        n, seed, by = body.n, body.seed, self.user.name
        if choose(body.kind, ("known", "control"), "kind of draw") == "known":
            added = lead_queue.draw_known(self.app, self.survey, body.source or "", n, seed, by)
        else:
            added = lead_queue.draw_control(self.app, self.survey, n, seed, by)
        return {"added": added, "drawn": lead_queue.drawn(self.app, self.survey)}


class JobHandler(LeadHandler):
    """POST {ask: "retrain"}: start a retraining. {cancel: job_id}: stop a job of this run. Answers the jobs."""

    async def post(self):
        await self.answer(self.act, self.body(JobBody))

    def act(self, body):
        if body.cancel is not None:
            known = set(self.app.store.jobs(run=self.app.run_key)["job_id"])
            if body.cancel not in known:
                raise BadInput(f"this run has no job {body.cancel}; load the page again")
            self.app.store.cancel_job(body.cancel)
        elif body.ask == "retrain":
            self.app.store.ask_job("retrain", {"policy": "majority"}, self.user.name, self.app.run_key)
        else:
            raise BadInput('say {"ask": "retrain"} or {"cancel": JOB}')
        return jobs(self.app)


def routes(app):
    """Routes of this file for the server. app : app.context.AppContext"""
    given = {"app": app}
    return [
        (r"/lead/overview", OverviewHandler, given),
        (r"/lead/account/add", AddHandler, given),
        (r"/lead/account/change", ChangeHandler, given),
        (r"/lead/assign", AssignHandler, given),
        (r"/lead/queue/effect", EffectHandler, given),
        (r"/lead/queue/settings", SettingsHandler, given),
        (r"/lead/draw", DrawHandler, given),
        (r"/lead/job", JobHandler, given),
    ]
