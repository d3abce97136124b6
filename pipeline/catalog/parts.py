"""Where the parts of an ingest keep what they have finished, until `triptych join` makes the run's tables of it.

All of it is in `.parts` in the run folder: a small file for each finished unit, with the previews beside it, and one
file for each part that says what the part covers. Every process writes files of its own, so none waits for another.
When the tables are made, the folder is renamed in one step and then removed.
"""

import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

from triptych.pipeline.catalog import damage
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.files import make_folder, sync_folder, write_json
from triptych.pipeline.errors import CatalogError

FOLDER = ".parts"
JOINED = ".parts-joined"


@dataclass
class Part:
    """What one part of an ingest covers. Of `of` parts it is number `number`, from 1.

    finished : whether it has done all of it. started : UTC. sources : absolute paths of what it was given. sampling :
    `sample` and `seed`. paths : all files that fall to this part. folders : records of folders that cannot be read.
    units : keys of the units with files that are new or changed.
    """

    number: int
    of: int
    started: str
    sources: list[str]
    sampling: dict
    paths: list[str]
    folders: list[dict]
    units: list[str] = field(default_factory=list)
    finished: bool = False

    @property
    def name(self) -> str:
        """Its number and how many there are: `3/100`."""
        return f"{self.number}/{self.of}"


class PartsFolder:
    """The folder of one run's parts."""

    def __init__(self, catalog: Catalog):
        self.path = catalog.path / FOLDER
        self.joined = catalog.path / JOINED

    def unit_path(self, key: str) -> Path:
        """Where the file of a finished unit is, whether or not it exists."""
        return self.path / "units" / key[:2] / f"{key}.json"

    def preview_path(self, key: str, expnum: int, digest: str) -> Path:
        """Where a unit keeps the preview of an exposure until it is joined. digest : of what was read."""
        return self.path / "units" / key[:2] / f"{key}-{int(expnum)}-{digest}.npz"

    def write(self, part: Part) -> None:
        """Write what a part covers, and whether it has finished."""
        write_json(self.path / f"{part.number}-of-{part.of}.json", asdict(part))

    def parts(self) -> list[Part]:
        """All parts that have started. CatalogError if one's file cannot be read."""
        found = []
        for path in sorted(self.path.glob("[0-9]*-of-*.json")):
            try:
                found.append(Part(**damage.read_json(path)))
            except TypeError:
                raise CatalogError(
                    f"{path} was written by another version of triptych; run that part again with this one"
                ) from None
        return found

    def was_joined(self) -> bool:
        """Whether the last parts were joined and none has started since."""
        return self.joined.exists() and not self.path.exists()

    def close(self) -> None:
        """Say that the run's tables have all of it, and remove it."""
        if self.path.exists():
            shutil.rmtree(self.joined, ignore_errors=True)
            os.rename(self.path, self.joined)
            sync_folder(self.joined.parent)
        for path in self.joined.iterdir() if self.joined.exists() else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def make(self) -> None:
        """Make the folder if there is none."""
        make_folder(self.path)
