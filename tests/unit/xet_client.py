"""The real hf_xet, uploading into a directory and downloading from it, in a process of its own.

It leaves its xorbs on disk, each with the footer that it writes there.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

_UPLOAD = """
import sys, hf_xet
commit = hf_xet.XetSession().new_upload_commit(endpoint="local://" + sys.argv[1])
files = [commit.start_upload_file(path) for path in sys.argv[2:]]
commit.wait_to_finish()
print(*[file.result().xet_info.hash for file in files], sep="\\n")
"""
_DOWNLOAD = """
import sys, hf_xet
group = hf_xet.XetSession().new_file_download_group(endpoint="local://" + sys.argv[1])
group.start_download_file(hf_xet.XetFileInfo(sys.argv[2], int(sys.argv[3])), sys.argv[4])
group.wait_to_finish()
"""


def upload(store: Path, paths: Sequence[Path]) -> list[str]:
    """Upload files into the directory ``store``; returns their hashes."""
    return _run(_UPLOAD, store, *map(str, paths)).split()


def download(store: Path, name: str, *, size_bytes: int, to: Path) -> bytes:
    """Download a file; raises `subprocess.CalledProcessError` where the client fails."""
    _run(_DOWNLOAD, store, name, str(size_bytes), str(to))
    return to.read_bytes()


def stored_xorbs(store: Path) -> dict[str, Path]:
    """Return the xorbs in the directory by their names."""
    found = (path for path in store.glob("**/default.*") if path.suffix != ".tagset")
    return {path.name.removeprefix("default."): path for path in found}


def _run(script: str, store: Path, *arguments: str) -> str:
    if importlib.util.find_spec("hf_xet") is None:
        pytest.skip("hf_xet is not installed")
    home = store.parent / "home"
    done = subprocess.run(
        [sys.executable, "-c", script, str(store), *arguments],
        env=os.environ | {"HOME": str(home), "HF_HOME": str(home)},
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
    )
    return done.stdout
