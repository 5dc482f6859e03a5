"""The description of the API in OpenAPI 3.1, made from the routes and their handlers.

Pages, and the protocols of git, LFS and Xet, which their own clients speak, are left out; so are the routes that only
say what this hub has not.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from openhood import __version__
from openhood.base.names import RepoType
from openhood.http import api_reading, api_words
from openhood.http.api_reading import Asked
from openhood.http.router import Route

Json = dict[str, Any]  # Any: a JSON document

_LEFT_OUT = ("single_id", "drop_telemetry")
_TYPES = frozenset(kind.plural for kind in RepoType)
_PIECE = re.compile(r"\{(\w+)(?::([^}]*))?\}")
_WHERE_IT_IS = re.compile(r"^(?:(?:``[^`]*``|,|or|and|the same of an organization)\s*)+(?:[:.]\s*|$)")
_SOURCE = re.compile(r"\s*\**Sources?\**: .*", re.DOTALL)
_FOR_US = re.compile(r"^(?:Args|Returns?|Raises|\*Raises\*|Opens|Ours)\b")
_BAD = ("400", "401", "403", "404", "429")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one route, as it is published. ``example`` is its path with something at every place."""

    key: str
    method: str
    path: str
    example: str
    group: str
    summary: str
    description: str
    is_public: bool
    route: Route


def operations(routes: Iterable[Route]) -> Iterator[Operation]:
    """Yield what is described of the routes, in their order."""
    for route in routes:
        module = _module(route)
        if module not in api_words.GROUP_OF or route.handler.__name__ in _LEFT_OUT:
            continue
        if route.fixed.get("type", "models") not in _TYPES:
            continue
        summary, description = _words(route, module)
        for method in route.methods:
            if method == "HEAD" and "GET" in route.methods:
                continue
            path = _path(route.template)
            yield Operation(
                key=_key(method, path),
                method=method,
                path=path,
                example=_example(route.template),
                group=_group(route, module),
                summary=summary,
                description=description,
                is_public=_is_public(method, route.template),
                route=route,
            )


def describe(routes: Iterable[Route]) -> Json:
    """Return the whole document."""
    paths: dict[str, Json] = {}
    schemas: Json = {"Error": _ERROR}
    for each in operations(routes):
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Openhood", "version": __version__, "description": api_words.ABOUT},
        "servers": [{"url": "/"}],
        "tags": [
            {"name": each.key, "description": each.about, "x-displayName": each.title}
            for each in api_words.GROUPS
        ],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {code: _refusal(code) for code in _BAD},
            "headers": _HEADERS,
            "securitySchemes": _SCHEMES,
        },
    }


# --- one operation -------------------------------------------------------------------------------------


def _operation(each: Operation, schemas: Json) -> Json:
    reading = api_reading.read(each.route.handler)
    parameters = [*_path_parameters(each.route), *map(_query_parameter, reading.query.values())]
    good: Json = {"description": "Done."}
    if reading.is_paged:
        good["headers"] = {"Link": {"$ref": "#/components/headers/Link"}}
    made: Json = {
        "operationId": each.key,
        "summary": each.summary,
        "tags": [each.group],
        "responses": {
            "2XX": good,
            **{code: {"$ref": f"#/components/responses/{code}"} for code in _codes(each)},
        },
    }
    if each.description:
        made["description"] = each.description
    if parameters:
        made["parameters"] = parameters
    if each.is_public:
        made["security"] = [{}, {"token": []}, {"session": []}]
    if each.method != "GET" and reading.media_types:
        made["requestBody"] = _body(each, schemas)
    return made


def _codes(each: Operation) -> Iterator[str]:
    for code in _BAD:
        if code != "404" or "{" in each.path:
            yield code


def _body(each: Operation, schemas: Json) -> Json:
    reading = api_reading.read(each.route.handler)
    module = _module(each.route).rpartition(".")[2]
    # What is read as JSON without a model has rules of its own, which the description tells.
    known = [_schema(f"{module}.", model, schemas) for model in reading.models.values()]
    content: Json = {}
    for media_type in reading.media_types:
        schema: Json = {"type": "object"} if "json" in media_type or "form" in media_type else {}
        if media_type == "application/json" and known:
            schema = known[0] if len(known) == 1 else {"anyOf": known}
        content[media_type] = {"schema": schema}
    return {"content": content}


def _schema(prefix: str, model: type[BaseModel], schemas: Json) -> Json:
    """File a model's schema, and those it is made of, under names that no other module's models have."""
    place = "#/components/schemas/"
    made = model.model_json_schema(ref_template=f"{place}{prefix}{{model}}")
    for name, part in made.pop("$defs", {}).items():
        schemas[prefix + name] = part
    schemas[prefix + model.__name__] = made
    return {"$ref": f"{place}{prefix}{model.__name__}"}


