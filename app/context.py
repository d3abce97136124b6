"""What every room, route and session of one server process shares: the run, the label store, the survey tables."""

import hashlib
import logging
import secrets
import threading
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field

from triptych.app.oauth.provider import Provider
from triptych.app.survey.record import Record
from triptych.app.survey.survey import Survey
from triptych.app.web.place import Place
from triptych.app.web.tries import Tries
from triptych.pipeline.catalog.catalog import Catalog
from triptych.pipeline.errors import StoreAway
from triptych.pipeline.store.store import LabelStore

log = logging.getLogger("triptych")

SURVEYS_KEPT = 3  # tables in memory: of the current predictions, and of earlier ones that open pages still show
AWAY_SECONDS = 600.0  # for this long a session waits for its page, also for a computer that sleeps
PULSE_SECONDS = 1.0
JOBS_SHOWN = 20
RIGHTS_SECONDS = 1.5  # for this long a server believes what it has read of accounts and logins
SEEN_SECONDS = 300.0  # between two notes in the store that a login is in use


@dataclass(frozen=True)
class Pulse:
    """What may change while pages are open. It is read once a second, for all pages together."""

    revision: int
    prediction_id: str
    jobs: tuple[dict, ...] = ()


class Accounts:
    """Who may do what now: active users and open logins, at most RIGHTS_SECONDS old. Thread-safe."""

    def __init__(self, store):
        self.store = store
        self._lock = threading.Lock()
        self._users, self._logins = {}, {}
        self._read_time = -RIGHTS_SECONDS  # when the reading began that they come from
        self._changed_time = -RIGHTS_SECONDS  # what was read before is out of date
        self._seen, self._noted = set(), {}  # logins used since the last note; login_id -> time of its last note

    def user(self, name):
        """The active pipeline.store.accounts.User of that name, or None."""
        with self._lock:
            self._read_if_old(name not in self._users)
            return self._users.get(name)

    def login(self, login_id):
        """The User and the Login (of pipeline.store) of an open login; (None, None) if it has ended."""
        with self._lock:
            self._read_if_old(login_id not in self._logins)
            login = self._logins.get(login_id)
            if login is None:
                return None, None
            self._seen.add(login_id)
            return self._users[login.name], login

    def refresh(self):
        """Read accounts and logins now, and note in the store which logins are in use. Requests do not wait for it."""
        now, rights = time.monotonic(), self.store.rights()
        with self._lock:
            self._take(now, rights)
            last = {login_id: self._noted.get(login_id, -SEEN_SECONDS) for login_id in self._seen & self._logins.keys()}
            used = [login_id for login_id, noted in last.items() if now - noted >= SEEN_SECONDS]
            self._seen.clear()
            self._noted = {login_id: at for login_id, at in self._noted.items() if login_id in self._logins}
            self._noted.update(dict.fromkeys(used, now))
        if used:
            self.store.logins_seen(used)

    def forget(self):
        """Read accounts and logins again at the next request, because one was changed."""
        with self._lock:
            self._changed_time = time.monotonic()

    def _read_if_old(self, unknown):
        now = time.monotonic()
        if unknown or now - self._read_time > RIGHTS_SECONDS or self._read_time <= self._changed_time:
            self._take(now, self.store.rights())

    def _take(self, read_time, rights):
        if read_time >= self._read_time:
            self._read_time, (self._users, self._logins) = read_time, rights


