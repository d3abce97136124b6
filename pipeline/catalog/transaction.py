"""A private view of a run for one piece of work. The pointers that the work moves become public together, at the end.

A step that reads current stages and makes its own stage current works on a `Draft` just as on a `Catalog`. Other
processes see nothing until `publish`. If the work is stopped or killed before that, the run's pointers are unchanged;
the stages that were already written stay, and the next attempt finds and uses them.
"""

from triptych.pipeline.catalog import locks
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.files import write_json

# What a result may depend on. If somebody else moved one of these pointers meanwhile, the result is not published.
WATCHED = ("embedding", "model", "prediction", "candidates", "cluster", "map2d", "map3d")


class Draft(Catalog):
    """Open it with `Draft.of(catalog)`. `moved` : kind -> stage id, what this work has made current so far."""

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
        """Keep pointers in this draft. Everything else changes the run at once."""
        self.moved |= values.pop("current", {})
        if values:
            Catalog.open(self.path).set_info(**values)
        self.refresh()

    def publish(self) -> bool:
        """Move the run's pointers together. If somebody else moved one since the start, return False and move none."""
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
