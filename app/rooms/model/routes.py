"""What the Model room asks over HTTP: the models and retrainings, and for leads what starts, stops and goes back."""

from triptych.app.judging.handlers import ViewerApi
from triptych.app.rooms.model import report
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput
from triptych.pipeline.retraining import models

POLICY = "majority"


class OverviewHandler(ViewerApi):
    """GET: see `model_report.overview`."""

    async def get(self):
        await self.answer(lambda: report.overview(self.viewer))


class WorkHandler(ViewerApi):
    """GET: the newest retraining and the log, while one runs."""

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
    """GET, the same query: image_ids of what moved, to be selected on the map."""

    told = staticmethod(report.moved_images)


class JobHandler(ViewerApi):
    """POST {ask: "retrain"}: start a retraining, or join the one that is asked for. {cancel: job_id}: stop it."""

    roles = ("lead",)

    async def post(self):
        await self.answer(self.act, self.body())

    def act(self, values):
        store = self.app.store
        if values.get("cancel") is not None:
            known = {int(job_id) for job_id in store.jobs(run=self.app.run_key)["job_id"]}
            if values["cancel"] not in known:
                raise BadInput(f"this run has no job {values['cancel']}; load the page again")
            store.cancel_job(int(values["cancel"]))
        elif values.get("ask") == "retrain":
            store.ask_job("retrain", {"policy": POLICY}, self.user.name, self.app.run_key)
        else:
            raise BadInput('say {"ask": "retrain"} or {"cancel": JOB}')
        return report.work(self.viewer)


class UseHandler(ViewerApi):
    """POST {model}: point the run at this model for everybody; each page offers it. Answers the overview."""

    roles = ("lead",)

    async def post(self):
        await self.answer(self.use, self.body())

    def use(self, values):
        catalog = Catalog.open(self.app.catalog.path)
        models.use(catalog, str(values.get("model") or ""), by=self.user.name, why="chosen in the page")
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
