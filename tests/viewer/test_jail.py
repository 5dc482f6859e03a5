"""What a worker can reach: the directories it was given and the libraries, and nothing else that lies on the machine.

Where the kernel cannot confine it there is nothing to see, and the tests are left out.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from openhood.app import TABLE_PROCESS
from openhood.infra.workers import Lane, WorkerRefused, Workers

_CREATE_RULESET = 444
_CONFINED = """
import os, sys
from openhood.engines.tables import jail
given, out, secret = sys.argv[1:]
jail.confine({"memory_bytes": 2**33, "file_bytes": 2**30, "read": [given], "write": [out]})
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
}
for name, attempt in tries.items():
    try:
        attempt()
        print(name)
    except OSError:
        pass
"""


def _is_confined() -> bool:
    return sys.platform == "linux" and ctypes.CDLL(None).syscall(_CREATE_RULESET, None, 0, 1) > 0


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
    arguments = (str(places["given"]), str(places["out"]), str(places["secret"] / "a"))
    done = subprocess.run(
        [sys.executable, "-P", "-c", _CONFINED, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["read", "write", "folder", "rename", "remove"]


@pytest.fixture
def workers(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    """Workers of a hub that was started in the directory with the secret."""
    monkeypatch.chdir(places["secret"])
    config = {
        "memory_bytes": 2**33,
        "file_bytes": 2**30,
        "read": [str(places["given"])],
        "write": [str(places["out"])],
    }
    started = Workers(TABLE_PROCESS, lanes=[Lane("page", 2)], most=2, config=config)
    yield started
    started.close()


def test_where_the_hub_was_started_is_no_library(places: dict[str, Path], workers: Workers) -> None:
    def head(path: Path) -> bytes:
        source = {"name": "a", "key": "a", "size": 5, "path": str(path), "whole": True}
        request = {"op": "echo", "params": {"head": 5}, "sources": [source], "out": None}
        return workers.run(1, request, need=lambda *_given: None, lane="page", seconds=30).body

    assert head(places["given"] / "a") == b"words"
    assert os.getcwd() == str(places["secret"])
    with pytest.raises(WorkerRefused, match="Permission denied"):
        head(places["secret"] / "a")
