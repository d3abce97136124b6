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
    def read(cls, _catalog, prediction_id):
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


def test_an_account_that_is_switched_off_is_out_within_half_a_minute(monkeypatch):
    now, dan = [1000.0], SimpleNamespace(name="dan", active=True)
    monkeypatch.setattr(context, "time", SimpleNamespace(monotonic=lambda: now[0]))
    accounts = context.Accounts(SimpleNamespace(users=lambda: [dan, SimpleNamespace(name="amy", active=True)]))
    assert accounts.user("dan") is dan
    dan.active = False
    now[0] += 29
    assert accounts.user("dan") is dan  # what this test is about: it is not read at every request
    now[0] += 1.001
    assert accounts.user("dan") is None
    assert accounts.user("amy").active
