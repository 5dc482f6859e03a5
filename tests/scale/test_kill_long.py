"""The crash test at length: more kills on the embedded store, and on PostgreSQL and S3."""

from __future__ import annotations

from pathlib import Path

import pytest

from crash.rounds import CHUNK_KINDS, IN_A_HURRY, count_deleted, kill_again_and_again
from crash.site import choose_seed


@pytest.mark.scale
def test_killed_thirty_times(tmp_path: Path) -> None:
    site = kill_again_and_again(tmp_path, seed=choose_seed(), kills=30, longest_s=2.5)

    assert set(site.interrupted) >= {"commit", "move", "lfs put", "lfs part", "push"}


@pytest.mark.scale
def test_killed_on_postgresql_and_s3(tmp_path: Path, postgres_url: str, s3_url: str) -> None:
    env = {
        "OPENHOOD_DATABASE_URL": postgres_url,
        "OPENHOOD_OBJECTS_URL": s3_url,
        "OPENHOOD_SECRET_KEY": "the same after every start",
    }

    site = kill_again_and_again(tmp_path, seed=choose_seed(), kills=5, longest_s=4, env=env)

    assert sum(site.interrupted.values()) >= 5


@pytest.mark.scale
def test_killed_thirty_times_while_chunks_come_and_go(tmp_path: Path) -> None:
    site = kill_again_and_again(
        tmp_path,
        seed=choose_seed(),
        kills=30,
        longest_s=3,
        env=IN_A_HURRY,
        kinds=CHUNK_KINDS,
        beside=["collect", "convert"],
    )

    assert set(site.interrupted) >= {"xorb", "shard", "xet commit"}
    assert site.acknowledged["xet commit"] > 50
    assert site.acknowledged["converted file"] > 10
    assert count_deleted(site) > 0
