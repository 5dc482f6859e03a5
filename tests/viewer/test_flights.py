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
