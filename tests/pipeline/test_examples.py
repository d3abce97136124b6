"""Ready runs of real answers, and agreement from the command line."""

import json

import pytest
from typer.testing import CliRunner

from triptych.app.cli import app
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput
from triptych.pipeline.store.store import LabelStore, Vote, open_store
from triptych.pipeline.votes.agreement import FLAGGED
from triptych.pipeline.votes.agreement_report import EVERYBODY, of_run


def triptych(*words):
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


def test_the_dr11_example_is_a_run_of_what_the_published_table_holds(real_data, tmp_path):
    run = tmp_path / "dr11"
    assert "939 exposures" in triptych("example", "dr11", run, "--data", real_data).output
    catalog = Catalog.open(run)
    exposures = catalog.exposures().set_index("expnum")
    assert len(exposures) == 939
    assert exposures.loc[137380, ["band", "night", "plver"]].tolist() == ["g", 20120930, "V5.5LS"]
    assert exposures.loc[137380, "mjd_obs"] == pytest.approx(56201.26442)
    with open_store(catalog) as store:
        assert len(store.votes()) == 1344
        plain = of_run(catalog, store, resamples=20)
        assert plain["n_votes"] == 0
        assert plain["left_out"]["imported"] == 1344
        assert plain["can_assume"]
        assert len([row for row in plain["listed"] if row["kind"] == "one vote"]) == 602
        assumed = of_run(catalog, store, blanks_are_good=True, resamples=20)
        assert assumed["n_units"] == 3737
        assert {row["figures"]["alpha"]["why"] for row in assumed["groups"]["band"]} == {FLAGGED}
        own = of_run(catalog, store, expnums=exposures.index[:50], names="amy", blanks_are_good=True, resamples=20)
        assert own["n_units"] <= 50
        assert all(name not in json.dumps(own) for name in assumed["inspectors"])
    triptych("example", "dr11", run, "--data", real_data)  # again changes nothing
    with open_store(catalog) as store:
        assert len(store.votes(current=False)) == 1344


def test_the_ghost_example_has_pictures_and_eight_annotators(real_data, tmp_path):
    run = tmp_path / "ghosts"
    triptych("example", "ghosts", run, "--data", real_data)
    catalog = Catalog.open(run)
    assert (len(catalog.exposures()), len(catalog.ccds()), catalog.panel) == (30, 1817, 8)
    assert catalog.has_preview(158660)
    with open_store(catalog) as store:
        found = of_run(catalog, store, resamples=20)
    assert (found["unit"], found["n_votes"], found["units"]) == ("ccd", 14640, ["ccd"])
    assert {row["kind"] for row in found["listed"]} == {"one vote", "divided"}


def test_an_example_says_where_its_data_should_be(tmp_path):
    with pytest.raises(BadInput, match="name the folder of real data with --data"):
        triptych("example", "dr11", tmp_path / "run", "--data", tmp_path)


def test_agreement_on_the_command_line(tmp_path):
    catalog = Catalog.create(tmp_path / "run")
    with LabelStore(catalog.labels_url()) as store:
        store.cast_many(
            [
                Vote(expnum=expnum, inspector=name, judgement="bad" if expnum < bad else "good")
                for name, bad in (("amy", 20), ("ben", 10))
                for expnum in range(60)
            ]
        )
    written = tmp_path / "agreement.json"
    output = triptych("agreement", catalog.path, "--json", written).output
    assert "120 blind votes of 2 inspectors on 60 exposures" in output
    assert "amy - ben" in output
    found = json.loads(written.read_text())
    assert found["figures"]["dice"]["value"] == pytest.approx(20 / 30)
    again = tmp_path / "again.json"
    triptych("agreement", catalog.path, "--json", again)
    assert again.read_bytes() == written.read_bytes()


def test_votes_on_another_version_are_left_out_and_counted(fresh_survey):
    catalog = Catalog.open(fresh_survey)
    with open_store(catalog) as store:
        first = int(catalog.exposures()["expnum"].iloc[0])
        for plver in ("V5.5LS", "V4"):
            store.cast(Vote(expnum=first, inspector="amy", judgement="good", plver=plver))
        found = of_run(catalog, store, names=EVERYBODY, resamples=20)
    assert found["n_votes"] == 2  # with the made-up run's own, which names no version
    assert found["left_out"]["elsewhere"] == 1
