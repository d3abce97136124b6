"""How far a step has come, where there is no terminal: lines, and not many."""

import pytest

from triptych.app.verbs import progress


class Clock:
    """A clock that the test sets."""

    now = 100.0

    def __call__(self):
        return self.now


def test_a_step_says_its_start_and_end_and_a_line_each_ten_seconds_between(capsys):
    clock = Clock()
    with progress.lines("embed", clock) as report:
        assert capsys.readouterr().err == "embed ...\n"
        for second in range(26):
            clock.now = 100.0 + second
            report(100 * second, 4_000)
        assert capsys.readouterr().err == "embed: 1,000 of 4,000 after 10 s\nembed: 2,000 of 4,000 after 20 s\n"
        clock.now += 3_600
        report(4_000, 4_000, "exposure 12 [of run/a]")
        assert capsys.readouterr().err == "embed: 4,000 of 4,000 after 1:00:25, exposure 12 [of run/a]\n"
        clock.now += 5
    assert capsys.readouterr().err == "embed: done in 1:00:30\n"


def test_a_short_step_is_two_lines(capsys):
    clock = Clock()
    with progress.lines("train", clock) as report:
        for done in range(1000):
            report(done, 1000, "learners")
        clock.now += 185
    assert capsys.readouterr().err == "train ...\ntrain: done in 3:05\n"


def test_a_step_that_fails_is_not_said_to_be_done(capsys):
    with pytest.raises(ValueError, match="no"), progress.lines("train", Clock()):
        raise ValueError("no")
    assert capsys.readouterr().err == "train ...\n"


def test_a_long_line_stays_one(capsys):
    with progress.lines("ingest " * 40, Clock()):
        pass
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_without_a_terminal_a_bar_is_lines(capsys):
    with progress.bar("predict") as report:
        report(1, 2)
    assert capsys.readouterr().err.splitlines() == ["predict ...", "predict: done in 0 s"]


def test_on_a_terminal_a_bar_is_drawn(monkeypatch, capsys):
    monkeypatch.setattr(progress, "console", progress.Console(stderr=True, force_terminal=True, width=100))
    with progress.bar("predict") as report:
        report(1, 2)
    assert "1/2" in capsys.readouterr().err
