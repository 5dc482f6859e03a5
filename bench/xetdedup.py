"""What changed files cost: bytes on the wire and in the store, with the real client, counted by a TCP relay.

``python -m bench.xetdedup [CASE ...] [--megabytes N]`` prints one table, in Markdown. Every byte counts: requests,
headers, and answers about chunks.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.plan import Plan
from bench.report import Line
from bench.site import OWNER, TOKEN, Site
from openhood.testing.counting import CountingRelay, Traffic
from openhood.testing.processes import clean_environment
from openhood.testing.venvs import client_python

CASES = (
    "random",
    "log",
    "parquet",
    "parquet-deleted",
    "parquet-plain",
    "parquet-scattered",
    "safetensors",
    "gguf",
)

RANDOM_GOALS_KB = (300.0, 1000.0)

_CLIENT = """
import sys
from huggingface_hub import HfApi, hf_hub_download
repo, path, down = sys.argv[1:]
api = HfApi()
api.create_repo(repo, exist_ok=True)
if down == "down":
    import hashlib
    print(hashlib.sha256(open(hf_hub_download(repo, "w.bin", force_download=True), "rb").read()).hexdigest())
else:
    api.upload_file(path_or_fileobj=path, path_in_repo="w.bin", repo_id=repo)
"""

HEAD = (
    "| File | size | changed | that is | sent again, same machine | sent, empty cache | received, empty cache | "
    "store grew by |\n|---|---|---|---|---|---|---|---|"
)


@dataclass
class Outcome:
    """What one case cost: the size of the changed file, the traffic of both uploads, the growth of the store."""

    size: int
    same_machine: Traffic
    empty_cache: Traffic
    grown: int


def main() -> None:
    """Measure the chosen cases, each on a hub of its own."""
    parser = argparse.ArgumentParser(prog="python -m bench.xetdedup", description=__doc__)
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help=f"all, unless some are named: {', '.join(CASES)}"
    )
    parser.add_argument("--megabytes", type=int, default=200, help="about how large each file is")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.cases if name not in CASES]
    if unknown:
        parser.error(f"unknown case {unknown[0]!r}; there are {', '.join(CASES)}")
    print(HEAD, flush=True)
    for case in arguments.cases or CASES:
        with tempfile.TemporaryDirectory(prefix="openhood-bench-") as made:
            print(_row(case, Path(made), arguments.megabytes), flush=True)


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure as a part of ``python -m bench``; each case has a hub of its own."""
    for case in plan.dedup_cases:
        with tempfile.TemporaryDirectory(dir=directory) as made:
            facts, seen = _run_case(case, Path(made), plan.dedup_mb)
        label = f"{case}, {seen.size / 1e6:.0f} MB, {facts['changed']} ({facts['share']:.2%}):"
        goals = RANDOM_GOALS_KB if case == "random" else (None, None)
        for what, sent, goal in zip(
            ("sent again, same machine", "sent again, empty cache"),
            (seen.same_machine.sent, seen.empty_cache.sent),
            goals,
            strict=True,
        ):
            yield Line(f"{label} {what}", "KB", goal=goal, goal_is_of_ratio=False, hub=[sent / 1e3])


def _run_case(case: str, directory: Path, megabytes: int) -> tuple[dict[str, Any], Outcome]:
    files = directory / "files"
    files.mkdir()
    maker = Path(__file__).with_name("xetfiles.py")
    command = [str(client_python("ds")), str(maker), case, str(files), str(megabytes)]
    facts = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return facts, _measure(directory, files)


def _row(case: str, directory: Path, megabytes: int) -> str:
    facts, seen = _run_case(case, directory, megabytes)
    cells = (
        case,
        f"{seen.size / 1e6:.1f} MB",
        facts["changed"],
        f"{facts['share']:.2%}",
        _share(seen.same_machine.sent, seen.size),
        _share(seen.empty_cache.sent, seen.size),
        f"{seen.empty_cache.received / 1e3:.0f} KB",
        _share(seen.grown, seen.size),
    )
    return "| " + " | ".join(cells) + " |"


def _share(value: int, whole: int) -> str:
    shown = f"{value / 1e3:.0f} KB" if value < 10_000_000 else f"{value / 1e6:.1f} MB"
    return f"{shown} ({value / whole:.2%})"


def _measure(directory: Path, files: Path) -> Outcome:
    size = (files / "again").stat().st_size
    same_machine, grown = _upload_both(directory / "same", files, first="one", then="one")
    empty_cache, _grown = _upload_both(directory / "empty", files, first="one", then="two")
    return Outcome(size, same_machine, empty_cache, grown)


def _upload_both(directory: Path, files: Path, *, first: str, then: str) -> tuple[Traffic, int]:
    """Upload both versions to a fresh hub, each from the machine of that name, and check what comes back.

    Returns the traffic of the second upload, and by how much the store grew with it.
    """
    directory.mkdir()
    site = Site(directory)
    try:
        with CountingRelay(site.url) as relay:
            _client(directory / first, relay.url, files / "first")
            before = _stored(site)
            with relay.counting() as traffic:
                _client(directory / then, relay.url, files / "again")
            grown = _stored(site) - before
            _check(directory / then, relay.url, files / "again")
        return traffic, grown
    finally:
        site.stop()


def _client(home: Path, url: str, path: Path, *, down: bool = False) -> str:
    home.mkdir(exist_ok=True)
    env = clean_environment() | {
        "HOME": str(home),
        "HF_HOME": str(home / "hf"),
        "HF_ENDPOINT": url,
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    command = [
        str(client_python("hub-2.4")),
        "-c",
        _CLIENT,
        f"{OWNER}/m",
        str(path),
        "down" if down else "up",
    ]
    return subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def _check(home: Path, url: str, path: Path) -> None:
    digest = hashlib.sha256()
    for block in _blocks(path):
        digest.update(block)
    if _client(home, url, path, down=True) != digest.hexdigest():
        raise RuntimeError(f"{path.name} did not come back as it was")


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            yield block


def _stored(site: Site) -> int:
    path = site.directory / "data" / "openhood.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT coalesce(sum(stored_bytes), 0) FROM xorbs").fetchone()[0])


if __name__ == "__main__":
    main()
