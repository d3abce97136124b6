"""A dashboard that cannot be served says why in one line: the port, the address, a file of ours, or the run."""

import errno
import socket
from pathlib import Path

import pytest

from tests.ui.conftest import free_port
from triptych.app import server
from triptych.app.site.runs import SECRET_FILE
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import CatalogError, TriptychError
from triptych.pipeline.store.passwords import DEMO_PASSWORD
from triptych.pipeline.store.store import LabelStore


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Catalog.create(tmp_path_factory.mktemp("refused") / "run").path


def refused(run, kind=TriptychError, **options):
    with pytest.raises(kind) as error:
        server.serve(run, worker=False, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_port_that_is_taken(run):
    with socket.create_server(("localhost", free_port())) as other:
        port = other.getsockname()[1]
        wanted = f"cannot listen on localhost:{port} (Address already in use); choose another --port"
        assert refused(run, port=port) == wanted


def test_an_address_that_is_not_this_computers(run):
    assert refused(run, address="192.0.2.1").endswith("choose another --address")  # kept for documentation


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "cannot listen on .*choose another --port"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "cannot listen on .*another --address"),
        (PermissionError(errno.EACCES, "Permission denied", "map.js"), "cannot serve: .*'map.js'"),
        (FileNotFoundError(errno.ENOENT, "No such file", "login.html"), "cannot serve: .*'login.html'"),
        (OSError(errno.EMFILE, "Too many open files"), "cannot serve: .*Too many open files"),
    ],
)
def test_only_what_is_about_listening_names_the_port_or_address(run, monkeypatch, error, said):
    def make_server(*_, **__):
        raise error

    monkeypatch.setattr(server, "make_server", make_server)
    with pytest.raises(TriptychError, match=said):
        server.serve(run, worker=False)


def test_an_installation_without_its_pages(run, tmp_path, monkeypatch):
    monkeypatch.setattr(server, "STATIC", tmp_path / "static")
    assert refused(run).startswith(f"{tmp_path / 'static'} is missing")


def test_a_run_whose_tables_cannot_be_read(fresh_survey):
    whole = (fresh_survey / "exposures.parquet").read_bytes()
    (fresh_survey / "exposures.parquet").write_bytes(whole[: len(whole) // 2])
    said = refused(fresh_survey, CatalogError, port=free_port())
    assert said.startswith(f"{fresh_survey.resolve() / 'exposures.parquet'} cannot be read")


def test_a_run_that_cannot_be_opened(tmp_path):
    (tmp_path / "run.json").mkdir()
    assert f"{tmp_path / 'run.json'} cannot be read" in refused(tmp_path, CatalogError)


def test_a_run_that_only_others_may_read(run, monkeypatch):
    def read_text(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", read_text)
    assert "you have no permission to read" in refused(run, CatalogError)


def test_a_run_in_which_no_secret_can_be_kept(tmp_path, monkeypatch):
    monkeypatch.delenv("TRIPTYCH_SECRET", raising=False)
    run = Catalog.create(tmp_path / "run").path
    (run / SECRET_FILE).mkdir()
    assert "set TRIPTYCH_SECRET" in refused(run, CatalogError)


@pytest.fixture
def demo_run(tmp_path):
    catalog = Catalog.create(tmp_path / "run")
    with LabelStore(catalog.labels_url()) as store:
        store.add_user("vera", DEMO_PASSWORD, any_password=True)
        store.add_user("amy", "correct horse")
    return catalog.path


@pytest.mark.parametrize(
    "reached", [{"address": "0.0.0.0"}, {"tls_proxy": True}, {"origins": ["triptych.example:443"]}], ids=str
)
def test_the_demonstrations_password_is_not_served_to_other_computers(demo_run, reached, monkeypatch):
    said = refused(demo_run, **reached)
    assert said.startswith("vera can log in with the demonstration's password")
    assert "--demo-accounts" in said

    def make_server(*_, **__):
        raise FileNotFoundError(errno.ENOENT, "No such file", "it came so far")

    monkeypatch.setattr(server, "make_server", make_server)
    assert "it came so far" in refused(demo_run, **reached, demo_accounts=True)
    for address in ("localhost", "127.0.0.1", "::1"):
        assert "it came so far" in refused(demo_run, address=address, origins=["localhost:8080"])
    with LabelStore(Catalog.open(demo_run).labels_url()) as store:
        store.set_password("vera", "correct horse")
    assert "it came so far" in refused(demo_run, **reached)
