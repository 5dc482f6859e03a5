"""Folding packs: nothing lost, whoever commits, reads or dies meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from api.desk import Desk, file, header
from openhood.base.settings import GitLimits
from openhood.domain.repos import folding, gitdb, publish
from openhood.domain.repos.folding import PackRow, choose
from openhood.engines.git.commands import fold_packs as run_fold
from openhood.infra import keys
from openhood.infra.db.tables import doomed_objects, packs


@pytest.fixture
def desk(make_hub: Any) -> Desk:
    return Desk(make_hub(git=GitLimits(fold_packs_at=5, retired_pack_grace_s=3600)))


def live(desk: Desk) -> list[str]:
    return _names(desk, packs.c.retired_at.is_(None))


def retired(desk: Desk) -> list[str]:
    return _names(desk, packs.c.retired_at.is_not(None))


def _names(desk: Desk, which: Any) -> list[str]:
    repo = desk.repo
    with desk.hub.sv.db.read() as tx:
        return list(tx.execute(select(packs.c.name).where(packs.c.repo_id == repo.id, which)).scalars())


def stored(desk: Desk) -> set[str]:
    return {found.key for found in desk.hub.sv.objects.list(keys.git_prefix(desk.repo.id))}


def test_the_job_folds_what_commits_pile_up(desk: Desk) -> None:
    oids = [desk.done(file(f"{n}", b"x" * n)) for n in range(6)]
    assert len(live(desk)) == 7
    before = live(desk)
    desk.hub.run_jobs()
    assert len(live(desk)) < 5
    assert set(retired(desk)) <= set(before)
    assert desk.complaints() == []
    assert desk.git("rev-list", "main").split()[:6] == oids[::-1]
    assert desk.client.get("/alice/m/resolve/main/5").text == "xxxxx"


def test_retired_packs_stay_for_slow_readers_and_then_go(desk: Desk) -> None:
    for number in range(6):
        desk.done(file(f"{number}", b"x"))
    desk.hub.run_jobs()
    old = retired(desk)
    assert old
    assert {keys.git_pack(desk.repo.id, name) for name in old} <= stored(desk)
    desk.hub.clock.advance(1800)
    folding.drop_retired_packs(desk.hub.sv, {"repo": desk.repo.id})
    assert retired(desk) == old
    desk.hub.clock.advance(2000)
    desk.hub.run_jobs()
    assert retired(desk) == []
    desk.hub.clock.advance(3700)
    desk.hub.run_jobs()
    expected = {key(desk.repo.id, name) for name in live(desk) for key in (keys.git_pack, keys.git_index)}
    assert stored(desk) == expected
    with desk.hub.sv.db.read() as tx:
        assert tx.execute(select(doomed_objects.c.key)).all() == []
    assert desk.complaints() == []


def test_a_cold_replica_sees_the_folded_repository(desk: Desk) -> None:
    for number in range(6):
        desk.done(file(f"{number}", b"x"))
    desk.hub.run_jobs()
    desk.hub.sv.packs.forget(desk.repo.id)
    desk.hub.sv.object_dbs.drop(desk.hub.sv.packs.directory(desk.repo.id))
    assert desk.complaints() == []
    directory = gitdb.objects_dir(desk.hub.sv, desk.repo)
    assert {found.stem.removeprefix("pack-") for found in directory.glob("pack/*.pack")} == set(live(desk))
    desk.done(file("after", b"x"))
    assert desk.complaints() == []


def test_an_open_handle_survives_the_packs_it_read_from(desk: Desk) -> None:
    oids = [desk.done(file(f"{number}", b"content %d" % number)) for number in range(6)]
    sv = desk.hub.sv
    objects = gitdb.open_objects(sv, desk.repo)
    assert objects.commit(oids[0]).oid == oids[0]
    folding.fold(sv, desk.repo, at=2)
    gitdb.objects_dir(sv, desk.repo)  # a newer reader, for whom the retired packs are taken away
    assert {found.stem.removeprefix("pack-") for found in objects.objects_dir.glob("pack/*.pack")} == set(
        live(desk)
    )
    for number, oid in enumerate(oids):
        tree = objects.commit(oid).tree
        entry = objects.entry_at(tree, str(number))
        assert entry is not None
        assert objects.read(entry.oid)[1] == b"content %d" % number


def test_commits_go_on_while_packs_are_folded(desk: Desk) -> None:
    stop = threading.Event()
    folds = []

    def fold() -> None:
        while not stop.is_set():
            folds.append(folding.fold(desk.hub.sv, desk.repo, at=3))

    def work(number: int) -> list[str]:
        client = desk.hub.client(desk.token)
        return [
            desk.done(header(f"{number}.{turn}"), file(f"{number}/{turn}", b"%d" % turn), client=client)
            for turn in range(8)
        ]

    folder = threading.Thread(target=fold)
    folder.start()
    with ThreadPoolExecutor(4) as pool:
        made = [oid for oids in pool.map(work, range(4)) for oid in oids]
    stop.set()
    folder.join()
    assert any(folds)
    assert set(desk.git("rev-list", "main").split()) >= set(made)
    assert len(set(made)) == 32
    assert desk.complaints() == []


def test_two_folds_at_once_lose_nothing(desk: Desk) -> None:
    for number in range(8):
        desk.done(file(f"{number}", b"x"))
    barrier = threading.Barrier(3)

    def fold(_number: int) -> bool:
        barrier.wait()
        return folding.fold(desk.hub.sv, desk.repo, at=2)

    with ThreadPoolExecutor(3) as pool:
        assert any(pool.map(fold, range(3)))
    desk.hub.clock.advance(10_000)
    desk.hub.run_jobs()
    desk.hub.sv.packs.forget(desk.repo.id)
    assert desk.complaints() == []
    assert {keys.git_pack(desk.repo.id, name) for name in live(desk)} <= stored(desk)


def test_commits_fold_by_themselves_where_the_job_does_not_keep_up(
    desk: Desk,
) -> None:
    for number in range(25):
        desk.done(file(f"{number}", b"x"))
        assert len(live(desk)) <= 20
    assert desk.git("rev-list", "--count", "main").strip() == "26"
    assert desk.complaints() == []


def test_a_pack_given_up_once_is_not_swept_when_it_comes_back(desk: Desk) -> None:
    for number in range(6):
        desk.done(file(f"{number}", b"x"))
    sv, repo = desk.hub.sv, desk.repo
    with publish.bench(sv) as directory:
        folded = run_fold(gitdb.objects_dir(sv, repo), live(desk), directory / "pack")
        assert folded is not None
        with publish.Landing(sv, repo) as landing:
            landing.put(folded)  # and no unit: as when the database went away
    with sv.db.read() as tx:
        assert len(tx.execute(select(doomed_objects.c.key)).all()) == 2
    # The same packs fold to the same pack.
    assert folding.fold(sv, repo, at=2)
    assert folded.name in live(desk)
    desk.hub.clock.advance(20_000)
    desk.hub.run_jobs()
    assert keys.git_pack(repo.id, folded.name) in stored(desk)
    sv.packs.forget(repo.id)
    assert desk.complaints() == []


VICTIM = """
import sys
from pathlib import Path
from openhood.app import build
from openhood.base.names import RepoId, RepoType, parse_path
from openhood.base.settings import Settings
from openhood.domain.access import SYSTEM
from openhood.domain.repos import commits, folding, lookup
from openhood.domain.access import Need
from openhood.domain.repos.operations import AddFile, CommitHeader
import threading

