"""Sheets of inspectors as they come: several people, several sheets, CCDs, merged cells, formulas, any delimiter."""

import gzip
import re
import zipfile

import openpyxl
import pytest

from triptych.pipeline.errors import BadInput
from triptych.pipeline.labels.readers import import_file, read_file
from triptych.pipeline.labels.spreadsheets import role_of
from triptych.pipeline.store.store import LabelStore

HEADER = ["expnum", "Is_bad?", "Reason"]


def book(tmp_path, *sheets, name="amy.xlsx", merged=(), hidden=()):
    """A workbook of (title, rows)."""
    made = openpyxl.Workbook()
    made.remove(made.worksheets[0])
    for title, rows in sheets:
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(row)
        for cells in merged:
            sheet.merge_cells(cells)
        sheet.sheet_state = "hidden" if title in hidden else "visible"
    made.save(tmp_path / name)
    return tmp_path / name


def text(tmp_path, content: str | bytes, name="amy.csv"):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path / name


def votes(report):
    return [(v.expnum, v.ccdname, v.inspector, v.judgement, v.comment) for v in report.found.votes]


def lines(report):
    return dict(report.found.skipped)


def test_sheets_called_after_people_are_theirs(tmp_path):
    path = book(tmp_path, ("Amy", [HEADER, [1, "y", "psf"]]), ("Bob", [HEADER, [1, "n", None]]))
    report = read_file(path)
    assert votes(report) == [(1, "", "Amy", "bad", "psf"), (1, "", "Bob", "good", "")]
    assert "called after their sheets (a guess; --inspector says it)" in str(report)


def test_sheets_that_name_nobody_and_speak_of_the_same_exposures_are_refused(tmp_path):
    rows = [HEADER, [1, "y", None]]
    path = book(tmp_path, ("Sheet1", rows), ("Sheet2", rows))
    with pytest.raises(BadInput, match="sheets Sheet1, Sheet2 and does not say whose"):
        read_file(path)
    assert len(read_file(path, inspector="amy").found.votes) == 1
    path = book(tmp_path, ("night 1", rows), ("night 2", [HEADER, [2, "n", None]]))
    assert [(v.expnum, v.inspector) for v in read_file(path).found.votes] == [(1, "amy"), (2, "amy")]


def test_names_in_a_merged_row_above(tmp_path):
    rows = [[None, "Amy", None, "Bob", None], ["expnum", *HEADER[1:] * 2], [1, "y", "psf", "n", None]]
    report = read_file(book(tmp_path, ("one", rows), merged=("B1:C1", "D1:E1")))
    assert votes(report) == [(1, "", "Amy", "bad", "psf"), (1, "", "Bob", "good", "")]
    report = read_file(text(tmp_path, ",Amy,,Bob,\nexpnum,Is_bad?,Reason,Is_bad?,Reason\n1,y,psf,n,\n"))
    assert votes(report) == [(1, "", "Amy", "bad", "psf"), (1, "", "Bob", "good", "")]


def test_two_columns_of_nobody_are_refused(tmp_path):
    with pytest.raises(BadInput, match=r"has 2 columns Is_bad\? and does not say whose they are"):
        read_file(text(tmp_path, "expnum,Is_bad?,Reason,Is_bad?,Reason\n1,y,psf,n,\n"))


def test_the_only_reason_belongs_to_the_only_answer(tmp_path):
    report = read_file(text(tmp_path, "expnum,amy Is_bad?,Reason\n1,y,psf\n"))
    assert votes(report) == [(1, "", "amy", "bad", "psf")]


def test_answers_on_ccds_are_votes_on_ccds(tmp_path):
    content = "expnum,ccdname,Is_bad?,Reason\n1,n12,y,psf\n1,44,n,\n1,N99,y,\n2,,y,\n"
    report = read_file(text(tmp_path, content))
    assert votes(report) == [
        (1, "N12", "amy", "bad", "psf"),
        (1, "N13", "amy", "good", ""),
        (2, "", "amy", "bad", ""),
    ]
    assert lines(report) == {4: "'N99' is not a CCD of DECam"}
    content = "expnum,ccdname,amy_badexp,amy_reason\n1,N12,True,psf\n1,N13,False,\n2,S1,1.0,\n3,N1,0,\n"
    report = read_file(text(tmp_path, content, "vi.csv"))
    assert votes(report) == [(1, "N12", "amy", "bad", "psf"), (2, "S1", "amy", "bad", "")]


