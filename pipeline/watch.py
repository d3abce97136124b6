"""Processes a night's exposures as they arrive in a folder: ingest, embed, place, predict, find candidates, repeated.

Each pass does what is missing, whoever left it unfinished, and moves the run's pointers together at its end (see
`Draft`). So a page or a retraining sees the run before the pass or after it. A pass embeds new exposures, places them
on the existing maps and clusters without changing these, and predicts with the current model. It never trains. If it is
killed at any point and started again, the run ends up the same.

If a retraining ends during a pass, the pass predicts again with the new model. If it ends after the pass but was made
on the earlier embedding, the next pass predicts the new exposures.
"""

import errno
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from triptych.pipeline.catalog import locks, retention
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.catalog.stage import Stage
from triptych.pipeline.catalog.transaction import Draft
from triptych.pipeline.classifier import candidates
from triptych.pipeline.classifier.predict_newer import comparable, predict
from triptych.pipeline.embedding import embed
from triptych.pipeline.embedding.backbones import BACKBONES
from triptych.pipeline.embedding.work_units import Models
from triptych.pipeline.errors import BadInput, CatalogError, TriptychError, choose
from triptych.pipeline.ingest.arrivals import Arrivals
from triptych.pipeline.ingest.ingest import ingest
from triptych.pipeline.ingest.manifest import Manifest
from triptych.pipeline.ingest.sources import find_files
from triptych.pipeline.vectors import clusters, placing

EVERY_SECONDS = 60.0
QUIET_SECONDS = 10.0
LOOK_SECONDS = 0.2  # how soon a request to stop is noticed
AGAIN_SECONDS = 600.0  # after so long, files that could not be read (permissions, disk) are tried again
TRIES = 5  # how often a pass is tried if others move the run's pointers meanwhile
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
Bar = Callable[[str], AbstractContextManager]


class Stopped(Exception):
    """Somebody asked the watch to end. The current step was finished."""


@dataclass(frozen=True)
class Event:
    """A message of the watch. kind : pass, idle, note, trouble or stopped. text : one line. counts : of a pass."""

    kind: str
    text: str
    counts: dict = field(default_factory=dict)


@dataclass(frozen=True)
class WatchSettings:
    """Settings of a watch.

    rule : candidate rule, None = that of the current candidates. every : seconds between passes. quiet : seconds for
    which a file must not change before it is read. keep : how many old stages of each kind stay; 0 = all. bar : called
    with a title, returns a context manager whose value is a `progress` function. stop : returns True to end the watch.
    """

    rule: str | None = None
    every: float = EVERY_SECONDS
    quiet: float = QUIET_SECONDS
    keep: int = 0
    bar: Bar = lambda title: nullcontext(None)
    stop: Callable[[], bool] = lambda: False


def watch(
    catalog: Catalog,
    store,
    folders: Sequence[str | Path],
    settings: WatchSettings = WatchSettings(),
    *,
    once: bool = False,
) -> Iterator[Event]:
    """Make passes over folders for ever, or only one with `once`. Yield messages.

    store : the run's LabelStore, which is only read, to see what refers to old stages before they are removed.
    CatalogError if another watch of the run is running, BadInput for unusable settings. Other problems are reported
    once as `trouble`, and the next pass tries again.
    """
    choose(settings.rule or candidates.DEFAULT, candidates.RULES, "candidate rule")
    if settings.every <= 0 or settings.quiet < 0 or settings.keep < 0:
        raise BadInput("the seconds between passes must be more than 0; quiet and keep must be 0 or more")
    with _only_one(catalog):
        own = _Watch(catalog, store, [Path(folder) for folder in folders], settings)
        try:
            while True:
                yield from own.once()
                if once and not own.waits_for_files():
                    return
                own.wait(settings.quiet if own.waits_for_files() else settings.every)
        except Stopped as stopped:
            yield Event("stopped", f"stopped {stopped}; {own.so_far()}; the same command goes on from here")


@contextmanager
def _only_one(catalog: Catalog) -> Iterator[None]:
    """Hold the run's watch lock, which the system releases when the process ends."""
    path = catalog.path / ".watch.lock"
    with locks.try_exclusive(path) as own:
        if not own:
            holder = (path.read_text() if path.exists() else "") or "another process"
            raise CatalogError(f"{catalog.path} is already watched by {holder}; stop that one first")
        path.write_text(f"process {os.getpid()} on {os.uname().nodename}")
        yield


