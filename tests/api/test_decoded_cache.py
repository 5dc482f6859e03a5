"""The cache of joined files: bounded, shared by processes, and none the worse for a process that is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from openhood.base.errors import CorruptObject
from openhood.infra import decoded
from openhood.infra.decoded import DecodedCache

MB = 1_000_000


def fill(cache: DecodedCache, name: str, data: bytes) -> bool:
    filling = cache.begin(name, size_bytes=len(data))
    if filling is None:
        return False
    for at in range(0, len(data), 300_000):
        filling.write(at, memoryview(data)[at : at + 300_000])
    return True


def content(seed: int, size: int = MB) -> bytes:
    return random.Random(seed).randbytes(size)


def held(root: Path) -> set[str]:
    return {path.name for path in (root / "files").glob("*/*")}


def test_a_file_is_there_once_every_byte_is(tmp_path: Path) -> None:
    cache = DecodedCache(tmp_path, 10 * MB)
    data = content(1)
    filling = cache.begin("aa1", size_bytes=MB)
    assert filling is not None
    # In any order, as several threads decode.
    filling.write(500_000, memoryview(data)[500_000:])
    assert cache.find("aa1", size_bytes=MB) is None
    filling.write(0, memoryview(data)[:500_000])
    found = cache.find("aa1", size_bytes=MB)
    assert found is not None
    assert found.read_bytes() == data
    assert not list((tmp_path / "scratch").iterdir())
    # Another process of this machine finds it as well.
    assert DecodedCache(tmp_path, 10 * MB).find("aa1", size_bytes=MB) == found
    cache.forget("aa1")
    cache.forget("aa1")
    assert cache.find("aa1", size_bytes=MB) is None


def test_one_filling_of_a_file_at_a_time(tmp_path: Path) -> None:
    cache = DecodedCache(tmp_path, 10 * MB)
    filling = cache.begin("aa1", size_bytes=MB)
    assert filling is not None
    assert cache.begin("aa1", size_bytes=MB) is None
    filling.close()
    filling.close()
    filling.write(0, memoryview(content(1)))
    assert not list((tmp_path / "scratch").iterdir())
    assert held(tmp_path) == set()
    dropped = cache.begin("aa1", size_bytes=MB)
    assert dropped is not None
    del dropped
    assert not list((tmp_path / "scratch").iterdir())
    assert fill(cache, "aa1", content(1))


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    cache = DecodedCache(tmp_path, 4 * MB + MB // 2)
    for number in range(4):
        assert fill(cache, f"aa{number}", content(number))
        os.utime(tmp_path / "files" / "aa" / f"aa{number}", (0, 1000 + number))
    assert cache.find("aa0", size_bytes=MB) is not None  # a use
    assert fill(cache, "aa4", content(4))
    assert held(tmp_path) == {"aa0", "aa2", "aa3", "aa4"}


def test_large_and_small_files_stay_out(tmp_path: Path) -> None:
    cache = DecodedCache(tmp_path, 8 * MB)
    assert cache.begin("aa1", size_bytes=2 * MB + 1) is None
    assert cache.begin("aa1", size_bytes=decoded.MIN_FILE_BYTES - 1) is None
    assert cache.begin("aa1", size_bytes=2 * MB) is not None
    for size in (2 * MB + 1, decoded.MIN_FILE_BYTES - 1):
        for _ in range(5):
            assert not cache.note_read("aa2", size_bytes=size, length=size)


def test_nothing_is_joined_where_the_disk_is_nearly_full(tmp_path: Path) -> None:
    full = DecodedCache(tmp_path, 10 * MB, min_free=1.0)
    assert full.begin("aa1", size_bytes=MB) is None
    assert fill(DecodedCache(tmp_path, 10 * MB), "aa1", content(1))
    # What is there already is used.
    assert full.find("aa1", size_bytes=MB) is not None


def test_a_file_is_worth_it_when_it_was_decoded_once(tmp_path: Path) -> None:
    cache = DecodedCache(tmp_path, 100 * MB)
    assert not cache.note_read("aa1", size_bytes=MB, length=MB)
    assert cache.note_read("aa1", size_bytes=MB, length=10)
    # Many short ranges cost a chunk each.
    answers = [cache.note_read("aa2", size_bytes=MB, length=10) for _ in range(20)]
    assert answers.index(True) == 16
    assert all(answers[16:])


def test_a_filler_that_fails_leaves_nothing(tmp_path: Path) -> None:
    cache = DecodedCache(tmp_path, 10 * MB)

    def read() -> Iterator[memoryview]:
        yield memoryview(content(1, 400_000))
        raise CorruptObject("A chunk is damaged.")

    assert cache.fill_later("aa1", size_bytes=MB, read=read)
    cache.wait()
    assert held(tmp_path) == set()
    assert not list((tmp_path / "scratch").iterdir())
    assert cache.fill_later("aa1", size_bytes=MB, read=lambda: iter([memoryview(content(1))]))
    cache.wait()
    assert held(tmp_path) == {"aa1"}


_HOLDER = """
import sys, time
from pathlib import Path
from openhood.infra.decoded import DecodedCache
filling = DecodedCache(Path(sys.argv[1]), 10_000_000).begin("aa1", size_bytes=1_000_000)
filling.write(0, memoryview(bytes(1000)))
print("ready", flush=True)
time.sleep(60)
"""


def test_what_a_killed_process_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    def hold() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    killed = hold()
    (left,) = (tmp_path / "scratch").iterdir()
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    living = hold()
    try:
        for path in (tmp_path / "scratch").iterdir():
            os.utime(path, (time.time() - 3600, time.time() - 3600))
        DecodedCache(tmp_path, 10 * MB)
        remaining = list((tmp_path / "scratch").iterdir())
        assert len(remaining) == 1
        assert left not in remaining
    finally:
        living.kill()
        living.communicate()