sv = build(Settings(data_dir=Path(sys.argv[1]), secret_key="test", workers=0)).sv
model, repo_id = RepoType.MODEL, RepoId("alice", "m")
with sv.db.read() as tx:
    repo = lookup.find(tx, SYSTEM, model, repo_id, need=Need.READ)

def fold():
    while True:
        folding.fold(sv, repo, at=3)

threading.Thread(target=fold, daemon=True).start()
number = 0
while True:
    number += 1
    made = commits.create_commit(
        sv, SYSTEM, repo_type=model, repo_id=repo_id, revision="main", header=CommitHeader(f"{number}"),
        operations=[AddFile(parse_path(f"{sys.argv[2]}/{number}"), b"x" * number)],
    )
    print(made.commit_oid, flush=True)
"""


def test_killed_while_committing_and_folding_everything_acknowledged_is_there(desk: Desk) -> None:
    acknowledged: list[str] = []
    for turn, patience_s in enumerate((0.05, 0.2, 0.4)):
        victim = subprocess.Popen(
            [sys.executable, "-c", VICTIM, str(desk.hub.data_dir), str(turn)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OPENHOOD_LOG_LEVEL": "error"},
        )
        assert victim.stdout is not None
        acknowledged.append(victim.stdout.readline().strip())
        time.sleep(patience_s)
        victim.kill()
        acknowledged += victim.stdout.read().split()
        victim.wait()
        assert desk.complaints() == []
    assert len(acknowledged) >= 6
    assert set(desk.git("rev-list", "main").split()) >= set(acknowledged)
    desk.hub.sv.packs.forget(desk.repo.id)
    assert desk.complaints() == []
    desk.done(file("after", b"x"))


def test_large_packs_are_left_alone_until_it_pays() -> None:
    def rows(*sizes: int) -> list[PackRow]:
        return [PackRow(f"{place}", size, 1) for place, size in enumerate(sizes)]

    def sizes(*given: int) -> list[int]:
        return [pack.size_bytes for pack in choose(rows(*given))]

    assert sizes(5, 5, 5) == [5, 5, 5]
    assert sizes(1000, 5, 5, 5) == [5, 5, 5]
    assert sizes(20, 5, 5, 5) == [5, 5, 5, 20]
    assert sizes(1, 3, 9, 27) == []
    assert sizes() == []
