"""/metrics: what the server does, in the text format of Prometheus.

Served on this computer only, every program on it may ask. Otherwise whoever asks needs the token that the server was
started with: behind a proxy, everybody seems to come from this computer.
"""

import asyncio
import hmac
import ipaddress

import tornado.web
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from triptych.app.site.beside import BesideHandler

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
# module of a handler -> kind of its routes
KINDS = {
    "triptych.app.web.headers": "page",
    "triptych.app.web.auth": "login",
    "triptych.app.oauth.handler": "login",
    "triptych.app.web.account": "account",
    "triptych.app.web.libraries": "static",
    "triptych.app.site.routes": "static",
    "triptych.app.site.front": "front",
    "triptych.app.site.health": "health",
    "triptych.app.site.metrics": "metrics",
    "triptych.app.pictures.routes": "picture",
}
ROOM = "triptych.app.rooms."


def kind_of(handler):
    """The kind of a handler's route: one of few words, whatever somebody asks for. Rooms have their own names."""
    module = type(handler).__module__
    return module.removeprefix(ROOM).split(".")[0] if module.startswith(ROOM) else KINDS.get(module, "other")


class Metrics:
    """Counts the answers of a server. apps : AppContext of each run"""

    def __init__(self, apps):
        self.registry = CollectorRegistry()
        names = {"labelnames": ("run", "kind", "status"), "registry": self.registry}
        self._requests = Counter("triptych_requests", "Answers sent.", **names)
        names["labelnames"] = ("run", "kind")
        self._seconds = Histogram("triptych_request_seconds", "Time to an answer.", buckets=SECONDS, **names)
        self.registry.register(Stores(apps))

    def answered(self, handler, run):
        """Count one answer. run : name of its run, '' = of none"""
        kind = kind_of(handler)
        self._requests.labels(run, kind, str(handler.get_status())).inc()
        self._seconds.labels(run, kind).observe(handler.request.request_time())


class Stores(Collector):
    """What label stores and open pages say at the moment when somebody asks."""

    def __init__(self, apps):
        self.apps = apps

    def describe(self):
        return []

    def collect(self):
        sockets = GaugeMetricFamily("triptych_open_sockets", "Pages that are open.", labels=["run"])
        up = GaugeMetricFamily("triptych_store_up", "Whether the label store can be read.", labels=["run"])
        votes = GaugeMetricFamily("triptych_votes", "Votes in the label store, superseded ones too.", labels=["run"])
        revision = GaugeMetricFamily("triptych_store_revision", "Revision of the label store.", labels=["run"])
        jobs = GaugeMetricFamily("triptych_jobs", "Jobs that have not ended.", labels=["run", "state"])
        for app in self.apps:
            run = [app.catalog.name]
            sockets.add_metric(run, len(app.sockets))
            try:
                figures = app.store.figures(app.run_key)
            except Exception:  # the other runs' figures are still worth having
                up.add_metric(run, 0)
                continue
            up.add_metric(run, 1)
            votes.add_metric(run, figures["votes"])
            revision.add_metric(run, figures["revision"])
            for state, count in figures["jobs"].items():
                jobs.add_metric([*run, state], count)
        return [sockets, up, votes, revision, jobs]


class MetricsHandler(BesideHandler):
    """GET: all figures as text. 403 for those who may not ask."""

    async def get(self):
        self._check_right()
        text = await asyncio.to_thread(generate_latest, self.site.metrics.registry)
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(text)

    def _check_right(self):
        token, sent = self.site.metrics_token, self.request.headers.get("Authorization", "")
        if token:
            if not hmac.compare_digest(sent.encode(), f"Bearer {token}".encode()):
                raise tornado.web.HTTPError(403, "send the token of the metrics: Authorization: Bearer TOKEN")
        elif self.site.beyond or not ipaddress.ip_address(self.request.remote_ip or "::").is_loopback:
            raise tornado.web.HTTPError(403, "start the server with --metrics-token to ask for metrics here")
