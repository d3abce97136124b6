"""Exports: their programs can read them, they are the same bytes each time, and they say what they are based on."""

import csv
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table

from tests.pipeline.nasty_texts import FORMULAS, HARMLESS, formulas
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput, UnknownName
from triptych.pipeline.export.export import FORMATS, export, preview_counts, verdict_table, verdict_tables
from triptych.pipeline.labels.readers import import_file
from triptych.pipeline.store.store import LabelStore, Vote
from triptych.pipeline.votes import sorted_votes, verdicts


def read_like_legacypipe(text: str) -> dict[tuple[int, str | None], str]:
    """What legacypipe reads from a bad-exposure list, by its rules. A line that it would skip is an error."""
    bad = {}
    for line in text.split("\n"):
        if not line or line[0] == "#":
            continue
        line = line.strip()
        if not line:
            continue
        words = line.split()
        exposure, ccdname = words[0], None
        if "-" in exposure:
            exposure, ccdname = exposure.split("-")
        bad[int(exposure, 10), ccdname] = " ".join(words[1:]) if len(words) > 1 else "u n k n o w n"
    return bad


def body(content: bytes) -> list[list[str]]:
    """Rows of a CSV export below its header lines."""
    return list(csv.reader(line for line in io.StringIO(content.decode(), newline="") if not line.startswith("# ")))


@pytest.fixture
def run(tmp_path):
    """A run with four exposures of four CCDs, and its store, without votes."""
    catalog = Catalog.create(tmp_path / "run", panel=3)
    expnums, names = [101, 102, 103, 104], {25: "S1", 26: "S2", 32: "N1", 33: "N2"}
    exposures = pd.DataFrame({"expnum": expnums, "camera": "decam", "plver": "V5.5", "night": 20200101})
    ccds = [
        {"image_id": 100 * e + n, "expnum": e, "ccdnum": n, "ccdname": m} for e in expnums for n, m in names.items()
    ]
    catalog.write_tables(exposures=exposures.assign(image_filename="c4d_x"), ccds=pd.DataFrame(ccds))
    with LabelStore(catalog.labels_url()) as store:
        yield catalog, store


def cast(store, expnum, answers: str, *ticks, **more) -> None:
    """Votes of amy, ben, cai from a word such as "bbg". ticks : CCDs that everybody who votes bad ticks."""
    judgements = {"b": "bad", "g": "good", "u": "unsure"}
    for name, letter in zip(("amy", "ben", "cai"), answers, strict=False):
        vote = Vote(expnum=expnum, inspector=name, judgement=judgements[letter], plver="V5.5", **more)
        store.cast_many([vote, *(replace(vote, ccdname=ccd) for ccd in ticks if letter == "b")])


def test_a_bad_expid_export_is_read_by_legacypipes_rules(run):
    catalog, store = run
    cast(store, 101, "bbg", reasons=("PSF", "Noise"))
    cast(store, 102, "bbb", "N1", reasons=("Bad_CCD",))
    cast(store, 103, "bgg")
    cast(store, 104, "bb", "S1", "S2", "N1", "N2")
    found = read_like_legacypipe(export(catalog, store, "bad_expid", "majority").content.decode())
    assert found == {
        (101, None): "PSF,Noise # 2 of 3 bad, 1 good",
        (102, "N1"): "Bad_CCD # 3 of 3 bad",
        (104, None): "unspecified # 2 of 3 bad",  # every CCD it has is ticked: all of it is bad
    }


def test_a_bad_expid_export_can_be_imported_again(run, tmp_path):
    catalog, store = run
    cast(store, 101, "bbg", reasons=("PSF", "Nonoptimal_exp"))
    cast(store, 102, "bbb", "N1", reasons=("Bad_CCD",))
    export(catalog, store, "bad_expid", "majority", tmp_path / "bad.txt")
    with LabelStore(f"sqlite:///{tmp_path / 'other.db'}") as other:
        import_file(other, tmp_path / "bad.txt")
        frame = other.labels()
    found = set(zip(frame.expnum, frame.ccdname, frame.reason, strict=True))
    assert found == {(101, "", "PSF"), (101, "", "Nonoptimal_exp"), (102, "N1", "Bad_CCD")}


