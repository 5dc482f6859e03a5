"""Downloading a large LFS file through ``resolve``, whole and in 64 ranges at once, next to nginx."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from bench import bulk, peers
from bench.plan import Plan, seconds
from bench.report import Line, take_turns
from bench.site import UNCHANGED, Site

RANGES = 64


def store(site: Site, name: str, content: bulk.Content) -> str:
    """Put an LFS file into a new repository and return the path to download it from."""
    repo = site.create(name)
    bulk.put(site.plan_upload(repo, content.sha256, content.size_bytes), content)
    value = {"path": "large.bin", "algo": "sha256", "oid": content.sha256, "size": content.size_bytes}
    site.commit(repo, [{"key": "lfsFile", "value": value}])
    return f"/{repo}/resolve/main/large.bin"


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure."""
    site.restart(UNCHANGED)
    content = bulk.Content(1, plan.large_mib)
    path = store(site, "download", content)
    root = directory / "root"
    root.mkdir()
    with (root / "large.bin").open("wb") as file:
        file.writelines(content)
    megabytes = content.size_bytes / 1e6
    with peers.nginx(directory / "nginx", root) as address:

        def whole(where: tuple[str, int], what: str) -> Callable[[int], float]:
            return lambda _round: megabytes / seconds(lambda: bulk.get(where, what))

        def ranges(where: tuple[str, int], what: str) -> Callable[[int], float]:
            def fetch() -> None:
                bulk.get_ranges(where, what, size_bytes=content.size_bytes, count=RANGES)

            return lambda _round: megabytes / seconds(fetch)

        for label, kind in (
            (f"download {plan.large}", whole),
            (f"download {plan.large} in {RANGES} ranges", ranges),
        ):
            line = Line(label, "MB/s", more_is_better=True, goal=0.8, peer_label="nginx")
            kind(site.address, path)(0)  # once before it counts, so that both read from memory
            kind(address, "/large.bin")(0)
            yield take_turns(
                line, plan.rounds, hub=kind(site.address, path), peer=kind(address, "/large.bin")
            )
