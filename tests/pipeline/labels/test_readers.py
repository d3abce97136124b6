"""Readers of label lists, inspections, spreadsheets and annotations: small files of every kind, then the real ones."""

import gzip
from collections import Counter

import openpyxl
import pytest

from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import BadInput, UnknownName
from triptych.pipeline.labels.readers import READERS, guess_kind, import_file
from triptych.pipeline.store.store import LabelStore, Vote


@pytest.fixture
def store(tmp_path):
    with LabelStore(f"sqlite:///{tmp_path / 'labels.db'}") as opened:
        yield opened


def written(tmp_path, text: str, name: str = "list.txt"):
    path = tmp_path / name
    path.write_text(text)
    return path


BAD_EXPID = """\
#EXPID  Flag  comments
346343 expfactor=0.208  seeing=1.400
754142-S29 very noisy, slight amp jump

346662\t1
137380
 # indented, so no comment
12-3-4 two dashes
x17 no number
301612-n1 as it is
137380 trailed PSF
262572 odd colours
"""


def test_a_bad_expid_list_is_read_by_legacypipes_rules(tmp_path, store):
    report = import_file(store, written(tmp_path, BAD_EXPID))
    assert report.kind == "bad_expid"
    frame = store.labels()
    found = list(zip(frame.expnum, frame.ccdname, frame.reason, strict=True))
    assert found == [
        (346343, "", "Nonoptimal_exp"),
        (754142, "S29", "Noise"),
        (754142, "S29", "Amp_offset"),
        (346662, "", "Saturated"),
        (137380, "", ""),
        (301612, "N1", ""),
        (137380, "", "PSF"),
        (262572, "", ""),
    ]
    assert [number for number, _ in report.found.skipped] == [7, 8, 9]
    assert report.found.no_reason == 1
    assert report.found.unmapped == Counter({"as it is": 1, "odd colours": 1})
    assert "line 8 skipped" in str(report)
    assert "odd colours" in str(report)


def test_a_list_of_another_camera_is_pointed_out(tmp_path, store):
    path = written(tmp_path, "74670155 donuts\n", "mosaic-bad_expid.txt")
    assert "the name says mosaic3, but read as decam" in str(import_file(store, path))
    assert "by its name" not in str(import_file(store, path, camera="mosaic3"))


def test_unmapped_reasons_that_differ_in_numbers_count_together(tmp_path, store):
    report = import_file(store, written(tmp_path, "1 seeing=2.5\n2 seeing=3.25\n3 seeing=12\n"))
    assert report.found.unmapped == Counter({"seeing=#": 3})
    assert store.labels().raw.tolist() == ["seeing=2.5", "seeing=3.25", "seeing=12"]


def test_the_same_file_twice_adds_nothing(tmp_path, store):
    path = written(tmp_path, BAD_EXPID)
    assert import_file(store, path).labels_added == 8
    revision = store.revision()
    assert import_file(store, path).labels_added == 0
    assert store.revision() == revision


PROBLEMS = """\
#Nite           Exposure        Problem
20121102        145846          Telescope Moving
#20190331        844998          Rho Ophiuchi
# a remark
20121107        148661          Nebula
20121107        148662
"""


def test_an_exclusion_list_of_exposures(tmp_path, store):
    report = import_file(store, written(tmp_path, PROBLEMS, "problem-y00.txt"))
    frame = store.labels()
    assert list(zip(frame.expnum, frame.ccdname, frame.reason, frame.raw, strict=True)) == [
        (145846, "", "Telescope_Moving", "Telescope Moving"),
        (148661, "", "Bright_source", "Nebula"),
    ]
    assert [number for number, _ in report.found.commented] == [3]
    assert [number for number, _ in report.found.skipped] == [6]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ghost-scatter-y01.txt", "Ghost_Scatter"),
        ("noise-y01.txt", "Noise"),
        ("streak-y05.txt", "Streak"),
        ("ccd02-y04.txt", "Bad_CCD"),
        ("readout-y01.txt", "Noise"),
        ("processing-y07.txt", "Processing"),
        ("comet-y02.txt", "Bright_source"),
    ],
)
def test_an_exclusion_list_of_ccds_has_its_reason_in_its_name(tmp_path, store, name, reason):
    text = "#date     expnum ccd id ccdnum\n# remark\n20140328  296596  32 N22  53\n20161222  603667 nan S30  2\n"
    text += "20191221  921464 nan nan  \n20191221  921464 nan nan 99\n"
    report = import_file(store, written(tmp_path, text, name))
    frame = store.labels()
    assert list(zip(frame.expnum, frame.ccdname, strict=True)) == [(296596, "N22"), (603667, "S30")]
    assert set(frame.reason) == {reason}
    assert [number for number, _ in report.found.skipped] == [5, 6]


