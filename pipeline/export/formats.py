"""The formats of an export. Each is a function of `export.Contents` that returns the bytes of a file."""

import io
import json

import numpy as np
import pandas as pd

from triptych.pipeline.camera import camera as camera_named
from triptych.pipeline.csv_tables import csv_text

NO_REASON = "unspecified"
TABLE_COLUMNS = [
    "camera",
    "expnum",
    "plver",
    "verdict",
    "scope",
    "bad_ccds",
    "reasons",
    "n_bad",
    "n_good",
    "n_unsure",
    "p_bad",
    "inspectors",
    "adjudicated",
    "lead",
    "why",
    "old",
    "in_run",
]
# Header facts -> FITS keywords with at most eight letters.
FITS_KEYWORDS = {
    "Triptych export": "FORMAT",
    "policy": "POLICY",
    "store revision": "STOREREV",
    "model stage": "MODEL",
    "exposures": "NEXP",
    "bad": "NBAD",
    "bad by one vote": "ONEVOTE",
    "bad by a lead's decision": "DECIDED",
    "reasons": "REASONS",
    "not in this run": "NOTINRUN",
    "judged on another version": "OLDVER",
}


def bad_expid(contents) -> bytes:
    """`EXPNUM[-CCDNAME] reasons # votes`: a line per bad exposure, or per bad CCD if only some CCDs are bad.

    legacypipe treats a line as a comment only if `#` is in column 1. All that follows the key is its text.
    """
    ccds = _ccd_answers(contents)
    lines = [f"# {line}" for line in contents.header]
    for row in contents.bad.itertuples():
        if not row.bad_ccds:
            lines.append(f"{row.expnum} {_votes_text(row, row, contents.panel)}")
        for ccdname in row.bad_ccds:
            own = ccds.get((row.camera, row.expnum, ccdname), row)
            lines.append(f"{row.expnum}-{ccdname} {_votes_text(own, row, contents.panel)}")
    return _text(lines)


def _ccd_answers(contents) -> dict:
    keys = zip(contents.ccds.camera, contents.ccds.expnum, contents.ccds.ccdname, strict=True)
    return dict(zip(keys, contents.ccds.itertuples(), strict=True))


def _votes_text(row, exposure, panel: int) -> str:
    """`Clouds_transparency,PSF # 2 of 3 bad, 1 good`. The reasons have no spaces."""
    text = f"{','.join(row.reasons or exposure.reasons) or NO_REASON} # {row.n_bad} of {panel} bad"
    text += f", {row.n_good} good" if row.n_good else ""
    text += f", {row.n_unsure} unsure" if row.n_unsure else ""
    text += f", decided by {exposure.lead}" if exposure.adjudicated else ""
    return text + (f", judged on {' '.join(exposure.plver.split())}" if exposure.old else "")


def exclude(contents) -> bytes:
    """`date expnum ccd id ccdnum reason`, a row per bad CCD. A whole exposure is written as all CCDs of its camera.

    Programs that read these lists take line 1 as the header, skip other `#` lines, and use expnum and ccdnum.
    """
    exposures, ccds = contents.catalog.exposures(), _ccd_answers(contents)
    nights = dict(zip(zip(exposures.camera, exposures.expnum, strict=True), exposures.night, strict=True))
    lines = ["#date     expnum ccd id ccdnum reason", *(f"# {line}" for line in contents.header)]
    for row in contents.bad.itertuples():
        camera = camera_named(row.camera)
        night = max(int(nights.get((row.camera, row.expnum), 0)), 0)
        for ccdname in row.bad_ccds or camera.names:
            own = ccds.get((row.camera, row.expnum, ccdname), row)
            reasons = ",".join(own.reasons or row.reasons) or NO_REASON
            lines.append(f"{night:08d}  {row.expnum} nan {ccdname} {camera.number(ccdname):3d} {reasons}")
    return _text(lines)


def vi(contents) -> bytes:
    """The inspectors' table: expnum, image_fname, plver, ML_reason, then <name>_badexp and <name>_reason of each.

    `True` is a bad vote, `False` everything else. An inspector who also gave other answers has a third column,
    <name>_judgement, with `bad`, `good`, `unsure` or nothing.
    """
    answers = _answers(contents.votes)
    names = sorted({inspector for own in answers.values() for inspector in own})
    full = {n for own in answers.values() for n, (judgement, _) in own.items() if judgement != "bad"}
    header = ["expnum", "image_fname", "plver", "ML_reason"]
    for name in names:
        header += [f"{name}_badexp", *([f"{name}_judgement"] if name in full else []), f"{name}_reason"]
    described = _descriptions(contents)
    judged = set(zip(contents.table.camera, contents.table.expnum, strict=True))
    rows = [header]
    for key in [key for key in described if key in judged]:
        row = [key[1], *described[key]]
        for name in names:
            judgement, reason = answers.get(key, {}).get(name, ("", ""))
            row += [judgement == "bad", *([judgement] if name in full else []), reason]
        rows.append(row)
    return csv_text(rows, contents.header).encode()


