"""Downloading a file that is kept as chunks by plain HTTP, joined on the way and from the cache, next to nginx.

nginx serves the same bytes as one flat file. All is read from memory: chunks, cache and flat file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench import bulk, peers, xetclient, xetcontent
from bench.plan import Plan, seconds
from bench.report import Line, take_turns
from bench.site import Site

GOALS = {"random": 0.5, "json": 0.5, "bf16": 0.3, "fp32": 0.3}
HOT_GOAL = 0.8
NO_CACHE = {"OPENHOOD_XET_DECODED_CACHE_BYTES": "0"}
READS_UNTIL_HOT = 4


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure."""
    repo = site.create("chunks")
    root = directory / "root"
    root.mkdir()
    for number, kind in enumerate(xetcontent.KINDS):
        path = root / kind
        path.write_bytes(xetcontent.make(kind, 2000 + number, plan.large_mib * 1024 * 1024))
        xetclient.upload(site, repo, directory, path, kind)
    with peers.nginx(directory / "nginx", root) as nginx:
        site.restart(NO_CACHE)
        for kind in xetcontent.KINDS:
            label = f"plain download of {plan.large} of chunks, {kind}"
            yield _compare(site, plan, label, kind, repo, nginx, goal=GOALS[kind])
        site.restart({})
        kind = "bf16"
        for _ in range(READS_UNTIL_HOT):
            _get(site, repo, kind, plan)
        yield _compare(site, plan, f"the same from the cache, {kind}", kind, repo, nginx, goal=HOT_GOAL)


def _compare(
    site: Site, plan: Plan, label: str, kind: str, repo: str, nginx: tuple[str, int], *, goal: float
) -> Line:
    line = Line(label, "MB/s", more_is_better=True, goal=goal, peer_label="nginx, flat file")
    megabytes = plan.large_mib * 1.048576

    def from_nginx(_round: int) -> float:
        return megabytes / seconds(lambda: bulk.get(nginx, f"/{kind}"))

    from_nginx(0)
    _get(site, repo, kind, plan)
    return take_turns(
        line,
        plan.rounds,
        hub=lambda _round: megabytes / seconds(lambda: _get(site, repo, kind, plan)),
        peer=from_nginx,
    )


def _get(site: Site, repo: str, kind: str, plan: Plan) -> None:
    received = bulk.get(site.address, f"/{repo}/resolve/main/{kind}")
    if received != plan.large_mib * 1024 * 1024:
        raise RuntimeError(f"{received} bytes of {kind}")
