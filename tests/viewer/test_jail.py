"""What a worker can reach: the files it was given and the libraries, and nothing else that lies on the machine.

Where the kernel cannot confine it there is nothing to see, and the tests are left out.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from openhood.app import TABLE_PROCESS
from openhood.engines.tables.jail import landlock_version
from openhood.infra.workers import Lane, WorkerRefused, Workers
from viewer import samples
from viewer.conftest import Desk

_CONFINED = """
import os, socket, sys
import duckdb, polars
from openhood.engines.tables import jail
given, out, secret, port = sys.argv[1:]
held = os.open(secret, os.O_PATH)
jail.confine({"memory_bytes": 2**33, "file_bytes": 2**30}, read=[given], write=[out])
tries = {
    "read": lambda: open(given + "/a", "rb").read(),
    "write": lambda: open(out + "/a", "wb").write(b"x"),
    "folder": lambda: os.mkdir(out + "/folder"),
    "rename": lambda: os.rename(out + "/a", out + "/b"),
    "remove": lambda: os.remove(out + "/b"),
    "write what is given": lambda: open(given + "/b", "wb"),
    "secret": lambda: open(secret, "rb").read(),
    "link": lambda: os.symlink(secret, out + "/link"),
    "hard link": lambda: os.link(secret, out + "/hard"),
    "pipe": lambda: os.mkfifo(out + "/pipe"),
    "passwords": lambda: open("/etc/passwd", "rb").read(),
    "open again": lambda: open(f"/proc/self/fd/{held}", "rb").read(),
    "read by DuckDB": lambda: duckdb.sql(f"FROM read_text('{given}/a')").fetchall(),
    "secret by DuckDB": lambda: duckdb.sql(f"FROM read_text('{secret}')").fetchall(),
    "passwords by DuckDB": lambda: duckdb.sql("FROM read_csv('/etc/passwd')").fetchall(),
    "written by DuckDB": lambda: duckdb.sql(f"COPY (SELECT 1) TO '{given}/c.csv'"),
    "secret by polars": lambda: polars.scan_csv(secret).collect(),
    "environment of another": lambda: open(f"/proc/{os.getppid()}/environ", "rb").read(),
    "signal": lambda: os.kill(os.getppid(), 0),
    "connection": lambda: socket.create_connection(("127.0.0.1", int(port)), timeout=5),
}
for name, attempt in tries.items():
    try:
        attempt()
        print(name)
    except (OSError, duckdb.Error, polars.exceptions.PolarsError):
        pass