def _answers(votes: pd.DataFrame) -> dict[tuple[str, int], dict[str, tuple[str, str]]]:
    """{(camera, expnum): {inspector: (judgement, reason as text)}}."""
    from triptych.pipeline.votes.sorted_votes import opinions

    found = {}
    for camera, expnum, inspector, judgement, reasons in opinions(votes).itertuples(index=False, name=None):
        found.setdefault((camera, expnum), {})[inspector] = (judgement, "; ".join(reasons))
    whole = votes[votes.ccdname == ""].sort_values("vote_id")
    for row in whole.itertuples():
        own = "; ".join(row.reasons)
        comment = row.comment if row.via == "import" and row.comment else "; ".join(t for t in (own, row.comment) if t)
        found[row.camera, row.expnum][row.inspector] = (row.judgement, comment)
    return found


def _descriptions(contents) -> dict[tuple[str, int], tuple[str, str, str]]:
    """{(camera, expnum): (image_fname, plver, ML_reason)}: imported ones in their order, then those of the run."""
    catalog, found = contents.catalog, {}
    for camera, expnum, columns in contents.columns[["camera", "expnum", "columns"]].itertuples(index=False, name=None):
        reason = columns.get("ML_reason", columns.get("ML_reasons", ""))
        found.setdefault((camera, expnum), (columns.get("image_fname", ""), columns.get("plver", ""), reason))
    candidates = catalog.stage("candidates", fresh=False).table() if catalog.has("candidates") else None
    reasons = {} if candidates is None else dict(zip(candidates.expnum, candidates.reasons, strict=True))
    exposures = catalog.exposures().set_index(["camera", "expnum"])
    for row in contents.table.itertuples():
        key = (row.camera, row.expnum)
        if key not in found:
            known = exposures.loc[key] if key in exposures.index else None
            fname, plver = ("", row.plver) if known is None else (known.image_filename, known.plver)
            own = reasons.get(row.expnum, "")
            found[key] = (fname, plver or row.plver, own if isinstance(own, str) else ",".join(own))
    return found


def csv_table(contents) -> bytes:
    """The verdict table, after header lines that start with `# `."""
    frame = _flat(contents.table)
    frame["p_bad"] = frame.p_bad.astype(object).where(frame.p_bad.notna(), "")
    return csv_text([list(frame), *frame.itertuples(index=False, name=None)], contents.header).encode()


def ecsv_table(contents) -> bytes:
    """The verdict table as astropy's ECSV, with the header in its meta."""
    text = io.StringIO()
    _astropy(contents).write(text, format="ascii.ecsv")
    return text.getvalue().encode()


def fits_table(contents) -> bytes:
    """The verdict table as HDU 1 of a FITS file, with the header as cards of HDU 1."""
    from astropy.io import fits

    frame = _astropy(contents)
    frame.meta = {}
    table = fits.BinTableHDU(frame, name="VERDICTS")
    for name, value in contents.facts.items():
        table.header[FITS_KEYWORDS[name]] = value
    content = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(content)
    return content.getvalue()


def parquet_table(contents) -> bytes:
    """The verdict table as Parquet, with the header under the key `triptych` in the file's metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(_flat(contents.table), preserve_index=False)
    metadata = {b"triptych": json.dumps(contents.facts).encode()}
    content = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(metadata), content)
    return content.getvalue()


def _flat(table: pd.DataFrame) -> pd.DataFrame:
    """The verdict table with tuples as comma-joined texts."""
    joined = {name: [",".join(own) for own in table[name]] for name in ("bad_ccds", "reasons", "inspectors")}
    return table[TABLE_COLUMNS].assign(**joined)


def _astropy(contents):
    from astropy.table import Table

    frame = _flat(contents.table)
    columns = {name: np.array(frame[name], dtype=_plain(frame[name])) for name in frame}
    return Table(columns, meta=dict(contents.facts))


def _plain(column: pd.Series):
    """A NumPy type for a column. Text has a fixed width of at least one character."""
    if column.dtype.kind in "ifb":
        return column.dtype
    return f"U{max([1, *(len(text) for text in column)])}"


def _text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()
