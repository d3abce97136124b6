"""What one server process shares: new tables are read once, and nobody who has tables already waits for them."""

import threading
from types import SimpleNamespace

import pytest

from triptych.app import context

USER = SimpleNamespace(name="amy")


class Tables:
    """Stands for app.survey.survey.Survey: reading `slow` ones ends when the test says so."""

    def __init__(self, prediction_id):
        self.prediction_id = prediction_id

    @classmethod
    def current_prediction(cls, _catalog):
        return cls.current

    @classmethod
    def read(cls, _catalog, prediction_id, _like):
        cls.reads.append(prediction_id)
        if prediction_id == cls.slow:
            assert cls.go_on.wait(30)
        return cls(prediction_id)

    def outdated(self):
        return self in self.outdated_ones


@pytest.fixture
def tables(monkeypatch):
    fresh = {"current": "first", "reads": [], "slow": "second", "go_on": threading.Event(), "outdated_ones": set()}
    tables = type("Tables", (Tables,), fresh)
    monkeypatch.setattr(context, "Survey", tables)
    monkeypatch.setattr(context, "PULSE_SECONDS", 0.0)
    yield tables
    tables.go_on.set()


@pytest.fixture
def app(tables):
    return context.AppContext(catalog=None, store=None)


def start(work):
    found = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    return thread, found


def wait_until_read(tables, prediction_id):
    for _ in range(3000):
        if prediction_id in tables.reads:
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"{prediction_id} was never read")


def test_while_new_tables_are_read_everybody_goes_on_with_those_before(app, tables):
    app.page_opened(USER)
    tables.current = "second"
    reader, found = start(app.survey)
    wait_until_read(tables, "second")
    others = [start(lambda: app.survey_for(USER)), start(app.survey), start(lambda: app.page_opened(USER))]
    for thread, _found in others:
        thread.join(10)
        assert not thread.is_alive(), "it waited for tables that it does not need"
    assert [answers[0].prediction_id for _thread, answers in others[:2]] == ["first", "first"]
    tables.go_on.set()
    reader.join(10)
    assert found[0].prediction_id == app.survey().prediction_id == "second"
    assert app.survey_for(USER).prediction_id == "first", "accepted is accepted"


def test_the_same_tables_are_read_once_though_several_ask(app, tables):
    askers = [start(lambda: app.survey("second")) for _ in range(4)]
    wait_until_read(tables, "second")
    tables.go_on.set()
    for thread, _found in askers:
        thread.join(10)
    assert tables.reads == ["second"]
    assert len({id(found[0]) for _thread, found in askers}) == 1


def test_tables_that_changed_are_read_again_once(app, tables):
    before = app.survey()
    tables.outdated_ones.add(before)
    after = app.survey()
    assert after is not before
    assert app.survey() is after
    assert tables.reads == ["first", "first"]


def test_the_tables_used_last_stay(app, tables):
    tables.slow = ""
    for name in ("a", "b", "c", "a", "d"):
        app.survey(name)
    app.survey("a")
    assert tables.reads == ["a", "b", "c", "d"]
    app.survey("b")
    assert tables.reads == ["a", "b", "c", "d", "b"]


class Rights:
    """Stands for the store: accounts by name, logins by login_id, and which logins it heard of."""

    def __init__(self):
        self.users = {name: SimpleNamespace(name=name) for name in ("dan", "amy")}
        self.open = {"of dan": SimpleNamespace(login_id="of dan", name="dan")}
        self.seen = []

    def rights(self):
        return dict(self.users), {key: login for key, login in self.open.items() if login.name in self.users}

    def logins_seen(self, login_ids):
        self.seen += login_ids


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(context, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_an_account_that_is_switched_off_is_out_within_two_seconds(clock):
    store = Rights()
    accounts = context.Accounts(store)
    dan = accounts.user("dan")
    assert accounts.login("of dan") == (dan, store.open["of dan"])
    del store.users["dan"]
    assert accounts.user("dan") is dan  # it is not read at every request
    clock[0] += context.RIGHTS_SECONDS + 0.001
    assert context.RIGHTS_SECONDS < 2
    assert accounts.user("dan") is None
    assert accounts.login("of dan") == (None, None)
    assert accounts.user("amy")


def test_a_login_that_another_server_began_or_ended_is_known(clock):
    store = Rights()
    accounts = context.Accounts(store)
    assert accounts.login("of amy") == (None, None)
    store.open["of amy"] = SimpleNamespace(login_id="of amy", name="amy")
    assert accounts.login("of amy")[0].name == "amy"
    del store.open["of amy"]
    accounts.refresh()
    assert accounts.login("of amy") == (None, None)


def test_the_store_hears_now_and_then_which_logins_are_in_use(clock):
    store = Rights()
    accounts = context.Accounts(store)
    accounts.refresh()
    assert store.seen == []
    for _ in range(3):
        accounts.login("of dan")
        accounts.refresh()
    assert store.seen == ["of dan"]
    clock[0] += context.SEEN_SECONDS
    accounts.login("of dan")
    accounts.refresh()
    assert store.seen == ["of dan", "of dan"]


def test_a_request_does_not_wait_while_rights_are_read_again():
    store, going, done = Rights(), threading.Event(), threading.Event()
    accounts = context.Accounts(store)
    assert accounts.user("amy")
    quick = store.rights

    def slow():
        found = quick()
        going.set()
        assert done.wait(60)
        return found

    store.rights = slow
    reader = threading.Thread(target=accounts.refresh, daemon=True)
    reader.start()
    assert going.wait(60)
    answer, asked = [], threading.Thread(target=lambda: answer.append(accounts.user("amy")), daemon=True)
    asked.start()
    asked.join(20)
    meanwhile = list(answer)
    done.set()
    reader.join(60)
    assert [user.name for user in meanwhile] == ["amy"]


def test_what_was_read_before_a_change_is_not_believed_after_it(clock):
    store = Rights()
    accounts = context.Accounts(store)
    assert accounts.login("of dan")[0]
    del store.open["of dan"]
    accounts.forget()
    assert accounts.login("of dan") == (None, None)
    clock[0] += 0.5
    late = store.rights

    def ended_meanwhile():
        found = late()
        clock[0] += 0.1
        store.users.pop("amy")
        accounts.forget()
        return found

    store.rights = ended_meanwhile
    accounts.refresh()
    store.rights = late
    assert accounts.user("amy") is None
