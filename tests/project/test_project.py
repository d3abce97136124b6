"""What the project says of itself is true: pins, commands, dependencies, no paths of anybody's machine."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer.main
import yaml
from packaging.specifiers import SpecifierSet
from typer.testing import CliRunner

from tests import slow_tests
from tests.project import lowest
from triptych.pipeline.classifier import simulated_teacher
from triptych.pipeline.extras import EXTRA_OF

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
FEATURES = [name for name in EXTRAS if name not in ("all", "docs", "test")]
MOST_DATA_MB = 25
FOR_CHECKS_ONLY = ("tsconfig.json", "types.d.ts")
# PyPI name -> name in conda-forge, where they differ
CONDA_NAMES = {"torch": "pytorch", "psycopg[binary]": "psycopg"}


def requirement(text: str) -> tuple[str, str]:
    name, pins = re.fullmatch(r"([A-Za-z0-9_.-]+(?:\[[a-z,]+\])?)(.*)", text.replace(" ", "")).groups()
    return name.lower(), pins


def requirements(*extras: str) -> list[tuple[str, str]]:
    """(name, pins) of what the plain install brings, and what these extras add; what an extra names of ours left out"""
    texts = [*PROJECT["dependencies"], *(text for extra in extras for text in EXTRAS[extra])]
    return [requirement(text) for text in texts if not text.startswith(PROJECT["name"] + "[")]


def conda_requirements() -> dict[str, str]:
    lines = [line.strip() for line in (ROOT / "environment.yml").read_text().splitlines()]
    listed = [line.removeprefix("- ").strip("\"'") for line in lines if line.startswith("- ")]
    return dict(requirement(line) for line in listed if re.search(r"[<>=]", line))


def test_environment_has_the_same_pins():
    conda = conda_requirements()
    for name, pins in requirements(*FEATURES, "docs", "test"):
        found = conda.get(CONDA_NAMES.get(name, name), "missing")
        assert found.replace("==", "=") == pins.replace("==", "="), (
            f"environment.yml: {name} {found}, pyproject: {pins}"
        )
    assert conda["python"] == PROJECT["requires-python"].replace(" ", "")


def test_every_dependency_is_explained():
    readme = (ROOT / "README.md").read_text().lower()
    for name, _ in requirements("docs", "test"):
        assert f"| `{name}` |" in readme, f"README does not say what {name} is for"
    for extra in FEATURES:
        for name, _ in map(requirement, EXTRAS[extra]):
            assert f"| `{name}` | `{extra}` |" in readme, f"README does not say that {name} is in {extra}"


def test_extras():
    assert set(EXTRA_OF.values()) <= set(FEATURES)
    for module, extra in EXTRA_OF.items():
        assert any(text.startswith(module) for text in EXTRAS[extra]), f"the extra {extra} does not bring {module}"
    assert EXTRAS["all"] == [f"{PROJECT['name']}[{','.join(sorted(FEATURES))}]"]
    assert f"{PROJECT['name']}[all,docs]" in EXTRAS["test"]
    names = [name for name, _ in requirements(*FEATURES, "docs", "test")]
    assert len(names) == len(set(names))


def test_the_lowest_versions_are_the_lower_bounds():
    pins = {name.split("[")[0]: pins for name, pins in requirements(*FEATURES, "docs", "test")}
    found = dict(requirement(line) for line in lowest.lowest("test"))
    assert set(found) == set(pins)
    for name, exact in found.items():
        assert exact.removeprefix("==") in re.split("[<>=,]+", pins[name])


def test_exact_pins_are_constraints_of_the_makefile():
    """Whoever installs the package has a range, but for the type checker; what the tests run with is pinned."""
    exact = [name for name, pins in requirements(*FEATURES, "docs", "test") if "==" in pins]
    assert exact == ["pyright[nodejs]"]
    pinned = [requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if line[0] != "#"]
    ranges = dict(requirements(*FEATURES, "test"))
    assert [name for name, _ in pinned] == ["torch"]
    for name, pin in pinned:
        version = pin.removeprefix("==")
        assert version in SpecifierSet(ranges[name])
    makefile = (ROOT / "Makefile").read_text()
    assert makefile.count("pip install") == 1
    assert "--constraint constraints.txt" in makefile


def test_version_and_licence_are_the_same_everywhere():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (cited["version"], cited["license"]) == (PROJECT["version"], PROJECT["license"])
    newest = re.search(r"^## (\S+) \((\S+)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest.groups() == (PROJECT["version"], str(cited["date-released"]))
    assert (ROOT / "LICENSE").read_text().startswith("BSD 3-Clause License")


def test_the_package_is_a_command():
    done = subprocess.run([sys.executable, "-m", "triptych", "status", "nowhere"], capture_output=True, text=True)
    assert done.stderr.startswith("triptych: ")
    assert "is not a run folder" in done.stderr


def commands():
    from triptych.app.cli import app

    found = {}

    def walk(command, path):
        if getattr(command, "commands", None):
            for name, child in command.commands.items():
                walk(child, [*path, name])
        else:
            found[" ".join(path)] = command

    walk(typer.main.get_command(app), ["triptych"])
    return found


def test_every_command_is_explained():
    readme = (ROOT / "README.md").read_text()
    for name, command in commands().items():
        assert command.help, f"{name} has no help"
        assert f"`{name}" in readme, f"README does not show {name}"


def test_every_option_is_explained():
    for name, command in commands().items():
        for parameter in command.params:
            if parameter.name != "help":
                assert getattr(parameter, "help", None), f"{name} --{parameter.name} has no help"


def test_every_command_that_takes_a_label_store_is_in_the_guide():
    guide = (ROOT / "docs" / "guide.md").read_text()
    paragraph = guide[guide.index("**Label store.**") :].split("\n\n")[0]
    for name, command in commands().items():
        takes = any(parameter.name == "labels" for parameter in command.params)
        assert takes == (f"`{name.removeprefix('triptych ')}`" in paragraph), name


@pytest.mark.parametrize("group", [[], ["labels"], ["user"]])
def test_what_a_command_does_fits_on_its_line_of_the_list(group):
    from triptych.app.cli import app

    shown = CliRunner().invoke(app, [*group, "--help"]).output.split("Commands:")[1]
    assert not [line for line in shown.splitlines() if line.endswith("...")]


def test_every_data_file_is_shipped_and_all_are_small():
    patterns = PYPROJECT["tool"]["setuptools"]["package-data"]["*"]
    folders = [ROOT / name for name in ("pipeline", "app", "static")]
    data = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    data = [path for path in data if path.suffix not in (".py", ".pyc", ".nbi", ".nbc")]
    assert simulated_teacher.FILE.resolve() in data
    for path in data:
        if path.name not in FOR_CHECKS_ONLY:
            assert any(path.match(pattern) for pattern in patterns), f"{path.name} would not be installed"
    assert sum(path.stat().st_size for path in data) < MOST_DATA_MB * 1e6


def test_an_inspector_is_they():
    for folder in ("app", "pipeline", "static", "docs", "tests", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".js", ".md", ".html") and path != Path(__file__):
                found = re.search(r"(?i)\b(he|his|him|himself)\b[^/\n]{0,30}", path.read_text())
                assert not found, f"{path.relative_to(ROOT)}: {found.group()}; say they, or the inspector"


def test_no_path_of_a_machine_and_no_registry():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    forbidden = re.compile(
        "|".join(["/" + "root/", "/" + "home/[a-z]", "/" + "work/", "files.python" + "hosted", "pypi" + r"\.org"])
    )
    for name in tracked.stdout.splitlines():
        path = ROOT / name
        if (
            path.suffix in (".py", ".js", ".md", ".toml", ".yml", ".css", ".html", ".ipynb", ".sh", "")
            and path.is_file()
        ):
            found = forbidden.search(path.read_text(errors="ignore"))
            assert not found, f"{name} holds {found.group()}"


def test_a_browser_test_waits_for_what_it_means_and_never_for_time():
    """A wait for time is too short on a busy machine and too long on a quiet one: see tests/ui/waiting.py."""
    may = ("waiting.py", "conftest.py", "firefox.py")  # poll for a condition, or for a program that starts
    for file in (ROOT / "tests" / "ui").rglob("*.py"):
        assert file.name in may or not re.search(r"wait_for_timeout|time\.sleep", file.read_text()), file


def test_the_tests_of_a_file_run_in_one_process(request):
    """pytest-xdist keeps a group together by the end of its tests' names. With some versions of pytest it does not."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("all tests run in one process, or without groups")
    assert request.node.nodeid.endswith(f"@{Path(__file__).relative_to(request.config.rootpath).as_posix()}")


def test_the_list_of_slow_tests_names_tests_that_there_are():
    for name in slow_tests.listed():
        file, test = name.split("::")[0], name.split("::")[-1]
        assert re.search(rf"def {test}\b", (ROOT / file).read_text()), f"{name}: make test PYTEST=--note-slow"