def test_an_exclude_export_lists_every_bad_ccd(run, tmp_path):
    catalog, store = run
    cast(store, 101, "bb", reasons=("PSF",))
    cast(store, 102, "bbb", "N1", reasons=("Bad_CCD",))
    content = export(catalog, store, "exclude", "majority", tmp_path / "ccds.txt").content.decode()
    assert content.splitlines()[0].split() == ["#date", "expnum", "ccd", "id", "ccdnum", "reason"]
    rows = [line.split() for line in content.splitlines() if not line.startswith("#")]
    assert len([row for row in rows if row[1] == "101"]) == 62
    assert [row for row in rows if row[1] == "102"] == [["20200101", "102", "nan", "N1", "32", "Bad_CCD"]]
    with LabelStore(f"sqlite:///{tmp_path / 'other.db'}") as other:
        report = import_file(other, tmp_path / "ccds.txt")
        assert (report.kind, len(report.found.skipped)) == ("exclude", 0)
        frame = other.labels()
    assert frame[frame.expnum == 102][["ccdname", "reason"]].values.tolist() == [["N1", "Bad_CCD"]]
    assert set(frame[frame.expnum == 101].reason) == {"PSF"}


def test_an_inspectors_table_keeps_every_answer(run, tmp_path):
    catalog, store = run
    cast(store, 101, "bgu", reasons=("PSF",), comment="a line,\nand another")
    cast(store, 102, "b")
    rows = body(export(catalog, store, "vi", "any", tmp_path / "vi.csv").content)
    header = ["expnum", "image_fname", "plver", "ML_reason", "amy_badexp", "amy_reason"]
    assert rows[0] == [
        *header,
        "ben_badexp",
        "ben_judgement",
        "ben_reason",
        "cai_badexp",
        "cai_judgement",
        "cai_reason",
    ]
    text = "PSF; a line,\nand another"
    assert rows[1] == ["101", "c4d_x", "V5.5", "", "True", text, "False", "good", text, "False", "unsure", text]
    assert rows[2][4:] == ["True", "", "False", "", "", "False", "", ""]
    with LabelStore(f"sqlite:///{tmp_path / 'other.db'}") as other:
        import_file(other, tmp_path / "vi.csv")
        found = other.votes()
    assert list(zip(found.expnum, found.inspector, found.judgement, strict=True)) == [
        (101, "amy", "bad"),
        (101, "ben", "good"),
        (101, "cai", "unsure"),
        (102, "amy", "bad"),
    ]


@pytest.mark.parametrize("format", ["csv", "ecsv", "fits", "parquet"])
def test_tables_hold_every_judged_exposure_and_its_verdict(run, format):
    catalog, store = run
    cast(store, 101, "bbg", reasons=("PSF", "Noise"))
    cast(store, 102, "ggg")
    cast(store, 103, "b", "N1")
    content = export(catalog, store, format, "majority").content
    if format == "csv":
        rows = [dict(zip(body(content)[0], row, strict=True)) for row in body(content)[1:]]
    elif format == "parquet":
        rows = pq.read_table(io.BytesIO(content)).to_pylist()
    else:
        table = Table.read(io.BytesIO(content), format={"ecsv": "ascii.ecsv", "fits": "fits"}[format])
        table.convert_bytestring_to_unicode()
        table = table.to_pandas()
        names = ["verdict", "scope", "reasons", "inspectors"]
        rows = table[["expnum"]].join(table[names].astype(object).fillna("")).to_dict("records")
    found = [(int(row["expnum"]), row["verdict"], row["scope"], row["reasons"], row["inspectors"]) for row in rows]
    assert found == [
        (101, "bad", "exposure", "PSF,Noise", "amy,ben,cai"),
        (102, "good", "", "", "amy,ben,cai"),
        (103, "open", "", "", "amy"),
    ]