class _Watch:
    """One watch, from its start to its end."""

    def __init__(self, catalog: Catalog, store, folders: list[Path], settings: WatchSettings):
        self.catalog, self.store, self.folders, self.settings = catalog, store, folders, settings
        known = {path: record.digest for path, record in Manifest(catalog.path / "ingested.parquet").files.items()}
        self.arrivals = Arrivals(settings.quiet, known)
        self.passes = self.taken = 0
        self.reported: tuple[str, ...] = ()
        self.looked_twice = self.idle = False
        self.unsure = True  # whether an earlier pass may have been cut short, here or before the start
        self.pointers: dict[str, str] = {}  # the run's pointers after the last pass
        self.tried = time.monotonic()

    def so_far(self) -> str:
        return f"{_many(self.passes, 'pass', 'passes')} done, {_many(self.taken, 'exposure')} in"

    def waits_for_files(self) -> bool:
        """Whether files were seen for the first time at the last look. The next look shows whether they still grow."""
        return bool(self.arrivals.waiting) and not self.looked_twice

    def wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check("between two passes")
            time.sleep(min(left, LOOK_SECONDS))
        self.check("between two passes")

    def check(self, when: str) -> None:
        if self.settings.stop():
            raise Stopped(when)

    def once(self) -> Iterator[Event]:
        """Make one pass and yield its messages. A note or trouble is repeated only when it changes."""
        notes: list[str] = []
        try:
            event = self._pass(notes)
        except (TriptychError, OSError) as error:
            self.unsure = True
            event = Event("trouble", _in_words(error, self.catalog.path))
        fresh = [note for note in notes if note not in self.reported]
        repeated = event is not None and event.kind == "trouble" and event.text in self.reported
        self.reported = (*notes, event.text if event and event.kind == "trouble" else "")
        yield from (Event("note", note) for note in fresh)
        if event is not None and not repeated:
            yield event

    def _pass(self, notes: list[str]) -> Event | None:
        started = time.monotonic()
        missing = [str(folder) for folder in self.folders if not folder.exists()]
        if missing:
            raise BadInput(f"{', '.join(missing)} does not exist; every pass looks for it again")
        paths, _ = find_files(self.folders)
        before = set(self.arrivals.waiting)
        news = self.arrivals.look(paths)
        growing = self.arrivals.waiting & before
        self.looked_twice = self.arrivals.waiting <= before
        if growing:
            n = _many(len(growing), "file")
            notes.append(f"{n} still changing; will be read when unchanged for {self.settings.quiet:g} s")
        if not paths:
            notes.append(f"{', '.join(map(str, self.folders))} has no exposure yet; waiting")
        counts: dict[str, float] = {"exposures": 0, "quarantined": 0, "entered": 0, "left": 0, "stages": 0}
        if news or self._to_be_tried_again():
            counts |= self._read()
            self.check("after ingest")
        if len(self.catalog.ccds()) and (self.unsure or self.catalog.refresh().info["current"] != self.pointers):
            counts |= self._follow(notes)
            self.pointers = self.catalog.refresh().info["current"]
        self.unsure = False
        if any(counts.values()):
            self.passes += 1
            self._clear_up(notes)
            counts["seconds"] = round(time.monotonic() - started, 1)
            return Event("pass", _line(counts), counts)
        if self.idle or not paths or self.waits_for_files():
            return None
        self.idle = True
        return Event("idle", "nothing new")

    # ---- what arrived

    def _to_be_tried_again(self) -> bool:
        """Whether something could not be read for a reason that may pass: permissions, a disk, a lost process."""
        if time.monotonic() - self.tried < AGAIN_SECONDS:
            return False
        self.tried = time.monotonic()
        return bool((self.catalog.quarantine().problem == "unreadable").any())

    def _read(self) -> dict:
        """Ingest the complete files, with the run's own settings of sampling."""
        before = _problems(self.catalog)
        self.unsure = True
        with self.settings.bar("ingest") as progress:
            report = ingest(
                self.catalog,
                self.folders,
                **self.catalog.refresh().info.get("ingest", {}),
                waiting=self.arrivals.waiting,
                progress=progress,
            )
        self.arrivals.note_read()
        self.taken += report.n_new
        return {"exposures": report.n_new, "quarantined": len(_problems(self.catalog) - before)}

    # ---- what follows from it

    def _follow(self, notes: list[str]) -> dict:
        """Do every step after ingest and publish them together.

        Repeat if somebody else has moved a pointer meanwhile.
        """
        for _ in range(TRIES):
            draft = Draft.of(self.catalog)
            before = _candidates(draft)
            said = self._steps(draft)
            self.check("before the new stages became current")
            if draft.publish():
                notes += said
                after = _candidates(draft)
                changed = {"entered": len(after - before), "left": len(before - after)}
                return {**changed, "stages": sum(draft.started.get(kind) != one for kind, one in draft.moved.items())}
        raise CatalogError(f"the run's current stages changed {TRIES} times meanwhile; the next pass tries again")

    def _steps(self, draft: Draft) -> list[str]:
        notes = []
        self._embed(draft)
        self.check("after embed")
        for kind, place in PLACES.items():
            if draft.has(kind):
                try:
                    with self.settings.bar(f"place {kind}") as progress:
                        place(draft, progress)
                except BadInput as error:
                    notes.append(str(error).replace("leave out --place to make a new one", _made_new(kind, draft)))
                self.check(f"after {kind}")
        notes += self._predict(draft)
        return notes

    def _embed(self, draft: Draft) -> Stage:
        """Embed what is new with the backbone of the current embedding. BadInput if that backbone is not available."""
        options = {}
        if draft.has("embedding"):
            current = draft.stage("embedding", fresh=False)
            given = current.parameters
            name = given.get("backbone", "")
            again = f"`triptych embed {draft.path}`, then train and map again"
            if name not in BACKBONES:
                raise BadInput(
                    f"the vectors of embedding/{current.stage_id} were computed elsewhere ({name}), so new exposures "
                    f"are only ingested; run {again}, or bring in their vectors with --from"
                )
            model = given.get("model", "")
            options = {
                "backbone": f"{name}:{model}" if model else name,
                "only_sampled": bool(given.get("only_sampled")),
                "compiled": str(given.get("digest", "")).endswith("-compiled"),
            }
            installed = Models(options["backbone"], "auto", options["compiled"]).digest
            if installed != given.get("digest"):
                raise BadInput(
                    f"embedding/{current.stage_id} was made by {given.get('digest')}, but this installation has "
                    f"{installed}, so new exposures are only ingested; run {again}"
                )
        with self.settings.bar("embed") as progress:
            return embed.embed(draft, progress=progress, **options)

    def _predict(self, draft: Draft) -> list[str]:
        """Predict with the current model, and find candidates by the rule. Return notes on what is missing."""
        if not draft.has("model"):
            return [
                f"there is no model yet, so nothing is predicted; after labelling, run `triptych train {draft.path}`"
            ]
        vectors, model = draft.stage("embedding"), draft.stage("model", fresh=False)
        taught = model.parent("embedding")
        if not comparable(taught, vectors):
            return [
                f"model/{model.stage_id} was trained on vectors of another backbone than embedding/{vectors.stage_id}, "
                f"so nothing is predicted; run `triptych train {draft.path}`"
            ]
        with self.settings.bar("predict") as progress:
            predict(draft, vectors, model, progress=progress)
        self.check("after predict")
        rule = self.settings.rule
        if not rule and draft.has("candidates"):
            rule = draft.stage("candidates", fresh=False).parameters.get("rule")
        candidates.find(draft, rule=rule or candidates.DEFAULT)
        return []

    def _clear_up(self, notes: list[str]) -> None:
        """Remove old stages. A failure here is only noted, because the pass is done."""
        if self.settings.keep:
            try:
                retention.remove(self.catalog.refresh(), self.store, keep=self.settings.keep)
            except (TriptychError, OSError) as error:
                notes.append(f"old stages were not removed: {_in_words(error, self.catalog.path)}")


