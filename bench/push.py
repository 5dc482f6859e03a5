"""Pushing a commit of many new files, next to ``git http-backend`` behind nginx with the same history.

The hub checks what it takes (objects, connectivity, paths, pointers, sizes); the second peer is told to
check at least the objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench import gitpeer, peers
from bench.plan import Plan, seconds
from bench.report import Line, take_turns
from bench.site import OWNER, TOKEN, Site


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure."""
    repo = site.create("push")
    root = directory / "root"
    work = gitpeer.make_bare(directory / "work.git")
    for name in ("plain", "checking"):
        gitpeer.make_bare(root / f"{name}.git")
    gitpeer.git("config", "receive.fsckObjects", "true", cwd=root / "checking.git")
    with peers.nginx(directory / "nginx", root, with_git=True, credentials=(OWNER, TOKEN)) as (host, port):
        base = f"http://{OWNER}:{TOKEN}@{host}:{port}/git"
        targets = {name: f"{base}/{name}.git" for name in ("plain", "checking")}
        targets["hub"] = site.git_url(repo)
        taken: dict[str, dict[int, float]] = {name: {} for name in targets}

        def push(name: str, number: int) -> float:
            _add_commit(work, plan, number)
            taken[name][number] = seconds(
                lambda: gitpeer.git("push", "--quiet", "--force", targets[name], "main", cwd=work)
            )
            return taken[name][number]

        for name in targets:
            push(name, 0)
        label = f"push of {plan.push_files:,} files"
        line = Line(label, "s", goal=1.1, peer_label="http-backend")
        yield take_turns(
            line,
            plan.rounds,
            hub=lambda number: push("hub", number + 1),
            peer=lambda number: push("plain", number + 1),
        )
        checked = Line(f"{label}, objects checked by both", "s", peer_label="http-backend, fsckObjects")
        yield take_turns(
            checked,
            plan.rounds,
            hub=lambda number: push("hub", number + 1 + plan.rounds),
            peer=lambda number: push("checking", number + 1 + plan.rounds),
        )


def _add_commit(work: Path, plan: Plan, number: int) -> None:
    """Put commit ``number`` of new files on main, unless it is there."""
    have = gitpeer.git("for-each-ref", "--format=%(objectname)", "refs/bench", cwd=work).split()
    tag = f"refs/bench/{number:03d}"
    if tag in gitpeer.git("for-each-ref", "--format=%(refname)", tag, cwd=work):
        gitpeer.git("update-ref", "refs/heads/main", tag, cwd=work)
        return
    first = number * plan.push_files
    files = ((gitpeer.path_of(each), gitpeer.text(each)) for each in range(first, first + plan.push_files))
    parent = gitpeer.git("rev-parse", "refs/heads/main", cwd=work).strip() if have else None
    gitpeer.git("fast-import", "--quiet", cwd=work, stdin=gitpeer.import_stream(files, parent=parent))
    gitpeer.git("update-ref", tag, "refs/heads/main", cwd=work)
