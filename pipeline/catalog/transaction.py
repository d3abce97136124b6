"""A run as one piece of work sees it: pointers that it moves are its own until all of them move together.

Every step that reads the run's current stages and makes its own current works on a draft as it works on the run.
Nobody else sees a run in between; stopped or killed before `publish`, the work leaves the run's pointers as they were,
and the stages that it has written are found again by the next one.
"""

from triptych.pipeline.catalog import locks
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.files import write_json

# What a result may stand on; if one of these was moved by somebody else meanwhile, the result is not published.
WATCHED = ("embedding", "model", "prediction", "candidates", "cluster", "map2d", "map3d")


class Draft(Catalog):
    """Open it with `Draft.of(catalog)`; `moved` is what it has made current so far, kind -> stage id."""

    def __init__(self, path, info: dict):
        super().__init__(path, info)
        self.moved: dict[str, str] = {}
        self.started = {kind: info["current"].get(kind) for kind in WATCHED}

    @classmethod
    def of(cls, catalog: Catalog) -> "Draft":
        """A draft of a run, as the run is now."""
        return cls.open(catalog.path)

    def refresh(self) -> "Draft":
        """Read `run.json` again; pointers that this draft moved stay where it moved them."""
        info = Catalog.open(self.path).info
        self.info = {**info, "current": {**info["current"], **self.moved}}
        return self

    def set_info(self, **values) -> None:
        """Pointers are kept here; anything else changes the run at once."""
        self.moved |= values.pop("current", {})
        if values:
            Catalog.open(self.path).set_info(**values)
        self.refresh()

    def publish(self) -> bool:
        """Move the run's pointers together; False, and nothing is moved, if somebody else moved one since the start."""
        with locks.exclusive(self.path / ".run.lock"):
            info = Catalog.open(self.path).info
            if any(info["current"].get(kind) != stage_id for kind, stage_id in self.started.items()):
                return False
            for left in self.path.glob(".run.json.*.aside"):
                left.unlink(missing_ok=True)
            current = {**info["current"], **self.moved}
            if current != info["current"]:
                write_json(self.path / "run.json", {**info, "current": current})
        return True