def _place_on(dims: int) -> Callable:
    def place(draft: Draft, progress) -> Stage:
        how = draft.stage(f"map{dims}d", fresh=False).parameters.get("how", "transform")
        return placing.place(draft, dims=dims, how=how, progress=progress)

    return place


# kind of stage in which new images are placed -> function (draft, progress)
PLACES: dict[str, Callable] = {
    "cluster": lambda draft, progress: clusters.place(draft, progress=progress),
    "map2d": _place_on(2),
    "map3d": _place_on(3),
}


def _candidates(catalog: Catalog) -> set[int]:
    if not catalog.has("candidates"):
        return set()
    return set(catalog.stage("candidates", fresh=False).table().expnum)


def _problems(catalog: Catalog) -> set[tuple]:
    return set(catalog.quarantine().itertuples(index=False, name=None))


def _made_new(kind: str, catalog: Catalog) -> str:
    command = "cluster" if kind == "cluster" else f"map --dims {kind[3]}"
    return f"`triptych {command} {catalog.path}` makes a new one"


def _in_words(error: Exception, path: Path) -> str:
    """An error as one line that says what to do."""
    if isinstance(error, OSError):
        if error.errno in FULL:
            return f"no space left to write {path}; free some space, the next pass continues"
        return f"{error}; the next pass tries again"
    return str(error)


def _many(number: int, one: str, several: str = "") -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"


def _line(counts: dict) -> str:
    """The summary of a pass, as one line."""
    entered = f"{_many(counts['entered'], 'candidate')} entered"
    left = f", {counts['left']} left" if counts["left"] else ""
    return (
        f"{_many(counts['exposures'], 'exposure')} in, {counts['quarantined']} to quarantine, {entered}{left}, "
        f"{counts['seconds']:g} s"
    )