@dataclass
class AppContext:
    """What one server process shares. The server makes it and gives it to every route, session and view.

    catalog : the run; pages only read it
    store : the label store; pages change nothing else
    secret : signs cookies and sessions. It is kept beside the run, so that a login survives a restart
    blind : nobody who votes gets the model's opinion of an exposure before their own vote
    boot_id : new at every start of the server
    away_seconds : for this long a page whose connection is lost may come back as it was; later it loads again
    place : where the run is on its server
    oauth : the OAuth provider that also says who somebody is, None = only passwords do
    """

    catalog: Catalog
    store: LabelStore
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    secure_cookies: bool = False
    blind: bool = False
    boot_id: str = field(default_factory=lambda: secrets.token_hex(8))
    away_seconds: float = AWAY_SECONDS
    place: Place = field(default_factory=Place)
    oauth: Provider | None = None

    def __post_init__(self):
        self.accounts = Accounts(self.store)
        self.record = Record(self.store)
        self._lock = threading.RLock()
        self._reading = threading.Lock()  # held while tables are read; requests for other tables go on
        self._surveys: OrderedDict[str, Survey] = OrderedDict()
        self._accepted: dict[str, str] = {}
        self._pages = Counter()
        self._seen: dict[str, set[int]] = {}  # user -> expnums of which the store has noted that they saw the votes
        self.looks: set[tuple[str, int]] = set()  # (user, expnum) whose evidence this server has sent
        self.queues: dict[str, dict] = {}  # user -> order, packet and places of the queue that they were sent last
        self.tries = Tries()
        self.sockets = set()  # app.web.sockets.SocketHandler of every open page
        self.lines = {}  # id of a line -> app.web.lines.Line of a page that is open, or that may come back
        self.documents: dict[str, str] = {}  # id of a page's document -> its page_id
        self._looked = -PULSE_SECONDS
        self._current = ""
        self._pulse = None
        self._pulse_time = -PULSE_SECONDS

    @property
    def run_key(self):
        """The name of this run in the job table. Several runs may share one label store."""
        return str(self.catalog.path)

    def page_id(self, user, login):
        """What a page must have been made with to be answered: this server's start, its login, and the role.

        user : pipeline.store.accounts.User    login : pipeline.store.logins.Login
        """
        made_with = f"{self.boot_id} {login.login_id} {user.role}"
        return hashlib.sha256(made_with.encode()).hexdigest()[:16]

    def survey(self, prediction_id=None):
        """The tables under one prediction stage. Thread-safe.

        prediction_id : stage id; '' = tables without predictions, None = the run's current prediction

        This looks at the run folder at most once a second, because hundreds of pictures may ask at the same time.
        While new tables are read, a request for the current ones gets the tables that were used last.
        """
        with self._lock:
            fresh = time.monotonic() - self._looked < PULSE_SECONDS
            if not fresh:
                self._looked = time.monotonic()
                self._current = Survey.current_prediction(self.catalog)
            last = next(reversed(self._surveys.values()), None)
            wanted = self._current if prediction_id is None else prediction_id
            survey = self._surveys.get(wanted)
            if survey is not None:
                self._surveys.move_to_end(wanted)
        if survey is None and prediction_id is None and last is not None and self._reading.locked():
            return last
        if survey is None or (not fresh and survey.outdated()):
            return self._read(wanted, survey)
        return survey

    def _read(self, prediction_id, instead_of):
        """Read tables that are not in memory or have changed. Several requests at once cause one reading."""
        with self._reading:
            with self._lock:
                known = self._surveys.get(prediction_id)
            if known is not None and known is not instead_of:
                return known
            with self._lock:
                like = next(reversed(self._surveys.values()), None)
            survey = Survey.read(self.catalog, prediction_id, like)
            with self._lock:
                self._surveys[prediction_id] = survey
                self._surveys.move_to_end(prediction_id)
                while len(self._surveys) > SURVEYS_KEPT:
                    self._surveys.popitem(last=False)
            return survey

    def survey_for(self, user):
        """The tables that this user's pages show: those that they accepted last, or else the current ones.

        user : pipeline.store.accounts.User
        """
        with self._lock:
            accepted = self._accepted.get(user.name)
        return self.survey(accepted)

    def accepted_by(self, name):
        """Id of the prediction stage that the pages of this user show, None = they have no page open."""
        with self._lock:
            return self._accepted.get(name)

    def accept(self, user, prediction_id):
        """Show these predictions on this user's pages from now on. Returns their Survey."""
        survey = self.survey(prediction_id)
        with self._lock:
            self._accepted[user.name] = prediction_id
        return survey

    def page_opened(self, user):
        """Keep the predictions of a user who opens a page fixed, so that colours do not change as they look."""
        shown = self.survey().prediction_id
        with self._lock:
            self._pages[user.name] += 1
            self._accepted.setdefault(user.name, shown)

    def page_closed(self, user):
        """Note that a page was closed. After the last one, the user's next page shows the current predictions."""
        with self._lock:
            self._pages[user.name] -= 1
            if self._pages[user.name] <= 0:
                del self._pages[user.name]
                self._accepted.pop(user.name, None)

    def note_seen(self, user, expnums):
        """Note in the store that this user is shown others' answers on these exposures: see Viewer.note_seen."""
        with self._lock:
            new = {int(expnum) for expnum in expnums} - self._seen.setdefault(user.name, set())
        if new:
            self.store.note_reveals(user.name, self.catalog.camera, new)
            with self._lock:
                self._seen[user.name] |= new

    def pulse(self):
        """Revision of the store, current prediction and jobs, at most a second old. Thread-safe.

        While the store cannot be used, the last one stays.
        """
        with self._lock:
            if self._pulse is None or time.monotonic() - self._pulse_time >= PULSE_SECONDS:
                self._pulse_time = time.monotonic()
                try:
                    self._pulse = self._read_pulse()
                except StoreAway as error:
                    if self._pulse is None:
                        raise
                    log.warning("%s", error)
            return self._pulse

    def _read_pulse(self):
        jobs = self.store.jobs(run=self.run_key).head(JOBS_SHOWN).iloc[::-1].to_dict("records")
        return Pulse(int(self.store.revision()), Survey.current_prediction(self.catalog), tuple(jobs))
