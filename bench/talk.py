"""Discussions and pull requests: opening a long one, paging through many, merging a large one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import gitpeer
from bench.plan import Plan, seconds
from bench.report import Line, take_turns
from bench.site import Site

OPEN_MS, PAGE_MS, MERGE_MS = 100.0, 50.0, 1000.0
_TEXT = "Some **words** with `code`, a [link](https://example.org), @bench and a list:\n\n- one\n- two\n\n> quoted\n"


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure."""
    repo = site.create("talk")
    place = f"/api/models/{repo}/discussions"
    long = _open(site, place, is_pull=False)
    for number in range(plan.comments - 1):
        site.call_json("POST", f"{place}/{long}/comment", {"comment": f"{number}: {_TEXT}"})
    opening = Line(
        f"open a discussion of {plan.comments:,} comments", "ms", goal=OPEN_MS, goal_is_of_ratio=False
    )
    yield take_turns(opening, plan.rounds, hub=_get(site, f"{place}/{long}", "events"))
    yield from _pages(site, plan)
    yield from _merges(site, plan, directory)


def _pages(site: Site, plan: Plan) -> Iterator[Line]:
    repo = site.create("talks")
    place = f"/api/models/{repo}/discussions"
    for _ in range(plan.discussions):
        _open(site, place, is_pull=False)
    last = plan.discussions // 2
    for label, query in (
        ("first page", "p=0"),
        (f"page {last // 10:,}", f"p={last // 10}"),
        ("closed ones", "status=closed"),
        ("by an author", "author=bench&sort=recently-updated"),
        ("by words of the title", "search=talk"),
    ):
        line = Line(
            f"list of {plan.discussions:,} discussions, {label}", "ms", goal=PAGE_MS, goal_is_of_ratio=False
        )
        yield take_turns(line, plan.rounds, hub=_get(site, f"{place}?{query}", "discussions"))


def _merges(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    repo = site.create("merges")
    place = f"/api/models/{repo}"
    git = gitpeer.make_bare(directory / "merges.git")
    for label, moves_main in (("main as it was", False), ("main moved on", True)):
        line = Line(
            f"merge a pull request of {plan.merge_files:,} files, {label}",
            "ms",
            goal=MERGE_MS,
            goal_is_of_ratio=False,
        )

        def measure(number: int, moves_main: bool = moves_main) -> float:
            folder = f"{number}{'b' if moves_main else 'a'}"
            pull = _open(site, f"{place}/discussions", is_pull=True)
            gitpeer.git("fetch", "--quiet", site.git_url(repo), f"+refs/pr/{pull}:refs/heads/pull", cwd=git)
            tip = gitpeer.git("rev-parse", "refs/heads/pull", cwd=git).strip()
            files = ((f"{folder}/{each:05}.txt", gitpeer.text(each, 200)) for each in range(plan.merge_files))
            stream = gitpeer.import_stream(files, parent=tip)
            gitpeer.git("fast-import", "--quiet", "--force", cwd=git, stdin=stream)
            gitpeer.git("push", "--quiet", "--force", site.git_url(repo), f"main:refs/pr/{pull}", cwd=git)
            site.call_json("POST", f"{place}/discussions/{pull}/status", {"status": "open"})
            if moves_main:
                site.commit(repo, [_file(f"{folder}.md")])
            return 1000 * seconds(lambda: site.call("POST", f"{place}/discussions/{pull}/merge"))

        yield take_turns(line, plan.rounds, hub=measure)


def _open(site: Site, place: str, *, is_pull: bool) -> int:
    asked = {"title": "A talk", "description": _TEXT, "pullRequest": is_pull}
    return int(site.call_json("POST", place, asked)["num"])


def _file(path: str) -> dict[str, Any]:
    return {"key": "file", "value": {"path": path, "content": "YQ==", "encoding": "base64"}}


def _get(site: Site, path: str, part: str) -> Callable[[int], float]:
    def measure(_round: int) -> float:
        answers: list[bytes] = []
        taken_s = seconds(lambda: answers.append(site.call("GET", path)))
        if not isinstance(json.loads(answers[0])[part], list):
            raise RuntimeError(f"GET {path}: no {part}")
        return 1000 * taken_s

    return measure
