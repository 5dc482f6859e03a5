"""What search engines are told: which pages they may read, and where the public repositories are.

A hub whose new repositories are private, unless their creator says otherwise, asks to be left alone altogether.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote
from xml.sax.saxutils import escape

from starlette.responses import Response

from openhood.base.errors import NotFound
from openhood.base.names import RepoType
from openhood.domain.discovery import crawling
from openhood.domain.discovery.crawling import Place
from openhood.http.context import Call
from openhood.http.replies import moment
from openhood.http.router import Route

_AN_HOUR = {"Cache-Control": "public, max-age=3600"}
_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
# Forms, what is a person's own, and what has no end: filters, histories, every version of every file.
_NOT_FOR_CRAWLERS = (
    "/api/",
    "/-/",
    "/admin",
    "/cas/",
    "/inbox",
    "/join",
    "/login",
    "/new",
    "/oauth/",
    "/objects/",
    "/organizations/new",
    "/search",
    "/settings/",
    "/watching",
    "/*?",
    "/*/blame/",
    "/*/commit/",
    "/*/commits/",
    "/*/compare",
    "/*/delete/",
    "/*/edit/",
    "/*/find/",
    "/*/new/",
    "/*/raw/",
    "/*/resolve/",
    "/*/settings",
    "/*/upload/",
)


async def get_robots(call: Call) -> Response:
    """``/robots.txt``."""
    if _is_closed(call):
        lines = ["User-agent: *", "Disallow: /"]
    else:
        lines = ["User-agent: *", *(f"Disallow: {path}" for path in _NOT_FOR_CRAWLERS), "Allow: /-/posters/"]
        lines += ["Allow: /", ""]
        lines.append(f"Sitemap: {call.base_url}/sitemap.xml")
    return Response("\n".join(lines) + "\n", 200, _AN_HOUR, "text/plain; charset=utf-8")


async def get_index(call: Call) -> Response:
    """``/sitemap.xml``: where the parts of the list of public repositories are."""
    _refuse_if_closed(call)
    parts = await call.act(crawling.list_parts)
    lines = [f"<sitemap><loc>{_address(call, '/sitemap/pages.xml')}</loc></sitemap>"]
    lines += [f"<sitemap><loc>{_address(call, f'/sitemap/{number}.xml')}</loc></sitemap>" for number in parts]
    return _xml("sitemapindex", lines)


async def get_part(call: Call) -> Response:
    """``/sitemap/{part}.xml``: the hub's own lists (``pages``), or up to 10,000 public repositories."""
    _refuse_if_closed(call)
    part = call.params["part"]
    if part == "pages":
        paths = ("/", *(f"/{kind.plural}" for kind in RepoType), "/collections", "/docs/api")
        return _xml("urlset", [f"<url><loc>{_address(call, path)}</loc></url>" for path in paths])
    if not (part.isascii() and part.isdigit() and len(part) < 20 and int(part) < 2**63):
        raise NotFound("There is no such part of the map of this site.")
    found = await call.act(crawling.list_part, after=int(part))
    return _xml("urlset", _entries(call, found))


def _entries(call: Call, places: Iterable[Place]) -> Iterator[str]:
    for each in places:
        path = f"{each.repo_type.web_prefix}{each.repo_id}"
        yield f"<url><loc>{_address(call, f'/{path}')}</loc><lastmod>{moment(each.last_modified)}</lastmod></url>"


def _address(call: Call, path: str) -> str:
    return escape(call.base_url + quote(path))


def _xml(root: str, lines: Iterable[str]) -> Response:
    text = "\n".join(
        ['<?xml version="1.0" encoding="UTF-8"?>', f'<{root} xmlns="{_NAMESPACE}">', *lines, f"</{root}>", ""]
    )
    return Response(text, 200, _AN_HOUR, "application/xml; charset=utf-8")


def _is_closed(call: Call) -> bool:
    return call.sv.settings.default_visibility == "private"


def _refuse_if_closed(call: Call) -> None:
    if _is_closed(call):
        raise NotFound("This hub has no map for search engines.")


ROUTES = (
    Route(("GET",), "/robots.txt", get_robots, dialect="page", bucket=""),
    Route(("GET",), "/sitemap.xml", get_index, dialect="page", bucket="pages"),
    Route(("GET",), "/sitemap/{part}.xml", get_part, dialect="page", bucket="pages"),
)
