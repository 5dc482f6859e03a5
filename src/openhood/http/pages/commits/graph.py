"""The graph beside a history: which commit follows which, as lines between lanes, and the refs that are at each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from openhood.base.names import Oid, RefName
from openhood.domain.access import Viewer
from openhood.domain.repos import branches
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.engines.git.objects import CommitInfo
from openhood.http.pages.files.places import short

MAX_LANES = 6
_LANE_PX = 14
_MOST_REFS = 6


@dataclass(frozen=True, slots=True)
class RefShown:
    """A ref that is at a commit: how people call it, where it leads, and an icon's name."""

    name: str
    href: str
    icon: str


@dataclass(frozen=True, slots=True)
class Stroke:
    """A line of a row from one place to another; ``x`` in pixels, ``y`` in percent of the row's height."""

    x1: int
    y1: int
    x2: int
    y2: int


@dataclass(frozen=True, slots=True)
class Row:
    """What is drawn beside a commit: its dot at ``x``, and the lines that come in, go on and pass by."""

    x: int
    strokes: tuple[Stroke, ...]
    refs: tuple[RefShown, ...]


@dataclass(frozen=True, slots=True)
class Graph:
    """The rows of a page of history by commit. Drawn only where something branches: ``lanes`` over 1."""

    rows: Mapping[Oid, Row]
    lanes: int

    @property
    def width(self) -> int:
        """How wide the drawing is, in pixels."""
        return self.lanes * _LANE_PX + _LANE_PX // 2


def read_graph(sv: Services, viewer: Viewer, *, repo: Repo, commits: Sequence[CommitInfo]) -> Graph:
    """Return the graph of commits that come newest first. Raises: what `lookup.find` raises."""
    found = branches.list_refs(sv, viewer, repo_type=repo.type, repo_id=repo.repo_id, include_prs=True)
    wanted = {commit.oid for commit in commits}
    refs: dict[Oid, list[RefShown]] = {}
    for ref in (*found.branches, *found.tags, *(found.pull_requests or ())):
        if ref.commit_oid in wanted:
            refs.setdefault(ref.commit_oid, []).append(show_ref(repo, ref.name))
    return draw(commits, {oid: tuple(names[:_MOST_REFS]) for oid, names in refs.items()})


def show_ref(repo: Repo, name: RefName) -> RefShown:
    """Return a ref as a chip."""
    web = quote(repo.web_path)
    if name.startswith("refs/pr/"):
        number = name.removeprefix("refs/pr/")
        return RefShown(f"#{number}", f"{web}/discussions/{number}", "pull")
    icon = "tag" if name.startswith("refs/tags/") else "branch"
    return RefShown(short(name), f"{web}/tree/{quote(short(name), safe='')}", icon)


def draw(commits: Sequence[CommitInfo], refs: Mapping[Oid, tuple[RefShown, ...]]) -> Graph:
    """Return the graph: each lane waits for a commit, and a commit's parents take its lane and free ones. Pure."""
    lanes: list[Oid | None] = []
    rows: dict[Oid, Row] = {}
    widest = 1
    for commit in commits:
        here = [at for at, oid in enumerate(lanes) if oid == commit.oid]
        passing = [at for at, oid in enumerate(lanes) if oid is not None and oid != commit.oid]
        lane = here[0] if here else _free(lanes)
        for at in here:
            lanes[at] = None
        leaving = []
        for number, parent in enumerate(commit.parents):
            # The first parent keeps the lane also where another lane waits for it: they meet at its dot.
            if number and parent in lanes:
                leaving.append(lanes.index(parent))
            else:
                at = _free(lanes) if number else lane
                lanes[at] = parent
                leaving.append(at)
        strokes = [
            *(Stroke(_x(at), 0, _x(at), 100) for at in passing),
            *(Stroke(_x(at), 0, _x(lane), 50) for at in here),
            *(Stroke(_x(lane), 50, _x(at), 100) for at in leaving),
        ]
        rows[commit.oid] = Row(_x(lane), tuple(dict.fromkeys(strokes)), refs.get(commit.oid, ()))
        widest = max(widest, lane + 1, *(at + 1 for at in (*passing, *leaving)))
    return Graph(rows, min(widest, MAX_LANES))


def _free(lanes: list[Oid | None]) -> int:
    """Return a lane that waits for nothing; a new one where all do."""
    for at, oid in enumerate(lanes):
        if oid is None:
            return at
    lanes.append(None)
    return len(lanes) - 1


def _x(lane: int) -> int:
    """Return where a lane is; those past the last are drawn as the last."""
    return min(lane, MAX_LANES - 1) * _LANE_PX + _LANE_PX // 2 + 4