def test_every_export_says_what_it_stands_on(run):
    catalog, store = run
    cast(store, 101, "bbg")
    cast(store, 102, "g")
    with catalog.new_stage("prediction", "knn") as writer:
        writer.write_table(pd.DataFrame({"image_id": [10125]}))
    facts = {
        "policy": "majority (bad from more than half of the panel), panel 3",
        "store revision": str(store.revision()),
        "model stage": f"knn-001 {writer.stage.digest}",
        "exposures": "1 bad, 0 good, 0 split, 1 open",
        "bad": "1 whole exposures, 0 CCDs of 0 others",
        "bad by one vote": "0",
        "bad by a lead's decision": "0",
        "reasons": "all",
        "not in this run": "0",
        "judged on another version": "0",
    }
    for format in ("bad_expid", "exclude", "vi", "csv"):
        text = export(catalog, store, format, "majority").content.decode()
        for name, value in facts.items():
            assert f"# {name}: {value}\n" in text, format
    ecsv = Table.read(io.BytesIO(export(catalog, store, "ecsv").content), format="ascii.ecsv")
    assert facts.items() <= ecsv.meta.items()
    metadata = pq.read_schema(io.BytesIO(export(catalog, store, "parquet").content)).metadata
    assert facts["model stage"] in metadata[b"triptych"].decode()
    header = fits.getheader(io.BytesIO(export(catalog, store, "fits").content), 1)
    assert [header[name] for name in ("POLICY", "STOREREV", "MODEL")] == list(facts.values())[:3]


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_store_gives_the_same_bytes(run, tmp_path, format):
    catalog, store = run
    cast(store, 101, "bbg", reasons=("PSF", "Noise"))
    cast(store, 102, "bb", "N1")
    first = export(catalog, store, format, "any", tmp_path / "first")
    with LabelStore(catalog.labels_url()) as again:
        second = export(Catalog.open(catalog.path), again, format, "any", tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes() == first.content == second.content
    stream = io.BytesIO()
    export(catalog, store, format, "any", stream)
    assert stream.getvalue() == first.content


@pytest.mark.parametrize("format", FORMATS)
def test_a_store_without_votes_gives_an_empty_list(run, format):
    catalog, store = run
    report = export(catalog, store, format, "majority")
    assert (report.n_bad, report.n_judged) == (0, 0)
    assert report.content


def test_a_verdict_on_another_pipeline_version_is_shown_and_left_out(run):
    catalog, store = run
    cast(store, 101, "bbb")
    for name in ("amy", "ben"):
        store.cast(Vote(expnum=102, inspector=name, judgement="bad", plver="V4.8"))
        store.cast(Vote(expnum=103, inspector=name, judgement="bad", plver="V4.8"))
    cast(store, 103, "ggg")  # looked at again: the old votes are history
    table = verdict_table(catalog, store.votes(), "majority").set_index("expnum")
    assert table.verdict.to_dict() == {101: "bad", 102: "bad", 103: "good"}
    assert table.old.to_dict() == {101: False, 102: True, 103: False}
    report = export(catalog, store, "bad_expid", "majority")
    assert report.old == (102,)
    assert "1 judged on another pipeline version" in str(report)
    assert set(read_like_legacypipe(report.content.decode())) == {(101, None)}
    assert "# judged on another version: 1 excluded: 102\n" in report.content.decode()
    report = export(catalog, store, "bad_expid", "majority", include_old=True)
    assert read_like_legacypipe(report.content.decode())[102, None].endswith("judged on V4.8")
    assert preview_counts(catalog, store)["majority"] == 1
    assert preview_counts(catalog, store, include_old=True)["majority"] == 2


def test_votes_that_do_not_know_the_version_count_for_any(run):
    catalog, store = run
    store.cast(Vote(expnum=101, inspector="amy", judgement="bad"))
    assert export(catalog, store, "bad_expid", "any").n_bad == 1


def test_votes_on_other_cameras_are_not_of_this_run(run):
    catalog, store = run
    store.cast(Vote(expnum=101, inspector="amy", judgement="bad", camera="mosaic3"))
    assert export(catalog, store, "csv", "any").n_judged == 0


def test_the_preview_counts_what_an_export_lists(run):
    catalog, store = run
    cast(store, 101, "bbb")
    cast(store, 102, "bbg")
    cast(store, 103, "bgg")
    counts = preview_counts(catalog, store)
    assert counts == {policy: export(catalog, store, "bad_expid", policy).n_bad for policy in counts}
    assert [counts[policy] for policy in ("any", "majority", "unanimous")] == [3, 2, 1]


def test_all_policies_together_sort_the_votes_once(run, monkeypatch):
    """Once the votes; and once those without ticks, also those on the exposures that the posterior calls bad."""
    catalog, store = run
    cast(store, 101, "bbg", "N1")
    cast(store, 102, "bgg")
    sorted_out, read = [], sorted_votes._sorted_out
    monkeypatch.setattr(sorted_votes, "_sorted_out", lambda votes: sorted_out.append(len(votes)) or read(votes))
    tables = verdict_tables(catalog, store.votes(), store.adjudications(), verdicts.POLICIES)
    assert [own for own in sorted_out if own] == [8, 4, 5, 1]
    for policy, table in tables.items():
        pd.testing.assert_frame_equal(table, verdict_table(catalog, store.votes(), policy, store.adjudications()))


def test_what_cannot_be_exported_says_why(run, tmp_path):
    catalog, store = run
    with pytest.raises(UnknownName, match="Did you mean 'bad_expid'"):
        export(catalog, store, "badexpid")
    with pytest.raises(UnknownName, match="policy"):
        export(catalog, store, "csv", "most")
    with pytest.raises(BadInput, match="folder that exists"):
        export(catalog, store, "csv", "any", tmp_path / "no" / "such.csv")


# ---- decisions of a lead


def test_a_decision_is_the_verdict_in_every_list_and_the_header_counts_it(run):
    catalog, store = run
    cast(store, 101, "bgu", "N1", reasons=("PSF",))
    cast(store, 102, "bbg", reasons=("Noise",))
    cast(store, 103, "b")
    assert export(catalog, store, "bad_expid").n_bad == 1
    store.adjudicate("decam", 101, "lea", "bad", plver="V5.5", comment="plain trailing")
    store.adjudicate("decam", 102, "lea", "good", plver="V5.5", comment="normal for the band")
    store.adjudicate("decam", 104, "lea", "bad", plver="V5.5", reasons=("Wonky",), comment="seen by the lead alone")
    text = export(catalog, store, "bad_expid").content.decode()
    assert read_like_legacypipe(text) == {
        (101, "N1"): "PSF # 1 of 3 bad, 1 good, 1 unsure, decided by lea",
        (104, None): "Wonky # 0 of 3 bad, decided by lea",
    }
    for line in (
        "# bad by one vote: 0",
        "# bad by a lead's decision: 2",
        "# exposures: 2 bad, 1 good, 0 split, 1 open",
    ):
        assert f"{line}\n" in text
    assert "# bad by one vote: 1\n" in export(catalog, store, "bad_expid", "any").content.decode()
    rows = body(export(catalog, store, "csv", "any").content)
    wanted = [rows[0].index(name) for name in ("expnum", "verdict", "lead", "why")]
    found = {row[wanted[0]]: tuple(row[place] for place in wanted[1:]) for row in rows[1:]}
    assert found == {
        "101": ("bad", "lea", "plain trailing"),
        "102": ("good", "lea", "normal for the band"),
        "103": ("bad", "", ""),
        "104": ("bad", "lea", "seen by the lead alone"),
    }
    header = fits.getheader(io.BytesIO(export(catalog, store, "fits").content), 1)
    assert (header["ONEVOTE"], header["DECIDED"], header["REASONS"]) == ("0", "2", "all")


def test_a_decision_on_another_pipeline_version_is_history(run):
    catalog, store = run
    store.cast(Vote(expnum=101, inspector="amy", judgement="bad"))  # does not know its version
    store.adjudicate("decam", 101, "lea", "good", plver="V4.8", comment="of an earlier processing")
    store.adjudicate("decam", 102, "lea", "bad", plver="V4.8", comment="of an earlier processing")
    table = verdict_table(catalog, store.votes(), "any", store.adjudications()).set_index("expnum")
    assert table.verdict.to_dict() == {101: "bad", 102: "bad"}
    assert table.old.to_dict() == {101: False, 102: True}
    assert set(read_like_legacypipe(export(catalog, store, "bad_expid", "any").content.decode())) == {(101, None)}


def test_a_list_of_some_reasons_says_so(run):
    catalog, store = run
    cast(store, 101, "bbb", reasons=("PSF",))
    cast(store, 102, "bbb", reasons=("Noise", "Wonky"))
    cast(store, 103, "bbb", reasons=("Bad_CCD",))
    text = export(catalog, store, "bad_expid", reasons=("Wonky", "PSF")).content.decode()
    assert {key[0] for key in read_like_legacypipe(text)} == {101, 102}
    assert "# reasons: PSF, Wonky\n" in text
    with pytest.raises(UnknownName, match="Did you mean 'Noise'"):
        export(catalog, store, "bad_expid", reasons=("Noisy",))


# ---- the real inspection


@pytest.fixture(scope="module")
def dr11(real_data, tmp_path_factory):
    """A run that has only the published answers."""
    catalog = Catalog.create(tmp_path_factory.mktemp("dr11") / "run")
    with LabelStore(catalog.labels_url()) as store:
        import_file(store, real_data / "labels/dr11_final_selected_bad_exposures.csv", catalog=catalog)
        yield catalog, store


@pytest.mark.parametrize(("policy", "number"), [("any", 939), ("majority", 337), ("unanimous", 68)])
def test_the_published_answers_give_the_known_numbers(dr11, policy, number):
    catalog, store = dr11
    report = export(catalog, store, "bad_expid", policy)
    found = read_like_legacypipe(report.content.decode())
    assert len(found) == report.n_bad == preview_counts(catalog, store)[policy] == number
    assert all(ccdname is None for _, ccdname in found)
    assert export(catalog, store, "bad_expid", policy).content == report.content
    least = {"any": 1, "majority": 2, "unanimous": 3}[policy]
    assert all(int(text.split("# ")[1][0]) >= least for text in found.values())


@pytest.mark.parametrize("policy", ["any", "unanimous"])
def test_the_published_answers_come_back_as_they_were(dr11, real_data, policy):
    catalog, store = dr11
    exported = body(export(catalog, store, "vi", policy).content)
    with open(real_data / "labels/dr11_final_selected_bad_exposures.csv", newline="") as handle:
        assert exported == list(csv.reader(handle))


def test_the_second_published_list_comes_back_too(real_data, tmp_path):
    catalog = Catalog.create(tmp_path / "run")
    path = real_data / "labels/dr11-new-exposures-vi.csv"
    with LabelStore(catalog.labels_url()) as store:
        import_file(store, path, catalog=catalog)
        exported = body(export(catalog, store, "vi", "any").content)
    with open(path, newline="") as handle:
        published = list(csv.DictReader(handle))
    found = [dict(zip(exported[0], row, strict=True)) for row in exported[1:]]
    assert [row.pop("plver") for row in found] == [""] * 8
    assert [
        {"ML_reason" if name == "ML_reasons" else name: value for name, value in row.items()} for row in published
    ] == found


def test_the_real_annotations_are_exported_by_ccd(real_data, tmp_path):
    catalog = Catalog.create(tmp_path / "run")
    with LabelStore(catalog.labels_url()) as store:
        import_file(store, real_data / "focal_planes/ghosts/ghost_annotations.csv", catalog=catalog)
        report = export(catalog, store, "bad_expid", "majority")
    found = read_like_legacypipe(report.content.decode())
    assert report.n_bad == 30
    per_ccd = [key for key in found if key[1] is not None]
    assert len(per_ccd) == np.unique(per_ccd, axis=0).shape[0] > 500
    assert all(text.startswith("Ghost_Scatter # ") for text in found.values())


def test_no_text_of_somebody_else_is_a_formula_in_a_table(run, tmp_path):
    catalog, store = run
    texts = [*FORMULAS, *HARMLESS]
    names = [f"{text}{number}" for number, text in enumerate(texts)]
    votes = [
        Vote(expnum=number, inspector=name, judgement="bad", comment=text, plver=text.strip(), via="import")
        for number, (name, text) in enumerate(zip(names, texts, strict=True), 200)
    ]
    store.import_votes(votes)
    columns = {"image_fname": "=1+1", "plver": texts[0], "ML_reason": "@SUM(1)"}
    store.import_columns(pd.DataFrame([{"camera": "decam", "expnum": 200, "columns": columns}]), source="=list.csv")
    store.adjudicate("decam", 201, "lea", "bad", comment="=1+1")
    for format in ("vi", "csv"):
        content = export(catalog, store, format, "any", tmp_path / f"{format}.csv").content
        assert formulas(content) == []
        assert b"'=1+1" in content
    with LabelStore(f"sqlite:///{tmp_path / 'other.db'}") as other:
        import_file(other, tmp_path / "vi.csv")
        frame = other.votes()
    expected = {(vote.expnum, vote.inspector.strip(), vote.comment, vote.plver) for vote in votes}
    assert set(zip(frame.expnum, frame.inspector, frame.comment, frame.plver, strict=True)) == expected


def test_a_version_of_two_lines_adds_no_line_to_a_list(run):
    catalog, store = run
    store.cast(Vote(expnum=101, inspector="amy", judgement="bad", plver="V4\n137380 made up"))
    text = export(catalog, store, "bad_expid", "any", include_old=True).content.decode()
    assert set(read_like_legacypipe(text)) == {(101, None)}
