"""Matching raw request paths to handlers: a tree of segments, walked once per request.

Starlette matches decoded paths one regular expression after another; the Hub's clients put encoded
slashes into revisions (``refs%2Fpr%2F1``) and there are hundreds of routes, so ours splits the raw
path first and decodes each segment afterwards.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from starlette.responses import Response

from openhood.base.errors import BadRequest
from openhood.http.context import Call

Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One method and path template.

    A segment is literal text, ``{name}`` (one segment), ``{name:a|b}`` (one of these words) or, last,
    ``{name:path}`` (the rest, at least one segment). ``fixed`` are parameters the template implies.
    ``dialect`` chooses how errors are rendered: ``api``, ``git``, ``lfs`` or ``page``. ``bucket`` is
    the rate-limit bucket: ``api``, ``resolvers``, ``pages``, or empty for no limit. Forms that go to a page are
    refused from other sites' pages, unless ``is_foreign`` says that those are meant to send them.
    """

    methods: tuple[str, ...]
    template: str
    handler: Handler
    fixed: Mapping[str, str] = field(default_factory=dict)
    dialect: str = "api"
    bucket: str = "api"
    is_foreign: bool = False


@dataclass(slots=True)
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict)
    choices: list[tuple[str, frozenset[str], str, _Node]] = field(default_factory=list)
    single: tuple[str, str, _Node] | None = None  # (parameter's name, required ending, where it leads)
    suffixed: list[tuple[str, str, _Node]] = field(default_factory=list)
    rest: dict[str, dict[str, Route]] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """The outcome of a look-up: ``route`` None means the path exists but not with this method."""

    route: Route | None
    params: Mapping[str, str]
    allowed: tuple[str, ...] = ()


class Router:
    """A set of routes. Literals win over choices, choices over parameters, those over ``path``."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._root = _Node()
        for route in self.routes:
            self._add(route)

    def match(self, method: str, raw_path: bytes) -> Match | None:
        """Find the route of a raw (still encoded) path; None if there is none.

        Empty segments are skipped, since some clients keep a trailing slash in their endpoint.
        Raises: BadRequest for a path that is not UTF-8 once decoded.
        """
        segments = [segment for segment in raw_path.decode("latin-1").split("/") if segment]
        found = self._walk(self._root, segments, 0, {}, method)
        if found is None:
            allowed = sorted(self._allowed(segments))
            return Match(None, {}, tuple(allowed)) if allowed else None
        route, params = found
        return Match(route, {**route.fixed, **{name: decode(value) for name, value in params.items()}})

    def _add(self, route: Route) -> None:
        node = self._root
        parts = [part for part in route.template.split("/") if part]
        for position, part in enumerate(parts):
            if not part.startswith("{"):
                node = node.literals.setdefault(part, _Node())
                continue
            inside, _, ending = part[1:].partition("}")
            name, _, kind = inside.partition(":")
            if kind == "path":
                if position != len(parts) - 1 or ending:
                    raise ValueError(f"{route.template}: a path parameter must be last")
                self._put(node.rest.setdefault(name, {}), route)
                break
            node = self._child(node, name, kind, ending)
        else:
            self._put(node.routes, route)

    @staticmethod
    def _put(table: dict[str, Route], route: Route) -> None:
        for method in route.methods:
            if method in table:
                raise ValueError(f"two routes for {method} {route.template}")
            table[method] = route

    @staticmethod
    def _child(node: _Node, name: str, kind: str, ending: str) -> _Node:
        if kind:
            for known, words, known_ending, child in node.choices:
                if (known, words, known_ending) == (name, frozenset(kind.split("|")), ending):
                    return child
            child = _Node()
            node.choices.append((name, frozenset(kind.split("|")), ending, child))
            return child
        if ending:
            for known, known_ending, child in node.suffixed:
                if (known, known_ending) == (name, ending):
                    return child
            child = _Node()
            node.suffixed.append((name, ending, child))
            return child
        if node.single is None:
            node.single = (name, "", _Node())
        elif node.single[0] != name:
            raise ValueError(f"parameter {name!r} is called {node.single[0]!r} elsewhere at the same place")
        return node.single[2]

    def _walk(
        self, node: _Node, segments: list[str], at: int, params: dict[str, str], method: str | None
    ) -> tuple[Route, dict[str, str]] | None:
        if at == len(segments):
            route = _pick(node.routes, method)
            return None if route is None else (route, params)
        segment = segments[at]
        for taken, child in self._children(node, segment):
            found = self._walk(child, segments, at + 1, {**params, **taken}, method)
            if found is not None:
                return found
        for name, table in node.rest.items():
            route = _pick(table, method)
            if route is not None:
                return route, {**params, name: "/".join(segments[at:])}
        return None

    @staticmethod
    def _children(node: _Node, segment: str) -> Iterable[tuple[dict[str, str], _Node]]:
        literal = node.literals.get(segment)
        if literal is not None:
            yield {}, literal
        for name, words, ending, child in node.choices:
            if segment.endswith(ending) and segment[: len(segment) - len(ending)] in words:
                yield {name: segment[: len(segment) - len(ending)]}, child
        for name, ending, child in node.suffixed:
            if segment.endswith(ending) and len(segment) > len(ending):
                yield {name: segment[: -len(ending)]}, child
        if node.single is not None:
            yield {node.single[0]: segment}, node.single[2]

    def _allowed(self, segments: list[str]) -> set[str]:
        methods = {method for route in self.routes for method in route.methods}
        return {method for method in methods if self._walk(self._root, segments, 0, {}, method) is not None}


def _pick(table: Mapping[str, Route], method: str | None) -> Route | None:
    if method == "HEAD":
        return table.get("HEAD") or table.get("GET")
    return table.get(method or "")


def decode(segment: str) -> str:
    """Percent-decode one raw segment or path. Raises BadRequest where the result is not UTF-8."""
    if "%" not in segment and segment.isascii():
        return segment
    try:
        return unquote_to_bytes(segment.encode("latin-1")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest("The path of the URL is not valid UTF-8.") from error
