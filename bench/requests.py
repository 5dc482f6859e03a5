"""Small requests per second and their 95th percentile, next to a bare "hello" of the same server stack.

The load comes from the same machine, so that it takes its share of the processors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from bench import peers
from bench.load import generate
from bench.plan import Plan
from bench.report import Line, take_turns
from bench.site import TOKEN, Site

CONNECTIONS = 16


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure."""
    repo = site.create("requests")
    files = [{"key": "file", "value": {"path": f"file-{each}.txt", "content": "x"}} for each in range(20)]
    card = {"path": "README.md", "content": "---\nlicense: mit\ntags: [bench]\n---\n# Bench\n"}
    site.commit(repo, [{"key": "file", "value": card}, *files])
    file, info = f"/{repo}/resolve/main/README.md", f"/api/models/{repo}"
    signed = {"Authorization": f"Bearer {TOKEN}"}
    with peers.hello(directory / "hello") as hello:
        for label, method, path, headers, goal in (
            ("HEAD resolve", "HEAD", file, {}, 1500.0),
            ("HEAD resolve with a token", "HEAD", file, signed, 1500.0),
            ("GET resolve of a small file", "GET", file, {}, None),
            ("model_info", "GET", info, {}, None),
            ("model_info with a token", "GET", info, signed, None),
        ):
            rate = Line(label, "requests/s", True, goal, goal_is_of_ratio=False, peer_label="hello")
            late = Line(f"{label}, 95th percentile", "ms", peer_label="hello")

            sends = partial(_load, plan, method, headers)
            sends(site.url + path, [], 0)
            yield take_turns(
                rate,
                plan.rounds,
                hub=partial(sends, site.url + path, late.hub),
                peer=partial(sends, hello, late.peer),
            )
            yield late


def _load(
    plan: Plan, method: str, headers: Mapping[str, str], url: str, late: list[float], _round: int
) -> float:
    """Return the requests per second of one load; its 95th percentile goes to ``late``."""
    found = generate(url, method=method, connections=CONNECTIONS, duration_s=plan.load_s, headers=headers)
    late.append(found.p95_ms)
    return found.per_s