def test_a_truth_table_keeps_good_apart_from_unknown(tmp_path, store):
    text = (
        "# simulated\nexpnum,ccdname,reason\n1,N1,good\n1,N2,Fringing\n2,,Ghost_Scatter\n2,N3,no such thing\nx,N1,PSF\n"
    )
    report = import_file(store, written(tmp_path, text, "truth.csv"))
    assert report.kind == "truth"
    frame = store.labels()
    assert list(zip(frame.ccdname, frame.reason, strict=True)) == [
        ("N1", "good"),
        ("N2", "Fringing"),
        ("", "Ghost_Scatter"),
        ("N3", ""),
    ]
    assert [number for number, _ in report.found.skipped] == [7]
    assert report.found.unmapped == Counter({"no such thing": 1})


INSPECTION = """\
expnum,image_fname,plver,ML_reason,amy_badexp,amy_reason,ben_badexp,ben_reason
137380,c4d_a,V5.5LS,NObjects,True," noise, cloud?",False,
137381,c4d_b,V5.5,PSF,False,,True,
137382,c4d_c,V5.5,PSF,perhaps,,,
"""


def test_an_inspection_table_gives_bad_votes_and_nothing_for_false(tmp_path, store):
    report = import_file(store, written(tmp_path, INSPECTION, "vi.csv"))
    assert report.kind == "inspection"
    frame = store.votes()
    columns = ["expnum", "inspector", "judgement", "reasons", "comment", "plver", "via", "blind"]
    assert list(frame[columns].itertuples(index=False, name=None)) == [
        (137380, "amy", "bad", ("Clouds_transparency", "Noise"), " noise, cloud?", "V5.5LS", "import", False),
        (137381, "ben", "bad", (), "", "V5.5", "import", False),
    ]
    assert report.found.skipped == [(4, "amy_badexp is 'perhaps', not True or False")]
    kept = store.imported_columns()
    assert kept["columns"].tolist()[0] == {"image_fname": "c4d_a", "plver": "V5.5LS", "ML_reason": "NObjects"}
    assert import_file(store, tmp_path / "vi.csv").votes_added == 0


def sheet(tmp_path, rows, name="yufeng.xlsx"):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / name)
    return tmp_path / name


HEADER = ["expnum", "image_fname", "ML_reason", "Is_bad?", "Reason"]
ANSWERS = [
    [137380, "a", "PSF", "y?", "ghsot"],
    ["137381", "b", "PSF", "yes ", "cloud"],
    [137382.0, "c", "PSF", "maybe", None],
    [137383, "d", "PSF", 1, "trailed"],
    [137384, "e", "PSF", 0, None],
    [137385, "f", "PSF", "n", None],
    [137386, "g", "PSF", None, None],
    [137387, "h", "PSF", "n?", None],
    [137388, "i", "PSF", "dunno", None],
    HEADER,
    [None, None, None, None, None],
    ["total", None, None, "y", None],
    [137389, "j", "PSF", False, None],
]
PLAIN = {137381: "bad", 137383: "bad", 137384: "good", 137385: "good", 137389: "good"}
DOUBTFUL = (137380, 137382, 137387)


@pytest.mark.parametrize(("maybe", "doubtful"), [("unsure", ("unsure",) * 3), ("bad", ("bad", "bad", "good"))])
def test_a_spreadsheet_as_inspectors_fill_it_in(tmp_path, store, maybe, doubtful):
    path = sheet(tmp_path, [["packet 3", None, None, None, None], HEADER, *ANSWERS])
    report = import_file(store, path, maybe=maybe)
    assert report.kind == "spreadsheet"
    frame = store.votes().set_index("expnum")
    assert frame.judgement.to_dict() == {**PLAIN, **dict(zip(DOUBTFUL, doubtful, strict=True))}
    assert set(frame.inspector) == {"yufeng"}
    assert frame.reasons[137380] == ("Ghost_Scatter",)
    assert [frame.screen[e]["answer"] for e in (137380, 137381, 137382)] == ["y?", "yes ", "maybe"]
    assert [number for number, _ in report.found.skipped] == [11, 14]
    assert import_file(store, path, maybe=maybe).votes_added == 0


