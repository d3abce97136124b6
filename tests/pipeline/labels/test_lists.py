"""Lists of exposures: what is a number, a CCD or a range; which kind a list is; what an import says of it."""

import pytest

from triptych.pipeline.camera import camera
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput
from triptych.pipeline.labels.cells import ccd_name, exposure_number, is_range
from triptych.pipeline.labels.import_report import ranges
from triptych.pipeline.labels.readers import guess_kind, import_file, read_file
from triptych.pipeline.store.store import LabelStore


def text(tmp_path, content: str, name="list.txt"):
    (tmp_path / name).write_text(content)
    return tmp_path / name


def labels(report):
    return [(expnum, ccdname, reason) for expnum, ccdname, reason, _ in report.found.labels]


@pytest.mark.parametrize(
    ("written", "number"),
    [("500001", 500001), (" 500001.0", 500001), ("00158660", 158660), ("2025041700761.0", 2025041700761)],
)
def test_exposure_numbers(written, number):
    assert exposure_number(written) == number


@pytest.mark.parametrize(
    "written", ["", "0", "-1", "1.5", "99999999999999999999", "1.30243E+06", "500_001", "٥٠٠", "nan", "5 0", "0x5"]
)
def test_what_is_no_exposure_number(written):
    with pytest.raises(BadInput, match="is not an exposure number"):
        exposure_number(written)


def test_ccds_are_known_by_name_or_number():
    decam = camera("decam")
    assert [ccd_name(decam, *one) for one in (("n12",), (" 43 ",), ("", "43.0"), ("N12", "43"), ("",))] == [
        "N12"
    ] * 4 + [""]
    for pair in (("N12", "44"), ("N99", ""), ("", "0"), ("FS1", ""), ("nan", "")):
        with pytest.raises(BadInput):
            ccd_name(decam, *pair)


def test_ranges_are_no_exposures():
    for line in (
        "500009-500012",
        "500009 - 500012 clouds",
        "500009..500012",
        "500009 to 500012",
        "500030 500031 psf",
        "1000 : 1002",
    ):
        assert is_range(line), line
    for line in ("500009-N12", "346662\t1", "137380 2 clouds", "346343 0.208 seeing", "301612 20s only", "5009 psf"):
        assert not is_range(line), line


def test_a_list_of_bad_exposures_names_what_is_not_clear(tmp_path):
    lines = [
        "500001-n12 noise",
        "500002-N99 noise",
        "500003-43 noise",
        "500009 - 500012 clouds",
        "500020-500022 clouds",
    ]
    lines += ["99999999999999999999 clouds", "500030 500031 psf", "500040 good", "500050 psf"]
    report = read_file(text(tmp_path, "\n".join(lines)), kind="bad_expid")
    assert labels(report) == [(500001, "N12", "Noise"), (500050, "", "PSF")]
    assert [number for number, _ in report.found.skipped] == [2, 3, 4, 5, 6, 7, 8]
    assert "line 2 skipped: 'N99' is not a CCD of DECam" in str(report)
    assert "line 4 skipped: '500009 - 500012' is a range of exposures" in str(report)
    assert "line 8 skipped: 'good' says that 500040 is not bad" in str(report)


def test_a_list_of_good_exposures_holds_no_bad_one(tmp_path):
    report = read_file(text(tmp_path, "expnum why\n1\n2 clouds\n3-9\n4 ok\n99999999999999999999\n"), kind="good")
    assert labels(report) == [(1, "", "good"), (4, "", "good")]
    assert [number for number, _ in report.found.skipped] == [3, 4, 6]


def test_ccds_of_a_truth_table(tmp_path):
    rows = "500001.0,n12,Ghost\n500001,43,Ghost\n500001,N99,Ghost\n500001,N12 ,good\n500001, N13,Good\n500002,,PSF\n"
    report = read_file(text(tmp_path, "expnum,ccdname,reason\n" + rows, "truth.csv"))
    ghost = (500001, "N12", "Ghost_Scatter")
    assert labels(report) == [ghost, ghost, (500001, "N12", "good"), (500001, "N13", "good"), (500002, "", "PSF")]
    assert report.found.skipped == [(4, "'N99' is not a CCD of DECam")]
    assert "line 5: says 'good' of 500001-N12, line 2 the contrary; both are kept" in str(report)
    report = read_file(text(tmp_path, "expnum;ccdnum;ccdname;reason\n1;43;N12;PSF\n1;44;N12;PSF\n1;44;;PSF\n", "t.csv"))
    assert [row[1] for row in labels(report)] == ["N12", "N13"]


def test_marks_name_their_ccds_by_number_or_name(tmp_path):
    rows = "500001,n12,amy,0.5\n500001,43,ben,0.5\n500001,N99,amy,0.5\n500001,,amy,0.5\n500001,N1,amy,x\n"
    report = read_file(text(tmp_path, "expnum,ccdname,annotator,marked_fraction\n" + rows, "marks.csv"))
    assert [(vote.ccdname, vote.inspector) for vote in report.found.votes] == [("N12", "amy"), ("N12", "ben")]
    assert [number for number, _ in report.found.skipped] == [4, 5, 6]