def test_rows_that_contradict_each_other_are_named_and_not_taken(tmp_path):
    report = read_file(text(tmp_path, "expnum,Is_bad?,Reason\n1,y,psf\n2,n,\n1,n,\n3,y,psf\n3,y,cloud\n"))
    assert [(v.expnum, v.judgement, v.reasons) for v in report.found.votes] == [
        (2, "good", ()),
        (3, "bad", ("Clouds_transparency", "PSF")),
    ]
    assert sorted(lines(report)) == [2, 4]
    assert "amy says 'bad' of 1, but 'good' in line 4; none is taken" in lines(report)[2]
    assert report.found.sheets[0].rows == 3


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("expnum;Is_bad?;Reason\n1;y;psf, thin\n2;n;\n", "amy.csv"),
        ("expnum\tIs_bad?\tReason\n1\ty\tpsf, thin\n2\tn\t\n", "amy.tsv"),
        ("expnum  Is_bad?  Reason\n1       y        psf, thin\n2       n\n", "amy.txt"),
        ('"expnum","Is_bad?","Reason"\r\n"1","y","psf, thin"\r\n2,n,\r\n', "amy.csv"),
        ("\n".join(["packet"] * 6 + ["Exposure number,Is bad? (y/n),Reason", '1,y,"psf, thin"', "2,n"]), "amy.csv"),
        ("expnum,Is_bad?,Reason\n1.0,1.0,psf, thin\n2.0,0.0,\n3.0,nan,\n", "amy.csv"),
        (gzip.compress(b'expnum,Is_bad?,Reason\n1,y,"psf, thin"\n2,n,\n'), "amy.csv.gz"),
        ("expnum;Is_bad?;Reason\n1;y;psf, thin\n2;n;\n".encode("utf-16"), "amy.csv"),
        ("expnum,Is_bad?,Reason\n1,y,'psf, thin'\n2,n,\n".replace("'", '"').encode("utf-16-le"), "amy.csv"),
    ],
)
def test_a_sheet_saved_by_any_program_is_read(tmp_path, content, name):
    assert votes(read_file(text(tmp_path, content, name))) == [
        (1, "", "amy", "bad", "psf, thin"),
        (2, "", "amy", "good", ""),
    ]


def test_letters_of_windows_are_letters_and_the_encoding_is_told(tmp_path):
    report = read_file(text(tmp_path, "expnum,René Is_bad?,René Reason\n1,y,bébé\n".encode("cp1252")))
    assert votes(report) == [(1, "", "rené", "bad", "bébé")]
    assert "read as Windows-1252 (a guess" in str(report)


def test_a_stray_quote_costs_no_other_row(tmp_path):
    content = 'expnum,Is_bad?,Reason\n1,y,"clouds\n2,y,ghost\n3,n,\n4,y,"psf,\n and more"\n5,y,"psf" bad\n6,y,psf\n'
    report = read_file(text(tmp_path, content))
    assert [(v.expnum, v.comment) for v in report.found.votes] == [
        (1, "clouds"),
        (2, "ghost"),
        (3, ""),
        (4, "psf,\n and more"),
        (5, "psf bad"),
        (6, "psf"),
    ]
    assert [number for number, _ in report.found.sheets[0].remarks] == [2, 7]
    last = read_file(text(tmp_path, 'expnum,Is_bad?,Reason\n1,y,psf\n2,y,"ghost\n'))
    assert [v.comment for v in last.found.votes] == ["psf", "ghost"]


def test_commas_without_quotes_are_named(tmp_path):
    report = read_file(text(tmp_path, "expnum,Is_bad?,Reason\n1,y,psf, thin\n"))
    assert report.found.votes[0].comment == "psf, thin"
    assert "line 2: has more cells than the header; Reason is taken as 'psf, thin'" in str(report)
    report = read_file(text(tmp_path, "expnum,Reason,Is_bad?\n1,psf, thin,y\n2,,n\n"))
    assert [v.expnum for v in report.found.votes] == [2]
    assert "has 4 cells, the header 3" in lines(report)[2]


