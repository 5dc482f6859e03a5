"""What the code of a handler says of its request: parameters of the query, the body, whether lists go on.

Read from the source, once, so that the description of the API cannot fall behind; nothing is run.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import FunctionType

from pydantic import BaseModel

_OURS = "openhood.http."
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_ASKING = {"query": "string", "query_list": "array", "query_flag": "boolean", "query_int": "integer"}
_FORMS = ("read_form", "is_form")
_OBJECTS = ("read_object", "read_json")
_MODELS = ("read_model", "check_model")
_LINES = ("read_lines",)
_BYTES = ("chunks", "batches", "read_all")


@dataclass(frozen=True, slots=True)
class Asked:
    """A parameter of the query. ``default``, ``low`` and ``high`` are None where they are not known."""

    name: str
    kind: str
    default: bool | int | None = None
    low: int | None = None
    high: int | None = None


@dataclass(slots=True)
class Reading:
    """What a handler reads: its query by name, models and media types of its body; ``is_paged`` with a Link header."""

    query: dict[str, Asked] = field(default_factory=dict)
    models: dict[str, type[BaseModel]] = field(default_factory=dict)
    media_types: dict[str, None] = field(default_factory=dict)
    is_paged: bool = False


@cache
def read(handler: Callable[..., object]) -> Reading:
    """Return what a handler and the functions it hands its call to read of a request."""
    found = Reading()
    if isinstance(handler, FunctionType):
        _follow(handler, found, set())
    return found


def _follow(function: FunctionType, found: Reading, seen: set[FunctionType]) -> None:
    known = _functions(function.__module__)
    # One that was made by a function is found by its line, whatever it is called.
    node = known.get(function.__name__) or known.get(function.__code__.co_firstlineno)
    if node is None or function in seen:
        return
    seen.add(function)
    for each in _calls(node):
        name, owner = _called(each)
        if owner == "call" and name in _ASKING:
            _ask(each, _ASKING[name], function.__globals__, found)
            continue
        if owner == "call" and name == "act" and each.args and isinstance(each.args[0], ast.Name):
            name, owner = each.args[0].id, ""
        target = _target(name, owner, function.__globals__)
        if not isinstance(target, FunctionType) or not target.__module__.startswith(_OURS):
            continue
        if target.__module__ == f"{_OURS}bodies":
            _read_body(target.__name__, each, function.__globals__, found)
        elif target.__name__ == "next_link":
            found.is_paged = True
        elif any(isinstance(given, ast.Name) and given.id == "call" for given in each.args):
            _follow(target, found, seen)


def _ask(node: ast.Call, kind: str, known: Mapping[str, object], found: Reading) -> None:
    """Note a parameter; what is read by several functions is noted as the first reads it."""
    names = [given.value for given in node.args if isinstance(given, ast.Constant)]
    if len(names) != 1 or not isinstance(names[0], str):
        return
    values = {each.arg: _number(each.value, known) for each in node.keywords}
    asked = Asked(names[0], kind, values.get("default"), values.get("low"), values.get("high"))
    if names[0] not in found.query or found.query[names[0]].kind == "string":
        found.query[names[0]] = asked


def _number(node: ast.expr, known: Mapping[str, object]) -> int | None:
    """Return a number or truth value that stands in the code, by itself or by name."""
    value: object = None
    if isinstance(node, ast.Constant):
        value = node.value
    elif isinstance(node, ast.Name):
        value = known.get(node.id)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        value = getattr(known.get(node.value.id), node.attr, None)
    return value if isinstance(value, int) else None


def _read_body(reader: str, node: ast.Call, known: Mapping[str, object], found: Reading) -> None:
    if reader in _MODELS:
        for given in node.args:
            model = known.get(given.id) if isinstance(given, ast.Name) else None
            if isinstance(model, type) and issubclass(model, BaseModel):
                found.models[model.__name__] = model
    if reader in _MODELS or reader in _OBJECTS:
        found.media_types["application/json"] = None
    elif reader in _FORMS:
        found.media_types["application/x-www-form-urlencoded"] = None
    elif reader in _LINES:
        found.media_types["application/x-ndjson"] = None
    elif reader in _BYTES:
        found.media_types["application/octet-stream"] = None


def _called(node: ast.Call) -> tuple[str, str]:
    """Return the name of what is called, and what it is an attribute of or nothing."""
    if isinstance(node.func, ast.Name):
        return node.func.id, ""
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        return node.func.attr, node.func.value.id
    return "", ""


def _target(name: str, owner: str, known: Mapping[str, object]) -> object:
    return getattr(known.get(owner), name, None) if owner else known.get(name)


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    return (each for each in ast.walk(node) if isinstance(each, ast.Call))


@cache
def _functions(module: str) -> Mapping[str | int, ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return a module's functions as trees: by name, those inside others by line; none where its source is not at hand."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (OSError, TypeError):
        return {}
    inner = {node.lineno: node for node in ast.walk(tree) if isinstance(node, _FUNCTION)}
    return inner | {node.name: node for node in tree.body if isinstance(node, _FUNCTION)}
