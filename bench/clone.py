"""Cloning a repository of many files, next to ``git http-backend`` behind nginx on the same objects."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from bench import gitpeer, peers
from bench.plan import Plan, seconds
from bench.report import Line, take_turns
from bench.site import Site


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure; without a work tree, whose writing is the client's own business."""
    repo = site.create("clone")
    root = directory / "root"
    source = gitpeer.make_bare(root / "clone.git")
    files = ((gitpeer.path_of(number), gitpeer.text(number)) for number in range(plan.clone_files))
    gitpeer.git("fast-import", "--quiet", cwd=source, stdin=gitpeer.import_stream(files, parent=None))
    gitpeer.git("push", "--quiet", "--force", site.git_url(repo), "main", cwd=source)
    # Both serve the very pack that the hub was pushed.
    shutil.rmtree(source)
    gitpeer.git("clone", "--quiet", "--bare", site.git_url(repo), str(source), cwd=root)

    def clone(url: str) -> float:
        target = directory / "cloned"
        taken_s = seconds(lambda: gitpeer.git("clone", "--quiet", "--bare", url, str(target), cwd=directory))
        shutil.rmtree(target)
        return taken_s

    with peers.nginx(directory / "nginx", root, with_git=True) as (host, port):
        theirs = f"http://{host}:{port}/git/clone.git"
        clone(site.git_url(repo))
        clone(theirs)
        line = Line(f"clone of {plan.clone_files:,} files", "s", goal=1.1, peer_label="http-backend")
        yield take_turns(
            line, plan.rounds, hub=lambda _round: clone(site.git_url(repo)), peer=lambda _round: clone(theirs)
        )
