"""Routes of the Model room: the models and retrainings; leads can start and stop one, and choose another model."""

from triptych.app.judging.handlers import ViewerApi
from triptych.app.rooms.model import report
from triptych.app.web.bodies import JobBody, ModelBody
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput
from triptych.pipeline.retraining import models

POLICY = "majority"


class OverviewHandler(ViewerApi):
    """GET: see `report.overview`."""

    async def get(self):
        await self.answer(lambda: report.overview(self.viewer))


class WorkHandler(ViewerApi):
    """GET: the newest retraining and the log. Pages ask for it while a retraining runs."""

    async def get(self):
        await self.answer(lambda: report.work(self.viewer))


class RetrainingHandler(ViewerApi):
    """GET ?id=mixed-002&list=moved&assisted=1: what a retraining changed, as far as this user may know."""

    told = staticmethod(report.retraining)

    async def get(self):
        stage_id, listed = self.get_query_argument("id", ""), self.get_query_argument("list", "moved")
        assisted = self.assisted
        await self.answer(lambda: self.told(self.viewer, stage_id, listed, assisted=assisted))


class MovedHandler(RetrainingHandler):
    """GET with the same query: image_ids of what changed, to select them on the map."""

    told = staticmethod(report.moved_images)


class JobHandler(ViewerApi):
    """POST {ask: "retrain"}: ask for a retraining. {cancel: job_id}: stop a job."""

    roles = ("lead",)

    async def post(self):
        await self.answer(self.act, self.body(JobBody))

    def act(self, body):
        store = self.app.store
        if body.cancel is not None:
            known = {int(job_id) for job_id in store.jobs(run=self.app.run_key)["job_id"]}
            if body.cancel not in known:
                raise BadInput(f"this run has no job {body.cancel}; load the page again")
            store.cancel_job(body.cancel)
        elif body.ask == "retrain":
            store.ask_job("retrain", {"policy": POLICY}, self.user.name, self.app.run_key)
        else:
            raise BadInput('say {"ask": "retrain"} or {"cancel": JOB}')
        return report.work(self.viewer)


class UseHandler(ViewerApi):
    """POST {model}: use this model in the run. Open pages offer it to their users. Answers the overview."""

    roles = ("lead",)

    async def post(self):
        await self.answer(self.use, self.body(ModelBody))

    def use(self, body):
        catalog = Catalog.open(self.app.catalog.path)
        models.use(catalog, body.model, by=self.user.name, why="chosen in the page")
        return report.overview(self.viewer)


def routes(app):
    """Routes of this file for the server. app : app.context.AppContext"""
    given = {"app": app}
    return [
        (r"/model/overview", OverviewHandler, given),
        (r"/model/work", WorkHandler, given),
        (r"/model/retraining", RetrainingHandler, given),
        (r"/model/moved", MovedHandler, given),
        (r"/model/job", JobHandler, given),
        (r"/model/use", UseHandler, given),
    ]
