"""The command line as a person types it: one function a verb, one line an error."""

import getpass
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from triptych.app.cli import app, main
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.store.store import open_store


def type_in(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_status_shows_the_run(survey_folder):
    result = type_in("status", survey_folder)
    assert result.exit_code == 0
    assert "8 exposures, 488 CCD images" in result.stdout
    assert re.search(r"prediction/mixed-001 +yes +488", result.stdout)
    assert result.stderr == ""
    assert "" not in result.stdout.splitlines()


def test_what_was_asked_for_is_not_cut_where_it_goes_to_a_file(fresh_survey):
    name = "a-list-with-a-long-name-" * 10
    with open_store(Catalog.open(fresh_survey)) as store:
        store.import_labels(store.labels().head(1).assign(reason="Wonky"), source=name, kind="list")
    assert name in type_in("labels", "show", fresh_survey).stdout


def test_a_lost_store_is_one_line_until_it_is_accepted(fresh_survey):
    with open_store(Catalog.open(fresh_survey)) as store:
        before = store.revision()
    for path in fresh_survey.glob("labels.db*"):
        path.unlink()
    for words in (["export"], ["labels", "show"], ["user", "list"], ["retrain"]):
        result = type_in(*words, fresh_survey)
        assert "is gone" in str(result.exception)
        assert f"`triptych labels accept {fresh_survey}`" in str(result.exception)
    result = type_in("labels", "accept", fresh_survey)
    assert result.exit_code == 0
    assert f"from now on, at revision 0; before, it was at revision {before}" in result.stderr
    assert type_in("labels", "show", fresh_survey).exit_code == 0


def test_labels_show_counts(survey_folder):
    result = type_in("labels", "show", survey_folder)
    assert result.exit_code == 0
    assert "Ghost_Scatter" in result.stdout


def test_export_to_standard_output_twice_is_the_same(survey_folder):
    first = type_in("export", survey_folder, "--policy", "any")
    again = type_in("export", survey_folder, "--policy", "any")
    assert first.exit_code == 0
    assert first.stdout_bytes == again.stdout_bytes
    assert "900007" in first.stdout


def test_an_account_can_be_made_and_listed(fresh_survey):
    assert type_in("user", "add", fresh_survey, "nia", "--role", "lead", "--password", "long enough").exit_code == 0
    assert "nia\tlead\tactive" in type_in("user", "list", fresh_survey).stdout
    assert type_in("user", "add", fresh_survey, "nia", "--role", "viewer", "--password", "another one").exit_code == 0
    assert "nia\tviewer\tactive" in type_in("user", "list", fresh_survey).stdout
    assert type_in("user", "close", fresh_survey, "nia").exit_code == 0
    assert "nia\tviewer\tclosed" in type_in("user", "list", fresh_survey).stdout


def test_the_log_of_accounts_says_what_happened_by_whom(fresh_survey):
    here = f"{getpass.getuser()} (command line)"
    type_in("user", "add", fresh_survey, "nia", "--role", "lead", "--password", "long enough")
    type_in("user", "close", fresh_survey, "nia")
    with open_store(Catalog.open(fresh_survey)) as store:
        store.check_password("nobody at all", "x", address="192.0.2.1")
    rows = [line.split("\t") for line in type_in("user", "log", fresh_survey).stdout.splitlines()]
    assert [row[1:] for row in rows[-3:]] == [
        ["added", "nia", here, "", "lead"],
        ["closed", "nia", here, "", ""],
        ["log-in failed", "", "", "192.0.2.1", "no such account"],
    ]
    of_nia = type_in("user", "log", fresh_survey, "--user", "nia", "--since", rows[-3][0][:10])
    assert of_nia.stdout.count("\n") == 2
    assert type_in("user", "log", fresh_survey, "--since", "2999-01-01").stdout == ""
    assert type_in("user", "log", fresh_survey, "--since", "yesterday").exit_code != 0


def test_what_changes_an_account_says_what_it_ended(fresh_survey):
    def said(*words):
        result = type_in("user", *words)
        return result.stderr.strip() or str(result.exception)

    with open_store(Catalog.open(fresh_survey)) as store:
        store.begin_login("amy")
        store.begin_login("amy")
        new = ("add", fresh_survey, "amy", "--role", "viewer", "--password", "another one")
        assert said(*new) == "amy can log in as viewer, no longer as inspector, with the new password; 2 logins ended"
        store.begin_login("amy")
        assert said("logout", fresh_survey, "amy") == "amy is logged out everywhere; one login ended"
        store.begin_login("amy")
        assert said("close", fresh_survey, "amy") == "amy can no longer log in; one login ended"
        assert store.logins() == []
        closed = f"the account amy is closed; open it with `triptych user open {fresh_survey} amy`"
        assert said(*new) == closed
        assert said("open", fresh_survey, "amy") == "amy can log in again, as viewer"
        assert store.check_password("amy", "another one")
        assert "Did you mean 'amy'" in said("logout", fresh_survey, "ammy")


def test_a_panel_of_another_size_moves_the_majority(fresh_survey):
    assert "900007" not in type_in("export", fresh_survey).stdout
    assert type_in("panel", fresh_survey, 1).exit_code == 0
    assert "900007" in type_in("export", fresh_survey).stdout


def test_similar_names_images_as_people_write_them(survey_folder):
    result = type_in("similar", survey_folder, "900001-N4", "900001-S4", "-k", "3")
    assert result.exit_code == 0, result.output
    assert "900001" not in result.stdout.split("\n", 1)[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["status", "nowhere"], "is not a run folder"),
        (["export", "RUN", "--format", "bad_expids"], "Did you mean 'bad_expid'"),
        (["export", "RUN", "--policy", "most"], "known: any, majority"),
        (["ingest", "new", "RUN", "--camera", "decm"], "Did you mean 'decam'"),
        (["ingest", "new", "missing.fits"], "missing.fits"),
        (["embed", "RUN", "--backbone", "no-such-thing"], "no-such-thing"),
        (["candidates", "RUN", "--rule", "papers"], "Did you mean 'paper'"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(words, said, survey_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["triptych", *[str(survey_folder) if word == "RUN" else word for word in words]])
    with pytest.raises(SystemExit) as stop:
        main()
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("triptych:")]
    assert stop.value.code == 1
    assert len(error) == 1
    assert said in error[0]


def test_the_command_line_loads_neither_panel_nor_torch():
    code = "import sys, triptych.app.cli; print({'panel', 'bokeh', 'torch', 'sklearn', 'astropy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
