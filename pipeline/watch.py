"""A night's exposures as they arrive: ingest, embed, place, predict and candidates, again and again over a folder.

One pass does what is missing, whoever left it undone, and moves the run's pointers together at its end (see `Draft`):
a page and a retraining see the run before it or after it. It embeds what is new, places it on the maps and clusters
that are there, which stay as they are, and predicts with the current model; it never trains. Killed anywhere and
started again, it comes to the same run.

A retraining that ends during a pass wins: the pass predicts once more, with the new model. One that ends after it on
the embedding of before is made up for by the next pass.
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
LOOK_SECONDS = 0.2  # how soon a stop is noticed
AGAIN_SECONDS = 600.0  # until what could not be read for want of rights or a disk is tried again
TRIES = 5  # of a pass while others go on moving the run's pointers
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
Bar = Callable[[str], AbstractContextManager]


class Stopped(Exception):
    """Somebody asked for the watch to end; the step before this one is done."""


@dataclass(frozen=True)
class Event:
    """What a watch has to say. kind : pass, idle, note, trouble or stopped; text : one line; counts : of a pass."""

    kind: str
    text: str
    counts: dict = field(default_factory=dict)


@dataclass(frozen=True)
class WatchSettings:
    """How a watch goes about it.

    rule : of the candidates, the current one's if None. keep : how many stages of a kind stay that nothing refers to;
    0 keeps all. every, quiet : seconds between passes, and for which a file must not change before it is read.
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
    """Make passes over folders for ever, or with `once` a single one; yields what there is to say.

    store : the run's LabelStore; asked only which predictions votes were given on, before old stages go.
    CatalogError if another watch of the run is at work. Anything else that stands in the way is told once as `trouble`,
    and the next pass tries again.
    """
    choose(settings.rule or candidates.DEFAULT, candidates.RULES, "candidate rule")
    if settings.every <= 0 or settings.quiet < 0 or settings.keep < 0:
        raise BadInput("seconds between passes are more than 0; quiet seconds and stages to keep 0 or more")
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
    """Hold the run's watch lock; it falls with the process that holds it."""
    path = catalog.path / ".watch.lock"
    with locks.try_exclusive(path) as own:
        if not own:
            holder = (path.read_text() if path.exists() else "") or "another process"
            raise CatalogError(f"{catalog.path} is watched already, by {holder}; stop that one first")
        path.write_text(f"process {os.getpid()} on {os.uname().nodename}")
        yield


