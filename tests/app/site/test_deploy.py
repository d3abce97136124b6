"""The files of docs/deploy.md, as they stand there: nginx with HTTPS below a path, and the unit of the server."""

import configparser
import json
import os
import re
import shlex
import shutil
import socket
import ssl
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from tests import survey
from tests.app.test_server import NoRedirect
from tests.ui.conftest import free_port, serving
from triptych.app.cli import VERBS
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import LabelError
from triptych.pipeline.store.store import LabelStore, Vote, accept_store, open_store

pytest_plugins = ["tests.postgres"]

PAGE = (Path(__file__).parents[3] / "docs" / "deploy.md").read_text()
SERVE = shlex.split(re.search(r"^ExecStart=(.* serve .*)$", PAGE, re.MULTILINE).group(1))


def block(kind, holding):
    (found,) = [text for text in re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL) if holding in text]
    return found


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if not shutil.which("openssl"):
        pytest.skip("openssl is not here to make a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    files = ["-keyout", folder / "key.pem", "-out", folder / "certificate.pem"]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    return folder


@pytest.fixture
def proxied(tmp_path, certificate):
    """The server that the unit starts, behind the nginx of the page: (https address, run, context of TLS)."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if nginx is None:
        pytest.skip("nginx is not here")
    survey.make(tmp_path / "run", exposures=4)
    held = socket.create_server(("127.0.0.1", free_port()))  # the server must not take the same one
    outside = held.getsockname()[1]
    options = ["--prefix", "/triptych", "--origin", f"localhost:{outside}", "--tls-proxy", "--no-worker"]
    with serving(tmp_path / "run", *options) as server:
        text = block("nginx", "proxy_pass")
        for here, there in {
            "listen 443 ssl": f"listen 127.0.0.1:{outside} ssl",
            "bad.example.org;": "localhost;",
            "/etc/ssl/bad.example.org.pem": str(certificate / "certificate.pem"),
            "/etc/ssl/bad.example.org.key": str(certificate / "key.pem"),
            "127.0.0.1:5006": f"localhost:{server.port}",
        }.items():
            assert here in text
            text = text.replace(here, there)
        own = [f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
        config = tmp_path / "nginx.conf"
        config.write_text(
            f"daemon off; pid {tmp_path}/nginx.pid; error_log {tmp_path}/error.log; events {{}}\n"
            f"http {{ access_log off; {' '.join(own)}\n{text} }}\n"
        )
        held.close()
        checked = subprocess.run([nginx, "-t", "-c", config, "-p", tmp_path], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
        process = subprocess.Popen([nginx, "-c", config, "-p", tmp_path])
        context = ssl.create_default_context(cafile=certificate / "certificate.pem")
        try:
            yield f"https://localhost:{outside}", tmp_path / "run", context
        finally:
            process.terminate()
            process.wait(10)


class Client:
    def __init__(self, url, context):
        self.url = url
        handlers = (urllib.request.HTTPCookieProcessor(), urllib.request.HTTPSHandler(context=context), NoRedirect)
        self.opener = urllib.request.build_opener(*handlers)

    def ask(self, path, data=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, data, {"Origin": self.url, **headers})
        try:
            return self.opener.open(request, timeout=30)
        except urllib.error.HTTPError as error:
            return error

    def wait(self, path):
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            try:
                return self.ask(path)
            except OSError:
                time.sleep(0.1)
        raise AssertionError("nginx does not answer")


def test_a_vote_through_nginx_with_https_below_a_path(proxied):
    url, run, context = proxied
    client = Client(url, context)
    assert client.wait("/triptych/health").status == 200
    form = {"username": "amy", "password": survey.PASSWORD, "next": "/triptych/"}
    entered = client.ask("/triptych/login", urllib.parse.urlencode(form).encode(), X_Real_IP="10.9.8.7")
    assert (entered.status, entered.headers["Location"]) == (302, "/triptych/")
    cookies = entered.headers.get_all("Set-Cookie")
    assert all("Secure" in cookie and "Path=/triptych" in cookie for cookie in cookies if cookie.startswith("login"))
    assert client.ask("/triptych/").status == 200
    vote = {"expnum": 900001, "judgement": "good", "client_vote_id": "through-nginx"}
    headers = {"Content_Type": "application/json", "X_Triptych_User": "amy"}
    assert client.ask("/triptych/api/vote", json.dumps(vote).encode(), **headers).status == 200
    with LabelStore(Catalog.open(run).labels_url()) as store:
        assert store.votes(inspector="amy")["client_vote_id"].tolist() == ["through-nginx"]
        addresses = {login.address for login in store.logins("amy")}
    assert addresses == {"127.0.0.1"}, "a browser cannot say that it is somewhere else"


def test_a_websocket_passes_nginx(proxied):
    url, _run, context = proxied
    client = Client(url, context)
    client.wait("/triptych/health")
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}
    answer = client.ask("/triptych/ws", Sec_WebSocket_Key="x3JJHMbDL1EzLkh9GBhXDw==", **headers)
    assert answer.status in (101, 401, 403), "the server answers the upgrade, not nginx with a page"
    assert "nginx" not in answer.headers.get("Server", "") or answer.status != 404


def test_the_unit_names_only_options_that_there_are():
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str
    parser.read_string(block("ini", "Description="))
    assert parser["Service"]["Restart"] == "always"
    assert int(parser["Service"]["TimeoutStopSec"]) > 10, "longer than the server takes to finish what is under way"
    import typer

    from triptych.app.cli import app as typer_app

    serve = typer.main.get_command(typer_app).commands["serve"]
    known = {name for parameter in serve.params for name in parameter.opts}
    used = [word for word in SERVE if word.startswith("--")]
    used += [word for word in re.findall(r"--[a-z-]+", block("dockerfile", "ENTRYPOINT")) if word in known]
    assert used
    assert set(used) <= known


def test_the_backup_of_postgresql_comes_back_as_the_page_says(tmp_path, own_postgres, monkeypatch):
    """The two lines of the page, with the programs of the server that the test started."""
    programs = own_postgres.bin_path
    dump = shlex.split(re.search(r"^ExecStart=(/bin/sh -c '.*pg_dump.*')$", PAGE, re.MULTILINE).group(1))[-1]
    back = shlex.split(re.search(r"^sudo -u triptych (sh -c 'pg_restore.*')$", PAGE, re.MULTILINE).group(1))[-1]
    url = own_postgres.get_uri()
    (tmp_path / "labels.address").write_text(f"{url}\n")
    catalog = survey.make(tmp_path / "runs/dr10", exposures=4)
    labels = url.replace("postgresql:", "postgresql+psycopg:")
    with open_store(catalog, labels) as store:
        store.cast(Vote(expnum=900001, inspector="amy", judgement="bad", client_vote_id="before"))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    here = lambda line: line.replace("%%", "%").replace("/srv/triptych", str(tmp_path))  # noqa: E731
    subprocess.run(["/bin/sh", "-ec", here(dump)], check=True)
    (made,) = (tmp_path / "backups").iterdir()
    with open_store(catalog, labels) as store:
        store.cast(Vote(expnum=900002, inspector="amy", judgement="bad", client_vote_id="after"))
    subprocess.run(["/bin/sh", "-ec", here(back).replace("labels-2026-11-30.dump", made.name)], check=True)
    with pytest.raises(LabelError, match="labels accept"):
        open_store(catalog, labels)
    accept_store(catalog, labels)[1].close()
    with open_store(catalog, labels) as store:
        assert store.votes()["client_vote_id"].tolist() == ["before"]


def test_every_command_of_the_page_is_one_of_ours():
    named = re.findall(r"(?:bin/|`|exec triptych )triptych ([a-z]+)", PAGE)
    groups = {"user", "labels"}
    assert len(named) > 8
    assert set(named) <= {*VERBS, *groups}
