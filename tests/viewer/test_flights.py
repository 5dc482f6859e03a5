"""Computations that many wait for, and the lock that keeps processes from doing them twice."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from openhood.base.errors import TableUnreadable
from openhood.infra import flights


def test_each_who_waits_is_told_on_their_own() -> None:
    def fail() -> None:
        raise TableUnreadable("It is broken.")

    known = flights.Flights()
    errors = []
    for commit in ("one", None):
        with pytest.raises(TableUnreadable, match="broken") as raised:
            known.join("x", fail).wait(10)
        assert "commit" not in raised.value.facts
        if commit is not None:
            raised.value.facts["commit"] = commit
        errors.append(raised.value)
    assert errors[0] is not errors[1]


def test_a_lock_leaves_no_file_and_lets_one_in_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "a.lock"
    inside = most = total = 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most, total
        for _time in range(200):
            with flights.alone(path):
                with guard:
                    inside += 1
                    most = max(most, inside)
                with guard:
                    inside -= 1
                    total += 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, total) == (1, 1200)
    assert list(path.parent.iterdir()) == []


def test_those_who_want_the_same_take_turns_and_others_do_not_wait() -> None:
    known = flights.Flights()
    found: dict[str, int] = {}
    begun, go = threading.Event(), threading.Event()
    made = []

    def work(name: str) -> None:
        with known.turn(name):
            if name not in found:
                made.append(name)
                begun.set()
                go.wait(10)
                found[name] = len(made)

    first = threading.Thread(target=work, args=("a",))
    first.start()
    assert begun.wait(10)
    others = [threading.Thread(target=work, args=("a",)) for _ in range(4)]
    for thread in others:
        thread.start()
    with known.turn("b"):
        made.append("b")
    assert not found
    go.set()
    for thread in (first, *others):
        thread.join(10)
    assert made == ["a", "b"]


def test_a_turn_that_fails_lets_the_next_one_try() -> None:
    known = flights.Flights()
    with pytest.raises(TableUnreadable), known.turn("a"):
        raise TableUnreadable("It is broken.")
    with known.turn("a"):
        pass