def test_where_name_and_number_of_an_exclusion_list_disagree_the_line_is_named(tmp_path):
    content = "#date     expnum ccd id ccdnum\n20140328  296596  32 N22  54\n20140328  296596  32 N22  53\n"
    report = read_file(text(tmp_path, content, "noise-y01.txt"))
    assert [row[:2] for row in labels(report)] == [(296596, "N23"), (296596, "N22")]
    assert "line 2: ccd N22 has not number 54; the number counts: N23" in str(report)


@pytest.mark.parametrize(
    ("content", "name", "asked"),
    [
        ("500001\n500002\n", "not-good_exposures.txt", "may be bad_expid .* or good"),
        ("500001\n500002\n", "exposures.txt", "may be bad_expid .* or good"),
        ("expnum\n500001\n", "exposures.csv", "may be bad_expid .* or good"),
        ("500001 good\n500002 bad\n", "verdicts.txt", "may be a bad_expid or a spreadsheet"),
        ("500001\tn\tthin clouds, fine\n", "amy.tsv", "may be a bad_expid or a spreadsheet"),
        ("expnum,reason,kind\n1,psf,moon\n", "list.csv", "may be truth or suspicious"),
        ("expnum,amy_badexp,Is_bad?\n1,True,n\n", "list.csv", "may be inspection or spreadsheet"),
        ("x;y\n1;2\n", "b.csv", "cannot tell what kind"),
        ("expnum,seeing\n1,2\n", "b.csv", "with columns expnum, seeing"),
    ],
)
def test_where_the_kind_is_not_clear_it_is_asked_for(tmp_path, content, name, asked):
    with pytest.raises(BadInput, match=asked) as told:
        guess_kind(text(tmp_path, content, name))
    assert "--kind" in str(told.value)


@pytest.mark.parametrize(
    ("content", "name", "kind"),
    [
        ("500001\n500002\n", "bad_expid.txt", "bad_expid"),
        ("#EXPID\n500001\n", "list.txt", "bad_expid"),
        ("500001.0\n500002.0\n", "good-2024.csv", "good"),
        ("62817 bad\n62818 bad PSF\n", "list.txt", "bad_expid"),
        ("expnum\tccdname\treason\n1\tN12\tpsf\n", "truth.tsv", "truth"),
        ("expnum;Is bad? (y/n);Reason\n", "amy.csv", "spreadsheet"),
        ("# nothing yet\n", "bad_expid.txt", "bad_expid"),
        ("", "empty.csv", "bad_expid"),
    ],
)
def test_kinds(tmp_path, content, name, kind):
    path = text(tmp_path, content, name)
    assert guess_kind(path) == kind
    assert f"read as {kind} (a guess; --kind says it)" in str(read_file(path))
    assert "a guess" not in str(read_file(path, kind=kind))


def test_what_is_told_of_a_file_is_one_line(tmp_path):
    with pytest.raises(BadInput) as told:
        read_file(text(tmp_path, 'expnum,"' + "see\ning" * 300 + '"\n1,2\n', "b.csv"), kind="truth")
    assert "\n" not in str(told.value)
    assert len(str(told.value)) <= 600


def test_every_line_that_is_not_read_is_named(tmp_path):
    report = read_file(text(tmp_path, "500001 psf\n" + "x\n" * 60 + "500002 psf\n"), kind="bad_expid")
    told = str(report)
    assert "line 51 skipped: 'x' is not EXPNUM or EXPNUM-CCDNAME" in told
    assert "and 10 more lines skipped: 52-61" in told
    assert ranges([9, 1, 2, 3, 7]) == "1-3, 7, 9"


def test_columns_that_are_used_and_not_used_are_told(tmp_path):
    report = read_file(text(tmp_path, "expnum,ccdname,reason,strength\n1,N12,psf,2\n", "truth.csv"))
    sheet = report.found.sheets[0]
    assert (sheet.used, sheet.unused, sheet.rows) == (["expnum", "reason", "ccdname"], ["strength"], 1)
    assert "columns not used" in str(report)


def test_how_many_exposures_of_a_list_the_run_has(tmp_path, survey_folder):
    catalog = Catalog.open(survey_folder)
    expnum = int(catalog.exposures().expnum.iloc[0])
    path = text(tmp_path, f"{expnum} psf\n9000001 psf\n")
    assert "1 of its 2 exposures are in the run" in str(read_file(path, catalog=catalog))
    path = text(tmp_path, "9000001 psf\n9000002 psf\n")
    assert "none of its 2 exposures is in the run" in str(read_file(path, catalog=catalog))
    assert "the run has no exposures yet" in str(read_file(path, catalog=Catalog.create(tmp_path / "new")))


def test_what_was_read_can_be_stored_later(tmp_path):
    with LabelStore(f"sqlite:///{tmp_path / 'labels.db'}") as store:
        path = text(tmp_path, "1 psf\n")
        assert "nothing is stored" in str(read_file(path))
        assert store.labels().empty
        assert "nothing is stored" not in str(import_file(store, path))
        assert len(store.labels()) == 1
