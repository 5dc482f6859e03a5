"""The pack cache's scratch directories outlive nobody and are never taken from the living."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from openhood.infra.packcache import PackCache
from openhood.plugins.objects_local import open_store

_HOLD = """
import sys
from pathlib import Path
from openhood.infra.packcache import PackCache
from openhood.plugins.objects_local import open_store
cache = PackCache(Path(sys.argv[1]) / "git", open_store((Path(sys.argv[1]) / "objects").as_uri()))
(cache.scratch / "half-built.pack").write_bytes(b"x")
print(cache.scratch, flush=True)
sys.stdin.read()
"""


def _age(path: Path) -> None:
    os.utime(path, (0, 0))


def test_what_a_killed_process_left_is_swept_and_the_living_keep_theirs(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        store = open_store((tmp_path / "objects").as_uri())
        PackCache(tmp_path / "git", store)
        assert (left / "half-built.pack").exists()
        process.kill()
        process.wait()
        PackCache(tmp_path / "git", store)
        assert not left.exists()


def test_a_directory_being_made_is_left_alone(tmp_path: Path) -> None:
    store = open_store((tmp_path / "objects").as_uri())
    PackCache(tmp_path / "git", store)
    fresh = tmp_path / "git" / "scratch" / "fresh"
    fresh.mkdir()
    PackCache(tmp_path / "git", store)
    assert fresh.exists()
    _age(fresh)
    PackCache(tmp_path / "git", store)
    assert not fresh.exists()