def test_answers_without_an_exposure_and_reasons_without_an_answer_are_named(tmp_path):
    report = read_file(text(tmp_path, "expnum,Is_bad?,Reason\n,y,psf\n2,,psf\n,,\n3,n,\n"))
    assert lines(report) == {
        2: "'y' is given without an exposure number",
        3: "'psf' is given without an answer; use y, n or maybe",
    }
    assert len(report.found.votes) == 1


def test_merged_exposures_count_in_each_of_their_rows(tmp_path):
    rows = [["expnum", "ccd", "Is_bad?"], [1, "N12", "y"], [None, "N13", "n"], [2, "N4", "n"]]
    report = read_file(book(tmp_path, ("one", rows), merged=("A2:A3",)))
    assert [v[:4] for v in votes(report)] == [
        (1, "N12", "amy", "bad"),
        (1, "N13", "amy", "good"),
        (2, "N4", "amy", "good"),
    ]


def test_a_formula_that_nobody_computed_is_named(tmp_path):
    rows = [HEADER, [1, '=IF(1>0,"y","n")', None], [2, "y", None], ["=1+2", "n", None]]
    report = read_file(book(tmp_path, ("one", rows)))
    assert [v.expnum for v in report.found.votes] == [2]
    assert "Is_bad? is a formula that no program has computed" in lines(report)[2]
    assert "expnum is a formula" in lines(report)[4]


def test_hidden_sheets_do_not_count(tmp_path):
    sheets = ("Sheet", [HEADER, [1, "y", None]]), ("old copy", [HEADER, [1, "n", None], [9, "y", None]])
    report = read_file(book(tmp_path, *sheets, hidden=("old copy",)))
    assert votes(report) == [(1, "", "amy", "bad", "")]
    assert re.search(r"'old copy' .*hidden, not read", str(report))


def test_what_a_workbook_says_of_its_size_is_not_believed(tmp_path):
    near = book(tmp_path, ("one", [HEADER, [1, "y", "psf"], [2, "n", None]]), name="near.xlsx")
    with zipfile.ZipFile(near) as old, zipfile.ZipFile(tmp_path / "amy.xlsx", "w") as new:
        for member in old.infolist():
            new.writestr(member.filename, old.read(member).replace(b'ref="A1:C3"', b'ref="A1"'))
    assert [v[:4] for v in votes(read_file(tmp_path / "amy.xlsx"))] == [(1, "", "amy", "bad"), (2, "", "amy", "good")]


def test_a_sheet_without_the_column_says_which_it_has(tmp_path):
    with pytest.raises(BadInput, match=r"no column Is_bad\?; it has expnum, thoughts"):
        read_file(book(tmp_path, ("one", [["expnum", "thoughts"], [1, "x"]])))


def test_reasons_of_several_words_in_a_sheet_with_blanks(tmp_path):
    report = read_file(text(tmp_path, "expnum Is_bad? Reason\n1 y thin clouds\n2 n\n", "amy.txt"))
    assert [v[3:] for v in votes(report)] == [("bad", "thin clouds"), ("good", "")]


def test_an_answer_that_replaces_one_of_an_earlier_file_is_told(tmp_path):
    with LabelStore(f"sqlite:///{tmp_path / 'labels.db'}") as store:
        import_file(store, text(tmp_path, "expnum,Is_bad?\n1,y\n2,y\n"))
        report = import_file(store, text(tmp_path, "expnum,Is_bad?\n1,n\n2,y\n"))
    assert (report.votes_added, report.votes_changed) == (1, 1)
    assert "1 of them replace an answer of an earlier file" in str(report)


@pytest.mark.parametrize(
    ("column", "role", "name"),
    [
        ("Is_bad?", "answer", ""),
        ("Is bad? (y/n)", "answer", ""),
        ("is bad [y, n or maybe]", "answer", ""),
        ("amy Is_bad?", "answer", "amy"),
        ("amy_badexp", "answer", "amy"),
        ("Is_bad? (Amy)", "answer", "amy"),
        ("Is_bad?.1", "answer", ""),
        ("Reasons", "reason", ""),
        ("amy_reason", "reason", "amy"),
        ("ML_reason", "", ""),
        ("not bad", "", ""),
        ("image_fname", "", ""),
    ],
)
def test_names_of_columns(column, role, name):
    assert role_of(column) == (role, name)