def test_a_spreadsheets_inspector_can_be_named(tmp_path, store):
    import_file(store, sheet(tmp_path, [HEADER, ANSWERS[0]], "packet-3.xlsx"), inspector="ben")
    assert set(store.votes().inspector) == {"ben"}


def test_a_spreadsheet_may_hold_several_inspectors(tmp_path, store):
    rows = [["expnum", "amy Is_bad?", "amy_Reason", "ben is bad", "Ben Reason"], [1, "y", "ghost", "n", None]]
    import_file(store, sheet(tmp_path, rows, "both.xlsx"))
    frame = store.votes().set_index("inspector")
    assert frame.judgement.to_dict() == {"amy": "bad", "ben": "good"}
    assert frame.reasons["amy"] == ("Ghost_Scatter",)


def test_a_spreadsheet_saved_as_csv(tmp_path, store):
    path = written(tmp_path, "expnum,Is_bad?,Reason\n1,y,psf\n2,no,\n", "amy.csv")
    assert guess_kind(path) == "spreadsheet"
    import_file(store, path)
    assert store.votes().judgement.tolist() == ["bad", "good"]


def test_a_file_that_is_no_spreadsheet_says_so(tmp_path, store):
    with pytest.raises(BadInput, match="save it as XLSX again"):
        import_file(store, written(tmp_path, "no zip", "amy.xlsx"))
    with pytest.raises(BadInput, match="no column Is_bad"):
        import_file(store, sheet(tmp_path, [["expnum", "thoughts"], [1, "fine"]]))
    assert store.votes().empty


MARKS = """\
expnum,ccdnum,annotator,marked_fraction,kinds_in_exposure
158660,1,amy,0.0200,Rays
158660,1,ben,0.0201,Rays
158660,61,amy,0.5000,Rays
158660,2,amy,1.5,Rays
158660,70,amy,0.1,Rays
"""


def test_annotations_become_blind_votes_on_ccds(tmp_path, store):
    report = import_file(store, written(tmp_path, MARKS, "marks.csv"))
    assert report.kind == "annotation"
    frame = store.votes()
    assert list(zip(frame.ccdname, frame.inspector, frame.judgement, frame.reasons, frame.blind, strict=True)) == [
        ("S29", "amy", "good", (), True),
        ("S29", "ben", "bad", ("Ghost_Scatter",), True),
    ]
    assert frame.screen[1] == {"marked_fraction": 0.0201}
    assert [number for number, _ in report.found.skipped] == [5, 6]
    assert sum(report.found.notes.values()) == 1


def test_the_panel_of_a_run_comes_from_its_annotators_unless_it_was_set(tmp_path, store):
    path = written(tmp_path, MARKS, "marks.csv")
    free, fixed = Catalog.create(tmp_path / "free"), Catalog.create(tmp_path / "fixed", panel=3)
    assert "panel is now 2" in str(import_file(store, path, catalog=free))
    assert Catalog.open(free.path).panel == 2
    assert import_file(store, path, catalog=fixed).panel is None
    assert Catalog.open(fixed.path).panel == 3


def test_what_an_inspector_said_by_hand_stays(tmp_path, store):
    store.cast(Vote(expnum=1, inspector="amy", judgement="good"))
    report = import_file(store, written(tmp_path, "expnum,Is_bad?,Reason\n1,y,\n2,y,\n", "amy.csv"))
    assert (report.votes_added, report.votes_kept) == (1, 1)
    assert "voted by hand" in str(report)


def test_files_that_cannot_be_read_say_what_to_do(tmp_path, store):
    with pytest.raises(BadInput, match="not a file"):
        import_file(store, tmp_path / "nothing.txt")
    with pytest.raises(BadInput, match="--kind"):
        import_file(store, written(tmp_path, "some words\n"))
    with pytest.raises(UnknownName, match="Did you mean 'bad_expid'"):
        import_file(store, written(tmp_path, "1 psf\n"), kind="badexpid")
    with pytest.raises(UnknownName, match="camera"):
        import_file(store, written(tmp_path, "1 psf\n"), camera="decm")
    with pytest.raises(BadInput, match="no column reason"):
        import_file(store, written(tmp_path, "expnum,ccdname\n1,N1\n", "truth.csv"), kind="truth")
    with pytest.raises(BadInput, match="has no column"):
        import_file(store, written(tmp_path, "", "empty.csv"), kind="truth")


