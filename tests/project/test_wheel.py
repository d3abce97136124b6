"""The wheel holds all that the program needs and nothing else, and works with what a plain install brings."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import urllib.error
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.app.test_server import Browser
from tests.project.test_project import FOR_CHECKS_ONLY
from tests.ui.conftest import free_port

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
FOLDERS = ("app", "pipeline", "static")
MADE_WHEN_RUN = {".pyc", ".nbi", ".nbc"}
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png"}
START_SECONDS = 120

pytestmark = pytest.mark.slow


@dataclass
class Installed:
    """An environment with the wheel: its folder, the wheel, and an empty folder to work in."""

    folder: Path
    wheel: Path
    work: Path

    def environment(self) -> dict[str, str]:
        hidden = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
        return {name: value for name, value in os.environ.items() if name not in hidden}

    def run(self, command: str, *words) -> str:
        """What a command of the environment says, errors among it; it must succeed."""
        done = subprocess.run(
            [str(self.folder / "bin" / command), *map(str, words)],
            cwd=self.work,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


def pip(*words) -> None:
    subprocess.run([sys.executable, "-m", "pip", *map(str, words), "--quiet"], check=True, capture_output=True)


def build(folder: Path) -> Path:
    """The wheel of what is checked out, built from a copy of it."""
    copy = folder / "copy"
    shutil.copytree(ROOT / "triptych", copy / "triptych", symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FOLDERS:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    try:
        has_setuptools = int(importlib.metadata.version("setuptools").split(".")[0]) >= 77
    except importlib.metadata.PackageNotFoundError:
        has_setuptools = False
    isolation = ["--no-build-isolation"] if has_setuptools else []
    pip("wheel", "--no-deps", *isolation, "--wheel-dir", folder, copy)
    (wheel,) = folder.glob("*.whl")
    return wheel


def plain_install() -> list[importlib.metadata.Distribution]:
    """Every installed distribution that the wheel without extras brings along."""
    found: dict[str, importlib.metadata.Distribution] = {}
    here = [Requirement(text) for text in PROJECT["dependencies"]]
    waiting, seen = [own for own in here if not own.marker or own.marker.evaluate()], set()
    while waiting:
        wanted = waiting.pop()
        if (asked := (wanted.name.lower(), frozenset(wanted.extras))) in seen:
            continue
        seen.add(asked)
        found[wanted.name.lower()] = own = importlib.metadata.distribution(wanted.name)
        for needed in map(Requirement, own.requires or []):
            if not needed.marker or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *wanted.extras)):
                waiting.append(needed)
    return list(found.values())


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Installed:
    """The wheel in an environment that sees those packages of ours that a plain install brings, and no others."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = build(folder)
    beside = folder / "plain"
    beside.mkdir()
    for distribution in plain_install():
        tops = {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}
        for top in tops:
            if not (beside / top).exists():
                (beside / top).symlink_to(Path(str(distribution.locate_file(top))).resolve())
    venv.create(folder / "env", symlinks=True)
    (site,) = (folder / "env").glob("lib/python3*/site-packages")
    (site / "plain.pth").write_text(f"{beside}\n")
    pip("--python", folder / "env" / "bin" / "python", "install", "--no-deps", "--no-index", wheel)
    (folder / "work").mkdir()
    return Installed(folder / "env", wheel, folder / "work")


def test_the_wheel_holds_the_program_and_nothing_else(installed):
    names = set(zipfile.ZipFile(installed.wheel).namelist())
    about = {name for name in names if name.split("/")[0] == f"triptych-{PROJECT['version']}.dist-info"}
    assert any(name.endswith("/licenses/LICENSE") for name in about)
    wanted = {path.relative_to(ROOT).as_posix() for path in (ROOT / "triptych").glob("*.py")}
    for top in FOLDERS:
        files = [path for path in (ROOT / top).rglob("*") if path.is_file() and path.suffix not in MADE_WHEN_RUN]
        wanted |= {
            f"triptych/{path.relative_to(ROOT).as_posix()}" for path in files if path.name not in FOR_CHECKS_ONLY
        }
    assert names - about == wanted


def test_what_is_installed_says_what_it_can_do_anywhere(installed):
    where = installed.run("python", "-c", "import triptych.app.cli; print(triptych.__file__)").strip()
    assert Path(where).is_relative_to(installed.folder)
    assert "Start with `triptych demo`" in " ".join(installed.run("triptych", "--help").split())
    assert installed.run("python", "-c", "from importlib.util import find_spec; print(find_spec('torch'))") == "None\n"


def test_a_plain_install_makes_and_serves_the_demonstration(installed):
    said = installed.run("triptych", "demo", "run", "--exposures", 4, "--no-serve").splitlines()
    assert [line for line in said if line.endswith("...")][:3] == ["simulate ...", "ingest ...", "embed ..."]
    assert [line for line in said if line.endswith("...")][-4:] == [
        "judge ...",
        "retrain ...",
        "judge again ...",
        "decide ...",
    ]
    assert all(line.strip() for line in said)
    assert installed.run("python", "-c", VOTED) == "['annie', 'henrietta', 'vera']\n"
    taught = installed.run("python", "-c", TAUGHT)
    assert taught == "True\n", "the default classifier has not found its simulated teacher"
    port = free_port()
    with open(installed.work / "log.txt", "w") as log:
        server = subprocess.Popen(
            [str(installed.folder / "bin" / "triptych"), "serve", "run", "--port", str(port)],
            cwd=installed.work,
            env=installed.environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        browser = Browser(f"http://localhost:{port}")
        login = answer_of(browser, server, installed.work / "log.txt")
        assert login.headers["Content-Type"].startswith("text/html")
        assert re.search(r'name="password"', login.text)
        browser.log_in("vera", "triptych")
        assert browser.ask("/").status == 200
        (static,) = installed.folder.glob("lib/python3*/site-packages/triptych/static")
        files = [path for path in static.rglob("*") if path.suffix in TYPES]
        assert {".js", ".css"} <= {path.suffix for path in files}
        assert any(path.parent.name == "map" for path in files)
        for path in files:
            answer = browser.ask(f"/assets/{path.relative_to(static).as_posix()}")
            assert answer.status == 200, path.name
            assert answer.headers["Content-Type"].startswith(TYPES[path.suffix]), path.name
            assert answer.body == path.read_bytes(), path.name
    finally:
        server.terminate()
        server.wait(timeout=20)


VOTED = """
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import open_store
with open_store(Catalog.open("run")) as store:
    print(sorted(set(store.votes().inspector)))
"""
TAUGHT = """
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.classifier.train import teacher_of
catalog = Catalog.open("run")
print(teacher_of(catalog, catalog.stage("embedding")) is not None)
"""


def answer_of(browser: Browser, server: subprocess.Popen, log: Path):
    """The login page, as soon as the server answers."""
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up and server.poll() is None:
        try:
            return browser.ask("/login")
        except urllib.error.URLError:
            time.sleep(0.05)
    raise AssertionError(f"the server did not start:\n{log.read_text()}")