"""


def _is_confined() -> bool:
    return sys.platform == "linux" and landlock_version() > 0


pytestmark = pytest.mark.skipif(not _is_confined(), reason="this kernel has no Landlock")


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """A directory to be read, one to be written to, and one with a secret."""
    found = {name: tmp_path / name for name in ("given", "out", "secret")}
    for place in found.values():
        place.mkdir()
        (place / "a").write_text("words")
    return found


def test_what_a_confined_process_can_do(places: dict[str, Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        arguments = (str(places["given"]), str(places["out"]), str(places["secret"] / "a"), port)
        done = subprocess.run(
            [sys.executable, "-P", "-c", _CONFINED, *arguments], capture_output=True, text=True, check=True
        )
    # Older kernels confine neither signals (before version 6) nor connections (before 4).
    version = landlock_version()
    more = [*(["signal"] if version < 6 else []), *(["connection"] if version < 4 else [])]
    assert done.stdout.splitlines() == [
        "read",
        "write",
        "folder",
        "rename",
        "remove",
        "read by DuckDB",
        *more,
    ]


@pytest.fixture
def workers(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    """Workers of a hub that was started in the directory with the secret."""
    monkeypatch.chdir(places["secret"])
    config = {"memory_bytes": 2**33, "file_bytes": 2**30}
    started = Workers(TABLE_PROCESS, lanes=[Lane("page", 2)], most=2, config=config)
    yield started
    started.close()


def _source(path: Path) -> dict[str, object]:
    return {"name": "a", "key": "a", "size": 5, "path": str(path), "whole": True}


def _head(workers: Workers, path: Path, *, reads: Sequence[Path], key: int = 1) -> bytes:
    """Return what a worker reads of one file, where its task was given others."""
    request = {"op": "echo", "params": {"head": 5}, "sources": [_source(path)], "out": None}
    given = [str(each) for each in reads]
    return workers.run(key, request, reads=given, need=lambda *_given: None, lane="page", seconds=30).body


def test_where_the_hub_was_started_is_no_library(places: dict[str, Path], workers: Workers) -> None:
    given = places["given"] / "a"
    assert _head(workers, given, reads=[given]) == b"words"
    assert os.getcwd() == str(places["secret"])
    with pytest.raises(WorkerRefused, match="Permission denied"):
        _head(workers, places["secret"] / "a", reads=[given])


def test_a_worker_reads_the_files_it_was_given_and_none_beside_them(
    places: dict[str, Path], workers: Workers
) -> None:
    given, beside = places["given"] / "a", places["given"] / "b"
    beside.write_text("other")
    assert _head(workers, given, reads=[given]) == b"words"
    for closed in (beside, Path("/etc/passwd")):
        with pytest.raises(WorkerRefused, match="Permission denied"):
            _head(workers, closed, reads=[given])
    # A task that is given it has a worker that may; and what was given before is given still.
    assert _head(workers, beside, reads=[beside]) == b"other"
    assert _head(workers, given, reads=[beside]) == b"words"
    with pytest.raises(WorkerRefused, match="Permission denied"):
        _head(workers, beside, reads=[given], key=2)


def test_a_file_that_was_made_again_at_its_path_is_read_anew(
    places: dict[str, Path], workers: Workers
) -> None:
    """As copies of far-away files are, when the cache needed their room."""
    given = places["given"] / "a"
    assert _head(workers, given, reads=[given]) == b"words"
    given.unlink()
    given.write_text("anew!")
    assert _head(workers, given, reads=[given]) == b"anew!"


def test_who_makes_files_ends_with_its_task(places: dict[str, Path], workers: Workers) -> None:
    """Else a worker could change what it made after somebody took it for good."""
    given, out = places["given"] / "a", places["out"]

    def pid(writes: Path | None) -> int:
        request = {"op": "echo", "params": {"head": 5}, "sources": [_source(given)], "out": None}
        where = None if writes is None else str(writes)
        answer = workers.run(
            1, request, reads=[str(given)], writes=where, need=lambda *_given: None, lane="page", seconds=30
        )
        found = answer.facts["pid"]
        assert isinstance(found, int)
        return found

    ordinary = pid(None)
    assert pid(None) == ordinary
    wrote = pid(out)
    assert wrote != ordinary
    assert not Path(f"/proc/{wrote}").exists()
    assert pid(None) == ordinary


# --- in a hub -------------------------------------------------------------------------------


def test_the_worker_of_a_dataset_reads_no_other_and_nothing_of_the_hub_regression(desk: Desk) -> None:
    """Workers were let into the whole object store and the whole cache once."""
    datasets = [
        desk.make({"data/train.parquet": samples.parquet(samples.table(rows))}, lfs=True) for rows in (20, 30)
    ]
    for dataset in datasets:
        asked = {"config": "default", "split": "train"}
        assert desk.alice.get(f"/api/datasets/{dataset}/viewer/rows", params=asked).status_code == 200
    hub = desk.hub
    stored = sorted(path for path in (hub.data_dir / "objects").rglob("*") if path.is_file())
    ours, theirs = (
        next(path for path in stored if path.read_bytes() == samples.parquet(samples.table(rows)))
        for rows in (20, 30)
    )
    assert _head(hub.sv.tables, ours, reads=[ours]) == b"PAR1\x15"
    kept = [path for path in hub.data_dir.rglob("*") if path.is_file() and path != ours]
    assert theirs in kept
    for closed in kept:
        with pytest.raises(WorkerRefused, match="Permission denied"):
            _head(hub.sv.tables, closed, reads=[ours])
