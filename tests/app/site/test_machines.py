"""/health and /metrics: what programs that watch the server are told, and what nobody is."""

import asyncio
import json
import re
import shutil
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.app.aside import run_aside
from tests.app.site.test_stopping import wait_until
from tests.app.test_server import Browser
from tests.ui.conftest import serving
from triptych.app.server import token_of
from triptych.app.site import health
from triptych.app.site.health import Health
from triptych.app.site.runs import make_app
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput, StoreAway
from triptych.pipeline.store.store import Vote, open_store

TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def run(survey_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("machines") / "dr9"
    shutil.copytree(survey_folder, folder, ignore=shutil.ignore_patterns("previews"))
    return folder


@pytest.fixture(scope="module")
def served(run):
    with serving(run, "--no-worker", "--prefix", "/obs") as server:
        yield server


@pytest.fixture
def door(served):
    return Browser(served.url)


def figures(text):
    """(name, labels as a set of pairs) -> value"""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(found, name, **labels):
    wanted = set(labels.items())
    return sum(value for (own, given), value in found.items() if own == name and wanted <= given)


def test_health_needs_no_login_and_names_nothing(door):
    answer = door.ask("/health")
    assert (answer.status, json.loads(answer.text)) == (200, {"status": "ok", "runs": 1})
    assert "no-store" in answer.headers["Cache-Control"]


def test_without_the_tables_or_the_store_health_is_one_line(fresh_survey):
    with serving(fresh_survey, "--no-worker") as server:
        door = Browser(server.url)
        assert door.ask("/health").status == 200
        for name, what in (("exposures.parquet", "the tables"), ("labels.db", "the label store")):
            shutil.move(fresh_survey / name, fresh_survey / f"{name}.away")
            wait_until(lambda: door.ask("/health").status != 200)  # the last answer is believed for a second
            answer = door.ask("/health")
            assert answer.status == 503
            assert answer.text == f"503 {what} cannot be read; the server's log says more\n"
            shutil.move(fresh_survey / f"{name}.away", fresh_survey / name)
            wait_until(lambda: door.ask("/health").status == 200)


def test_one_check_at_a_time_and_a_store_that_does_not_answer_counts_as_failed(run, monkeypatch):
    app, hangs, asked = make_app(run), threading.Event(), []
    monkeypatch.setattr(app.store, "revision", lambda: asked.append(1) or hangs.wait(60))
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.05)

    async def check():
        watched = Health([app])
        said = await asyncio.gather(*(watched.problem() for _ in range(5)))
        hangs.set()
        return said

    assert run_aside(check()) == ["a label store or a run folder does not answer"] * 5
    assert len(asked) == 1
    app.store.close()


def test_metrics_count_answers_by_kind_and_status(door, run):
    before = figures(door.ask("/metrics").text)
    door.ask("/login")
    for _ in range(3):
        assert door.ask("/boot").status == 403
    assert door.ask("/picture/thumb/1").status == 403
    assert door.ask(f"/nothing/{run.name}").status == 404
    after = figures(door.ask("/metrics").text)

    def more(**labels):
        return total(after, "triptych_requests_total", **labels) - total(before, "triptych_requests_total", **labels)

    assert more(kind="login", status="200") == 1
    assert more(kind="static", status="403") == 3
    assert more(kind="picture", status="403", run="dr9") == 1
    assert more(kind="other", status="404") == 1
    assert more(kind="metrics", status="200", run="") == 1
    assert total(after, "triptych_request_seconds_count", kind="picture") >= 1
    assert not re.search("nothing|thumb", door.ask("/metrics").text), "no label is what somebody asked for"


def test_metrics_tell_of_the_store(door, run):
    with open_store(Catalog.open(run)) as store:
        before = figures(door.ask("/metrics").text)
        store.cast(Vote(expnum=900001, inspector="amy", judgement="good", plver="V5.5LS"))
        job = store.ask_job("retrain", {}, "lea", str(run))
        found = figures(door.ask("/metrics").text)
        store.cancel_job(job)
        revision = store.revision()
    assert total(found, "triptych_votes") == total(before, "triptych_votes") + 1
    assert total(found, "triptych_store_revision") == revision
    assert total(found, "triptych_jobs", state="waiting", run="dr9") == 1
    assert total(found, "triptych_store_up") == 1
    assert total(found, "triptych_open_sockets", run="dr9") == 0


def test_one_store_that_cannot_be_read_takes_no_other_figures_away(run, monkeypatch):
    from prometheus_client import CollectorRegistry, generate_latest

    from triptych.app.site.metrics import Stores

    good, bad = make_app(run), make_app(run)

    def figures_of(_run):
        raise StoreAway("it is away")

    monkeypatch.setattr(bad.store, "figures", figures_of)
    registry = CollectorRegistry()
    registry.register(Stores([bad, good]))
    found = figures(generate_latest(registry).decode())
    for app in (good, bad):
        app.store.close()
    assert total(found, "triptych_votes") > 0


def test_metrics_of_a_server_that_others_reach_need_the_token(run, tmp_path):
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    with serving(run, "--no-worker", "--tls-proxy", "--metrics-token", str(tmp_path / "token")) as server:
        door = Browser(server.url)
        assert door.ask("/metrics").status == 403
        assert door.ask("/metrics", Authorization="Bearer another").status == 403
        assert door.ask("/metrics", Authorization=TOKEN).status == 403
        answer = door.ask("/metrics", Authorization=f"Bearer {TOKEN}")
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert TOKEN not in answer.text
        assert TOKEN not in server.log.read_text()
    with serving(run, "--no-worker", "--tls-proxy") as server:
        answer = Browser(server.url).ask("/metrics", X_Real_Ip="127.0.0.1")
        assert (answer.status, "--metrics-token" in answer.text) == (403, True)
        assert Browser(server.url).ask("/health").status == 200


@pytest.mark.parametrize(("text", "said"), [("short\n", "16 or more"), ("", "16 or more"), (None, "cannot be read")])
def test_a_token_that_cannot_be_used_is_refused_in_one_line(tmp_path, text, said):
    if text is not None:
        (tmp_path / "token").write_text(text)
    with pytest.raises(BadInput, match=said):
        token_of(tmp_path / "token")
    assert token_of(None) == ""