class _Watch:
    """One watch, from its start to its end."""

    def __init__(self, catalog: Catalog, store, folders: list[Path], settings: WatchSettings):
        self.catalog, self.store, self.folders, self.settings = catalog, store, folders, settings
        known = {path: record.digest for path, record in Manifest(catalog.path / "ingested.parquet").files.items()}
        self.arrivals = Arrivals(settings.quiet, known)
        self.passes = self.taken = 0
        self.said: tuple[str, ...] = ()
        self.looked_twice = self.idle = False
        self.unsure = True  # whether an earlier pass was cut short, here or before the start
        self.pointers: dict[str, str] = {}  # the run's after the last pass
        self.tried = time.monotonic()

    def so_far(self) -> str:
        return f"{_many(self.passes, 'pass', 'passes')} done, {_many(self.taken, 'exposure')} in"

    def waits_for_files(self) -> bool:
        """Whether files were first seen at the last look: the next one will tell whether they still grow."""
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
        """One pass, and what there is to say about it; a note or trouble is said again only when it changes."""
        notes: list[str] = []
        try:
            event = self._pass(notes)
        except (TriptychError, OSError) as error:
            self.unsure = True
            event = Event("trouble", _in_words(error, self.catalog.path))
        fresh = [note for note in notes if note not in self.said]
        told = event is not None and event.kind == "trouble" and event.text in self.said
        self.said = (*notes, event.text if event and event.kind == "trouble" else "")
        yield from (Event("note", note) for note in fresh)
        if event is not None and not told:
            yield event

    def _pass(self, notes: list[str]) -> Event | None:
        started = time.monotonic()
        missing = [str(folder) for folder in self.folders if not folder.exists()]
        if missing:
            raise BadInput(f"{', '.join(missing)} is not there; it is looked for again at every pass")
        paths, _ = find_files(self.folders)
        before = set(self.arrivals.waiting)
        news = self.arrivals.look(paths)
        growing = self.arrivals.waiting & before
        self.looked_twice = self.arrivals.waiting <= before
        if growing:
            n = _many(len(growing), "file")
            notes.append(f"{n} still changing; read when nothing has changed for {self.settings.quiet:g} s")
        if not paths:
            notes.append(f"{', '.join(map(str, self.folders))} holds no exposure yet; waiting")
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
        """Whether something could not be read for a reason that may pass: rights, a disk, a lost process."""
        if time.monotonic() - self.tried < AGAIN_SECONDS:
            return False
        self.tried = time.monotonic()
        return bool((self.catalog.quarantine().problem == "unreadable").any())

    def _read(self) -> dict:
        """Ingest what is complete, sampled as the run is."""
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
        """Every step behind ingest, published together; again where somebody else has moved a pointer meanwhile."""
        for _ in range(TRIES):
            draft = Draft.of(self.catalog)
            before = _candidates(draft)
            said = self._steps(draft)
            self.check("before the new stages were made the current ones")
            if draft.publish():
                notes += said
                after = _candidates(draft)
                changed = {"entered": len(after - before), "left": len(before - after)}
                return {**changed, "stages": sum(draft.started.get(kind) != one for kind, one in draft.moved.items())}
        raise CatalogError(f"the run's current stages were moved {TRIES} times meanwhile; the next pass tries again")

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
        """Vectors for what is new, by the backbone of the current embedding, if it would still give the same."""
        options = {}
        if draft.has("embedding"):
            current = draft.stage("embedding", fresh=False)
            given = current.parameters
            name = given.get("backbone", "")
            again = f"`triptych embed {draft.path}`, then train and map again"
            if name not in BACKBONES:
                raise BadInput(
                    f"the vectors of embedding/{current.stage_id} came from elsewhere ({name}), so new exposures are "
                    f"ingested only; run {again}, or give theirs with --from"
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
                    f"embedding/{current.stage_id} was made by {given.get('digest')} and this installation has "
                    f"{installed}, so new exposures are ingested only; run {again}"
                )
        with self.settings.bar("embed") as progress:
            return embed.embed(draft, progress=progress, **options)

    def _predict(self, draft: Draft) -> list[str]:
        """Prediction by the current model, and candidates by the rule; returns what stands in the way."""
        if not draft.has("model"):
            return [f"there is no model yet, so nothing is predicted; with labels, `triptych train {draft.path}`"]
        vectors, model = draft.stage("embedding"), draft.stage("model", fresh=False)
        taught = model.parent("embedding")
        if not comparable(taught, vectors):
            return [
                f"model/{model.stage_id} was taught on vectors of another backbone than embedding/{vectors.stage_id}, "
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
        """Let old stages go; the pass is done, whatever becomes of that."""
        if self.settings.keep:
            try:
                retention.remove(self.catalog.refresh(), self.store, keep=self.settings.keep)
            except (TriptychError, OSError) as error:
                notes.append(f"old stages stay: {_in_words(error, self.catalog.path)}")


def _place_on(dims: int) -> Callable:
    def place(draft: Draft, progress) -> Stage:
        how = draft.stage(f"map{dims}d", fresh=False).parameters.get("how", "transform")
        return placing.place(draft, dims=dims, how=how, progress=progress)

    return place


# kind of stage that new images are placed in -> function(draft, progress)
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
            return f"no room left to write {path}; free some, the next pass goes on"
        return f"{error}; the next pass tries again"
    return str(error)


def _many(number: int, one: str, several: str = "") -> str:
    return f"{number} {one if number == 1 else several or one + 's'}"


def _line(counts: dict) -> str:
    """The summary of a pass."""
    entered = f"{_many(counts['entered'], 'candidate')} entered"
    left = f", {counts['left']} left" if counts["left"] else ""
    return (
        f"{_many(counts['exposures'], 'exposure')} in, {counts['quarantined']} to quarantine, {entered}{left}, "
        f"{counts['seconds']:g} s"
    )
