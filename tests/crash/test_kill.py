"""``kill -9`` of the whole hub at random moments: nothing acknowledged is lost, and every retry succeeds."""

from __future__ import annotations

from pathlib import Path

from crash.rounds import CHUNK_KINDS, IN_A_HURRY, kill_again_and_again
from crash.site import choose_seed


def test_killed_five_times_at_random_moments(tmp_path: Path) -> None:
    site = kill_again_and_again(tmp_path, seed=choose_seed(), kills=5, longest_s=1.5)

    assert sum(site.interrupted.values()) >= 5
    assert sum(site.acknowledged.values()) > 50


def test_killed_while_chunks_come_and_go(tmp_path: Path) -> None:
    """Uploads by Xet and LFS, conversion, and garbage collection in a process of its own, all at once."""
    site = kill_again_and_again(
        tmp_path,
        seed=choose_seed(),
        kills=2,
        longest_s=1.5,
        env=IN_A_HURRY,
        kinds=CHUNK_KINDS,
        beside=["collect"],
    )

    assert site.acknowledged["shard"] > 5
    assert site.acknowledged["xet commit"] > 5
