"""Commits over the API, next to ``git fast-import`` of the same files and to writing their bytes to one file.

Both peers work locally and end with an fsync; neither has HTTP, access, history in SQL or a search index.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench import gitpeer
from bench.plan import Plan, seconds
from bench.report import Line, take_turns
from bench.site import Site, commit_body

Files = Sequence[tuple[str, bytes]]


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure small text files, and then large ones that do not deflate."""
    for count in plan.commit_files:
        label = f"API commit of {count:,} file{'s' if count > 1 else ''} of 2 kB"
        yield from _compare(site, plan, directory, label, count=count, random_bytes=0)
    count = 20 if plan.rounds > 2 else 2
    label = f"API commit of {count} incompressible files of 4 MB"
    yield from _compare(site, plan, directory, label, count=count, random_bytes=4_000_000)


def _compare(
    site: Site, plan: Plan, directory: Path, label: str, *, count: int, random_bytes: int
) -> Iterator[Line]:
    name = f"commit-{count}-{random_bytes}"
    repo = site.create(name)
    bare = gitpeer.make_bare(directory / f"{name}.git")

    def files(seed: int) -> Files:
        start = (seed + 1) * count
        return [
            (gitpeer.path_of(each), os.urandom(random_bytes) if random_bytes else gitpeer.text(each))
            for each in range(start, start + count)
        ]

    def to_hub(number: int) -> float:
        body = commit_body(_added(path, data) for path, data in files(number))
        return 1000 * seconds(lambda: site.post_commit(repo, body))

    line = Line(label, "ms", peer_label="git fast-import")
    # The same commits to the hub count against both peers, which take their turn together.
    plain = Line(f"{label}, the same", "ms", peer_label="write + fsync", hub=line.hub)

    def to_git(number: int) -> float:
        added = files(number)
        stream = gitpeer.import_stream(added, parent="refs/heads/main^0" if number >= 0 else None)
        if number >= 0:
            plain.peer.append(1000 * seconds(lambda: _write(directory / "plain", added)))
        return 1000 * seconds(lambda: _import(bare, stream))

    to_hub(-1)
    to_git(-1)
    yield take_turns(line, plan.rounds, hub=to_hub, peer=to_git)
    yield plain


def _added(path: str, data: bytes) -> Mapping[str, object]:
    content = base64.b64encode(data).decode()
    return {"key": "file", "value": {"path": path, "content": content, "encoding": "base64"}}


def _write(path: Path, files: Files) -> None:
    with path.open("wb") as file:
        file.writelines(data for _, data in files)
        file.flush()
        os.fsync(file.fileno())


def _import(bare: Path, stream: bytes) -> None:
    # A pack however few objects there are, and synced as the hub's.
    gitpeer.git(
        "-c",
        "fastimport.unpackLimit=0",
        "-c",
        "core.fsync=all",
        "fast-import",
        "--quiet",
        cwd=bare,
        stdin=stream,
    )
