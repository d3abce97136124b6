"""What is not of one run: the list of the runs of a server, and the way from there to a login."""

import asyncio
from urllib.parse import urlencode

import tornado.web

from triptych.app.dashboard import CAMERA_LABELS
from triptych.app.site.beside import BesideHandler
from triptych.app.site.health import HealthHandler
from triptych.app.site.metrics import MetricsHandler
from triptych.app.web import auth
from triptych.app.web.headers import Headers


class FrontHandler(BesideHandler):
    """Base of the pages beside the runs."""

    as_page = True

    def logins(self):
        """[(app, user)] of every run of which this browser has an open login."""
        found = [(app, auth.login_of_cookie(app, self.get_cookie(app.place.cookie))[0]) for app in self.site.apps]
        return [(app, user) for app, user in found if user is not None]


class NothingHandler(FrontHandler):
    """Answers what is nowhere."""

    def prepare(self):
        raise tornado.web.HTTPError(404, "there is nothing at this address")


class RunsHandler(FrontHandler):
    """The list of the runs, for people who are logged in to one of them. Others are led to the login."""

    async def get(self):
        if self.request.path != self.root:  # relative addresses need the slash
            return self.redirect(self.root)
        users = {app.place.root: user for app, user in self.logins()}
        if not users:
            return self.redirect(f"{self.root}login")
        rows = await asyncio.gather(
            *(asyncio.to_thread(row_of, app, users.get(app.place.root)) for app in self.site.apps)
        )
        return self.finish(auth.page("outside/runs.html", root=self.root, runs=rows))


def row_of(app, user):
    """What the list says of a run. user : who is logged in to it; None = its name is all that is told"""
    row = {"name": app.place.run.removeprefix("/"), "address": app.place.root, "user": ""}
    if user is None:
        return row
    exposures = app.survey().exposures.index
    judged = exposures.isin(app.store.ballots(app.catalog.camera, user.name).expnum).sum()
    camera = CAMERA_LABELS.get(app.catalog.camera, app.catalog.camera)
    return row | {"user": user.name, "camera": camera, "exposures": len(exposures), "judged": int(judged)}


class WhichLoginHandler(FrontHandler):
    """Leads to the login of a run. With one label store, any run's login opens all of them.

    With several, whoever asks has to know the name of a run: names are told only to people who are logged in.
    """

    def get(self):
        name, apps = self.get_query_argument("run", "").strip().strip("/"), self.site.apps
        run = next((app for app in apps if app.place.run == f"/{name}"), None)
        if run is None and len({app.place.cookie for app in apps}) == 1:
            run = apps[0]
        if run is not None:
            return self.redirect(f"{run.place.root}login?{urlencode({'next': self.root})}")
        problem = f"There is no run {name!r} here." if name else ""
        return self.finish(auth.page("outside/which_run.html", root=self.root, problem=problem, asked=name))


def front_of(site):
    """The tornado.web.Application of everything that is not of one run. site : app.site.site.Site"""
    root, given = site.apps[0].place.site_root, {"site": site}
    routes = [(rf"{root}health", HealthHandler, given), (rf"{root}metrics", MetricsHandler, given)]
    if len(site.apps) > 1:
        routes += [
            (rf"{root}?", RunsHandler, given),
            (rf"{root}(?:login|logout)", WhichLoginHandler, given),
        ]
    nothing = {"default_handler_class": NothingHandler, "default_handler_args": given}
    made = tornado.web.Application(routes, compress_response=True, log_function=site.answered, **nothing)
    made.add_transform(Headers)
    return made
