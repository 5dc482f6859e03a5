"""Feeds in Atom for readers of news: the newest repositories of a type, commits and discussions of one repository.

They say what the pages say, to whoever may see it; the format is RFC 4287.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote
from xml.etree import ElementTree

from starlette.responses import Response

from openhood.base.names import RepoType
from openhood.domain.accounts.types import Account
from openhood.domain.discovery import lists
from openhood.domain.discovery.wanted import Order, Wanted
from openhood.domain.discussions import actions as discussions
from openhood.domain.discussions.rows import Wanted as WantedDiscussions
from openhood.domain.repos import history
from openhood.domain.repos.listing import RepoInfo
from openhood.engines.formats import vocabulary
from openhood.http.context import Call
from openhood.http.pages.render import say
from openhood.http.replies import moment
from openhood.http.router import Route

_ATOM = "http://www.w3.org/2005/Atom"
_ENTRIES = 50
_TITLES = {RepoType.MODEL: "New models", RepoType.DATASET: "New datasets", RepoType.SPACE: "New spaces"}
# XML has no way to write them.
_NO_XML = dict.fromkeys([*(set(range(32)) - {9, 10, 13}), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF])


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a feed; ``path`` leads to its page and tells it from all others."""

    path: str
    title: str
    author: str
    published: datetime
    updated: datetime
    summary: str = ""
    terms: tuple[str, ...] = ()


async def get_models(call: Call) -> Response:
    """``/models/feed.atom``: the newest models."""
    return await _newest(call, RepoType.MODEL)


async def get_datasets(call: Call) -> Response:
    """``/datasets/feed.atom``: the newest datasets."""
    return await _newest(call, RepoType.DATASET)


async def get_spaces(call: Call) -> Response:
    """``/spaces/feed.atom``: the newest spaces."""
    return await _newest(call, RepoType.SPACE)


async def get_commits(call: Call) -> Response:
    """``/{id}/commits.atom``: the latest commits of a repository's main branch."""
    found = await call.act(
        history.list_commits,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        revision="main",
        page=0,
        limit=_ENTRIES,
    )
    repo = found.at.repo
    entries = [
        Entry(
            path=f"{repo.web_path}/commit/{each.commit.oid}",
            title=each.commit.title,
            author=each.authors[0].name,
            published=each.commit.author.when,
            updated=each.commit.author.when,
        )
        for each in found.items
    ]
    title = say(call, "Commits of %(name)s") % {"name": repo.repo_id}
    return _feed(call, title, repo.web_path, entries)


async def get_discussions(call: Call) -> Response:
    """``/{id}/discussions.atom``: the latest discussions and pull requests of a repository."""
    found = await call.act(
        discussions.list_discussions,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        wanted=WantedDiscussions(is_pull=None, status=None, search=""),
        author=None,
        order="recently-created",
        page=0,
        limit=_ENTRIES,
    )
    repo = found.repo
    entries = [
        Entry(
            path=f"{repo.web_path}/discussions/{each.number}",
            title=f"#{each.number} {each.title}",
            author=_name_of(found.people, each.author_id),
            published=each.created_at,
            updated=each.updated_at,
            terms=("pull request" if each.is_pull else "discussion", each.status),
        )
        for each in found.items
    ]
    title = say(call, "Discussions of %(name)s") % {"name": repo.repo_id}
    return _feed(call, title, f"{repo.web_path}/discussions", entries)


def _name_of(people: Mapping[int, Account], number: int | None) -> str:
    """Return a name; of somebody whose account is gone an empty one."""
    account = None if number is None else people.get(number)
    return "" if account is None else account.name


async def _newest(call: Call, repo_type: RepoType) -> Response:
    found = await call.act(
        lists.list_repos,
        wanted=Wanted(types=(repo_type,)),
        order=Order("createdAt", descending=True),
        cursor=None,
        limit=_ENTRIES,
        with_card=False,
        siblings=False,
    )
    return _feed(call, say(call, _TITLES[repo_type]), f"/{repo_type.plural}", map(_of_repo, found.items))


def _of_repo(info: RepoInfo) -> Entry:
    repo, tip = info.repo, info.listed.tip
    facts = [
        vocabulary.label_of("pipeline_tag", tip.pipeline_tag) if tip.pipeline_tag else "",
        tip.library_name,
    ]
    return Entry(
        path=repo.web_path,
        title=str(repo.repo_id),
        author=repo.repo_id.namespace,
        published=repo.created_at,
        updated=max(repo.last_modified, repo.created_at),
        summary=" · ".join(each for each in facts if each),
        terms=tip.tags[:20],
    )


def _feed(call: Call, title: str, path: str, entries: Iterable[Entry]) -> Response:
    hub = call.base_url
    lines = list(entries)
    root = ElementTree.Element("feed", {"xmlns": _ATOM})
    here = hub + quote(call.request.url.path)
    _add(root, "id", here)
    _add(root, "title", title)
    _add(
        root, "updated", moment(max((each.updated for each in lines), default=datetime.fromtimestamp(0, UTC)))
    )
    _add(root, "generator", "Openhood")
    ElementTree.SubElement(root, "link", {"rel": "self", "type": "application/atom+xml", "href": here})
    ElementTree.SubElement(root, "link", {"rel": "alternate", "type": "text/html", "href": hub + quote(path)})
    for each in lines:
        entry = ElementTree.SubElement(root, "entry")
        address = hub + quote(each.path)
        _add(entry, "id", address)
        _add(entry, "title", each.title)
        _add(entry, "published", moment(each.published))
        _add(entry, "updated", moment(each.updated))
        ElementTree.SubElement(entry, "link", {"rel": "alternate", "type": "text/html", "href": address})
        _add(ElementTree.SubElement(entry, "author"), "name", each.author)
        for term in each.terms:
            ElementTree.SubElement(entry, "category", {"term": term.translate(_NO_XML)})
        if each.summary:
            _add(entry, "summary", each.summary)
    body = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    headers = {"Cache-Control": "private, max-age=300", "Content-Security-Policy": "default-src 'none'"}
    return Response(body, 200, headers, "application/atom+xml; charset=utf-8")


def _add(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = text.translate(_NO_XML)


ROUTES = (
    Route(("GET",), "/models/feed.atom", get_models, dialect="page", bucket="pages"),
    Route(("GET",), "/datasets/feed.atom", get_datasets, dialect="page", bucket="pages"),
    Route(("GET",), "/spaces/feed.atom", get_spaces, dialect="page", bucket="pages"),
    *(
        Route(
            ("GET",),
            f"{prefix}/{{ns}}/{{name}}/{word}.atom",
            handler,
            {"type": kind},
            dialect="page",
            bucket="pages",
        )
        for kind, prefix in (("models", ""), ("datasets", "/datasets"), ("spaces", "/spaces"))
        for word, handler in (("commits", get_commits), ("discussions", get_discussions))
    ),
)
