"""The YAML front matter of a card (``README.md``), read as JSON-like values under fixed bounds.

Only what JSON knows comes out: no dates, no NaN, no keys but strings, nothing recursive. What the
values should be for the Hub is `card_rules`' business.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from openhood.base.errors import InvalidCard

MAX_CARD_BYTES = 1024 * 1024
"""Most bytes of a card's front matter; the text below it may be longer."""

_MAX_WEIGHT = 4 * MAX_CARD_BYTES
_VALUE_WEIGHT = 32
_MAX_DEPTH = 40
_MAX_INTEGER = 2**63
# huggingface_hub hands the card's keys on as keyword arguments beside these two
# (`ModelCardData(**card_data, ignore_metadata_errors=True)`): such a card would break every listing.
_CLASHING_KEYS = frozenset({"self", "ignore_metadata_errors"})


@dataclass(frozen=True, slots=True)
class CardText:
    """A card cut in two: ``front`` is None where there is no front matter."""

    front: str | None
    body: str


def split_card(text: str) -> CardText:
    """Cut a card at its ``---`` lines, as huggingface_hub does (``repocard.py::REGEX_YAML_BLOCK``)."""
    stripped = text.removeprefix("\ufeff").lstrip()
    opening, _, rest = stripped.partition("\n")
    if opening.rstrip() != "---":
        return CardText(None, text)
    lines = rest.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.rstrip() == "---":
            return CardText("".join(lines[:number]), "".join(lines[number + 1 :]))
    return CardText(None, text)


def parse_card(text: str) -> Mapping[str, object] | None:
    """Return the front matter of a card; None where there is none, ``{}`` where it is empty.

    Raises: InvalidCard saying what is wrong and, where known, in which line.
    """
    front = split_card(text).front
    if front is None:
        return None
    loaded = parse_yaml(front)
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise InvalidCard("The YAML metadata must be a mapping of names to values.")
    return {key: value for key, value in loaded.items() if key not in _CLASHING_KEYS}


def parse_yaml(text: str) -> object:
    """Return the values of a YAML document under the same bounds as a card's front matter.

    Raises: InvalidCard saying what is wrong and, where known, in which line.
    """
    if len(text.encode("utf-8", "replace")) > MAX_CARD_BYTES:
        raise InvalidCard(f"The YAML metadata is larger than {MAX_CARD_BYTES} bytes.")
    try:
        _check_shape(text)
        return yaml.load(text, Loader=_CardLoader)  # noqa: S506  # a safe loader of our own, with fewer types
    except yaml.YAMLError as error:
        raise InvalidCard(f"Invalid YAML: {_explain(error)}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidCard(f"Invalid YAML: {error}") from error


def read_card(data: bytes) -> Mapping[str, object] | None:
    """Return the front matter of a committed README, or None where it has none or an invalid one."""
    try:
        return parse_card(data.decode("utf-8", "replace"))
    except InvalidCard:
        return None


def _check_shape(front: str) -> None:
    """Bound nesting and size before anything is built.

    A few lines of nested aliases stand for billions of values, so each alias weighs what it repeats:
    a fixed part per value, and its text.
    """
    depth = 0
    opened: list[tuple[str | None, int]] = []
    weights: dict[str, int] = {}
    total = 0
    for event in yaml.parse(front, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            # An alias to an anchor still open is a value inside itself.
            if event.anchor not in weights:
                raise ValueError(f"the alias '*{event.anchor}' names no value above it")
            total += weights[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            total += _VALUE_WEIGHT + len(event.value)
            if event.anchor:
                weights[event.anchor] = _VALUE_WEIGHT + len(event.value)
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            opened.append((event.anchor, total))
            total += _VALUE_WEIGHT
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            anchor, before = opened.pop()
            if anchor:
                weights[anchor] = total - before
        if depth > _MAX_DEPTH:
            raise ValueError(f"values are nested more than {_MAX_DEPTH} deep")
        if total > _MAX_WEIGHT:
            raise ValueError("its values are too many or too large")


def _explain(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    # One line for the opening dashes, one because marks count from 0.
    return f"{problem} (line {mark.line + 2})" if mark is not None else str(problem)


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # Any: PyYAML may lack its C half


class _CardLoader(_Loader):  # type: ignore[misc]  # the base is chosen at run time
    """YAML 1.2's core schema, as the Hub reads cards: ``no`` is Norwegian, a date is text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  # PyYAML's own shape
    yaml_constructors: dict[str | None, Any] = {}  # noqa: RUF012  # Any: PyYAML's constructors are untyped

    def build_mapping(self, node: yaml.MappingNode) -> Any:
        """Build a dict with text keys; the same key twice is an error, as in huggingface_hub's cards."""
        mapping: dict[str, object] = {}
        yield mapping
        for key_node, value_node in node.value:
            key = _key(self.construct_object(key_node, deep=True))
            if key in mapping:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key[:80]}' occurs twice", key_node.start_mark
                )
            mapping[key] = self.construct_object(value_node, deep=True)

    def build_sequence(self, node: yaml.SequenceNode) -> Any:
        """Build a list."""
        items: list[object] = []
        yield items
        items.extend(self.construct_object(item, deep=True) for item in node.value)

    def build_text(self, node: yaml.ScalarNode) -> str:
        """Build text; halves of surrogate pairs, which JSON and databases refuse, are replaced."""
        return str(node.value).encode("utf-8", "replace").decode("utf-8")

    def build_number(self, node: yaml.ScalarNode) -> object:
        """Build an integer, as text where JSON parsers could not hold it."""
        text = str(node.value)
        if len(text) > 24:
            return text
        value = int(text, 0) if text[:2] in ("0x", "0o") else int(text)
        return value if -_MAX_INTEGER < value < _MAX_INTEGER else text

    def build_float(self, node: yaml.ScalarNode) -> object:
        """Build a float, as text where it is infinite or not a number."""
        text = str(node.value)
        try:
            value = float(text)
        except ValueError:  # `.inf`, `.nan`
            return text
        return value if math.isfinite(value) else text

    def build_flag(self, node: yaml.ScalarNode) -> bool:
        """Build a boolean."""
        return str(node.value).lower() == "true"

    def build_null(self, node: yaml.ScalarNode) -> None:
        """Build nothing."""

    def refuse(self, node: yaml.Node) -> object:
        """Refuse a tag that JSON has no value for."""
        raise yaml.constructor.ConstructorError(
            None, None, f"unknown tag '{str(node.tag)[:80]}'", node.start_mark
        )


def _key(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if not isinstance(value, Hashable):
        raise ValueError("a key must be a plain value")
    return str(value)


def _prepare() -> None:
    core = "tag:yaml.org,2002:"
    for tag, pattern, first in (
        ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
        ("null", r"~|null|Null|NULL|", "~nN"),
        ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
        (
            "float",
            r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
            "-+0123456789.",
        ),
    ):
        _CardLoader.add_implicit_resolver(core + tag, re.compile(f"(?:{pattern})$"), list(first))
    _CardLoader.add_implicit_resolver(core + "null", re.compile(r"$"), [""])
    for tag, build in (
        ("map", _CardLoader.build_mapping),
        ("seq", _CardLoader.build_sequence),
        ("str", _CardLoader.build_text),
        ("int", _CardLoader.build_number),
        ("float", _CardLoader.build_float),
        ("bool", _CardLoader.build_flag),
        ("null", _CardLoader.build_null),
    ):
        _CardLoader.add_constructor(core + tag, build)
    _CardLoader.add_constructor(None, _CardLoader.refuse)


_prepare()
