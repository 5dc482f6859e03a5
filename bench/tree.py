"""The first page of the tree of a very large repository: from a server just started, and again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import gitpeer
from bench.plan import Plan, seconds
from bench.report import Line, take_turns
from bench.site import Site


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure."""
    repo = site.create("tree")
    source = gitpeer.make_bare(directory / "tree.git")
    files = ((gitpeer.path_of(each), gitpeer.text(each, 200)) for each in range(plan.tree_files))
    gitpeer.git("fast-import", "--quiet", cwd=source, stdin=gitpeer.import_stream(files, parent=None))
    gitpeer.git("push", "--quiet", "--force", site.git_url(repo), "main", cwd=source)
    pages = (
        ("tree, first page", f"/api/models/{repo}/tree/main"),
        ("tree, first page recursive", f"/api/models/{repo}/tree/main?recursive=true"),
        ("tree, first page with last commits", f"/api/models/{repo}/tree/main?expand=true"),
    )
    for label, path in pages:
        name = f"{label}, {plan.tree_files:,} files"
        cold = Line(f"{name}, cold", "ms", goal=100.0, goal_is_of_ratio=False)
        yield take_turns(cold, plan.rounds, hub=_page(site, path, cold=True))
        warm = Line(f"{name}, warm", "ms", goal=100.0, goal_is_of_ratio=False)
        yield take_turns(warm, plan.rounds, hub=_page(site, path, cold=False))


def _page(site: Site, path: str, *, cold: bool) -> Callable[[int], float]:
    def measure(_round: int) -> float:
        if cold:
            site.restart()
            # The interpreter is warm then, and the database open; nothing is known of the repository.
            site.call("GET", "/api/whoami-v2")
        answers: list[bytes] = []
        taken_s = seconds(lambda: answers.append(site.call("GET", path)))
        if not json.loads(answers[0]):
            raise RuntimeError(f"GET {path}: an empty page")
        return 1000 * taken_s

    return measure
