"""What ingest has seen: one record per file and one per exposure. It is stored in the run, so that the next ingest
reads only what is new or changed. The quarantine table is made from it."""

import json
from pathlib import Path

import pandas as pd

from triptych.pipeline.catalog.files import write_aside
from triptych.pipeline.ingest.sources import FileRecord
from triptych.pipeline.pixels.file_paths import shown, written

COLUMNS = ("kind", "key", "digest", "record")


class Manifest:
    """files : path -> FileRecord. exposures : expnum -> dict with `digest` of what was read, and problems (path,
    ccdname, problem, detail): `joining` from joining files to exposures, `pixels` from reading pixels."""

    def __init__(self, path: Path):
        self.path = path
        self.files: dict[str, FileRecord] = {}
        self.exposures: dict[int, dict] = {}
        if path.exists():
            for row in pd.read_parquet(path).itertuples(index=False):
                if row.kind == "file":
                    record = FileRecord(**json.loads(row.record))
                    self.files[record.path] = record
                else:
                    self.exposures[int(row.key)] = json.loads(row.record)

    def by_expnum(self) -> dict[int, list[FileRecord]]:
        """Records of usable files, by exposure number."""
        found: dict[int, list[FileRecord]] = {}
        for record in self.files.values():
            if record.product in ("image", "picture", "mask"):
                for part in record.parts():
                    if part.expnum > 0:
                        found.setdefault(part.expnum, []).append(part)
        return found

    def note_exposure(self, expnum: int, digest: str, joining: list, pixels: list) -> None:
        """Record what was read of an exposure, and its problems."""
        self.exposures[expnum] = {"digest": digest, "joining": joining, "pixels": pixels}

    def save(self) -> None:
        """Write the manifest in one step."""
        rows = [
            ("file", written(path), record.digest, json.dumps(record.as_dict())) for path, record in self.files.items()
        ]
        rows += [("exposure", str(number), kept["digest"], json.dumps(kept)) for number, kept in self.exposures.items()]
        frame = pd.DataFrame(sorted(rows), columns=list(COLUMNS)).astype(str)
        write_aside(self.path, lambda aside: frame.to_parquet(aside, index=False))

    def quarantine(self) -> pd.DataFrame:
        """The quarantine table: path, expnum, ccdname, problem, detail. expnum is -1 if it is unknown."""
        rows = [
            (written(record.path), record.expnum, ccdname, problem, shown(detail))
            for file in self.files.values()
            for record in file.parts()
            for ccdname, problem, detail in record.problems
        ]
        for number, kept in self.exposures.items():
            for path, ccdname, problem, detail in [*kept["joining"], *kept["pixels"]]:
                rows.append((written(path), number, ccdname, problem, shown(detail)))
        return pd.DataFrame(sorted(rows), columns=["path", "expnum", "ccdname", "problem", "detail"])
