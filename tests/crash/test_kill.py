"""``kill -9`` of the whole hub at random moments: nothing acknowledged is lost, and every retry succeeds."""

from __future__ import annotations

from pathlib import Path

from crash.rounds import kill_again_and_again
from crash.site import choose_seed


def test_killed_five_times_at_random_moments(tmp_path: Path) -> None:
    site = kill_again_and_again(tmp_path, seed=choose_seed(), kills=5, longest_s=1.5)

    assert sum(site.interrupted.values()) >= 5
    assert sum(site.acknowledged.values()) > 50