@pytest.mark.parametrize("kind", READERS)
def test_no_reader_is_stopped_by_bytes_that_are_no_text(tmp_path, store, kind):
    path = tmp_path / "bytes.txt"
    path.write_bytes(b"expnum,ccdname,reason\n1,N1,\xff\xfe\x00\n\x80\x81\n")
    if kind in ("bad_expid", "exclude", "good", "truth"):
        import_file(store, path, kind=kind)
    else:
        with pytest.raises(BadInput):
            import_file(store, path, kind=kind)


# ---- the real lists


@pytest.mark.parametrize(
    ("name", "camera", "n_lines", "n_keys", "n_whole", "n_exposures", "n_twice", "n_without"),
    [
        ("decam-bad_expid.txt", "decam", 16563, 15635, 6961, 10883, 603, 12991),
        ("psf_rongpu_decam-bad_expid.txt", "decam", 3433, 3112, 3106, 3110, 9, 51),
        ("bad_expid.txt", "decam", 4161, 3800, 3800, 3800, 9, 0),
        ("mosaic-bad_expid.txt", "mosaic3", 5649, 4869, 4770, 4868, 0, 24),
        ("90prime-bad_expid.txt", "90prime", 325, 301, 292, 300, 3, 41),
    ],
)
def test_the_real_bad_expid_lists(
    real_data, store, name, camera, n_lines, n_keys, n_whole, n_exposures, n_twice, n_without
):
    path = real_data / "labels" / name
    found = import_file(store, path, camera=camera).found
    keys = Counter((expnum, ccdname) for expnum, ccdname, _ in found.entries)
    last = {(expnum, ccdname): raw for expnum, ccdname, raw in found.entries}
    assert len(path.read_text().splitlines()) == n_lines
    assert not found.skipped
    assert len(keys) == n_keys
    assert sum(ccdname == "" for _, ccdname in keys) == n_whole
    assert len({expnum for expnum, _ in keys}) == n_exposures
    assert sum(number > 1 for number in keys.values()) == n_twice
    assert sum(raw == "" for raw in last.values()) == n_without
    labels = store.labels()
    assert set(zip(labels.expnum, labels.ccdname, strict=True)) == set(keys)
    assert set(labels.camera) == {camera}


# Rows as the list builder counts them (62 per whole exposure) and exposures; reasons for which the published figures
# hold for these files too. The files at hand have further sections, so that other reasons have more rows here.
PUBLISHED_EXCLUSIONS = {
    "NObjects": (9300, 149),
    "Bad CCD": (4907, 4907),
    "Dome Light": (4898, 79),
    "Ghosting": (3844, 59),
    "Canopus": (868, 13),
    "Flame Nebula": (868, 12),
    "Bad Astrometry": (806, 13),
    "Hexapod Update": (682, 11),
    "Junk": (434, 7),
    "Arcturus": (372, 6),
    "Achernar": (372, 4),
    "Orion Nebula": (372, 6),
    "Rigel": (310, 5),
    "Alnair": (186, 2),
    "VSUB Off": (186, 3),
    "Blank": (124, 2),
    "Mirror Issue": (124, 2),
    "Active Optics Failed": (124, 2),
    "Scattered Light": (124, 2),
    "PSF": (62, 1),
    "Gamma Eri": (62, 1),
    "High Wind": (62, 1),
    "Guider Failed": (62, 1),
    "Power Outage": (62, 1),
}


