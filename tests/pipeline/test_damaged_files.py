"""Lists, tables and vectors with damaged bytes: what goes wrong is told in one line, and sound files are read.

TRIPTYCH_DAMAGED says how many damaged files are tried, 60 by default: `TRIPTYCH_DAMAGED=20000 pytest FILE`.
"""

import gzip
import os
from pathlib import Path

import h5py
import numpy as np
import openpyxl
import pandas as pd
import pytest
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triptych.app.verbs import labels as verbs
from triptych.pipeline.embedding import external
from triptych.pipeline.errors import TriptychError
from triptych.pipeline.labels import survey_ccds
from triptych.pipeline.labels.readers import READERS, read_file

EXAMPLES = int(os.environ.get("TRIPTYCH_DAMAGED", "60"))
TEXTS = {
    "amy.csv": 'expnum,Is_bad?,Reason\n500001,y,"clouds, thin"\n500002,n,\n500003,maybe,ghost\n',
    "vi.csv": "expnum,ccdname,plver,amy_badexp,amy_reason\n500001,N12,V5,True,psf\n500002,,V5,False,\n",
    "truth.csv": "# made\nexpnum,ccdname,reason\n500001,N12,good\n500002,,Ghost\n",
    "marks.csv": "expnum,ccdnum,annotator,marked_fraction\n500001,43,amy,0.5\n500001,44,amy,0\n",
    "odd.csv": "expnum,kind\n500001,satellite_trail\n",
    "problem.txt": "#Nite  Exposure  Problem\n20121102  145846  Telescope Moving\n",
    "bad_expid.txt": "#EXPID comments\n500001 clouds\n500002-N12 noise\n",
    "good.txt": "500001\n500002\n",
}


def workbook(path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["packet"], ["expnum", "ccd", "Is_bad?", "Reason"], [500001, "N12", "y", "psf"], [None, "N13", "n"]):
        book.active.append(row)
    book.active.merge_cells("A3:A4")
    book.create_sheet("old").sheet_state = "hidden"
    book.active["D4"] = "=1+1"
    book.save(path)


def sound_files(folder: Path) -> list[Path]:
    """A small sound file of every kind."""
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    (folder / "semicolons.csv").write_bytes(TEXTS["amy.csv"].replace(",", ";").encode("utf-16"))
    (folder / "packed.csv.gz").write_bytes(gzip.compress(TEXTS["truth.csv"].encode(), mtime=0))
    workbook(folder / "amy.xlsx")
    keys, values = pd.DataFrame({"expnum": [500001, 500001], "ccdname": ["N12", "N13"], "ccdnum": [43, 44]}), np.eye(2)
    keys.to_csv(folder / "keys.csv", index=False)
    np.save(folder / "v.npy", values)
    keys.assign(f0=1.0, f1=2.0, ra=3.0).to_parquet(folder / "columns.parquet")
    keys.assign(vector=list(values)).to_parquet(folder / "lists.parquet")
    with h5py.File(folder / "v.h5", "w") as file:
        for row in (0, 1):
            file.create_dataset(f"images/idx_{row}_label_0", data=values[row], chunks=(2,), compression="gzip")
    rows = [("decam", 500001, "N12", 512, "V5.4", 0.1), ("decam", 500002, "S1", 0, "V5.4", 0.2)]
    names = ("camera", "expnum", "ccdname", "ccd_cuts", "plver", "ebv")
    Table(rows=rows, names=names).write(folder / "ccds.fits")
    return [*sorted(path for path in folder.iterdir() if path.name != "keys.csv"), folder / "keys.csv"]


def read(path: Path, kind: str, keys: Path) -> None:
    """Read a file by what its name says. keys : the table of the files of vectors, beside them."""
    if path.name.endswith(".fits"):
        survey_ccds.read(path)
    elif path.suffix in (".npy", ".h5"):
        external.read(path, keys)
    elif path.suffix == ".parquet":
        external.read(path)
    elif path.name == "keys.csv":
        external.read(keys.parent / "v.npy", path)
    else:
        read_file(path, kind or None)


def said(path: Path, kind: str, keys: Path) -> str:
    """What is told of a file that cannot be read; '' if it can. Any other exception is a fault."""
    try:
        read(path, kind, keys)
    except TriptychError as error:
        return str(error)
    return ""


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    return sound_files(tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("damaged")


damages = st.tuples(
    st.floats(0, 1),
    st.integers(0, 40),
    st.one_of(
        st.binary(max_size=40), st.sampled_from([b"", b"\0" * 8, b"\xff" * 8, b'"', b"\n", b"9" * 20, b"-1", b";"])
    ),
)


def damaged(content: bytes, places: list) -> bytes:
    """The bytes with regions replaced by others: (where from 0 to 1, how many bytes, by what)."""
    for where, length, by in places:
        at = int(where * len(content))
        content = content[:at] + by + content[at + length :]
    return content


def test_every_sound_file_is_read(files):
    for path in files:
        read(path, "", files[-1])


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(data=st.data())
def test_a_damaged_file_is_told_in_one_line(files, scratch, data):
    path = data.draw(st.sampled_from(files))
    content = damaged(path.read_bytes(), data.draw(st.lists(damages, min_size=1, max_size=3)))
    content = content[: data.draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))]
    kind = data.draw(st.sampled_from(["", "", *READERS]))
    broken = scratch / path.name
    broken.write_bytes(content)
    told = said(broken, kind, files[-1])
    assert "\n" not in told
    assert not told or path.name in told or path.name == "keys.csv"


@settings(max_examples=max(5, EXAMPLES // 10), deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(data=st.data())
def test_sound_lists_beside_a_damaged_one_are_read(files, scratch, data, monkeypatch):
    told: list[str] = []
    monkeypatch.setattr(verbs, "say", told.append)
    lists = [path for path in files if path.name in (*TEXTS, "amy.xlsx", "semicolons.csv", "packed.csv.gz")]
    path = data.draw(st.sampled_from(lists))
    broken = scratch / f"broken-{path.name}"
    broken.write_bytes(damaged(path.read_bytes(), data.draw(st.lists(damages, min_size=1, max_size=3))))
    one, other = data.draw(st.sampled_from(lists)), data.draw(st.sampled_from(lists))
    unread = verbs.import_files(None, [one, broken, other], catalog=None)
    assert unread <= 1
    assert sum(text.startswith(f"{own.name}: read as ") for own in (one, other) for text in told) >= 2