def _path_parameters(route: Route) -> Iterator[Json]:
    for word, kind in _PIECE.findall(route.template):
        part = api_words.PARTS[word]
        schema: Json = {"type": "string"}
        if kind and kind != "path":
            schema["enum"] = [each for each in kind.split("|") if word != "type" or each in _TYPES]
        yield {
            "name": part.name,
            "in": "path",
            "required": True,
            "description": part.about,
            "schema": schema,
        }


def _query_parameter(asked: Asked) -> Json:
    schema: Json = {"type": asked.kind}
    if asked.kind == "array":
        schema["items"] = {"type": "string"}
    for key, value in (("default", asked.default), ("minimum", asked.low), ("maximum", asked.high)):
        if value is not None:
            schema[key] = value
    made: Json = {"name": asked.name, "in": "query", "schema": schema}
    if asked.name in api_words.QUERY:
        made["description"] = api_words.QUERY[asked.name]
    return made


# --- names and words -------------------------------------------------------------------------------------


def _module(route: Route) -> str:
    return route.handler.__module__.removeprefix("openhood.http.")


def _group(route: Route, module: str) -> str:
    group = api_words.GROUP_OF[module]
    if group != "administration":
        for beginning, other in api_words.REGROUPED.items():
            if route.template == beginning or route.template.startswith(beginning + "/"):
                return other
    return group


def _path(template: str) -> str:
    return _PIECE.sub(lambda found: "{" + api_words.PARTS[found[1]].name + "}", template)


def _example(template: str) -> str:
    return _PIECE.sub(lambda found: api_words.PARTS[found[1]].example, template)


def _key(method: str, path: str) -> str:
    """Return an operation's id, which no other has, since its method and path are in it."""
    words = [re.sub(r"\W+", "_", part.strip("{}")).strip("_") for part in path.split("/") if part]
    return "_".join([method.lower(), *words])


def _words(route: Route, module: str) -> tuple[str, str]:
    """Return the summary and the rest of what a handler's docstring says to those who call it."""
    text = inspect.cleandoc(route.handler.__doc__ or "")
    kept = [each for each in text.split("\n\n") if not _FOR_US.match(each)]
    first, *more = [_SOURCE.sub("", each).strip() for each in kept] or [""]
    first = _WHERE_IT_IS.sub("", first.replace("\n", " "))
    first = api_words.SUMMARIES.get(f"{module}.{route.handler.__name__}", first)
    return _plain(first[:1].upper() + first[1:]), _plain("\n\n".join(each for each in more if each))


def _plain(text: str) -> str:
    """Return text of docstrings with the quotes of Markdown."""
    return text.replace("``", "`")


def _is_public(method: str, template: str) -> bool:
    if any(template.startswith(beginning) for beginning in api_words.PERSONAL):
        return False
    if any(part in template for part in api_words.QUESTIONS):
        return True
    return method in ("GET", "HEAD") or template.startswith(api_words.READ_BY_ANYBODY_IF_POSTED)


# --- what all have -----------------------------------------------------------------------------------------

_ERROR: Json = {
    "type": "object",
    "description": "Why a request was refused.",
    "properties": {"error": {"type": "string", "description": "A sentence for people."}},
    "required": ["error"],
}
_HEADERS: Mapping[str, Json] = {
    "X-Error-Code": {
        "description": "`RepoNotFound`, `RevisionNotFound`, `EntryNotFound` or `GatedRepo`, where one of them is why.",
        "schema": {"type": "string"},
    },
    "X-Error-Message": {"description": "The sentence of the body.", "schema": {"type": "string"}},
    "X-Request-Id": {
        "description": "The number of the request in the hub's log.",
        "schema": {"type": "string"},
    },
    "Link": {
        "description": 'The address of the next page, with `rel="next"`.',
        "schema": {"type": "string"},
    },
}
_SCHEMES: Json = {
    "token": {"type": "http", "scheme": "bearer", "description": "An access token: `hf_…`."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "openhood_session",
        "description": "The session of a browser on this hub's own pages.",
    },
}
_REASONS = {
    "400": "The request is not valid; the message says what is wrong.",
    "401": "The credentials are wrong, expired, or missing.",
    "403": "The caller may not do this.",
    "404": "There is no such thing, or the caller may not know of it.",
    "429": "Too many requests: wait as long as `Retry-After` says.",
}


def _refusal(code: str) -> Json:
    return {
        "description": _REASONS[code],
        "headers": {
            name: {"$ref": f"#/components/headers/{name}"}
            for name in ("X-Error-Code", "X-Error-Message", "X-Request-Id")
        },
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