def test_the_real_exclusion_lists(real_data, store):
    rows, exposures, pairs, skipped, commented = Counter(), {}, Counter(), [], []
    paths = sorted((real_data / "labels/delve_exclude").glob("*.txt"))
    for path in paths:
        report = import_file(store, path)
        assert report.kind == "exclude"
        skipped += [(path.name, number) for number, _ in report.found.skipped]
        commented += [line for _, line in report.found.commented]
        for expnum, ccdname, raw in report.found.entries:
            number = 1 if ccdname else 62
            rows[raw] += number
            exposures.setdefault(raw, set()).add(expnum)
            pairs.update([(expnum, ccdname)] if ccdname else [(expnum, n) for n in range(62)])
    assert len(paths) == 48
    found = {raw: (rows[raw], len(exposures[raw])) for raw in PUBLISHED_EXCLUSIONS}
    assert found == PUBLISHED_EXCLUSIONS
    assert sum(rows.values()) == 93698
    assert len(set().union(*exposures.values())) == 14156
    assert (rows["Ghost/Scatter"], len(exposures["Ghost/Scatter"])) == (34269, 8528)
    assert (rows["Noise"], len(exposures["Noise"])) == (4909, 451)
    assert (rows["Processing"], len(exposures["Processing"])) == (88, 25)
    assert (rows["Streak"], len(exposures["Streak"])) == (1027, 114)
    assert (rows["Comet"], len(exposures["Comet"])) == (76, 10)
    assert skipped == [("processing-y07.txt", 3)]
    assert len(commented) == 27
    assert any("Rho Ophiuchi" in line for line in commented)
    labels = store.labels()
    assert 844998 not in set(labels.expnum)
    assert labels.expnum.nunique() == 14156


def test_the_real_inspections(real_data, store):
    report = import_file(store, real_data / "labels/dr11_final_selected_bad_exposures.csv")
    votes = store.votes()
    assert votes.inspector.value_counts().to_dict() == {"alex": 710, "yufeng": 467, "frank": 167}
    assert votes.groupby("expnum").size().value_counts().to_dict() == {1: 602, 2: 269, 3: 68}
    assert set(votes.judgement) == {"bad"}
    assert votes.plver.nunique() == 19
    assert sum(report.found.unmapped.values()) == 41
    report = import_file(store, real_data / "labels/dr11-new-exposures-vi.csv")
    assert (report.votes_added, len(store.votes())) == (8, 1352)
    assert 1302430 in set(store.votes(inspector="yufeng").expnum)


def test_the_real_annotations(real_data, tmp_path, store):
    catalog = Catalog.create(tmp_path / "run")
    path = real_data / "focal_planes/ghosts/ghost_annotations.csv"
    report = import_file(store, path, catalog=catalog)
    votes = store.votes()
    assert votes.groupby("inspector").size().tolist() == [30 * 61] * 8
    assert votes.expnum.nunique() == 30
    assert sum(report.found.notes.values()) == 30 * 8
    assert votes.blind.all()
    assert catalog.refresh().panel == 8
    assert import_file(store, path, catalog=catalog).votes_added == 0


@pytest.mark.parametrize("name", ["dr10_good_exp.csv", "good.txt", "dr10_good_exp.csv.gz"])
def test_a_list_of_bare_numbers_that_is_named_good_is_good(tmp_path, store, name):
    text = b"# what the release took\n1001\n1002\n1003,\n"
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    report = import_file(store, tmp_path / name)
    assert (report.kind, report.labels_added) == ("good", 3)
    assert set(store.labels()["reason"]) == {"good"}
    assert set(store.labels()["ccdname"]) == {""}


def test_a_list_named_good_that_gives_reasons_is_read_by_what_it_says(tmp_path):
    assert guess_kind(written(tmp_path, "1001 clouds\n1002 psf\n", "not_so_good.txt")) == "bad_expid"
    for name in ("goodbye.txt", "not-good_exposures.txt", "list.txt"):
        with pytest.raises(BadInput, match="--kind bad_expid or --kind good"):
            guess_kind(written(tmp_path, "1001\n1002\n", name))
    assert guess_kind(written(tmp_path, "1001\n1002\n", "bad_exposures.txt")) == "bad_expid"


def test_a_line_of_a_good_list_that_is_no_number_costs_that_line(tmp_path, store):
    report = import_file(store, written(tmp_path, "expnum\n1001\nnone\n1002\n", "list.txt"), kind="good")
    assert report.labels_added == 2
    assert "line 3 skipped: 'none' is not an exposure number" in str(report)


def test_a_sheet_made_from_one_of_our_tables_has_its_texts_again(tmp_path, store):
    book = openpyxl.Workbook()
    for row in (["expnum", "image_fname", "Is_bad?", "Reason"], [101, "'-x", "y", "'=1+1"]):
        book.active.append(row)
    book.save(tmp_path / "amy.xlsx")
    import_file(store, tmp_path / "amy.xlsx")
    assert store.votes().comment.tolist() == ["=1+1"]
    assert store.imported_columns()["columns"].tolist() == [{"image_fname": "-x"}]
