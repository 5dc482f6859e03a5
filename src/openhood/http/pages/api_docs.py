"""The API for people and programs: a page to read, and the same as an OpenAPI description.

Both are made from the routes once per process; the address of this hub is put in by the page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import orjson
from markupsafe import Markup, escape
from starlette.responses import Response

from openhood.http import api_reading, api_words, openapi
from openhood.http.compression import shrink
from openhood.http.context import Call
from openhood.http.openapi import Json, Operation
from openhood.http.pages.render import page
from openhood.http.router import Route

_REFERENCE = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Value:
    """Something to send: a parameter or a key of the body. ``limits`` are ready to read: ``1 … 1000``."""

    name: str
    kind: str
    about: Markup
    is_needed: bool
    default: str = ""
    limits: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """An operation as the page shows it. ``curl`` has ``{hub}`` where the hub's address is to be."""

    key: str
    method: str
    path: Markup
    summary: Markup
    description: tuple[Markup, ...]
    is_public: bool
    in_path: tuple[Value, ...]
    in_query: tuple[Value, ...]
    in_body: tuple[Value, ...]
    media_types: tuple[str, ...]
    curl: str


@dataclass(frozen=True, slots=True)
class Section:
    """A group with its operations."""

    key: str
    title: str
    about: str
    operations: tuple[Shown, ...]


@cache
def document() -> tuple[bytes, str]:
    """Return the description as JSON, and its ETag."""
    body = orjson.dumps(openapi.describe(_routes()))
    return body, f'"{hashlib.sha256(body).hexdigest()[:16]}"'


@cache
def sections() -> tuple[Section, ...]:
    """Return everything that the page shows, in the order of the groups."""
    described = orjson.loads(document()[0])
    groups: dict[str, list[Shown]] = {each.key: [] for each in api_words.GROUPS}
    for each in openapi.operations(_routes()):
        groups[each.group].append(_shown(each, described))
    return tuple(
        Section(each.key, each.title, each.about, tuple(groups[each.key])) for each in api_words.GROUPS
    )


async def get_document(call: Call) -> Response:
    """``/openapi.json``: the API in OpenAPI 3.1, for programs."""
    body, etag = await call.run(document)
    headers = {"ETag": etag, "Cache-Control": "public, no-cache"}
    known = [
        each.strip().removeprefix("W/") for each in call.request.headers.get("if-none-match", "").split(",")
    ]
    if etag in known:
        return Response(status_code=304, headers=headers)
    return shrink(call.request.headers, Response(body, 200, headers, "application/json; charset=utf-8"))


async def get_docs(call: Call) -> Response:
    """``/docs/api``: the API to read."""
    shown = await call.run(sections)
    return await page(
        call, "docs/api.html", sections=shown, total=sum(len(each.operations) for each in shown)
    )


def _routes() -> tuple[Route, ...]:
    # Not at the top: the list of routes imports this module.
    from openhood.http.routes import ROUTES

    return ROUTES


def _shown(each: Operation, described: Json) -> Shown:
    known = described["paths"][each.path][each.method.lower()]
    parameters = known.get("parameters", [])
    content = known.get("requestBody", {}).get("content", {})
    body = content.get("application/json", {}).get("schema", {})
    in_body = tuple(_fields(body, described["components"]["schemas"]))
    return Shown(
        key=each.key,
        method=each.method,
        # Long paths break between their parts, if at all.
        path=Markup("<wbr>/").join(each.path.split("/")),
        summary=_marked(each.summary),
        description=tuple(_marked(part) for part in each.description.split("\n\n") if part),
        is_public=each.is_public,
        in_path=tuple(_parameter(part) for part in parameters if part["in"] == "path"),
        in_query=tuple(_parameter(part) for part in parameters if part["in"] == "query"),
        in_body=in_body,
        media_types=tuple(content),
        curl=_curl(each, api_reading.read(each.route.handler).is_paged, tuple(content), in_body),
    )


def _parameter(known: Mapping[str, Json]) -> Value:
    schema = known["schema"]
    low, high = schema.get("minimum"), schema.get("maximum")
    limits = " … ".join("" if each is None else str(each) for each in (low, high)).strip()
    return Value(
        name=str(known["name"]),
        kind=" | ".join(schema["enum"]) if "enum" in schema else schema["type"],
        about=_marked(str(known.get("description", ""))),
        is_needed=bool(known.get("required")),
        default="" if "default" not in schema else orjson.dumps(schema["default"]).decode(),
        limits="" if limits == "…" else limits,
    )


def _fields(schema: Json, schemas: Json) -> list[Value]:
    """Return the keys of a body, one level deep."""
    if "$ref" in schema:
        return _fields(schemas[schema["$ref"].removeprefix(_REFERENCE)], schemas)
    if "anyOf" in schema:
        return [value for each in schema["anyOf"] for value in _fields(each, schemas)]
    needed = schema.get("required", [])
    return [
        Value(
            name=name,
            kind=_kind(part, schemas),
            about=_marked(str(part.get("description", ""))),
            is_needed=name in needed,
            default=orjson.dumps(part["default"]).decode() if part.get("default") not in (None, "") else "",
        )
        for name, part in schema.get("properties", {}).items()
    ]


def _kind(schema: Json, schemas: Json) -> str:
    if "$ref" in schema:
        return _kind(schemas.get(schema["$ref"].removeprefix(_REFERENCE), {}), schemas)
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(_kind(each, schemas) for each in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(str(each) for each in schema["enum"])
    if schema.get("type") == "array":
        return f"{_kind(schema.get('items', {}), schemas)}[]"
    return str(schema.get("type", schema.get("const", "any")))


def _curl(each: Operation, is_paged: bool, media_types: tuple[str, ...], fields: tuple[Value, ...]) -> str:
    lines = ["curl" + ("" if each.method == "GET" else f" -X {each.method}")]
    if not each.is_public:
        lines.append('-H "Authorization: Bearer $HF_TOKEN"')
    if media_types and each.method != "GET":
        if "application/x-ndjson" in media_types:
            lines += ['-H "Content-Type: application/x-ndjson"', "--data-binary @commit.ndjson"]
        elif "application/json" in media_types:
            sent = {value.name: _sample(value.kind) for value in fields if value.is_needed}
            lines += ['-H "Content-Type: application/json"', f"-d '{orjson.dumps(sent).decode()}'"]
        elif "application/x-www-form-urlencoded" in media_types:
            lines.append("-d 'name=value'")
        else:
            lines.append("--data-binary @file")
    query = "?limit=10" if is_paged else ""
    lines.append(f'"{{hub}}{each.example}{query}"')
    return " \\\n  ".join(lines)


def _sample(kind: str) -> object:
    first = kind.partition(" | ")[0]
    if first.endswith("[]"):
        return []
    return {"boolean": True, "integer": 1, "number": 1, "object": {}, "string": "…", "any": "…"}.get(
        first, first
    )


def _marked(text: str) -> Markup:
    """Return plain text as HTML, with what stands between backquotes as code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )


ROUTES = (
    Route(("GET",), "/openapi.json", get_document, bucket="pages"),
    Route(("GET",), "/docs/api", get_docs, dialect="page", bucket="pages"),
)
