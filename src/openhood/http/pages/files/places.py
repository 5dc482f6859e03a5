"""Where a page of files is: its repository, revision and path, the links around it, and the menu of refs.

Every page of this package is made from a `Place`; which words its address has is decided here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from openhood.base.names import Oid, RefName
from openhood.domain.access import Viewer
from openhood.domain.repos import branches
from openhood.domain.repos.types import At, Ref, Repo
from openhood.domain.services import Services
from openhood.http.context import Call
from openhood.http.pages import repo_shown
from openhood.http.pages.repo_shown import Shown
from openhood.http.router import Handler, Route

PREFIXES = {"models": "", "datasets": "/datasets", "spaces": "/spaces"}
_MOST_REFS = 200
_MOST_PULLS = 30


@dataclass(frozen=True, slots=True)
class Crumb:
    """One folder above what is shown, and the address of its listing."""

    name: str
    href: str


@dataclass(frozen=True, slots=True)
class Place:
    """A path of a revision. ``rev`` is the revision as people type it, ``commit`` what it means now, if anything."""

    repo: Repo
    rev: str
    path: str
    commit: Oid | None
    ref: RefName | None

    @property
    def web(self) -> str:
        """The repository's page."""
        return quote(self.repo.web_path)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """The path without its last part."""
        return self.path.rpartition("/")[0]

    @property
    def rev_label(self) -> str:
        """The revision as it is shown: commits are cut."""
        return self.rev[:7] if self.ref is None and self.commit == self.rev else self.rev

    @property
    def is_permanent(self) -> bool:
        """Whether the address names a commit."""
        return self.rev == self.commit

    @property
    def is_branch(self) -> bool:
        """Whether changes can be made here."""
        return self.ref is not None and self.ref.startswith(("refs/heads/", "refs/pr/"))

    def to(
        self,
        word: str,
        path: str | None = None,
        *,
        rev: str | None = None,
        query: Mapping[str, object] | None = None,
    ) -> str:
        """Return the address of a page (``tree``, ``blob``, ``resolve``, …) of a path at this or another revision."""
        wanted = self.path if path is None else path
        address = f"{self.web}/{word}/{quote(self.rev if rev is None else rev, safe='')}"
        if wanted:
            address += "/" + quote(wanted)
        return address + (f"?{urlencode(query)}" if query else "")

    def permanent(self, word: str) -> str:
        """Return the address that will show the same for ever."""
        return self.to(word, rev=self.commit or self.rev)

    @property
    def crumbs(self) -> list[Crumb]:
        """The folders above, from the repository down."""
        found = [Crumb(self.repo.repo_id.name, self.to("tree", ""))]
        parts = self.folder.split("/") if self.folder else []
        return [
            *found,
            *(Crumb(name, self.to("tree", "/".join(parts[: at + 1]))) for at, name in enumerate(parts)),
        ]


def place_of(at: At, path: str, asked: str) -> Place:
    """Return the place of what was found. *Args*: ``asked`` is the first segment of the revision in the address."""
    rev: str = asked if at.ref is None else short(at.ref)
    return Place(at.repo, rev, path, at.commit, at.ref)


def short(ref: RefName) -> str:
    """Return a ref as people type it."""
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def segments_of(call: Call) -> list[str]:
    """Return revision and path of the address together, as `lookup.locate_split` takes them."""
    return [call.params["rev"], *[part for part in call.params.get("path", "").split("/") if part]]


@dataclass(frozen=True, slots=True)
class RefLink:
    """A line of the menu of refs."""

    name: str
    href: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class RefMenu:
    """The revisions that a page can be seen at, each kind bounded; ``is_cut``: there are more."""

    branches: tuple[RefLink, ...]
    tags: tuple[RefLink, ...]
    pulls: tuple[RefLink, ...]
    is_cut: bool


def read_menu(sv: Services, viewer: Viewer, place: Place, word: str) -> RefMenu:
    """Return the menu of refs of a place: the same page at other revisions. For worker threads."""
    found = branches.list_refs(
        sv, viewer, repo_type=place.repo.type, repo_id=place.repo.repo_id, include_prs=True
    )
    pulls = found.pull_requests or ()
    ordered = sorted(found.branches, key=lambda ref: ref.name != "refs/heads/main")

    def links(refs: Sequence[Ref]) -> Iterator[RefLink]:
        for ref in refs:
            yield RefLink(short(ref.name), place.to(word, rev=short(ref.name)), ref.name == place.ref)

    return RefMenu(
        tuple(links(ordered[:_MOST_REFS])),
        tuple(links(found.tags[:_MOST_REFS])),
        tuple(links(tuple(reversed(pulls))[:_MOST_PULLS])),
        is_cut=max(len(ordered), len(found.tags)) > _MOST_REFS or len(pulls) > _MOST_PULLS,
    )


async def shown_of(call: Call) -> Shown:
    """Return what the head of the repository's pages shows, with the files as the active tab."""
    return await repo_shown.load(call, "files")


def routes(pages: Sequence[tuple[str, str, Handler]]) -> tuple[Route, ...]:
    """Return routes for all three kinds of repository from (method, rest of the template, handler)."""
    return tuple(
        Route(
            (method,),
            f"{prefix}/{{ns}}/{{name}}{tail}",
            handler,
            fixed={"type": kind},
            dialect="page",
            bucket="pages",
        )
        for kind, prefix in PREFIXES.items()
        for method, tail, handler in pages
    )
